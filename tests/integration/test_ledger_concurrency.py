"""Many writers, one order: positions without gap in commit order, and no condition that did not hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from adapters.postgres.group_commit import SmallAppend
from adapters.postgres.ledger import PostgresLedger
from tests.conftest import Database
from tests.contract.test_ledger_contract import two_hashes
from tests.ledgers import event, postgres_ledger
from tests.support.ledger_history import check_ledger, check_notes, read_notes, text_of, writers
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import TagHash, tag_hash
from traceability.ledger.store import AppendConflictError

PROCESSES = 8
APPENDS = 80
HASHES = pytest.mark.parametrize("hash_of", [tag_hash, two_hashes])


def test_eight_processes_make_one_history(database: Database, tmp_path: Path) -> None:
    notes = [tmp_path / str(n) for n in range(PROCESSES)]
    seen: list[tuple[str, int | None]] = []
    with (
        writers(database.runtime_url, 0, APPENDS, notes) as processes,
        postgres_ledger(database.runtime_url) as ledger,
    ):
        while any(process.poll() is None for process in processes) or len(seen) < ledger.head():
            # Whoever has seen the head has everything below it, and none of it comes later or changes.
            head = ledger.head()
            found = ledger.records(range(len(seen) + 1, head + 1))
            assert [record.position for record in found] == list(range(len(seen) + 1, head + 1))
            seen.extend((text_of(record), record.event.recorded_at) for record in found)
        assert [process.returncode for process in processes] == [0] * PROCESSES
        history = check_ledger(ledger, database.owner_url)
    assert seen == [(text_of(record), record.event.recorded_at) for record in history]
    told = [note for path in notes for note in read_notes(path)]
    check_notes(history, told)
    assert not any("failed" in note for note in told)
    assert all(any(kind in note for note in told) for kind in ("position", "refused", "outcomes"))


def unused(tag: str) -> DCBAppendCondition:
    return DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=[tag])]))


@HASHES
def test_of_64_threads_that_want_one_tag_one_gets_it(database: Database, hash_of: TagHash) -> None:
    with (
        postgres_ledger(database.runtime_url, hash_of, connections=4) as ledger,
        ThreadPoolExecutor(max_workers=64) as threads,
    ):
        for round_ in range(4):
            start = threading.Barrier(64)
            tag = f"item:{round_}"

            def claim(n: int, tag: str = tag, start: threading.Barrier = start) -> bool:
                start.wait()
                try:
                    ledger.append([event(tag, text=f"{tag}:{n}")], unused(tag))
                except AppendConflictError:
                    return False
                return True

            assert sum(threads.map(claim, range(64))) == 1
        assert ledger.head() == 4
        check_ledger(ledger, database.owner_url, hash_of)


@contextmanager
def one_group(
    ledger: PostgresLedger, owner_url: str, calls: Sequence[Callable[[], int]]
) -> Iterator[list[Future[int]]]:
    """Make these appends wait for one group, in this order; inside the context they are decided."""
    with ThreadPoolExecutor(max_workers=len(calls) + 1) as threads:
        with psycopg.connect(owner_url) as blocker:
            blocker.execute("SELECT FROM ledger.head WHERE ledger_id = 1 FOR UPDATE")
            leader = threads.submit(ledger.append, [event("leader", text="leader")])
            group: list[Future[int]] = []
            while not ledger._group_commit._busy:
                pass
            while ledger._group_commit._waiting:
                pass  # until the leader has taken itself
            for call in calls:
                group.append(threads.submit(call))
                while len(ledger._group_commit._waiting) < len(group):
                    assert not group[-1].done(), group[-1].exception()
        leader.result()
        yield group


@HASHES
def test_conflicting_appends_of_one_group_are_decided_in_order(database: Database, hash_of: TagHash) -> None:
    with postgres_ledger(database.runtime_url, hash_of) as ledger:

        def claim(tag: str, n: int) -> Callable[[], int]:
            return lambda: ledger.append([event(tag, text=f"{tag}:{n}")], unused(tag))

        calls = [claim(tag, n) for n in range(6) for tag in ("item:a", "item:b")]
        with one_group(ledger, database.owner_url, calls) as group:
            outcomes = [future.exception() for future in group]
        assert outcomes[:2] == [None, None]
        assert {type(outcome) for outcome in outcomes[2:]} == {AppendConflictError}
        assert [text_of(record) for record in ledger.records([1, 2, 3, 4])] == ["leader", "item:a:0", "item:b:0"]
        check_ledger(ledger, database.owner_url, hash_of)


def spoilt(ledger: PostgresLedger, given: LedgerEvent, **change: object) -> SmallAppend:
    """Make an append that is refused for what it holds."""
    prepared = ledger.prepare(given)
    return SmallAppend([replace(prepared, **change)], None, -1, rows=1)  # type: ignore[arg-type]


def test_one_that_fails_does_not_harm_the_others_of_its_group(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger:
        refused_by_the_database = spoilt(ledger, event("x"), commitment=b"short")
        no_text_for_postgresql = spoilt(ledger, event("x"), event=replace(event("x"), type="nul\x00"))
        no_text_at_all = spoilt(ledger, event("x"), event=replace(event("x"), type="\ud800"))

        def submit(append: SmallAppend) -> int:
            ledger._group_commit.submit(append)
            assert append.position is not None
            return append.position

        bad = [refused_by_the_database, no_text_for_postgresql, no_text_at_all]
        calls: list[Callable[[], int]] = []
        for n, append in enumerate(bad):
            calls.append(lambda append=append: submit(append))  # type: ignore[misc]
            calls.append(lambda n=n: ledger.append([event("y", text=str(n))]))  # type: ignore[misc]
        with one_group(ledger, database.owner_url, calls) as group:
            assert [future.exception() is None for future in group] == [False, True] * len(bad)
        assert [text_of(record) for record in ledger.records(range(1, 9))] == ["leader", "0", "1", "2"]
        check_ledger(ledger, database.owner_url)


def test_a_visibility_that_a_refused_append_brought_first_is_recorded_with_the_next(database: Database) -> None:
    with (
        postgres_ledger(database.runtime_url) as ledger,
        postgres_ledger(database.runtime_url) as other,
    ):
        other.append([event("item:taken")])
        calls = [
            lambda: ledger.append([event("item:taken", "party:new", text="late")], unused("item:taken")),
            lambda: ledger.append([event("item:free", "party:new", text="made")]),
        ]
        with one_group(ledger, database.owner_url, calls) as (late, made):
            assert isinstance(late.exception(), AppendConflictError)
            assert made.result() == 3
        check_ledger(ledger, database.owner_url)
