"""Secret keys, of a log or of a witness, as files that only their owner may read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from adapters.durable import make_folders, sync_folder
from traceability.errors import UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.note import CosigningKey, SigningKey
from traceability.ports import Entropy

Key = TypeVar("Key")


def signing_key(path: Path, origin: str, entropy: Entropy) -> SigningKey:
    """Read the key file, or make it for `origin` at first use.

    Raises `UnavailableError` (`log.key_file`) when the file cannot be read or written, holds something else, or may be
    read by others: a key that others have seen proves nothing any more.
    """
    return _stored(path, lambda: SigningKey.generate(origin, entropy).text, SigningKey.parse, entropy)


def cosigning_key(path: Path, name: str | None, entropy: Entropy) -> CosigningKey:
    """Read a witness's key file, or make it for the witness `name`, without which it must be there.

    Raises `UnavailableError`: `witness.no_key`, and `log.key_file` like `signing_key`.
    """
    if name is None and not path.exists():
        raise UnavailableError(
            f"This witness has no key at {path}",
            code="witness.no_key",
            hint="Choose its name, a host and path of yours: traceability witness key --name witness.example/w1",
        )
    return _stored(path, lambda: CosigningKey.generate(name or "", entropy).text, CosigningKey.parse, entropy)


def _stored(path: Path, make: Callable[[], str], read: Callable[[str], Key], entropy: Entropy) -> Key:
    try:
        if not path.exists():
            _create(path, make(), entropy)
        if path.stat().st_mode & 0o077:
            raise UnavailableError(
                f"{path} may be read by others",
                code="log.key_file",
                hint=f"If nobody did, run: chmod 600 {path}",
            )
        return read(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError, VerificationError) as error:
        raise UnavailableError(
            f"the signing key cannot be used: {error}", code="log.key_file", hint=f"Look at {path}."
        ) from error


def _create(path: Path, key: str, entropy: Entropy) -> None:
    changed = make_folders(path.parent) | {path.parent}
    # Not named after the process: in containers that share the folder all are number 1, and one would write its key
    # over that of the other after it was read.
    temporary = path.with_name(f".{path.name}.{entropy.token(8).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(key + "\n")
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
