"""What ties things together, loaded from the index as a trace asks for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

import numpy as np

from traceability.gs1.identifiers import Kind
from traceability.ledger.index import MarkKind
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.in_bulk import add_whole
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, SeenEvent, Subjects
from traceability.supply_chain.standing import counting
from traceability.supply_chain.tables import Ints, distinct, ints
from traceability.supply_chain.things import things_of
from traceability.supply_chain.windows import Stretch, Windows, WindowsRead

_MANY: Final = 128
"""Events from which on it takes less time to take them in at once."""
_LATELY: Final = 2
"""Fetches of which all that was taken in is not asked for again: a step of a walk. The list of all would grow long."""


class Ask(Protocol):
    """A question to the index, such as `ties`."""

    def __call__(
        self, asked: Subjects, during: Mapping[str, Windows] | None = None, but: Collection[int] = (), /
    ) -> Sequence[SeenEvent]:
        """Return what it finds."""
        ...


class Links:
    """Containment, transformations and lot membership among the things loaded so far, as `facts`.

    `load` makes everything right that starts at the given things; what it brought in on the way may be incomplete. Of
    an event that names a thousand others, or of a pallet's other loads, only what concerns those things is read.

    They are asked for by `ask`, by which more than ties may be read: the rest is kept as `done`, by position.
    """

    def __init__(self, index: ProvenanceIndex, as_of: int | None, *, ask: Ask | None = None) -> None:
        self.facts = Facts()
        self.done: dict[int, SeenEvent] = {}
        self._index = index
        self._ask = index.ties if ask is None else ask
        self._as_of = as_of
        self._loaded: set[str] = set()
        self._lots: set[str] = set()
        self._transformations: set[str] = set()
        self._carried = WindowsRead()
        self._taken: set[int] = set()
        self._about: set[int] = set()
        self._lately: deque[list[int]] = deque(maxlen=_LATELY)
        self._held: dict[str, list[SeenEvent]] = {}

    def load(self, opened: Ints, others: Ints, carriers: Collection[Stretch]) -> None:
        """Load what starts at things, each in one of three ways.

        Of those `opened` also contents and members are wanted; of `carriers` only what they are in, and what they go
        into or come out of in that time.
        """
        facts = self.facts
        names = facts.things.of(opened)
        lots = set(facts.things.of(opened[facts.things.are(opened, Kind.LOT)]))
        self._fetch(Subjects({*names, *facts.things.of(others)}, lots), carriers)
        if facts.joined:
            carried = ints({facts.things[thing] for thing, _, _ in carriers})
            _, rows = facts.passages.find("thing", np.concatenate([opened, others, carried]))
            met = distinct(facts.passages["transformation"][rows]).tolist()
            self._fetch(Subjects(transformations={facts.joined[one] for one in met if one in facts.joined}))
        for thing in self._held.keys() & names:
            for event in self._held.pop(thing):
                facts.add_contents(event)
        facts.settle()
        # An interval ends when its child is packed elsewhere, so contents need the children's own events.
        _, rows = facts.ties.find("parent", opened)
        contents = distinct(facts.ties["child"][rows[facts.ties["opens"][rows] == 1]])
        self._fetch(Subjects(set(facts.things.of(contents))))
        for kind in MarkKind:
            if instants := facts.newly_opened(kind):
                facts.add_emptyings(self._until(self._index.emptyings(kind, instants)))
        facts.settle()

    def events(self, things: AbstractSet[str], during: Mapping[str, Windows]) -> list[SeenEvent]:
        """Return all events that count of some things, and of others those in windows: what only observes, too."""
        return counting(self._until(self._index.events(Subjects(things), during)))

    def _fetch(self, asked: Subjects, carriers: Collection[Stretch] = ()) -> None:
        missing = Subjects(
            asked.things - self._loaded, asked.lots - self._lots, asked.transformations - self._transformations
        )
        self._loaded |= missing.things
        self._lots |= missing.lots
        self._transformations |= missing.transformations
        windows = self._carried.unread(stretch for stretch in carriers if stretch[0] not in self._loaded)
        if windows or any(missing):
            # What took things in names what it made of them, too.
            lately = [position for positions in self._lately for position in positions]
            found = self._until(self._ask(missing, windows, lately))
            self._take(found, missing._replace(things={*missing.things, *windows}))
            self.facts.settle()

    def _until(self, events: Iterable[SeenEvent]) -> list[SeenEvent]:
        return [event for event in events if self._as_of is None or event.occurred_at <= self._as_of]

    def _take(self, events: Iterable[SeenEvent], asked: Subjects) -> None:
        whole, taken = [], list[int]()
        self._lately.append(taken)
        for event in events:
            if not event.ties:
                self.done[event.position] = event
                if event.whole:
                    taken.append(event.position)
                continue
            if event.position in self._taken:
                continue
            # Of a small event it is cheaper to take in everything, once. Of one that is partly hidden, there is all
            # the more to see with each name that the walk comes upon.
            if event.whole and not event.small and not self._mostly_asked(event, asked):
                self._take_about(event, asked)
            else:
                if not event.whole:
                    self.facts.add(event)
                    continue
                self._taken.add(event.position)
                taken.append(event.position)
                if self.facts.partly(event):
                    self.facts.add(event)
                else:
                    whole.append(event)
        if len(whole) < _MANY:
            for event in whole:
                self.facts.add(event)
        else:
            add_whole(self.facts, whole)

    def _mostly_asked(self, event: SeenEvent, asked: Subjects) -> bool:
        """Tell whether it is cheaper to take in all that an event says: half of it is asked for, for the first time."""
        half = len(event.items) // 2
        if len(asked.things) < half or event.position in self._about:
            return False
        return len(asked.things & set(things_of([item.id for item in event.items]))) >= half

    def _take_about(self, event: SeenEvent, asked: Subjects) -> None:
        """Take in what an event that names many things says of those that are asked for."""
        self._about.add(event.position)
        for thing in event.among(asked.things):
            self.facts.add_about(event, thing)
            if event.action == "ADD" and thing in event.parents:
                self._held.setdefault(thing, []).append(event)
        for lot in event.members.keys() & asked.lots if asked.lots else ():
            self.facts.add_members(event, event.members[lot], lot)
        if event.type == TRANSFORMATION_EVENT:
            self.facts.add_transformation(event)
