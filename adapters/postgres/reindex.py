"""Rebuilding the index from the records: it reads parts 0 to 5 and nothing else, and must find what is there.

The rebuilt rows go to tables of their own first, without any lock, because a record never changes. Only the last
step, which brings the records appended meanwhile and compares, holds the head, so that appends wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg

from adapters.postgres.bulk import copy_into
from adapters.postgres.rows import index_data, pack, rows_of, visibility_columns
from traceability.errors import NotFoundError
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import Indexer, TagHash, tag_hash
from traceability.ledger.parts import Parts
from traceability.ledger.store import Prepared

TABLES: Final = ("posting", "mark", "edge", "sighting", "visibility")
BATCH: Final = 2_000
_PARTS: Final = 'position, type, event_id, head, what, "where", why, how, more'
_Row = tuple[int, str, UUID, bytes, bytes, bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """How many rows of a table are stored and should not be, and how many should be and are not."""

    table: str
    surplus: int
    missing: int


def reindex(
    owner_url: str,
    ledger: str,
    indexer: Indexer,
    *,
    hash_of: TagHash = tag_hash,
    repair: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _head: None,
) -> list[IndexDifference]:
    """Rebuild a ledger's index; return how the stored one differed, and mend it unless `repair` is false.

    `progress` is told the positions done and the head. Raises `NotFoundError` `ledger.unknown`.
    """
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0; SET transaction_timeout = 0")
        row = connection.execute("SELECT ledger_id, position FROM ledger.head WHERE name = %s", [ledger]).fetchone()
        if row is None:
            raise NotFoundError(f"there is no ledger {ledger}", code="ledger.unknown")
        rebuilt = _Rebuilt(connection, row[0], indexer, hash_of)
        try:
            rebuilt.extend(row[1], progress)
            with connection.transaction():
                locked = connection.execute(
                    "SELECT position FROM ledger.head WHERE ledger_id = %s FOR UPDATE", [row[0]]
                ).fetchone()
                assert locked is not None
                rebuilt.extend(locked[0], progress)
                return [rebuilt.compare(table, repair=repair) for table in TABLES]
        finally:
            rebuilt.drop()


class _Rebuilt:
    """The index as it should be up to a position, in tables `work.rebuilt_…`."""

    def __init__(self, connection: psycopg.Connection, ledger_id: int, indexer: Indexer, hash_of: TagHash) -> None:
        self._connection = connection
        self._ledger_id = ledger_id
        self._indexer = indexer
        self._hash_of = hash_of
        self._position = 0
        self._visibilities: set[int] = set()
        self.drop()  # what an earlier run left when it was killed
        for table in TABLES:
            connection.execute(f"CREATE UNLOGGED TABLE work.rebuilt_{table} (LIKE ledger.{table})")

    def drop(self) -> None:
        for table in TABLES:
            self._connection.execute(f"DROP TABLE IF EXISTS work.rebuilt_{table}")

    def extend(self, head: int, progress: Callable[[int, int], None]) -> None:
        """Add the rows of the records up to `head`."""
        while self._position < head:
            events = list(self._read(min(self._position + BATCH, head)))
            rows = rows_of(events, self._hash_of)
            with self._connection.cursor() as cursor:
                for table, data in index_data(pack(rows, records=False), self._ledger_id, self._position):
                    copy_into(cursor, f"work.rebuilt_{table}", table, data)
                ordinals, *new = visibility_columns(rows, self._visibilities)
                positions = [self._position + ordinal for ordinal in ordinals]
                cursor.executemany(
                    "INSERT INTO work.rebuilt_visibility (ledger_id, position, visibility, captured_by, parties,"
                    " biz_step) VALUES (%s, %s, %s, %s, string_to_array(%s, E'\\n'), %s)",
                    [(self._ledger_id, *row) for row in zip(positions, *new, strict=True)],
                )
            self._visibilities.update(rows.new_visibilities)
            self._position += len(events)
            progress(self._position, head)

    def compare(self, table: str, *, repair: bool) -> IndexDifference:
        """Count, and mend, the differences of one table; every index table is a set of rows."""
        stored = f"SELECT * FROM ledger.{table} WHERE ledger_id = {self._ledger_id}"
        rebuilt = f"SELECT * FROM work.rebuilt_{table}"
        surplus = self._count(f"{stored} EXCEPT {rebuilt}")
        missing = self._count(f"{rebuilt} EXCEPT {stored}")
        if repair and surplus:
            self._connection.execute(
                f"DELETE FROM ledger.{table} t USING ({stored} EXCEPT {rebuilt}) s WHERE t IS NOT DISTINCT FROM s"
            )
        if repair and missing:
            self._connection.execute(f"INSERT INTO ledger.{table} ({rebuilt} EXCEPT {stored})")
        return IndexDifference(table, surplus, missing)

    def _count(self, query: str) -> int:
        row = self._connection.execute(f"SELECT count(*) FROM ({query}) q").fetchone()
        assert row is not None
        return int(row[0])

    def _read(self, until: int) -> Iterator[Prepared]:
        rows: psycopg.Cursor[Any] = self._connection.execute(
            f"SELECT {_PARTS} FROM ledger.record WHERE ledger_id = %s AND position > %s AND position <= %s ORDER BY 1",
            [self._ledger_id, self._position, until],
            binary=True,
        )
        for row in rows:
            yield self._prepared(row)

    def _prepared(self, row: _Row) -> Prepared:
        _, event_type, event_id, head, what, where, why, how, more = row
        parts = Parts(head, tuple(what.split(b"\n")) if what else (), where, why, how, more)
        event = LedgerEvent(type=event_type, data=b"", captured_by="", parts=parts)
        return Prepared(event, self._indexer(parts), event_id, salt=b"", personal_salt=b"", commitment=b"")
