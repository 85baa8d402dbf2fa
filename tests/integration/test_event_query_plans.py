"""The statements of event queries keep to their indexes, whether the planner knows the tables or not."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from adapters.postgres import named_items, vocabularies
from adapters.postgres.arrays import bigints
from adapters.postgres.event_query import _Search
from adapters.postgres.event_query_sql import LAST_BEFORE
from adapters.postgres.ledger import PostgresLedger
from tests.conftest import ONE_SERVER, Database
from tests.ledgers import epcis_ledger
from tests.support.epcis_events import PACK, PLACE
from traceability.gs1.epcis.query.parameters import read_query
from traceability.ledger.index import tag_hash

EVENTS = 30_000
VISIBILITIES = 300
# One tag is on every third event, and every event has one of its own.
FILL = """
INSERT INTO ledger.sighting SELECT 1, n, n * 1000, n % {v}, 0, false, 'shipping', 'in_transit'
  FROM generate_series(1, {n}) n;
INSERT INTO ledger.posting SELECT 1, n, {place}, n % {v} FROM generate_series(1, {n}, 3) n;
INSERT INTO ledger.posting SELECT 1, n, n, n % {v} FROM generate_series(1, {n}) n;
UPDATE ledger.head SET position = {n}
"""


@pytest.fixture
def ledger(database: Database) -> Iterator[PostgresLedger]:
    with epcis_ledger(database.runtime_url, organisation="tests.example") as ledger:
        yield ledger


@ONE_SERVER
@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize(
    "parameters",
    [
        [],
        [("orderDirection", "ASC"), ("GE_eventTime", "1970-01-01T00:00:01Z")],
        [("EQ_readPoint", PLACE), ("EQ_disposition", "in_transit")],
        [("EQ_readPoint", PLACE), ("MATCH_epc", PACK), ("eventType", "ObjectEvent")],
        [("GE_value_CEL", "1"), ("EQ_INNER_https://ns.example/x", "a"), ("EXISTS_errorDeclaration", "true")],
    ],
)
def test_no_statement_reads_a_table_from_end_to_end(
    database: Database, ledger: PostgresLedger, parameters: list[tuple[str, str]], *, analysed: bool
) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(FILL.format(n=EVENTS, v=VISIBILITIES, place=tag_hash(f"place:{PLACE}")))
        if analysed:
            owner.execute("VACUUM ANALYZE ledger.sighting, ledger.posting, ledger.record")
    query = read_query(parameters)
    extents = dict.fromkeys(range(0, VISIBILITIES, 6), frozenset({"what", "where"}))
    with ledger.pool.connection() as connection:
        search = _Search(connection, ledger, query, extents, EVENTS)
        statements = [search._sql.merged, search._sql.walked, LAST_BEFORE]
        if search._groups:
            every = range(search._groups)
            statements += [search._sql.sizes(every), *map(search._sql.posted, every)]
        batch = {"at": 10**9, "place": EVENTS, "size": 31, "stride": 1, "rank": 31, "first": 1, "last": 4096}
        scope = {**search._scope, **batch, "limit": 256, "time": 5, "head": EVENTS}
        plans = [
            "\n".join(line for (line,) in connection.execute(f"EXPLAIN {statement}", scope, prepare=False))
            for statement in statements
        ]
    # Of a partition that is known to be empty there is nothing else to read.
    assert [plan for plan in plans if re.search(r"Seq Scan on (sighting|posting_0)", plan)] == []
    assert "sighting_seen" in plans[0]


@ONE_SERVER
@pytest.mark.parametrize("analysed", [False, True])
def test_neither_statements_nor_named_things_are_looked_for_in_whole_tables(
    database: Database, ledger: PostgresLedger, *, analysed: bool
) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(FILL.format(n=EVENTS, v=VISIBILITIES, place=tag_hash(f"place:{PLACE}")))
        if analysed:
            owner.execute("VACUUM ANALYZE ledger.sighting, ledger.posting, ledger.record")
    tags, visible = bigints(range(5_000)), list(range(0, VISIBILITIES, 6))
    scope = {"ledger": 1, "tags": tags, "visible": visible, "after": 0, "head": EVENTS, "limit": 100}
    scope |= {"first": 1, "until": 4_096}
    with ledger.pool.connection() as connection:
        plans = [
            "\n".join(line for (line,) in connection.execute(f"EXPLAIN {statement}", scope, prepare=False))
            for statement in (vocabularies._POSITIONS, named_items._SEEN)
        ]
    assert [plan for plan in plans if re.search(r"Seq Scan on (sighting|posting_0)", plan)] == []
    assert "Sort" not in plans[1], "they are read in order"
