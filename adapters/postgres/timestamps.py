"""A log's timestamps in PostgreSQL; rows are only added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg
from psycopg_pool import ConnectionPool

from traceability.notary.ports import StoredTimestamp

_ROWS: Final = 100
_COLUMNS: Final = "SELECT size, authority, received_at, response FROM notary.timestamp"
_OF_LOG: Final = f"{_COLUMNS} WHERE ledger_id = %s AND log_id = %s"


class PostgresTimestamps:
    """The timestamps of one log."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], ledger_id: int, log_id: int) -> None:
        self._pool = pool
        self._key = (ledger_id, log_id)

    def add(self, stored: StoredTimestamp) -> None:
        """Keep a timestamp; one more of the same authority in the same microsecond says nothing new."""
        with self._pool.connection() as connection:
            connection.execute(
                "INSERT INTO notary.timestamp (ledger_id, log_id, size, authority, received_at, response)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [*self._key, stored.size, stored.authority, stored.received_at, stored.response],
            )

    def all(self) -> Iterator[StoredTimestamp]:
        """Yield every timestamp, by size, authority and when it came."""
        last: tuple[int, str, int] = (-1, "", 0)
        while True:
            with self._pool.connection() as connection:
                rows = connection.execute(
                    f"{_OF_LOG} AND (size, authority, received_at) > (%s, %s, %s)"
                    f" ORDER BY size, authority, received_at LIMIT {_ROWS}".encode(),
                    [*self._key, *last],
                ).fetchall()
            yield from (StoredTimestamp(*row) for row in rows)
            if len(rows) < _ROWS:
                return
            last = rows[-1][:3]

    def covering(self, size: int) -> StoredTimestamp | None:
        """Return the first timestamp of the smallest checkpoint of at least `size` leaves."""
        return self._one("AND size >= %s ORDER BY size, received_at LIMIT 1", size)

    def newest(self) -> StoredTimestamp | None:
        """Return a timestamp of the largest checkpoint."""
        return self._one("ORDER BY size DESC, received_at DESC LIMIT 1")

    def _one(self, condition: str, *parameters: int) -> StoredTimestamp | None:
        with self._pool.connection() as connection:
            row: tuple[int, str, int, bytes] | None = connection.execute(
                f"{_OF_LOG} {condition}".encode(), [*self._key, *parameters]
            ).fetchone()
        return StoredTimestamp(*row) if row else None
