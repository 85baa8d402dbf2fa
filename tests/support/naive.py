"""Containment and provenance in their plainest form: everything at once, no index, nothing pruned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from traceability.ledger.index import MarkKind
from traceability.supply_chain.seen import Role, SeenEvent, is_class
from traceability.supply_chain.standing import FoldOrder

Pair = tuple[MarkKind, str, str]
Bare = tuple[MarkKind, str, str, int, int | None]
FOREVER = 1 << 62


class _Timeline:
    """All standing events played once, in time order with closes first."""

    def __init__(self, events: Sequence[SeenEvent]) -> None:
        self.inside: dict[Pair, tuple[int, bool]] = {}
        self.found: set[Bare] = set()
        for event in sorted(events, key=lambda e: (e.view.occurred_at, e.view.action == "ADD", FoldOrder(e))):
            match event.view.type.split(".")[1], event.view.action:
                case "aggregation_event", _:
                    self._play(MarkKind.CONTAINMENT, event)
                case "association_event", _:
                    self._play(MarkKind.ASSOCIATION, event)
                case ("transformation_event", _) | ("object_event", "DELETE"):
                    gone = {m.thing for m in event.mentions if not m.class_level and m.role is not Role.OUTPUT}
                    self._close(event, [k for k in self.inside if k[0] is MarkKind.CONTAINMENT and k[1] in gone])

    def _play(self, kind: MarkKind, event: SeenEvent) -> None:
        parent = next(m.thing for m in event.mentions if m.role is Role.PARENT)
        children = [m for m in event.mentions if m.role is Role.CHILD]
        if event.view.action == "DELETE":
            named = {m.thing for m in children}
            pairs = [k for k in self.inside if k[0] is kind and k[2] == parent and (not children or k[1] in named)]
            self._close(event, pairs)
            return
        for child in children:
            if kind is MarkKind.CONTAINMENT and not child.class_level:
                others = [k for k in self.inside if k[:2] == (kind, child.thing) and k[2] != parent]
                self._close(event, [k for k in others if not self.inside[k][1]])
            self.inside.setdefault((kind, child.thing, parent), (event.view.occurred_at, child.class_level))

    def _close(self, event: SeenEvent, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            opened, _ = self.inside.pop(pair)
            if opened < event.view.occurred_at:
                self.found.add((*pair, opened, event.view.occurred_at))


def naive_intervals(events: Sequence[SeenEvent]) -> set[Bare]:
    """Note when each pair opens and closes in one pass over time."""
    timeline = _Timeline(events)
    return timeline.found | {(*pair, opened, None) for pair, (opened, _) in timeline.inside.items()}


Label = tuple[str, str, int, int]
"""A state of a walk: thing, reach, first and last instant."""
Arc = tuple[str, str, str, int]
"""Kind, source, target, and the instant from which it holds (0 for lots)."""


class _Walks:
    """Every walk in one direction, every label kept."""

    def __init__(self, events: Sequence[SeenEvent], roots: Iterable[str], *, back: bool) -> None:
        self._roots = set(roots)
        self._back = back
        self._stays = [i for i in naive_intervals(events) if i[0] is MarkKind.CONTAINMENT]
        self._counted = {(m.thing, e.view.occurred_at) for e in events for m in e.mentions if m.class_level}
        self._lots = {(member, lot) for e in events for member, lot in e.memberships.items()}
        self._flows: dict[str, list[tuple[str, bool, int]]] = defaultdict(list)
        for e in events:
            if e.view.type == "epcis.transformation_event.v2":
                joined = e.view.transformation_id
                name = f"transformation:{joined}" if joined else f"event:{e.event_id}"
                self._flows[name] += [(m.thing, m.role is Role.INPUT, e.view.occurred_at) for m in e.mentions]
        self.arcs: set[Arc] = set()
        self.labels: set[Label] = {(root, "traced", -FOREVER, FOREVER) for root in self._roots}
        todo = list(self.labels)
        while todo:
            label = todo.pop()
            if not is_class(label[0]) or label[0] in self._roots:
                new = set(self._steps(*label)) - self.labels
                self.labels |= new
                todo += new

    def _steps(self, thing: str, reach: str, first: int, last: int) -> Iterator[Label]:
        low, high = (-FOREVER, last) if self._back else (first, FOREVER)
        if reach == "carrier":
            low, high = first, last
        yield from self._transformed(thing, low, high)
        if reach != "lot":
            yield from self._carried(thing, low, high)
        if reach == "traced":
            yield from self._opened(thing, first, last)

    def _transformed(self, thing: str, low: int, high: int) -> Iterator[Label]:
        for name, passages in self._flows.items():
            for here, is_input, at in passages:
                if here != thing or is_input == self._back or not low <= at <= high:
                    continue
                self.arcs.add(_arc(name, here, at, into=is_input))
                for far, far_input, then in passages:
                    if far_input != is_input and (then <= at if self._back else then >= at):
                        self.arcs.add(_arc(name, far, then, into=far_input))
                        yield far, "traced", then, then if self._back else FOREVER

    def _carried(self, thing: str, low: int, high: int) -> Iterator[Label]:
        for _, child, parent, opened, closed in self._stays:
            until = FOREVER if closed is None else closed - 1
            if child == thing and max(opened, low) <= min(until, high):
                self.arcs.add(("containment", child, parent, opened))
                yield parent, "carrier", max(opened, low), min(until, high)

    def _opened(self, thing: str, first: int, last: int) -> Iterator[Label]:
        for _, child, parent, opened, closed in self._stays:
            until = FOREVER if closed is None else closed - 1
            if parent == thing and max(opened, first) <= min(until, last):
                self.arcs.add(("containment", child, parent, opened))
                reach = "lot" if (child, opened) in self._counted else "traced"
                yield child, reach, max(opened, first), min(until, last)
        for member, lot in self._lots:
            if lot == thing:
                self.arcs.add(("lot", lot, member, 0))
                yield member, "traced", first, last
            if member == thing and self._back:
                self.arcs.add(("lot", lot, member, 0))
                yield lot, "lot", first, last


def naive_trace(
    events: Sequence[SeenEvent], roots: Iterable[str], *, back: bool
) -> tuple[set[tuple[str, str]], set[Arc]]:
    """Follow every walk; return (thing, reach) pairs and arcs."""
    walks = _Walks(events, roots, back=back)
    return {label[:2] for label in walks.labels}, walks.arcs


def _arc(name: str, thing: str, at: int, *, into: bool) -> Arc:
    return ("transformation", thing, name, at) if into else ("transformation", name, thing, at)
