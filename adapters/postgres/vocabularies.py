"""Statements of master data in PostgreSQL, found by their tags among what a reader may see."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from threading import Lock
from typing import Final

import numpy as np

from adapters.postgres.arrays import bigints
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from adapters.postgres.visibility import PostgresVisibility
from traceability.gs1.epcis.master_data import Statement, statement_of
from traceability.ledger.access import MASTER_DATA, Reader
from traceability.ledger.parts import Parts
from traceability.ledger.register.registers import Registers

MOST_KEPT: Final = 33_554_432
"""Bytes of records whose statements a process keeps: some 50,000 statements, and twice as much memory."""

_FETCHED: Final = 1_024
_MANY: Final = 256

# Of thousands of tags the planner knows nothing, so that it looks up each of them instead of planning for them.
_POSITIONS: Final = """
SELECT DISTINCT position FROM ledger.posting
 WHERE ledger_id = %(ledger)s AND tag = ANY((SELECT %(tags)s::bigint[])::bigint[])
   AND visibility = ANY(%(visible)s::bigint[]) AND position > %(after)s AND position <= %(head)s
 ORDER BY position LIMIT %(limit)s
"""
_RECORDS: Final = """
SELECT r.position, r.recorded_at, r.event_id, r.visibility, r.head, r.more, r.personal
  FROM unnest(%(positions)s::bigint[]) p(position)
 CROSS JOIN LATERAL (SELECT * FROM ledger.record
                      WHERE ledger_id = %(ledger)s AND position = p.position OFFSET 0) r
"""


class KeptStatements:
    """Statements as who may see them does, without their personal attributes; safe to share between threads.

    A record never changes but for what is personal, so none of them grows old.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[int, Statement | None] = OrderedDict()
        self._sizes: dict[int, int] = {}
        self._size = 0

    def at(self, positions: Iterable[int]) -> dict[int, Statement | None]:
        """Return those that are known of the events at these positions, None for what nobody can read."""
        with self._lock:
            found = {position: self._kept[position] for position in positions if position in self._kept}
            for position in found:
                self._kept.move_to_end(position)
            return found

    def keep(self, position: int, statement: Statement | None, size: int) -> None:
        """Keep one whose record has `size` bytes."""
        with self._lock:
            if position not in self._kept:
                self._kept[position] = statement
                self._sizes[position] = size
                self._size += size
            while self._size > MOST_KEPT:
                oldest, _ = self._kept.popitem(last=False)
                self._size -= self._sizes.pop(oldest)


class PostgresVocabularies:
    """The statements that one reader may see up to `known_at`, the head where None.

    With `kept`, statements that a process keeps, they lack their personal attributes: no question finds anything by
    those.
    """

    def __init__(
        self,
        ledger: PostgresLedger,
        visibility: PostgresVisibility,
        registers: Registers,
        *,
        reader: Reader,
        known_at: int | None = None,
        kept: KeptStatements | None = None,
    ) -> None:
        self._ledger = ledger
        self._kept = kept
        head = ledger.head()
        self.known_at = head if known_at is None else min(known_at, head)
        self.register = registers.for_all(self.known_at)
        self.reader = reader.organisation
        # Taken after the head: whatever was committed up to it has its visibility there. Who may see master data sees
        # all of it but what is personal.
        opened = [
            one for one in visibility.opened(reader) if one.visibility.biz_step == MASTER_DATA and "more" in one.extent
        ]
        self._extents = {one.id: one.extent for one in opened}
        self.organisations = frozenset(one.visibility.captured_by for one in opened)

    def of(self, subjects: Collection[str], vocabularies: Collection[str] | None = None) -> list[Statement]:
        """Return every statement about these subjects, in these vocabularies, in all of them where None."""
        positions = None
        if vocabularies is not None and len(subjects) > _MANY:
            # Where most of what is stated is about these subjects, to look up each of them would take longer.
            most = len(subjects) + len(subjects) // 2
            every = self._positions({f"vocabulary:{vocabulary}" for vocabulary in vocabularies}, most, 0)
            positions = every if len(every) < most else None
        if positions is None:
            positions = self._positions({f"element:{subject}" for subject in subjects}, None, 0)
        found = [statement for statement in self._statements(positions) if statement.element.subject in subjects]
        return [one for one in found if vocabularies is None or one.element.vocabulary in vocabularies]

    def tagged(self, tags: Collection[str], limit: int, after: int = 0, *, up_to: int | None = None) -> list[Statement]:
        """Return statements with one of these tags, in order of position from behind `after`, up to `limit`.

        Looks no further than the position `up_to`.
        """
        found: list[Statement] = []
        while len(found) < limit:
            positions = self._positions(tags, limit, after, up_to)
            found += self._statements(positions, frozenset(tags))
            if len(positions) < limit:
                break
            after = positions[-1]
        return found[:limit]

    def holders(self, glns: Collection[str]) -> Mapping[str, str]:
        """Return the organisations that hold these GLNs (13 digits)."""
        with reading(self._ledger.pool) as connection:
            rows = connection.execute(
                "SELECT value, organisation FROM access.identifier"
                " WHERE ledger_id = %s AND scheme = 'gln' AND value = ANY(%s)",
                [self._ledger.ledger_id, list(glns)],
            )
            return dict(rows.fetchall())

    def _positions(self, tags: Collection[str], limit: int | None, after: int, up_to: int | None = None) -> list[int]:
        if not self._extents or not tags:
            return []
        asked = {
            "ledger": self._ledger.ledger_id,
            "tags": np.sort(bigints(map(self._ledger.rules.tag_hash, tags))),
            "visible": list(self._extents),
            "after": after,
            "head": self.known_at if up_to is None else min(up_to, self.known_at),
            "limit": limit,
        }
        with reading(self._ledger.pool) as connection:
            # Never prepared: a plan for any list of visibilities compares with each of them.
            return [position for (position,) in connection.execute(_POSITIONS, asked, prepare=False, binary=True)]

    def _statements(self, positions: Sequence[int], tags: AbstractSet[str] | None = None) -> list[Statement]:
        """Return the statements at these positions that anybody can read, of those with one of the tags."""
        known = {} if self._kept is None else self._kept.at(positions)
        unknown = [position for position in positions if position not in known]
        if tags is not None:
            known = {position: one if _is_tagged(one, tags) else None for position, one in known.items()}
        for at in range(0, len(unknown), _FETCHED):
            asked = {"ledger": self._ledger.ledger_id, "positions": bigints(unknown[at : at + _FETCHED])}
            with reading(self._ledger.pool) as connection:
                rows = connection.execute(_RECORDS, asked, binary=True).fetchall()
            for position, recorded_at, event_id, visibility, head, more, personal in rows:
                statement = statement_of(Parts(head, more=more), position, event_id, recorded_at)
                if self._kept is not None:
                    self._kept.keep(position, statement, len(head) + len(more))
                elif personal and "personal" in self._extents[visibility] and _is_tagged(statement, tags):
                    whole = Parts(head, more=more, personal=personal)
                    known[position] = statement_of(whole, position, event_id, recorded_at) or statement
                    continue
                known[position] = statement if _is_tagged(statement, tags) else None
        return [found for position in positions if (found := known[position]) is not None]


def _is_tagged(statement: Statement | None, tags: AbstractSet[str] | None) -> bool:
    # Another tag may have the same hash. What is personal has none.
    return statement is not None and (tags is None or statement.element.is_tagged(statement.stated_by, tags))
