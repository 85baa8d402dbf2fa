"""What standing events say of things, in tables: the ground that a trace is walked over.

Things and transformations are numbered as they are met. A table holds numbers of things, instants (µs UTC) and
positions; a flag is 0 or 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import numpy as np

from traceability.gs1.identifiers import Kind
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
from traceability.supply_chain.tables import Flags, Ints, Table, ints
from traceability.supply_chain.things import kind_of
from traceability.supply_chain.windows import Stretch

KINDS: Final = tuple(Kind)
_PLACES: Final = {kind: place for place, kind in enumerate(KINDS)}
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


class Things(Numbers):
    """Things by name, each with a number from 0, and with its kind."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds = np.empty(0, np.int64)

    @property
    def kinds(self) -> Ints:
        """Return the kind of each, by its number: a place in `KINDS`."""
        new = self.names[len(self._kinds) :]
        if new:
            self._kinds = np.concatenate([self._kinds, ints(map(_place_of_kind, new))])
        return self._kinds

    def stretches(self, numbers: Ints, first: Ints, last: Ints) -> list[Stretch]:
        """Return times of things: each from a first to a last instant."""
        return list(zip(self.of(numbers), first.tolist(), last.tolist(), strict=True))

    def are(self, numbers: Ints, *kinds: Kind) -> Flags:
        """Tell which of some things are of one of these kinds."""
        those, found = self.kinds[numbers], np.zeros(len(numbers), np.bool_)
        for kind in kinds:
            found |= those == _PLACES[kind]
        return found


def _place_of_kind(name: str) -> int:
    return _PLACES[kind_of(name)]


