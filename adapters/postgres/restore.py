"""A ledger rebuilt from the openings of its log: positions, times, salts and leaves as they were, the index made anew.

Records and index rows are written in batches beyond the head, where no reader looks, each in a short transaction; the
head moves once all are there. A restore that is broken off leaves rows that belong to no event: the next one removes
them and begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import psycopg
from psycopg import sql

from adapters.postgres.bulk import ADD_VISIBILITIES, copy_into
from adapters.postgres.connection import NO_LIMITS, connect
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.packed import in_order, index_data, pack, record_data, visibility_columns
from adapters.postgres.partitions import WIDTH
from adapters.postgres.reindex import TABLES
from adapters.postgres.rows import row_count, rows_of
from traceability.errors import ConflictError
from traceability.ledger.commitment import ERASED_SIZE, part_commitments
from traceability.ledger.event import LedgerEvent, Redacted, read_foreign
from traceability.ledger.index import Visibility
from traceability.ledger.parts import PERSONAL
from traceability.ledger.store import Prepared, check_names
from traceability.notary.export import Erasure
from traceability.notary.ports import StoredEvent

_RESTORING: Final = 0x72657374  # "rest", the first half of an advisory lock; the second is the ledger
BATCH_ROWS: Final = 40_000


@dataclass(frozen=True, slots=True)
class Restored:
    """How many events a ledger was rebuilt from, and which positions were erased in it that were not before."""

    events: int
    erased: tuple[int, ...]


def restore(
    owner_url: str,
    ledger: PostgresLedger,
    events: Iterable[StoredEvent],
    *,
    erasures: Mapping[int, Erasure],
    named: frozenset[int],
    personal: Sequence[str],
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] = lambda _done: None,
) -> Restored:
    """Rebuild an empty ledger from events that were verified, which begin at position 1, as the owner role.

    `erasures` are those that are known, by position: what they name is not written at all. Those whose position is not
    in `named`, the erasures that the events record, are recorded behind the events. `personal` is the list of members
    that a ledger without one gets.

    Raises `ConflictError`: `ledger.not_empty`, `ledger.restoring` while another process does this; `InvalidInputError`:
    `ledger.unreadable_parts`, `ledger.unprintable_name`.
    """
    with connect(owner_url) as connection, _alone(connection, ledger):
        _require_empty(connection, ledger)
        _clear(connection, ledger.ledger_id)
        written = _Writer(connection, ledger, batch_rows)
        written.add(_erased(events, erasures.keys() | named), progress)
        late = [erasure for position, erasure in sorted(erasures.items()) if position not in named]
        with connection.transaction():
            _require_empty(connection, ledger)
            connection.execute(
                "UPDATE ledger.head SET position = %s, recorded_at = %s,"
                " personal = CASE WHEN personal = '{}' THEN %s::text[] ELSE personal END WHERE ledger_id = %s",
                [written.events, written.recorded_at, list(personal), ledger.ledger_id],
            )
            if late:
                ledger.append_on(connection, [ledger.prepare(_redacted(ledger, erasure)) for erasure in late])
    return Restored(written.events, tuple(erasure.position for erasure in late))


@contextmanager
def _alone(connection: psycopg.Connection, ledger: PostgresLedger) -> Iterator[None]:
    connection.execute(NO_LIMITS)
    key = [_RESTORING, ledger.ledger_id]
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", key).fetchone()
    if row is None or not row[0]:
        raise ConflictError(f"The ledger {ledger.name} is being restored already", code="ledger.restoring")
    yield  # the lock ends with the connection


def _require_empty(connection: psycopg.Connection, ledger: PostgresLedger) -> None:
    row = connection.execute(
        "SELECT position FROM ledger.head WHERE ledger_id = %s FOR UPDATE", [ledger.ledger_id]
    ).fetchone()
    assert row is not None
    if row[0]:
        raise ConflictError(
            f"The ledger {ledger.name} has {row[0]} events",
            code="ledger.not_empty",
            hint="Make an empty one: traceability ledger add NAME",
        )


def _clear(connection: psycopg.Connection, ledger_id: int) -> None:
    """Remove what a restore that was broken off has left."""
    for table in (*TABLES, "record"):
        query = sql.SQL("DELETE FROM {} WHERE ledger_id = %s").format(sql.Identifier("ledger", table))
        connection.execute(query, [ledger_id])


class _Writer:
    """Writes records and their index rows from position 1 on, and leaves the head where it is."""

    def __init__(self, connection: psycopg.Connection, ledger: PostgresLedger, batch_rows: int) -> None:
        self.events = 0
        self.recorded_at = 0
        self._connection = connection
        self._ledger = ledger
        self._batch_rows = batch_rows
        self._known: dict[int, Visibility] = {}

    def add(self, events: Iterable[StoredEvent], progress: Callable[[int], None]) -> None:
        """Write events in batches that are bounded by rows."""
        batch: list[Prepared] = []
        times: list[int] = []
        rows = 0
        for event in events:
            batch.append(prepared := _prepared(self._ledger, event))
            times.append(event.recorded_at)
            rows += row_count(prepared)
            if rows >= self._batch_rows:
                self._write(batch, times)
                progress(self.events)
                batch, times, rows = [], [], 0
        if batch:
            self._write(batch, times)

    def _write(self, batch: Sequence[Prepared], times: Sequence[int]) -> None:
        ledger_id, head = self._ledger.ledger_id, self.events
        packed = in_order(pack(rows_of(batch, self._ledger.rules.tag_hash)))
        self._connection.execute("SELECT ledger.make_partitions(%s)", [head + len(batch) + 2 * WIDTH])
        with self._connection.transaction(), self._connection.cursor() as cursor:
            copy_into(cursor, "ledger.record", "record", record_data(packed, ledger_id, head, times))
            for table, data in index_data(packed, ledger_id, head):
                copy_into(cursor, f"ledger.{table}", table, data)
            ordinals, *new = visibility_columns(packed, self._known)
            if ordinals:
                cursor.execute(ADD_VISIBILITIES, [ledger_id, [head + ordinal for ordinal in ordinals], *new])
        self._known.update(packed.meanings)
        self.events += len(batch)
        self.recorded_at = times[-1]


def _prepared(ledger: PostgresLedger, stored: StoredEvent) -> Prepared:
    event_type, index = read_foreign(stored.position, stored.parts, ledger.rules.indexer)
    check_names(event_type, index.visibility)
    event = LedgerEvent(type=event_type, data=b"", captured_by="", parts=stored.parts)
    return Prepared(event, index, stored.event_id, stored.salt, stored.personal_salt, stored.commitment)


def _erased(events: Iterable[StoredEvent], positions: Iterable[int]) -> Iterator[StoredEvent]:
    """Erase on the way in what was erased elsewhere: it never reaches the disk."""
    positions = frozenset(positions)
    for event in events:
        if event.position in positions and len(event.personal_salt) != ERASED_SIZE:
            commitments = part_commitments(event.parts, event.salt, event.personal_salt)
            yield replace(
                event,
                personal_salt=b"".join(commitments[PERSONAL:]),
                parts=replace(event.parts, personal=b"", source=b""),
            )
        else:
            yield event


def _redacted(ledger: PostgresLedger, erasure: Erasure) -> LedgerEvent:
    redacted = Redacted(position=erasure.position, reason=erasure.reason, authority=erasure.authority)
    return redacted.to_event(
        captured_by=ledger.organisation,
        occurred_at=ledger.rules.clock.now_us(),
        tags=[f"org:{ledger.organisation}"],
    )
