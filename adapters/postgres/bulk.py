"""Appending many events: checked for duplicates, then written by binary COPY under a short lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import psycopg
from eventsourcing.dcb.api import DCBQuery

from adapters.postgres import group_commit
from adapters.postgres.outcome import settled
from adapters.postgres.packed import (
    COLUMNS,
    Packed,
    in_order,
    index_data,
    joined,
    pack,
    record_data,
    visibility_columns,
)
from adapters.postgres.rows import row_count, rows_of
from traceability.ledger.parts import Parts
from traceability.ledger.store import Appended, Outcome, Prepared, Record

if TYPE_CHECKING:
    from adapters.postgres.ledger import PostgresLedger

LOCK_SECONDS: Final = 0.05
FIRST_BATCH_ROWS: Final = 4_000
MOST_BATCH_ROWS: Final = 200_000
LEAST_BATCH_ROWS: Final = 2_000
"""A commit takes its time whatever it holds: on a slow disk, or a busy machine, less of it would take no less."""
ADD_VISIBILITIES: Final = (
    "SELECT ledger.add_visibilities(%s::integer, %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])"
)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a batch: its new events stand behind `head` in order, the others (by ordinal) are `repeats`.

    `ranks` counts the new events up to each.
    """

    batch: Packed
    head: int
    ranks: npt.NDArray[np.int64]
    repeats: Mapping[int, Appended]

    def __len__(self) -> int:
        return len(self.batch)

    def position(self, ordinal: int) -> int:
        """Return where a new event is."""
        return self.head + int(self.ranks[ordinal])

    def of_each(self, first: int = 0) -> list[Appended]:
        """Return what became of each event; the batch's first one is number `first` of the bulk append."""
        return [
            replace(self.repeats[i], index=first + i)
            if i in self.repeats
            else Appended(first + i, Outcome.RECORDED, self.position(i), self.batch.event_id(i))
            for i in range(len(self.batch))
        ]


Settle: TypeAlias = Callable[[psycopg.Connection, Outcomes], None]
"""What else a batch's transaction does, once its outcomes are known: it commits with the batch or not at all."""


def append_atomically(
    ledger: PostgresLedger,
    events: Sequence[Prepared],
    query: DCBQuery | None,
    after: int,
    settle: group_commit.Settle | None = None,
) -> int:
    """Append up to 10,000 events in one transaction unless the condition fails; return the last position.

    `settle` is as in `PostgresLedger.append_prepared`.
    """
    packed = in_order(pack(rows_of(events, ledger.rules.tag_hash)))
    with settled(ledger.pool) as connection, connection.transaction():
        head, recorded_at = _lock(ledger, connection)
        if query is not None:
            ledger.raise_if_matched(connection, query, after, head)
        _write(ledger, connection, packed, head, recorded_at)
        if settle is not None:
            settle(connection, head + len(events))
    ledger.known_visibilities.update(packed.meanings)
    return head + len(events)


def pack_all(ledger: PostgresLedger, events: Iterable[Prepared]) -> Iterator[Packed]:
    """Pack events, some thousand rows at a time."""
    taken: list[Prepared] = []
    rows = 0
    for event in events:
        taken.append(event)
        rows += row_count(event)
        if rows >= FIRST_BATCH_ROWS:
            yield pack(rows_of(taken, ledger.rules.tag_hash))
            taken, rows = [], 0
    if taken:
        yield pack(rows_of(taken, ledger.rules.tag_hash))


def append_all(
    ledger: PostgresLedger,
    pieces: Iterable[Packed],
    settle: Settle = lambda _connection, _outcomes: None,
    *,
    lock_seconds: float = LOCK_SECONDS,
) -> Iterator[Outcomes]:
    """Append events in batches, each atomic, none twice; see `Ledger.append_all`.

    Pieces are joined and split so that a batch holds the lock about `lock_seconds`: its rows are bounded, and the
    bound follows the time that the last one took. A piece without events ends a batch early.
    """
    batches = _Batches(pieces)
    bound = FIRST_BATCH_ROWS
    while taken := batches.take(bound):
        outcomes, rows, seconds = _Batch(ledger, taken, settle).append()
        yield outcomes
        if rows:
            fitting = int(rows * min(2.0, lock_seconds / max(seconds, 0.001)))
            bound = min(MOST_BATCH_ROWS, max(LEAST_BATCH_ROWS, fitting))


class _Batches:
    """Cuts a sequence of pieces anew, by rows."""

    def __init__(self, pieces: Iterable[Packed]) -> None:
        self._pieces = iter(pieces)
        self._rest: Packed | None = None

    def take(self, bound: int) -> Packed | None:
        """Return the next events of about `bound` rows, at least one event; None at the end."""
        taken: list[Packed] = []
        room = bound
        while room > 0:
            piece = self._rest if self._rest is not None else next(self._pieces, None)
            self._rest = None
            if piece is None or (taken and not len(piece)):
                break
            rows = np.cumsum(piece.row_counts())
            if len(piece) and rows[-1] > room:
                # One event at least, and what is left over only when the batch is about full.
                count = max(1 if not taken else 0, int(np.searchsorted(rows, room)))
                if count < len(piece):
                    piece, self._rest = piece.split(count)
                room = 0
            elif len(piece):
                room -= int(rows[-1])
            if len(piece):
                taken.append(piece)
        return in_order(joined(taken)) if taken else None


