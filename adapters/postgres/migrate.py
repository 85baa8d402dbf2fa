"""Forward-only migrations: numbered SQL files, each applied once, in order, and never changed afterwards.

The rules for the files are in migrations/README.md; why this is not a library in docs/adr/0005-migration-runner.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import errors, sql

from adapters.postgres.connection import connect
from adapters.postgres.distribution import distribute
from traceability.errors import UnavailableError

_ADVISORY_LOCK = 0x7472_6163_656D_6967  # "tracemig"; advisory locks are per database
_WAIT_SECONDS = 120.0
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_NO_TRANSACTION = "-- migrate: no transaction"
_GRANTS = "grants.sql"
_RUNTIME_ROLE = ':"runtime_role"'
# Comments, strings, names and bodies, in none of which a semicolon ends a statement.
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"[^"]*"|(\$\w*\$).*?\1|(?P<end>;)""", re.DOTALL
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Migration:
    """One file: `checksum` is the hex SHA-256 of `text`."""

    number: int
    name: str
    text: str
    checksum: str

    @property
    def in_transaction(self) -> bool:
        """Whether the file runs in a transaction; else it holds one statement that cannot, and can be repeated."""
        return not self.text.startswith(_NO_TRANSACTION)


@dataclass(frozen=True)
class MigrationReport:
    """How a database stands against the files."""

    applied: int
    pending: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is pending."""
        return not self.pending


def migrations_folder() -> Path:
    """Return the folder of SQL files: inside the package when installed from a wheel, else the checkout's."""
    packaged = Path(__file__).with_name("_migrations")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "migrations"


def read_migrations(folder: Path) -> list[Migration]:
    """Return the migrations in `folder` in order.

    Raises UnavailableError `migrate.files` for another file name, a number that occurs twice or one that is missing.
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        if path.name == _GRANTS:
            continue
        matched = _FILE_NAME.fullmatch(path.name)
        if matched is None:
            raise UnavailableError(f"{path} is not named NNNN_name.sql", code="migrate.files")
        # Text mode reads CRLF as LF, so a checkout on another system has the same checksum.
        text = path.read_text(encoding="utf-8")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        migrations.append(Migration(int(matched[1]), matched[2], text, checksum))
    numbers = [migration.number for migration in migrations]
    if numbers != list(range(1, len(numbers) + 1)):
        raise UnavailableError(
            f"The migrations in {folder} are not numbered 1, 2, 3 … without gap or repetition: {numbers}",
            code="migrate.files",
        )
    return migrations


def migrate(
    owner_url: str, *, runtime_role: str, folder: Path | None = None, lock_timeout_ms: int = 5_000
) -> list[Migration]:
    """Apply what is pending, then the grants; return what was applied.

    Several processes may call this at once: one works, the others wait for it. A statement that waits longer than
    `lock_timeout_ms` for a lock that a running server holds gives up, rather than stop that server's queries behind
    itself; the file is rolled back and can be tried again.

    Raises UnavailableError `migrate.files`, `migrate.checksum` (an applied file was changed or is missing),
    `migrate.lock_timeout`, `migrate.failed`, `postgres.unreachable`.
    """
    folder = folder or migrations_folder()
    migrations = read_migrations(folder)
    with connect(owner_url) as connection:
        _wait_for_turn(connection)
        with _failures_of("The table work.migration"):
            connection.execute("CREATE SCHEMA IF NOT EXISTS work")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS work.migration (number integer PRIMARY KEY, name text NOT NULL,"
                " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
            )
        pending = _pending(connection, migrations)
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(lock_timeout_ms)])
        for migration in pending:
            _apply(connection, migration)
        with _failures_of("Spreading the tables over the nodes"):
            distribute(connection)
        grants = folder / _GRANTS
        if grants.exists():
            role = sql.Identifier(runtime_role).as_string(connection)
            text = grants.read_text(encoding="utf-8").replace(_RUNTIME_ROLE, role)
            with connection.transaction():
                _execute(connection, _GRANTS, text)
    return pending


def check(url: str, *, folder: Path | None = None) -> MigrationReport:
    """Compare the database with the files, as any role that may read `work.migration`.

    Raises UnavailableError `migrate.files`, `migrate.checksum`, `migrate.failed` (it may not), `postgres.unreachable`.
    """
    migrations = read_migrations(folder or migrations_folder())
    with connect(url) as connection:
        pending = _pending(connection, migrations)
    return MigrationReport(len(migrations) - len(pending), tuple(f"{m.number:04} {m.name}" for m in pending))


def _wait_for_turn(connection: psycopg.Connection) -> None:
    """Take the advisory lock, which ends with the connection.

    Asked for again and again instead of waited for: a waiting statement holds a snapshot, for which a CREATE INDEX
    CONCURRENTLY of the one who has the lock would wait in turn.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while not _one(connection, "SELECT pg_try_advisory_lock(%s)", [_ADVISORY_LOCK]):
        if time.monotonic() > deadline:
            raise UnavailableError(
                "Another process is migrating this database",
                code="migrate.lock_timeout",
                hint="Wait until it has finished; the lock ends with its connection.",
            )
        time.sleep(0.05)


