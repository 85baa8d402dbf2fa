"""The stored index against the one that the records give: which position is the first whose rows differ.

Most index tables have no order by position, so neither side is sorted. Each row is mixed with a key of this run into 64
bits and added to the sum of its position: two sets of rows with the same sum are the same, but for a chance of one in
2^64. The key is drawn anew each time, so that nobody can make up rows that add up to what is expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import numpy as np

from adapters.postgres.index_columns import HashedBatch
from adapters.postgres.index_stored import Pool, StoredSums
from adapters.postgres.index_sums import COLUMNS, SUM, TABLES, mixed, word
from adapters.postgres.packed import Array, Packed, pack
from adapters.postgres.rows import rows_of
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import (
    HashedIndexer,
    Indexer,
    TagHash,
    Visibility,
    tag_hash,
    visibility_id,
)
from traceability.ledger.parts import Parts
from traceability.ledger.store import Prepared
from traceability.notary.ports import StoredRow

_HASHES: Final = 1 << 17  # of events that are put into columns at once
_ROWS: Final = 1_000  # records that the indexer gets at once, and bytes of them
_BYTES: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class ExpectedIndex:
    """What records give: for each table the sums of n positions from `first` on, as n little-endian u64.

    `visibilities` are those that occur, with the first position of each; `misfiled` the positions whose record is
    stored under a visibility that is not its own.
    """

    first: int
    sums: Mapping[str, bytes]
    visibilities: Mapping[int, tuple[int, Visibility]]
    misfiled: Sequence[int]


@dataclass(frozen=True, slots=True)
class IndexFault:
    """The first position of a window whose rows of a table are not what its record says."""

    table: str
    position: int


class IndexExpectation:
    """Adds up what the records at positions from `first` on give; the rows come in any portions.

    Most records are left to `hashed`, which is fast; what it says nothing of, the `indexer` does.
    """

    def __init__(
        self,
        first: int,
        count: int,
        indexer: Indexer,
        key: bytes,
        *,
        hash_of: TagHash = tag_hash,
        hashed: HashedIndexer | None = None,
    ) -> None:
        self._first = first
        self._indexer = indexer
        self._key = key
        self._hash_of = hash_of
        self._hashed = hashed
        self._sums = {table: np.zeros(count, np.uint64) for table in TABLES}
        self._batch = HashedBatch()
        self._known: list[tuple[int, int]] = []  # position and stored visibility of each event in it
        self._others: list[StoredRow] = []
        self._held = 0  # bytes of theirs
        self._ids: dict[Visibility, int] = {}
        self._visibilities: dict[int, tuple[int, Visibility]] = {}
        self._misfiled: list[int] = []

    def add(self, rows: Iterable[StoredRow]) -> None:
        """Take in records, in order of position.

        One whose parts cannot be indexed, because they were tampered with, has no rows: what is stored is too much.
        """
        for row in rows:
            try:
                found = None if self._hashed is None else self._hashed(row[9:15])
            except Exception:  # noqa: BLE001 - such parts may be anything, and any code may stumble over them
                found = None
            if found is not None:
                self._batch.add(row[1], found)
                self._known.append((row[0], row[4]))
                if len(self._batch.hashes) > _HASHES:
                    self._add_batch()
                continue
            self._others.append(row)
            self._held += len(row[10]) + len(row[14])
            if len(self._others) == _ROWS or self._held > _BYTES:
                self._add_others()

    def _add_batch(self) -> None:
        batch, known = self._batch, self._known
        self._batch, self._known = HashedBatch(), []
        for meaning in set(batch.visibilities).difference(self._ids):
            self._ids[meaning] = visibility_id(meaning)
        visibilities = np.array([self._ids[meaning] for meaning in batch.visibilities], np.int64)
        self._add_up(known, visibilities, batch.visibilities, batch.tables(visibilities))

    def _add_others(self) -> None:
        rows = self._others
        self._others, self._held = [], 0
        self._add(rows)

    def _add(self, rows: Sequence[StoredRow]) -> None:
        if not rows:
            return
        try:
            packed = pack(rows_of([_prepared(row, self._indexer) for row in rows], self._hash_of), records=False)
        except Exception:  # noqa: BLE001 - as above
            half = len(rows) // 2
            for some in (rows[:half], rows[half:]) if half else ():
                self._add(some)
            return
        tables = {table: (packed.tables[table]["ordinal"], _values(packed, table)) for table in TABLES}
        meanings = [packed.meanings[visibility] for visibility in packed.visibilities.tolist()]
        self._add_up([(row[0], row[4]) for row in rows], packed.visibilities, meanings, tables)

    def _add_up(
        self,
        known: Sequence[tuple[int, int]],
        visibilities: Array,
        meanings: Sequence[Visibility],
        tables: Mapping[str, tuple[Array, Sequence[Array]]],
    ) -> None:
        """Take in rows of records whose positions and stored visibilities are known; note which visibilities occur."""
        if not known:
            return
        positions, stored = np.array(known, np.int64).T
        for table, (ordinals, columns) in tables.items():
            np.add.at(self._sums[table], positions[ordinals] - self._first, mixed(self._key, table, columns))
        self._misfiled += positions[stored != visibilities].tolist()
        different, firsts = np.unique(visibilities, return_index=True)
        for visibility, first in zip(different.tolist(), firsts.tolist(), strict=True):
            position, before = known[first][0], self._visibilities.get(visibility)
            if before is None or position < before[0]:
                self._visibilities[visibility] = position, meanings[first]

    def given(self) -> ExpectedIndex:
        """Return what has come together."""
        self._add_batch()
        self._add_others()
        sums = {table: array.astype(SUM).tobytes() for table, array in self._sums.items()}
        return ExpectedIndex(self._first, sums, self._visibilities, sorted(self._misfiled))


class IndexCheck:
    """Compares a ledger's stored index with what its records give, window by window from position `first` on."""

    def __init__(self, pool: Pool, ledger_id: int, first: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._start = self._end = first
        self._stored: list[StoredSums] = []
        self._expected: list[ExpectedIndex] = []
        self._visibilities: dict[int, tuple[int, Visibility]] = {}
        self._told = False  # that the list of visibilities is wrong

    def take(self, stored: StoredSums) -> None:
        """Take in what a piece of a table holds in the present window; all pieces come before the first block."""
        self._stored.append(stored)

    def expect(self, part: ExpectedIndex) -> bool:
        """Take in what a block's records give, in order; tell whether the window is complete."""
        self._expected.append(part)
        for visibility, known in part.visibilities.items():
            self._visibilities.setdefault(visibility, known)
        self._end = part.first + len(part.sums["posting"]) // SUM.itemsize
        return self._end == self._stored[0].window.end

    def compare(self) -> list[IndexFault]:
        """Compare the window, and go on to the next one."""
        faults = []
        for table in TABLES:
            pieces = [stored for stored in self._stored if stored.window.table == table]
            first = pieces[0].window.first
            different = np.frombuffer(b"".join([part.sums[table] for part in self._expected]), SUM).astype(np.uint64)
            for piece in pieces:
                sums = np.frombuffer(piece.sums, SUM)
                start = piece.first - first
                different[start : start + len(sums)] -= sums
            places = [piece.stray for piece in pieces if piece.stray is not None]
            places += [first + int(place) for place in np.flatnonzero(different)[:1]]
            if places:
                faults.append(IndexFault(table, min(places)))
        self._stored, self._expected = [], []
        if not self._told and (position := self._wrong_visibility()) is not None:
            self._told = True
            faults.append(IndexFault("visibility", position))
        return faults

    def _wrong_visibility(self) -> int | None:
        """Return the first position of those so far at which the list of visibilities is wrong."""
        with self._pool.connection() as connection:
            rows = connection.execute(
                "SELECT position, visibility, captured_by, parties, biz_step, position < 1 OR position >"
                " (SELECT h.position FROM ledger.head h WHERE h.ledger_id = %(ledger)s) FROM ledger.visibility"
                " WHERE ledger_id = %(ledger)s",
                {"ledger": self._ledger_id},
            ).fetchall()
        wrong = []
        stored = {row[1]: row for row in rows}
        for visibility, (position, meaning) in self._visibilities.items():
            row = stored.get(visibility)
            if row is None or Visibility(row[2], tuple(row[3]), row[4]) != meaning:
                wrong.append(position)
            elif row[0] >= self._start and row[0] != position:
                wrong.append(min(position, row[0]))
        for position, visibility, *_, stray in rows:
            if stray or (visibility not in self._visibilities and self._start <= position < self._end):
                wrong.append(position)
        return min(wrong, default=None)


def _values(packed: Packed, table: str) -> list[Array]:
    rows = packed.tables[table]
    columns = {name: rows[name] for name in rows.dtype.names or ()}
    columns["visibility"] = packed.visibilities[rows["ordinal"]]
    if table == "sighting":
        words = np.array([word(*pair) for pair in packed.words], np.int64)
        columns["words"] = words[rows["words"]] if len(rows) else words
    return [columns[name] for name in COLUMNS[table]]


def _prepared(row: StoredRow, indexer: Indexer) -> Prepared:
    head, what, where, why, how, more = row[9:15]
    parts = Parts(head, tuple(what.split(b"\n")) if what else (), where, why, how, more)
    event = LedgerEvent(type=row[3], data=b"", captured_by="", parts=parts)
    return Prepared(event, indexer(parts), UUID(bytes=row[1]), salt=b"", personal_salt=b"", commitment=b"")
