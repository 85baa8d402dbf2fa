"""The provenance index in PostgreSQL, as one reader sees it.

What the reader may not see is kept back by its sieve, and the rest of it dropped where it arrives; and every record is
checked against the names in what the reader sees of it: neither a collision of hashes nor a tag of a hidden part finds
an event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, Final, LiteralString

import numpy as np

from adapters.postgres.arrays import Bigints, bigints
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.provenance_sql import (
    AT,
    DOINGS,
    EMPTIED,
    EVENTS,
    EVERY,
    FIRST_TAGGED,
    INWARD,
    OUTWARD,
    TIES,
    TIES_WITHIN,
    WHAT_IS_A_DEED,
    Statements,
)
from adapters.postgres.visibility import PostgresVisibility
from traceability.errors import InvalidInputError
from traceability.gs1.epcis.view import read_event_id
from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import MarkKind
from traceability.supply_chain.decisions import DECISION_TYPES, SeenDecision, see_decision
from traceability.supply_chain.deeds import is_deed
from traceability.supply_chain.seen import (
    EPCIS_TYPES,
    MARK_KINDS,
    Column,
    SeenEvent,
    Subjects,
    see_row,
)
from traceability.supply_chain.standing import counting, with_declarations
from traceability.supply_chain.windows import END, Windows

_MANY: Final = 1024
"""Names from which on the database is asked in two halves at once: it does either on a core of its own."""
_WINDOW: Final = 4
"""Names that take as long to look up as what happened to a thing in its windows."""


class PostgresProvenance:
    """One reader's view of a ledger for one question; raises `InvalidInputError` for a `known_at` yet to come."""

    def __init__(
        self, ledger: PostgresLedger, visibility: PostgresVisibility, *, reader: Reader, known_at: int | None = None
    ) -> None:
        head, self._extents, self._sieve, self._declared = visibility.view(reader)
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
        self._declarations: dict[int, Sequence[int]] = {}
        self._partly_open: dict[int, tuple[tuple[Any, ...], frozenset[str]]] = {}

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        return self._known_at

    def events(self, asked: Subjects, during: Mapping[str, Windows] | None = None) -> list[SeenEvent]:
        """Return the events that concern what is asked for, and what retracts them."""
        return self._with_declarations(self._concerning(asked, during or {}, EVENTS))

    def ties(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count, concern what is asked for and may tie things together."""
        found = self._concerning(asked, during or {}, TIES, but=bigints(but))
        return self._counting([event for event in found if event.ties])

    def deeds(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return what `ties` does, and what else moves custody or ends things."""
        found = self._concerning(asked, during or {}, DOINGS, but=bigints(but), **WHAT_IS_A_DEED)
        return self._counting([event for event in found if event.ties or is_deed(event)])

    def counting(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = ()
    ) -> list[SeenEvent]:
        """Return the events that count and concern what is asked for."""
        return self._counting(self._concerning(asked, during or {}, EVERY, but=bigints(but)))

    def nesting(self, things: Collection[str], most: int) -> int:
        """Return how many containers deep what is in these things may go, at most `most`."""
        return max(self._depths(INWARD, things, [0] * len(things), most), default=0)

    def surrounding(self, things: Collection[str], most: int) -> dict[str, int]:
        """Return how many containers may be around each of these things, at most `most`."""
        # One by one they take the longer the more they have in common, so only when one of them may be that deep.
        deepest = max(self._depths(OUTWARD, things, [0] * len(things), most), default=0)
        if deepest < most:
            return dict.fromkeys(things, deepest)
        return dict(zip(things, self._depths(OUTWARD, things, range(len(things)), most), strict=True))

    def _depths(
        self, statement: LiteralString, things: Collection[str], numbers: Sequence[int], most: int
    ) -> list[int]:
        """Return how deep things of each of these numbers lead."""
        tags = self._hashes(f"item:{thing}" for thing in things)
        return [int(depth) for (depth,) in self._rows(statement, things=tags, numbers=bigints(numbers), most=most)]

    def leavings(self, within: Mapping[str, Windows]) -> list[SeenEvent]:
        """Return the events that count, concern one of these things in its windows and may tie things together."""
        self._asked.update(within)
        asked, again = Subjects(things=within.keys()), [*self._partly_open]
        found = self._see(self._rows(TIES_WITHIN, **self._windows(within)))
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
            rows = self._rows(FIRST_TAGGED, tags=self._hashes(asked), after=bigints(after.values()), most=most)
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
            rows = self._rows(EMPTIED, tags=tags, after=bigints(at for _, at in asked), kind=kind.value)
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
        self, asked: Subjects, during: Mapping[str, Windows], statements: Statements, **more: object
    ) -> list[SeenEvent]:
        self._asked.update(asked.things, asked.lots, during)
        self._decided.update(asked.things, during if statements.decisions else ())
        rows = self._found(statements, asked.tags, during, more)
        concerned = asked._replace(things=asked.things | during.keys())
        return [event for event in self._see(rows) if event.concerns(concerned)]

    def _found(
        self, statements: Statements, tags: list[str], during: Mapping[str, Windows], more: Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        """Return the records under tags, and those of things in their windows; some of them twice if there are many."""
        if len(tags) + _WINDOW * len(during) < _MANY:
            return self._hits(statements, tags, during, more)
        # What was packed together has names in sequence, and one record.
        tags, windows = sorted(tags), sorted(during.items())
        here, there = len(tags) // 2, len(windows) // 2
        with ThreadPoolExecutor(1) as aside:
            others = aside.submit(self._hits, statements, tags[here:], dict(windows[there:]), more)
            return self._hits(statements, tags[:here], dict(windows[:there]), more) + others.result()

    def _hits(
        self, statements: Statements, tags: list[str], during: Mapping[str, Windows], more: Mapping[str, object]
    ) -> list[tuple[Any, ...]]:
        if not during:
            return self._rows(statements.tagged, tags=self._hashes(tags), **more) if tags else []
        if not tags:
            return self._rows(statements.within, **self._windows(during), **more)
        return self._rows(statements.both, tags=self._hashes(tags), **self._windows(during), **more)

    def _counting(self, events: list[SeenEvent]) -> list[SeenEvent]:
        if not self._declarations:
            return [event for event in events if not event.declares]
        count = {event.position for event in counting(self._with_declarations(events))}
        return [event for event in events if event.position in count]

    def _with_declarations(self, events: list[SeenEvent]) -> list[SeenEvent]:
        if not self._declarations:
            return events
        return with_declarations(events, self._at({p for e in events for p in self._declarations.get(e.position, ())}))

    def _hashes(self, tags: Iterable[str]) -> Bigints:
        return bigints(map(self._ledger.rules.tag_hash, tags))

    def _windows(self, during: Mapping[str, Windows]) -> dict[str, object]:
        counts = bigints(2 * len(windows) for windows in during.values())
        return {
            "during": np.repeat(self._hashes(f"item:{thing}" for thing in during), counts),
            "numbers": np.repeat(np.arange(len(counts)), counts),
            "bounds": bigints(chain.from_iterable(map(_bounds, during.values()))),
        }

    def _rows(self, query: LiteralString, **parameters: object) -> list[tuple[Any, ...]]:
        given = {"ledger": self._ledger.ledger_id, "known_at": self._known_at, **parameters}
        given |= {"sieve": self._sieve.bits, "mask": self._sieve.mask}
        with self._ledger.pool.connection() as connection:
            return connection.execute(query, given, prepare=True, binary=True).fetchall()

    def _read(self, positions: Collection[int]) -> list[SeenEvent]:
        """Return what the reader sees at these positions; read those not seen yet."""
        if unread := [position for position in positions if position not in self._seen]:
            self._see(self._rows(AT, positions=bigints(sorted(unread))))
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
            seen[position] = see_row(row, extent, self._asked)
            if ITEM in extent and "what" not in extent:
                self._partly_open[position] = row, extent
            if self._declared and (known := self._retracting(row[_MORE])):
                self._declarations[position] = known
                declared.update(known)
        if declared:
            self._read(declared)
        return self._at(positions)

    def _decide(self, row: tuple[Any, ...], extent: frozenset[str]) -> None:
        decision = see_decision(row, extent)
        if decision is not None:
            self._decisions[decision.position] = decision

    def _retracting(self, more: bytes) -> Sequence[int]:
        """Return the positions of declarations that may retract an event: its eventID and theirs have one hash."""
        event_id = read_event_id(more)
        declared = event_id and self._declared.get(self._ledger.rules.tag_hash(f"event:{event_id}"))
        # Other questions go on adding to it, later positions.
        return [position for position in declared if position <= self._known_at] if declared else ()

    def _at(self, positions: Iterable[int]) -> list[SeenEvent]:
        """Return what is seen at positions, as far as anything is."""
        if not self._partly_open:
            return [event for position in positions if (event := self._seen.get(position)) is not None]
        found = []
        for position in positions:
            # An event of which only named items are shown looks different after the next name.
            if position in self._partly_open:
                self._seen[position] = see_row(*self._partly_open[position], self._asked)
            if (event := self._seen.get(position)) is not None:
                found.append(event)
        return found


def _bounds(windows: Windows) -> Iterator[int]:
    """Yield the instants at which windows begin, and ahead of which they end, in order; nothing happens at END."""
    for window in windows:
        yield window.first
        yield min(window.last + 1, END)


_MORE: Final = int(Column.MORE)
_TYPE, _VISIBILITY = range(len(Column), len(Column) + 2)