def _pending(connection: psycopg.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    with _failures_of("The table work.migration"):
        if not _one(connection, "SELECT to_regclass('work.migration') IS NOT NULL"):
            return list(migrations)
        applied = connection.execute("SELECT number, name, checksum FROM work.migration ORDER BY number").fetchall()
    for number, name, checksum in applied:
        if number > len(migrations):
            raise UnavailableError(
                f"The database has migration {number:04} {name}, which this version does not know",
                code="migrate.checksum",
                hint="Run the version that made it, or a later one: migrations only go forward.",
            )
        if migrations[number - 1].checksum != checksum:
            raise UnavailableError(
                f"Migration {number:04} {name} was changed after it had been applied",
                code="migrate.checksum",
                hint="Restore the file and put the change into a new migration.",
            )
    return list(migrations[len(applied) :])


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    """Run one file and note it, in one transaction if the file allows it.

    A crash between a file without transaction and its note runs the file again, hence the rule that it can be
    repeated. An index that was being made then is there, and is used by no query: it makes room for a whole one.
    """
    if not migration.in_transaction:
        _drop_unfinished_indexes(connection, migration)
    file = f"{migration.number:04}_{migration.name}.sql"
    with _failures_of(file), connection.transaction() if migration.in_transaction else contextlib.nullcontext():
        _execute(connection, file, migration.text)
        connection.execute(
            "INSERT INTO work.migration (number, name, checksum) VALUES (%s, %s, %s)",
            [migration.number, migration.name, migration.checksum],
        )


def _execute(connection: psycopg.Connection, file: str, text: str) -> None:
    """Run the statements of a text one by one: Citus sends what it is given as one, and takes one at a time."""
    for start, statement in _statements(text):
        with _failures_of(file, text, start):
            connection.execute(statement.encode())


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield where each statement of a text begins, and the statement, with the comments before it."""
    start = 0
    ends = [token.end() for token in _TOKEN.finditer(text) if token["end"]]
    for end in [*ends, len(text)]:
        if _COMMENT.sub("", text[start:end]).strip(" \t\n;"):
            yield start, text[start:end]
        start = end


def _drop_unfinished_indexes(connection: psycopg.Connection, migration: Migration) -> None:
    unfinished = connection.execute(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relname = ANY(%s)",
        [re.findall(r"\w+", migration.text)],
    ).fetchall()
    for (name,) in unfinished:
        connection.execute(f"DROP INDEX CONCURRENTLY {name}")


@contextlib.contextmanager
def _failures_of(file: str, text: str = "", start: int = 0) -> Iterator[None]:
    try:
        yield
    except errors.LockNotAvailable as error:
        raise UnavailableError(
            f"{file} waited too long for a lock: {error}",
            code="migrate.lock_timeout",
            hint="Try again when the database is quiet; nothing of the file was kept.",
        ) from error
    except psycopg.Error as error:
        position = int(error.diag.statement_position or 0)
        line = f", line {text.count(chr(10), 0, start + position) + 1}" if position and text else ""
        raise UnavailableError(f"{file}{line} failed: {error}", code="migrate.failed") from error


def _one(connection: psycopg.Connection, query: str, parameters: Sequence[object] = ()) -> object:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row[0]
