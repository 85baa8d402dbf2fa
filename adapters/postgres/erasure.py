"""Destroying the personal part and the bytes as received of one event, wherever they are, and nothing else.

Letters that repeat or contradict the event hold the same text again, and findings may quote it: they go with it. The
row keeps c₆ ‖ c₇ in place of the salt, so that its leaf, every proof and the index stay as they are. PostgreSQL
keeps old row versions until they are vacuumed, stale bytes in half-empty pages until they are rewritten, and every
change in its write-ahead log until those files go: `purge` sees to the first two, docs/guide/erasure.md to the third.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Final

import psycopg
from psycopg import sql

from adapters.postgres import findings
from adapters.postgres.connection import NO_LIMITS, connect
from adapters.postgres.distribution import is_cluster
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from adapters.postgres.partitions import WIDTH
from adapters.postgres.stored import RECORD_COLUMNS, record_of_row
from traceability.errors import ConflictError, NotFoundError, UnavailableError
from traceability.ledger.commitment import ERASED_SIZE, part_commitments
from traceability.ledger.event import Redacted
from traceability.ledger.parts import PERSONAL
from traceability.ledger.store import Record
from traceability.notary.export import Erasure

_DEAD_ROWS: Final = re.compile(r"(\d+)")
_DEAD_ROWS_OF_NODE: Final = re.compile(r"\n[^\n\d:]+:\s+(\d+)")  # Citus puts a node's detail behind its message
_OF_FINDINGS: Final = (("work", "finding"), ("work", "letter"))


def erase(owner_url: str, ledger: PostgresLedger, position: int, *, reason: str, authority: str) -> int:
    """Erase an event's personal and source parts, letters of it and what findings quote, and record that, at once.

    Returns the position of the `ledger.redacted.v1` event. Raises `NotFoundError` `ledger.no_such_position`,
    `ConflictError` `ledger.already_erased`, `UnavailableError` `postgres.unreachable`.
    """
    with connect(owner_url) as connection, connection.transaction():
        # The head first, as a capture does; then no letter of this event can come in beside us.
        connection.execute("SELECT FROM ledger.head WHERE ledger_id = %s FOR UPDATE", [ledger.ledger_id])
        connection.execute("LOCK TABLE work.letter IN SHARE ROW EXCLUSIVE MODE")
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
        findings.destroy(connection, ledger.ledger_id, position)
        redacted = Redacted(position=position, reason=reason, authority=authority).to_event(
            captured_by=ledger.organisation,
            occurred_at=ledger.rules.clock.now_us(),
            tags=[f"org:{ledger.organisation}"],
        )
        return ledger.append_on(connection, [ledger.prepare(redacted)])


def redactions(ledger: PostgresLedger, after: int) -> Iterator[tuple[int, Redacted, Record]]:
    """Yield what was erased by events after a position: where it was recorded, what it says, and what it erased.

    Looks at every record after the position.
    """
    with reading(ledger.pool) as connection:
        rows = connection.execute(
            "SELECT position FROM ledger.record WHERE ledger_id = %s AND position > %s AND type = %s ORDER BY position",
            [ledger.ledger_id, after, Redacted.type_name],
        ).fetchall()
    for record in ledger.records([position for (position,) in rows]):
        redacted = Redacted.of(record.event)
        for erased in ledger.records([redacted.position]):
            yield record.position, redacted, erased


def erasures_after(ledger: PostgresLedger, position: int, *, until: int) -> Iterator[Erasure]:
    """Yield the erasures that were recorded after `position`, of events up to `until`, in order."""
    for recorded, redacted, record in redactions(ledger, position):
        if record.position <= until and record.event.event_id is not None:
            yield Erasure(record.position, record.event.event_id, redacted.reason, redacted.authority, recorded)


def purge(owner_url: str, positions: Sequence[int], *, patience: Sequence[float] = (10.0, 25.0)) -> None:
    """Rewrite the partitions that hold these positions, and the findings, so that no old version of a row is left.

    What was forgotten of findings without a position goes too. Appends to and reads from such a table wait meanwhile,
    about a minute for eight gigabytes. A transaction that was open before the erasure keeps the old versions alive: the
    rewriting is repeated after so many seconds each, in which every transaction of ours has ended.

    Raises `UnavailableError`: `ledger.purge_incomplete` if a transaction still keeps them, `ledger.purge_not_allowed`
    for a role that does not own the tables.
    """
    with connect(owner_url) as connection:
        connection.execute(NO_LIMITS)
        # By position: on Citus a row's tableoid means something on its own node alone.
        there = connection.execute("SELECT position FROM ledger.record WHERE position = ANY(%s)", [list(positions)])
        names = sorted({("ledger", f"record_{position // WIDTH}") for (position,) in there})
        for name in (*names, *_OF_FINDINGS):
            pauses = iter(patience)
            while _rewrite(connection, sql.Identifier(*name)):
                if (pause := next(pauses, None)) is None:
                    raise UnavailableError(
                        f"old versions of rows are left in {'.'.join(name)}: an open transaction may still read them",
                        code="ledger.purge_incomplete",
                        hint="End the transactions and replication slots that are older than the erasure, then purge"
                        " again.",
                    )
                time.sleep(pause)


def _rewrite(connection: psycopg.Connection, table: sql.Identifier) -> int:
    """Write a table anew; return how many dead rows had to be taken along, on Citus by the shard with most of them."""
    kept = -1

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        # "found … removable, … nonremovable row versions"; in every language the detail begins with the number.
        nonlocal kept
        detail = diagnostic.message_detail or ""
        if matched := _DEAD_ROWS.match(detail) or _DEAD_ROWS_OF_NODE.search(diagnostic.message_primary or ""):
            kept = max(kept, int(matched[1]))

    if is_cluster(connection):
        # What the nodes say is not passed on as what it is.
        connection.execute("SET citus.worker_min_messages = info")
        connection.execute("SET client_min_messages = debug1")
    connection.add_notice_handler(note)
    try:
        connection.execute(sql.SQL("VACUUM (FULL, VERBOSE) {}").format(table))
    finally:
        connection.remove_notice_handler(note)
    connection.execute(sql.SQL("ANALYZE {}").format(table))
    if kept < 0:
        # PostgreSQL only warns a role that may not.
        raise UnavailableError("this role may not rewrite the ledger's tables", code="ledger.purge_not_allowed")
    return kept
