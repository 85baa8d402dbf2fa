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

The walk goes level by level, each in columns, and keeps of each thing only labels that no other covers: the answer is
that of every time-respecting walk of at most `max_depth` steps, cycles or not. A step leads from a thing to a thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traceability.errors import NotFoundError
from traceability.gs1.identifiers import Kind
from traceability.ledger.index import MarkKind
from traceability.supply_chain.adding_up import balance_of
from traceability.supply_chain.affected import BlastRadius
from traceability.supply_chain.blast_radius import blast_radius
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.facts import CONTAINED
from traceability.supply_chain.found import EDGE_KINDS, Found
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.labels import ATTACHED, CARRIER, LOT, TRACED, Kept, Labels
from traceability.supply_chain.links import Links
from traceability.supply_chain.narrowed import narrowed
from traceability.supply_chain.pairing import Intervals, intervals, objects_of
from traceability.supply_chain.steps import Edges, Steps
from traceability.supply_chain.tables import NONE, NOTHING, Flags, Ints, distinct, ints, joined
from traceability.supply_chain.traced import (
    MAX_ROOTS,
    PROPAGATING,
    Balance,
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
from traceability.supply_chain.windows import BEGIN, END

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
    "Walked",
    "trace",
    "walk",
    "walked",
]


@dataclass(frozen=True)
class Walked:
    """A walk that has ended: what it `found`, over which `links`."""

    query: TraceQuery
    known_at: int
    links: Links
    found: Found

    def trace(self) -> Trace:
        """Return the answer, with the balance of its transformations and the blast radius of its roots."""
        query, found = self.query, self.found
        answer = found.trace(query, self.known_at, self.balance, self.radius)
        return answer if query.seen is None else narrowed(self.links, answer, query.seen)

    @property
    def balance(self) -> Balance:
        """Return the mass balance of its transformations."""
        return balance_of(self.links.facts, self.found, self.query)

    @property
    def radius(self) -> BlastRadius | None:
        """Return what the roots may have touched, None for a walk back."""
        if self.query.direction is Direction.BACK:
            return None
        return blast_radius(self.links, self.found.forward, whereabouts=self.query.whereabouts)


def trace(index: ProvenanceIndex, query: TraceQuery) -> Trace:
    """Walk from the roots; raise `NotFoundError` when the reader sees nothing of one of them (as of that time)."""
    return walked(index, query).trace()


def walked(index: ProvenanceIndex, query: TraceQuery, *, deeds: bool = False) -> Walked:
    """Walk as `trace` does, and only that; with `deeds`, `Links` has what moves custody too. Raises as `trace` does."""
    begun = _begin(index, query, deeds=deeds)
    for _ in _levels(begun):
        pass
    return begun


def walk(index: ProvenanceIndex, query: TraceQuery) -> Iterator[Progress]:
    """Walk as `trace` does, and tell level by level what was found: the roots at once.

    A narrowed answer is told at the end.

    Raises `NotFoundError` as `trace` does, before the iterator is returned.
    """
    return _told(_begin(index, query))


def _begin(index: ProvenanceIndex, query: TraceQuery, *, deeds: bool = False) -> Walked:
    known = index.known(query.roots, query.as_of)
    for root in query.roots:
        if root not in known:
            raise NotFoundError(f"Nothing is known of {root}.")
    links = Links(index, query.as_of, ask=index.deeds if deeds else None)
    found = Found(links.facts, query.max_nodes)
    found.add_roots(ints(links.facts.things[root] for root in query.roots))
    return Walked(query, index.known_at, links, found)


def _levels(begun: Walked) -> Iterator[None]:
    for direction in (Direction.BACK, Direction.FORWARD):
        if begun.query.direction in (direction, Direction.BOTH):
            yield from _Walk(begun.links, begun.query, direction, begun.found).levels()


def _told(begun: Walked) -> Iterator[Progress]:
    found = begun.found
    if begun.query.seen is not None:
        for _ in _levels(begun):
            pass
        answer = begun.trace()
        nodes, events = list(answer.nodes.values()), list(answer.events.values())
        yield Progress(nodes, [*answer.edges], [*answer.frontier], events, answer.balance, answer.blast_radius)
        return
    yield found.progress()
    for _ in _levels(begun):
        yield found.progress()
    balance = begun.balance
    yield found.progress()._replace(balance=balance, blast_radius=begun.radius)


