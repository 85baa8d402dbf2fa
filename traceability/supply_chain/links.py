"""What ties things together, loaded from the index as a trace asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Final

from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, Role, SeenEvent, Subjects, is_lot
from traceability.supply_chain.standing import FoldOrder
from traceability.supply_chain.traced import EdgeKind, TraceEdge
from traceability.supply_chain.windows import Window

_ORDER: Final = attrgetter("source", "target", "begin", "positions")


class _Edges(dict[str, list[TraceEdge]]):
    """Edges by one of their ends, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._unsorted: set[str] = set()

    def put(self, end: str, edge: TraceEdge) -> None:
        """Add an edge that is not there yet."""
        edges = self.get(end)
        if edges is None:
            self[end] = [edge]
        else:
            edges.append(edge)
            self._unsorted.add(end)

    def at(self, end: str) -> Sequence[TraceEdge]:
        """Return the edges at an end."""
        if end in self._unsorted:
            self._unsorted.remove(end)
            self[end].sort(key=_ORDER)
        return self.get(end, ())


class Links:
    """Containment, transformations and lot membership among the things loaded so far.

    `consumed` are the transformations that a thing goes into, by the thing; `produced` those that it comes out of;
    `inputs` and `outputs` the same edges by the transformation. It is named by the tag of its transformationID, or by
    that of the one event that has none.

    `load` makes everything right that starts at the given things; what it brought in on the way may be incomplete. Of
    an event that names a thousand others, or of a pallet's other loads, only what concerns those things is read.
    """

    def __init__(self, index: ProvenanceIndex, as_of: int | None) -> None:
        self._index = index
        self._as_of = as_of
        self._loaded: set[str] = set()
        self._lots: set[str] = set()
        self._transformations_loaded: set[str] = set()
        self._joined: dict[str, str] = {}
        self._taken: set[int] = set()
        self._transformed: set[int] = set()
        self._carried: dict[str, Window] = {}
        self._held: dict[str, list[SeenEvent]] = {}
        self.events: dict[int, SeenEvent] = {}
        self.consumed, self.produced, self.inputs, self.outputs = _Edges(), _Edges(), _Edges(), _Edges()
        self.containment = Containment()
        self.lots: dict[str, dict[str, int]] = {}
        self.members: dict[str, dict[str, int]] = {}

    def load(self, opened: AbstractSet[str], others: AbstractSet[str], carriers: Mapping[str, Window]) -> None:
        """Load what starts at things, each in one of three ways.

        Of those `opened` also contents and members are wanted; of `carriers` only what they are in, and what they go
        into or come out of in a window.
        """
        lots = {thing for thing in opened if is_lot(thing)}
        self._fetch(Subjects(opened | others, lots), carriers)
        if self._joined:
            things = opened | others | carriers.keys()
            named = {edge.target for thing in self.consumed.keys() & things for edge in self.consumed[thing]}
            named.update([edge.source for thing in self.produced.keys() & things for edge in self.produced[thing]])
            self._fetch(Subjects(transformations={self._joined[name] for name in self._joined.keys() & named}))
        for thing in self._held.keys() & opened:
            self.containment.add(self._held.pop(thing))
        # An interval ends when its child is packed elsewhere, so contents need the children's own events.
        self._fetch(Subjects(self.containment.children_of(opened)))
        for kind in MarkKind:
            if instants := self.containment.newly_opened(kind):
                emptyings = self._until(self._index.emptyings(kind, instants))
                self.events.update((event.position, event) for event in emptyings)
                self.containment.add(emptyings, ())

    def _fetch(self, asked: Subjects, carriers: Mapping[str, Window] | None = None) -> None:
        missing = Subjects(
            asked.things - self._loaded, asked.lots - self._lots, asked.transformations - self._transformations_loaded
        )
        self._loaded |= missing.things
        self._lots |= missing.lots
        self._transformations_loaded |= missing.transformations
        windows = {}
        for thing, window in (carriers or {}).items():
            known = self._carried.get(thing)
            if thing not in self._loaded and (known is None or not known.covers(window)):
                windows[thing] = self._carried[thing] = window if known is None else known.join(window)
        if windows or any(missing):
            self._take(self._index.ties(missing, windows), missing._replace(things={*missing.things, *windows}))

    def _until(self, events: Iterable[SeenEvent]) -> list[SeenEvent]:
        return [event for event in events if self._as_of is None or event.occurred_at <= self._as_of]

    def _take(self, events: Iterable[SeenEvent], asked: Subjects) -> None:
        for event in self._until(events):
            # Of a small event it is cheaper to take in everything, once. Of one that is partly hidden, there is all
            # the more to see with each name that the walk comes upon.
            if event.whole and not event.small:
                self.events[event.position] = event
                self._take_about(event, asked)
            elif not event.whole or event.position not in self._taken:
                self._taken.add(event.position)
                self._add(event)

    def _add(self, event: SeenEvent) -> None:
        """Take in all that an event says."""
        self.events[event.position] = event
        self.containment.add((event,))
        if event.type == TRANSFORMATION_EVENT:
            self._add_transformation(event)
        for member, lot in event.memberships.items():
            self._add_membership(event, member, lot)

    def _take_about(self, event: SeenEvent, asked: Subjects) -> None:
        """Take in what an event that names many things says of those that are asked for."""
        for thing in event.among(asked.things):
            self.containment.add((event,), (thing,))
            if event.action == "ADD" and thing in event.parents:
                self._held.setdefault(thing, []).append(event)
            if (lot := event.lot_of(thing)) is not None:
                self._add_membership(event, thing, lot)
        for lot in event.lots & asked.lots if asked.lots else ():
            for member, of in event.memberships.items():
                if of == lot:
                    self._add_membership(event, member, lot)
        if event.type == TRANSFORMATION_EVENT:
            self._add_transformation(event)

    def _add_membership(self, event: SeenEvent, member: str, lot: str) -> None:
        lots = self.lots.setdefault(member, {})
        lots[lot] = self._earliest(event.position, lots.get(lot))
        self.members.setdefault(lot, {})[member] = lots[lot]

    def _add_transformation(self, event: SeenEvent) -> None:
        at, position = event.occurred_at, event.position
        if event.whole and position in self._transformed:
            return
        self._transformed.add(position)
        if event.transformation is None:
            name = f"event:{event.event_id}"
        else:
            name = f"transformation:{event.transformation}"
            if event.transformation not in self._transformations_loaded:
                self._joined[name] = event.transformation
        ends = {(mention.thing, mention.role is Role.INPUT) for mention in event.mentions}
        if not event.whole:
            ends -= {(edge.source, True) for edge in self.inputs.get(name, ()) if edge.positions == (position,)}
            ends -= {(edge.target, False) for edge in self.outputs.get(name, ()) if edge.positions == (position,)}
        for thing, is_input in sorted(ends):
            if is_input:
                edge = TraceEdge(EdgeKind.TRANSFORMATION, thing, name, at, None, (position,))
                self.consumed.put(thing, edge)
                self.inputs.put(name, edge)
            else:
                edge = TraceEdge(EdgeKind.TRANSFORMATION, name, thing, at, None, (position,))
                self.produced.put(thing, edge)
                self.outputs.put(name, edge)

    def _earliest(self, position: int, known: int | None) -> int:
        # Of two that say the same, the same one whichever the index names first.
        if known is None or self._turn(position) < self._turn(known):
            return position
        return known

    def _turn(self, position: int) -> tuple[FoldOrder, int]:
        return FoldOrder(self.events[position]), position
