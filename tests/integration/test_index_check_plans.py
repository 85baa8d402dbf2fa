"""A check of few positions reads those, not tables from end to end, whether the planner knows the tables or not."""

from __future__ import annotations

import re

import psycopg
import pytest

from adapters.postgres.connection import open_pool
from adapters.postgres.index_stored import _conditions, _planned, table_windows
from tests.conftest import ONE_SERVER, Database

EVENTS = 30_000
FILL = f"""
INSERT INTO ledger.posting SELECT 1, n, t, 1 FROM generate_series(1, {EVENTS}) n, generate_series(1, 3) t;
INSERT INTO ledger.mark SELECT 1, n, n, 7, 'c', true, n, 1 FROM generate_series(1, {EVENTS}) n;
INSERT INTO ledger.edge SELECT 1, n, n, 7, true, n, 1 FROM generate_series(1, {EVENTS}) n;
INSERT INTO ledger.sighting SELECT 1, n, n, 1, 0, false, 'shipping', 'in_transit' FROM generate_series(1, {EVENTS}) n;
UPDATE ledger.head SET position = {EVENTS}
"""


@ONE_SERVER
@pytest.mark.parametrize("analysed", [False, True])
def test_the_newest_events_are_looked_up(database: Database, *, analysed: bool) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(FILL.encode())
        if analysed:
            owner.execute("VACUUM ANALYZE ledger.posting, ledger.mark, ledger.edge, ledger.sighting")
    with open_pool(database.runtime_url, max_size=1) as pool:
        for window in table_windows(pool, EVENTS - 99, EVENTS + 1, last=True, key=bytes(32)):
            with pool.connection() as connection, _planned(connection, window):
                for where in _conditions(connection, window, 1, bounded=False, cluster=False):
                    statement = f"EXPLAIN SELECT array_agg(position) FROM ledger.{window.table} WHERE {where}"
                    plan = "\n".join(line for (line,) in connection.execute(statement.encode()))
                    assert not re.search(r"Seq Scan on (posting_0|mark|edge|sighting)", plan), plan
                    # An index that begins with the ledger leads to all of its rows.
                    assert not re.search(r"posting_0_pkey|(mark|edge)_(?!position)", plan), plan
