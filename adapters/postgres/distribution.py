"""Spreading the tables over the nodes of a Citus cluster, each by its ledger_id: one ledger lies on one node."""

from __future__ import annotations

from typing import Final

import psycopg

_IS_CITUS: Final = b"SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')"
# All tables of ours with a ledger_id, but for partitions, which follow their table. The first one is that to which all
# others are bound: it makes a group of its own, lest it be tied to somebody else's tables in the database.
_UNSPREAD: Final = b"""
SELECT c.oid::regclass::text FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'ledger_id' AND NOT a.attisdropped
 WHERE n.nspname IN ('ledger', 'notary', 'access', 'work') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND to_regclass('ledger.head') IS NOT NULL
   AND NOT EXISTS (SELECT FROM pg_dist_partition d WHERE d.logicalrelid = c.oid)
 ORDER BY c.oid <> to_regclass('ledger.head'), c.oid
"""
# Called with a ledger's number, it runs beside that ledger's rows: one round trip, not one for each of its statements.
_UNSENT: Final = b"""
SELECT p.oid::regprocedure::text FROM pg_proc p
 WHERE p.pronamespace = to_regnamespace('ledger') AND p.proname = 'append'
   AND NOT EXISTS (SELECT FROM pg_dist_object d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                                                AND d.distribution_argument_index IS NOT NULL)
"""
_HEAD: Final = "ledger.head"


def is_cluster(connection: psycopg.Connection) -> bool:
    """Return whether the database is spread over the nodes of a cluster, or is to be."""
    row = connection.execute(_IS_CITUS).fetchone()
    assert row is not None
    return bool(row[0])


def distribute(connection: psycopg.Connection) -> bool:
    """Spread what is not spread yet, with its rows; return whether this is a cluster. Owner role.

    On plain PostgreSQL, also one that has Citus but not in this database, nothing is done.
    """
    if not is_cluster(connection):
        return False
    with connection.transaction():
        # One connection to each node: foreign keys between what one transaction makes cannot be checked from several.
        connection.execute("SET LOCAL citus.multi_shard_modify_mode = 'sequential'")
        tables = [table for (table,) in connection.execute(_UNSPREAD).fetchall()]
        for table in tables:
            group = "none" if table == _HEAD else _HEAD
            connection.execute("SELECT create_distributed_table(%s, 'ledger_id', colocate_with => %s)", [table, group])
        for table in tables:
            # What was here was copied to the nodes, and would lie here for ever, unseen and out of an erasure's reach.
            connection.execute("SELECT truncate_local_data_after_distributing_table(%s)", [table])
        for (function,) in connection.execute(_UNSENT).fetchall():
            connection.execute(
                "SELECT create_distributed_function(%s, 'p_ledger', colocate_with => %s)", [function, _HEAD]
            )
    return True
