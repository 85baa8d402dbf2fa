"""The story of one thing: where it was, what is told of it, and who may say so, of which each depends on the others.

Where a thing was tells which events of containers are told of it, and these tell who has it; a mere claim to have moved
it moves it not. An event is judged by those before it, so each round is right up to a later event than the last one. A
round is repeated when a claim would have tied or untied the thing: hardly ever.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from msgspec.structs import replace

from traceability.ledger.index import MarkKind
from traceability.supply_chain.authority import Judged, judged
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.decisions import HoldPlaced, HoldReleased, SeenDecision
from traceability.supply_chain.entry import Authority, HistoryEntry
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import (
    AGGREGATION_EVENT,
    MARK_KINDS,
    OBJECT_EVENT,
    TRANSFORMATION_EVENT,
    Role,
    SeenEvent,
    Subjects,
)
from traceability.supply_chain.standing import counting, ordered, retractions
from traceability.supply_chain.windows import ALWAYS, Window, WindowsRead

Event = TypeVar("Event", bound=SeenEvent)

MAX_NESTING: Final = 32
"""Containers within containers that are followed; a deeper nest is a mistake in the data."""


@dataclass(frozen=True, slots=True)
class Stay:
    """The thing was in `container`, directly or through others, during `window`; `depth` 1 is direct."""

    container: str
    window: Window
    depth: int


@dataclass(frozen=True)
class Story:
    """What was found out: the thing's own events that `count`, the marks of those that tie, and the judged history."""

    count: list[SeenEvent]
    containment: Containment
    stays: list[Stay]
    judged: Judged

    def believes(self, event: SeenEvent) -> bool:
        """Tell whether who recorded an event that counts may speak of the thing, or of what is in it."""
        entry = self._entries.get(event.position)
        return self.judged.heard(event) if entry is None else entry.counts

    @cached_property
    def _entries(self) -> dict[int, HistoryEntry]:
        return {entry.event.position: entry for entry in self.judged.entries}


def story_of(
    index: ProvenanceIndex, thing: str, own: list[SeenEvent], parties: Parties, as_of: int | None = None
) -> Story:
    """Tell the story of a thing whose `own` events were read up to `as_of`."""
    tried: set[AbstractSet[int]] = set()
    claims: AbstractSet[int] = frozenset()
    while True:
        tried.add(claims)
        told = _Round(index, thing, as_of, claims)
        story = told.story(own, parties)
        claims = told.claims_in(story.judged)
        # Claims that depend on each other within one instant might go round for ever.
        if claims in tried:
            return story


def until(events: Iterable[Event], as_of: int | None) -> list[Event]:
    """Return the events up to an event time."""
    return [event for event in events if as_of is None or event.occurred_at <= as_of]


class _Round:
    """Where the thing was and what is told of it, if some events are `claims`."""

    def __init__(self, index: ProvenanceIndex, thing: str, as_of: int | None, claims: AbstractSet[int]) -> None:
        self._index = index
        self._thing = thing
        self._as_of = as_of
        self._claims = claims
        self._containment = Containment()
        self._around: dict[str, dict[int, SeenEvent]] = {}

    def story(self, own: list[SeenEvent], parties: Parties) -> Story:
        take_in(self._containment, self._believed(own), {self._thing})
        stays = self._stays()
        found = judged(self._thing, self._entries(own, stays), parties)
        claimed = {entry.event.position for entry in found.entries if entry.authority is Authority.CLAIM}
        return Story(
            [event for event in counting(own) if event.position not in claimed], self._containment, stays, found
        )

    def claims_in(self, found: Judged) -> AbstractSet[int]:
        """Return the positions of claims that would tie or untie the thing, or what it is in."""
        told = {entry.event.position for entry in found.entries}
        claimed = [entry.event for entry in found.entries if entry.authority is Authority.CLAIM and _moves(entry)]
        # What empties the container of a container is told of neither, but parts the thing from the outer one.
        unheard = [
            event
            for events in self._around.values()
            for event in counting(events.values())
            if event.empties and event.position not in told and not found.heard(event)
        ]
        return frozenset([event.position for event in (*claimed, *unheard) if may_tie(event)])

    def _believe(self, event: SeenEvent) -> bool:
        return event.position not in self._claims

    def _believed(self, events: Iterable[SeenEvent]) -> list[SeenEvent]:
        return [event for event in counting(events) if self._believe(event)]

    def _stays(self) -> list[Stay]:
        """Follow containers outward, intersecting the intervals; what is read about them is kept by container.

        Of a container that is used again and again only the time of the stays is read.
        """
        containment = self._containment
        found: dict[Stay, None] = {}
        read = WindowsRead()
        level = [Stay(self._thing, ALWAYS, 0)]
        while level and level[0].depth < MAX_NESTING:
            for event in empty(self._index, containment, MarkKind.CONTAINMENT, self._as_of, self._believe):
                for parent in event.parents:
                    self._around.setdefault(parent, {})[event.position] = event
            outward = [
                Stay(interval.parent, window, stay.depth + 1)
                for stay in level
                for interval in containment.of_child(stay.container)
                if interval.parent != self._thing and (window := interval.window.meet(stay.window)) is not None
            ]
            level = [stay for stay in dict.fromkeys(outward) if not _covered(stay, found)]
            found.update(dict.fromkeys(level))
            unread = read.unread((stay.container, stay.window.first, stay.window.last) for stay in level)
            if unread:
                loaded = until(self._index.events(Subjects(), unread), self._as_of)
                take_in(containment, self._believed(loaded), unread.keys())
                for event in loaded:
                    for container in event.among(unread.keys()):
                        self._around.setdefault(container, {})[event.position] = event
        return list(found)

    def _entries(self, own: list[SeenEvent], stays: list[Stay]) -> list[HistoryEntry]:
        thing = self._thing
        # Two emptyings of one instant may say the same: which of them came first must not matter.
        left = {(i.parent, i.closed_at) for i in self._containment.of_child(thing) if not i.implied}
        emptyings = {e.position for events in self._around.values() for e in counting(events.values()) if e.empties}
        entries = {event.position: HistoryEntry(event, event.of(thing)) for event in own}
        decisions = until(self._index.decisions({thing, *(stay.container for stay in stays)}), self._as_of)
        entries.update((one.position, HistoryEntry(one, ())) for one in decisions if thing in one.decided_about)
        by_time = {
            container: sorted(events.values(), key=lambda event: event.occurred_at)
            for container, events in self._around.items()
        }
        # The emptying of a container names none of its children, and is how this one left.
        for container in {stay.container for stay in stays if stay.depth == 1}:
            for event in by_time.get(container, ()):
                emptied = event.position in emptyings and event.position not in self._claims
                if emptied and (container, event.occurred_at) in left:
                    entries.setdefault(event.position, HistoryEntry(event, event.of(container), via=container))
        for stay in sorted(stays, key=lambda stay: stay.depth):
            container, window = stay.container, stay.window
            for event in _within(by_time.get(container, ()), window):
                claimed = stay.depth == 1 and event.position in emptyings and event.position in self._claims
                if event.position not in entries and (claimed or _concerns_contents(event, container)):
                    entries[event.position] = HistoryEntry(event, event.of(container), via=container)
            for one in _told_inside(decisions, container, window):
                entries.setdefault(one.position, HistoryEntry(one, (), via=container))
        for position, declaration in retractions(entry.event for entry in entries.values()).items():
            entries[position] = replace(entries[position], retracted_by=declaration)
        return [entries[event.position] for event in ordered(entry.event for entry in entries.values())]


