"""The records of candidates, each checked as far as its reader sees it: what is left is the answer.

Neither a collision of hashes, nor a tag of a hidden part, nor one of another role finds an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import psycopg

from traceability.gs1.epcis.query.conditions import Condition, OneOf
from traceability.gs1.epcis.query.event_query import EventQuery, FoundEvent, matches, seen, visible_parts
from traceability.gs1.epcis.view import EPCIS_TYPES
from traceability.ledger.parts import Parts

MAX_BYTES: Final = 8_388_608
"""Bytes of records that are read at once."""

_PARTS: Final = ("head", "what", "where", "why", "how", "more", "personal")

# As many of the records as are not behind `bytes` of others: few events are long, but those are very long.
_RECORDS: Final = """
SELECT position, event_id, recorded_at, visibility, type, own, {parts}
  FROM (SELECT r.*, sum({length}) OVER (ORDER BY p.n) AS so_far, {length} AS own, p.n
          FROM unnest(%(positions)s::bigint[]) WITH ORDINALITY p(position, n)
         CROSS JOIN LATERAL (SELECT * FROM ledger.record
                              WHERE ledger_id = %(ledger)s AND position = p.position OFFSET 0) r) sized
 WHERE so_far - own < %(bytes)s ORDER BY n
"""


class CheckedRecords:
    """Reads records for one query and one reader, whose `extents` are by visibility.

    Without `whole` an event has the parts that decide whether it is an answer, and where it stands in the order; to
    count or to sort needs no more. What the candidates' own columns decide is not decided again then: they say it of
    exactly this event.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        ledger_id: int,
        query: EventQuery,
        extents: Mapping[int, frozenset[str]],
        *,
        whole: bool,
    ) -> None:
        self._connection = connection
        self._ledger_id = ledger_id
        self._query = query
        self._extents = extents
        self._decided = not whole and all(map(_has_column, query.conditions))
        needed = set(_PARTS) if whole else query.deciding
        if self._decided and query.sorted_by is None:
            needed = frozenset()
        self._statement = _RECORDS.format(
            parts=", ".join(f'"{part}"' if part in needed else "''::bytea" for part in _PARTS),
            length=" + ".join(["0", *(f'length(r."{part}")' for part in _PARTS if part in needed)]),
        )

    def read(self, positions: Sequence[int]) -> tuple[list[FoundEvent | None], int]:
        """Return the answers at these positions in order, None for what is none, and how many bytes were read.

        They are of all positions, or of as many from the first as are not too long together.
        """
        asked = {"ledger": self._ledger_id, "positions": list(positions), "bytes": MAX_BYTES}
        found: list[FoundEvent | None] = []
        size = 0
        for position, event_id, recorded_at, visibility, kind, length, head, what, *rest in self._connection.execute(
            self._statement, asked, binary=True
        ):
            size += length
            if kind not in EPCIS_TYPES:
                found.append(None)
                continue
            parts, extent = Parts(head, tuple(what.split(b"\n")) if what else (), *rest), self._extents[visibility]
            visible = visible_parts(parts, extent, self._query)
            holds = self._decided or matches(seen(visible, extent, event_id, self._query), recorded_at, self._query)
            found.append(FoundEvent(position, event_id, recorded_at, visible) if holds else None)
        return found, size


def _has_column(condition: Condition) -> bool:
    return isinstance(condition, OneOf) and condition.member in ("biz_step", "disposition", "type")
