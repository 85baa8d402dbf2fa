"""What a witness remembers, as files: of each log one folder with one note, and the evidence against it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from adapters.durable import DISK, Disk, make_folders, replace_file, sync_folder
from traceability.errors import UnavailableError
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.evidence import Contradiction, Evidence
from traceability.notary.witness import LogMemory, origin_hash

MAX_UNPROVEN: Final = 16
_NOTE: Final = "checkpoint"
_EVIDENCE: Final = "evidence"
_LOCK: Final = ".lock"
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class FileWitnessStore:
    """A folder with `{hex SHA-256 of the origin}/checkpoint` (`traceability.notary.witness.WitnessStore`).

    The lock of a log is on a file in its folder, so threads and processes take turns, and a killed one gives it up.
    """

    def __init__(self, folder: Path, disk: Disk = DISK) -> None:
        self.folder = folder
        self._disk = disk

    @contextlib.contextmanager
    def hold(self, origin: str) -> Iterator[LogMemory]:
        """Give a log's memory to one caller at a time; raises `UnavailableError` (`witness.storage`)."""
        folder = self.folder / origin_hash(origin)
        try:
            for changed in make_folders(folder, self._disk):
                sync_folder(changed, self._disk)
            lock = self._disk.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._disk.flock(lock, fcntl.LOCK_EX)
                yield _Files(folder, self._disk)
            finally:
                self._disk.close(lock)
        except OSError as error:
            raise UnavailableError(
                f"the witness cannot remember: {error}",
                code="witness.storage",
                hint=f"Check the space and the permissions of {self.folder}.",
            ) from error

    def served(self, origin_hash: str) -> bytes | None:
        """Return the note of a log, None when there is none."""
        if not _HASH.fullmatch(origin_hash):
            return None
        return _read(self.folder / origin_hash / _NOTE)

    def evidence(self) -> Sequence[Evidence]:
        """Return all evidence, the oldest first; raises `DamagedLogError` (`witness.memory`) when it is unreadable."""
        found = []
        for path in self.folder.glob(f"*/{_EVIDENCE}/*.json"):
            try:
                found.append(Evidence.parse(path.read_bytes()))
            except VerificationError as error:
                raise DamagedLogError(f"{path} cannot be read: {error.message}", code="witness.memory") from error
        return sorted(found, key=lambda evidence: (evidence.seen_at, evidence.name))


class _Files:
    """One log's folder, under its lock."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk

    def checkpoint(self) -> bytes | None:
        return _read(self._folder / _NOTE)

    def replace(self, note: bytes) -> None:
        replace_file(self._folder / _NOTE, note, self._disk)

    def keep(self, evidence: Evidence) -> None:
        folder = self._folder / _EVIDENCE
        path = folder / f"{evidence.contradiction}-{evidence.name}.json"
        unproven = evidence.contradiction is Contradiction.UNPROVEN
        # Whoever sees a signed checkpoint can send it with a wrong proof as often as he likes.
        if unproven and len(list(folder.glob(f"{Contradiction.UNPROVEN}-*"))) >= MAX_UNPROVEN:
            return
        if not path.exists():
            replace_file(path, evidence.encode(), self._disk)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
