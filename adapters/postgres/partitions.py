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
    made = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'ledger.record'::regclass").fetchone()
    # A statement of its own: on Citus the catalogue is read here, the heads on their nodes.
    head = connection.execute("SELECT coalesce(max(position), 0) FROM ledger.head").fetchone()
    assert made is not None
    assert head is not None
    return int(made[0]) * WIDTH - 1 - int(head[0])


def maintain(connection: psycopg.Connection) -> int:
    """Make partitions until two lie empty ahead of every ledger; return the positions left. Owner role."""
    connection.execute("SELECT ledger.make_partitions(coalesce(max(position), 0) + 2 * %s) FROM ledger.head", [WIDTH])
    return positions_left(connection)
