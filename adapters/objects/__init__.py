"""Files of others that the ledger keeps for them, each encrypted under a key of its own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from adapters.durable import DISK, Disk, replace_file, shared
from traceability.errors import NotFoundError, UnavailableError
from traceability.notary.age import Decrypted, encrypt
from traceability.ports import Entropy

_WORK: Final = 10
"""log₂ of scrypt's cost, a few milliseconds: nobody guesses 256 random bits."""


class EncryptedFiles:
    """A folder of age files. A file is found by its key and by nothing else: whose key was destroyed is nobody's."""

    def __init__(self, folder: Path, disk: Disk = DISK) -> None:
        self._folder = folder
        self._disk = disk

    def put(self, plain: Iterable[bytes], key: str, entropy: Entropy) -> None:
        """Keep a file under a key of 256 random bits; durable on return, and nothing of it is there if this fails.

        What writers left that were killed is removed by the next one that is alone.
        Raises `UnavailableError` (`evidence.storage`), and what `plain` raises.
        """
        path = self._path(key)
        try:
            with shared(self._folder, ".*.age.new", self._disk):
                replace_file(path, encrypt(plain, key, entropy, work=_WORK), self._disk, mode=0o600)
        except OSError as error:
            self.remove(key)
            raise UnavailableError(
                f"The file cannot be kept: {error}",
                code="evidence.storage",
                hint=f"Look at the disk of {self._folder}.",
            ) from error

    def open(self, key: str) -> tuple[Decrypted, BinaryIO]:
        """Return a file, and what to close after it was read.

        Raises `NotFoundError` (`evidence.no_file`), `VerificationError` when it was damaged.
        """
        path = self._path(key)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise NotFoundError(
                "The file is not here", code="evidence.no_file", hint="Bring the folder evidence back from a backup."
            ) from None

        def read(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(end - start)

        try:
            return Decrypted(read, path.stat().st_size, key), file
        except BaseException:
            file.close()
            raise

    def remove(self, key: str) -> None:
        """Remove a file that nobody was told of."""
        with suppress(OSError):
            self._disk.unlink(self._path(key))

    def _path(self, key: str) -> Path:
        return self._folder / f"{sha256(key.encode()).hexdigest()[:32]}.age"
