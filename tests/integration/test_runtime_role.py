"""The runtime role against every table and column of the ledger that the catalogue knows."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from tests.conftest import Database
from tests.ledgers import event, postgres_ledger

MOVABLE = {("head", "position"), ("head", "recorded_at")}
COLUMNS = """
SELECT relname, array_agg(attname::text) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
 WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
 GROUP BY relname ORDER BY relname
"""
ON_A_TABLE = [
    "DELETE FROM {}",
    "TRUNCATE {}",
    "DROP TABLE {}",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "ALTER TABLE {} RENAME TO gone",
    "ALTER TABLE {} SET SCHEMA work",
    "ALTER TABLE {} OWNER TO CURRENT_USER",
    "CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING",
    "CREATE POLICY p ON {} USING (false)",
    "CREATE INDEX ON {} (ledger_id)",
    "COMMENT ON TABLE {} IS ''",
]
ON_THE_DATABASE = [
    "SELECT ledger.make_partitions(1000000000)",
    "ALTER TABLE ledger.record DETACH PARTITION ledger.record_0",
    "CREATE TABLE ledger.record_x (LIKE ledger.record)",
    "CREATE TEMPORARY TABLE t (n int)",
    "DROP SCHEMA ledger CASCADE",
    "DROP FUNCTION ledger.make_partitions",
    "CREATE OR REPLACE FUNCTION ledger.make_partitions(bigint) RETURNS void LANGUAGE sql AS ''",
    "SET session_replication_role = replica",
    "SET ROLE traceability_owner",
    "COPY ledger.record TO PROGRAM 'true'",
    "COPY ledger.record TO '/dev/null'",
]


@pytest.fixture
def runtime(database: Database) -> Iterator[psycopg.Connection]:
    """Give the runtime role's connection to a ledger that holds an event."""
    with postgres_ledger(database.runtime_url) as ledger:
        ledger.append([event("x", marks=[("a", "b", True)], edges=[("a", True, None)])])
    with psycopg.connect(database.runtime_url, autocommit=True) as connection:
        yield connection


def test_no_table_can_be_changed_and_no_column_but_two_of_the_head(runtime: psycopg.Connection) -> None:
    tables: dict[str, list[str]] = dict(runtime.execute(COLUMNS.encode()).fetchall())
    assert {"head", "record", "record_0", "posting", "mark", "edge", "sighting", "visibility"} <= set(tables)
    movable = set()
    for table, columns in tables.items():
        name = sql.Identifier("ledger", table)
        for statement in ON_A_TABLE:
            with pytest.raises(errors.InsufficientPrivilege):
                runtime.execute(sql.SQL(statement).format(name))
        for column in columns:
            update = sql.SQL("UPDATE {} SET {} = {}").format(name, *[sql.Identifier(column)] * 2)
            try:
                runtime.execute(update)
            except errors.InsufficientPrivilege:
                continue
            movable.add((table, column))
    assert movable == MOVABLE


@pytest.mark.parametrize("statement", ON_THE_DATABASE)
def test_what_surrounds_the_tables_cannot_be_changed(runtime: psycopg.Connection, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        runtime.execute(statement.encode())


def test_no_ledger_can_be_added(runtime: psycopg.Connection) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        runtime.execute("INSERT INTO ledger.head (ledger_id, name) VALUES (2, 'mine')")
