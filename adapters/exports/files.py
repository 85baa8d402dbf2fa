"""An encrypted export as a file: written so that it is there wholly or not at all, read from any place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.durable import DISK, Disk, locked, replace_file
from traceability.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from traceability.notary.age import WORK, Decrypted, encrypt
from traceability.ports import Entropy

LEAST_PASSPHRASE = 12


def write_file(
    path: Path, plain: Iterable[bytes], passphrase: str, entropy: Entropy, *, work: int = WORK, disk: Disk = DISK
) -> int:
    """Write `plain` encrypted to a new file that only its owner may read; return its size. `work` is `encrypt`'s.

    Of two that write into one folder the second waits. One that is killed leaves `.NAME.new`, which the next attempt
    removes. Raises `ConflictError` (`audit.exists`), `NotFoundError` (`audit.no_folder`), `UnavailableError`
    (`audit.storage`) and `InvalidInputError` (`audit.passphrase`) for one of less than 12 characters.
    """
    if len(passphrase) < LEAST_PASSPHRASE:
        raise InvalidInputError(
            f"The passphrase has less than {LEAST_PASSPHRASE} characters",
            code="audit.passphrase",
            hint="The file opens everything to whoever guesses it: take six random words.",
        )
    if not path.parent.is_dir():
        raise NotFoundError(f"There is no folder {path.parent}", code="audit.no_folder")
    try:
        with locked(path.parent, disk):
            if path.exists():
                raise ConflictError(f"There is a file {path} already", code="audit.exists", hint="Choose another name.")
            replace_file(path, encrypt(plain, passphrase, entropy, work=work), disk, mode=0o600)
            return path.stat().st_size
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror or error}", code="audit.storage", hint="Look at its disk."
        ) from error


@contextmanager
def read_file(path: Path, passphrase: str) -> Iterator[Decrypted]:
    """Give the plain text of an encrypted file.

    Raises as `Decrypted` does, `NotFoundError` (`audit.no_file`) and `UnavailableError` (`audit.unreadable`).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}", code="audit.no_file") from error
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror}", code="audit.unreadable") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotFoundError(f"{path} is not a file", code="audit.no_file")
        yield Decrypted(lambda start, end: os.pread(descriptor, end - start, start), status.st_size, passphrase)
    finally:
        os.close(descriptor)
