"""With only two possible tag hashes nearly every tag collides, and still PostgreSQL answers what memory answers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.ledger import MemoryLedger
from adapters.postgres.connection import open_pool
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.ledgers import add_ledger
from tests.conftest import Database
from tests.contract.test_ledger_contract import two_hashes
from tests.ledgers import event, rules
from traceability.ledger.event import LedgerEvent
from traceability.ledger.store import AppendConflictError, Ledger

TYPES = ["test.first.v1", "test.second.v1"]

tags = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3, unique=True)
queries = st.builds(
    lambda items: DCBQuery(items=items),
    st.lists(
        st.builds(DCBQueryItem, types=st.lists(st.sampled_from(TYPES), max_size=2, unique=True), tags=tags), max_size=3
    ),
)
positions = st.none() | st.integers(min_value=0, max_value=12)
events = st.lists(
    st.builds(
        lambda tags, kind, identity, text: event(*tags, kind=kind, identity=identity, text=text),
        tags,
        st.sampled_from(TYPES),
        st.none() | st.sampled_from(["identity:1", "identity:2"]),
        st.sampled_from(["x", "y"]),
    ),
    min_size=1,
    max_size=3,
)
appends = st.tuples(st.just("append"), events, st.none() | st.tuples(queries, positions))
bulks = st.tuples(st.just("bulk"), events)
reads = st.tuples(st.just("read"), queries, positions, positions)


def append(ledger: Ledger, given: Sequence[LedgerEvent], asked: tuple[DCBQuery, int | None] | None) -> int | str:
    try:
        return ledger.append(given, DCBAppendCondition(asked[0], after=asked[1]) if asked else None)
    except AppendConflictError as error:
        return error.code


def bulk(ledger: Ledger, given: Sequence[LedgerEvent]) -> list[tuple[int, str, int]]:
    return [(o.index, o.outcome.value, o.position) for batch in ledger.append_all(given) for o in batch]


def read(ledger: Ledger, query: DCBQuery, after: int | None, limit: int | None) -> tuple[object, ...]:
    response = ledger.read(query, after=after, limit=limit)
    found = [(e.position, e.event.type, e.event.tags, e.event.data) for e in response]
    return found, response.head


ACTIONS: dict[str, Any] = {"append": append, "bulk": bulk, "read": read}


def test_both_ledgers_answer_alike(database: Database) -> None:
    names = (f"example-{n}" for n in count())
    pool = open_pool(database.runtime_url, max_size=2)

    @settings(max_examples=60)
    @given(st.lists(appends | bulks | reads, min_size=1, max_size=12))
    def check(actions: list[tuple[Any, ...]]) -> None:
        # A ledger of its own for each example, all in one database: none sees another's events.
        name = next(names)
        add_ledger(database.owner_url, name, [])
        memory = MemoryLedger(rules(), organisation="tests.example")
        postgres = PostgresLedger(pool, rules(two_hashes), name=name, organisation="tests.example")
        for action, *arguments in actions:
            assert ACTIONS[action](postgres, *arguments) == ACTIONS[action](memory, *arguments)
            assert postgres.head() == memory.head()
        assert [r.event.parts for r in postgres.records(range(40))] == [
            r.event.parts for r in memory.records(range(40))
        ]

    try:
        check()
    finally:
        pool.close()
