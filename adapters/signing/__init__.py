"""The log's signing key as a file that only its owner may read."""

from __future__ import annotations

import contextlib
from pathlib import Path

from adapters.durable import DISK, Disk, folder_to_sync, make_folders, sync_folder, write_new
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
            _create(path, SigningKey.generate(origin, entropy), entropy, disk)
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others",
                code="log.key_file",
                hint=f"If nobody did, run: chmod 600 {path}",
            )
        key = SigningKey.parse(path.read_text(encoding="utf-8").strip())
        # Whoever made it may have died before its name was durable; nothing may be signed with a key that can get lost.
        for folder in folder_to_sync(path):
            sync_folder(folder, disk)
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        raise UnavailableError(
            f"the log's signing key cannot be used: {error}", code="log.key_file", hint=f"Look at {path}."
        ) from error
    return key


def _create(path: Path, key: SigningKey, entropy: Entropy, disk: Disk) -> None:
    for folder in make_folders(path.parent, disk):
        sync_folder(folder, disk)
    # Not named after the process: in containers that share the folder all are number 1, and one would write its key
    # over that of the other after it was read.
    temporary = path.with_name(f".{path.name}.{entropy.token(8).hex()}")
    try:
        descriptor = write_new(temporary, f"{key.text}\n".encode(), 0o600, disk)
        try:
            disk.fsync(descriptor)
        finally:
            disk.close(descriptor)
        # A link, unlike a rename, does not replace the key that another process has made meanwhile.
        with contextlib.suppress(FileExistsError):
            disk.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(temporary)
