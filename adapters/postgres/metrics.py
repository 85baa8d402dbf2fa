"""What waits or fails in a ledger, counted in a few milliseconds: no history is read (schemas `ledger` and `work`)."""

from __future__ import annotations

from typing import Final, NamedTuple

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading

MOST_COUNTED: Final = 1_000
"""Irregularities up to which they are counted: there may be any number of them."""
# Each is a partial index, or a table that has few rows for each organisation.
_COUNTS: Final = """
SELECT (SELECT position FROM ledger.head WHERE ledger_id = %(ledger)s),
       (SELECT coalesce(min(coalesce(j.position, 0)), 0)
          FROM access.organisation o
          LEFT JOIN work.judged j ON j.ledger_id = o.ledger_id AND j.organisation = o.name
         WHERE o.ledger_id = %(ledger)s),
       (SELECT count(*) FROM work.capture_job WHERE ledger_id = %(ledger)s AND finished_at IS NULL),
       (SELECT count(*) FROM work.partner WHERE ledger_id = %(ledger)s AND failures > 0),
       (SELECT count(*) FROM work.subscription WHERE ledger_id = %(ledger)s AND failures > 0)
"""
# In the order of the index of those that stand: else all that ever ended may be looked through for them.
_STANDING: Final = """
SELECT severity, count(*)
  FROM (SELECT severity FROM work.irregularity
         WHERE ledger_id = %(ledger)s AND ended_at IS NULL
         ORDER BY organisation, position, digest LIMIT %(most)s) standing
 GROUP BY severity
"""


class Counts(NamedTuple):
    """Of one ledger: positions, and how much of everything waits or fails.

    `judged` is the position up to which the things of every organisation are judged. `standing` counts irregularities
    by severity, one that two organisations are told of twice, and `MOST_COUNTED` in all.
    """

    head: int
    judged: int
    captures: int
    partners_failing: int
    subscriptions_failing: int
    standing: dict[str, int]


def count(ledger: PostgresLedger) -> Counts:
    """Count; raises `UnavailableError` (`postgres.unreachable`)."""
    asked = {"ledger": ledger.ledger_id, "most": MOST_COUNTED}
    with reading(ledger.pool) as connection:
        row = connection.execute(_COUNTS, asked).fetchone()
        standing = connection.execute(_STANDING, asked).fetchall()
    assert row is not None
    head, judged, captures, partners, subscriptions = map(int, row)
    return Counts(head, judged, captures, partners, subscriptions, {severity: int(n) for severity, n in standing})
