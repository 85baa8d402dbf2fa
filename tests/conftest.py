"""One PostgreSQL for each process of the run, and a fresh database for each test that asks."""

from __future__ import annotations

import os
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
import structlog
from psycopg import sql

from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, EmbeddedServer, create_database, embedded_server, stop
from adapters.postgres.migrate import migrate
from tests.support.cluster import Cluster, cluster_of

# What a shell starts in the background ignores an interrupt, and so does all that it starts; tests interrupt that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The lines that a server in a test logs go where those of the libraries do, and not among what a command prints.
structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger)

TEMPLATE = "migrated"
_LOOKS, _SOON = 20, 0.005
CITUS_URL = os.environ.get("TRACEABILITY_CITUS_URL")
Server = EmbeddedServer | Cluster

ONE_SERVER = pytest.mark.skipif(bool(CITUS_URL), reason="on a Citus cluster")
"""For what is told of one server: its plans, its statistics, roles that are made on it alone."""


@dataclass(frozen=True)
class Database:
    """A migrated database of its own; a URL for each of the three roles."""

    name: str
    owner_url: str
    runtime_url: str
    admin_url: str


def database_of(server: Server, name: str) -> Database:
    return Database(
        name,
        owner_url=server.url(role=OWNER_ROLE, database=name),
        runtime_url=server.url(role=RUNTIME_ROLE, database=name),
        admin_url=server.url(role=None, database=name),
    )


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start the server of this process; `fsync` and `synchronous_commit` are on, as in production.

    Where TRACEABILITY_CITUS_URL names a cluster, it is the server of all processes.
    """
    if CITUS_URL:
        yield cluster_of(CITUS_URL)
        return
    data = tmp_path_factory.mktemp("postgres")
    with embedded_server(data) as server:
        yield server
    stop(data)
    shutil.rmtree(data / "cluster")  # the log stays, as long as pytest keeps the folder


@pytest.fixture(scope="session")
def admin(postgres: Server) -> Iterator[psycopg.Connection]:
    """Give the superuser's connection, which makes and drops databases."""
    with psycopg.connect(postgres.url(role=None, database="postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def template(postgres: Server, admin: psycopg.Connection) -> Iterator[str]:
    """Migrate once; copying the result is cheaper than migrating again."""
    name = f"{TEMPLATE}_{uuid.uuid4().hex[:12]}"  # processes share a cluster
    make_database(postgres, admin, name, "template0")
    migrate(database_of(postgres, name).owner_url, runtime_role=RUNTIME_ROLE)
    yield name
    drop_database(postgres, admin, name)


def make_database(server: Server, admin: psycopg.Connection, name: str, template: str) -> None:
    if isinstance(server, Cluster):
        server.create(name, template)
    else:
        create_database(admin, name, template=template)


def drop_database(server: Server, admin: psycopg.Connection, name: str) -> None:
    if isinstance(server, Cluster):
        server.drop(name)
    else:
        # What was closed a moment ago is not gone yet, and the command itself would only look again after 100 ms.
        for _ in range(_LOOKS):
            if admin.execute("SELECT FROM pg_stat_activity WHERE datname = %s LIMIT 1", [name]).fetchone() is None:
                break
            time.sleep(_SOON)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fresh_database(server: Server, admin: psycopg.Connection, template: str) -> Iterator[Database]:
    """Copy `template` for as long as the generator lives."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    make_database(server, admin, name, template)
    try:
        yield database_of(server, name)
    finally:
        drop_database(server, admin, name)


@pytest.fixture
def database(postgres: Server, admin: psycopg.Connection, template: str) -> Iterator[Database]:
    """Give a fresh database with every migration applied."""
    yield from fresh_database(postgres, admin, template)


@pytest.fixture
def empty_database(postgres: Server, admin: psycopg.Connection) -> Iterator[Database]:
    """Give a fresh database without any migration."""
    yield from fresh_database(postgres, admin, "template0")


@pytest.fixture(scope="module")
def shared_database(postgres: Server, admin: psycopg.Connection, template: str) -> Iterator[Database]:
    """Give a migrated database that the tests of one file share."""
    yield from fresh_database(postgres, admin, template)
