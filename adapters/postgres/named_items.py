"""The things, lots and classes that events name, each at the first event that names it, in the order of recording.

There are too many of them for a table of their own. The events that a reader may see are walked by position, and an
item is given where no earlier one of them names it: the postings of its tag tell. A request looks at a bounded number
of positions, records and items; where that does not fill a page, the page is short and says where to go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Final, NamedTuple

from psycopg import Connection

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from traceability.gs1.epcis.view import EPCIS_TYPES, read_items
from traceability.gs1.identifiers import item_tag, parse_identifier

WINDOWS: Final = (4_096, 16_384, 65_536, 131_072)
"""Positions that one request walks, batch after batch."""

MAX_RECORDS: Final = 2_048
"""Records that one request reads."""

MAX_ITEMS: Final = 4_096
"""Items that one request looks up, or some more."""

_CHUNKS: Final = (16, 64, 128)
_LOOKED_UP: Final = 64
_BYTES: Final = 4_194_304
# A visibility has the position of its first event.
_FIRST: Final = """
SELECT min(position) FROM ledger.visibility
 WHERE ledger_id = %(ledger)s AND visibility = ANY(%(visible)s::bigint[])
"""
# By position until there are enough (OFFSET 0): the planner takes what is seen for rare, and would sort all of it.
_SEEN: Final = """
SELECT s.position
  FROM (SELECT position, visibility FROM ledger.sighting
         WHERE ledger_id = %(ledger)s AND position >= %(first)s AND position < %(until)s
         ORDER BY position OFFSET 0) s
 WHERE s.visibility = ANY(%(visible)s::bigint[]) ORDER BY s.position LIMIT %(limit)s
"""
# As many as are not behind `bytes` of others: few events are long, but those are very long.
_WHAT: Final = """
SELECT position, type, what
  FROM (SELECT r.*, sum(length(what)) OVER (ORDER BY position) - length(what) AS before
          FROM unnest(%(positions)s::bigint[]) p(at)
         CROSS JOIN LATERAL (SELECT position, type, what FROM ledger.record
                              WHERE ledger_id = %(ledger)s AND position = p.at OFFSET 0) r) sized
 WHERE before < %(bytes)s ORDER BY position
"""
# The next posting from `after` on, below the event at hand: a tag in many events is not read through to find one.
_EARLIER: Final = """
SELECT t.n, p.position FROM unnest(%(tags)s::bigint[], %(after)s::bigint[]) WITH ORDINALITY t(tag, after, n)
 CROSS JOIN LATERAL (SELECT position FROM ledger.posting
                      WHERE ledger_id = %(ledger)s AND tag = t.tag AND position > t.after AND position < %(before)s
                        AND visibility = ANY(%(visible)s::bigint[])
                      ORDER BY position LIMIT 1 OFFSET 0) p
"""


class ItemPlace(NamedTuple):
    """Where a list goes on: at this item, counted from 0, of the event at this position."""

    position: int
    item: int


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Some subjects of items, each for the first time; `next` is None behind the last one."""

    subjects: list[str]
    next: ItemPlace | None


