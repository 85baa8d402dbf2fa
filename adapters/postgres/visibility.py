"""Which visibility ids a reader may read: the filter in every query that answers somebody."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from traceability.ledger.access import Reader
from traceability.ledger.index import Visibility

_READERS: Final = 256


class PostgresVisibility:
    """Evaluates readers against `ledger.visibility`, which is only ever added to.

    Each answer asks the database for the rows after those known, so a reader never misses an event that was committed
    before its question; the judgements of the last 256 readers are kept. A reader whose grants changed is another
    reader. Safe to share between threads.
    """

    def __init__(self, pool: ConnectionPool[Connection[TupleRow]], ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._lock = Lock()
        self._known: list[tuple[int, Visibility]] = []
        self._position = 0
        self._judged: OrderedDict[Reader, tuple[int, dict[int, frozenset[str]]]] = OrderedDict()

    def allowed(self, reader: Reader) -> list[int]:
        """Return the ids of the visibilities that the reader may see, for `visibility = ANY(%s)`."""
        return list(self.extents(reader))

    def extents(self, reader: Reader) -> Mapping[int, frozenset[str]]:
        """Return the ids of the visibilities that the reader may see, and which parts of their events."""
        with self._pool.connection() as connection:
            # A row is committed with the event that used it first, and events are committed in order of position.
            rows = connection.execute(
                "SELECT position, visibility, captured_by, parties, biz_step FROM ledger.visibility"
                " WHERE ledger_id = %s AND position > %s ORDER BY position",
                [self._ledger_id, self._position],
            ).fetchall()
        with self._lock:
            for position, visibility, captured_by, parties, biz_step in rows:
                if position > self._position:
                    self._position = position
                    self._known.append((visibility, Visibility(captured_by, tuple(parties), biz_step)))
            judged, extents = self._judged.pop(reader, (0, {}))
            if judged < len(self._known):
                fresh = ((i, reader.extent(visibility)) for i, visibility in self._known[judged:])
                # Another thread may be reading the former answer.
                extents = {**extents, **{i: extent for i, extent in fresh if extent is not None}}
            self._judged[reader] = (len(self._known), extents)
            if len(self._judged) > _READERS:
                self._judged.popitem(last=False)
            return extents