class _Walk:
    """The walk in one direction."""

    def __init__(self, links: Links, query: TraceQuery, direction: Direction, found: Found) -> None:
        self._links = links
        self._facts = links.facts
        self._query = query
        self._direction = direction
        self._back = direction is Direction.BACK
        self._found = found
        self._kept = Kept()
        self._ended = [NONE]
        self._led_on = [NONE]

    def levels(self) -> Iterator[None]:
        """Walk, and pause after each level."""
        roots = ints(self._facts.things[root] for root in self._query.roots)
        level = self._kept.accept(Labels(roots, *(np.full(len(roots), value) for value in (TRACED, BEGIN, END))))
        depth = 0
        while len(level.thing):
            followed = level.at(self._followed(level))
            if depth == self._query.max_depth:
                self._stop(followed.thing, Stop.DEPTH)
                break
            self._load(followed)
            depth += 1
            self._ended.append(followed.thing[followed.reach == TRACED])
            steps = self._steps(followed)
            self._led_on.append(steps.origin)
            taken, refused = self._found.take(steps, depth)
            self._stop(refused, Stop.LIMIT)
            level = self._kept.accept(taken)
            yield
        self._stop(np.setdiff1d(np.concatenate(self._ended), np.concatenate(self._led_on)), Stop.NO_FURTHER)
        if not self._back:
            self._found.forward = self._kept.labels
        yield

    def _followed(self, level: Labels) -> Flags:
        things = self._facts.things
        classes = things.are(level.thing, Kind.CLASS)
        if classes.any():
            classes &= ~np.isin(level.thing, [things[root] for root in self._query.roots])
        led_to = level.reach != ATTACHED
        self._stop(level.thing[classes & led_to], Stop.CLASS_LEVEL)
        followed: Flags = led_to & ~classes
        return followed

    def _stop(self, things: Ints, reason: Stop) -> None:
        self._found.stop(things, self._direction, reason)

    def _load(self, level: Labels) -> None:
        opened = distinct(level.thing[level.reach == TRACED])
        others = np.setdiff1d(level.thing[level.reach == LOT], opened)
        carriers = level.at((level.reach == CARRIER) & ~np.isin(level.thing, np.concatenate([opened, others])))
        self._links.load(opened, others, self._facts.things.stretches(carriers.thing, carriers.first, carriers.last))

    def _steps(self, level: Labels) -> Steps:
        kinds = self._query.edge_kinds
        traced = level.at(level.reach == TRACED)
        found = []
        if EdgeKind.TRANSFORMATION in kinds:
            found.append(self._through_transformations(level))
        if EdgeKind.CONTAINMENT in kinds:
            found += [self._to_containers(level.at(level.reach != LOT)), self._to_contents(traced)]
        if EdgeKind.LOT in kinds:
            found += self._over_lots(traced)
        if EdgeKind.ASSOCIATION in kinds:
            found.append(self._to_attached(traced))
        return Steps.together(found)

    def _span(self, level: Labels) -> tuple[Ints, Ints]:
        """Return from when to when something has to happen to a thing itself to belong to the trace."""
        carrier = level.reach == CARRIER
        if self._back:
            return np.where(carrier, level.first, BEGIN), level.last
        return level.first, np.where(carrier, level.last, END)

    def _through_transformations(self, level: Labels) -> Steps:
        passages, back = self._facts.passages, self._back
        which, here = passages.find("thing", level.thing)
        first, last = self._span(level)
        at = passages["at"][here]
        # Forward leads from inputs, back from outputs; a carrier only matters while it carries.
        led = (passages["is_input"][here] != back) & (first[which] <= at) & (at <= last[which])
        here = distinct(here[led])
        met, via = np.unique(passages["transformation"][here], return_inverse=True)
        of, there = passages.find("transformation", met)
        far = passages["is_input"][there] == back
        of, there = of[far], there[far]
        # m inputs lead to n outputs in m + n steps: the one from which all is reached that is reached from any leads to
        # all, each of the rest to the one that is reached whenever any is.
        _, leader = self._first(via, here, latest=back)
        turn = ~passages["at"] if back else passages["at"]
        # What goes in after something came out is not its origin.
        in_time = turn[there] >= turn[here[leader]][of]
        of, there = of[in_time], there[in_time]
        reaching, final = self._first(of, there, latest=not back)
        leads = np.zeros(len(here), np.bool_)
        leads[leader[reaching]] = True
        rest = np.flatnonzero(~leads)
        to = np.full(len(met), NOTHING)
        to[reaching] = there[final]
        to = to[via[rest]]
        # A transformation of which nothing else is known is shown, too.
        to[turn[to] < turn[here[rest]]] = NOTHING
        here, there = np.concatenate([here[leader][of], here[rest]]), np.concatenate([there, to])
        known, then = there != NOTHING, passages["at"][there]
        reached = Labels(
            np.where(known, passages["thing"][there], NOTHING),
            np.full(len(there), TRACED),
            np.where(known, then, NOTHING),
            np.where(known, then if back else END, NOTHING),
        )
        return Steps.through(passages["thing"][here], reached, passages["transformation"][here], here, there)

    def _first(self, groups: Ints, rows: Ints, *, latest: bool) -> tuple[Ints, Ints]:
        """Return the groups that have any of these passages, in order, and the place of the first (or latest) of each.

        Of several at one instant, it is that of the first name, and of one name that of the event that is first in the
        order of folds: numbers depend on what arrived first.
        """
        passages, names = self._facts.passages, self._facts.things.names
        at = passages["at"][rows]
        order = np.lexsort((~at if latest else at, groups))
        present, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
        places = order[starts]
        tied = order[at[order] == np.repeat(at[places], counts)]
        if len(tied) == len(places):
            return present, places
        thing = passages["thing"][rows[tied]]
        told = self._facts.first_told(groups[tied] * len(names) + thing, passages["position"][rows[tied]])
        named: dict[int, tuple[str, int]] = {}
        for group, place, number in zip(
            groups[tied[told]].tolist(), tied[told].tolist(), thing[told].tolist(), strict=True
        ):
            name = names[number]
            if group not in named or name < named[group][0]:
                named[group] = name, place
        return present, ints(place for _, place in named.values())

    def _to_containers(self, level: Labels) -> Steps:
        found = intervals(self._facts, distinct(level.thing))
        which, rows = joined(level.thing, found.child)
        over = found.at(rows)
        first, last = self._span(level)
        since, until = np.maximum(first[which], over.opened_at), np.minimum(last[which], over.last)
        reached = Labels(over.parent, np.full(len(rows), CARRIER), since, until)
        return _along_intervals(level.thing[which], reached, over)

    def _to_contents(self, level: Labels) -> Steps:
        ties = self._facts.ties
        _, rows = ties.find("parent", distinct(level.thing))
        rows = rows[(ties["opens"][rows] == 1) & (ties["kind"][rows] == CONTAINED)]
        found = intervals(self._facts, distinct(ties["child"][rows]))
        found = found.at(np.argsort(found.parent, kind="stable"))
        which, rows = joined(level.thing, found.parent)
        over = found.at(rows)
        since, until = np.maximum(level.first[which], over.opened_at), np.minimum(level.last[which], over.last)
        reached = Labels(over.child, np.where(over.counted, LOT, TRACED), since, until)
        return _along_intervals(level.thing[which], reached, over)

    def _over_lots(self, level: Labels) -> Iterator[Steps]:
        members = self._facts.members
        yield self._over_memberships(level, *members.find("lot", level.thing), "thing", TRACED)
        if self._back:
            yield self._over_memberships(level, *members.find("thing", level.thing), "lot", LOT)

    def _over_memberships(self, level: Labels, which: Ints, rows: Ints, far: str, reach: int) -> Steps:
        members = self._facts.members
        told = self._facts.first_told(which * len(self._facts.things) + members[far][rows], members["position"][rows])
        origin, rows = level.at(which[told]), rows[told]
        zero, nothing = np.zeros(len(rows), np.int64), np.full(len(rows), NOTHING)
        kind = np.full(len(rows), EDGE_KINDS.index(EdgeKind.LOT))
        edges = Edges(
            kind, members["lot"][rows], members["thing"][rows], zero, zero, members["position"][rows], nothing
        )
        reached = Labels(members[far][rows], np.full(len(rows), reach), origin.first, origin.last)
        return Steps.along(origin.thing, reached, edges)

    def _to_attached(self, level: Labels) -> Steps:
        number, rows = self._facts.things, list[tuple[int, ...]]()
        first, last = self._span(level)
        for thing, since, until in zip(level.thing.tolist(), first.tolist(), last.tolist(), strict=True):
            for end, i in self._attachments(thing):
                if i.opened_at <= until and since <= i.last:
                    closed_at = END if i.closed_at is None else i.closed_at
                    closed_by = NOTHING if i.closed_by is None else i.closed_by
                    ends = number[i.child], number[i.parent]
                    reached = number[end], ATTACHED, i.opened_at, i.last
                    rows.append((thing, *reached, *ends, i.opened_at, closed_at, i.opened_by, closed_by))
        if not rows:
            return Steps.none()
        columns = list(np.array(rows, np.int64).T)
        kind = np.full(len(rows), EDGE_KINDS.index(EdgeKind.ASSOCIATION))
        return Steps.along(columns[0], Labels(*columns[1:5]), Edges(kind, *columns[5:]))

    def _attachments(self, thing: int) -> Iterator[tuple[str, Interval]]:
        ties, name = self._facts.ties, self._facts.things.names[thing]
        for column in ("child", "parent"):
            _, rows = ties.find(column, np.array([thing]))
            for child in distinct(ties["child"][rows[ties["kind"][rows] != CONTAINED]]).tolist():
                objects = objects_of(self._facts, child)
                if column == "child":
                    yield from ((i.parent, i) for i in objects.of_child(name, MarkKind.ASSOCIATION))
        yield from ((i.child, i) for i in self._facts.objects.of_parent(name, MarkKind.ASSOCIATION))


def _along_intervals(origin: Ints, reached: Labels, over: Intervals) -> Steps:
    """Return the steps along intervals that leave any time."""
    kind = np.full(len(origin), EDGE_KINDS.index(EdgeKind.CONTAINMENT))
    edges = Edges(kind, over.child, over.parent, over.opened_at, over.closed_at, over.opened_by, over.closed_by)
    return Steps.along(origin, reached, edges).at(reached.first <= reached.last)
