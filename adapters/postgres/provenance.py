"""The provenance index in PostgreSQL: positions from the narrow tables, then the records at them.

Hits are limited to the positions that are asked about. Whether the reader may see one is decided by the visibility in
its narrow row, so no record that is hidden from the reader leaves the database; and every hit is checked against the
tags of what the reader sees: neither a collision of hashes nor a tag of a hidden part finds an event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, LiteralString

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.visibility import PostgresVisibility
from traceability.errors import InvalidInputError
from traceability.ledger.access import ITEM, Reader
from traceability.supply_chain.seen import (
    EPCIS_TYPES,
    OBJECT_EVENT,
    TRANSACTION_EVENT,
    Row,
    SeenEvent,
    counting,
    see_row,
    things_named,
    with_declarations,
)
from traceability.supply_chain.windows import Window

_TAGGED: Final[LiteralString] = """
SELECT tag, position, visibility FROM ledger.posting
 WHERE ledger_id = %(ledger)s AND tag = ANY(%(tags)s::bigint[]) AND position <= %(known_at)s
"""
# Most events only observe things. Canonical JSON writes a member in one way, so bytes can tell which do: those that
# remain are all of which `SeenEvent.ties` is true, and perhaps some more. A thousand hits may be of one event of a
# thousand items, which is unpacked once. An array, whose length the planner does not know: it walks the primary key
# from one position to the next, and never the records.
_TYING: Final[LiteralString] = f"""
SELECT tag, position, visibility
  FROM hit
  JOIN (SELECT r.position
          FROM ledger.record r
         WHERE r.ledger_id = %(ledger)s AND r.position = ANY((SELECT array_agg(DISTINCT position) FROM hit)::bigint[])
           AND (r.type NOT IN ('{OBJECT_EVENT}', '{TRANSACTION_EVENT}')
                OR (r.type = '{OBJECT_EVENT}' AND position('"action":"OBSERVE"'::bytea IN r.head) = 0)
                OR (position('/10/'::bytea IN r.what) > 0
                    AND (position('/21/'::bytea IN r.what) > 0 OR position('/8006/'::bytea IN r.what) > 0)))
        OFFSET 0) tying USING (position)
"""
_TIES: Final[LiteralString] = f"WITH hit AS MATERIALIZED ({_TAGGED}) {_TYING}"
# Who is mentioned as a child has a mark as a child, so that no collision of hashes leaves out what should be found.
_TIES_BUT_AS_PARENTS: Final[LiteralString] = f"""
WITH hit AS MATERIALIZED ({_TAGGED}
   AND (tag, position) NOT IN (
       SELECT parent, position FROM ledger.mark
        WHERE ledger_id = %(ledger)s AND parent = ANY(%(tags)s::bigint[])
       EXCEPT
       SELECT child, position FROM ledger.mark
        WHERE ledger_id = %(ledger)s AND child = ANY(%(tags)s::bigint[])))
{_TYING}"""
# A thing that was never a child, as far as the reader may see, has no interval that anything could end: only what
# happens to it in the window matters.
_INSIDE: Final[LiteralString] = """
SELECT child, position, visibility FROM ledger.mark
 WHERE ledger_id = %(ledger)s AND child = ANY(%(tags)s::bigint[]) AND position <= %(known_at)s
"""
_PASSING: Final[LiteralString] = """
SELECT w.node, passing.position, passing.visibility
  FROM unnest(%(tags)s::bigint[], %(firsts)s::bigint[], %(lasts)s::bigint[]) w(node, first, last)
 CROSS JOIN LATERAL (
       SELECT e.position, e.visibility FROM ledger.edge e
        WHERE e.ledger_id = %(ledger)s AND e.node = w.node AND e.occurred_at BETWEEN w.first AND w.last
          AND e.position <= %(known_at)s
       OFFSET 0) passing
"""
_WITNESSED: Final[LiteralString] = """
SELECT w.tag, witnessed.position, witnessed.visibility
  FROM unnest(%(tags)s::bigint[], %(firsts)s::bigint[], %(lasts)s::bigint[]) w(tag, first, last)
 CROSS JOIN LATERAL (
       SELECT p.position, p.visibility FROM ledger.posting p
         JOIN ledger.sighting s ON s.ledger_id = p.ledger_id AND s.position = p.position
        WHERE p.ledger_id = %(ledger)s AND p.tag = w.tag AND p.position <= %(known_at)s
          AND s.occurred_at BETWEEN w.first AND w.last
       OFFSET 0) witnessed
"""
_EMPTIED: Final[LiteralString] = """
SELECT parent, position, visibility FROM ledger.mark
 WHERE ledger_id = %(ledger)s AND parent = ANY(%(tags)s::bigint[]) AND position <= %(known_at)s AND child = 0
