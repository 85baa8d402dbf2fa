"""What an organisation sees of the things that a command is about, as far as its guards look, read in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from traceability.ledger.index import MarkKind
from traceability.supply_chain.commands.picture import Picture, Read
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import MARK_KINDS, SeenEvent, Subjects, thing_of
from traceability.supply_chain.standing import counting, standing
from traceability.supply_chain.story import MAX_NESTING, take_in
from traceability.supply_chain.windows import END, WindowsRead


class Surroundings:
    """The events and decisions around a command.

    Of the things that are `named` all events are here, and those of their containers while they were inside; of their
    contents those that tell where these were. `things` are all of them: the decision depends on each, on the members
    of `lots`, on the `transformations` and on what has one of the `event_ids`, and on nothing else.
    """

    def __init__(self, index: ProvenanceIndex, parties: Parties) -> None:
        self._index = index
        self._parties = parties
        self._events: dict[int, SeenEvent] = {}
        self._decisions: dict[int, SeenDecision] = {}
        self._read = WindowsRead()
        self._emptied: set[tuple[str, int]] = set()
        self.named: set[str] = set()
        self.things: set[str] = set()
        self.transformations: set[str] = set()
        self.event_ids: set[str] = set()
        self.lots: set[str] = set()

    @property
    def parties(self) -> Parties:
        """Return who is who, as known at the head."""
        return self._parties

    @property
    def tags(self) -> list[str]:
        """Return the tags of everything that the decision depends on."""
        named = (
            ("item", self.things),
            ("lot", self.lots),
            ("transformation", self.transformations),
            ("event", self.event_ids),
        )
        return [f"{kind}:{name}" for kind, names in named for name in sorted(names)]

    @property
    def head(self) -> int:
        """Return the last position that is taken into account."""
        return self._index.known_at

    @property
    def events(self) -> Collection[SeenEvent]:
        """Return the events, with the error declarations that retract some of them."""
        return self._events.values()

    @property
    def recorded(self) -> Mapping[int, SeenEvent]:
        """Return events and decisions by position."""
        return {**self._events, **self._decisions}

    def known(self, lots: Collection[str], as_of: int) -> set[str]:
        """Return those of these lots that are known at an event time, be it by a member."""
        self.lots.update(lots)
        return self._index.known(lots, as_of) if lots else set()

    def name(self, things: AbstractSet[str]) -> None:
        """Read all about things, and about what they were in."""
        things = things - self.named
        if things:
            self.named |= things
            self.things |= things
            self._take(self._index.events(Subjects(things)), things)
            self._look_outward(things)

    def name_containers(self) -> None:
        """Read all about what the things that are named were ever in, and what that was in, and so on.

        Only then it is known which of what is said of those is a mere claim.
        """
        for _ in range(MAX_NESTING):
            ties = [event for event in counting(self.events) if event.type in MARK_KINDS]
            around = {p for event in ties if not event.among(self.named) <= set(event.parents) for p in event.parents}
            if around <= self.named:
                break
            self.name(around)

    def join(self, transformation: str) -> None:
        """Read the events of a transformation, by its transformationID."""
        name = thing_of(transformation)
        self.transformations.add(name)
        self._take(self._index.events(Subjects(transformations={name})), ())

    def look_inward(self, things: Iterable[str], since: int) -> set[str]:
        """Read where what is in these things from `since` (µs UTC) on was, and what is in that, and so on; return it.

        Of a container that is used again and again what was in it before does not matter.
        """
        level, found = set(things), set[str]()
        for _ in range(MAX_NESTING):
            # To know more of a child can only make its stay shorter.
            nest = Containment()
            nest.add([event for event in standing(self.events) if not level.isdisjoint(event.parents)])
            intervals = (interval for thing in level for interval in nest.of_parent(thing))
            level = {i.child for i in intervals if i.last >= since} - found
            found |= level
            unread = level - self.things
            if unread:
                self.things |= unread
                self._take(self._index.ties(Subjects(unread)), ())
            if not level:
                break
        return found

    def picture(self, since: int, draft: SeenEvent | None = None) -> Picture:
        """Return what is said, with the event of a command about the time `since` (µs UTC)."""
        events, decisions = list(self.events), list(self._decisions.values())
        if isinstance(draft, SeenDecision):
            decisions.append(draft)
        elif draft is not None:
            events.append(draft)
        return Picture(
            Read(self.head, events, decisions, self.things), self.named, self._parties, draft=draft, since=since
        )

    def _look_outward(self, things: AbstractSet[str]) -> None:
        """Read what things were in while they were, and what that was in, and so on."""
        level = things
        for _ in range(MAX_NESTING):
            ties = [event for event in counting(self.events) if event.type in MARK_KINDS]
            if not ties:
                return
            nest = Containment()
            take_in(nest, ties, level)
            intervals = [interval for thing in level for interval in nest.of_child(thing)]
            # What ended a stay may be a mere claim: by whom goods have passed on to by then is known when all is read.
            unread = self._read.unread((i.parent, i.opened_at, END) for i in intervals if i.parent not in self.named)
            if not unread:
                return
            self.things |= unread.keys()
            self._take(self._index.events(Subjects(), unread), unread.keys())
            level = unread.keys()

    def _take(self, events: Sequence[SeenEvent], decided: Collection[str]) -> None:
        """Take in events, the decisions about things, and what emptied those into which something was put."""
        # One whose items only open when they are named may come again, with more of them.
        self._events.update((event.position, event) for event in events)
        if decided:
            self._decisions.update((one.position, one) for one in self._index.decisions(decided))
        opened = {
            (parent, event.occurred_at)
            for event in events
            if event.action == "ADD" and event.type in MARK_KINDS
            for parent in event.parents
        }
        unread = opened - self._emptied
        if unread:
            self._emptied |= unread
            found = self._index.emptyings(MarkKind.CONTAINMENT, unread)
            self._events.update((event.position, event) for event in found)
