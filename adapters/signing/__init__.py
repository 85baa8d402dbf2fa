"""The log's signing key as a file that only its owner may read."""

from __future__ import annotations

from pathlib import Path

from adapters.durable import DISK, Disk, create_secret, make_name_last
from traceability.errors import UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.note import SigningKey
from traceability.ports import Entropy


def signing_key(path: Path, origin: str, entropy: Entropy, disk: Disk = DISK) -> SigningKey:
    """Read the key file, or make it for `origin` at first use.

    Raises `UnavailableError` (`log.key_file`) when the file cannot be read or written, holds something else, or may be
    read by others: a key that others have seen proves nothing any more.
    """
    try:
        if not path.exists():
            create_secret(path, f"{SigningKey.generate(origin, entropy).text}\n".encode(), disk)
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others",
                code="log.key_file",
                hint=f"If nobody did, run: chmod 600 {path}",
            )
        key = SigningKey.parse(path.read_text(encoding="utf-8").strip())
        # Nothing may be signed with a key that a power cut can take.
        make_name_last(path, disk)
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        raise UnavailableError(
            f"the log's signing key cannot be used: {error}", code="log.key_file", hint=f"Look at {path}."
        ) from error
    return key