"""
# The personal part and the bytes as received tell nothing about things, and may be long: they are left where they are.
# The positions are known, so the planner cannot choose to walk the records instead. Declarations are few and have an
# index of their own, so to look for those of every event costs next to nothing.
_RECORDS: Final[LiteralString] = """
SELECT r.position, r.event_id, r.recorded_at, r.head, r.what, r."where", r.why, r.how, r.more, r.type, r.visibility,
       (SELECT array_agg(d.position)
          FROM ledger.sighting s
          JOIN ledger.sighting d ON d.ledger_id = s.ledger_id AND d.event = s.event AND d.retracts
         WHERE s.ledger_id = r.ledger_id AND s.position = r.position AND s.event <> 0)
  FROM ledger.record r
 WHERE r.ledger_id = %s AND r.position = ANY(%s::bigint[])
"""
_ROW: Final = len(Row._fields)
_GLIMPSE: Final = 64
"""Events that are read at once to see whether anything is known of things."""


class PostgresProvenance:
    """One reader's view of a ledger for one question; raises `InvalidInputError` for a `known_at` yet to come."""

    def __init__(
        self, ledger: PostgresLedger, visibility: PostgresVisibility, *, reader: Reader, known_at: int | None = None
    ) -> None:
        head = ledger.head()
        if known_at is not None and not 0 <= known_at <= head:
            raise InvalidInputError(
                f"The ledger has {head} events: nothing is known at position {known_at}.",
                code="provenance.known_at",
                hint=f"Give a position from 0 to {head}, or none for all that is known.",
            )
        self._ledger = ledger
        self._known_at = head if known_at is None else known_at
        # Taken after the head: whatever was committed up to it has its visibility there.
        self._extents = visibility.extents(reader)
        self._asked: set[str] = set()
        self._found: dict[LiteralString, dict[str, list[int]]] = {}
        self._seen: dict[int, SeenEvent | None] = {}
        self._declarations: dict[int, list[int]] = {}
        self._partly_open: dict[int, tuple[Row, frozenset[str]]] = {}

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        return self._known_at

    def events(self, tags: Collection[str], during: Mapping[str, Window] | None = None) -> list[SeenEvent]:
        """Return the events that carry any of these tags, and what retracts them."""
        self._asked |= things_named((*tags, *(during or ())))
        hits = self._hits(_TAGGED, tags)
        if during:
            self._add_hits_during(during, hits, always=_TAGGED, within=_WITNESSED)
        return self._with_declarations([event for event, _ in self._carrying(hits)])

    def ties(
        self, tags: Collection[str], during: Mapping[str, Window] | None = None
    ) -> list[tuple[SeenEvent, Collection[str]]]:
        """Return the events that count and may tie things together, each with those of the tags that it carries."""
        self._asked |= things_named((*tags, *(during or ())))
        hits = self._hits(_TIES, tags)
        if during:
            self._add_hits_during(during, hits, always=_TIES_BUT_AS_PARENTS, within=_PASSING)
        found = [(event, carried) for event, carried in self._carrying(hits) if event.ties]
        if not self._declarations:
            return found
        count = {event.position for event in counting(self._with_declarations([event for event, _ in found]))}
        return [(event, carried) for event, carried in found if event.position in count]

    def known(self, things: Collection[str], as_of: int | None = None) -> set[str]:
        """Return those of these things that an event that counts names, or names a member of."""
        self._asked.update(things)
        tags = {tag: thing for thing in things for tag in (f"item:{thing}", f"lot:{thing}")}
        hits = self._hits(_TAGGED, tags)
        found: set[str] = set()
        # One event will do, so few are read at once: a lot may have thousands.
        for some in _batched(hits, _GLIMPSE):
            unknown = {at: tags_at for at in some if (tags_at := [tag for tag in hits[at] if tags[tag] not in found])}
            carrying = list(self._carrying(unknown))
            count = {event.position for event in counting(self._with_declarations([event for event, _ in carrying]))}
            for event, carried in carrying:
                if event.position in count and (as_of is None or event.occurred_at <= as_of):
                    found.update(tags[tag] for tag in carried)
            if len(found) == len(set(things)):
                break
        return found

    def emptyings(self, parents: Collection[str]) -> list[SeenEvent]:
        """Return the events that close everything at once of these parents, and what retracts them."""
        events = self._read(self._hits(_EMPTIED, parents))
        return self._with_declarations(
            [e for e in events if e.empties and any(f"item:{parent}" in parents for parent in e.parents)]
        )

    def _carrying(self, hits: Mapping[int, list[str]]) -> Iterator[tuple[SeenEvent, Collection[str]]]:
        # By position: of what says the same, folds may keep what they are told first.
        for event in self._read(sorted(hits)):
            carried = hits[event.position]
            # Nearly always one of few items, which needs no more than a look.
            things = event.things if event.small else ()
            if carried := [tag for tag in carried if tag.removeprefix("item:") in things or event.carries(tag)]:
                yield event, carried

    def _with_declarations(self, events: list[SeenEvent]) -> list[SeenEvent]:
        if not self._declarations:
            return events
        positions = {p for event in events for p in self._declarations.get(event.position, ())}
        return with_declarations(events, self._at(positions))

    def _hits(self, query: LiteralString, tags: Collection[str]) -> dict[int, list[str]]:
        """Return by position of the events that may be meant the tags that they may carry.

        What was found before is found again without the database: `known_at` stands still.
        """
        found = self._found.setdefault(query, {})
        missing = [tag for tag in tags if tag not in found]
        if missing:
            found.update((tag, []) for tag in missing)
            for tag, position in self._search(query, missing):
                found[tag].append(position)
        hits: dict[int, list[str]] = defaultdict(list)
        for tag in tags:
            for position in found[tag]:
                hits[position].append(tag)
        return hits

    def _add_hits_during(
        self, windows: Mapping[str, Window], hits: dict[int, list[str]], *, always: LiteralString, within: LiteralString
    ) -> None:
        inside = {tag for tag, _ in self._search(_INSIDE, windows)}
        found = [(tag, position) for position, tags in self._hits(always, inside).items() for tag in tags]
        others = [tag for tag in windows if tag not in inside]
        bounds = {"firsts": [windows[tag].first for tag in others], "lasts": [windows[tag].last for tag in others]}
        for tag, position in (*found, *self._search(within, others, **bounds)):
            if tag not in (tags := hits.setdefault(position, [])):
                tags.append(tag)

    def _search(self, query: LiteralString, tags: Collection[str], **bounds: list[int]) -> list[tuple[str, int]]:
        """Return tag and position of what may be a hit and may be seen; two tags of one hash share its hits."""
        if not tags:
            return []
        hash_of = self._ledger.rules.tag_hash
        hashes = [hash_of(tag) for tag in tags]
        meant: dict[int, list[str]] = {}
        for hashed, tag in zip(hashes, tags, strict=True):
            meant.setdefault(hashed, []).append(tag)
        parameters = {"ledger": self._ledger.ledger_id, "tags": hashes, "known_at": self._known_at, **bounds}
        extents = self._extents
        with self._ledger.pool.connection() as connection:
            rows = connection.execute(query, parameters, binary=True).fetchall()
        return [
            (tag, position) for hashed, position, visibility in rows if visibility in extents for tag in meant[hashed]
        ]

    def _read(self, positions: Collection[int]) -> list[SeenEvent]:
        """Return what the reader sees at these positions; read those not seen yet, and what may retract them."""
        unread = [position for position in positions if position not in self._seen]
        if unread:
            with self._ledger.pool.connection() as connection:
                while unread:
                    unread.sort()
                    rows = connection.execute(_RECORDS, [self._ledger.ledger_id, unread], binary=True).fetchall()
                    declared: set[int] = set()
                    for record in rows:
                        row, (event_type, visibility, declarations) = Row._make(record[:_ROW]), record[_ROW:]
                        declared.update(self._see(row, event_type, visibility, declarations))
                    unread = [position for position in declared if position not in self._seen]
        return self._at(positions)

    def _see(self, row: Row, event_type: str, visibility: int, declarations: list[int] | None) -> Collection[int]:
        """Keep what the reader sees of a record; return the positions of what may retract it."""
        extent = self._extents.get(visibility)
        if extent is None or event_type not in EPCIS_TYPES:
            self._seen[row.position] = None
            return ()
        self._seen[row.position] = see_row(row, extent, self._asked)
        if ITEM in extent and "what" not in extent:
            self._partly_open[row.position] = row, extent
        if declarations is None:
            return ()
        known = [position for position in declarations if position <= self._known_at]
        if known:
            self._declarations[row.position] = known
        return known

    def _at(self, positions: Iterable[int]) -> list[SeenEvent]:
        """Return what is seen at positions, as far as anything is."""
        found = []
        for position in positions:
            # An event of which only named items are shown looks different after the next name.
            if self._partly_open and position in self._partly_open:
                self._seen[position] = see_row(*self._partly_open[position], self._asked)
            if (event := self._seen[position]) is not None:
                found.append(event)
        return found


def _batched(positions: Iterable[int], size: int) -> Iterator[list[int]]:
    remaining = iter(positions)
    while some := list(islice(remaining, size)):
        yield some
