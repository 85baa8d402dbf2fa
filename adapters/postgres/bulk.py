"""Appending many events: prepared in batches, checked for duplicates, written by binary COPY under a short lock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import psycopg
from eventsourcing.dcb.api import DCBQuery

from adapters.postgres.outcome import settled
from adapters.postgres.rows import (
    COLUMNS,
    Packed,
    index_data,
    pack,
    record_data,
    row_count,
    rows_of,
    visibilities_of,
    visibility_columns,
)
from traceability.ledger.store import Appended, Outcome, Prepared, Record

if TYPE_CHECKING:
    from adapters.postgres.ledger import PostgresLedger

LOCK_SECONDS: Final = 0.05
FIRST_BATCH_ROWS: Final = 4_000
MOST_BATCH_ROWS: Final = 40_000
LEAST_BATCH_ROWS: Final = 64
ADD_VISIBILITIES: Final = (
    "SELECT ledger.add_visibilities(%s::integer, %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])"
)


def append_atomically(ledger: PostgresLedger, events: Sequence[Prepared], query: DCBQuery | None, after: int) -> int:
    """Append up to 10,000 events in one transaction unless the condition fails; return the last position."""
    packed = pack(rows_of(events, ledger.rules.tag_hash))
    with settled(ledger.pool) as connection, connection.transaction():
        head, recorded_at = _lock(ledger, connection)
        if query is not None:
            ledger.raise_if_matched(connection, query, after, head)
        _write(ledger, connection, packed, head, recorded_at)
    ledger.known_visibilities.update(visibilities_of(packed.rows))
    return head + len(events)


def append_all(ledger: PostgresLedger, events: Iterable[Prepared]) -> Iterator[list[Appended]]:
    """Append events in batches, each atomic, none twice; see `Ledger.append_all`.

    The batch is bounded by its rows, and grows or shrinks with the time that the lock was held for the last one.
    """
    events = iter(events)
    bound, first = FIRST_BATCH_ROWS, 0
    while taken := _take(events, bound):
        batch = _Batch(ledger, taken)
        rows, seconds = batch.append()
        yield batch.outcomes(first)
        first += len(taken)
        if rows:
            fitting = int(rows * min(2.0, LOCK_SECONDS / max(seconds, 0.001)))
            bound = min(MOST_BATCH_ROWS, max(LEAST_BATCH_ROWS, fitting))


def _take(events: Iterator[Prepared], bound: int) -> list[Prepared]:
    batch: list[Prepared] = []
    rows = 0
    for event in events:
        batch.append(event)
        rows += row_count(event)
        if rows >= bound:
            break
    return batch


class _Batch:
    """Events on their way in: `recorded` are there already, `twins` repeat one of this batch, `positions` are new."""

    def __init__(self, ledger: PostgresLedger, events: Sequence[Prepared]) -> None:
        self.events = events
        self._ledger = ledger
        self._recorded: dict[int, Record] = {}
        self._twins: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._fresh = self._without_repeats()
        self._packed = self._pack()

    def append(self) -> tuple[int, float]:
        """Write what is new; return the rows written and for how many seconds the lock was held."""
        checked = 0
        with settled(self._ledger.pool) as connection:
            while True:
                head = self._ledger.head_on(connection)
                if self._find_recorded(connection, checked, head):
                    self._fresh = self._without_repeats()
                    self._packed = self._pack()
                checked = head
                if not self._fresh:
                    return 0, 0.0
                with connection.transaction():
                    head, recorded_at = _lock(self._ledger, connection)
                    locked = time.monotonic()
                    if not self._candidates(connection, self._fresh, checked, head):
                        _write(self._ledger, connection, self._packed, head, recorded_at)
                        break
                    # Somebody recorded a possible duplicate since the check: look at it without holding the lock.
        seconds = time.monotonic() - locked
        self._ledger.known_visibilities.update(visibilities_of(self._packed.rows))
        self._positions = {i: head + 1 + n for n, i in enumerate(self._fresh)}
        return self._packed.size(), seconds

    def outcomes(self, first: int) -> list[Appended]:
        """Return what became of each event; the batch's first one is number `first` of the bulk append."""
        digest = self._ledger.rules.content_digest
        outcomes = []
        for i, prepared in enumerate(self.events):
            if i in self._positions:
                outcomes.append(Appended(first + i, Outcome.RECORDED, self._positions[i], prepared.event_id))
                continue
            if i in self._recorded:
                other = self._recorded[i].event
                position, event_id = self._recorded[i].position, other.event_id
            else:
                twin = self._twins[i]
                other, event_id = self.events[twin].event, self.events[twin].event_id
                position = self._positions[twin]
            assert event_id is not None
            same = digest(other.parts) == digest(prepared.event.parts)
            outcomes.append(Appended(first + i, Outcome.DUPLICATE if same else Outcome.CONFLICT, position, event_id))
        return outcomes

    def _find_recorded(self, connection: psycopg.Connection, after: int, until: int) -> bool:
        """Look for these events in (after, until]; tell whether one was found."""
        identities: dict[str, Record] = {}
        for record in self._ledger.records_on(connection, self._candidates(connection, self._fresh, after, until)):
            identity = self._ledger.rules.indexer(record.event.parts).identity
            if identity is not None:
                identities.setdefault(identity, record)
        found = {
            i: known
            for i, prepared in enumerate(self.events)
            if i not in self._recorded and (known := identities.get(prepared.index.identity or "")) is not None
        }
        self._recorded |= found
        return bool(found)

    def _candidates(self, connection: psycopg.Connection, events: Sequence[int], after: int, until: int) -> list[int]:
        """Return the positions in (after, until] that may hold the identity of one of these events."""
        names = (self.events[i].index.identity for i in events)
        hashes = {self._ledger.rules.tag_hash(name) for name in names if name is not None}
        if after >= until or not hashes:
            return []
        rows = connection.execute(
            "SELECT position FROM ledger.posting WHERE ledger_id = %s AND tag = ANY(%s) AND position > %s"
            " AND position <= %s GROUP BY position",
            [self._ledger.ledger_id, list(hashes), after, until],
        )
        return [position for (position,) in rows]

    def _without_repeats(self) -> list[int]:
        """Return the events to write; of several with one identity the first, the others become its twins."""
        seen: dict[str, int] = {}
        fresh: list[int] = []
        self._twins.clear()
        for i, prepared in enumerate(self.events):
            identity = prepared.index.identity
            if i in self._recorded:
                continue
            if identity is not None and seen.setdefault(identity, i) != i:
                self._twins[i] = seen[identity]
            else:
                fresh.append(i)
        return fresh

    def _pack(self) -> Packed:
        return pack(rows_of([self.events[i] for i in self._fresh], self._ledger.rules.tag_hash))


