"""The spool: documents on their way into a ledger, a folder for each job.

A job's folder holds its documents by number, plain, and beside them blocks that were prepared ahead. Documents are
on disk, synced, before their job exists; a folder without a job is what a crash left, and is removed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Final
from uuid import UUID

from adapters.durable import DISK, Disk, make_folders, sync_file, sync_folder
from adapters.feeds.unpack import Limits, unpacked
from traceability.errors import BusyError, TooLargeError, UnavailableError

_UPLOAD: Final = "upload"
_STRAY_SECONDS: Final = 24 * 3600
_MEASURED: Final = 1 << 24  # bytes of an upload after which it is looked anew what others have put into the spool


@dataclass(frozen=True, slots=True)
class Received:
    """A job's documents on disk: their names in order, their bytes together, the digest of what came."""

    documents: tuple[str, ...]
    size: int
    digest: bytes


class Spool:
    """The folder in which the jobs of one ledger wait; made at first use, for this account alone.

    What is no job's and has not changed for `stray_seconds` is what a crash left: no upload is silent that long.
    """

    def __init__(
        self, folder: Path, limits: Limits, *, stray_seconds: float = _STRAY_SECONDS, disk: Disk = DISK
    ) -> None:
        self.folder = folder
        self.limits = limits
        self._stray_seconds = stray_seconds
        self._disk = disk
        self._lasting = False  # whether this process knows the folder's own name to be durable
        self._announced: dict[UUID, int] = {}  # bytes of the uploads of this process

    def document(self, job_id: UUID, number: int) -> Path:
        """Return where a document of a job is."""
        return self._job(job_id) / str(number)

    def prepared(self, job_id: UUID, number: int, offset: int) -> Path:
        """Return where the block at `offset` of a document is kept once it is prepared."""
        return self._job(job_id) / f"{number}.{offset}"

    @contextmanager
    def receiving(self, job_id: UUID, *, room: Callable[[], int] | None = None, announced: int = 0) -> Iterator[Upload]:
        """Give the beginning of a job, to add documents to; its folder goes unless the upload is `kept`.

        `announced` bytes are to come, 0 when nobody knows. `room` tells how many bytes more the spool may take, this
        upload as it is or was announced counted; None: as many as the disk has. Raises `BusyError`
        (`capture.spool_full`) when there is no room, and `UnavailableError` (`capture.spool`) when the disk is full
        or cannot be written.
        """
        upload = None
        self._announced[job_id] = announced
        try:
            self._make()
            folder = self._job(job_id)
            folder.mkdir(mode=0o700)
            left = _Room(room, announced)
            left.take(0)
            upload = Upload(folder, self.limits, left, self._disk)
            yield upload
        except OSError as error:
            raise UnavailableError(
                f"What was sent cannot be kept: {error.strerror or error}",
                code="capture.spool",
                hint="Make room on the server's disk, or set TRACEABILITY_SPOOL to a folder on a larger one.",
            ) from error
        finally:
            del self._announced[job_id]
            if upload is None or not upload.kept:
                self.remove(job_id)

    def remove(self, job_id: UUID) -> None:
        """Remove all that is kept of a job."""
        shutil.rmtree(self._job(job_id), ignore_errors=True)

    def jobs(self) -> set[UUID]:
        """Return every job of which there is something here, and every upload that may become one."""
        found = set()
        with suppress(FileNotFoundError):
            for folder in self.folder.iterdir():
                with suppress(ValueError):
                    found.add(UUID(folder.name))
        return found

    def remove_if_stray(self, job_id: UUID) -> None:
        """Remove a folder that belongs to no job, unless it has changed lately."""
        folder = self._job(job_id)
        with suppress(FileNotFoundError):
            changed = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if changed < time.time() - self._stray_seconds:  # noqa: TID251 - a file's time is the machine's
                self.remove(job_id)

    def size(self, job_id: UUID) -> int:
        """Return the bytes of what is here of a job or an upload, or is announced if that is more."""
        size = 0
        with suppress(FileNotFoundError):
            for path in self._job(job_id).iterdir():
                size += path.stat().st_size
        return max(size, self._announced.get(job_id, 0))

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes more would leave as many free."""
        return shutil.disk_usage(self.folder).free > 2 * size

    def _make(self) -> None:
        above = set() if self._lasting and self.folder.is_dir() else make_folders(self.folder, self._disk)
        self.folder.chmod(0o700)
        for folder in above:
            sync_folder(folder, self._disk)
        self._lasting = True

    def _job(self, job_id: UUID) -> Path:
        return self.folder / str(job_id)


class Upload:
    """A job's documents as they come in; they stay when they are `kept`, whatever happens then."""

    def __init__(self, folder: Path, limits: Limits, room: _Room, disk: Disk) -> None:
        self.kept = False
        self._folder = folder
        self._disk = disk
        self._limits = limits
        self._room = room
        self._digest = sha256()
        self._documents: list[str] = []
        self._size = 0

    @contextmanager
    def file(self, name: str) -> Iterator[UploadedFile]:
        """Give a file to write what came under `name` to: a document, or an archive of documents.

        Raises what `unpacked` raises, `TooLargeError` (`capture.too_long`) and `BusyError` (`capture.spool_full`).
        """
        path = self._folder / _UPLOAD
        with path.open("wb") as stream:
            yield UploadedFile(stream, self._limits.bytes, self._digest.update, self._room.take)
        for document in unpacked(path, name, self._limits):
            kept = self._folder / str(len(self._documents))
            document.save(kept, self._room.take)
            sync_file(kept, self._disk)
            self._documents.append(document.name)
            self._size += kept.stat().st_size
        path.unlink(missing_ok=True)

    def done(self) -> Received:
        """Return what there is; it is on disk."""
        for folder in (self._folder, self._folder.parent):
            sync_folder(folder, self._disk)
        return Received(tuple(self._documents), self._size, self._digest.digest())


class UploadedFile:
    """What came under one name, written as it comes."""

    def __init__(
        self, stream: IO[bytes], most: int, seen: Callable[[bytes], object], take: Callable[[int], None]
    ) -> None:
        self._stream = stream
        self._left = self._most = most
        self._seen = seen
        self._take = take

    def write(self, data: bytes) -> None:
        """Add bytes; raises `TooLargeError` (`capture.too_long`) and `BusyError` (`capture.spool_full`)."""
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError(
                f"A document or archive has at most {self._most} bytes", code="capture.too_long", hint="Split it."
            )
        self._take(len(data))
        self._seen(data)
        self._stream.write(data)


class _Room:
    """What an upload may still write, measured anew from time to time, because others write too.

    What was announced is in what is measured, from the beginning.
    """

    def __init__(self, measure: Callable[[], int] | None, announced: int) -> None:
        self._measure = measure
        self._announced = announced
        self._left = 0
        self._unmeasured = _MEASURED

    def take(self, size: int) -> None:
        """Take so many bytes before they are written; raises `BusyError` (`capture.spool_full`)."""
        if self._measure is None:
            return
        covered = min(size, self._announced)
        self._announced -= covered
        size -= covered
        if self._unmeasured + size >= _MEASURED:
            self._left = self._measure()
            self._unmeasured = 0
        self._left -= size
        self._unmeasured += size
        if self._left < 0:
            raise BusyError(
                "Too much is waiting to be captured",
                code="capture.spool_full",
                hint="Send it again when some of it is captured.",
            )
