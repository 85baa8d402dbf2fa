"""The provenance index in PostgreSQL: positions from the narrow tables, then the records at them, in one statement.

The hits of a statement are limited to the positions that are asked about. What the reader may not see is dropped where
it arrives; and every record is checked against the names in what the reader sees of it: neither a collision of hashes
nor a tag of a hidden part finds an event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, LiteralString, NamedTuple

from adapters.postgres.arrays import bigints
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.visibility import PostgresVisibility
from traceability.errors import InvalidInputError
from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import MarkKind
from traceability.supply_chain.decisions import DECISION_TYPES, SeenDecision, see_decision
from traceability.supply_chain.deeds import DISPOSITIONS, STEPS, is_deed
from traceability.supply_chain.seen import (
    EPCIS_TYPES,
    MARK_KINDS,
    OBJECT_EVENT,
    TRANSACTION_EVENT,
    Column,
    SeenEvent,
    Subjects,
    see_row,
)
from traceability.supply_chain.standing import counting, with_declarations
from traceability.supply_chain.transfers import IN_TRANSIT, SENDING_BACK
from traceability.supply_chain.windows import Window


def _word(member: LiteralString) -> LiteralString:
    """Return the SQL for the word that is a member of a head, as canonical JSON writes it; empty if there is none."""
    return f"""split_part(split_part(convert_from(r.head, 'UTF8'), '"{member}":"', 2), '"', 1)"""


# The personal part and the bytes as received tell nothing about things, and may be long: they are left where they are.
# The positions are an array, whose length the planner does not know: it walks the primary key from one to the next, and
# never the records.
_RECORDS: Final[LiteralString] = """
SELECT r.position, r.event_id, r.recorded_at, r.head, r.what, r."where", r.why, r.how, r.more, r.type, r.visibility
  FROM ledger.record r
 WHERE r.ledger_id = %(ledger)s AND r.position = ANY({positions})
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
_DEEDS: Final = {
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
# A thing that was never a child has no interval that anything could end: only what happens to it in the window matters.
_IN_WINDOWS: Final[LiteralString] = """
WITH asked AS MATERIALIZED (
    SELECT w.tag, w.first, w.last,
           EXISTS (SELECT FROM ledger.mark m
                    WHERE m.ledger_id = %(ledger)s AND m.child = w.tag AND m.position <= %(known_at)s) AS inside
      FROM unnest((SELECT %(during)s::bigint[]), (SELECT %(firsts)s::bigint[]), (SELECT %(lasts)s::bigint[]))
           w(tag, first, last)),
always AS (
    SELECT a.tag, always.position FROM asked a
     CROSS JOIN LATERAL (
           SELECT p.position FROM ledger.posting p
            WHERE p.ledger_id = %(ledger)s AND p.tag = a.tag AND p.position <= %(known_at)s
           OFFSET 0) always
     WHERE a.inside)
"""
_EVENTS_IN_WINDOWS: Final[LiteralString] = f"""
{_IN_WINDOWS}
SELECT position FROM always
 UNION ALL
SELECT within.position FROM asked a
 CROSS JOIN LATERAL (
       SELECT p.position FROM ledger.posting p
         JOIN ledger.sighting s ON s.ledger_id = p.ledger_id AND s.position = p.position
        WHERE p.ledger_id = %(ledger)s AND p.tag = a.tag AND p.position <= %(known_at)s
          AND s.occurred_at BETWEEN a.first AND a.last
       OFFSET 0) within
 WHERE NOT a.inside
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
        WHERE e.ledger_id = %(ledger)s AND e.node = a.tag AND e.occurred_at BETWEEN a.first AND a.last
          AND e.position <= %(known_at)s
       OFFSET 0) within
 WHERE NOT a.inside
"""
_WITHIN: Final[LiteralString] = """
SELECT within.position
  FROM unnest((SELECT %(during)s::bigint[]), (SELECT %(firsts)s::bigint[]), (SELECT %(lasts)s::bigint[]))
       w(tag, first, last)
 CROSS JOIN LATERAL (
       SELECT p.position FROM ledger.posting p
         JOIN ledger.sighting s ON s.ledger_id = p.ledger_id AND s.position = p.position
        WHERE p.ledger_id = %(ledger)s AND p.tag = w.tag AND p.position <= %(known_at)s
          AND s.occurred_at BETWEEN w.first AND w.last
       OFFSET 0) within
"""
_FIRST_TAGGED: Final[LiteralString] = """
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


_AT: Final = _RECORDS.format(positions="%(positions)s")


class _Statements(NamedTuple):
    """For what is asked for by tags, in windows, and in both ways at once: each statement takes time of its own."""

    tagged: LiteralString
    within: LiteralString
    both: LiteralString


def _statements(within: LiteralString, *more: LiteralString) -> _Statements:
    both: LiteralString = f"{_TAGGED} UNION ALL SELECT position FROM ({within}) within"
    return _Statements(*(_records(hits, *more) for hits in (_TAGGED, within, both)))


_EVENTS: Final = _statements(_EVENTS_IN_WINDOWS)
_TIES: Final = _statements(_TIES_IN_WINDOWS, _TYING, _OTHERS)
_DOINGS: Final = _statements(_EVENTS_IN_WINDOWS, _DOING, _OTHERS)
_EVERY: Final = _statements(_EVENTS_IN_WINDOWS, "", _OTHERS)
_TIES_WITHIN: Final = _records(_WITHIN, _TYING)

_EMPTIED: Final[LiteralString] = f"""
WITH emptied AS MATERIALIZED (
    SELECT a.number, emptied.occurred_at, emptied.position
      FROM unnest((SELECT %(tags)s::bigint[]), (SELECT %(after)s::bigint[])) WITH ORDINALITY a(tag, after, number)
     CROSS JOIN LATERAL (
           SELECT m.occurred_at, m.position FROM ledger.mark m
            WHERE m.ledger_id = %(ledger)s AND m.parent = a.tag AND m.child = 0 AND m.kind = (SELECT %(kind)s::"char")
              AND m.position <= (SELECT %(known_at)s::bigint) AND m.occurred_at > a.after
            ORDER BY m.occurred_at FETCH FIRST ROW WITH TIES) emptied)
SELECT r.*, emptied.number, emptied.occurred_at
  FROM emptied JOIN ({_records("SELECT position FROM emptied")}) r ON r.position = emptied.position
"""


_NESTING: Final[LiteralString] = f"""
WITH RECURSIVE inward(depth, thing) AS (
    SELECT 0::bigint, unnest((SELECT %(things)s::bigint[]))
     UNION
    SELECT i.depth + 1, m.child
      FROM inward i
      JOIN ledger.mark m ON m.ledger_id = %(ledger)s AND m.parent = i.thing AND m.opens AND m.child <> 0
                        AND m.kind = '{MarkKind.CONTAINMENT.value}'::"char" AND m.position <= %(known_at)s
     WHERE i.depth < %(most)s)
SELECT max(depth) FROM inward
"""


class PostgresProvenance:
    """One reader's view of a ledger for one question; raises `InvalidInputError` for a `known_at` yet to come."""

    def __init__(
        self, ledger: PostgresLedger, visibility: PostgresVisibility, *, reader: Reader, known_at: int | None = None
    ) -> None:
        head, self._extents, self._declared = visibility.view(reader)
        if known_at is not None and not 0 <= known_at <= head:
            raise InvalidInputError(
                f"The ledger has {head} events: nothing is known at position {known_at}.",
                code="provenance.known_at",
                hint=f"Give a position from 0 to {head}, or none for all that is known.",
            )
        self._ledger = ledger
        self._known_at = head if known_at is None else known_at
        self._asked: set[str] = set()
        self._seen: dict[int, SeenEvent | None] = {}
        self._decided: set[str] = set()
        self._decisions: dict[int, SeenDecision] = {}
        self._declarations: dict[int, list[int]] = {}
        self._partly_open: dict[int, tuple[tuple[Any, ...], frozenset[str]]] = {}

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        return self._known_at

    def events(self, asked: Subjects, during: Mapping[str, Window] | None = None) -> list[SeenEvent]:
        """Return the events that concern what is asked for, and what retracts them."""
        return self._with_declarations(self._concerning(asked, during or {}, _EVENTS))

    def ties(
        self, asked: Subjects, during: Mapping[str, Window] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count, concern what is asked for and may tie things together."""
        found = self._concerning(asked, during or {}, _TIES, but=bigints(but))
        return self._counting([event for event in found if event.ties])

    def deeds(
        self, asked: Subjects, during: Mapping[str, Window] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return what `ties` does, and what else moves custody or ends things."""
        found = self._concerning(asked, during or {}, _DOINGS, but=bigints(but), **_DEEDS)
        return self._counting([event for event in found if event.ties or is_deed(event)])

    def counting(
        self, asked: Subjects, during: Mapping[str, Window] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count and concern what is asked for."""
        return self._counting(self._concerning(asked, during or {}, _EVERY, but=bigints(but)))

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go, at most `most`."""
        ((depth,),) = self._rows(_NESTING, things=self._hashes(f"item:{thing}" for thing in things), most=most)
        return int(depth)

    def leavings(self, within: Mapping[str, Window]) -> list[SeenEvent]:
        """Return the events that count, concern one of these things in its window and may tie things together."""
        self._asked.update(within)
        asked, again = Subjects(things=within.keys()), [*self._partly_open]
        found = self._see(self._rows(_TIES_WITHIN, **self._windows(within)))
        once = {event.position: event for event in (*self._at(again), *found)}.values()
        return self._counting([event for event in once if event.ties and event.concerns(asked)])

    def decisions(self, things: Collection[str]) -> list[SeenDecision]:
        """Return the decisions about these things, which came with their events."""
        if unread := {thing for thing in things if thing not in self._decided}:
            self.events(Subjects(unread))
        return [one for one in self._decisions.values() if not one.decided_about.isdisjoint(things)]

    def known(self, things: Collection[str], as_of: int | None = None) -> set[str]:
        """Return those of these things that an event that counts names, or names a member of."""
        self._asked.update(things)
        tags = {tag: thing for thing in things for tag in (f"item:{thing}", f"lot:{thing}")}
        found: set[str] = set()
        # One event will do, so few are read at first: a lot may have thousands. But the reader may see none of them.
        after, most = dict.fromkeys(tags, 0), 8
        while after:
            asked, most = list(after), 2 * most
            rows = self._rows(_FIRST_TAGGED, tags=self._hashes(asked), after=bigints(after.values()), most=most)
            for event in self._counting(self._read({position for _, position in rows})):
                if as_of is None or event.occurred_at <= as_of:
                    found |= event.things.union(event.lots).intersection(things)
            last = {asked[number - 1]: position for number, position in sorted(rows)}
            after = {tag: position for tag, position in last.items() if tags[tag] not in found}
        return found

    def emptyings(self, kind: MarkKind, after: Collection[tuple[str, int]]) -> list[SeenEvent]:
        """Return what emptied parents first after an instant: the events that count and close everything."""
        self._asked.update(parent for parent, _ in after)
        found: dict[int, SeenEvent] = {}
        unsettled = dict.fromkeys(after)
        while unsettled:
            asked = list(unsettled)
            tags = self._hashes(f"item:{parent}" for parent, _ in asked)
            rows = self._rows(_EMPTIED, tags=tags, after=bigints(at for _, at in asked), kind=kind.value)
            read = self._counting(self._see(rows))
            emptyings = {event.position: event for event in read if event.empties and MARK_KINDS[event.type] is kind}
            settled: set[int] = set()
            for position, *_, number, _ in rows:
                event = emptyings.get(position)
                if event is not None and asked[number - 1][0] in event.parents:
                    found[position] = event
                    settled.add(number)
            # What is hidden, retracted or of another parent with the same hash did not empty it: the next may have.
            unsettled = dict.fromkeys((asked[n - 1][0], at) for *_, n, at in rows if n not in settled)
        return list(found.values())

    def _concerning(
        self, asked: Subjects, during: Mapping[str, Window], statements: _Statements, **more: object
    ) -> list[SeenEvent]:
        self._asked.update(asked.things, asked.lots, during)
        self._decided.update(asked.things, during)
        if not during:
            rows = self._rows(statements.tagged, tags=self._hashes(asked.tags), **more) if any(asked) else []
        elif not any(asked):
            rows = self._rows(statements.within, **self._windows(during), **more)
        else:
            rows = self._rows(statements.both, tags=self._hashes(asked.tags), **self._windows(during), **more)
        concerned = asked._replace(things=asked.things | during.keys())
        return [event for event in self._see(rows) if event.concerns(concerned)]

    def _counting(self, events: list[SeenEvent]) -> list[SeenEvent]:
        if not self._declarations:
            return [event for event in events if not event.declares]
        count = {event.position for event in counting(self._with_declarations(events))}
        return [event for event in events if event.position in count]

    def _with_declarations(self, events: list[SeenEvent]) -> list[SeenEvent]:
        if not self._declarations:
            return events
        return with_declarations(events, self._at({p for e in events for p in self._declarations.get(e.position, ())}))

    def _hashes(self, tags: Iterable[str]) -> object:
        return bigints(map(self._ledger.rules.tag_hash, tags))

    def _windows(self, during: Mapping[str, Window]) -> dict[str, object]:
        return {
            "during": self._hashes(f"item:{thing}" for thing in during),
            "firsts": bigints(window.first for window in during.values()),
            "lasts": bigints(window.last for window in during.values()),
        }

    def _rows(self, query: LiteralString, **parameters: object) -> list[tuple[Any, ...]]:
        given = {"ledger": self._ledger.ledger_id, "known_at": self._known_at, **parameters}
        with self._ledger.pool.connection() as connection:
            return connection.execute(query, given, prepare=True, binary=True).fetchall()

    def _read(self, positions: Collection[int]) -> list[SeenEvent]:
        """Return what the reader sees at these positions; read those not seen yet."""
        if unread := [position for position in positions if position not in self._seen]:
            self._see(self._rows(_AT, positions=bigints(sorted(unread))))
        return self._at(positions)

    def _see(self, rows: Iterable[tuple[Any, ...]]) -> list[SeenEvent]:
        """Keep what the reader sees of records, and of what may retract them; return the former, each once."""
        seen, declared = self._seen, set[int]()
        positions: dict[int, None] = {}
        for row in rows:
            position = row[0]
            positions[position] = None
            if position in seen:
                continue
            extent = self._extents.get(row[_VISIBILITY])
            if extent is None or row[_TYPE] not in EPCIS_TYPES:
                seen[position] = None
                if extent is not None and row[_TYPE] in DECISION_TYPES:
                    self._decide(row, extent)
                continue
            seen[position] = event = see_row(row, extent, self._asked)
            if ITEM in extent and "what" not in extent:
                self._partly_open[position] = row, extent
            if self._declared and (known := self._retracting(event)):
                self._declarations[position] = known
                declared.update(known)
        if declared:
            self._read(declared)
        return self._at(positions)

    def _decide(self, row: tuple[Any, ...], extent: frozenset[str]) -> None:
        decision = see_decision(row, extent)
        if decision is not None:
            self._decisions[decision.position] = decision

    def _retracting(self, event: SeenEvent) -> list[int]:
        """Return the positions of declarations that may retract an event: what they join on has one hash with it."""
        if event.joined is None:
            return []
        # Other questions go on adding to it, later positions.
        declared = self._declared.get(self._ledger.rules.tag_hash(f"event:{event.joined[1]}"), ())
        return [position for position in declared if position <= self._known_at]

    def _at(self, positions: Iterable[int]) -> list[SeenEvent]:
        """Return what is seen at positions, as far as anything is."""
        if not self._partly_open:
            return [event for position in positions if (event := self._seen[position]) is not None]
        found = []
        for position in positions:
            # An event of which only named items are shown looks different after the next name.
            if position in self._partly_open:
                self._seen[position] = see_row(*self._partly_open[position], self._asked)
            if (event := self._seen[position]) is not None:
                found.append(event)
        return found


_TYPE, _VISIBILITY = range(len(Column), len(Column) + 2)
