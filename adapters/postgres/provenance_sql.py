"""The statements of the provenance index: positions from the narrow tables, then the records at them, in one statement.

The hits of a statement are limited to the positions that are asked about.
"""

from __future__ import annotations

from typing import Final, LiteralString, NamedTuple

from adapters.postgres.visibility import let_through
from traceability.ledger.index import MarkKind
from traceability.supply_chain.deeds import DISPOSITIONS, STEPS
from traceability.supply_chain.seen import OBJECT_EVENT, TRANSACTION_EVENT
from traceability.supply_chain.transfers import IN_TRANSIT, SENDING_BACK


def _word(member: LiteralString) -> LiteralString:
    """Return the SQL for the word that is a member of a head, as canonical JSON writes it; empty if there is none."""
    return f"""split_part(split_part(convert_from(r.head, 'UTF8'), '"{member}":"', 2), '"', 1)"""


# The personal part and the bytes as received tell nothing about things, and may be long: they are left where they are.
# The positions are an array, whose length the planner does not know: it walks the primary key from one to the next, and
# never the records. Partitions of later positions are left alone: each would sort the array for itself.
_RECORDS: Final[LiteralString] = f"""
SELECT r.position, r.event_id, r.recorded_at, r.head, r.what, r."where", r.why, r.how, r.more, r.type, r.visibility
  FROM ledger.record r
 WHERE r.ledger_id = %(ledger)s AND r.position = ANY({{positions}}) AND r.position <= %(known_at)s
   AND {let_through("r.visibility")}
"""
# Most events only observe things. Canonical JSON writes a member in one way, so bytes can tell which do: those that
# remain are all of which `SeenEvent.ties` is true, and perhaps some more.
_TIES_THINGS: Final[LiteralString] = f"""
       (r.type NOT IN ('{OBJECT_EVENT}', '{TRANSACTION_EVENT}')
        OR (r.type = '{OBJECT_EVENT}' AND position('"action":"OBSERVE"'::bytea IN r.head) = 0)
        OR (position('/10/'::bytea IN r.what) > 0
            AND (position('/21/'::bytea IN r.what) > 0 OR position('/8006/'::bytea IN r.what) > 0)))
"""
_TYING: Final[LiteralString] = f"AND {_TIES_THINGS}"
_STEP: Final[LiteralString] = _word("bizStep")
_DISPOSITION: Final[LiteralString] = _word("disposition")
_DOING: Final[LiteralString] = f"""
   AND ({_TIES_THINGS}
        OR {_STEP} = ANY(%(steps)s) OR {_STEP} ~ %(sending_back)s
        OR {_DISPOSITION} = ANY(%(dispositions)s)
        OR ({_DISPOSITION} = '{IN_TRANSIT}' AND position('_party"'::bytea IN r.why) > 0))
"""
WHAT_IS_A_DEED: Final = {
    "steps": sorted(STEPS),
    "sending_back": f"(^|[:/])({'|'.join(sorted(SENDING_BACK))})$",
    "dispositions": sorted(DISPOSITIONS),
}
# Parameters come as subqueries too. Of an array that the planner knows it looks up every element in its statistics; and
# where it thinks that knowing one pays, it plans each question anew, which takes longer than to answer it.
_TAGGED: Final[LiteralString] = """
SELECT position FROM ledger.posting
 WHERE ledger_id = %(ledger)s AND tag = ANY((SELECT %(tags)s)::bigint[]) AND position <= %(known_at)s
"""
# Of each thing, by number, the instants at which its windows begin, and ahead of which they end, in order: what an odd
# number of them came before or with is in a window. Two things may have one hash.
_WINDOWS: Final[LiteralString] = """
SELECT w.tag, w.number, array_agg(w.bound ORDER BY w.bound) AS bounds
  FROM unnest((SELECT %(during)s::bigint[]), (SELECT %(numbers)s::bigint[]), (SELECT %(bounds)s::bigint[]))
       w(tag, number, bound)
 GROUP BY w.tag, w.number
"""
_IN_WINDOW: Final[LiteralString] = "width_bucket({at}, a.bounds) %% 2 = 1"
_POSTINGS: Final[LiteralString] = """
 CROSS JOIN LATERAL (
       SELECT p.position FROM ledger.posting p
        WHERE p.ledger_id = %(ledger)s AND p.tag = a.tag AND p.position <= %(known_at)s
       OFFSET 0) p
"""
# The postings first, then the times at all of their positions at once: the planner would rather read all that happened
# in a window, which on a day of many events is most of them. Of `asked`: a tag, a number and the bounds of its windows.
_POSTED: Final[LiteralString] = f"""
posted AS MATERIALIZED (SELECT a.number, p.position FROM asked a {_POSTINGS} WHERE NOT a.inside)
"""
# The bounds are joined last: the planner, which does not know how many there are, would copy them for every posting.
_DURING: Final[LiteralString] = f"""
SELECT p.position
  FROM (SELECT p.number, p.position, s.occurred_at, s.decides FROM posted p
          JOIN (SELECT s.position, s.occurred_at,
                       s.biz_step IS NULL AND s.disposition IS NULL AND s.event = 0 AS decides
                  FROM ledger.sighting s
                 WHERE s.ledger_id = %(ledger)s AND s.position = ANY(ARRAY(SELECT DISTINCT position FROM posted))
                   AND {let_through("s.visibility")}
                OFFSET 0) s ON s.position = p.position
        OFFSET 0) p
  JOIN asked a ON a.number = p.number
 WHERE {_IN_WINDOW.format(at="p.occurred_at")}
"""
# A thing that was never a child has no interval that anything could end: only what happens to it in a window matters.
_IN_WINDOWS: Final[LiteralString] = f"""
WITH asked AS MATERIALIZED (
    SELECT a.tag, a.number, a.bounds,
           EXISTS (SELECT FROM ledger.mark m
                    WHERE m.ledger_id = %(ledger)s AND m.child = a.tag AND m.position <= %(known_at)s) AS inside
      FROM ({_WINDOWS}) a),
always AS (SELECT a.tag, p.position FROM asked a {_POSTINGS} WHERE a.inside)
"""
# Decisions, which have no step, disposition or eventID, matter whenever they were made.
_EVENTS_IN_WINDOWS: Final[LiteralString] = f"""
{_IN_WINDOWS}, {_POSTED}
SELECT position FROM always
 UNION ALL
{_DURING} OR p.decides
"""
# Who is mentioned as a child has a mark as a child, so that no collision of hashes leaves out what should be found.
_TIES_IN_WINDOWS: Final[LiteralString] = f"""
{_IN_WINDOWS}
(SELECT tag, position FROM always
 EXCEPT
 (SELECT m.parent, m.position FROM asked a
    JOIN ledger.mark m ON m.ledger_id = %(ledger)s AND m.parent = a.tag WHERE a.inside
  EXCEPT
  SELECT m.child, m.position FROM asked a
    JOIN ledger.mark m ON m.ledger_id = %(ledger)s AND m.child = a.tag WHERE a.inside))
 UNION ALL
SELECT a.tag, within.position FROM asked a
 CROSS JOIN LATERAL (
       SELECT e.position FROM ledger.edge e
        WHERE e.ledger_id = %(ledger)s AND e.node = a.tag AND e.position <= %(known_at)s
          AND {_IN_WINDOW.format(at="e.occurred_at")}
       OFFSET 0) within
 WHERE NOT a.inside
"""
_WITHIN: Final[LiteralString] = f"""
WITH asked AS MATERIALIZED (SELECT a.*, false AS inside FROM ({_WINDOWS}) a), {_POSTED}
{_DURING}
"""
FIRST_TAGGED: Final[LiteralString] = """
SELECT a.number, tagged.position
  FROM unnest(%(tags)s::bigint[], %(after)s::bigint[]) WITH ORDINALITY a(tag, after, number)
 CROSS JOIN LATERAL (
       SELECT p.position FROM ledger.posting p
        WHERE p.ledger_id = %(ledger)s AND p.tag = a.tag AND p.position > a.after AND p.position <= %(known_at)s
        ORDER BY p.position LIMIT %(most)s) tagged
"""


