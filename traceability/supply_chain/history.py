"""What one reader may know of one thing: its history, its state and its intervals, loaded from the index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from traceability.errors import NotFoundError
from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment, Interval
from traceability.supply_chain.custody import Custody, holds_in
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.item import ItemState, state_of
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.readings import Reading, readings
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, Role, SeenEvent, Subjects, is_lot
from traceability.supply_chain.standing import counting
from traceability.supply_chain.story import Stay, Story, empty, story_of, take_in, until
from traceability.supply_chain.windows import BEGIN, END, Stretch, WindowsRead


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
    custody: Custody
    entries: tuple[HistoryEntry, ...]
    containers: tuple[Interval, ...]
    contents: tuple[Interval, ...]
    associations: tuple[Interval, ...]
    members: tuple[str, ...]
    readings: tuple[Reading, ...]


def item_history(index: ProvenanceIndex, thing: str, parties: Parties, as_of: int | None = None) -> ItemHistory:
    """Tell all about a thing by its name (`thing_of`); raise `NotFoundError` when the reader sees nothing of it."""
    own = until(index.events(Subjects({thing}, {thing} if is_lot(thing) else frozenset())), as_of)
    if not own and not until(index.decisions({thing}), as_of):
        raise NotFoundError(f"Nothing is known of {thing}.", hint="Check the identifier, and as whom you ask.")
    story = story_of(index, thing, own, parties, as_of)
    count, containment, entries = story.count, story.containment, story.judged.entries
    containment.add(event for event in count if thing in event.parents)
    _load_children(index, thing, story, as_of)
    members = {m for event in count for m, lot in event.memberships.items() if lot == thing} if is_lot(thing) else ()
    measured = readings(entry.event for entry in entries if entry.counts)
    associations = [
        *containment.of_child(thing, MarkKind.ASSOCIATION),
        *containment.of_parent(thing, MarkKind.ASSOCIATION),
    ]
    contents = containment.of_parent(thing)
    state = replace(
        state_of(thing, entries, measured),
        contained_in=_chain(story.stays),
        contents=tuple(sorted(interval.child for interval in contents if interval.closed_at is None)),
        attached_to=tuple(sorted({i.parent for i in associations if i.child == thing and i.closed_at is None})),
        attachments=tuple(sorted({i.child for i in associations if i.parent == thing and i.closed_at is None})),
        transformed_from=_far_ends(index, thing, count, as_of, role=Role.OUTPUT),
        transformed_into=_far_ends(index, thing, count, as_of, role=Role.INPUT),
    )
    return ItemHistory(
        thing=thing,
        as_of=as_of,
        known_at=index.known_at,
        state=state,
        custody=holds_in(story.judged.custody, state.contained_in),
        entries=tuple(entries),
        containers=tuple(containment.of_child(thing)),
        contents=tuple(contents),
        associations=tuple(associations),
        members=tuple(sorted(members)),
        readings=tuple(measured),
    )


def _load_children(index: ProvenanceIndex, thing: str, story: Story, as_of: int | None) -> None:
    """Read when each child was packed elsewhere or ended while it was inside; not where it was seen, nor its past.

    What the thing's own events say of a child can only be cut short by others, so those in its time inside will do. A
    child inside is in the hands of who has the thing: what others say of it takes it out of nothing here.
    """
    containment = story.containment
    read = WindowsRead()
    while unread := read.unread(_times_inside(thing, containment)):
        leavings = until(index.leavings(unread), as_of)
        # A reader who may only see what it names may now see that one of them came in earlier.
        take_in(containment, filter(story.believes, leavings), unread.keys())
    empty(index, containment, MarkKind.ASSOCIATION, as_of, story.believes)


def _times_inside(thing: str, containment: Containment) -> list[Stretch]:
    """Return when each child was inside, from its entry to the close of the interval, both instants included."""
    intervals = [interval for kind in MarkKind for interval in containment.of_parent(thing, kind)]
    # What cuts an interval short may be of the very instant at which it ends.
    inside = [(i.child, i.opened_at, END if i.closed_at is None else i.closed_at) for i in intervals]
    never = containment.children_of({thing}) - {child for child, _, _ in inside}
    return inside + [(child, BEGIN, END) for child in never]


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
    others = counting(until(index.events(Subjects(transformations=joined)), as_of)) if joined else []
    found: set[str] = set()
    for event in mine:
        name = event.transformation
        for other in (event, *(other for other in others if name is not None and other.transformation == name)):
            gap = other.occurred_at - event.occurred_at
            if gap * (-1 if role is Role.OUTPUT else 1) >= 0:
                found.update(mention.thing for mention in other.mentions if mention.role is far)
    return tuple(sorted(found))
