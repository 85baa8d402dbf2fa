"""A log that signs with a second key does so from then on: a line that is missing or forged is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.support.logs import KEY, MadeUpLog
from traceability.notary.additional import CODE
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import Log
from traceability.notary.ports import AdditionalKey, Signer
from traceability.notary.signers import MLDSAKey, TwoSigners

FIRST = MLDSAKey(KEY.name, bytes(range(32, 64)))
SECOND = MLDSAKey(KEY.name, bytes(range(64, 96)))
SIZES: dict[int, Signer] = {3: KEY, 5: TwoSigners(KEY, FIRST), 7: TwoSigners(KEY, FIRST), 9: TwoSigners(KEY, SECOND)}
"""Who signed the checkpoint of each size; its time is the size."""


@dataclass
class Stopped:
    """A clock that stands still."""

    time: int

    def now_us(self) -> int:
        return self.time


@pytest.fixture
def log() -> MadeUpLog:
    made_up = MadeUpLog()
    keys = (AdditionalKey(FIRST.verifier.text, 4), AdditionalKey(SECOND.verifier.text, 8))
    made_up.database.identity = replace(made_up.database.identity, additional_keys=keys)
    for size, signer in SIZES.items():
        publish(made_up, size, signer)
    return made_up


def publish(made_up: MadeUpLog, size: int, signer: Signer) -> None:
    made_up.grow(size)
    Log(made_up.database, made_up.tiles, signer, Stopped(size)).integrate()


def found(made_up: MadeUpLog) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return what is found in the database, and in the files: codes, and the last words."""
    reports = check_database(made_up.database), check_files(made_up.database, made_up.tiles)
    told = [[(f.code, f.message) for f in report.findings] for report in reports]
    return told[0], told[1]


def stripped(note: str) -> str:
    """Return a note without what follows its first signature."""
    text, _, lines = note.rpartition("\n\n")
    return f"{text}\n\n{lines.splitlines(keepends=True)[0]}"


def forged(note: str) -> str:
    """Return a note whose last signature has another byte."""
    return note[:-9] + ("A" if note[-9] != "A" else "B") + note[-8:]


def change(made_up: MadeUpLog, size: int, how: Callable[[str], str], signed_at: int | None = None) -> None:
    known = made_up.database.signed[size]
    time = known.signed_at if signed_at is None else signed_at
    made_up.database.signed[size] = replace(known, note=how(known.note), signed_at=time)


def test_checkpoints_with_every_line_that_is_due_are_good(log: MadeUpLog) -> None:
    assert found(log) == ([], [])
    assert [note.note.count("\n— ") for note in log.database.signed.values()] == [1, 2, 2, 2]


@pytest.mark.parametrize("size", [5, 7, 9])
def test_a_line_that_is_missing_in_the_database_is_named(log: MadeUpLog, size: int) -> None:
    change(log, size, stripped)
    key = (SECOND if size == 9 else FIRST).verifier.key_id.hex()
    message = f"the note that is stored for size {size} lacks the signature of the log's ML-DSA-44 key {key}"
    assert found(log)[0] == [(CODE, message)]


@pytest.mark.parametrize("size", [5, 7, 9])
def test_a_forged_line_is_named(log: MadeUpLog, size: int) -> None:
    change(log, size, forged)
    ((code, message),) = found(log)[0]
    assert code == CODE
    assert message.startswith(f"the note that is stored for size {size} has a signature of the log's ML-DSA-44 key ")


def test_another_time_in_the_row_excuses_nothing_that_an_earlier_one_carries(log: MadeUpLog) -> None:
    change(log, 7, stripped, signed_at=0)
    ((code, message),) = found(log)[0]
    assert (code, " 7 lacks " in message) == (CODE, True)


def test_the_newest_key_alone_signs(log: MadeUpLog) -> None:
    publish(log, 11, SIZES[7])  # the older key, although there is a newer one
    ((code, message),) = found(log)[0]
    assert (code, SECOND.verifier.key_id.hex() in message) == (CODE, True)


@pytest.mark.parametrize("how", [stripped, forged])
def test_the_served_checkpoint_is_looked_at_by_itself(log: MadeUpLog, how: Callable[[str], str]) -> None:
    assert log.tiles.served is not None
    log.tiles.served = how(log.tiles.served.decode()).encode()
    database, files = found(log)
    assert database == []
    assert [(code, message.partition("checkpoint")[0]) for code, message in files] == [(CODE, "the served ")]


def test_what_keeps_lines_from_being_checked_is_said_once(log: MadeUpLog, monkeypatch: pytest.MonkeyPatch) -> None:
    good = log.database.identity
    unreadable = AdditionalKey(FIRST.verifier.text[:-8], 4)
    log.database.identity = replace(good, additional_keys=(unreadable, *good.additional_keys))
    assert [len(told) for told in found(log)] == [1, 1]
    log.database.identity = good
    monkeypatch.setattr("traceability.notary.mldsa.AVAILABLE", False)
    assert [[code for code, _ in told] for told in found(log)] == [["log.no_ml_dsa"], ["log.no_ml_dsa"]]