class _Batch:
    """Events on their way in: `recorded` are there already, `twins` repeat one of this batch, `fresh` are new."""

    def __init__(self, ledger: PostgresLedger, packed: Packed, settle: Settle) -> None:
        self._ledger = ledger
        self._packed = packed
        self._settle = settle
        self._recorded: dict[int, Appended] = {}
        self._twins: dict[int, tuple[int, Outcome]] = {}
        self._fresh = packed
        self._drop_repeats()

    def append(self) -> tuple[Outcomes, int, float]:
        """Write what is new; return what became of each event, the batch's rows, and how long the lock was held."""
        checked = 0
        with settled(self._ledger.pool) as connection:
            while True:
                head = self._ledger.head_on(connection)
                self._find_recorded(connection, checked, head)
                checked = head
                if not len(self._fresh):
                    outcomes = self._outcomes(head)
                    with connection.transaction():
                        self._settle(connection, outcomes)
                    return outcomes, 0, 0.0
                appended, seconds = self._append_on(connection, checked)
                if appended is not None:
                    return appended, int(self._packed.row_counts().sum()), seconds
                # Somebody recorded a possible duplicate since the check: it is looked at without the lock.

    def _append_on(self, connection: psycopg.Connection, checked: int) -> tuple[Outcomes | None, float]:
        """Append what is new unless a possible duplicate stands behind `checked`; tell how long the lock was held."""
        with connection.transaction():
            head, recorded_at = _lock(self._ledger, connection)
            locked = time.monotonic()
            if self._candidates(connection, checked, head):
                return None, 0.0
            outcomes = self._outcomes(head)
            _write(self._ledger, connection, self._fresh, head, recorded_at)
            self._settle(connection, outcomes)
        seconds = time.monotonic() - locked
        self._ledger.known_visibilities.update(self._fresh.meanings)
        return outcomes, seconds

    def _outcomes(self, head: int) -> Outcomes:
        """Return what becomes of the events when the new ones stand behind `head`."""
        repeats = dict(self._recorded)
        ranks = np.cumsum(self._wanted)
        for i, (twin, outcome) in self._twins.items():
            repeats[i] = Appended(i, outcome, head + int(ranks[twin]), self._packed.event_id(twin))
        return Outcomes(self._packed, head, ranks, repeats)

    def _repeated(self, i: int, other: Parts) -> Outcome:
        digest = self._ledger.rules.content_digest
        same = digest(other) == digest(self._packed.parts(i))
        return Outcome.DUPLICATE if same else Outcome.CONFLICT

    def _find_recorded(self, connection: psycopg.Connection, after: int, until: int) -> None:
        """Look for these events in (after, until], and leave out those that are there."""
        identities: dict[str, Record] = {}
        for record in self._ledger.records_on(connection, self._candidates(connection, after, until)):
            identity = self._ledger.rules.indexer(record.event.parts).identity
            if identity is not None:
                identities.setdefault(identity, record)
        if not identities:
            return
        for i, identity in enumerate(self._packed.identities):
            if identity in identities and i not in self._recorded:
                known = identities[identity]
                assert known.event.event_id is not None
                outcome = self._repeated(i, known.event.parts)
                self._recorded[i] = Appended(i, outcome, known.position, known.event.event_id)
        self._drop_repeats()

    def _candidates(self, connection: psycopg.Connection, after: int, until: int) -> list[int]:
        """Return the positions in (after, until] that may hold the identity of one of these events."""
        if after >= until:
            return []
        hashes = {self._ledger.rules.tag_hash(name) for name in self._fresh.identities if name is not None}
        if not hashes:
            return []
        rows = connection.execute(
            "SELECT position FROM ledger.posting WHERE ledger_id = %s AND tag = ANY(%s) AND position > %s"
            " AND position <= %s GROUP BY position",
            [self._ledger.ledger_id, list(hashes), after, until],
        )
        return [position for (position,) in rows]

    def _drop_repeats(self) -> None:
        """Keep the events to write; of several with one identity the first, the others become its twins."""
        seen: dict[str, int] = {}
        self._twins.clear()
        self._wanted = np.ones(len(self._packed), bool)
        for i, identity in enumerate(self._packed.identities):
            if i in self._recorded:
                self._wanted[i] = False
            elif identity is not None and seen.setdefault(identity, i) != i:
                self._twins[i] = seen[identity], self._repeated(i, self._packed.parts(seen[identity]))
                self._wanted[i] = False
        self._fresh = self._packed if self._wanted.all() else self._packed.kept(self._wanted)


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
        ordinals, *new = visibility_columns(packed, ledger.known_visibilities)
        if ordinals:
            cursor.execute(ADD_VISIBILITIES, [ledger.ledger_id, [head + ordinal for ordinal in ordinals], *new])
        cursor.execute(
            "UPDATE ledger.head SET position = %s, recorded_at = %s WHERE ledger_id = %s",
            [head + len(packed), recorded_at, ledger.ledger_id],
        )