def _lock(ledger: PostgresLedger, connection: psycopg.Connection) -> tuple[int, int]:
    """Take the head's lock; return its position and the time for this batch, microseconds UTC."""
    row = connection.execute(
        "SELECT position, recorded_at FROM ledger.head WHERE ledger_id = %s FOR UPDATE", [ledger.ledger_id]
    ).fetchone()
    # A statement of its own: the first one computes its columns before it waits for the lock.
    now = connection.execute("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetchone()
    assert row is not None
    assert now is not None
    return int(row[0]), max(int(row[1]), int(now[0]))


def copy_into(cursor: psycopg.Cursor[Any], target: str, table: str, data: bytes) -> None:
    """Send binary COPY data in the columns of `table` to `target`."""
    with cursor.copy(f"COPY {target} ({COLUMNS[table]}) FROM STDIN (FORMAT binary)") as copy:
        copy.write(data)


def _write(ledger: PostgresLedger, connection: psycopg.Connection, packed: Packed, head: int, recorded_at: int) -> None:
    with connection.cursor() as cursor:
        copy_into(cursor, "ledger.record", "record", record_data(packed, ledger.ledger_id, head, recorded_at))
        for table, data in index_data(packed, ledger.ledger_id, head):
            copy_into(cursor, f"ledger.{table}", table, data)
        ordinals, *new = visibility_columns(packed.rows, ledger.known_visibilities)
        if ordinals:
            cursor.execute(ADD_VISIBILITIES, [ledger.ledger_id, [head + ordinal for ordinal in ordinals], *new])
        cursor.execute(
            "UPDATE ledger.head SET position = %s, recorded_at = %s WHERE ledger_id = %s",
            [head + len(packed.rows.events), recorded_at, ledger.ledger_id],
        )
