"""The statements of `adapters.postgres.event_query`, for one order and the conditions that the narrow tables decide.

All of them give candidates `(occurred_at, position, hit)` in the order of the answer, from behind the place `(at,
place)`, as parameters of one name each. `OFFSET 0` keeps the planner from turning probes of an index into a scan of
the table, whatever it thinks of the sizes (limits.md, trap 10).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from traceability.gs1.epcis.query.conditions import Declares, OneOf
from traceability.gs1.epcis.query.event_query import EventQuery, Order
from traceability.gs1.epcis.strict_json import dumps

MOST_TEXTS = 16
"""Alternatives that are looked for in the bytes of a record; of more, the event itself is read."""

# Positions are in the order of recorded_at, so the bounds of a span are found by halving.
LAST_BEFORE = """
WITH RECURSIVE search(low, high) AS (
    SELECT 0::bigint, %(head)s::bigint
     UNION ALL
    SELECT CASE WHEN r.recorded_at < %(time)s THEN s.middle ELSE s.low END,
           CASE WHEN r.recorded_at < %(time)s THEN s.high ELSE s.middle - 1 END
      FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM search WHERE low < high) s
     CROSS JOIN LATERAL (SELECT recorded_at FROM ledger.record
                          WHERE ledger_id = %(ledger)s AND position = s.middle OFFSET 0) r)
SELECT low FROM search WHERE low = high
"""

_COUNT = """
(SELECT count(*) FROM (SELECT FROM ledger.posting WHERE ledger_id = %(ledger)s AND tag = ANY({tags})
                        LIMIT %(limit)s + 1) counted)
"""

# Of thousands of tags few may occur: which they are is worth as much as how often.
_OCCURRING = """
(SELECT coalesce(array_agg(tag), '{{}}')
   FROM (SELECT tag FROM ledger.posting WHERE ledger_id = %(ledger)s AND tag = ANY({tags})
          LIMIT %(limit)s + 1) occurring)
"""

_IN_SCOPE = (
    "s.ledger_id = %(ledger)s AND s.position > %(low)s AND s.position <= %(high)s"
    " AND s.occurred_at >= %(since)s AND s.occurred_at < %(until)s"
)
_BEHIND = {
    Order.EVENT_TIME: "(s.occurred_at, s.position) {past} (%(at)s::bigint, %(place)s::bigint)",
    Order.RECORD_TIME: "s.position {past} %(place)s",
}
_SORTED = {
    Order.EVENT_TIME: "occurred_at {way}, position {way}",
    Order.RECORD_TIME: "position {way}",
}
# The first `stride` events of each visibility; the last of them tells how far they reach. `edge` is as far as `size`
# events reach at least, so nothing behind it has to be merged, and more is taken only from who reaches it with all.
_MERGED = """
WITH near AS MATERIALIZED (
    SELECT v.id, s.*
      FROM unnest(%(visible)s::bigint[]) v(id)
     CROSS JOIN LATERAL (SELECT {columns} FROM ledger.sighting s
                          WHERE {scope} AND {behind} AND s.visibility = v.id
                          ORDER BY {sorted} LIMIT %(stride)s) s
), reach AS MATERIALIZED (
    SELECT id, {furthest}(occurred_at) AS occurred_at FROM near GROUP BY id HAVING count(*) = %(stride)s
), edge AS MATERIALIZED (
    SELECT CASE WHEN count(*) < %(rank)s THEN {last} ELSE {furthest}(occurred_at) END AS occurred_at
      FROM (SELECT occurred_at FROM reach ORDER BY 1 {way} LIMIT %(rank)s) r
), merged AS MATERIALIZED (
    SELECT {columns} FROM near s CROSS JOIN edge WHERE s.occurred_at {within} edge.occurred_at
     UNION ALL
    SELECT s.*
      FROM reach CROSS JOIN edge
     CROSS JOIN LATERAL (SELECT {columns} FROM ledger.sighting s
                          WHERE {scope} AND {behind} AND s.visibility = reach.id
                            AND s.occurred_at {within} edge.occurred_at
                          ORDER BY {sorted} OFFSET %(stride)s LIMIT %(size)s) s
     WHERE reach.occurred_at {within} edge.occurred_at
     ORDER BY {sorted} LIMIT %(size)s)
SELECT s.occurred_at, s.position, {hit} AND {read} FROM merged s ORDER BY {sorted}
"""
_WALKED = """
WITH walked AS MATERIALIZED (
    SELECT {columns} FROM ledger.sighting s
     WHERE {scope} AND {behind} AND s.position BETWEEN %(first)s AND %(last)s
       AND s.visibility = ANY(%(visible)s::bigint[])
     ORDER BY {sorted} LIMIT %(size)s)
