"""What the stored index holds, read in the order in which it is stored and added up by position."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import psycopg
from psycopg_pool import ConnectionPool

from adapters.postgres.arrays import ArrayLoader
from adapters.postgres.distribution import is_cluster
from adapters.postgres.index_sums import COLUMNS, SUM, TABLES, mixed, word
from adapters.postgres.packed import Array

Pool = ConnectionPool[psycopg.Connection]

WINDOW: Final = 1 << 20
"""Positions that are compared at once: 8 bytes each for every table. Each window reads all pages of a table, unless it
has partitions."""

_FEW: Final = 1 << 16  # positions that are looked up among all, not found by reading all
_PAGES: Final = 1 << 10  # whose rows come as one array for each column; some 200,000 rows
_PIECE: Final = 1 << 14  # pages that one task reads
_MANY_PAGES: Final = 1 << 16  # that one statement looks through: half a gigabyte, so that none runs for long
_TYPES: Final = ("int8", "bool", '"char"')


@dataclass(frozen=True, slots=True)
class TableWindow:
    """Positions first … end−1 of a table, in sums with a `key`; of its rows those in pages page … end_page−1.

    `end_page` is None for all that follow. The `last` window has what is beyond the ledger's head too, that from 1 what
    is before its beginning.
    """

    table: str
    first: int
    end: int
    last: bool
    key: bytes = field(repr=False)
    page: int = 0
    end_page: int | None = None

    @property
    def few(self) -> bool:
        """Whether most rows of the table may be of other positions."""
        return self.end - self.first <= _FEW


@dataclass(frozen=True, slots=True)
class StoredSums:
    """What a table, or a piece of it, holds in a window: the sums of positions from `first` on, all others being 0.

    `stray` is the first position that no ledger may have.
    """

    window: TableWindow
    first: int
    sums: bytes
    stray: int | None


def table_windows(pool: Pool, first: int, end: int, *, last: bool, key: bytes) -> list[TableWindow]:
    """Return what is to be read of the index at positions first … end−1, in pieces that several processes share."""
    windows = []
    for table in TABLES:
        bounds: list[int | None] = [None]
        if end - first > _FEW:
            bounds = [*range(_PIECE, _page_count(pool, table), _PIECE), None]
        start = 0
        for bound in bounds:
            windows.append(TableWindow(table, first, end, last, key, start, bound))
            start = bound or 0
    return windows


def stored_sums(pool: Pool, ledger_id: int, window: TableWindow) -> StoredSums:
    """Add up what a table holds in a window."""
    count = window.end - window.first
    sums, stray = np.zeros(count, np.uint64), None
    with pool.connection() as connection, _planned(connection, window):
        for positions, numbers in _read(connection, ledger_id, window):
            at = positions - window.first
            inside = (at >= 0) & (at < count)
            np.add.at(sums, at[inside], numbers[inside])
            if not inside.all():
                outside = int(positions[~inside].min())
                stray = outside if stray is None else min(stray, outside)
    there = np.flatnonzero(sums)
    start, stop = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
    return StoredSums(window, window.first + start, sums[start:stop].astype(SUM).tobytes(), stray)


@contextmanager
def _planned(connection: psycopg.Connection, window: TableWindow) -> Iterator[None]:
    """Have few positions looked up by their index, also before anything was analyzed."""
    if window.few:
        with connection.transaction():
            connection.execute("SET LOCAL enable_seqscan = off")
            yield
        return
    yield


def _read(connection: psycopg.Connection, ledger_id: int, window: TableWindow) -> Iterator[tuple[Array, Array]]:
    """Yield positions and mixed rows of a window, and of what lies outside of the ledger's positions.

    The rows come as arrays, one for each column: a row by itself costs more to take than to read and to send. How long
    an array may become is bounded by the pages that it is of, else by its few positions.
    """
    table = window.table
    # Of tables on the nodes of a cluster the pages are not known.
    bounded = not window.few and _pages_of(connection, table) > 0
    cluster = is_cluster(connection)
    names = ["position", *(name for name in COLUMNS[table] if name != "words")]
    # Of a position there is one sighting, and any number of other rows.
    groups = [] if bounded else ["position >> 12" if table == "sighting" else "position >> 6"]
    words = ["biz_step", "disposition"] if table == "sighting" else []
    query = f"SELECT {', '.join([*words, *(f'array_agg({name})' for name in names)])} FROM ledger.{table}"
    grouping = f" GROUP BY {', '.join([*groups, *words])}" if groups or words else ""
    with connection.cursor(binary=True) as cursor:
        for name in _TYPES:
            cursor.adapters.register_loader(cursor.adapters.types[name].array_oid, ArrayLoader)
        for where in _conditions(connection, window, ledger_id, bounded=bounded, cluster=cluster):
            for row in cursor.stream(f"{query} WHERE {where}{grouping}".encode()):
                columns = dict(zip([*words, *names], row, strict=True))
                if (positions := columns["position"]) is None:
                    continue  # no rows, and no groups
                if words:
                    of_all = word(columns["biz_step"], columns["disposition"])
                    columns["words"] = np.full(len(positions), of_all, np.int64)
                yield positions.astype(np.int64), mixed(window.key, table, [columns[c] for c in COLUMNS[table]])


def _conditions(
    connection: psycopg.Connection, window: TableWindow, ledger_id: int, *, bounded: bool, cluster: bool
) -> Iterator[str]:
    """Yield what the rows of a window meet, cut so that no statement takes long."""
    first, last, end = window.first, window.end - 1, window.end
    of_ledger = f"ledger_id = {ledger_id}"
    head = f"(SELECT position FROM ledger.head WHERE {of_ledger})"
    if window.few and window.table != "sighting":
        # By the index of migration 0015, where `+ 0` keeps the planner from those that begin with the ledger: before
        # anything was analyzed it takes a ledger for a few rows of many, and reads all of it. A row that is beyond the
        # head is beyond the end too. A cluster looks where the ledger's number says, at head and rows in one statement:
        # an append between two would look like a row beyond the head.
        if not cluster:
            of_ledger = f"ledger_id + 0 = {ledger_id}"
        since = "" if first == 1 else f" AND position >> 6 >= {first >> 6} AND position + 0 >= {first}"
        yield f"{of_ledger} AND position >> 6 <= {last >> 6} AND position + 0 < {end}{since}"
        if window.last:
            yield f"{of_ledger} AND position >> 6 >= {last >> 6} AND position + 0 > {head}"
        return
    where = f"position < {end}" if first == 1 else f"position >= {first} AND position < {end}"
    if window.last:
        where = f"({where} OR position > {head})"
    for pages in _pages(connection, window, _PAGES if bounded else _MANY_PAGES):
        yield f"{of_ledger} AND {where}{pages}"


def _pages(connection: psycopg.Connection, window: TableWindow, most: int) -> Iterator[str]:
    """Cut the window's pages, so that no statement runs for long and no array is long, however large the table is."""
    start, end = window.page, window.end_page
    beyond = _pages_of(connection, window.table) if end is None else end
    while start + most < beyond:
        yield f" AND ctid >= '({start},0)' AND ctid < '({start + most},0)'"
        start += most
    if end is not None:
        yield f" AND ctid >= '({start},0)' AND ctid < '({end},0)'"
    elif start:
        # Open at its end: the table may have grown.
        yield f" AND ctid >= '({start},0)'"
    else:
        yield ""


def _page_count(pool: Pool, table: str) -> int:
    with pool.connection() as connection:
        return _pages_of(connection, table)


def _pages_of(connection: psycopg.Connection, table: str) -> int:
    """Return the pages of a table, of its largest partition if it has some."""
    row = connection.execute(
        "SELECT greatest(pg_relation_size(%(table)s::regclass), max(pg_relation_size(relid)))"
        " / current_setting('block_size')::bigint FROM pg_partition_tree(%(table)s::regclass)",
        {"table": f"ledger.{table}"},
    ).fetchone()
    assert row is not None
    return int(row[0])
