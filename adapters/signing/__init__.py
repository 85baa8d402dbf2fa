"""The log's signing key as a file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from adapters.durable import make_folders, sync_folder
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
            create_secret(path, SigningKey.generate(origin, entropy).text + "\n", entropy)
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


def create_secret(path: Path, content: str, entropy: Entropy) -> None:
    """Make a file that only its owner may read, durable on return; of several processes that try, the first decides."""
    changed = make_folders(path.parent) | {path.parent}
    # Not named after the process: in containers that share the folder all are number 1, and one would write its key
    # over that of the other after it was read.
    temporary = path.with_name(f".{path.name}.{entropy.token(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, does not replace the key that another process has made meanwhile.
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    for folder in changed:
        sync_folder(folder)
