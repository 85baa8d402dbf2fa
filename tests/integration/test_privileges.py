"""The runtime role can add records and cannot change them; a role that could is recognised."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from adapters.postgres.embedded import OWNER_ROLE
from adapters.postgres.privileges import excess_privileges
from tests.conftest import Database

ROLE = "overprivileged"
RECORD_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'ledger'::regnamespace AND relkind IN ('r', 'p')"


def test_the_runtime_role_has_no_more_than_it_needs(database: Database) -> None:
    with psycopg.connect(database.runtime_url) as connection:
        assert excess_privileges(connection) == ()


def test_the_runtime_role_can_neither_change_nor_remove_anything_recorded(database: Database) -> None:
    with psycopg.connect(database.runtime_url, autocommit=True) as connection:
        tables = [name for (name,) in connection.execute(RECORD_TABLES)]
        assert {"record", "record_0", "posting", "head"} <= set(tables)
        for table in tables:
            name = sql.Identifier("ledger", table)
            for statement in (
                "UPDATE {} SET ledger_id = ledger_id",
                "DELETE FROM {}",
                "TRUNCATE {}",
                "DROP TABLE {}",
                "ALTER TABLE {} ADD n int",
                "CREATE TRIGGER t BEFORE INSERT ON {} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(sql.SQL(statement).format(name))


def test_the_head_s_position_moves(database: Database) -> None:
    with psycopg.connect(database.runtime_url) as connection:
        connection.execute("SELECT FROM ledger.head WHERE ledger_id = 1 FOR UPDATE")
        moved = connection.execute("UPDATE ledger.head SET position = 1, recorded_at = 1 WHERE ledger_id = 1")
        assert moved.rowcount == 1


def test_the_superuser_and_the_owner_are_recognised(database: Database) -> None:
    with psycopg.connect(database.admin_url) as connection:
        assert "is a superuser, or may become one" in excess_privileges(connection)
    with psycopg.connect(database.owner_url) as connection:
        excess = excess_privileges(connection)
    assert {f"owns database {database.name}", "owns schema ledger", "owns ledger.record"} <= set(excess)


def test_a_role_that_was_set_can_be_reset(database: Database) -> None:
    with psycopg.connect(database.admin_url) as connection:
        connection.execute("SET ROLE traceability")
        assert "is a superuser, or may become one" in excess_privileges(connection)


@pytest.fixture
def role(database: Database) -> Iterator[psycopg.Connection]:
    """Give the superuser's connection to a database where ROLE exists and may do nothing yet."""
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {ROLE} LOGIN")
        admin.execute(f"GRANT CONNECT ON DATABASE {database.name} TO {ROLE}")
        yield admin
        admin.execute(f"ALTER DATABASE {database.name} OWNER TO {OWNER_ROLE}")
        admin.execute(f"REASSIGN OWNED BY {ROLE} TO {OWNER_ROLE}; DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


@pytest.mark.parametrize(
    ("gift", "phrase"),
    [
        (f"ALTER ROLE {ROLE} SUPERUSER", "is a superuser, or may become one"),
        (f"ALTER ROLE {ROLE} NOINHERIT; GRANT postgres TO {ROLE}", "is a superuser, or may become one"),
        (f"ALTER ROLE {ROLE} CREATEROLE", "may create roles, and so join others"),
        (f"GRANT pg_write_all_data TO {ROLE}", "is a member of pg_write_all_data"),
        (f"GRANT pg_execute_server_program TO {ROLE}", "is a member of pg_execute_server_program"),
        (f"GRANT {OWNER_ROLE} TO {ROLE}", "owns ledger.record"),
        (f"ALTER ROLE {ROLE} NOINHERIT; GRANT {OWNER_ROLE} TO {ROLE}", "owns ledger.record"),
        (f"ALTER DATABASE {{database}} OWNER TO {ROLE}", "owns database {database}"),
        (f"ALTER SCHEMA ledger OWNER TO {ROLE}", "owns schema ledger"),
        (f"ALTER TABLE ledger.posting_1 OWNER TO {ROLE}", "owns ledger.posting_1"),
        (f"GRANT UPDATE ON ledger.record TO {ROLE}", "may UPDATE ledger.record"),
        (f"GRANT DELETE ON ledger.record_0 TO {ROLE}", "may DELETE ledger.record_0"),
        (f"GRANT TRUNCATE ON ledger.mark TO {ROLE}", "may TRUNCATE ledger.mark"),
        (f"GRANT TRIGGER ON ledger.record TO {ROLE}", "may TRIGGER ledger.record"),
        ("GRANT DELETE ON ledger.edge TO PUBLIC", "may DELETE ledger.edge"),
        (f"GRANT UPDATE (source) ON ledger.record TO {ROLE}", "may UPDATE ledger.record.source"),
        (f"GRANT UPDATE (name) ON ledger.head TO {ROLE}", "may UPDATE ledger.head.name"),
        (f"GRANT UPDATE ON ledger.head TO {ROLE}", "may UPDATE ledger.head"),
        (f"GRANT DELETE ON notary.checkpoint TO {ROLE}", "may DELETE notary.checkpoint"),
    ],
)
def test_each_excess_is_recognised(database: Database, role: psycopg.Connection, gift: str, phrase: str) -> None:
    url = database.admin_url.replace("postgres@", f"{ROLE}@")
    with psycopg.connect(url) as connection:
        assert excess_privileges(connection) == ()
    role.execute(gift.format(database=database.name).encode())
    with psycopg.connect(url) as connection:
        assert phrase.format(database=database.name) in excess_privileges(connection)