def empty(
    index: ProvenanceIndex,
    containment: Containment,
    kind: MarkKind,
    as_of: int | None,
    believe: Callable[[SeenEvent], bool],
) -> list[SeenEvent]:
    """Add what emptied those into which something was put, if it is believed; return it, and what is not."""
    asked: set[tuple[str, int]] = set()
    instants = set(containment.newly_opened(kind))
    found: list[SeenEvent] = []
    while instants:
        asked |= instants
        some = until(index.emptyings(kind, instants), as_of)
        found += some
        # After a claim the next one may be true.
        instants = {(parent, event.occurred_at) for event in some if not believe(event) for parent in event.parents}
        instants -= asked
    containment.add([event for event in found if believe(event)], ())
    return found


def take_in(containment: Containment, events: Iterable[SeenEvent], things: AbstractSet[str]) -> None:
    """Take in what events say of things as children, without naming all that stands beside them."""
    for event in events:
        few = len(things) < len(event.items)
        containment.add((event,), things if few else [thing for thing in event.mentions_of if thing in things])


def _covered(stay: Stay, found: Iterable[Stay]) -> bool:
    """Tell whether a cycle led back to a container in a time that is already accounted for."""
    return any(known.container == stay.container and known.window.covers(stay.window) for known in found)


def _within(by_time: Sequence[SeenEvent], window: Window) -> Sequence[SeenEvent]:
    """Return the events in a time, of those that are in the order of time."""
    first = bisect_left(by_time, window.first, key=lambda event: event.occurred_at)
    return by_time[first : bisect_right(by_time, window.last, first, key=lambda event: event.occurred_at)]


def _concerns_contents(event: SeenEvent, container: str) -> bool:
    """Tell whether an event of a container is one of its contents; packing something else into it is not."""
    roles = {mention.role for mention in event.of(container)}
    return event.type != AGGREGATION_EVENT or Role.CHILD in roles


def _told_inside(decisions: Iterable[SeenDecision], container: str, window: Window) -> list[SeenDecision]:
    """Return the decisions about a container in a time, and those that later released holds of this time.

    What left while the container was on hold may come back into it afterwards, and must not be on hold again.
    """
    about = [one for one in decisions if container in one.decided_about and one.occurred_at >= window.first]
    told = [one for one in about if one.occurred_at <= window.last]
    holds = {(said.hold, one.captured_by) for one in told if isinstance(said := one.payload, HoldPlaced)}
    later = [one for one in about if one.occurred_at > window.last]
    return told + [
        one for one in later if isinstance(said := one.payload, HoldReleased) and (said.hold, one.captured_by) in holds
    ]


def _moves(entry: HistoryEntry) -> bool:
    """Tell whether the thing, or what it is in, is put somewhere or emptied; not whether something is put into it."""
    moved = any(entry.via is not None or mention.role is not Role.PARENT for mention in entry.mentions)
    return moved or entry.event.empties


def may_tie(event: SeenEvent) -> bool:
    """Tell whether an event puts things into others, takes them out, or ends them."""
    if event.type in MARK_KINDS:
        return event.action != "OBSERVE"
    return event.type == TRANSFORMATION_EVENT or (event.type == OBJECT_EVENT and event.action == "DELETE")
