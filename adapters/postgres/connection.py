"""Which database, and how to connect to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg
from psycopg import conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from adapters.postgres.arrays import BigintsDumper
from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, embedded_server
from traceability.errors import InvalidInputError, UnavailableError

APPLICATION_NAME = "traceability"
TRANSACTION_SECONDS = 30
"""No transaction of ours outlives this: an old snapshot makes every update of a ledger's head row slow."""

NO_LIMITS = (
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN"
    " ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')"
)
"""For the owner's long work, whatever the operator set."""

_CONNECT_SECONDS = 5
_FIRST_VERSION_WITH_TRANSACTION_TIMEOUT = 170000


@dataclass(frozen=True)
class DatabaseSettings:
    """What the operator chose: a server by its URLs, or the embedded one in the folder `data`.

    `url` is TRACEABILITY_DATABASE_URL (runtime role), `owner_url` is TRACEABILITY_DATABASE_OWNER_URL.
    """

    url: str | None = field(default=None, repr=False)
    owner_url: str | None = field(default=None, repr=False)
    data: Path = Path(".traceability/postgres")


@dataclass(frozen=True)
class DatabaseUrls:
    """Where to connect as which role; a server that only reads and appends need not know the owner."""

    runtime: str = field(repr=False)
    _owner: str | None = field(repr=False)

    @property
    def owner(self) -> str:
        """The owner role's URL, for migrate, erase, reindex and maintain; UnavailableError `postgres.no_owner_url`."""
        if self._owner is None:
            raise UnavailableError(
                "This needs the role that owns the tables",
                code="postgres.no_owner_url",
                hint="Set TRACEABILITY_DATABASE_OWNER_URL.",
            )
        return self._owner

    @property
    def runtime_role(self) -> str:
        """The name of the runtime role, to which migrations grant."""
        return role_of(self.runtime)


@contextlib.contextmanager
def database_urls(settings: DatabaseSettings, *, keep: bool = False) -> Iterator[DatabaseUrls]:
    """Give the URLs of the chosen database; an embedded server is up inside the context, and after it with `keep`.

    Raises InvalidInputError `settings.database_url`, or UnavailableError as `embedded_server` does.
    """
    if settings.url is not None:
        role_of(settings.url)
        yield DatabaseUrls(settings.url, settings.owner_url)
        return
    if settings.owner_url is not None:
        raise InvalidInputError(
            "TRACEABILITY_DATABASE_OWNER_URL is set without TRACEABILITY_DATABASE_URL", code="settings.database_url"
        )
    with embedded_server(settings.data, keep=keep) as server:
        yield DatabaseUrls(server.url(role=RUNTIME_ROLE), server.url(role=OWNER_ROLE))


def role_of(url: str) -> str:
    """Return the user named in a libpq URL or connection string; InvalidInputError `settings.database_url` if none."""
    try:
        role = conninfo.conninfo_to_dict(url).get("user")
    except psycopg.ProgrammingError as error:
        # The text may hold a password: it is not repeated.
        raise InvalidInputError("A database URL is malformed", code="settings.database_url") from error
    if not role:
        raise InvalidInputError("A database URL names no user", code="settings.database_url")
    return str(role)


def connect(url: str) -> psycopg.Connection:
    """Connect, autocommitting; a commit is on disk when it returns. Raises UnavailableError `postgres.unreachable`."""
    try:
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name=APPLICATION_NAME
        )
        _commit_to_disk(connection)
    except psycopg.ProgrammingError as error:
        raise InvalidInputError("A database URL is malformed", code="settings.database_url") from error
    except psycopg.OperationalError as error:
        raise unreachable(error) from error
    return connection


def open_pool(url: str, *, min_size: int = 1, max_size: int = 8) -> ConnectionPool[psycopg.Connection]:
    """Open a pool of autocommitting connections, at least one of which was seen to work.

    A transaction is what `connection.transaction()` encloses. On every connection a statement, a transaction and an
    idle transaction end after TRANSACTION_SECONDS, and a commit is on disk when it returns. `pool.connection()` raises
    PoolTimeout when all are taken for ten seconds.

    Raises UnavailableError `postgres.unreachable`.
    """
    connect(url).close()  # the pool would retry in the background and hide the reason
    pool = ConnectionPool(
        url,
        kwargs={"autocommit": True, "connect_timeout": _CONNECT_SECONDS, "application_name": APPLICATION_NAME},
        configure=_set_up,
        min_size=min_size,
        max_size=max_size,
        timeout=10,
        open=False,
        name=APPLICATION_NAME,
    )
    try:
        pool.open(wait=True, timeout=10)
    except PoolTimeout as error:
        pool.close()
        raise unreachable(error) from error
    return pool


def unreachable(error: Exception) -> UnavailableError:
    """Return our error for a database that cannot be reached, or was lost."""
    return UnavailableError(
        f"The database cannot be reached: {error}",
        code="postgres.unreachable",
        hint="Check TRACEABILITY_DATABASE_URL and that the server is running.",
    )


def _commit_to_disk(connection: psycopg.Connection) -> None:
    # Whoever acknowledges an append or an erasure, or signs a checkpoint, that a crash takes back has told two
    # histories. What waits for standbys as well stays as the operator set it.
    connection.execute(
        "SELECT set_config(name, 'on', false) FROM pg_settings WHERE name = 'synchronous_commit' AND setting = 'off'"
    )


def _set_up(connection: psycopg.Connection) -> None:
    connection.adapters.register_dumper(np.ndarray, BigintsDumper)
    _commit_to_disk(connection)
    # Set by statement, not in the URL's options: poolers refuse options, and an operator's own stay as they are.
    milliseconds = str(TRANSACTION_SECONDS * 1000)
    limits = ["statement_timeout", "idle_in_transaction_session_timeout"]
    if connection.info.server_version >= _FIRST_VERSION_WITH_TRANSACTION_TIMEOUT:
        limits.append("transaction_timeout")
    connection.execute("SELECT set_config(name, %s, false) FROM unnest(%s::text[]) AS name", [milliseconds, limits])
