"""Rebuilding the index from the records: it reads parts 0 to 5 and nothing else, and must find what is there.

The rebuilt rows go to temporary tables and are compared without any lock, because neither a record nor its rows ever
change. Only the last step, for the records appended meanwhile, holds the head, so that appends wait for it.

A process keeps what it has read of visibilities and declarations, so after a repair the servers are started again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg

from adapters.postgres.bulk import copy_into
from adapters.postgres.connection import NO_LIMITS, connect
from adapters.postgres.judging import forget_judged
from adapters.postgres.listed import forget_listed
from adapters.postgres.packed import index_data, pack
from adapters.postgres.rows import rows_of, visibilities_of, visibility_columns
from traceability.errors import NotFoundError
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import Indexer, TagHash, Visibility, tag_hash
from traceability.ledger.parts import Parts
from traceability.ledger.store import Prepared

_VISIBILITY: Final = "visibility"
_SIGHTING: Final = "sighting"
TABLES: Final = ("posting", "mark", "edge", _SIGHTING, _VISIBILITY)
BATCH: Final = 2_000
_PARTS: Final = 'position, type, event_id, head, what, "where", why, how, more'
_Row = tuple[int, str, UUID, bytes, bytes, bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """How many rows of a table are stored and should not be, and how many should be and are not."""

    table: str
    surplus: int
    missing: int

    def __bool__(self) -> bool:
        return self.surplus > 0 or self.missing > 0

    def plus(self, other: IndexDifference) -> IndexDifference:
        """Return what this one and that of other positions come to."""
        return IndexDifference(self.table, self.surplus + other.surplus, self.missing + other.missing)


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
    with connect(owner_url) as connection:
        connection.execute(NO_LIMITS)
        row = connection.execute("SELECT ledger_id, position FROM ledger.head WHERE name = %s", [ledger]).fetchone()
        if row is None:
            raise NotFoundError(
                f"There is no ledger {ledger}", code="ledger.unknown", hint="Those there are: traceability ledger list"
            )
        ledger_id, head = row
        rebuilt = _Rebuilt(connection, ledger_id, indexer, hash_of)
        rebuilt.extend(head, progress)
        found = [rebuilt.compare(table, f"position <= {head}", repair=repair) for table in TABLES]
        with connection.transaction():
            locked = connection.execute(
                "SELECT position FROM ledger.head WHERE ledger_id = %s FOR UPDATE", [ledger_id]
            ).fetchone()
            assert locked is not None
            rebuilt.extend(locked[0], progress)
            late = [rebuilt.compare(table, f"position > {head}", repair=repair) for table in TABLES]
            found = [a.plus(b) for a, b in zip(found, late, strict=True)]
            if repair and found[-1]:
                # Only now: a row with a position beyond the head may stand where a missing one belongs.
                rebuilt.add_missing(_VISIBILITY, "true")
            if repair and any(one for one in found if one.table == _SIGHTING):
                forget_listed(connection, ledger_id)
            if repair and any(found):
                forget_judged(connection, ledger_id)
    return found


class _Rebuilt:
    """The index as it should be up to a position, in temporary tables."""

    def __init__(self, connection: psycopg.Connection, ledger_id: int, indexer: Indexer, hash_of: TagHash) -> None:
        self._connection = connection
        self._ledger_id = ledger_id
        self._indexer = indexer
        self._hash_of = hash_of
        self._position = 0
        self._visibilities: dict[int, Visibility] = {}
        for table in TABLES:
            connection.execute(f"CREATE TEMPORARY TABLE rebuilt_{table} (LIKE ledger.{table})")

    def extend(self, head: int, progress: Callable[[int, int], None]) -> None:
        """Add the rows of the records up to `head`."""
        while self._position < head:
            events = list(self._read(min(self._position + BATCH, head)))
            rows = rows_of(events, self._hash_of)
            with self._connection.cursor() as cursor:
                for table, data in index_data(pack(rows, records=False), self._ledger_id, self._position):
                    copy_into(cursor, f"pg_temp.rebuilt_{table}", table, data)
                ordinals, *new = visibility_columns(rows, self._visibilities)
                positions = [self._position + ordinal for ordinal in ordinals]
                cursor.executemany(
                    "INSERT INTO pg_temp.rebuilt_visibility (ledger_id, position, visibility, captured_by, parties,"
                    " biz_step) VALUES (%s, %s, %s, %s, string_to_array(%s, E'\\n'), %s)",
                    [(self._ledger_id, *row) for row in zip(positions, *new, strict=True)],
                )
            self._visibilities.update(visibilities_of(rows))
            self._position += len(events)
            progress(self._position, head)

    def compare(self, table: str, window: str, *, repair: bool) -> IndexDifference:
        """Count the differences of one table in a window of positions, and mend them; of visibilities the surplus only.

        EXCEPT ALL, because a row that is there twice is one too many. To readers a row is never gone on the way.
        """
        stored = f"SELECT * FROM ledger.{table} WHERE ledger_id = {self._ledger_id} AND {window}"
        rebuilt = f"SELECT * FROM pg_temp.rebuilt_{table} WHERE {window}"
        surplus = self._count(f"{stored} EXCEPT ALL {rebuilt}")
        missing = self._count(f"{rebuilt} EXCEPT ALL {stored}")
        difference = IndexDifference(table, surplus, missing)
        if repair and difference:
            with self._connection.transaction():
                # Every copy goes, also the one that should be there: it is missing then, and is added with the others.
                self._connection.execute(
                    f"DELETE FROM ledger.{table} t USING ({stored} EXCEPT ALL {rebuilt}) s"
                    " WHERE t.ledger_id = s.ledger_id AND t.position = s.position AND t IS NOT DISTINCT FROM s"
                )
                if table != _VISIBILITY:
                    self.add_missing(table, window)
        return difference

    def add_missing(self, table: str, window: str) -> None:
        """Add the rows that should be there and are not."""
        self._connection.execute(
            f"INSERT INTO ledger.{table} (SELECT * FROM pg_temp.rebuilt_{table} WHERE {window}"
            f" EXCEPT ALL SELECT * FROM ledger.{table} WHERE ledger_id = {self._ledger_id} AND {window})"
        )

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
