"""The chain of a ledger's logs in PostgreSQL: the first is created, and what closes one opens the next."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from adapters.postgres.notary import CLOSING, Pool, PostgresLog, find_log
from traceability.errors import ConflictError, InvalidInputError
from traceability.notary.chain import Abandonment
from traceability.ports import Clock

_EVERY_LEDGER = 0
"""Second half of the lock under which names are given: the logs of all ledgers are folders in one place."""


@dataclass(frozen=True, slots=True)
class NewLog:
    """A log to be opened: its name in URLs, the origin of its checkpoints, and its public key."""

    name: str
    origin: str
    vkey: str


def create_log(pool: Pool, ledger_id: int, *, name: str, origin: str, vkey: str, clock: Clock) -> PostgresLog:
    """Create the ledger's first log, or return the log that it has: of two processes that try, one decides.

    Raises `ConflictError` (`log.exists`) when another log has the name or the origin.
    """
    with pool.connection() as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CLOSING, _EVERY_LEDGER])
        if not connection.execute("SELECT FROM notary.log WHERE ledger_id = %s", [ledger_id]).rowcount:
            _open(connection, ledger_id, 1, 1, NewLog(name, origin, vkey), created_at=clock.now_us())
    log = find_log(pool, ledger_id)
    assert log is not None
    return log


def close_log(
    pool: Pool,
    ledger_id: int,
    log_id: int,
    following: NewLog,
    *,
    clock: Clock,
    reason: str = "",
    abandonment: Abandonment | None = None,
) -> PostgresLog:
    """Close the ledger's open log and open the one that goes on with the next position, at once; return that.

    The log ends with the last event that is committed now, or where its abandonment says. No writer waits for this or
    is told of it. Raises `ConflictError`: `log.closed` when that log is closed already, `log.exists` when the name or
    the origin is taken; `InvalidInputError` (`log.name`).
    """
    with pool.connection() as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CLOSING, _EVERY_LEDGER])
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [CLOSING, ledger_id])
        # Read under the lock: every checkpoint that is stored is of a head that was committed before.
        row = connection.execute(
            "SELECT position, (SELECT max(log_id) FROM notary.log l WHERE l.ledger_id = %(ledger)s)"
            " FROM ledger.head WHERE ledger_id = %(ledger)s",
            {"ledger": ledger_id},
        ).fetchone()
        assert row is not None
        last_position, open_log_id = row
        if open_log_id != log_id:
            raise ConflictError(
                "This log is closed already", code="log.closed", hint="Those there are: traceability log list"
            )
        if abandonment is not None:
            last_position = abandonment.last_position
        now = clock.now_us()
        connection.execute(
            "INSERT INTO notary.closing (ledger_id, log_id, last_position, abandoned_note, reason, closed_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [ledger_id, log_id, last_position, abandonment and abandonment.note, reason, now],
        )
        _open(connection, ledger_id, log_id + 1, last_position + 1, following, created_at=now)
    log = find_log(pool, ledger_id)
    assert log is not None
    return log


def _open(
    connection: psycopg.Connection, ledger_id: int, log_id: int, first_position: int, new: NewLog, *, created_at: int
) -> None:
    # No unique key can say this: on Citus each has ledger_id in it.
    taken = connection.execute(
        "SELECT 1 FROM notary.log WHERE name = %(name)s OR origin = %(origin)s"
        " UNION ALL SELECT 1 FROM ledger.head WHERE name = %(name)s AND ledger_id <> %(ledger)s",
        {"name": new.name, "origin": new.origin, "ledger": ledger_id},
    )
    if taken.rowcount:
        raise ConflictError(
            f"There is a log or a ledger {new.name} already, or a log with the origin {new.origin}",
            code="log.exists",
            hint="Each log has a name and an origin of its own, and a ledger's first log has the ledger's name.",
        )
    try:
        connection.execute(
            "INSERT INTO notary.log (ledger_id, log_id, name, origin, vkey, first_position, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [ledger_id, log_id, new.name, new.origin, new.vkey, first_position, created_at],
        )
    except psycopg.errors.CheckViolation:
        raise InvalidInputError(
            "This cannot be the name of a log",
            code="log.name",
            hint="Use 1 to 63 lower-case letters, digits, dots and hyphens.",
        ) from None
