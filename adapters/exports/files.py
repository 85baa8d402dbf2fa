"""An encrypted export as a file: written so that it is there wholly or not at all, read from any place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.durable import sync_folder
from traceability.errors import ConflictError, InvalidInputError, NotFoundError
from traceability.notary.age import WORK, Decrypted, encrypt
from traceability.ports import Entropy

LEAST_PASSPHRASE = 12


def write_file(path: Path, plain: Iterable[bytes], passphrase: str, entropy: Entropy, *, work: int = WORK) -> int:
    """Write `plain` encrypted to a new file that only its owner may read; return its size. `work` is `encrypt`'s.

    An attempt that was broken off leaves `NAME.unfinished`, which the next one writes anew. Raises `ConflictError`
    (`audit.exists`), `NotFoundError` (`audit.no_folder`) and `InvalidInputError` (`audit.passphrase`) for one of less
    than 12 characters.
    """
    if len(passphrase) < LEAST_PASSPHRASE:
        raise InvalidInputError(
            f"The passphrase has less than {LEAST_PASSPHRASE} characters",
            code="audit.passphrase",
            hint="The file opens everything to whoever guesses it: take six random words.",
        )
    if path.exists():
        raise ConflictError(f"There is a file {path} already", code="audit.exists", hint="Choose another name.")
    if not path.parent.is_dir():
        raise NotFoundError(f"There is no folder {path.parent}", code="audit.no_folder")
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in encrypt(plain, passphrase, entropy, work=work):
            file.write(piece)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_folder(path.parent)
    return size


@contextmanager
def read_file(path: Path, passphrase: str) -> Iterator[Decrypted]:
    """Give the plain text of an encrypted file; raises as `Decrypted` does, and `NotFoundError` (`audit.no_file`)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}", code="audit.no_file") from error
    try:
        size = os.fstat(descriptor).st_size
        yield Decrypted(lambda start, end: os.pread(descriptor, end - start, start), size, passphrase)
    finally:
        os.close(descriptor)
