"""A witness's key as a file that only its owner may read."""

from __future__ import annotations

from pathlib import Path

from adapters.durable import create_secret
from traceability.errors import UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.note import CosigningKey
from traceability.ports import Entropy


def cosigning_key(path: Path, name: str | None, entropy: Entropy) -> CosigningKey:
    """Read the key file, or make it for the witness `name`, without which it must be there.

    Raises `VerificationError` when the name cannot be one, `UnavailableError`: `witness.no_key`, and `witness.key_file`
    when the file cannot be read or written, holds something else, or may be read by others.
    """
    try:
        if not path.exists():
            if name is None:
                raise UnavailableError(
                    f"This witness has no key at {path}",
                    code="witness.no_key",
                    hint="Choose a host and path of yours as its name: traceability witness key --name NAME",
                )
            create_secret(path, f"{CosigningKey.generate(name, entropy).text}\n".encode())
        if path.stat().st_mode & 0o077:
            raise _unusable(path, "it may be read by others")
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error)) from error
    try:
        return CosigningKey.parse(text)
    except VerificationError as error:
        raise _unusable(path, error.message) from error


def _unusable(path: Path, reason: str) -> UnavailableError:
    return UnavailableError(
        f"the witness's key cannot be used: {reason}", code="witness.key_file", hint=f"Look at {path}."
    )
