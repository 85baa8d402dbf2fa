"""Decision events under tags, found in the postings: all that a reader may see, or those of some types."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from traceability.ledger.store import Record

_UNDER: Final = """
SELECT DISTINCT position FROM ledger.posting
 WHERE ledger_id = %(ledger)s AND tag = ANY(%(tags)s::bigint[]) AND visibility = ANY(%(visible)s::bigint[])
   AND position <= %(known_at)s
 ORDER BY position
"""

# The type is in the row itself; of other events nothing else is read.
_OF_TYPES: Final = """
SELECT hit.position
  FROM (SELECT position FROM ledger.posting
         WHERE ledger_id = %(ledger)s AND tag = %(tag)s AND position > %(after)s AND position <= %(until)s
        OFFSET 0) hit
 CROSS JOIN LATERAL (SELECT r.type FROM ledger.record r
                      WHERE r.ledger_id = %(ledger)s AND r.position = hit.position OFFSET 0) r
 WHERE r.type = ANY(%(types)s) ORDER BY 1 LIMIT %(limit)s
"""


def records_under(
    ledger: PostgresLedger, tags: Collection[str], visible: Collection[int], known_at: int
) -> list[Record]:
    """Return the events under one of these tags up to a position, in order; `visible` are the visibilities seen."""
    asked = {
        "ledger": ledger.ledger_id,
        "tags": [ledger.rules.tag_hash(tag) for tag in tags],
        "visible": list(visible),
        "known_at": known_at,
    }
    with reading(ledger.pool) as connection:
        # Never prepared: a plan for any list of visibilities compares with each of them.
        rows = connection.execute(_UNDER, asked, prepare=False).fetchall()
    found = ledger.records([position for (position,) in rows])
    return [record for record in found if not set(tags).isdisjoint(record.event.tags)]


def records_of_types(
    ledger: PostgresLedger, tag: str, types: Collection[str], *, after: int = 0, until: int, limit: int | None = None
) -> list[Record]:
    """Return the events of these types under a tag in (after, until], the oldest first, whoever may see them.

    Tags are found by their hashes: who asks looks at what an event says.
    """
    asked = {
        "ledger": ledger.ledger_id,
        "tag": ledger.rules.tag_hash(tag),
        "after": after,
        "until": until,
        "types": list(types),
        "limit": limit,
    }
    with reading(ledger.pool) as connection:
        rows = connection.execute(_OF_TYPES, asked, prepare=True).fetchall()
    return ledger.records([position for (position,) in rows])
