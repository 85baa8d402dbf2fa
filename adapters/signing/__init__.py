"""The log's signing key as a file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from traceability.errors import UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.note import SigningKey
from traceability.ports import Entropy


def signing_key(path: Path, origin: str, entropy: Entropy) -> SigningKey:
    """Read the key file, or make it for `origin` at first use.

    Raises `UnavailableError` (`log.key_file`) when the file cannot be read or written, holds something else, or may be
    read by others: a key that others have seen proves nothing any more.
    """
    try:
        if not path.exists():
            _create(path, SigningKey.generate(origin, entropy))
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others",
                code="log.key_file",
                hint=f"If nobody did, run: chmod 600 {path}",
            )
        return SigningKey.parse(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        raise UnavailableError(
            f"the log's signing key cannot be used: {error}", code="log.key_file", hint=f"Look at {path}."
        ) from error


def _create(path: Path, key: SigningKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(key.text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, does not replace the key that another process has made meanwhile.
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
