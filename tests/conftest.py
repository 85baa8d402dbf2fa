"""One PostgreSQL for each process of the run, and a fresh database for each test that asks."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, EmbeddedServer, create_database, embedded_server, stop
from adapters.postgres.migrate import migrate

TEMPLATE = "migrated"


@dataclass(frozen=True)
class Database:
    """A migrated database of its own; a URL for each of the three roles."""

    name: str
    owner_url: str
    runtime_url: str
    admin_url: str


def database_of(server: EmbeddedServer, name: str) -> Database:
    return Database(
        name,
        owner_url=server.url(role=OWNER_ROLE, database=name),
        runtime_url=server.url(role=RUNTIME_ROLE, database=name),
        admin_url=server.url(role=None, database=name),
    )


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Start the server of this process; `fsync` and `synchronous_commit` are on, as in production."""
    data = tmp_path_factory.mktemp("postgres")
    with embedded_server(data) as server:
        yield server
    stop(data)
    shutil.rmtree(data / "cluster")  # the log stays, as long as pytest keeps the folder


@pytest.fixture(scope="session")
def admin(postgres: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """Give the superuser's connection, which makes and drops databases."""
    with psycopg.connect(postgres.url(role=None, database="postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(postgres: EmbeddedServer, admin: psycopg.Connection) -> str:
    """Migrate once; copying the result is cheaper than migrating again."""
    create_database(admin, TEMPLATE)
    migrate(database_of(postgres, TEMPLATE).owner_url, runtime_role=RUNTIME_ROLE)
    return TEMPLATE


def fresh_database(server: EmbeddedServer, admin: psycopg.Connection, template: str) -> Iterator[Database]:
    """Copy `template` for as long as the generator lives."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    create_database(admin, name, template=template)
    try:
        yield database_of(server, name)
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(postgres: EmbeddedServer, admin: psycopg.Connection, template: str) -> Iterator[Database]:
    """Give a fresh database with every migration applied."""
    yield from fresh_database(postgres, admin, template)


@pytest.fixture
def empty_database(postgres: EmbeddedServer, admin: psycopg.Connection) -> Iterator[Database]:
    """Give a fresh database without any migration."""
    yield from fresh_database(postgres, admin, "template0")


@pytest.fixture(scope="module")
def shared_database(postgres: EmbeddedServer, admin: psycopg.Connection, template: str) -> Iterator[Database]:
    """Give a migrated database that the tests of one file share."""
    yield from fresh_database(postgres, admin, template)
