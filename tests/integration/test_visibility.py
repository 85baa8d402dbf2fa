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
from adapters.postgres.visibility import HEAD_AND_NEW, PostgresVisibility, Sieve, View, let_through
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import ONE_SERVER, Database
from tests.ledgers import epcis_ledger
from tests.support.happenings import PALLET, observe, records
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.event import LedgerEvent, opaque_index
from traceability.ledger.index import IndexRows, Visibility, tag_hash, visibility_id
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


@ONE_SERVER
@pytest.mark.parametrize("analysed", [False, True])
def test_what_is_new_is_found_by_the_indexes(database: Database, *, analysed: bool) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("""
            INSERT INTO ledger.sighting SELECT 1, n, n, 1, n, n % 1000 = 0, NULL, NULL FROM generate_series(1, 30000) n;
            INSERT INTO ledger.visibility SELECT 1, n, n, 'maker.example', '{}', NULL FROM generate_series(1, 3000) n
        """)
        if analysed:
            owner.execute("VACUUM ANALYZE ledger.sighting, ledger.visibility")
        known = {"ledger": 1, "visibilities": 2_990, "declared": 29_500}
        plan = "\n".join(line for (line,) in owner.execute(f"EXPLAIN {HEAD_AND_NEW}", known))
    assert "sighting_declaring" in plan
    assert "visibility_position" in plan
    assert "Seq Scan on sighting" not in plan


def test_every_process_knows_what_declarations_join_on(database: Database) -> None:
    reader = Reader(PUBLIC)
    seen = observe(1, PALLET, event_id="urn:uuid:1")
    made, taken_back = (record.event for record in records([seen, seen.retracted()]))
    declared = {tag_hash("event:urn:uuid:1"): [1]}
    with epcis_ledger(database.runtime_url, organisation="maker.example") as ledger:
        early = PostgresVisibility(ledger.pool, ledger.ledger_id)
        assert told(early.view(reader)) == (0, {}, {})
        ledger.append([taken_back])
        assert told(early.view(reader)) == (1, {}, declared)
        ledger.append([made])
        late = PostgresVisibility(ledger.pool, ledger.ledger_id)
        assert told(early.view(reader)) == told(late.view(reader)) == (2, {}, declared)


def told(view: View) -> tuple[int, object, object]:
    return view.head, view.extents, view.declared


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seen=st.sets(st.integers(-(2**63), 2**63 - 1), max_size=300), seed=st.integers(0, 2**32))
def test_a_sieve_lets_through_what_is_seen_and_little_else(database: Database, seen: set[int], seed: int) -> None:
    sieve, hidden = Sieve.of(seen), [hash((seed, n)) for n in range(2_000)]
    given = {"sieve": sieve.bits, "mask": sieve.mask, "all": [*seen, *hidden]}
    with psycopg.connect(database.runtime_url) as connection:
        asked = f"SELECT v FROM unnest(%(all)s::bigint[]) v WHERE {let_through('v')}"
        through = {visibility for (visibility,) in connection.execute(asked, given)}
    assert seen <= through
    assert len(through - seen) <= (400 if seen else 0)


def test_decision_events_name_their_parties_by_tags() -> None:
    parts = Parts(head=b'{"type":"t.v1","captured_by":"dairy.example"}', more=b'{"tags":["party:x","case:1"]}')
    visibility = opaque_index(parts).visibility
    assert Reader("carrier.example", frozenset({"x"})).extent(visibility) is not None
    assert Reader("carrier.example", frozenset({"1"})).extent(visibility) is None
