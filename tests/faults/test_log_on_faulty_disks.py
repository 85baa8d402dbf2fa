"""A log whose disk fails, whose process dies or whose power is cut at any system call: it goes on, and keeps its word.

`make faults` injects at every call; the short form, which is part of every run, at some of them. FAULT_COUNT is how
many calls of a scenario are hit (0: all, else 3 at least), FAULT_ROUNDS how many logs meet one fault after the other,
and FAULT_SEED picks both.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.memory.notary import MemoryLogDatabase
from adapters.signing import signing_key
from adapters.system import SystemEntropy
from adapters.tiles import FileTileStore
from tests.support.crashes import Crash
from tests.support.disks import Fault, FaultyDisk, Platter
from tests.support.logs import FIRST_POSITION, KEY, ORIGIN, stored_event
from tests.support.readers import Reader
from traceability.errors import UnavailableError
from traceability.merkle import root_of
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import GRACE_US, Log
from traceability.notary.ports import LogIdentity, StoredEvent

SEED = int(os.environ.get("FAULT_SEED", "6962"))
COUNT = int(os.environ.get("FAULT_COUNT", "9"))
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "40"))
FEW = COUNT and max(3, COUNT // 3)  # where a hit costs more
INJECTED = [fault for fault in Fault if fault is not Fault.NONE]

# Sizes to which a log grows, and the leaves that a round takes at most: uneven, and over the edges of tiles.
SMALL = ([0, 3, 255, 256, 257, 600], 250)
EDGES = {
    "256": ([254, 255, 256, 257, 300], 1_000),
    "65536": ([65_534, 65_535, 65_536, 65_537], 1_000),
}


@cache
def records(count: int) -> list[StoredEvent]:
    """Make up the records of a log once."""
    return [stored_event(index) for index in range(count)]


class HurriedClock:
    """A clock by which every few rounds partial tiles are old enough to be removed."""

    def __init__(self) -> None:
        self._now = 1_772_352_900_000_000

    def now_us(self) -> int:
        self._now += GRACE_US // 2
        return self._now


@dataclass
class World:
    """A log on a disk that may fail; the database is in memory and loses nothing."""

    root: Path
    events: list[StoredEvent]
    clock: HurriedClock = field(init=False)
    database: MemoryLogDatabase = field(init=False)
    platter: Platter = field(init=False)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.root.mkdir(exist_ok=True)
        self.clock = HurriedClock()
        self.database = MemoryLogDatabase(LogIdentity("main", ORIGIN, KEY.verifier.text, FIRST_POSITION), [])
        self.platter = Platter(self.root)
        self.reader = Reader(self.store(self.disk()))

    def store(self, disk: FaultyDisk) -> FileTileStore:
        return FileTileStore(self.root / "logs" / "main", disk)

    def disk(self, fault: Fault = Fault.NONE, at: int = 0) -> FaultyDisk:
        return FaultyDisk(self.platter, fault, at, lambda name: self.reader.look() if name == "rename" else None)

    def grow(self, disk: FaultyDisk, sizes: list[int], most: int) -> None:
        """Integrate to each size; of an error that the disk reports, integrate again when it is over."""
        log = Log(self.database, self.store(disk), KEY, self.clock)
        for size in sizes:
            self.database.records = self.events[: max(size, len(self.database.records))]
            while True:
                try:
                    if log.integrate(most) is None:
                        break
                except UnavailableError as error:
                    assert error.code == "log.storage"  # noqa: PT017 - the loop goes on
                    self.check_files()
                    disk.fault = Fault.NONE

    def check_files(self) -> None:
        report = check_files(self.database, self.store(self.disk()))
        assert report.clean, report.findings

    def check(self, size: int) -> None:
        """Look at everything: the log is that of its records, and nothing that was published differs."""
        self.check_files()
        self.reader.check(self.database)
        assert max(self.reader.seen) == size
        assert self.reader.seen[size].root == root_of([event.leaf_hash for event in self.events[:size]])

    def crash(self, fault: Fault, chance: Random) -> None:
        if fault is Fault.CUT:
            self.platter.cut(None if chance.random() < 0.3 else chance)


def hits(total: int, count: int, seed: object) -> Iterator[int]:
    """Yield the numbers of the calls that are hit, from 1: all, or the first, the last and some between."""
    if count < 3 or count >= total:
        yield from range(1, total + 1)
    else:
        yield from sorted({1, total, *Random(f"{SEED} {seed}").sample(range(1, total + 1), count - 2)})


def calls_of(root: Path, start: World | None, events: list[StoredEvent], sizes: list[int], most: int) -> int:
    world = copy_of(start, root) if start else World(root, events)
    disk = world.disk()
    world.grow(disk, sizes, most)
    world.check(sizes[-1])
    return len(disk.calls)


def copy_of(start: World, root: Path) -> World:
    shutil.copytree(start.root, root, copy_function=os.link)  # files are replaced, never written again
    world = World(root, start.events)
    world.database.records = list(start.database.records)
    world.database.signed = dict(start.database.signed)
    world.reader.look()
    return world


def hit(world: World, fault: Fault, at: int, sizes: list[int], most: int) -> None:
    """Grow with a fault at one call, then on a sound disk as the next process does, and look."""
    disk = world.disk(fault, at)
    try:
        world.grow(disk, sizes, most)
    except Crash:
        world.crash(fault, Random(f"{SEED} {at}"))
        world.check_files()
    assert len(disk.calls) >= at
    world.grow(world.disk(), [len(world.database.records), sizes[-1]], most - 1)
    world.check(sizes[-1])


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: fault.name)
def test_a_log_outlives_a_fault_at_any_call(tmp_path: Path, fault: Fault) -> None:
    sizes, most = SMALL
    events = records(sizes[-1])
    total = calls_of(tmp_path / "whole", None, events, sizes, most)
    for at in hits(total, COUNT, fault):
        world = World(tmp_path / str(at), events)
        hit(world, fault, at, sizes, most)
        report = check_database(world.database)
        assert report.clean, report.findings
        shutil.rmtree(world.root)


@pytest.mark.parametrize("edge", EDGES)
def test_a_log_outlives_faults_where_tiles_become_full(tmp_path: Path, edge: str) -> None:
    (first, *sizes), most = EDGES[edge]
    start = World(tmp_path / "start", records(sizes[-1]))
    start.grow(start.disk(), [first], 16_384)
    total = calls_of(tmp_path / "whole", start, start.events, sizes, most)
    for fault in INJECTED:
        for at in hits(total, FEW, (edge, fault)):
            world = copy_of(start, tmp_path / "copy")
            hit(world, fault, at, sizes, most)
            shutil.rmtree(world.root)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_log_outlives_one_fault_after_the_other(tmp_path: Path, round_: int) -> None:
    """What a dead process has not synced is there for the next, and goes with the power afterwards."""
    chance = Random(f"{SEED} {round_}")
    events = records(1_200)
    world, size = World(tmp_path / "log", events), 0
    while size < len(events):
        size = min(len(events), size + chance.choice([0, 1, 2, 40, 100, 255, 256, 257]))
        most = chance.choice([1_000, 300, 256, 97])
        fault = chance.choice([*INJECTED, Fault.DIE, Fault.CUT])
        try:
            world.grow(world.disk(fault, chance.randrange(1, 70)), [size], most)
        except Crash:
            world.crash(fault, chance)
        world.check_files()
    world.grow(world.disk(), [size], 1_000)
    world.check(size)


class LyingDisk(FaultyDisk):
    """A disk that does not sync what it says to have synced."""

    def call(self, name: str, do: Callable[..., Any], *arguments: Any) -> Any:
        return None if name == "fsync" else super().call(name, do, *arguments)


def test_the_harness_notices_a_disk_that_does_not_sync(tmp_path: Path) -> None:
    world = World(tmp_path / "log", records(600))
    lying = LyingDisk(world.platter)
    world.grow(lying, [300, 600], 250)
    world.check(600)
    world.platter.cut(None)
    assert list(world.root.iterdir()) == []
    sound = World(tmp_path / "sound", records(600))
    sound.grow(sound.disk(), [300, 600], 250)
    sound.platter.cut(None)
    sound.check(600)


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: fault.name)
def test_a_key_that_was_used_is_never_lost(tmp_path: Path, fault: Fault) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    disk = FaultyDisk(Platter(whole))
    signing_key(whole / "data" / "keys" / "main.key", ORIGIN, SystemEntropy(), disk=disk)
    for at in range(1, len(disk.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, path = Platter(root), root / "data" / "keys" / "main.key"
        with suppress(Crash, UnavailableError):
            signing_key(path, ORIGIN, SystemEntropy(), disk=FaultyDisk(platter, fault, at))
        if fault is Fault.CUT:
            platter.cut(Random(at))
        used = signing_key(path, ORIGIN, SystemEntropy(), disk=FaultyDisk(platter))
        platter.cut(None)
        assert signing_key(path, ORIGIN, SystemEntropy(), disk=FaultyDisk(platter)) == used
