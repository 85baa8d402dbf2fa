"""A witness whose disk fails at any system call: what it has said that it remembers, it remembers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from adapters.system import SystemEntropy
from adapters.witness import FileWitnessStore, cosigning_key
from tests.faults.test_log_on_faulty_disks import INJECTED, SEED
from tests.support.crashes import Crash
from tests.support.disks import Fault, FaultyDisk, Platter
from traceability.errors import UnavailableError
from traceability.notary.witness import origin_hash

ORIGIN = "dairy.example/log"
NOTES = [b"first\n", b"second\n", b"third\n"]


def remember(store: FileWitnessStore, notes: list[bytes], told: list[bytes]) -> None:
    """Replace the note by each, as a witness does before it answers; `told` gets those that it may answer."""
    for note in notes:
        with store.hold(ORIGIN) as memory:
            memory.replace(note)
        told.append(note)


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: fault.name)
def test_what_a_witness_answered_it_remembers(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "whole").mkdir()
    whole = FaultyDisk(Platter(tmp_path / "whole"))
    remember(FileWitnessStore(tmp_path / "whole" / "logs", whole), NOTES, [])
    for at in range(1, len(whole.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, told = Platter(root), list[bytes]()
        with suppress(Crash, UnavailableError):
            remember(FileWitnessStore(root / "logs", FaultyDisk(platter, fault, at)), NOTES, told)
        if fault is Fault.CUT:
            platter.cut(Random(f"{SEED} {at}"))
        # The next process may answer what it finds, so a power cut must not take that either.
        store = FileWitnessStore(root / "logs", FaultyDisk(platter))
        with store.hold(ORIGIN) as memory:
            found = memory.checkpoint()
        assert found in (*NOTES, None)
        assert NOTES.index(told[-1]) <= NOTES.index(found or b"") if told else True
        remember(store, NOTES[-1:], told)
        platter.cut(None)
        assert store.served(origin_hash(ORIGIN)) == NOTES[-1]


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: fault.name)
def test_the_key_of_a_witness_is_never_lost(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "whole").mkdir()
    whole = FaultyDisk(Platter(tmp_path / "whole"))
    cosigning_key(tmp_path / "whole" / "data" / "key", "witness.example/w", SystemEntropy(), whole)
    for at in range(1, len(whole.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, path = Platter(root), root / "data" / "key"
        with suppress(Crash, UnavailableError):
            cosigning_key(path, "witness.example/w", SystemEntropy(), FaultyDisk(platter, fault, at))
        if fault is Fault.CUT:
            platter.cut(Random(at))
        used = cosigning_key(path, "witness.example/w", SystemEntropy(), FaultyDisk(platter))
        platter.cut(None)
        assert cosigning_key(path, None, SystemEntropy(), FaultyDisk(platter)) == used
