"""Kept files and the list of erasures on a disk that fails at any system call: what was told to be there is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from adapters.exports.files import read_file, write_file
from adapters.objects import EncryptedFiles
from adapters.system import SystemEntropy
from api.erasures import erasures_of, write_erasures
from tests.faults.test_log_on_faulty_disks import INJECTED, SEED
from tests.support.crashes import Crash
from tests.support.disks import Fault, FaultyDisk, Platter
from traceability.errors import UnavailableError
from traceability.notary.export import Erasure

PIECES = [b"contract " * 9_000, b"and the rest"]
PASSPHRASE = "six words that nobody guesses"
KEYS = ["first key", "second key"]
ERASURES = [Erasure(n, UUID(int=n), "asked for", "officer", n + 10) for n in range(1, 5)]
BATCHES = [ERASURES[:1], ERASURES[:3], ERASURES]


def keep(root: Path, disk: FaultyDisk, told: list[str]) -> None:
    """Keep a file under each key; `told` gets those that are said to be kept."""
    files = EncryptedFiles(root / "data" / "evidence", disk)
    for key in KEYS:
        files.put(iter(PIECES), key, SystemEntropy())
        told.append(key)


def content_of(root: Path, disk: FaultyDisk, key: str) -> bytes:
    plain, file = EncryptedFiles(root / "data" / "evidence", disk).open(key)
    with file:
        return b"".join(plain)


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: fault.name)
def test_a_kept_file_is_kept_wholly_or_not_at_all(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "whole").mkdir()
    whole = FaultyDisk(Platter(tmp_path / "whole"))
    keep(tmp_path / "whole", whole, [])
    for at in range(1, len(whole.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, told, reported = Platter(root), list[str](), False
        try:
            keep(root, FaultyDisk(platter, fault, at), told)
        except UnavailableError:
            reported = True
        except Crash:
            pass
        if reported:
            # Of what was refused nothing is there, not even beside it.
            evidence = root / "data" / "evidence"
            assert not evidence.exists() or len(list(evidence.iterdir())) == len(told)
        platter.cut(Random(f"{SEED} {at}") if fault is Fault.CUT else None)
        after = FaultyDisk(platter)
        for key in told:
            assert content_of(root, after, key) == b"".join(PIECES)
        again: list[str] = []
        keep(root, after, again)
        platter.cut(None)
        assert [content_of(root, after, key) for key in again] == [b"".join(PIECES)] * 2


@pytest.mark.parametrize("fault", [Fault.DIE, Fault.CUT], ids=lambda fault: fault.name)
def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "whole").mkdir()
    whole = FaultyDisk(Platter(tmp_path / "whole"))
    keep(tmp_path / "whole", whole, [])
    left = 0
    for at in range(1, len(whole.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, evidence = Platter(root), root / "data" / "evidence"
        with suppress(Crash):
            keep(root, FaultyDisk(platter, fault, at), [])
        left += len(list(evidence.glob(".*")))
        EncryptedFiles(evidence, FaultyDisk(platter)).put(PIECES, "another key", SystemEntropy())
        assert list(evidence.glob(".*")) == []
    assert left


def test_what_another_is_writing_stays(tmp_path: Path) -> None:
    files, other = EncryptedFiles(tmp_path), EncryptedFiles(tmp_path)

    def pieces() -> Iterator[bytes]:
        yield PIECES[0]
        other.put(PIECES, KEYS[1], SystemEntropy())
        yield PIECES[1]

    files.put(pieces(), KEYS[0], SystemEntropy())
    for key in KEYS:
        plain, file = files.open(key)
        with file:
            assert b"".join(plain) == b"".join(PIECES)


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: fault.name)
def test_an_export_is_there_wholly_or_not_at_all(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "whole").mkdir()
    whole = FaultyDisk(Platter(tmp_path / "whole"))
    export(tmp_path / "whole" / "a.age", whole)
    for at in range(1, len(whole.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, told, file = Platter(root), False, root / "a.age"
        with suppress(Crash, UnavailableError):
            export(file, FaultyDisk(platter, fault, at))
            told = True
        platter.cut(Random(f"{SEED} {at}") if fault is Fault.CUT else None)
        assert file.exists() or not told
        if not file.exists():
            export(file, FaultyDisk(platter))
        with read_file(file, PASSPHRASE) as plain:
            assert b"".join(plain) == b"".join(PIECES)
        assert list(root.iterdir()) == [file]


def export(file: Path, disk: FaultyDisk) -> None:
    write_file(file, iter(PIECES), PASSPHRASE, SystemEntropy(), work=1, disk=disk)


@pytest.mark.parametrize("fault", INJECTED, ids=lambda fault: fault.name)
def test_an_erasure_that_is_on_the_list_stays_there(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "whole").mkdir()
    whole = FaultyDisk(Platter(tmp_path / "whole"))
    for batch in BATCHES:
        write_erasures(tmp_path / "whole" / "data" / "erasures", "main", batch, whole)
    for at in range(1, len(whole.calls) + 1):
        root = tmp_path / str(at)
        root.mkdir()
        platter, told, folder = Platter(root), list[Erasure](), root / "data" / "erasures"
        with suppress(Crash, OSError):
            disk = FaultyDisk(platter, fault, at)
            for batch in BATCHES:
                write_erasures(folder, "main", batch, disk)
                told = batch
        platter.cut(Random(f"{SEED} {at}") if fault is Fault.CUT else None)
        found = erasures_of(folder, "main")
        assert found == ERASURES[: len(found)]
        assert len(found) >= len(told)
        write_erasures(folder, "main", ERASURES, FaultyDisk(platter))
        platter.cut(None)
        assert erasures_of(folder, "main") == ERASURES
