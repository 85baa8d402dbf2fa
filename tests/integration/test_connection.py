"""Which database is used, and what a connection to it is allowed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from adapters.postgres.connection import DatabaseSettings, DatabaseUrls, connect, database_urls, open_pool, role_of
from tests.conftest import Database
from traceability.errors import InvalidInputError, UnavailableError


def test_the_operator_s_urls_are_taken_as_they_are(tmp_path: Path) -> None:
    settings = DatabaseSettings("postgresql://app@db/trace", "postgresql://boss@db/trace", tmp_path / "data")
    with database_urls(settings) as urls:
        assert (urls.runtime, urls.owner, urls.runtime_role) == (settings.url, settings.owner_url, "app")
    assert not settings.data.exists()


def test_without_urls_it_is_the_embedded_server(tmp_path: Path) -> None:
    with database_urls(DatabaseSettings(data=tmp_path / "data")) as urls:
        assert urls.runtime_role == "traceability"
        with connect(urls.owner) as connection:
            assert connection.info.user == "traceability_owner"


def test_the_owner_is_only_asked_for_when_needed() -> None:
    with (
        database_urls(DatabaseSettings("postgresql://app@db/trace")) as urls,
        pytest.raises(UnavailableError) as caught,
    ):
        _ = urls.owner
    assert caught.value.code == "postgres.no_owner_url"


@pytest.mark.parametrize(
    "settings",
    [
        DatabaseSettings(url=None, owner_url="postgresql://boss@db/trace"),
        DatabaseSettings(url="postgresql://db/trace"),
        DatabaseSettings(url="postgresql://app:secret@[db/trace"),
        DatabaseSettings(url="not a url"),
    ],
    ids=["only the owner's", "no user", "bad host", "no url"],
)
def test_bad_urls_are_refused_without_repeating_them(settings: DatabaseSettings) -> None:
    with pytest.raises(InvalidInputError) as caught, database_urls(settings):
        pass
    assert caught.value.code == "settings.database_url"
    assert "secret" not in caught.value.diagnostics()


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(DatabaseUrls("postgresql://a:secret@db/trace", "postgresql://b:secret@db/trace"))
    assert "secret" not in repr(DatabaseSettings("postgresql://a:secret@db/trace", "postgresql://b:secret@db/trace"))


def test_the_role_is_found_in_both_forms() -> None:
    assert role_of("postgresql://a%20b@/d?host=/x") == role_of("user='a b' dbname=d") == "a b"


@pytest.mark.parametrize("opening", [connect, open_pool])
def test_what_cannot_be_reached_is_said_to_be(tmp_path: Path, opening: Callable[[str], object]) -> None:
    with pytest.raises(UnavailableError) as caught:
        opening(f"postgresql://app@/trace?host={tmp_path}")
    assert caught.value.code == "postgres.unreachable"
    assert "TRACEABILITY_DATABASE_URL" in caught.value.hint


def test_a_pooled_transaction_cannot_outlive_its_limit(shared_database: Database) -> None:
    with open_pool(shared_database.runtime_url) as pool, pool.connection() as connection:
        assert connection.autocommit
        for limit in ("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout"):
            assert connection.execute("SELECT current_setting(%s)", [limit]).fetchone() == ("30s",)


@pytest.mark.parametrize(("chosen", "kept"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
def test_a_commit_is_on_disk_whatever_the_server_s_default(shared_database: Database, chosen: str, kept: str) -> None:
    url = make_conninfo(shared_database.runtime_url, options=f"-c synchronous_commit={chosen}")
    with open_pool(url) as pool, pool.connection() as connection, connect(url) as single:
        assert connection.execute("SHOW synchronous_commit").fetchone() == (kept,)
        assert single.execute("SHOW synchronous_commit").fetchone() == (kept,)


def test_a_pooled_connection_is_the_runtime_role_s(shared_database: Database) -> None:
    with open_pool(shared_database.runtime_url) as pool:
        with pool.connection() as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute("CREATE TEMPORARY TABLE mine ()")
        with pool.connection() as connection, connection.transaction():
            connection.execute("SELECT FROM ledger.head WHERE ledger_id = 1 FOR UPDATE")


def test_a_lost_connection_is_replaced(shared_database: Database) -> None:
    with open_pool(shared_database.runtime_url, max_size=1) as pool:
        with psycopg.connect(shared_database.admin_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'traceability' AND datname = current_database()"
            )
        with pytest.raises(psycopg.OperationalError), pool.connection() as connection:
            connection.execute("SELECT 1")
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
