"""What ties things together, loaded from the index as a trace asks for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, Role, SeenEvent, counting, is_lot
from traceability.supply_chain.windows import ALWAYS, Window

_ITEM: Final = "item:"
_LOT: Final = "lot:"
_TRANSFORMATION: Final = "transformation:"


class Passage(msgspec.Struct, frozen=True, order=True, gc=False):
    """A thing goes into (`is_input`) or comes out of a transformation at a time, as the event at `position` says.

    A transformation is named by the tag of its transformationID, or by that of the one event that has none.
    """

    transformation: str
    thing: str
    is_input: bool
    at: int
    position: int


_NONE: Final[frozenset[Passage]] = frozenset()


class Links:
    """Containment, transformations and lot membership among the things loaded so far.

    `load` makes everything right that starts at the given things; what it brought in on the way may be incomplete. Of
    an event that names a thousand others, or of a pallet's other loads, only what concerns those things is read.
    """

    def __init__(self, index: ProvenanceIndex, as_of: int | None) -> None:
        self._index = index
        self._as_of = as_of
        self._loaded: set[str] = set()
        self._carried: dict[str, Window] = {}
        self._emptied: set[str] = set()
        self._passages: dict[str, set[Passage]] = {}
        self._taken: set[int] = set()
        self._transformed: set[int] = set()
        self._joined: set[str] = set()
        self._held: dict[str, list[SeenEvent]] = {}
        self.events: dict[int, SeenEvent] = {}
        self.containment = Containment()
        self.transformations: dict[str, set[Passage]] = {}
        self.lots: dict[str, dict[str, int]] = {}
        self.members: dict[str, dict[str, int]] = {}

    def passages(self, thing: str) -> AbstractSet[Passage]:
        """Return where a thing was an input or an output."""
        return self._passages.get(thing, _NONE)

    def load(self, opened: Collection[str], others: Collection[str], carriers: Mapping[str, Window]) -> None:
        """Load what starts at things, each in one of three ways.

        Of those `opened` also contents and members are wanted; of `carriers` only what they are in, and what they go
        into or come out of in a window.
        """
        tags = {f"{_ITEM}{thing}" for things in (opened, others) for thing in things}
        tags.update(f"{_LOT}{thing}" for thing in opened if is_lot(thing))
        self._fetch(tags)
        self._fetch_carriers(carriers)
        if self._joined:
            things = (*opened, *others, *carriers)
            named = self._joined & {passage.transformation for thing in things for passage in self.passages(thing)}
            self._joined -= named
            self._fetch(named)
        for thing in opened:
            self.containment.add(self._held.pop(thing, ()))
        # An interval ends when its child is packed elsewhere, so contents need the children's own events.
        children = {child for kind in MarkKind for thing in opened for child in self.containment.children(thing, kind)}
        self._fetch_carriers(dict.fromkeys(children, ALWAYS))
        self._fetch_emptyings(self.containment.newly_filled())

    def _fetch(self, tags: set[str]) -> None:
        missing = tags - self._loaded
        if missing:
            self._loaded |= missing
            self._take(self._index.ties(missing))

    def _fetch_carriers(self, windows: Mapping[str, Window]) -> None:
        missing = {}
        for thing, window in windows.items():
            tag = f"{_ITEM}{thing}"
            known = self._carried.get(tag)
            if tag not in self._loaded and (known is None or not known.covers(window)):
                missing[tag] = self._carried[tag] = window if known is None else known.join(window)
        if missing:
            self._take(self._index.ties((), missing))

    def _take(self, found: Iterable[tuple[SeenEvent, Collection[str]]]) -> None:
        read: list[SeenEvent] = []
        for event, carried in found:
            if self._as_of is not None and event.occurred_at > self._as_of:
                continue
            # Of a small event it is cheaper to take in everything, once. Of one that is partly hidden, there is all
            # the more to see with each name that the walk comes upon.
            if event.small or not event.whole:
                if not event.whole or event.position not in self._taken:
                    self._taken.add(event.position)
                    read.append(event)
                continue
            self.events[event.position] = event
            for tag in carried:
                self._add_about(event, tag)
        self._add(read)

    def _fetch_emptyings(self, parents: set[str]) -> None:
        new = parents - self._emptied
        self._emptied |= new
        missing = {f"{_ITEM}{parent}" for parent in new} - self._loaded
        if missing:
            for event in counting(self._index.emptyings(missing)):
                if self._as_of is None or event.occurred_at <= self._as_of:
                    self.events[event.position] = event
                    self.containment.add((event,))

    def _add(self, events: Collection[SeenEvent]) -> None:
        """Take in all that events say."""
        self.containment.add(events)
        for event in events:
            self.events[event.position] = event
            if event.type == TRANSFORMATION_EVENT:
                self._add_transformation(event)
            for member, lot in event.memberships.items():
                self._add_membership(event, member, lot)

    def _add_about(self, event: SeenEvent, tag: str) -> None:
        """Take in what an event that names many things says of the one, lot or transformation of a tag."""
        if tag.startswith(_LOT):
            self._add_members(event, tag.removeprefix(_LOT))
        elif tag.startswith(_TRANSFORMATION):
            self._add_transformation(event)
        else:
            self._add_of_thing(event, tag.removeprefix(_ITEM))

    def _add_of_thing(self, event: SeenEvent, thing: str) -> None:
        self.containment.add((event,), (thing,))
        if event.type == TRANSFORMATION_EVENT:
            self._add_transformation(event)
        elif event.action == "ADD" and thing in event.parents:
            self._held.setdefault(thing, []).append(event)
        if (lot := event.lot_of(thing)) is not None:
            self._add_membership(event, thing, lot)

    def _add_members(self, event: SeenEvent, of: str) -> None:
        for member, lot in event.memberships.items():
            if lot == of:
                self._add_membership(event, member, lot)

    def _add_membership(self, event: SeenEvent, member: str, lot: str) -> None:
        lots = self.lots.setdefault(member, {})
        lots[lot] = self._earliest(event.position, lots.get(lot))
        self.members.setdefault(lot, {})[member] = lots[lot]

    def _add_transformation(self, event: SeenEvent) -> None:
        at, position = event.occurred_at, event.position
        if event.whole and position in self._transformed:
            return
        self._transformed.add(position)
        if event.transformation is not None and event.transformation not in self._loaded:
            self._joined.add(event.transformation)
        name = event.transformation or f"event:{event.event_id}"
        passages = [Passage(name, m.thing, m.role is Role.INPUT, at, position) for m in event.mentions]
        self.transformations.setdefault(name, set()).update(passages)
        for passage in passages:
            self._passages.setdefault(passage.thing, set()).add(passage)

    def _earliest(self, position: int, known: int | None) -> int:
        # Of two that say the same, the same one whichever the index names first.
        if known is None or (self.events[position].order, position) < (self.events[known].order, known):
            return position
        return known
