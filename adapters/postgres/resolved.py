"""What questions to master data come to, kept from page to page: `WD_`, `HASATTR_` and `EQATTR_`.

A condition means the same things to one reader for as long as nothing more is stated that the reader may see, and
nobody registers a GLN or a company prefix. All this is asked for with each page; to fold thousands of statements again
would take a second.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Final, NamedTuple

import numpy as np

from adapters.postgres.arrays import Bigints, bigints
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from adapters.postgres.visibility import Opened, PostgresVisibility
from adapters.postgres.vocabularies import KeptStatements, PostgresVocabularies
from traceability.gs1.epcis.query.event_query import EventQuery
from traceability.gs1.epcis.query.master_data import meant, resolve
from traceability.gs1.epcis.query.master_data_conditions import Below, Described, IsAmong
from traceability.ledger.access import MASTER_DATA, Reader
from traceability.ledger.register.registers import Registers

MOST_KEPT: Final = 100_000
"""Things in all the sets that a process keeps: some 20 MB."""

_READERS: Final = 256

_FEW: Final = 100_000
"""Positions that are searched for statements; after more of them what is meant is found anew."""

# Every statement has the tag of its organisation, but so has every event. GLNs are only ever added, so that their
# number says which they are.
_NEWEST: Final = """
SELECT coalesce(max(p.position), 0),
       (SELECT count(*) FROM access.identifier WHERE ledger_id = %(ledger)s AND scheme = 'gln')
  FROM unnest(%(tags)s::bigint[], %(visible)s::bigint[]) v(tag, visibility)
 CROSS JOIN LATERAL (SELECT position FROM ledger.posting p
                      WHERE p.ledger_id = %(ledger)s AND p.tag = v.tag AND p.visibility = v.visibility
                        AND p.position > %(after)s AND p.position <= %(known_at)s
                      ORDER BY position DESC LIMIT 1) p
"""


class Occurring:
    """Which of a condition's tags events have, and how often together, as far as was looked.

    To look up thousands of tags takes longer than to answer; and postings are only ever added.
    """

    def __init__(self) -> None:
        self._least = 0
        self._found: tuple[int, Bigints] | None = None

    def known(self, limit: int, head: int) -> tuple[int, Bigints | None] | None:
        """Return how often, or that it is more than `limit`, and all tags that occur up to `head`, if that is known."""
        if self._least > limit:
            return self._least, None
        found = self._found
        return None if found is None or head > found[0] else (self._least, found[1])

    def note(self, tags: Sequence[int], limit: int, head: int) -> None:
        """Take the tag of each posting, as found at `head`; of more than `limit` some are missing."""
        self._least = max(self._least, len(tags))
        if len(tags) <= limit:
            self._found = head, bigints(set(tags))


@dataclass(frozen=True, slots=True)
class Meant(IsAmong):
    """A condition with the hashes of its tags, sorted as the index is."""

    hashes: Bigints = field(compare=False)
    occurring: Occurring = field(default_factory=Occurring, compare=False)

    @property
    def size(self) -> int:
        """Return how many things are kept."""
        return 1 + len(self.hashes) + sum(len(subjects) for _, subjects in self.eras)


class _Basis(NamedTuple):
    """All that an answer follows from: who asks, up to where statements count, what is known of GLNs and prefixes.

    These are how many GLNs are held, and the position of the last statement of the register.
    """

    reader: Reader
    upto: int
    glns: int
    registered: int


class _Looked(NamedTuple):
    """No statement that the reader may see is behind `since` and up to `upto`."""

    since: int
    upto: int


class ResolvedConditions:
    """Resolves queries over one ledger; safe to share between threads."""

    def __init__(self, ledger: PostgresLedger, visibility: PostgresVisibility, registers: Registers) -> None:
        self._ledger = ledger
        self._visibility = visibility
        self._registers = registers
        self._lock = Lock()
        self._looked: OrderedDict[Reader, _Looked] = OrderedDict()
        self._kept: OrderedDict[tuple[_Basis, Below | Described], Meant] = OrderedDict()
        self._size = 0
        self._statements = KeptStatements()

    def resolve(
        self, query: EventQuery, *, reader: Reader, opened: Sequence[Opened], known_at: int
    ) -> EventQuery | None:
        """Return the query with the things that it means, None when a condition means none.

        `opened` is what the reader may see, taken after the ledger was at `known_at`. Raises `QueryTooComplexError`.
        """
        if not any(isinstance(condition, Below | Described) for condition in query.conditions):
            return query
        basis = self._basis(reader, opened, known_at)
        return resolve(query, partial(self._meant, basis, known_at))

    def _meant(self, basis: _Basis, known_at: int, condition: Below | Described) -> Meant:
        key = basis, condition
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
        view = PostgresVocabularies(
            self._ledger,
            self._visibility,
            self._registers,
            reader=basis.reader,
            known_at=known_at,
            kept=self._statements,
        )
        among = meant(condition, view)
        found = Meant(among.field, among.eras, np.sort(bigints(map(self._ledger.rules.tag_hash, among.tags))))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self._size += found.size
            while self._size > MOST_KEPT:
                self._size -= self._kept.popitem(last=False)[1].size
        return found

    def _basis(self, reader: Reader, opened: Sequence[Opened], known_at: int) -> _Basis:
        stating = [one for one in opened if one.visibility.biz_step == MASTER_DATA]
        with self._lock:
            looked = self._looked.get(reader)
        if looked is None or not looked.since <= known_at <= looked.upto + _FEW:
            # Nothing is known of then: this is a first question, or a page of an answer that began before it.
            looked = _Looked(known_at, known_at)
        asked = {
            "ledger": self._ledger.ledger_id,
            "tags": bigints(self._ledger.rules.tag_hash(f"org:{one.visibility.captured_by}") for one in stating),
            "visible": bigints(one.id for one in stating),
            "after": looked.upto,
            "known_at": known_at,
        }
        with reading(self._ledger.pool) as connection:
            row = connection.execute(_NEWEST, asked, prepare=True).fetchone()
        assert row is not None
        since = max(looked.since, int(row[0]))
        with self._lock:
            if known_at >= self._looked.get(reader, looked).upto:
                self._looked[reader] = _Looked(since, known_at)
                self._looked.move_to_end(reader)
                if len(self._looked) > _READERS:
                    self._looked.popitem(last=False)
        return _Basis(reader, since, row[1], self._registers.for_all(known_at).newest)
