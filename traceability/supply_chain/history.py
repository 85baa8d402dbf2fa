"""What one reader may know of one thing: its history, its state and its intervals, loaded from the index."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from traceability.errors import NotFoundError
from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment, Interval
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.item import HistoryEntry, ItemState, state_of
from traceability.supply_chain.readings import Reading, readings
from traceability.supply_chain.seen import (
    AGGREGATION_EVENT,
    TRANSFORMATION_EVENT,
    Role,
    SeenEvent,
    Subjects,
    is_lot,
)
from traceability.supply_chain.standing import counting, ordered, retractions
from traceability.supply_chain.windows import ALWAYS, END, Window, hulls

MAX_NESTING: Final = 32
"""Containers within containers that are followed; a deeper nest is a mistake in the data."""


@dataclass(frozen=True, slots=True)
class ItemHistory:
    """The answer to "what is this and where has it been", as of an event time and as known at a position.

    `containers` are the intervals in which the thing was inside something, `contents` those in which something was
    inside it, `associations` both ways; `members` are the things of a lot.
    """

    thing: str
    as_of: int | None
    known_at: int
    state: ItemState
    entries: tuple[HistoryEntry, ...]
    containers: tuple[Interval, ...]
    contents: tuple[Interval, ...]
    associations: tuple[Interval, ...]
    members: tuple[str, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Stay:
    """The thing was in `container`, directly or through others, during `window`; `depth` 1 is direct."""

    container: str
    window: Window
    depth: int


def item_history(index: ProvenanceIndex, thing: str, as_of: int | None = None) -> ItemHistory:
    """Tell all about a thing by its name (`thing_of`); raise `NotFoundError` when the reader sees nothing of it."""
    own = _until(index.events(Subjects({thing}, {thing} if is_lot(thing) else frozenset())), as_of)
    if not own:
        raise NotFoundError(f"Nothing is known of {thing}.", hint="Check the identifier, and as whom you ask.")
    current = counting(own)
    containment = Containment()
    _add(containment, current, {thing})
    stays, around = _stays(index, thing, containment, as_of)
    containment.add(event for event in current if thing in event.parents)
    _load_children(index, thing, containment, as_of)
    entries = _entries(thing, own, around, stays, containment)
    members = {m for event in current for m, lot in event.memberships.items() if lot == thing} if is_lot(thing) else ()
    measured = readings(entry.event for entry in entries if entry.counts)
    associations = [
        *containment.of_child(thing, MarkKind.ASSOCIATION),
        *containment.of_parent(thing, MarkKind.ASSOCIATION),
    ]
    contents = containment.of_parent(thing)
    state = replace(
        state_of(thing, entries, measured),
        contained_in=_chain(stays),
        contents=tuple(sorted(interval.child for interval in contents if interval.closed_at is None)),
        attached_to=tuple(sorted({i.parent for i in associations if i.child == thing and i.closed_at is None})),
        attachments=tuple(sorted({i.child for i in associations if i.parent == thing and i.closed_at is None})),
        transformed_from=_far_ends(index, thing, current, as_of, role=Role.OUTPUT),
        transformed_into=_far_ends(index, thing, current, as_of, role=Role.INPUT),
    )
    return ItemHistory(
        thing=thing,
        as_of=as_of,
        known_at=index.known_at,
        state=state,
        entries=tuple(entries),
        containers=tuple(containment.of_child(thing)),
        contents=tuple(contents),
        associations=tuple(associations),
        members=tuple(sorted(members)),
        readings=tuple(measured),
    )


def _until(events: Iterable[SeenEvent], as_of: int | None) -> list[SeenEvent]:
    return [event for event in events if as_of is None or event.occurred_at <= as_of]


def _stays(
    index: ProvenanceIndex, thing: str, containment: Containment, as_of: int | None
) -> tuple[list[Stay], dict[str, dict[int, SeenEvent]]]:
    """Follow containers outward, intersecting the intervals; return the stays, and the events by container.

    Of a container that is used again and again only the time of the stays is read.
    """
    found: dict[Stay, None] = {}
    around: dict[str, dict[int, SeenEvent]] = {}
    read: dict[str, Window] = {}
    level = [Stay(thing, ALWAYS, 0)]
    while level and level[0].depth < MAX_NESTING:
        for event in _empty(index, containment, MarkKind.CONTAINMENT, as_of):
            for parent in event.parents:
                around.setdefault(parent, {})[event.position] = event
        outward = [
            Stay(interval.parent, window, stay.depth + 1)
            for stay in level
            for interval in containment.of_child(stay.container)
            if interval.parent != thing and (window := interval.window.meet(stay.window)) is not None
        ]
        level = [stay for stay in dict.fromkeys(outward) if not _covered(stay, found)]
        found.update(dict.fromkeys(level))
        unread = {}
        for container, window in hulls((stay.container, stay.window.first, stay.window.last) for stay in level).items():
            known = read.get(container)
            if known is None or not known.covers(window):
                unread[container] = read[container] = window if known is None else known.join(window)
        if unread:
            loaded = _until(index.events(Subjects(), unread), as_of)
            _add(containment, counting(loaded), unread.keys())
            for event in loaded:
                for container in unread:
                    if event.of(container):
                        around.setdefault(container, {})[event.position] = event
    return list(found), around


def _covered(stay: Stay, found: Iterable[Stay]) -> bool:
    """Tell whether a cycle led back to a container in a time that is already accounted for."""
    return any(known.container == stay.container and known.window.covers(stay.window) for known in found)


def _load_children(index: ProvenanceIndex, thing: str, containment: Containment, as_of: int | None) -> None:
    """Read when each child was packed elsewhere or ended while it was inside; not where it was seen, nor its past.

    What the thing's own events say of a child can only be cut short by others, so those in its time inside will do.
    """
    read: dict[str, Window] = {}
    while unread := {
        child: window
        for child, window in _times_inside(thing, containment).items()
        if child not in read or not read[child].covers(window)
    }:
        read.update((child, window.join(read.get(child, window))) for child, window in unread.items())
        leavings = index.leavings({child: read[child] for child in unread})
        # A reader who may only see what it names may now see that one of them came in earlier.
        _add(containment, _until(leavings, as_of), unread.keys())
    _empty(index, containment, MarkKind.ASSOCIATION, as_of)


def _times_inside(thing: str, containment: Containment) -> dict[str, Window]:
    """Return for each child the time from its first entry to the close of its last interval, both instants included."""
    intervals = [interval for kind in MarkKind for interval in containment.of_parent(thing, kind)]
    # What cuts an interval short may be of the very instant at which it ends.
    inside = hulls((i.child, i.opened_at, END if i.closed_at is None else i.closed_at) for i in intervals)
    return {child: inside.get(child, ALWAYS) for child in containment.children_of({thing})}


def _empty(index: ProvenanceIndex, containment: Containment, kind: MarkKind, as_of: int | None) -> list[SeenEvent]:
    """Add what emptied those into which something was put; return it."""
    instants = containment.newly_opened(kind)
    found = _until(index.emptyings(kind, instants), as_of) if instants else []
    containment.add(found, ())
    return found


def _add(containment: Containment, events: Iterable[SeenEvent], things: AbstractSet[str]) -> None:
    """Take in what events say of things as children, without naming all that stands beside them."""
    for event in events:
        few = len(things) < len(event.items)
        containment.add((event,), things if few else [thing for thing in event.mentions_of if thing in things])


def _entries(
    thing: str,
    own: list[SeenEvent],
    around: dict[str, dict[int, SeenEvent]],
    stays: list[Stay],
    containment: Containment,
) -> list[HistoryEntry]:
    # Two emptyings of one instant may say the same: which of them came first must not matter.
    left = {(i.parent, i.closed_at) for i in containment.of_child(thing) if not i.implied}
    emptyings = {e.position for events in around.values() for e in counting(events.values()) if e.empties}
    entries = {event.position: HistoryEntry(event, event.of(thing)) for event in own}
    for stay in sorted(stays, key=lambda stay: stay.depth):
        for event in around.get(stay.container, {}).values():
            within = stay.window.first <= event.occurred_at <= stay.window.last
            # The emptying of a container names none of its children, and is how this one left.
            how_it_left = event.position in emptyings and (stay.container, event.occurred_at) in left
            concerns = (stay.depth == 1 and how_it_left) or (within and _concerns_contents(event, stay.container))
            if event.position not in entries and concerns:
                entries[event.position] = HistoryEntry(event, event.of(stay.container), via=stay.container)
    for position, declaration in retractions(entry.event for entry in entries.values()).items():
        entries[position] = replace(entries[position], retracted_by=declaration)
    return [entries[event.position] for event in ordered(entry.event for entry in entries.values())]


def _concerns_contents(event: SeenEvent, container: str) -> bool:
    """Tell whether an event of a container is one of its contents; packing something else into it is not."""
    roles = {mention.role for mention in event.of(container)}
    return event.type != AGGREGATION_EVENT or Role.CHILD in roles


def _chain(stays: Iterable[Stay]) -> tuple[str, ...]:
    """Return the containers that the thing is still in, from the innermost outward."""
    current = sorted((stay.depth, stay.container) for stay in stays if stay.window.last == END)
    return tuple(dict.fromkeys(container for _, container in current))


def _far_ends(
    index: ProvenanceIndex, thing: str, own: list[SeenEvent], as_of: int | None, *, role: Role
) -> tuple[str, ...]:
    """Return what went into the transformations that made the thing (`role` OUTPUT), or came out of those it fed."""
    far = Role.INPUT if role is Role.OUTPUT else Role.OUTPUT
    mine = [
        event
        for event in own
        if event.type == TRANSFORMATION_EVENT and any(mention.role is role for mention in event.of(thing))
    ]
    joined = {event.transformation for event in mine if event.transformation is not None}
    others = counting(_until(index.events(Subjects(transformations=joined)), as_of)) if joined else []
    found: set[str] = set()
    for event in mine:
        name = event.transformation
        for other in (event, *(other for other in others if name is not None and other.transformation == name)):
            gap = other.occurred_at - event.occurred_at
            if gap * (-1 if role is Role.OUTPUT else 1) >= 0:
                found.update(mention.thing for mention in other.mentions if mention.role is far)
    return tuple(sorted(found))
