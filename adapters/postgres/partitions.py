"""Room for the events to come: records and postings are partitioned by position, and partitions are made ahead."""

from __future__ import annotations

from typing import Final

import psycopg

WIDTH: Final = 4_194_304
"""Positions in a partition; what `ledger.make_partitions` says."""

LOW_WATER: Final = 1_000_000
"""Positions that must be left for a server to call itself ready."""


def positions_left(connection: psycopg.Connection) -> int:
    """Return how many events the fullest ledger can still take before an append finds no partition."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM pg_inherits WHERE inhparent = 'ledger.record'::regclass) * %s - 1"
        " - coalesce(max(position), 0) FROM ledger.head",
        [WIDTH],
    ).fetchone()
    assert row is not None
    return int(row[0])


def maintain(connection: psycopg.Connection) -> int:
    """Make partitions until two lie empty ahead of every ledger; return the positions left. Owner role."""
    connection.execute("SELECT ledger.make_partitions(coalesce(max(position), 0) + 2 * %s) FROM ledger.head", [WIDTH])
    return positions_left(connection)
