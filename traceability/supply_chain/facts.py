"""What standing events say of things, in tables: the ground that a trace is walked over.

Things and transformations are numbered as they are met. A table holds numbers of things, instants (µs UTC) and
positions; a flag is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.seen import (
    MARK_KINDS,
    OBJECT_EVENT,
    TRANSFORMATION_EVENT,
    Mention,
    Role,
    SeenEvent,
)
from traceability.supply_chain.standing import FoldOrder
from traceability.supply_chain.tables import Ints, Table

NOWHERE: Final = -1
"""The parent in a tie that ends all containment of its child."""
CONTAINED, ATTACHED = 0, 1
_TIES: Final = {MarkKind.CONTAINMENT: CONTAINED, MarkKind.ASSOCIATION: ATTACHED}


class Numbers(dict[str, int]):
    """Names, each with a number from 0."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self.names)
        self.names.append(name)
        return number

    def of(self, numbers: Ints) -> list[str]:
        """Return the names of some numbers."""
        return [self.names[number] for number in numbers.tolist()]


class Facts:
    """What events say.

    - `passages`: a thing goes into (`is_input`) or comes out of a transformation;
    - `ties`: a child goes into a parent (`opens`) or leaves it, see `containment`; `counted` children are many things;
    - `emptied`: all that is in a parent leaves it;
    - `members`: a thing is of a lot; which event says so is in `told`, the first in the order of folds.

    A transformation is named by the tag of its transformationID, or by that of the one event that has none.
    """

    def __init__(self) -> None:
        self.things = Numbers()
        self.transformations = Numbers()
        self.events: dict[int, SeenEvent] = {}
        self.passages = Table(("thing", "transformation", "is_input", "at", "position"), ("thing", "transformation"))
        self.ties = Table(("child", "parent", "at", "opens", "position", "counted", "kind"), ("child", "parent"))
        self.emptied = Table(("parent", "at", "position"), ())
        self.members = Table(("thing", "lot"), ("thing", "lot"))
        self.told: dict[tuple[int, int], int] = {}
        self.joined: dict[int, str] = {}
        self.objects = Containment()
        self._opened: dict[MarkKind, set[tuple[str, int]]] = {kind: set() for kind in MarkKind}
        self._passed: set[tuple[int, int, bool]] = set()
        self._tied: set[tuple[int, int]] = set()

    def settle(self) -> None:
        """Take in what was added."""
        for table in (self.passages, self.ties, self.emptied, self.members):
            table.settle()

    def newly_opened(self, kind: MarkKind) -> Collection[tuple[str, int]]:
        """Return which parents something was put into or attached to, and when, since this was asked last.

        The emptyings that came first after these instants are those that may close something.
        """
        opened, self._opened[kind] = self._opened[kind], set()
        return opened

    def add(self, event: SeenEvent) -> None:
        """Take in all that an event says; one that is not whole may come again with more."""
        self.events[event.position] = event
        if event.type == TRANSFORMATION_EVENT:
            self.add_transformation(event)
        self._add_ties(event, event.mentions)
        for thing, lot in event.memberships.items():
            self.add_membership(event, thing, lot)

    def add_about(self, event: SeenEvent, thing: str) -> None:
        """Take in what an event that names many things says of one of them as a child, and of its lot."""
        self.events[event.position] = event
        self._add_ties(event, event.of(thing))
        if (lot := event.lot_of(thing)) is not None:
            self.add_membership(event, thing, lot)

    def add_contents(self, event: SeenEvent) -> None:
        """Take in all that an event that names many things puts into its parent."""
        self._add_ties(event, event.mentions)

    def add_emptyings(self, events: Iterable[SeenEvent]) -> None:
        """Take in what emptied parents."""
        for event in events:
            self.events[event.position] = event
            self._add_ties(event, ())

    def add_membership(self, event: SeenEvent, thing: str, lot: str) -> None:
        """Note of which lot a thing is."""
        self.events[event.position] = event
        pair = self.things[thing], self.things[lot]
        known = self.told.get(pair)
        if known is None:
            self.members.put(pair)
            self.told[pair] = event.position
        elif known != event.position and _turn(event) < _turn(self.events[known]):
            # Of two that say the same, the same one whichever the index names first.
            self.told[pair] = event.position

    def add_transformation(self, event: SeenEvent) -> None:
        """Take in all that goes into or comes out of a transformation."""
        at, position = event.occurred_at, event.position
        self.events[position] = event
        if event.transformation is None:
            transformation = self.transformations[f"event:{event.event_id}"]
        else:
            transformation = self.transformations[f"transformation:{event.transformation}"]
            self.joined[transformation] = event.transformation
        ends = {(self.things[mention.thing], mention.role is Role.INPUT) for mention in event.mentions}
        if _comes_again(event):
            ends = {end for end in ends if (end[0], position, end[1]) not in self._passed}
            self._passed.update((thing, position, is_input) for thing, is_input in ends)
        for thing, is_input in ends:
            self.passages.put((thing, transformation, is_input, at, position))

    def _add_ties(self, event: SeenEvent, mentions: Iterable[Mention]) -> None:
        kind = MARK_KINDS.get(event.type)
        if kind is not None:
            if event.action in ("ADD", "DELETE"):
                for parent in event.parents:
                    self._add_containment(event, kind, parent, mentions)
        elif event.type == TRANSFORMATION_EVENT or (event.type == OBJECT_EVENT and event.action == "DELETE"):
            # What is consumed or ends leaves its container.
            gone = [m.thing for m in mentions if m.role is not Role.OUTPUT and not m.class_level]
            self._put_ties(event, {self.things[thing]: False for thing in gone}, NOWHERE, CONTAINED)

    def _add_containment(self, event: SeenEvent, kind: MarkKind, parent: str, mentions: Iterable[Mention]) -> None:
        # By child: an event says one thing of it.
        children = {self.things[m.thing]: m.class_level for m in mentions if m.role is Role.CHILD}
        if children:
            self._put_ties(event, children, self.things[parent], _TIES[kind])
            if event.action == "ADD":
                self._opened[kind].add((parent, event.occurred_at))
        elif event.empties:
            self.objects.add((event,), ())
            if kind is MarkKind.CONTAINMENT:
                self.emptied.put((self.things[parent], event.occurred_at, event.position))

    def _put_ties(self, event: SeenEvent, children: dict[int, bool], parent: int, kind: int) -> None:
        at, opens, position = event.occurred_at, event.action == "ADD", event.position
        again = _comes_again(event)
        for child, counted in children.items():
            if again:
                if (child, position) in self._tied:
                    continue
                self._tied.add((child, position))
            self.ties.put((child, parent, at, opens, position, counted, kind))


def _comes_again(event: SeenEvent) -> bool:
    """Tell whether an event is taken in more than once, because of its size or because more of it will be seen."""
    return not (event.whole and event.small)


def _turn(event: SeenEvent) -> tuple[FoldOrder, int]:
    return FoldOrder(event), event.position
