"""Which visibility ids a reader may read: the filter in every query that answers somebody."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from traceability.ledger.access import Reader
from traceability.ledger.index import Visibility

_READERS: Final = 256
# A row is committed with the event that used it first, and events are committed in order of position.
_HEAD_AND_NEW: Final = """
SELECT h.position, v.position, v.visibility, v.captured_by, v.parties, v.biz_step
  FROM ledger.head h
  LEFT JOIN ledger.visibility v ON v.ledger_id = h.ledger_id AND v.position > (SELECT %s::bigint)
 WHERE h.ledger_id = %s
 ORDER BY v.position
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """A visibility that a reader may see, and how much of its events."""

    id: int
    visibility: Visibility
    extent: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Judged:
    count: int = 0
    opened: list[Opened] = field(default_factory=list)
    extents: dict[int, frozenset[str]] = field(default_factory=dict)


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
        self._allowed: OrderedDict[Reader, _Judged] = OrderedDict()

    def head_and_extents(self, reader: Reader) -> tuple[int, Mapping[int, frozenset[str]]]:
        """Return the ledger's last position, and `extents` as they were when it was that.

        Whatever was committed up to this position has its visibility there.
        """
        head, judged = self._judge(reader)
        return head, judged.extents

    def allowed(self, reader: Reader) -> list[int]:
        """Return the ids of the visibilities that the reader may see, for `visibility = ANY(%s)`."""
        return list(self.extents(reader))

    def opened(self, reader: Reader) -> list[Opened]:
        """Return the visibilities that the reader may see, with what it may see of their events."""
        return self._judge(reader)[1].opened

    def extents(self, reader: Reader) -> Mapping[int, frozenset[str]]:
        """Return the ids of the visibilities that the reader may see, and which parts of their events."""
        return self._judge(reader)[1].extents

    def _judge(self, reader: Reader) -> tuple[int, _Judged]:
        with self._pool.connection() as connection:
            rows = connection.execute(_HEAD_AND_NEW, [self._position, self._ledger_id], prepare=True).fetchall()
        with self._lock:
            for _, position, visibility, captured_by, parties, biz_step in rows:
                if position is not None and position > self._position:
                    self._position = position
                    self._known.append((visibility, Visibility(captured_by, tuple(parties), biz_step)))
            judged = self._allowed.pop(reader, _Judged())
            if judged.count < len(self._known):
                fresh = [
                    Opened(i, visibility, extent)
                    for i, visibility in self._known[judged.count :]
                    if (extent := reader.extent(visibility)) is not None
                ]
                # New ones: another thread may be reading the former answer.
                extents = {**judged.extents, **{opened.id: opened.extent for opened in fresh}}
                judged = _Judged(len(self._known), [*judged.opened, *fresh], extents)
            self._allowed[reader] = judged
            if len(self._allowed) > _READERS:
                self._allowed.popitem(last=False)
            return rows[0][0], judged