# Each position once: every partition sorts the array.
_ALL: Final[LiteralString] = "ARRAY(SELECT DISTINCT position FROM ({hits}) hit)"
_OTHERS: Final[LiteralString] = (
    "ARRAY(SELECT position FROM ({hits}) hit EXCEPT SELECT unnest((SELECT %(but)s::bigint[])))"
)


def _records(hits: LiteralString, tying: LiteralString = "", positions: LiteralString = _ALL) -> LiteralString:
    return _RECORDS.format(positions=positions.format(hits=hits)) + tying


AT: Final = _RECORDS.format(positions="%(positions)s")


class Statements(NamedTuple):
    """For what is asked for by tags, in windows, and in both ways at once: each statement takes time of its own.

    `decisions` tells whether those about things in windows are found, too.
    """

    decisions: bool
    tagged: LiteralString
    within: LiteralString
    both: LiteralString


def _statements(within: LiteralString, *more: LiteralString) -> Statements:
    both: LiteralString = f"{_TAGGED} UNION ALL SELECT position FROM ({within}) within"
    statements = (_records(hits, *more) for hits in (_TAGGED, within, both))
    return Statements(within is _EVENTS_IN_WINDOWS, *statements)


EVENTS: Final = _statements(_EVENTS_IN_WINDOWS)
TIES: Final = _statements(_TIES_IN_WINDOWS, _TYING, _OTHERS)
DOINGS: Final = _statements(_EVENTS_IN_WINDOWS, _DOING, _OTHERS)
EVERY: Final = _statements(_EVENTS_IN_WINDOWS, "", _OTHERS)
TIES_WITHIN: Final = _records(_WITHIN, _TYING)

