"""What a process keeps of a ledger for its readers: the visibilities, and what error declarations join on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, LiteralString, NamedTuple

import numpy as np
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from traceability.ledger.access import Reader
from traceability.ledger.index import Visibility

_READERS: Final = 256
_BITS_OF_ONE: Final = 16
# A row is committed with the event that used it first, and events are committed in order of position.
HEAD_AND_NEW: Final = """
SELECT h.position, v.position, v.visibility, v.captured_by, v.parties, v.biz_step, NULL
  FROM ledger.head h
  LEFT JOIN ledger.visibility v ON v.ledger_id = h.ledger_id AND v.position > (SELECT %(visibilities)s::bigint)
 WHERE h.ledger_id = %(ledger)s
 UNION ALL
SELECT h.position, d.position, NULL, NULL, NULL, NULL, d.event
  FROM ledger.head h
  JOIN ledger.sighting d ON d.ledger_id = h.ledger_id AND d.retracts AND d.position > (SELECT %(declared)s::bigint)
 WHERE h.ledger_id = %(ledger)s AND d.event <> 0
 ORDER BY 2
"""


def let_through(column: LiteralString) -> LiteralString:
    """Return the SQL that tells whether a `Sieve`, as the parameters `sieve` and `mask`, lets a visibility through."""
    # A comparison with = would make the planner think that next to nothing is seen.
    return f"get_bit((SELECT %(sieve)s::bytea), {column} & (SELECT %(mask)s::bigint)) > 0"


@dataclass(frozen=True, slots=True)
class Sieve:
    """Keeps back most of what a reader may not see where it is stored, whatever the number of visibilities.

    A list of them would be searched for each row. Bits by the last digits of visibilities, which are hashes, let every
    one through that the reader may see, and one of sixteen others at most: what arrives has to be judged all the same.
    """

    bits: bytes = b"\0"
    mask: int = 7

    @classmethod
    def of(cls, visibilities: Collection[int]) -> Sieve:
        """Return the sieve of those that a reader may see."""
        size = max(8, 1 << (_BITS_OF_ONE * len(visibilities) - 1).bit_length())
        through = np.zeros(size, np.bool_)
        through[np.fromiter(visibilities, np.int64, len(visibilities)) & (size - 1)] = True
        return cls(np.packbits(through, bitorder="little").tobytes(), size - 1)


@dataclass(frozen=True, slots=True)
class Opened:
    """A visibility that a reader may see, and how much of its events."""

    id: int
    visibility: Visibility
    extent: frozenset[str]


class View(NamedTuple):
    """A ledger as a reader may see it now: its last position, and how much of the events of each visibility is open.

    `sieve` lets through what has an extent. `declared` has the positions of error declarations under the hash of the
    `event:` tag that they join on; it goes on growing, so some may come after `head`.
    """

    head: int
    extents: Mapping[int, frozenset[str]]
    sieve: Sieve
    declared: Mapping[int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class _Judged:
    count: int = 0
    opened: list[Opened] = field(default_factory=list)
    extents: dict[int, frozenset[str]] = field(default_factory=dict)
    sieve: Sieve = Sieve()


class PostgresVisibility:
    """Evaluates readers against `ledger.visibility`, which is only ever added to.

    Each answer asks the database for the rows after those known, so a reader never misses an event that was committed
    before its question; the judgements of the last 256 readers are kept. A reader whose grants changed is another
    reader. Declarations are one event in a thousand: to keep what they join on costs less than to look for those of
    every event that is read. Safe to share between threads.
    """

    def __init__(self, pool: ConnectionPool[Connection[TupleRow]], ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._lock = Lock()
        self._known: list[tuple[int, Visibility]] = []
        self._position = 0
        self._declared: dict[int, list[int]] = {}
        self._last_declared = 0
        self._allowed: OrderedDict[Reader, _Judged] = OrderedDict()

    def view(self, reader: Reader) -> View:
        """Return what the reader may see: whatever was committed up to its `head` has its visibility there."""
        head, judged = self._judge(reader)
        return View(head, judged.extents, judged.sieve, self._declared)

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
        known = {"ledger": self._ledger_id, "visibilities": self._position, "declared": self._last_declared}
        with self._pool.connection() as connection:
            rows = connection.execute(HEAD_AND_NEW, known, prepare=True).fetchall()
        with self._lock:
            for _, position, visibility, captured_by, parties, biz_step, declares in rows:
                if visibility is not None and position > self._position:
                    self._position = position
                    self._known.append((visibility, Visibility(captured_by, tuple(parties), biz_step)))
                elif declares is not None and position > self._last_declared:
                    self._last_declared = position
                    self._declared.setdefault(declares, []).append(position)
            judged = self._allowed.pop(reader, _Judged())
            if judged.count < len(self._known):
                fresh = [
                    Opened(i, visibility, extent)
                    for i, visibility in self._known[judged.count :]
                    if (extent := reader.extent(visibility)) is not None
                ]
                # New ones: another thread may be reading the former answer.
                extents = {**judged.extents, **{opened.id: opened.extent for opened in fresh}}
                sieve = Sieve.of(extents.keys()) if fresh else judged.sieve
                judged = _Judged(len(self._known), [*judged.opened, *fresh], extents, sieve)
            self._allowed[reader] = judged
            if len(self._allowed) > _READERS:
                self._allowed.popitem(last=False)
            return rows[0][0], judged