SELECT s.occurred_at, s.position, {hit} AND {read} FROM walked s ORDER BY {sorted}
"""
_POSTED = """
WITH posted AS MATERIALIZED (
    SELECT DISTINCT position FROM ledger.posting
     WHERE ledger_id = %(ledger)s AND tag = ANY({tags}) AND position > %(low)s
       AND position <= %(high)s AND visibility = ANY(%(visible)s::bigint[])
), placed AS MATERIALIZED (
    SELECT s.* FROM posted
     CROSS JOIN LATERAL (SELECT {columns} FROM ledger.sighting s
                          WHERE {scope} AND {behind} AND s.position = posted.position OFFSET 0) s
), first AS MATERIALIZED (SELECT * FROM placed s WHERE {hit} ORDER BY {sorted} LIMIT %(size)s)
SELECT s.occurred_at, s.position, {read} FROM first s ORDER BY {sorted}
"""
_HAS_TAG = (
    "EXISTS (SELECT FROM ledger.posting p WHERE p.ledger_id = %(ledger)s AND p.tag = ANY({tags})"
    " AND p.position = s.position OFFSET 0)"
)
# What no index knows is looked up in the record, for as few candidates as are wanted.
_READ = (
    "EXISTS (SELECT FROM ledger.record r WHERE r.ledger_id = %(ledger)s AND r.position = s.position"
    " AND {checks} OFFSET 0)"
)
_OF_TYPE = "r.type = ANY(%(types)s::text[])"
_HAS_TEXT = 'EXISTS (SELECT FROM unnest(%(texts{i})s::bytea[]) t(x) WHERE position(t.x IN r."{part}") > 0)'


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one query whose conditions have `groups` sets of tags.

    Candidates are not asked for the tags of a `wide` set: that is one probe for each.
    """

    query: EventQuery
    groups: int
    wide: frozenset[int] = frozenset()
    parameters: Mapping[str, Any] = field(init=False)
    reads: str | None = field(init=False)

    def __post_init__(self) -> None:
        wanted: dict[str, Any] = {}
        checks = []
        for i, condition in enumerate(self.query.conditions):
            match condition:
                case OneOf("disposition", values):
                    wanted["dispositions"] = list(values)
                case OneOf("type", values):
                    wanted["types"] = list(values)
                    checks.append(_OF_TYPE)
                case Declares():
                    wanted["retracts"] = True
            if 0 < len(condition.texts) <= MOST_TEXTS:
                # As they are written in JSON, without the quotes: a text may stand inside another.
                wanted[f"texts{i}"] = [dumps(text)[1:-1] for text in condition.texts]
                checks.append(_HAS_TEXT.format(i=i, part=condition.part))
        object.__setattr__(self, "parameters", wanted)
        object.__setattr__(self, "reads", _READ.format(checks=" AND ".join(checks)) if checks else None)

    def sizes(self, asked: Iterable[int]) -> str:
        """Return how many postings each of these sets has, of a wide one their tags, up to `limit` and one more."""
        parts = ((_OCCURRING if i in self.wide else _COUNT).format(tags=self._tags(i)) for i in asked)
        return "SELECT " + ", ".join(parts)

    @property
    def merged(self) -> str:
        """Return the walk by event time over the visibilities."""
        return self._filled(_MERGED)

    @property
    def walked(self) -> str:
        """Return the walk by record time, over a window of positions."""
        return self._filled(_WALKED)

    def posted(self, driver: int) -> str:
        """Return the candidates out of the postings of one set of tags."""
        return self._filled(_POSTED, driver)

    def _filled(self, template: str, driver: int | None = None) -> str:
        descending = self.query.descending
        words = {
            "past": "<" if descending else ">",
            "within": ">=" if descending else "<=",
            "way": "DESC" if descending else "ASC",
            "furthest": "min" if descending else "max",
            "last": "%(since)s::bigint" if descending else "%(until)s::bigint",
        }
        columns = "s.occurred_at, s.position"
        hits = [_HAS_TAG.format(tags=self._tags(i)) for i in range(self.groups) if i != driver and i not in self.wide]
        if "dispositions" in self.parameters:
            columns += ", s.disposition"
            hits.append("s.disposition = ANY(%(dispositions)s::text[])")
        if "retracts" in self.parameters:
            columns += ", s.retracts"
            hits.append("s.retracts = %(retracts)s")
        return template.format(
            **words,
            scope=_IN_SCOPE,
            behind=_BEHIND[self.query.order].format(**words),
            sorted=_SORTED[self.query.order].format(**words),
            columns=columns,
            hit=f"coalesce({' AND '.join(hits)}, false)" if hits else "true",
            read=self.reads or "true",
            tags="" if driver is None else self._tags(driver),
        )

    def _tags(self, group: int) -> str:
        # The planner compares a list that it knows with the most common tags, each with each: keep a long one from it.
        return f"(SELECT %(tags{group})s::bigint[])::bigint[]" if group in self.wide else f"%(tags{group})s::bigint[]"
