"""Destroying the personal part and the bytes as received of one event, and nothing else.

The row keeps c₆ ‖ c₇ in place of the salt, so that its leaf, every proof and the index stay as they are. PostgreSQL
keeps old row versions until they are vacuumed, stale bytes in half-empty pages until they are rewritten, and every
change in its write-ahead log until those files go: `purge` sees to the first two, a checkpoint to the third.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.stored import RECORD_COLUMNS, record_of_row
from traceability.errors import ConflictError, NotFoundError
from traceability.ledger.commitment import ERASED_SIZE, part_commitments
from traceability.ledger.event import Redacted
from traceability.ledger.parts import PERSONAL


def erase(owner_url: str, ledger: PostgresLedger, position: int, *, reason: str, authority: str) -> int:
    """Erase an event's personal and source parts and record that, in one transaction.

    Returns the position of the `ledger.redacted.v1` event. Raises `NotFoundError` `ledger.no_such_position`,
    `ConflictError` `ledger.already_erased`.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection, connection.transaction():
        row = connection.execute(
            f"SELECT {RECORD_COLUMNS} FROM ledger.record r WHERE ledger_id = %s AND position = %s FOR UPDATE",
            [ledger.ledger_id, position],
            binary=True,
        ).fetchone()
        if row is None:
            raise NotFoundError(f"there is no event at position {position}", code="ledger.no_such_position")
        event = record_of_row(row, ledger.rules.indexer).event
        assert event.salt is not None
        assert event.personal_salt is not None
        if len(event.personal_salt) == ERASED_SIZE:
            raise ConflictError(f"the event at position {position} is erased already", code="ledger.already_erased")
        commitments = part_commitments(event.parts, event.salt, event.personal_salt)
        connection.execute(
            "UPDATE ledger.record SET personal = '', source = '', personal_salt = %s"
            " WHERE ledger_id = %s AND position = %s",
            [b"".join(commitments[PERSONAL:]), ledger.ledger_id, position],
        )
        redacted = Redacted(position=position, reason=reason, authority=authority).to_event(
            captured_by=ledger.organisation,
            occurred_at=ledger.rules.clock.now_us(),
            tags=[f"org:{ledger.organisation}"],
        )
        return ledger.append_on(connection, [ledger.prepare(redacted)])


def purge(owner_url: str, positions: list[int]) -> None:
    """Rewrite the partitions that hold these positions, so that no old version of an erased row is left in them.

    Appends to and reads from such a partition wait meanwhile, about a minute for eight gigabytes.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        names = connection.execute(
            "SELECT DISTINCT tableoid::regclass::text FROM ledger.record WHERE position = ANY(%s)", [positions]
        ).fetchall()
        for (name,) in names:
            schema, _, table = name.partition(".")
            connection.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(sql.Identifier(schema, table)))