EMPTIED: Final[LiteralString] = f"""
WITH emptied AS MATERIALIZED (
    SELECT a.number, emptied.occurred_at, emptied.position
      FROM unnest((SELECT %(tags)s::bigint[]), (SELECT %(after)s::bigint[])) WITH ORDINALITY a(tag, after, number)
     CROSS JOIN LATERAL (
           SELECT m.occurred_at, m.position FROM ledger.mark m
            WHERE m.ledger_id = %(ledger)s AND m.parent = a.tag AND m.child = 0 AND m.kind = (SELECT %(kind)s::"char")
              AND {let_through("m.visibility")}
              AND m.position <= (SELECT %(known_at)s::bigint) AND m.occurred_at > a.after
            ORDER BY m.occurred_at FETCH FIRST ROW WITH TIES) emptied)
SELECT r.*, emptied.number, emptied.occurred_at
  FROM emptied JOIN ({_records("SELECT position FROM emptied")}) r ON r.position = emptied.position
"""


def _depths(of: LiteralString, to: LiteralString) -> LiteralString:
    """Return the SQL for how deep containment leads from things: from all of each of their `numbers`, in order."""
    return f"""
WITH RECURSIVE reached(number, depth, thing) AS (
    SELECT a.number, 0::bigint, a.tag
      FROM unnest((SELECT %(things)s::bigint[]), (SELECT %(numbers)s::bigint[])) a(tag, number)
     UNION
    SELECT r.number, r.depth + 1, m.{to}
      FROM reached r
      JOIN ledger.mark m ON m.ledger_id = %(ledger)s AND m.{of} = r.thing AND m.opens AND m.child <> 0
                        AND m.kind = '{MarkKind.CONTAINMENT.value}'::"char" AND m.position <= %(known_at)s
     WHERE r.depth < %(most)s)
SELECT max(depth) FROM reached GROUP BY number ORDER BY number
"""


INWARD: Final = _depths("parent", "child")
OUTWARD: Final = _depths("child", "parent")
