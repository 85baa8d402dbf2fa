"""What is there after a power cut: a file's bytes once the file was synced, its name once its folder was.

Whatever must outlast a crash is written through a `Disk`, so that a test can let any one call fail, kill the process
at it, or take back everything that was not synced.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

_READ: Final = os.O_RDONLY | os.O_CLOEXEC


class Disk:
    """The system calls that change what is on a disk, with the names, arguments and errors that they have in `os`."""

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        """Return a descriptor."""
        return os.open(path, flags, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write the beginning of `data` and return how many bytes that was."""
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        """Return when the file or folder is durable."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give a descriptor back."""
        os.close(descriptor)

    def flock(self, descriptor: int, operation: int) -> None:
        """Take a lock on a file (`fcntl.LOCK_EX` and others); it goes with the descriptor, and so with the process."""
        fcntl.flock(descriptor, operation)

    def mkdir(self, path: Path) -> None:
        """Make one folder, or leave the one that is there."""
        path.mkdir(exist_ok=True)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name, whatever had that name before."""
        source.rename(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name; raises `FileExistsError`."""
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:
        """Remove a file's name."""
        path.unlink()

    def rmdir(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()


DISK: Final = Disk()


def make_folders(folder: Path, disk: Disk = DISK) -> set[Path]:
    """Make a folder and those above it that are missing, and return the folder that must be synced for it to last.

    Nothing is made in a folder whose own name is not durable. So what a process that dies leaves undone is one sync,
    that of the last folder's parent; the next process cannot see whether it was done, and does it again.
    """
    missing = [] if folder.is_dir() else [folder]
    while missing and not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        for above in folder_to_sync(path.parent):
            sync_folder(above, disk)
        disk.mkdir(path)
    return folder_to_sync(folder)


def folder_to_sync(path: Path) -> set[Path]:
    """Return the folder whose sync makes the name of `path` last; none where this account cannot have made the name."""
    return {path.parent} if os.access(path.parent, os.R_OK | os.W_OK) else set()


def write_new(path: Path, content: bytes | Iterable[bytes], mode: int, disk: Disk = DISK) -> int:
    """Write a file that does not exist and return its descriptor: only the descriptor's sync tells of every failure.

    `content` may come in pieces. Nothing stays of a file that cannot be written, or whose pieces end with an error.
    """
    descriptor = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        for piece in (content,) if isinstance(content, bytes) else content:
            _write_all(descriptor, piece, disk)
    except BaseException:
        disk.close(descriptor)
        with suppress(OSError):
            disk.unlink(path)
        raise
    return descriptor


def replace_file(path: Path, content: bytes | Iterable[bytes], disk: Disk = DISK, *, mode: int = 0o644) -> None:
    """Put a file in its place, wholly or not at all, durable on return; the caller sees to it that it is alone.

    `content` may come in pieces, which may raise what they want. What a writer that died has left beside it is removed.
    """
    _sync_all(make_folders(path.parent, disk), disk)
    temporary = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        disk.unlink(temporary)
    descriptor = write_new(temporary, content, mode, disk)
    try:
        _finish(descriptor, disk)
        disk.rename(temporary, path)
    except OSError:
        with suppress(OSError):
            disk.unlink(temporary)
        raise
    sync_folder(path.parent, disk)


def create_secret(path: Path, content: bytes, disk: Disk = DISK) -> None:
    """Make a file that only its owner may read, durable on return, unless another process has made it meanwhile."""
    _sync_all(make_folders(path.parent, disk), disk)
    temporary, descriptor = _write_beside(path, content, disk)
    try:
        _finish(descriptor, disk)
        # A link, unlike a rename, does not replace what is there.
        with suppress(FileExistsError):
            disk.link(temporary, path)
    finally:
        disk.unlink(temporary)
    make_name_last(path, disk)


def make_name_last(path: Path, disk: Disk = DISK) -> None:
    """Return when the name of a file that is there is durable: whoever made it may have died before that."""
    _sync_all(folder_to_sync(path), disk)


@contextmanager
def locked(folder: Path, disk: Disk = DISK) -> Iterator[None]:
    """Have a folder, which is made if it is missing, alone of all processes that lock it."""
    _sync_all(make_folders(folder, disk), disk)
    descriptor = disk.open(folder, _READ | os.O_DIRECTORY)
    try:
        disk.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        disk.close(descriptor)


@contextmanager
def shared(folder: Path, leftovers: str, disk: Disk = DISK) -> Iterator[None]:
    """Have a folder, which is made if it is missing, together with others that share it.

    Who finds nobody in it removes what matches `leftovers`: only the dead have left something.
    """
    _sync_all(make_folders(folder, disk), disk)
    descriptor = disk.open(folder, _READ | os.O_DIRECTORY)
    try:
        with suppress(BlockingIOError):
            disk.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in folder.glob(leftovers):
                disk.unlink(path)
        disk.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        disk.close(descriptor)


def sync_folder(folder: Path, disk: Disk = DISK) -> None:
    """Return when everything that the folder names is durable."""
    _finish(disk.open(folder, _READ | os.O_DIRECTORY), disk)


def sync_file(path: Path, disk: Disk = DISK) -> None:
    """Return when a file's bytes are durable; its name is when its folder was synced."""
    _finish(disk.open(path, _READ), disk)


def _write_beside(path: Path, content: bytes, disk: Disk) -> tuple[Path, int]:
    # Not named after the process: in containers that share the folder all are number 1, and one would write its secret
    # over that of the other after it was read.
    for number in count():
        temporary = path.with_name(f".{path.name}.{number}")
        with suppress(FileExistsError):
            return temporary, write_new(temporary, content, 0o600, disk)
    raise AssertionError


def _write_all(descriptor: int, content: bytes, disk: Disk) -> None:
    view = memoryview(content)
    while view:
        view = view[disk.write(descriptor, view) :]


def _finish(descriptor: int, disk: Disk) -> None:
    try:
        disk.fsync(descriptor)
    finally:
        disk.close(descriptor)


def _sync_all(folders: set[Path], disk: Disk) -> None:
    for folder in folders:
        sync_folder(folder, disk)
