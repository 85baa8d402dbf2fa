"""Recall cases found in the postings: where they begin, for a reader or a thing, and what an organisation is told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from adapters.postgres.decisions import records_of_types
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from traceability.ledger.event import PARTY_PREFIX
from traceability.ledger.store import Record
from traceability.supply_chain.recall.events import PAYLOADS, RECALLED, RECALLS, RecallNotified, RecallOpened

_BEGINNINGS: Final = """
SELECT DISTINCT position FROM ledger.posting
 WHERE ledger_id = %(ledger)s AND tag = %(tag)s AND visibility = ANY(%(visible)s::bigint[])
   AND position < %(before)s
 ORDER BY position DESC LIMIT %(limit)s
"""
_NAMING: Final = """
SELECT DISTINCT position FROM ledger.posting
 WHERE ledger_id = %(ledger)s AND tag = ANY(%(tags)s::bigint[]) AND position <= %(known_at)s
"""
_TYPES: Final = [RecallOpened.type_name, RecallNotified.type_name]


class PostgresRecalls:
    """The beginnings of cases in one ledger; `visible` are the ids of the visibilities that a reader may see."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger

    def beginnings(self, visible: Collection[int], *, before: int, limit: int) -> list[Record]:
        """Return the openings and notices before a position, the newest first."""
        asked = {
            "ledger": self._ledger.ledger_id,
            "tag": self._ledger.rules.tag_hash(RECALLS),
            "visible": list(visible),
            "before": before,
            "limit": limit,
        }
        with reading(self._ledger.pool) as connection:
            # Never prepared: a plan for any list of visibilities compares with each of them.
            rows = connection.execute(_BEGINNINGS, asked, prepare=False).fetchall()
        found = self._ledger.records([position for (position,) in rows])
        return [record for record in reversed(found) if record.event.type in _TYPES]

    def naming(self, things: Sequence[str], known_at: int) -> list[Record]:
        """Return the openings and notices up to a position that name one of these things, whoever may see them."""
        tags = [f"{RECALLED}{thing}" for thing in things]
        asked = {
            "ledger": self._ledger.ledger_id,
            "tags": [self._ledger.rules.tag_hash(tag) for tag in tags],
            "known_at": known_at,
        }
        with reading(self._ledger.pool) as connection:
            rows = connection.execute(_NAMING, asked, prepare=True).fetchall()
        found = self._ledger.records([position for (position,) in rows]) if rows else []
        return [record for record in found if not set(tags).isdisjoint(record.event.tags)]

    def of_case(self, case: str, types: Collection[str], known_at: int) -> list[Record]:
        """Return what is said in a case up to a position, of these types, the oldest first."""
        return records_of_types(self._ledger, f"case:{case}", types, until=known_at)

    def told(self, organisation: str, *, after: int, until: int, limit: int) -> list[Record]:
        """Return what was said to an organisation in cases in (after, until], the oldest first."""
        tag = f"{PARTY_PREFIX}{organisation}"
        return records_of_types(self._ledger, tag, PAYLOADS, after=after, until=until, limit=limit)
