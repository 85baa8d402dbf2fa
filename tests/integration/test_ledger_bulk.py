"""Large appends: all of an atomic one or nothing, and an import that neither grows nor holds up commands."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import orjson
import psycopg
import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from adapters.postgres.bulk import append_all, pack_all
from adapters.postgres.group_commit import SmallAppend
from adapters.postgres.reindex import reindex
from tests.conftest import ONE_SERVER, Database
from tests.ledgers import event, index_test_event, numbered, postgres_ledger
from tests.support.ledger_history import text_of
from traceability.ledger.event import LedgerEvent
from traceability.ledger.store import AppendConflictError

ROOT = Path(__file__).parents[2]
IMPORTED = 60_000
GROWTH_KB = 80_000


def test_an_import_in_bounded_memory_beside_commands(database: Database) -> None:
    """Every command succeeds, and many of them between the first and the last imported event."""
    with (
        postgres_ledger(database.runtime_url) as ledger,
        ThreadPoolExecutor(max_workers=2) as threads,
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.bulk_import", database.runtime_url, str(IMPORTED)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        ) as importer,
    ):
        ended = threading.Event()

        def command(caller: int) -> list[int]:
            positions: list[int] = []
            for n in count():
                if ended.is_set():
                    break
                tag = f"command:{caller}:{n}"
                condition = DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=[tag])]), after=ledger.head())
                positions.append(ledger.append([event(tag)], condition))
            return positions

        callers = [threads.submit(command, caller) for caller in range(2)]
        said, _ = importer.communicate()
        ended.set()
        commands = sorted(position for caller in callers for position in caller.result())
        assert importer.returncode == 0
        early, late = map(int, said.split())
        assert late - early < GROWTH_KB
        assert ledger.head() == IMPORTED + len(commands)
        with psycopg.connect(database.runtime_url) as connection:
            imported = connection.execute(
                "SELECT min(position), max(position) FROM ledger.record WHERE position <> ALL (%s)", [commands]
            ).fetchone()
        assert imported is not None
        assert sum(imported[0] < position < imported[1] for position in commands) > 50


def test_ten_thousand_events_are_one_append(database: Database) -> None:
    """The library hangs with about a thousand events in one save; the largest append of ours is no special case."""
    condition = DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=["big"])]))
    events = [event("big", f"item:{n}", text=str(n), marks=[(f"item:{n}", "item:p", True)]) for n in range(10_000)]
    with postgres_ledger(database.runtime_url, connections=1) as ledger:
        assert ledger.append(events, condition) == 10_000
        with pytest.raises(AppendConflictError):
            ledger.append(events, condition)
        assert ledger.append([event("small")]) == 10_001
        assert [text_of(r) for r in ledger.records([1, 5_000, 10_000])] == ["0", "4999", "9999"]
        read = list(ledger.read(DCBQuery(items=[DCBQueryItem(tags=["big"])])))
        assert [orjson.loads(found.event.data)["text"] for found in read] == [str(n) for n in range(10_000)]
    assert not any(reindex(database.owner_url, "main", index_test_event, repair=False))


def test_a_few_events_with_many_tags_are_one_append(database: Database) -> None:
    """What decides between one call with arrays and COPY is the number of rows, not of events."""
    with postgres_ledger(database.runtime_url, connections=1) as ledger:
        assert ledger.append([event(*(f"item:{n}:{i}" for i in range(20_000)), text=str(n)) for n in range(3)]) == 3
        (found,) = ledger.read(DCBQuery(items=[DCBQueryItem(tags=["item:1:19999", "item:1:0"])]))
        assert found.position == 2


def test_a_visibility_is_known_once_an_event_that_has_it_is_written(database: Database) -> None:
    """The events of a piece that does not fit into one batch go in with the next, and so does what they bring."""
    events = [*(event("party:first") for _ in range(1_999)), event("party:last")]
    with postgres_ledger(database.runtime_url) as ledger:
        assert len(list(ledger.append_all(events))) > 1
        with psycopg.connect(database.runtime_url) as connection:
            lost = connection.execute(
                "SELECT position FROM ledger.record r WHERE NOT EXISTS (SELECT FROM ledger.visibility v"
                " WHERE v.ledger_id = r.ledger_id AND v.visibility = r.visibility)"
            ).fetchall()
    assert lost == []


def test_batches_do_not_shrink_over_events_that_are_there_already(database: Database) -> None:
    """A feed that is sent again with a few new events: what bounds a batch is all of its rows, not the new ones."""
    events = [event(identity=f"identity:{n}", text=str(n)) for n in range(12_000)]
    with postgres_ledger(database.runtime_url) as ledger:
        list(ledger.append_all([one for n, one in enumerate(events) if n % 50]))
        pieces = pack_all(ledger, map(ledger.prepare, events))
        sizes = [len(batch) for batch in append_all(ledger, pieces, lock_seconds=60)]
        assert ledger.head() == len(events)
    assert sum(sizes) == len(events)
    assert len(sizes) < 8


def test_batches_do_not_shrink_to_nothing_where_a_commit_takes_longer_than_the_lock_should(database: Database) -> None:
    events = [event(identity=f"identity:{n}", text=str(n)) for n in range(6_000)]
    with postgres_ledger(database.runtime_url) as ledger:
        pieces = pack_all(ledger, map(ledger.prepare, events))
        sizes = [len(batch) for batch in append_all(ledger, pieces, lock_seconds=0)]
    assert sum(sizes) == len(events)
    assert len(sizes) < 20


def test_a_bulk_append_that_fails_leaves_its_earlier_batches(database: Database) -> None:
    def events(good: int) -> Iterator[LedgerEvent]:
        yield from numbered(["item:x"], good)
        raise OSError("the file ends here")

    with postgres_ledger(database.runtime_url) as ledger:
        done = 0
        with contextlib.suppress(OSError):
            for batch in ledger.append_all(events(15_000)):
                done += len(batch)
        assert 0 < done < 15_000
        assert ledger.head() == done
        again = [o for batch in ledger.append_all(numbered(["item:x"], 20_000)) for o in batch]
        assert [o.outcome.value for o in again] == ["duplicate"] * done + ["recorded"] * (20_000 - done)
        assert [o.position for o in again] == list(range(1, 20_001))


@ONE_SERVER
def test_a_plan_made_while_the_ledger_was_small_probes_the_index_when_it_is_large(database: Database) -> None:
    """A session keeps its plans, and nothing replaces them before PostgreSQL has counted the tables again."""
    with (
        postgres_ledger(database.runtime_url) as ledger,
        ledger.pool.connection() as session,
    ):

        def append(n: int) -> SmallAppend:
            query = DCBQuery(items=[DCBQueryItem(tags=[f"command:{n}"])])
            small = SmallAppend([ledger.prepare(event(f"command:{n}"))], query, 0, rows=4)
            ledger._commit_group_on(session, [small])
            return small

        session.execute("SET plan_cache_mode = force_generic_plan")
        ledger.append([event("first")])
        append(0)
        list(ledger.append_all(numbered(["item:x"], 3_000)))
        with session.transaction():
            assert append(1).position == 3_003
            (read,) = session.execute(
                "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
                " WHERE relname LIKE 'posting%'"
            ).fetchone() or (None,)
        assert read < 10


def test_a_condition_from_far_behind_is_refused_without_the_lock(database: Database) -> None:
    """Also by a process that has just started and has not read the ledger."""
    with postgres_ledger(database.runtime_url) as ledger:
        ledger.append([event("hot") for _ in range(1_200)])
    with postgres_ledger(database.runtime_url) as started, psycopg.connect(database.runtime_url) as other:
        other.execute("SELECT position FROM ledger.head WHERE ledger_id = 1 FOR UPDATE")
        with pytest.raises(AppendConflictError):
            started.append([event("hot")], DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=["hot"])])))
