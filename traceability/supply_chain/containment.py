"""Containment as intervals of event time, paired from marks that may have arrived in any order.

The rules, each total and independent of arrival:

- AggregationEvent ADD opens (child, parent), DELETE closes it, DELETE without children closes all of the parent.
- A close at the very instant of an open came before it: things leave, then enter. So no interval is empty.
- A repeated ADD changes nothing. Nor does a DELETE of what is not inside: nothing says since when it was.
- One thing is in one container at a time. When it is packed into another without being unpacked, the first interval
  ends where the second begins (`implied`): a pallet that forgot to be emptied must not widen a recall. Of two packings
  at the same instant the later in fold order stands; of two emptyings the first is named. Counted (class-level)
  children are many things, so they may be in several containers.
- What is consumed by a transformation or ends (ObjectEvent DELETE) leaves its container (`implied`).
- AssociationEvents have intervals of their own, with neither of the last two rules.

An interval holds from its opening up to, but not including, its closing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from operator import attrgetter
from typing import Final

import msgspec

from traceability.ledger.index import MarkKind
from traceability.supply_chain.seen import (
    AGGREGATION_EVENT,
    MARK_KINDS,
    OBJECT_EVENT,
    TRANSFORMATION_EVENT,
    Mention,
    Role,
    SeenEvent,
)
from traceability.supply_chain.standing import FoldOrder
from traceability.supply_chain.windows import END, Window

_NONE: Final[frozenset[str]] = frozenset()


class Interval(msgspec.Struct, frozen=True, gc=False):
    """`child` was in (or attached to) `parent` from `opened_at` until before `closed_at` (µs UTC), None while it is.

    `opened_by` and `closed_by` are the positions of the events; `implied` tells that the close was not stated but
    follows from the child being elsewhere or gone; `counted` that the child is a quantity of a class or lot.
    """

    kind: MarkKind
    child: str
    parent: str
    opened_at: int
    closed_at: int | None
    opened_by: int
    closed_by: int | None
    implied: bool
    counted: bool

    @property
    def last(self) -> int:
        """Return the last instant at which the child was inside."""
        return END if self.closed_at is None else self.closed_at - 1

    @property
    def window(self) -> Window:
        """Return the instants at which the child was inside."""
        return Window(self.opened_at, self.last)


def nesting(events: Iterable[SeenEvent], things: Collection[str], most: int) -> int:
    """Return how many containers deep what events put into these things goes, whatever the time; at most `most`."""
    inside: dict[str, set[str]] = {}
    for parent, children in _put(events):
        inside.setdefault(parent, set()).update(children)
    return _depth(inside, things, most)


def surrounding(events: Iterable[SeenEvent], things: Collection[str], most: int) -> dict[str, int]:
    """Return how many containers deep events put each of these things, whatever the time; at most `most`."""
    around: dict[str, set[str]] = {}
    for parent, children in _put(events):
        for child in children:
            around.setdefault(child, set()).add(parent)
    return {thing: _depth(around, (thing,), most) for thing in things}


def _put(events: Iterable[SeenEvent]) -> Iterator[tuple[str, list[str]]]:
    for event in events:
        if event.type == AGGREGATION_EVENT and event.action == "ADD":
            for parent in event.parents:
                yield parent, [mention.thing for mention in event.mentions if mention.role is Role.CHILD]


def _depth(next_: Mapping[str, AbstractSet[str]], things: Collection[str], most: int) -> int:
    level = set(things)
    for depth in range(most):
        level = {each for thing in level for each in next_.get(thing, ())}
        if not level:
            return depth
    return most


class _Tie(msgspec.Struct, frozen=True, gc=False):
    """What `event` says about one child: into `parent` (opens), out of it, or out of everything (parent None)."""

    at: int
    opens: bool
    parent: str | None
    position: int
    kind: MarkKind
    counted: bool
    event: SeenEvent


_TIME: Final = attrgetter("at", "opens")


def _turn(tie: _Tie) -> tuple[int, bool, FoldOrder, str, int]:
    """Sort by time, closes first; position only separates events whose content is the same."""
    return tie.at, tie.opens, FoldOrder(tie.event), tie.parent or "", tie.position


def _in_turn(ties: list[_Tie]) -> list[_Tie]:
    if len(ties) > 1:
        ties.sort(key=_TIME)
        # The order of folds may read whole events, and hardly ever matters.
        if any(one.at == next_.at and one.opens is next_.opens for one, next_ in pairwise(ties)):
            ties.sort(key=_turn)
    return ties


class Containment:
    """The marks of a growing set of standing events, paired on demand.

    To pair a child rightly, the events of the child and the emptyings that came first after it was put into a parent
    (`newly_opened`) must have been added; the events of its siblings do not matter.
    """

    def __init__(self, events: Iterable[SeenEvent] = ()) -> None:
        self._ties: dict[str, dict[int, _Tie]] = {}  # by position: an event says one thing of a child
        self._paired: dict[MarkKind, dict[str, list[Interval]]] = {kind: {} for kind in MarkKind}
        self._emptied: dict[MarkKind, dict[str, list[tuple[int, FoldOrder, int]]]] = {kind: {} for kind in MarkKind}
        self._children: dict[MarkKind, dict[str, set[str]]] = {kind: {} for kind in MarkKind}
        self._opened: dict[MarkKind, set[tuple[str, int]]] = {kind: set() for kind in MarkKind}
        self.add(events)

    def add(self, events: Iterable[SeenEvent], about: Collection[str] | None = None) -> None:
        """Take in standing events, of which only the intervals of `about` as children are wanted (None: of all).

        One may come again: about other children, or with more of its items visible.
        """
        for event in events:
            kind = MARK_KINDS.get(event.type)
            if kind is not None and event.action in ("ADD", "DELETE"):
                self._add_ties(event, kind, about)
            elif event.type == TRANSFORMATION_EVENT or (event.type == OBJECT_EVENT and event.action == "DELETE"):
                self._add_ends(event, about)

    def children(self, parent: str, kind: MarkKind = MarkKind.CONTAINMENT) -> AbstractSet[str]:
        """Return everything that was ever put into a parent."""
        return self._children[kind].get(parent, _NONE)

    def children_of(self, parents: AbstractSet[str]) -> set[str]:
        """Return everything that was ever put into or attached to any of several parents."""
        return {
            child for children in self._children.values() for p in children.keys() & parents for child in children[p]
        }

    def parents(self, child: str, kind: MarkKind = MarkKind.CONTAINMENT) -> set[str]:
        """Return everything that a child was ever put into."""
        ties = self._ties.get(child, {}).values()
        return {tie.parent for tie in ties if tie.kind is kind and tie.opens and tie.parent is not None}

    def newly_opened(self, kind: MarkKind) -> Collection[tuple[str, int]]:
        """Return which parents something was put into or attached to, and when, since this was asked last.

        The emptyings that came first after these instants are those that may close something.
        """
        opened, self._opened[kind] = self._opened[kind], set()
        return opened

    def of_child(self, child: str, kind: MarkKind = MarkKind.CONTAINMENT) -> Sequence[Interval]:
        """Return the intervals of a child, by opening."""
        paired = self._paired[kind].get(child)
        if paired is None:
            said = self._ties.get(child)
            if said is None:
                return ()
            paired = self._pair(child, kind, _in_turn([tie for tie in said.values() if tie.kind is kind]))
            if len(paired) > 1:
                paired.sort(key=_BY_PARENT)
            self._paired[kind][child] = paired
        return paired

    def of_parent(self, parent: str, kind: MarkKind = MarkKind.CONTAINMENT) -> list[Interval]:
        """Return the intervals of a parent, by opening and child."""
        children = self._children[kind].get(parent)
        if children is None:
            return []
        found = [i for child in children for i in self.of_child(child, kind) if i.parent == parent]
        found.sort(key=_BY_CHILD)
        return found

    def _add_ties(self, event: SeenEvent, kind: MarkKind, about: Collection[str] | None) -> None:
        opens, at, position = event.action == "ADD", event.occurred_at, event.position
        for parent in event.parents:
            children = [mention for mention in _about(event, about) if mention.role is Role.CHILD]
            for child in children:
                self._tie(child.thing, _Tie(at, opens, parent, position, kind, child.class_level, event))
            if opens and children:
                self._opened[kind].add((parent, at))
                self._children[kind].setdefault(parent, set()).update([child.thing for child in children])
            if event.empties:
                emptied, entry = self._emptied[kind].setdefault(parent, []), (at, FoldOrder(event), position)
                place = bisect_left(emptied, entry)
                if emptied[place : place + 1] != [entry]:
                    emptied.insert(place, entry)
                    self._paired[kind].clear()

    def _add_ends(self, event: SeenEvent, about: Collection[str] | None) -> None:
        for mention in _about(event, about):
            if mention.role is not Role.OUTPUT and not mention.class_level:
                tie = _Tie(event.occurred_at, False, None, event.position, MarkKind.CONTAINMENT, False, event)  # noqa: FBT003
                self._tie(mention.thing, tie)

    def _tie(self, child: str, tie: _Tie) -> None:
        ties = self._ties.get(child)
        if ties is None:
            self._ties[child] = {tie.position: tie}
        else:
            ties[tie.position] = tie
            self._paired[tie.kind].pop(child, None)

    def _pair(self, child: str, kind: MarkKind, ties: list[_Tie]) -> list[Interval]:
        found: list[Interval] = []
        inside: dict[str, _Tie] = {}
        for tie in ties:
            # What is not alone in one container stays in the others, and whether those were emptied can wait.
            touched = inside.keys() if _exclusive(tie) else inside.keys() & {tie.parent}
            for parent in [*touched]:
                opened = inside[parent]
                emptied = self._next_emptying(kind, parent, opened.at)
                closed: tuple[int, int, bool] | None = None
                if emptied is not None and emptied[0] <= tie.at:
                    closed = (*emptied, False)
                elif not tie.opens and (tie.parent is None or tie.parent == parent):
                    closed = (tie.at, tie.position, tie.parent is None)
                elif tie.opens and parent != tie.parent and _exclusive(tie) and _exclusive(opened):
                    closed = (tie.at, tie.position, True)
                if closed is None:
                    continue
                del inside[parent]
                if closed[0] > opened.at:
                    found.append(_interval(child, parent, opened, closed))
            if tie.opens and tie.parent is not None:
                inside.setdefault(tie.parent, tie)
        for parent, opened in inside.items():
            emptied = self._next_emptying(kind, parent, opened.at)
            found.append(_interval(child, parent, opened, None if emptied is None else (*emptied, False)))
        return found

    def _next_emptying(self, kind: MarkKind, parent: str, after: int) -> tuple[int, int] | None:
        emptied = self._emptied[kind].get(parent)
        if emptied is None:
            return None
        following = bisect_right(emptied, after, key=lambda entry: entry[0])
        if following == len(emptied):
            return None
        closed_at, _, closed_by = emptied[following]
        return closed_at, closed_by


_BY_PARENT: Final = attrgetter("opened_at", "parent")
_BY_CHILD: Final = attrgetter("opened_at", "child")


def _about(event: SeenEvent, things: Collection[str] | None) -> Iterable[Mention]:
    if things is None:
        return event.mentions
    return [mention for thing in things for mention in event.of(thing)]


def _exclusive(tie: _Tie) -> bool:
    return tie.kind is MarkKind.CONTAINMENT and not tie.counted


def _interval(child: str, parent: str, opened: _Tie, closed: tuple[int, int, bool] | None) -> Interval:
    at, by, implied = closed or (None, None, False)
    return Interval(opened.kind, child, parent, opened.at, at, opened.position, by, implied, opened.counted)
