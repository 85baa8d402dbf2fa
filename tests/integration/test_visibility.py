"""The visibilities that a reader may read, against the rule applied to every event by itself."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from adapters.postgres.connection import open_pool
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.visibility import PostgresVisibility
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import Database
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.event import LedgerEvent, opaque_index
from traceability.ledger.index import IndexRows, Visibility, visibility_id
from traceability.ledger.parts import Parts
from traceability.ledger.store import LedgerRules

NAMES = ("dairy.example", "carrier.example", "store.example")
PARTIES = ("party:https://id.gs1.org/417/9521234000006", "party:https://id.gs1.org/417/9521234000013")
STEPS = ("shipping", "receiving", None)

visibilities = st.builds(
    Visibility,
    captured_by=st.sampled_from(NAMES),
    parties=st.sets(st.sampled_from(PARTIES)).map(lambda found: tuple(sorted(found))),
    biz_step=st.sampled_from(STEPS),
)
grants = st.builds(
    Grant,
    grantor=st.sampled_from(NAMES),
    grantee=st.just(PUBLIC),
    steps=st.none() | st.frozensets(st.sampled_from(("shipping", "receiving"))),
    parts=st.just(frozenset({"item"})),
)
readers = st.builds(
    Reader,
    organisation=st.sampled_from((*NAMES, PUBLIC)),
    parties=st.frozensets(st.sampled_from([party.removeprefix("party:") for party in PARTIES])),
    grants=st.lists(grants, max_size=3).map(tuple),
)


def index_rows(parts: Parts) -> IndexRows:
    """Read a visibility out of an event that consists of one."""
    captured_by, step, *parties = parts.more.decode().split("|")
    return IndexRows((), Visibility(captured_by, tuple(parties), step or None))


def event_of(visibility: Visibility) -> LedgerEvent:
    more = "|".join((visibility.captured_by, visibility.biz_step or "", *visibility.parties)).encode()
    head = orjson.dumps({"type": "test.event.v1", "captured_by": visibility.captured_by})
    parts = Parts(head=head, more=more)
    return LedgerEvent(type="test.event.v1", data=b"", tags=[], captured_by=visibility.captured_by, parts=parts)


@pytest.fixture(scope="module")
def pool(shared_database: Database) -> Iterator[ConnectionPool[psycopg.Connection]]:
    with open_pool(shared_database.runtime_url, max_size=4) as pool:
        yield pool


@pytest.fixture(scope="module")
def ledger(pool: ConnectionPool[psycopg.Connection]) -> PostgresLedger:
    rules = LedgerRules(
        indexer=index_rows, content_digest=lambda parts: parts.more, clock=SystemClock(), entropy=SystemEntropy()
    )
    return PostgresLedger(pool, rules, name="main", organisation="dairy.example")


@pytest.fixture(scope="module")
def stored(pool: ConnectionPool[psycopg.Connection], ledger: PostgresLedger) -> PostgresVisibility:
    return PostgresVisibility(pool, ledger.ledger_id)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(visibilities, min_size=1, max_size=4), st.lists(readers, min_size=1, max_size=4))
def test_the_stored_filter_is_the_rule_of_every_event(
    ledger: PostgresLedger, stored: PostgresVisibility, new: list[Visibility], asking: list[Reader]
) -> None:
    ledger.append([event_of(visibility) for visibility in new])
    everything = {index_rows(record.event.parts).visibility for record in ledger.records(range(1, ledger.head() + 1))}
    for reader in asking:
        expected = {visibility_id(v) for v in everything if reader.extent(v) is not None}
        allowed = stored.allowed(reader)
        assert set(allowed) == expected
        assert len(set(allowed)) == len(allowed)


def test_decision_events_name_their_parties_by_tags() -> None:
    parts = Parts(head=b'{"type":"t.v1","captured_by":"dairy.example"}', more=b'{"tags":["party:x","case:1"]}')
    visibility = opaque_index(parts).visibility
    assert Reader("carrier.example", frozenset({"x"})).extent(visibility) is not None
    assert Reader("carrier.example", frozenset({"1"})).extent(visibility) is None
