"""What a walk has found so far: nodes, edges, where it ended, and the events behind the edges."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from operator import itemgetter
from typing import Final

import numpy as np

from traceability.gs1.identifiers import Kind
from traceability.supply_chain.affected import BlastRadius
from traceability.supply_chain.facts import KINDS, Facts
from traceability.supply_chain.labels import LOT, REACHES, TRACED, Labels
from traceability.supply_chain.steps import Edges, Steps
from traceability.supply_chain.tables import NONE, NOTHING, Flags, Ints, distinct, ints
from traceability.supply_chain.traced import (
    CUT_SHORT,
    Balance,
    Direction,
    EdgeColumns,
    EdgeKind,
    FrontierNode,
    Progress,
    Stop,
    Trace,
    TraceEdge,
    TraceNode,
    TraceQuery,
)
from traceability.supply_chain.windows import END

EDGE_KINDS: Final = tuple(sorted(EdgeKind))
_FAR: Final = np.iinfo(np.int64).max
_NAME: Final = itemgetter(0)


class _Nodes:
    """Least depth and strongest reach by number."""

    def __init__(self) -> None:
        self.depth = NONE
        self.reach = NONE

    def grow(self, size: int) -> None:
        """Make room for numbers below `size`."""
        more = size - len(self.depth)
        if more > 0:
            self.depth = np.concatenate([self.depth, np.full(more, _FAR)])
            self.reach = np.concatenate([self.reach, np.full(more, len(REACHES))])

    def fresh(self, numbers: Ints) -> Ints:
        """Return those that are not there yet, each once."""
        return distinct(numbers[self.depth[numbers] == _FAR])

    def add(self, numbers: Ints, reach: Ints | int, depth: int) -> Ints:
        """Add nodes; return those that changed."""
        met = distinct(numbers)
        before = self.depth[met], self.reach[met]
        np.minimum.at(self.reach, numbers, reach)
        self.depth[met] = np.minimum(self.depth[met], depth)
        changed: Ints = met[(self.depth[met] != before[0]) | (self.reach[met] != before[1])]
        return changed

    @property
    def there(self) -> Ints:
        """Return the numbers of all nodes."""
        there: Ints = np.flatnonzero(self.depth != _FAR)
        return there


class Found:
    """Nodes, edges and frontier so far; a node is admitted while there is room.

    `forward` are the labels of the walk towards consequences, once it has ended.
    """

    def __init__(self, facts: Facts, max_nodes: int) -> None:
        self._facts = facts
        self._room = max_nodes
        self._things = _Nodes()
        self._transformations = _Nodes()
        self._passed = np.zeros(0, np.bool_)
        self._edges: dict[tuple[int, ...], None] = {}
        self._frontier: dict[FrontierNode, None] = {}
        self._positions: set[int] = set()
        self._changed: tuple[set[int], set[int]] = set(), set()
        self._new_passages: list[Ints] = []
        self._new_edges: list[tuple[int, ...]] = []
        self._told_frontier = 0
        self.forward = Labels(NONE, NONE, NONE, NONE)

    @property
    def transformations(self) -> Ints:
        """Return the numbers of the transformations that are nodes."""
        return self._transformations.there

    @property
    def ties(self) -> Collection[tuple[int, ...]]:
        """Return the edges other than those of transformations, by the columns of `Edges`."""
        return self._edges.keys()

    @property
    def affected(self) -> list[str]:
        """Return the items and lots that were traced, or stand for what was, by name; not what only carried them."""
        things = self._things.there
        affected = things[np.isin(self._things.reach[things], (TRACED, LOT))]
        return sorted(self._facts.things.of(affected[~self._facts.things.are(affected, Kind.CLASS)]))

    @property
    def complete(self) -> bool:
        """Tell whether the walk ended by itself: not because it was told to."""
        return not any(node.reason in CUT_SHORT for node in self._frontier)

    def add_roots(self, things: Ints) -> None:
        """Begin with these."""
        self._grow()
        self._add_things(things, TRACED, 0)

    def take(self, steps: Steps, depth: int) -> tuple[Labels, Ints]:
        """Add the nodes of steps, of each both or none, and their edges; return what was reached, and who was refused.

        A node that is there keeps its least depth and its strongest reach.
        """
        self._grow()
        to_things = steps.reached.thing != NOTHING
        things, via = steps.reached.thing[to_things], steps.via[steps.via != NOTHING]
        refused = NONE
        if len(self._things.fresh(things)) + len(self._transformations.fresh(via)) > self._room:
            admitted = self._admitted(steps)
            refused, steps = steps.origin[~admitted], steps.at(admitted)
            to_things = steps.reached.thing != NOTHING
            things, via = steps.reached.thing[to_things], steps.via[steps.via != NOTHING]
        self._add_things(things, steps.reached.reach[to_things], depth)
        fresh = len(self._transformations.fresh(via))
        self._room -= fresh
        self._changed[1].update(self._transformations.add(via, len(REACHES), depth).tolist())
        self._add_passages(np.concatenate([steps.here, steps.there]))
        self._add_edges(steps.edges, steps.over)
        return steps.reached.at(to_things), refused

    def stop(self, things: Ints, direction: Direction, reason: Stop) -> None:
        """Note where the walk ended."""
        for name in self._facts.things.of(distinct(things)):
            self._frontier[FrontierNode(name, direction, reason)] = None

    def progress(self) -> Progress:
        """Return what is new since this was asked last, nodes in the order of their names."""
        nodes = sorted(self._nodes(*(ints(sorted(changed)) for changed in self._changed)), key=_NAME)
        for changed in self._changed:
            changed.clear()
        passages = np.concatenate([NONE, *self._new_passages])
        edges = [*self._passage_edges(passages), *map(self._edge, self._new_edges)]
        frontier = list(self._frontier)[self._told_frontier :]
        self._told_frontier += len(frontier)
        positions = dict.fromkeys(position for edge in edges for position in edge.positions)
        new = [position for position in positions if position not in self._positions]
        self._positions.update(new)
        self._new_passages, self._new_edges = [], []
        return Progress(
            [node for _, node in nodes], edges, frontier, [self._facts.events[position] for position in new]
        )

    def trace(self, query: TraceQuery, known_at: int, balance: Balance, radius: BlastRadius | None) -> Trace:
        """Return the answer."""
        numbers = self._things.there, self._transformations.there
        found = list(self._nodes(*numbers))
        order = sorted(range(len(found)), key=[name for name, _ in found].__getitem__)
        names = [found[place][0] for place in order]
        # By their ranks, names compare as numbers; those of transformations follow those of things.
        first = len(self._things.depth)
        rank = np.zeros(first + len(self._transformations.depth), np.int64)
        rank[np.concatenate([numbers[0], numbers[1] + first])[order]] = np.arange(len(order))
        nodes = dict(found[place] for place in order)
        # Not those of `nodes`: a thing may have the name of a transformation.
        columns, positions = self._columns(rank, first, names)
        return Trace(
            query=query,
            known_at=known_at,
            nodes=nodes,
            columns=columns,
            frontier=tuple(sorted(self._frontier, key=lambda node: (node.id, node.direction, node.reason))),
            events={position: self._facts.events[position] for position in positions},
            balance=balance,
            blast_radius=radius,
        )

    def _columns(self, rank: Ints, first: int, names: list[str]) -> tuple[EdgeColumns, list[int]]:
        """Return the edges in order, and the positions of the events behind them."""
        rows = np.flatnonzero(self._passed)
        thing, is_input, transformation, at, position = (
            self._facts.passages[column][rows] for column in self._facts.passages.columns
        )
        transformation = transformation + first
        kind = np.full(len(rows), EDGE_KINDS.index(EdgeKind.TRANSFORMATION))
        ends = np.where(is_input, thing, transformation), np.where(is_input, transformation, thing)
        passed = np.stack([kind, *ends, at, np.full(len(rows), END), position, np.full(len(rows), NOTHING)])
        others = np.array(list(self._edges), np.int64).reshape(-1, len(passed)).T
        kind, source, target, begin, end, since, until = np.concatenate([passed, others], axis=1)
        source, target = rank[source], rank[target]
        order = np.lexsort((until, since, begin, source * len(rank) + target, kind))
        kind, source, target, begin, end, since, until = (
            column[order].tolist() for column in (kind, source, target, begin, end, since, until)
        )
        always = EDGE_KINDS.index(EdgeKind.LOT)
        columns = EdgeColumns(
            [EDGE_KINDS[number] for number in kind],
            [names[number] for number in source],
            [names[number] for number in target],
            [None if of == always else at for of, at in zip(kind, begin, strict=True)],
            [None if of == always or at == END else at for of, at in zip(kind, end, strict=True)],
            [(one,) if other == NOTHING else (one, other) for one, other in zip(since, until, strict=True)],
        )
        return columns, sorted({*since, *until} - {NOTHING})

    def _grow(self) -> None:
        self._things.grow(len(self._facts.things.names))
        self._transformations.grow(len(self._facts.transformations.names))
        more = len(self._facts.passages) - len(self._passed)
        self._passed = np.concatenate([self._passed, np.zeros(more, np.bool_)])

    def _add_things(self, things: Ints, reach: Ints | int, depth: int) -> None:
        self._room -= len(self._things.fresh(things))
        self._changed[0].update(self._things.add(things, reach, depth).tolist())

    def _add_passages(self, rows: Ints) -> None:
        rows = distinct(rows[rows != NOTHING])
        new = rows[~self._passed[rows]]
        self._passed[new] = True
        self._new_passages.append(new)

    def _add_edges(self, edges: Edges, rows: Ints) -> None:
        rows = rows[rows != NOTHING]
        for edge in zip(*(column[rows].tolist() for column in edges), strict=True):
            if edge not in self._edges:
                self._edges[edge] = None
                self._new_edges.append(edge)

    def _admitted(self, steps: Steps) -> Flags:
        """Tell for which steps there is room, in the order of the names of their things."""
        names = [*self._facts.things.names, ""]  # of NOTHING
        vias = [*self._facts.transformations.names, ""]
        origins, reached = steps.origin.tolist(), [column.tolist() for column in steps.reached]
        columns = list(zip(origins, steps.via.tolist(), *reached, strict=True))
        admitted = np.zeros(len(columns), np.bool_)
        room, nodes = self._room, set[tuple[str, int]]()

        def turn(step: int) -> tuple[str, str, str, tuple[int, ...]]:
            origin, via, thing, *rest = columns[step]
            return names[origin], vias[via], names[thing], tuple(rest)

        for step in sorted(range(len(columns)), key=turn):
            _, via, thing, *_ = columns[step]
            fresh = set[tuple[str, int]]()
            if thing != NOTHING and self._things.depth[thing] == _FAR:
                fresh.add(("thing", thing))
            if via != NOTHING and self._transformations.depth[via] == _FAR:
                fresh.add(("via", via))
            fresh -= nodes
            if len(fresh) <= room:
                admitted[step] = True
                nodes |= fresh
                room -= len(fresh)
        return admitted

    def _nodes(self, things: Ints, transformations: Ints) -> Iterator[tuple[str, TraceNode]]:
        told = self._facts.things.kinds, self._things.reach, self._things.depth
        columns = [column[things].tolist() for column in told]
        for name, kind, reach, depth in zip(self._facts.things.of(things), *columns, strict=True):
            yield name, TraceNode(name, KINDS[kind], REACHES[reach], depth)
        names = self._facts.transformations.of(transformations)
        for name, depth in zip(names, self._transformations.depth[transformations].tolist(), strict=True):
            yield name, TraceNode(name, None, None, depth)

    def _passage_edges(self, rows: Ints) -> Iterator[TraceEdge]:
        columns = [self._facts.passages[column][rows].tolist() for column in self._facts.passages.columns]
        things, transformations = self._facts.things.names, self._facts.transformations.names
        for thing, is_input, transformation, at, position in zip(*columns, strict=True):
            ends = things[thing], transformations[transformation]
            source, target = ends if is_input else ends[::-1]
            yield TraceEdge(EdgeKind.TRANSFORMATION, source, target, at, None, (position,))

    def _edge(self, edge: tuple[int, ...]) -> TraceEdge:
        number, source, target, begin, end, since, until = edge
        kind, names = EDGE_KINDS[number], self._facts.things.names
        positions = (since,) if until == NOTHING else (since, until)
        always = kind is EdgeKind.LOT
        lasts = always or end == END
        return TraceEdge(
            kind, names[source], names[target], None if always else begin, None if lasts else end, positions
        )
