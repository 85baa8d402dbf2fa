"""Decision events under tags, found in the postings: all that a reader may see."""

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
