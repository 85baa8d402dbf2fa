"""What an error of the database says about an append, whichever server it comes from."""

from __future__ import annotations

import psycopg
import pytest

from adapters.postgres.connection import open_pool
from adapters.postgres.outcome import settled
from tests.conftest import Database
from traceability.errors import UnavailableError


@pytest.mark.parametrize(
    ("state", "message", "code"),
    [
        ("57014", "canceling statement due to statement timeout", "ledger.not_appended"),
        ("53100", "no space left on device", "ledger.not_appended"),
        # So the coordinator of a cluster says that it lost the ledger's node, which may have committed.
        ("57P01", "terminating connection due to administrator command", "ledger.outcome_unknown"),
        ("08006", "connection to the remote node failed", "ledger.outcome_unknown"),
        ("23514", 'no partition of relation "record" found for row', "ledger.no_partition"),
        ("XX000", 'no partition of relation "record_102020" found for row', "ledger.no_partition"),
    ],
)
def test_an_error_is_told_by_what_it_says_of_the_commit(
    shared_database: Database, state: str, message: str, code: str
) -> None:
    with open_pool(shared_database.runtime_url, max_size=1) as pool:
        with pytest.raises(UnavailableError) as caught, settled(pool) as connection:
            _raise(connection, state, message)
        assert caught.value.code == code
        with settled(pool) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_any_other_error_is_about_what_was_appended(shared_database: Database) -> None:
    with (
        open_pool(shared_database.runtime_url, max_size=1) as pool,
        pytest.raises(psycopg.errors.InternalError_, match="cache lookup failed"),
        settled(pool) as connection,
    ):
        _raise(connection, "XX000", "cache lookup failed")


def _raise(connection: psycopg.Connection, state: str, message: str) -> None:
    connection.execute(f"DO $$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = '{state}'; END $$".encode())