class PostgresNamedItems:
    """The items of one ledger; safe to share between threads."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger

    def page(self, visible: Sequence[int], *, limit: int, start: ItemPlace | None = None) -> ItemPage:
        """Return up to `limit` subjects from the first, or from `start`, of events of these visibilities."""
        head = self._ledger.head()
        with reading(self._ledger.pool) as connection:
            walk = _Walk(connection, self._ledger, list(visible), limit)
            start = start or walk.first()
            return ItemPage([], None) if start is None else walk.run(start, head)


@dataclass(slots=True)
class _Walk:
    """The gathering of one page. `known` are subjects that the page has, or that an earlier event names."""

    connection: Connection
    ledger: PostgresLedger
    visible: list[int]
    limit: int
    found: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    read: int = 0
    looked_up: int = 0

    def first(self) -> ItemPlace | None:
        """Return where the first of these events is, None when there is none."""
        row = self.connection.execute(_FIRST, self._scope(), prepare=False).fetchone()
        assert row is not None
        return None if row[0] is None else ItemPlace(row[0], 0)

    def run(self, start: ItemPlace, head: int) -> ItemPage:
        first = start.position
        chunks = chain(_CHUNKS, repeat(_CHUNKS[-1]))  # the more events there were without a page, the more are likely
        for window in WINDOWS:
            until = min(first + window, head + 1)
            while first < until:
                chunk = next(chunks)
                positions = self._seen(first, until, chunk)
                for events in self._what(positions):
                    stop = self._take(events, start)
                    if stop is not None:
                        return ItemPage(self.found, stop)
                first = positions[-1] + 1 if len(positions) == chunk else until
                if self._is_enough:
                    break
            if first > head:
                return ItemPage(self.found, None)
            if self._is_enough:
                break
        return ItemPage(self.found, ItemPlace(first, 0))

    def _take(self, events: Sequence[tuple[int, bytes]], start: ItemPlace) -> ItemPlace | None:
        """Take the subjects from `start` on that no event before names; return where the page ends, if so.

        What one of these events names before another is known by then, so that all are looked up below the first.
        """
        mentions = self._mentions(events, start)
        while True:
            some, new = self._some(mentions)
            if not some:
                return None
            self.known |= self._named_before(events[0][0], new)
            for place, subject in some:
                if subject in self.known:
                    continue
                if len(self.found) == self.limit:
                    return place
                self.found.append(subject)
                self.known.add(subject)
            if self._is_enough:
                return ItemPlace(place.position, place.item + 1)

    def _mentions(self, events: Sequence[tuple[int, bytes]], start: ItemPlace) -> Iterator[tuple[ItemPlace, str]]:
        """Yield what events name from `start` on, and where."""
        for position, what in events:
            uris = _uris(what)
            at = start.item if position == start.position else 0
            self.known.update(map(_subject, uris[:at]))
            for item in range(at, len(uris)):
                yield ItemPlace(position, item), _subject(uris[item])

    def _some(self, mentions: Iterator[tuple[ItemPlace, str]]) -> tuple[list[tuple[ItemPlace, str]], set[str]]:
        """Return the next mentions, and the subjects among them that have to be looked up."""
        some, new = [], set[str]()
        for place, subject in mentions:
            some.append((place, subject))
            if subject not in self.known:
                new.add(subject)
                if len(new) == _LOOKED_UP:
                    break
        return some, new

    @property
    def _is_enough(self) -> bool:
        return self.read >= MAX_RECORDS or self.looked_up >= MAX_ITEMS

    def _named_before(self, position: int, subjects: Collection[str]) -> set[str]:
        """Return which of the subjects an event before `position` names: a posting may be another's, by its hash."""
        self.looked_up += len(subjects)
        named: set[str] = set()
        after = dict.fromkeys(subjects, 0)
        while after:
            asked = list(after)
            tags = [self.ledger.rules.tag_hash(item_tag(parse_identifier(subject))) for subject in asked]
            scope = self._scope(tags=tags, after=list(after.values()), before=position)
            hits = {asked[n - 1]: at for n, at in self.connection.execute(_EARLIER, scope, prepare=False)}
            for at, what in chain.from_iterable(self._what(sorted(set(hits.values())))):
                named.update(_named_in(what, [subject for subject in hits if hits[subject] == at]))
            after = {subject: at for subject, at in hits.items() if subject not in named}
        return named

    def _seen(self, first: int, until: int, most: int) -> list[int]:
        scope = self._scope(first=first, until=until, limit=most)
        return [position for (position,) in self.connection.execute(_SEEN, scope, prepare=False)]

    def _what(self, positions: Sequence[int]) -> Iterator[list[tuple[int, bytes]]]:
        """Yield the part `what` of the events at these positions that name something, in order, some at a time."""
        left = list(positions)
        while left:
            rows = self.connection.execute(_WHAT, self._scope(positions=left, bytes=_BYTES), binary=True).fetchall()
            left = left[len(rows) :]
            self.read += len(rows)
            yield [(position, what) for position, event_type, what in rows if event_type in EPCIS_TYPES and what]

    def _scope(self, **values: object) -> dict[str, object]:
        return {"ledger": self.ledger.ledger_id, "visible": self.visible, **values}


def _uris(what: bytes) -> list[str]:
    return [item.id for item in read_items(what) if item.list != "transformationID"]


def _subject(uri: str) -> str:
    return parse_identifier(uri).subject


def _named_in(what: bytes, subjects: Collection[str]) -> set[str]:
    """Return which of the subjects an event names; most stand in it as they are, so that it is not read."""
    plain = {subject for subject in subjects if b'"id":"%b"' % subject.encode() in what}
    rest = set(subjects) - plain
    return plain | (rest & set(map(_subject, _uris(what))) if rest else rest)
