"""Tracing: where things came from, and where they went.

A trace walks a graph over things. Its edges are transformations (each a node of its own, so that m inputs and n
outputs are m + n edges), containment as intervals of time, lot membership, and on request association. The walk
respects time; what it carries along is a *label*: a thing, in what way it was reached, and when it matters.

- *traced*: a root, or what a transformation made of (forward) or from (back) something traced, what a traced container
  held, or a member of a traced lot. Forward, everything that starts at or after the window's first instant is its
  consequence; back, everything up to the window's last instant is its origin. The window itself bounds the contents:
  an input that is a pallet stands for what was on it at that instant; a pallet that is a root, for all it ever held.
- *carrier*: a container while something traced was in it. It tells where that was, and stands for its contents when it
  is itself transformed in that time. It is not opened: siblings on a pallet, or a later load of it, are not affected.
- *lot*: a lot reached from one member (back), or held, counted, in a container. Only its transformations are followed;
  one pack does not implicate its batch. A traced lot opens to all its members.
- *attached*: the other end of an association; shown, never followed.

A class without lot or serial (a bare GTIN) ties nothing together: unless it is a root, the walk ends there and says so.

The walk goes level by level, with a queue and no recursion, and keeps of each thing only labels that no other covers:
the answer is that of every time-respecting walk of at most `max_depth` steps, cycles or not. A step leads from a thing
to a thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import attrgetter
from typing import Final

import msgspec

from traceability.errors import NotFoundError
from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.links import Links
from traceability.supply_chain.seen import is_class
from traceability.supply_chain.traced import (
    MAX_ROOTS,
    PROPAGATING,
    Direction,
    EdgeKind,
    FrontierNode,
    Progress,
    Reach,
    Stop,
    Trace,
    TraceEdge,
    TraceNode,
    TraceQuery,
)
from traceability.supply_chain.windows import BEGIN, END, hulls

__all__ = [
    "MAX_ROOTS",
    "PROPAGATING",
    "Direction",
    "EdgeKind",
    "FrontierNode",
    "Progress",
    "Reach",
    "Stop",
    "Trace",
    "TraceEdge",
    "TraceNode",
    "TraceQuery",
    "trace",
    "walk",
]


def trace(index: ProvenanceIndex, query: TraceQuery) -> Trace:
    """Walk from the roots; raise `NotFoundError` when the reader sees nothing of one of them (as of that time)."""
    links, found = _begin(index, query)
    for _ in _levels(links, query, found):
        pass
    return Trace(
        query=query,
        known_at=index.known_at,
        nodes=dict(sorted(found.nodes.items())),
        edges=tuple(_in_order(found.edges)),
        frontier=tuple(sorted(found.frontier, key=lambda node: (node.id, node.direction, node.reason))),
        events={position: links.events[position] for position in sorted(found.positions)},
    )


def walk(index: ProvenanceIndex, query: TraceQuery) -> Iterator[Progress]:
    """Walk as `trace` does, and tell level by level what was found: the roots at once.

    Raises `NotFoundError` as `trace` does, before the iterator is returned.
    """
    return _told(*_begin(index, query), query)


def _begin(index: ProvenanceIndex, query: TraceQuery) -> tuple[Links, _Found]:
    known = index.known(query.roots, query.as_of)
    for root in query.roots:
        if root not in known:
            raise NotFoundError(f"Nothing is known of {root}.")
    found = _Found(query.max_nodes)
    for root in query.roots:
        found.admit(0, root, Reach.TRACED)
    return Links(index, query.as_of), found


def _levels(links: Links, query: TraceQuery, found: _Found) -> Iterator[None]:
    for direction in (Direction.BACK, Direction.FORWARD):
        if query.direction in (direction, Direction.BOTH):
            yield from _Walk(links, query, direction, found).levels()


def _told(links: Links, found: _Found, query: TraceQuery) -> Iterator[Progress]:
    yield found.progress(links)
    for _ in _levels(links, query, found):
        yield found.progress(links)


class _Label(msgspec.Struct, frozen=True, gc=False):
    """A thing, in what way it was reached, and the instants from `first` to `last` that matter."""

    thing: str
    reach: Reach
    first: int
    last: int

    def covers(self, other: _Label) -> bool:
        """Tell whether every instant that matters to `other` matters to this one."""
        return self.first <= other.first and other.last <= self.last


# Labels of one thing stay as the walk came upon them, which depends on what is known and not on its arrival.
_THING: Final = attrgetter("thing")
_NONE: Final[Mapping[str, int]] = {}
_STRENGTH: Final = {reach: i for i, reach in enumerate(Reach)}


class _Found:
    """Nodes, edges and frontier so far, in the order in which they were found; a node is admitted while there is room.

    `positions` are those of the events behind the edges.
    """

    def __init__(self, max_nodes: int) -> None:
        self.nodes: dict[str, TraceNode] = {}
        self.edges: dict[TraceEdge, None] = {}
        self.frontier: dict[FrontierNode, None] = {}
        self.positions: dict[int, None] = {}
        self._max_nodes = max_nodes
        self._changed: set[str] = set()
        self._told = (0, 0, 0)

    def admit(self, depth: int, thing: str | None, reach: Reach, via: str | None = None) -> bool:
        """Add the nodes of a step, both or none; one that is there keeps its least depth and its strongest reach."""
        nodes = self.nodes
        fresh = (thing is not None and thing not in nodes) + (via is not None and via not in nodes)
        if fresh and len(nodes) + fresh > self._max_nodes:
            return False
        if thing is not None:
            self._add_node(thing, reach, depth)
        if via is not None:
            self._add_node(via, None, depth)
        return True

    def _add_node(self, name: str, reach: Reach | None, depth: int) -> None:
        known = self.nodes.get(name)
        if known is not None:
            if known.depth <= depth and (known.reach is reach or _stronger(known.reach, reach) is known.reach):
                return
            reach, depth = _stronger(known.reach, reach), min(depth, known.depth)
        self.nodes[name] = TraceNode(name, reach, depth)
        self._changed.add(name)

    def add_edges(self, edges: Iterable[TraceEdge]) -> None:
        """Add edges between admitted nodes."""
        for edge in edges:
            before = len(self.edges)
            self.edges[edge] = None
            # To ask whether it is there, too, would hash all of it twice.
            if len(self.edges) > before:
                for position in edge.positions:
                    self.positions[position] = None

    def progress(self, links: Links) -> Progress:
        """Return what is new since this was asked last, nodes in the order of their names."""
        nodes = [self.nodes[node] for node in sorted(self._changed)]
        self._changed.clear()
        edges, frontier, positions = self._told
        self._told = len(self.edges), len(self.frontier), len(self.positions)
        return Progress(
            nodes,
            list(islice(self.edges, edges, None)),
            list(islice(self.frontier, frontier, None)),
            [links.events[position] for position in islice(self.positions, positions, None)],
        )


def _stronger(known: Reach | None, reach: Reach | None) -> Reach | None:
    if known is reach:
        return known
    if known is None or reach is None:
        return known or reach
    return known if _STRENGTH[known] <= _STRENGTH[reach] else reach


class _Walk:
    """The walk in one direction."""

    def __init__(self, links: Links, query: TraceQuery, direction: Direction, found: _Found) -> None:
        self._links = links
        self._query = query
        self._direction = direction
        self._back = direction is Direction.BACK
        self._found = found
        self._kinds = query.edge_kinds
        self._labels: dict[str, list[_Label]] = {}
        self._ended: set[str] = set()
        self._led_on: set[str] = set()
        self._depth = 0
        self._reached: list[_Label] = []

    def levels(self) -> Iterator[None]:
        """Walk, and pause after each level."""
        roots = [_Label(root, Reach.TRACED, BEGIN, END) for root in self._query.roots]
        level = [label for label in roots if self._accept(label)]
        while level:
            if self._depth == self._query.max_depth:
                self._stop({label.thing for label in level if self._follows(label)}, Stop.DEPTH)
                break
            followed = sorted([label for label in level if self._follows(label)], key=_THING)
            self._load(followed)
            self._depth += 1
            self._reached = []
            for label in followed:
                self._follow(label)
            level = self._reached
            yield
        self._stop(self._ended - self._led_on, Stop.NO_FURTHER)
        yield

    def _load(self, level: list[_Label]) -> None:
        opened = {label.thing for label in level if label.reach is Reach.TRACED}
        others = {label.thing for label in level if label.reach is Reach.LOT} - opened
        carriers = hulls(
            (label.thing, label.first, label.last)
            for label in level
            if label.reach is Reach.CARRIER and label.thing not in opened and label.thing not in others
        )
        self._links.load(opened, others, carriers)

    def _follows(self, label: _Label) -> bool:
        if label.reach is Reach.ATTACHED:
            return False
        if is_class(label.thing) and label.thing not in self._query.roots:
            self._stop({label.thing}, Stop.CLASS_LEVEL)
            return False
        return True

    def _stop(self, things: Iterable[str], reason: Stop) -> None:
        for thing in things:
            self._found.frontier[FrontierNode(thing, self._direction, reason)] = None

    def _accept(self, label: _Label) -> bool:
        """Keep a label unless a kept one implies all that it could lead to; tell whether it was kept."""
        kept = self._labels.get(label.thing)
        if kept is None:
            self._labels[label.thing] = [label]
            return True
        for known in kept:
            if (known.reach is label.reach or known.reach is Reach.TRACED) and known.covers(label):
                return False
        kept[:] = [k for k in kept if k.reach is not label.reach or not label.covers(k)]
        kept.append(label)
        return True

    def _step(self, label: _Label, target: _Label | None, via: str | None, edges: Iterable[TraceEdge]) -> None:
        """Show one step of the walk: to a label (None: a transformation of which nothing else is known), over edges."""
        self._led_on.add(label.thing)
        thing, reach = (None, Reach.TRACED) if target is None else (target.thing, target.reach)
        if not self._found.admit(self._depth, thing, reach, via):
            self._stop({label.thing}, Stop.LIMIT)
            return
        self._found.add_edges(edges)
        if target is not None and self._accept(target):
            self._reached.append(target)

    def _follow(self, label: _Label) -> None:
        kinds, reach = self._kinds, label.reach
        if EdgeKind.TRANSFORMATION in kinds:
            self._through_transformations(label)
        if EdgeKind.CONTAINMENT in kinds and reach is not Reach.LOT:
            self._to_containers(label)
        if reach is not Reach.TRACED:
            return
        self._ended.add(label.thing)
        if EdgeKind.CONTAINMENT in kinds:
            self._to_contents(label)
        if EdgeKind.LOT in kinds:
            self._over_lots(label)
        if EdgeKind.ASSOCIATION in kinds:
            self._to_attached(label)

    def _through_transformations(self, label: _Label) -> None:
        links, back = self._links, self._back
        passed = links.produced.at(label.thing) if back else links.consumed.at(label.thing)
        if not passed:
            return
        first, last = self._span(label)
        for here in passed:
            at = here.begin
            # Only a carrier matters just while it carries.
            if at is None or not first <= at <= last:
                continue
            name = here.source if back else here.target
            led_on = False
            for there in links.inputs.at(name) if back else links.outputs.at(name):
                then = there.begin
                # What goes in after something came out is not its origin.
                if then is not None and (then <= at if back else then >= at):
                    thing, last_then = (there.source, then) if back else (there.target, END)
                    self._step(label, _Label(thing, Reach.TRACED, then, last_then), name, (here, there))
                    led_on = True
            if not led_on:
                self._step(label, None, name, (here,))

    def _span(self, label: _Label) -> tuple[int, int]:
        """Return from when to when something has to happen to a thing itself to belong to the trace."""
        if label.reach is Reach.CARRIER:
            return label.first, label.last
        return (BEGIN, label.last) if self._back else (label.first, END)

    def _to_containers(self, label: _Label) -> None:
        intervals = self._links.containment.of_child(label.thing)
        if not intervals:
            return
        first, last = self._span(label)
        for interval in intervals:
            since, until = max(first, interval.opened_at), min(last, interval.last)
            if since <= until:
                target = _Label(interval.parent, Reach.CARRIER, since, until)
                self._step(label, target, None, (_interval_edge(EdgeKind.CONTAINMENT, interval),))

    def _to_contents(self, label: _Label) -> None:
        for interval in self._links.containment.of_parent(label.thing):
            since, until = max(label.first, interval.opened_at), min(label.last, interval.last)
            if since <= until:
                target = _Label(interval.child, Reach.LOT if interval.counted else Reach.TRACED, since, until)
                self._step(label, target, None, (_interval_edge(EdgeKind.CONTAINMENT, interval),))

    def _over_lots(self, label: _Label) -> None:
        for member, position in sorted(self._links.members.get(label.thing, _NONE).items()):
            edge = TraceEdge(EdgeKind.LOT, label.thing, member, None, None, (position,))
            self._step(label, _Label(member, Reach.TRACED, label.first, label.last), None, (edge,))
        if not self._back:
            return
        for lot, position in sorted(self._links.lots.get(label.thing, _NONE).items()):
            edge = TraceEdge(EdgeKind.LOT, lot, label.thing, None, None, (position,))
            self._step(label, _Label(lot, Reach.LOT, label.first, label.last), None, (edge,))

    def _to_attached(self, label: _Label) -> None:
        containment = self._links.containment
        first, last = self._span(label)
        for interval in containment.of_child(label.thing, MarkKind.ASSOCIATION):
            if interval.opened_at <= last and first <= interval.last:
                self._attach(label, interval.parent, interval)
        for interval in containment.of_parent(label.thing, MarkKind.ASSOCIATION):
            if interval.opened_at <= last and first <= interval.last:
                self._attach(label, interval.child, interval)

    def _attach(self, label: _Label, thing: str, interval: Interval) -> None:
        target = _Label(thing, Reach.ATTACHED, interval.opened_at, interval.last)
        self._step(label, target, None, (_interval_edge(EdgeKind.ASSOCIATION, interval),))


def _interval_edge(kind: EdgeKind, interval: Interval) -> TraceEdge:
    positions = (interval.opened_by,) if interval.closed_by is None else (interval.opened_by, interval.closed_by)
    return TraceEdge(kind, interval.child, interval.parent, interval.opened_at, interval.closed_at, positions)


# Edges of one kind all have a beginning, or none has.
_EDGE_ORDER: Final = attrgetter("source", "target", "begin", "positions")


def _in_order(edges: Iterable[TraceEdge]) -> Iterator[TraceEdge]:
    of_kind: dict[EdgeKind, list[TraceEdge]] = {kind: [] for kind in sorted(EdgeKind)}
    for edge in edges:
        of_kind[edge.kind].append(edge)
    for some in of_kind.values():
        some.sort(key=_EDGE_ORDER)
        yield from some
