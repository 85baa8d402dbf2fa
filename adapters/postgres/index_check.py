"""The stored index against the one that the records give: which position is the first whose rows differ.

Most index tables have no order by position, so neither side is sorted. Each row is mixed with a key of this run into 64
bits and added to the sum of its position: two sets of rows with the same sum are the same, but for a chance of one in
2^64. The key is drawn anew each time, so that nobody can make up rows that add up to what is expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from typing import Final
from uuid import UUID

import numpy as np
import psycopg
from psycopg_pool import ConnectionPool

from adapters.postgres.binary_copy import SIGNATURE, TRAILER
from adapters.postgres.packed import COLUMNS, ROWS, Array, Packed, pack
from adapters.postgres.rows import rows_of
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import Indexer, TagHash, Visibility, tag_hash
from traceability.ledger.parts import Parts
from traceability.ledger.store import Prepared
from traceability.notary.ports import StoredRow

Pool = ConnectionPool[psycopg.Connection]

WINDOW: Final = 1 << 18
"""Positions that are compared at once: 8 bytes each for every table, and seconds for the statement that reads them."""

TABLES: Final = ("posting", "mark", "edge", "sighting")
_MIXED: Final = {
    "posting": ("tag", "visibility"),
    "mark": ("child", "parent", "kind", "opens", "occurred_at", "visibility"),
    "edge": ("node", "via", "is_input", "occurred_at", "visibility"),
    "sighting": ("occurred_at", "visibility", "event", "retracts", "words"),
}
_SUM: Final = np.dtype("<u8")
_PIECE: Final = 1 << 22  # bytes of rows that are mixed at once
_PAGES: Final = 1 << 16  # of a table without order that one statement reads: half a gigabyte
_SIGHTINGS: Final = 2_000


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
class TableWindow:
    """Positions first … end−1 of a table, in sums with a `key`.

    The `last` window has what is beyond the ledger's head too, that from 1 what is before its beginning.
    """

    table: str
    first: int
    end: int
    last: bool
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredSums:
    """What a table holds in a window: a sum for each position, and the first position that no ledger may have."""

    window: TableWindow
    sums: bytes
    stray: int | None


@dataclass(frozen=True, slots=True)
class IndexFault:
    """The first position of a window whose rows of a table are not what its record says."""

    table: str
    position: int


class IndexExpectation:
    """Adds up what the records at positions from `first` on give; the rows come in any portions."""

    def __init__(self, first: int, count: int, indexer: Indexer, key: bytes, hash_of: TagHash = tag_hash) -> None:
        self._first = first
        self._indexer = indexer
        self._key = key
        self._hash_of = hash_of
        self._sums = {table: np.zeros(count, np.uint64) for table in TABLES}
        self._visibilities: dict[int, tuple[int, Visibility]] = {}
        self._misfiled: list[int] = []

    def add(self, rows: Sequence[StoredRow]) -> None:
        """Take in records, in order of position.

        One whose parts cannot be indexed, because they were tampered with, has no rows: what is stored is too much.
        """
        try:
            packed = pack(rows_of([_prepared(row, self._indexer) for row in rows], self._hash_of), records=False)
        except Exception:  # noqa: BLE001 - such parts may be anything, and any code may stumble over them
            half = len(rows) // 2
            for some in (rows[:half], rows[half:]) if half else ():
                self.add(some)
            return
        positions = np.array([row[0] for row in rows], np.int64) - self._first
        for table in TABLES:
            values = _values(packed, table)
            np.add.at(self._sums[table], positions[packed.tables[table]["ordinal"]], _mixed(self._key, table, values))
        for row, visibility in zip(rows, packed.visibilities.tolist(), strict=True):
            if visibility not in self._visibilities:
                self._visibilities[visibility] = row[0], packed.meanings[visibility]
            if row[4] != visibility:
                self._misfiled.append(row[0])

    def given(self) -> ExpectedIndex:
        """Return what has come together."""
        sums = {table: array.astype(_SUM).tobytes() for table, array in self._sums.items()}
        return ExpectedIndex(self._first, sums, self._visibilities, self._misfiled)


class IndexCheck:
    """Compares a ledger's stored index with what its records give, window by window from position `first` on."""

    def __init__(self, pool: Pool, ledger_id: int, first: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._start = self._end = first
        self._stored: list[StoredSums] = []
        self._expected: list[ExpectedIndex] = []
        self._visibilities: dict[int, tuple[int, Visibility]] = {}

    def take(self, stored: StoredSums) -> None:
        """Take in what a table holds in the present window."""
        self._stored.append(stored)

    def expect(self, part: ExpectedIndex) -> bool:
        """Take in what a block's records give, in order; tell whether the window is complete."""
        self._expected.append(part)
        for visibility, known in part.visibilities.items():
            self._visibilities.setdefault(visibility, known)
        self._end = part.first + len(part.sums["posting"]) // _SUM.itemsize
        return self._end == self._stored[0].window.end

    def compare(self) -> list[IndexFault]:
        """Compare the window, and go on to the next one."""
        faults = []
        for stored in self._stored:
            table = stored.window.table
            expected = np.frombuffer(b"".join([part.sums[table] for part in self._expected]), _SUM)
            wrong = np.flatnonzero(np.frombuffer(stored.sums, _SUM) != expected)
            places = [] if stored.stray is None else [stored.stray]
            if len(wrong):
                places.append(stored.window.first + int(wrong[0]))
            if places:
                faults.append(IndexFault(table, min(places)))
        self._stored, self._expected = [], []
        return faults

    def compare_visibilities(self) -> list[IndexFault]:
        """Compare the list of visibilities, after every window."""
        with self._pool.connection() as connection:
            rows = connection.execute(
                "SELECT position, visibility, captured_by, parties, biz_step, position < 1 OR position >"
                " (SELECT h.position FROM ledger.head h WHERE h.ledger_id = v.ledger_id) FROM ledger.visibility v"
                " WHERE ledger_id = %s",
                [self._ledger_id],
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
        return [IndexFault("visibility", min(wrong))] if wrong else []


def stored_sums(pool: Pool, ledger_id: int, window: TableWindow) -> StoredSums:
    """Add up what a table holds in a window."""
    count = window.end - window.first
    sums, stray = np.zeros(count, np.uint64), None
    with pool.connection() as connection:
        for positions, mixed in _read(connection, ledger_id, window):
            at = positions - window.first
            inside = (at >= 0) & (at < count)
            np.add.at(sums, at[inside], mixed[inside])
            if not inside.all():
                outside = int(positions[~inside].min())
                stray = outside if stray is None else min(stray, outside)
    return StoredSums(window, sums.astype(_SUM).tobytes(), stray)


def _read(connection: psycopg.Connection, ledger_id: int, window: TableWindow) -> Iterator[tuple[Array, Array]]:
    """Yield positions and mixed rows of a window, and of what lies outside of the ledger's positions."""
    where = "position < %(end)s" if window.first == 1 else "position >= %(first)s AND position < %(end)s"
    if window.last:
        where = f"({where} OR position > (SELECT position FROM ledger.head WHERE ledger_id = %(ledger)s))"
    where = f"ledger_id = %(ledger)s AND {where}"
    numbers = {"ledger": ledger_id, "first": window.first, "end": window.end}
    table = window.table
    if table == "sighting":
        yield from _sightings(connection, where, numbers, window.key)
        return
    for pages in _pages(connection, table):
        query = f"COPY (SELECT {COLUMNS[table]} FROM ledger.{table} WHERE {where}{pages}) TO STDOUT (FORMAT binary)"
        for rows in _copied(connection, table, query, numbers):
            values = [rows[column] for column in _MIXED[table]]
            yield rows["position"].astype(np.int64), _mixed(window.key, table, values)


def _sightings(
    connection: psycopg.Connection, where: str, numbers: Mapping[str, int], key: bytes
) -> Iterator[tuple[Array, Array]]:
    query = (
        "SELECT position, occurred_at, visibility, event, retracts, biz_step, disposition FROM ledger.sighting"
        f" WHERE {where}"
    )
    with connection.cursor(binary=True) as cursor:
        stream = cursor.stream(query.encode(), numbers, size=_SIGHTINGS)
        while rows := list(islice(stream, _SIGHTINGS)):
            position, occurred_at, visibility, event, retracts, steps, dispositions = zip(*rows, strict=True)
            words = [_word(*pair) for pair in zip(steps, dispositions, strict=True)]
            values = [np.array(column, np.int64) for column in (occurred_at, visibility, event, retracts, words)]
            yield np.array(position, np.int64), _mixed(key, "sighting", values)


def _copied(connection: psycopg.Connection, table: str, query: str, numbers: Mapping[str, int]) -> Iterator[Array]:
    """Yield the rows of a binary COPY as arrays."""
    with connection.cursor() as cursor, cursor.copy(query.encode(), numbers) as copy:
        size, pieces, held = ROWS[table].itemsize, [], -len(SIGNATURE)
        for piece in copy:
            pieces.append(bytes(piece))
            held += len(piece)
            if held >= _PIECE:
                data = b"".join(pieces)[-held:]
                whole = held - held % size
                yield np.frombuffer(data[:whole], ROWS[table])
                pieces, held = [data[whole:]], held - whole
        data = b"".join(pieces)[-held:] if held else b""
        yield np.frombuffer(data.removesuffix(TRAILER), ROWS[table])


def _pages(connection: psycopg.Connection, table: str) -> Iterator[str]:
    """Cut a table without partitions by its pages, so that no statement runs for long, however large it is."""
    if table == "posting":
        yield ""  # its partition is what a statement reads
        return
    row = connection.execute(
        "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::bigint", [f"ledger.{table}"]
    ).fetchone()
    assert row is not None
    start = 0
    while start + _PAGES < row[0]:
        yield f" AND ctid >= '({start},0)' AND ctid < '({start + _PAGES},0)'"
        start += _PAGES
    # Open at its end: the table may have grown.
    yield f" AND ctid >= '({start},0)'"


def _values(packed: Packed, table: str) -> list[Array]:
    rows = packed.tables[table]
    columns = {name: rows[name] for name in rows.dtype.names or ()}
    columns["visibility"] = packed.visibilities[rows["ordinal"]]
    if table == "sighting":
        words = np.array([_word(*pair) for pair in packed.words], np.int64)
        columns["words"] = words[rows["words"]] if len(rows) else words
    return [columns[name] for name in _MIXED[table]]


def _mixed(key: bytes, table: str, columns: Iterable[Array]) -> Array:
    """Mix the columns of each row into 64 bits (the finaliser of SplitMix64 after every column)."""
    seed = int.from_bytes(blake2b(table.encode(), key=key, digest_size=8).digest(), "big")
    mixed: Array | None = None
    for column in columns:
        numbers = column.view("u1") if column.dtype.kind == "S" else column
        numbers = numbers.astype(np.int64).view(np.uint64)
        mixed = numbers ^ np.uint64(seed) if mixed is None else mixed ^ numbers
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        # Another constant for each further column: equal columns must not cancel each other out.
        mixed += np.uint64(seed | 1)
    assert mixed is not None
    return mixed


@lru_cache(maxsize=4096)
def _word(step: str | None, disposition: str | None) -> int:
    digest = blake2b(repr((step, disposition)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _prepared(row: StoredRow, indexer: Indexer) -> Prepared:
    head, what, where, why, how, more = row[9:15]
    parts = Parts(head, tuple(what.split(b"\n")) if what else (), where, why, how, more)
    event = LedgerEvent(type=row[3], data=b"", captured_by="", parts=parts)
    return Prepared(event, indexer(parts), UUID(bytes=row[1]), salt=b"", personal_salt=b"", commitment=b"")
