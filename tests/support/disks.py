"""Disks that fail: at any one system call an error, a short write, a dead process or a power cut.

A `Platter` knows of a folder what a power cut would leave. It learns it at each sync, so what was written and not
synced is lost with it, or survives, or survives by halves: a disk may write what it likes in the meantime.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any, Final, NoReturn

from adapters.durable import Disk
from tests.support.crashes import Crash


class Fault(Enum):
    """What happens at the chosen call."""

    NONE = "none"
    EIO = "input/output error"
    FULL = "no space left, from here on"
    SHORT = "a write that takes half"
    DIE = "the process dies"
    CUT = "the power is cut"


_TAKES_SPACE: Final = {"write", "fsync", "mkdir", "link", "rename"}
_CALLS: Final = [name for name in vars(Disk) if not name.startswith("_")]


class Platter:
    """What of a folder is durable. All that is there in the beginning is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._nodes: dict[int, object] = {}  # by inode number, which the file system gives again after an unlink
        self._contents: dict[object, bytes] = {}
        self._names: dict[object, dict[str, object]] = {}
        self._refused: set[object] = set()
        self._learn()

    def _learn(self) -> None:
        for known in (self._nodes, self._contents, self._names, self._refused):
            known.clear()
        for folder, _, files in os.walk(self.root, topdown=False):
            for name in files:
                self.synced(Path(folder, name))
            self.synced(Path(folder))

    def made(self, path: Path) -> None:
        """Note a new file or folder: nothing of it is durable."""
        self._nodes[path.stat().st_ino] = object()

    def synced(self, path: Path) -> None:
        """Note that a file or folder is as durable as it is now."""
        node = self._node(path)
        if path.is_dir():
            self._names[node] = {child.name: self._node(child) for child in path.iterdir()}
        elif node not in self._refused:
            self._contents[node] = path.read_bytes()

    def refused(self, path: Path) -> None:
        """Note a sync that failed: a later one of the same file says nothing about what was lost then."""
        if not path.is_dir():
            self._refused.add(self._node(path))

    def cut(self, chance: Random | None) -> None:
        """Leave what a power cut leaves: what is durable, and of the rest whatever chance wants, None: nothing."""
        left = self._left(self._node(self.root), self.root, chance)
        shutil.rmtree(self.root)
        _lay_out(self.root, left)
        self._learn()

    def _node(self, path: Path) -> object:
        return self._nodes.setdefault(path.stat().st_ino, object())

    def _left(self, node: object, path: Path | None, chance: Random | None) -> Any:
        """Return the bytes of a file, or the names of a folder with what they lead to."""
        if path is None:
            # It has lost its name here: what is known of it is what was durable.
            names = self._names.get(node)
            if names is None:
                return self._contents.get(node, b"")
            return {name: self._left(child, None, chance) for name, child in names.items()}
        if not path.is_dir():
            durable, current = self._contents.get(node, b""), path.read_bytes()
            return current if _lucky(chance) else _torn(durable, current, chance)
        durable_names = self._names.get(node, {})
        current_names = {child.name: self._node(child) for child in path.iterdir()}
        left = {}
        for name in sorted(durable_names.keys() | current_names.keys()):
            was, now = durable_names.get(name), current_names.get(name)
            stays = now if was is now or _lucky(chance) else was
            if stays is not None:
                left[name] = self._left(stays, path / name if stays is now else None, chance)
        return left


def _lucky(chance: Random | None) -> bool:
    return chance is not None and chance.random() < 0.5


def _torn(durable: bytes, current: bytes, chance: Random | None) -> bytes:
    """Return what a file may be whose last writes were not synced: as before, cut short, or all zeros."""
    if chance is None or current == durable:
        return durable
    return chance.choice([durable, current[: len(current) // 2], bytes(len(current))])


def _lay_out(path: Path, left: Any) -> None:
    if isinstance(left, bytes):
        path.write_bytes(left)
        path.chmod(0o600)  # as strict as any file of ours
        return
    path.mkdir()
    for name, child in left.items():
        _lay_out(path / name, child)


class WatchedDisk(Disk):
    """A disk that tells of each call before it is made: its name and its number, from 1."""

    def __init__(self, before: Callable[[str, int], object]) -> None:
        self.calls: list[str] = []
        self._before = before

    def call(self, name: str, do: Callable[..., Any], *arguments: Any) -> Any:
        """Tell, and do it."""
        self.calls.append(name)
        self._before(name, len(self.calls))
        return do(*arguments)


class FaultyDisk(Disk):
    """A disk over a platter whose call number `at`, from 1, meets a fault; nothing is really synced."""

    def __init__(
        self,
        platter: Platter,
        fault: Fault = Fault.NONE,
        at: int = 0,
        after: Callable[[str], object] = lambda _name: None,
    ) -> None:
        self.calls: list[str] = []
        self.fault = fault
        self._platter = platter
        self._at = at
        self._after = after
        self._dead = False

    def fsync(self, descriptor: int) -> None:
        """Note what is durable from now on."""
        self._platter.synced(_path_of(descriptor))

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        """Open, and note a new file."""
        new = flags & os.O_CREAT and not path.exists()
        descriptor = super().open(path, flags, mode)
        if new:
            self._platter.made(path)
        return descriptor

    def mkdir(self, path: Path) -> None:
        """Make, and note a new folder."""
        new = not path.exists()
        super().mkdir(path)
        if new:
            self._platter.made(path)

    def call(self, name: str, do: Callable[..., Any], *arguments: Any) -> Any:
        """Do one system call, or what is to happen instead."""
        if self._dead and name != "close":
            raise Crash
        self.calls.append(name)
        here, reached = len(self.calls) == self._at, 0 < self._at <= len(self.calls)
        if here and self.fault in (Fault.DIE, Fault.CUT):
            self._dead = True
            if name == "close":
                do(*arguments)  # the kernel takes back the descriptors of the dead, and their locks
            raise Crash
        if here and self.fault is Fault.SHORT and name == "write":
            return do(arguments[0], _half(arguments[1]))
        if here and self.fault is Fault.EIO:
            self._fail(name, do, *arguments)
        if reached and self.fault is Fault.FULL and _takes_space(name, *arguments):
            if name == "write":
                do(arguments[0], _half(arguments[1]))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        result = do(*arguments)
        self._after(name)
        return result

    def _fail(self, name: str, do: Callable[..., Any], *arguments: Any) -> NoReturn:
        if name == "close":
            do(*arguments)  # the descriptor is gone, whatever is reported
        if name == "fsync":
            self._platter.refused(_path_of(arguments[0]))
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def _half(data: memoryview) -> memoryview:
    return data[: max(1, len(data) // 2)]


def _takes_space(name: str, *arguments: Any) -> bool:
    return name in _TAKES_SPACE or (name == "open" and bool(arguments[1] & os.O_CREAT))


def _path_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def _intercept(disk: type[WatchedDisk | FaultyDisk], name: str) -> None:
    method = getattr(disk, name)

    def call(self: WatchedDisk | FaultyDisk, *arguments: Any) -> Any:
        return self.call(name, lambda *given: method(self, *given), *arguments)

    setattr(disk, name, call)


for _name in _CALLS:
    _intercept(WatchedDisk, _name)
    _intercept(FaultyDisk, _name)
