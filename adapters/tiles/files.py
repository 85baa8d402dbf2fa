"""A log's static files on the file system."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from adapters.durable import DISK, Disk, make_folders, sync_folder, write_new
from traceability.errors import UnavailableError
from traceability.notary.errors import DamagedLogError, StaleCheckpointError

CHECKPOINT: Final = "checkpoint"
_STAGING: Final = ".staging"
_LOCK: Final = ".lock"


class FileTileStore:
    """One log's folder: `checkpoint` and `tile/…`.

    A file is written beside its place, synced, renamed, and then its folder is synced: after a power cut it is there
    wholly or not at all. Writers of one folder take turns by a lock on it, which a killed process gives up.
    """

    def __init__(self, folder: Path, disk: Disk = DISK) -> None:
        self.folder = folder
        self._disk = disk
        self._lasting: set[Path] = set()  # folders whose own name this process knows to be durable

    def read(self, path: str) -> bytes | None:
        """Return a file, None when it does not exist."""
        try:
            return (self.folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def checkpoint(self) -> bytes | None:
        """Return the served checkpoint."""
        return self.read(CHECKPOINT)

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write immutable files, durable on return; raises `DamagedLogError` when one exists with other bytes."""
        with self._exclusively():
            missing = {}
            for path, content in files.items():
                existing = self.read(path)
                if existing is None:
                    missing[path] = content
                elif existing != content:
                    raise DamagedLogError(f"{path} exists with other bytes; a published file never changes")
            # The folder of a file that exists is synced too: whoever wrote it may have died before that.
            self._put(missing, also_sync=files)

    def replace_checkpoint(self, old: bytes | None, new: bytes) -> None:
        """Serve another checkpoint, durable on return; raises `StaleCheckpointError` when `old` is not served now."""
        with self._exclusively():
            if self.checkpoint() != old:
                raise StaleCheckpointError("another process has published a checkpoint of this log")
            self._put({CHECKPOINT: new})

    def discard_partials(self, paths: Iterable[str]) -> None:
        """Remove the partial tiles of full ones; what cannot be removed stays."""
        for path in paths:
            partials = self.folder / f"{path}.p"
            with contextlib.suppress(OSError):
                for partial in list(partials.iterdir()):
                    self._disk.unlink(partial)
                self._disk.rmdir(partials)
            self._lasting.discard(partials)

    def unchanging(self) -> contextlib.AbstractContextManager[None]:
        """Keep writers away, for as long as the context lasts."""
        return self._exclusively()

    def paths(self) -> Iterator[str]:
        """Yield the path of every file under `tile/`."""
        for folder, _, names in os.walk(self.folder / "tile"):
            relative = Path(folder).relative_to(self.folder)
            yield from ((relative / name).as_posix() for name in names)

    def _put(self, files: Mapping[str, bytes], also_sync: Iterable[str] = ()) -> None:
        disk = self._disk
        staged = [(self.folder / _STAGING / str(number), self.folder / path) for number, path in enumerate(files)]
        # All are written before the first is synced: a journalling file system commits what waits together at once.
        with contextlib.ExitStack() as opened:
            descriptors = []
            for (temporary, _), content in zip(staged, files.values(), strict=True):
                descriptors.append(write_new(temporary, content, 0o644, disk))
                opened.callback(disk.close, descriptors[-1])
            for descriptor in descriptors:
                disk.fsync(descriptor)
        folders = {self.folder / Path(path).parent for path in also_sync} | {target.parent for _, target in staged}
        changed = folders | self._make(folders)
        for temporary, target in staged:
            disk.rename(temporary, target)
        for folder in changed:
            sync_folder(folder, disk)
        self._lasting |= folders

    def _make(self, folders: Iterable[Path]) -> set[Path]:
        """Make folders and return those that must be synced for these to last.

        One that is there may have been made by a process that died before it was durable. Then a power cut would take
        it with all its tiles, and leave the checkpoint that promises them.
        """
        unknown = (folder for folder in folders if folder not in self._lasting or not folder.is_dir())
        return {parent for folder in unknown for parent in make_folders(folder, self._disk)}

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        disk, staging = self._disk, self.folder / _STAGING
        try:
            for folder in self._make([self.folder, staging]):
                sync_folder(folder, disk)
            self._lasting |= {self.folder, staging}
            lock = disk.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                disk.flock(lock, fcntl.LOCK_EX)
                # Under the lock, what is staged can only be left over from a writer that died.
                for leftover in staging.iterdir():
                    disk.unlink(leftover)
                yield
            finally:
                disk.close(lock)
        except OSError as error:
            raise UnavailableError(
                f"the log's files cannot be written: {error}",
                code="log.storage",
                hint=f"Check the space and the permissions of {self.folder}.",
            ) from error
