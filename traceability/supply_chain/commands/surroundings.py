"""What an organisation sees of the things that a command is about, as far as its guards look, read in bulk."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment, Interval
from traceability.supply_chain.history import MAX_NESTING
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.seen import SeenEvent, Subjects, thing_of
from traceability.supply_chain.standing import standing
from traceability.supply_chain.windows import END, Window


class Surroundings:
    """The events around a command.

    Of the things that are `named` all events are here; of their containers and contents those that tell where these
    were from some time on. `things` are all of them: the decision depends on each, on the `transformations` and on what
    has one of the `event_ids`, and on nothing else.
    """

    def __init__(self, index: ProvenanceIndex) -> None:
        self._index = index
        self._events: dict[int, SeenEvent] = {}
        self.named: set[str] = set()
        self.things: set[str] = set()
        self.transformations: set[str] = set()
        self.event_ids: set[str] = set()

    @property
    def tags(self) -> list[str]:
        """Return the tags of everything that the decision depends on."""
        named = (("item", self.things), ("transformation", self.transformations), ("event", self.event_ids))
        return [f"{kind}:{name}" for kind, names in named for name in sorted(names)]

    @property
    def head(self) -> int:
        """Return the last position that is taken into account."""
        return self._index.known_at

    @property
    def events(self) -> Collection[SeenEvent]:
        """Return the events, with the error declarations that retract some of them."""
        return self._events.values()

    def known(self, lots: Collection[str], as_of: int) -> set[str]:
        """Return those of these lots that are known at an event time, be it by a member."""
        return self._index.known(lots, as_of) if lots else set()

    def name(self, things: AbstractSet[str]) -> None:
        """Read all about things."""
        self.named |= things
        self.things |= things
        if things:
            self._take(self._index.events(Subjects(things)))
            self._read_emptyings()

    def join(self, transformation: str) -> None:
        """Read the events of a transformation, by its transformationID."""
        name = thing_of(transformation)
        self.transformations.add(name)
        self._take(self._index.events(Subjects(transformations={name})))

    def look_outward(self, things: Iterable[str], since: int) -> None:
        """Read what these things are in from `since` (µs UTC) on, and what that is in, and so on outward."""
        level = set(things)
        for _ in range(MAX_NESTING):
            nest = self._nest(level)
            intervals = (interval for thing in level for interval in nest.of_child(thing))
            level = {i.parent for i in intervals if i.last >= since} - self.things
            if not level:
                return
            self._take(self._index.events(Subjects(), dict.fromkeys(level, Window(since, END))))
            self.things |= level
            self._read_emptyings()

    def look_inward(self, things: Iterable[str], since: int) -> None:
        """Read what is in these things from `since` (µs UTC) on, and what is in that, and so on inward."""
        level = set(things)
        for _ in range(MAX_NESTING):
            # To know more of a child can only make its stay shorter.
            nest = self._nest(None, level)
            intervals = (interval for thing in level for interval in nest.of_parent(thing))
            level = {i.child for i in intervals if i.last >= since} - self.things
            if not level:
                return
            self._take(self._index.ties(Subjects(level)))
            self.things |= level
            self._read_emptyings()

    def picture(self, *drafts: SeenEvent) -> Picture:
        """Return what the events say, with that of the command."""
        return Picture([*self.events, *drafts], self.things, self.named)

    def _take(self, events: Iterable[SeenEvent]) -> None:
        # One whose items only open when they are named may come again, with more of them.
        self._events.update((event.position, event) for event in events)

    def _nest(self, children: AbstractSet[str] | None, parents: AbstractSet[str] = frozenset()) -> Containment:
        """Pair what is known of some children, or of all that was put into some parents."""
        nest = Containment()
        for event in standing(self.events):
            if children is not None:
                nest.add((event,), [thing for thing in children if event.of(thing)])
            elif not parents.isdisjoint(event.parents):
                nest.add((event,))
        return nest

    def _read_emptyings(self) -> None:
        opened = {
            (parent, event.occurred_at)
            for event in standing(self.events)
            if event.action == "ADD"
            for parent in event.parents
        }
        if opened:
            self._take(self._index.emptyings(MarkKind.CONTAINMENT, opened))


class Picture:
    """What events say of some things.

    Things of which exactly the same is said lead the same life, so each is looked at once: `alike` has those that share
    a life under the one that stands for them. `nest` knows the containers of those that stand for others.
    """

    def __init__(self, events: Iterable[SeenEvent], things: AbstractSet[str], named: AbstractSet[str]) -> None:
        self.standing = standing(events)
        self.events = {event.position: event for event in self.standing}
        self.lives = self._lives(things)
        alike: dict[object, list[str]] = {}
        for thing, life in self.lives.items():
            said = tuple([(e.position, m.role, m.class_level) for e in life for m in e.mentions_of.get(thing, ())])
            alike.setdefault((thing in named, said), []).append(thing)
        self.alike = {members[0]: members for members in alike.values()}
        self.nest = Containment()
        for event in self.standing:
            self.nest.add((event,), [thing for thing in event.mentions_of if thing in self.alike])

    def stands_for(self, thing: str) -> str:
        """Return the one that is looked at in place of a thing."""
        return next(first for first, members in self.alike.items() if thing in members)

    def closed_by(self, position: int) -> dict[str, Interval]:
        """Return by child, of those that stand for others, the interval that an event closed."""
        return {child: i for child in self.alike for i in self.nest.of_child(child) if i.closed_by == position}

    def _lives(self, things: AbstractSet[str]) -> dict[str, list[SeenEvent]]:
        lives: dict[str, list[SeenEvent]] = {thing: [] for thing in things}
        for event in self.standing:
            for thing in event.mentions_of:
                if thing in lives:
                    lives[thing].append(event)
        return lives
