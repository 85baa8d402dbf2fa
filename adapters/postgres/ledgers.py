"""The ledgers of a database: made, listed, and told which members of events are personal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg
from psycopg import errors

from adapters.postgres.connection import connect
from traceability.errors import ConflictError, InvalidInputError, NotFoundError

_COLUMNS = "name, position, personal"


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """A ledger; `personal` are the members, IRIs or JSON pointers, that are kept apart so that they can be erased."""

    name: str
    position: int
    personal: tuple[str, ...]


def ledgers(url: str) -> list[LedgerSummary]:
    """Return every ledger of the database, by name."""
    with connect(url) as connection:
        rows = connection.execute(f"SELECT {_COLUMNS} FROM ledger.head ORDER BY name").fetchall()
    return [LedgerSummary(name, position, tuple(personal)) for name, position, personal in rows]


def personal_members(connection: psycopg.Connection, ledger_id: int) -> tuple[str, ...]:
    """Return which members of the events of a ledger are personal."""
    row = connection.execute("SELECT personal FROM ledger.head WHERE ledger_id = %s", [ledger_id]).fetchone()
    assert row is not None
    return tuple(row[0])


def add_ledger(owner_url: str, name: str, personal: Iterable[str]) -> LedgerSummary:
    """Make an empty ledger.

    Raises `ConflictError` `ledger.exists`, `InvalidInputError` `ledger.name`.
    """
    with connect(owner_url) as connection, connection.transaction():
        # Two at once must not take one number; reading goes on.
        connection.execute("LOCK TABLE ledger.head IN SHARE ROW EXCLUSIVE MODE")
        if connection.execute("SELECT FROM ledger.head WHERE name = %s", [name]).rowcount:
            raise ConflictError(f"There is a ledger {name} already", code="ledger.exists")
        last = connection.execute("SELECT max(ledger_id) FROM ledger.head").fetchone()
        assert last is not None
        try:
            connection.execute(
                "INSERT INTO ledger.head (ledger_id, name, personal) VALUES (%s, %s, %s)",
                [last[0] + 1, name, list(dict.fromkeys(personal))],
            )
        except errors.CheckViolation:
            raise InvalidInputError(
                "This cannot be the name of a ledger",
                code="ledger.name",
                hint="Use 1 to 63 lower-case letters, digits, dots and hyphens.",
            ) from None
    return LedgerSummary(name, 0, tuple(dict.fromkeys(personal)))


def set_personal_members(owner_url: str, name: str, personal: Iterable[str]) -> LedgerSummary:
    """Say which members are personal in the events to come; what is recorded stays where it is.

    Raises `NotFoundError` `ledger.unknown`.
    """
    with connect(owner_url) as connection:
        row = connection.execute(
            f"UPDATE ledger.head SET personal = %s WHERE name = %s RETURNING {_COLUMNS}",
            [list(dict.fromkeys(personal)), name],
        ).fetchone()
    if row is None:
        raise NotFoundError(f"There is no ledger {name}", code="ledger.unknown")
    return LedgerSummary(row[0], row[1], tuple(row[2]))