class Facts:
    """What events say.

    - `passages`: a thing goes into (`is_input`) or comes out of a transformation;
    - `ties`: a child goes into a parent (`opens`) or leaves it, see `containment`; `counted` children are many things;
    - `emptied`: all that is in a parent leaves it;
    - `members`: a thing is of a lot;
    - `objects`: what was `told` of some children, by position, to be paired alone.

    A transformation is named by the tag of its transformationID, or by that of the one event that has none.
    """

    def __init__(self) -> None:
        self.things = Things()
        self.transformations = Numbers()
        self.events: dict[int, SeenEvent] = {}
        self.passages = Table(("thing", "is_input", "transformation", "at", "position"), ("thing", "transformation"))
        self.ties = Table(("child", "parent", "at", "opens", "position", "counted", "kind"), ("child", "parent"))
        self.emptied = Table(("parent", "at", "position"), ())
        self.members = Table(("thing", "lot", "position"), ("thing", "lot"))
        self.joined: dict[int, str] = {}
        self.objects = Containment()
        self.told: dict[int, dict[int, SeenEvent]] = defaultdict(dict)
        self._opened: dict[MarkKind, set[tuple[str, int]]] = {kind: set() for kind in MarkKind}
        self._said: set[tuple[int, int, object]] = set()
        self._partly: set[int] = set()
        self._emptyings: set[int] = set()

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
        for lot, things in event.members.items():
            self.add_members(event, things, lot)

    def add_about(self, event: SeenEvent, thing: str) -> None:
        """Take in what an event that names many things says of one of them as a child, and of its lot."""
        self.events[event.position] = event
        self._add_ties(event, event.of(thing))
        if (lot := event.lot_of(thing)) is not None:
            self.add_members(event, [thing], lot)

    def add_contents(self, event: SeenEvent) -> None:
        """Take in all that an event that names many things puts into its parent."""
        self._add_ties(event, event.mentions)

    def add_emptyings(self, events: Iterable[SeenEvent]) -> None:
        """Take in what emptied parents."""
        for event in events:
            self.events[event.position] = event
            self._add_ties(event, ())

    def add_members(self, event: SeenEvent, things: Iterable[str], lot: str) -> None:
        """Note of which lot things are."""
        self.events[event.position] = event
        self.members.put([self.things[thing] for thing in things], self.things[lot], event.position)

    def first_told(self, ties: Ints, positions: Ints) -> Ints:
        """Return, of rows that say the same (`ties`) at `positions`, those whose event is first in the order of folds.

        So of two that say the same it is the same one, whichever the index names first.
        """
        order = np.argsort(ties, kind="stable")
        again = ties[order][1:] == ties[order][:-1]
        if not again.any():
            return order
        first: dict[int, int] = {}
        for row in order.tolist():
            known = first.get(tie := int(ties[row]))
            if known is None or self._turn(int(positions[row])) < self._turn(int(positions[known])):
                first[tie] = row
        return ints(first.values())

    def _turn(self, position: int) -> tuple[FoldOrder, int]:
        return FoldOrder(self.events[position]), position

    def add_transformation(self, event: SeenEvent) -> None:
        """Take in all that goes into or comes out of a transformation."""
        at, position = event.occurred_at, event.position
        self.events[position] = event
        transformation = self.transformation_of(event)
        inputs: list[int] = []
        outputs: list[int] = []
        for mention in event.mentions:
            (inputs if mention.role is Role.INPUT else outputs).append(self.things[mention.thing])
        for things, is_input in ((inputs, True), (outputs, False)):
            self.passages.put(self._once(event, things, is_input), is_input, transformation, at, position)

    def transformation_of(self, event: SeenEvent) -> int:
        """Return the number of the transformation that an event is part of."""
        if event.transformation is None:
            return self.transformations[f"event:{event.event_id}"]
        number = self.transformations[f"transformation:{event.transformation}"]
        self.joined[number] = event.transformation
        return number

    def note_opened(self, kind: MarkKind, opened: Iterable[tuple[str, int]]) -> None:
        """Note into which parents something was put, and when."""
        self._opened[kind].update(opened)

    def partly(self, event: SeenEvent) -> bool:
        """Tell whether an event was taken in when not all of it was seen."""
        return event.position in self._partly

    def _add_ties(self, event: SeenEvent, mentions: Sequence[Mention]) -> None:
        kind = MARK_KINDS.get(event.type)
        if kind is not None:
            if event.action in ("ADD", "DELETE"):
                for parent in event.parents:
                    self._add_containment(event, kind, parent, mentions)
        elif event.type == TRANSFORMATION_EVENT or (event.type == OBJECT_EVENT and event.action == "DELETE"):
            # What is consumed or ends leaves its container.
            gone = [self.things[m.thing] for m in mentions if m.role is not Role.OUTPUT and not m.class_level]
            self._put_ties(event, gone, NOWHERE, CONTAINED, counted=False)

    def _add_containment(self, event: SeenEvent, kind: MarkKind, parent: str, mentions: Sequence[Mention]) -> None:
        children = [mention for mention in mentions if mention.role is Role.CHILD]
        if children:
            # An event says one thing of a child: the last.
            counted = {self.things[child.thing]: child.class_level for child in children}
            for class_level in set(counted.values()):
                those = [child for child, level in counted.items() if level is class_level]
                self._put_ties(event, those, self.things[parent], _TIES[kind], counted=class_level)
            if event.action == "ADD":
                self.note_opened(kind, [(parent, event.occurred_at)])
        elif event.position not in self._emptyings and event.empties:
            self._emptyings.add(event.position)
            self.objects.add((event,), ())
            if kind is MarkKind.CONTAINMENT:
                self.emptied.put([self.things[parent]], event.occurred_at, event.position)

    def _put_ties(self, event: SeenEvent, children: list[int], parent: int, kind: int, *, counted: bool) -> None:
        children = self._once(event, children, None)
        self.ties.put(children, parent, event.occurred_at, event.action == "ADD", event.position, counted, kind)

    def _once(self, event: SeenEvent, things: list[int], said: object) -> list[int]:
        """Return those of which an event has not yet said something."""
        if len(things) > 1:
            things = list(dict.fromkeys(things))
        # One is taken in again because of its size, or because more of it is seen, in the end all.
        if not event.whole:
            self._partly.add(event.position)
        if not event.small or event.position in self._partly:
            things = [thing for thing in things if (event.position, thing, said) not in self._said]
            self._said.update([(event.position, thing, said) for thing in things])
        return things
