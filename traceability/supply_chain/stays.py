"""Where many things were while something could happen to what they were in: intervals, containers within containers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from traceability.supply_chain.links import Links
from traceability.supply_chain.pairing import Intervals, intervals
from traceability.supply_chain.seen import AGGREGATION_EVENT, SeenEvent
from traceability.supply_chain.story import MAX_NESTING
from traceability.supply_chain.tables import NONE, NOTHING, Flags, Ints, distinct, ints, joined
from traceability.supply_chain.windows import BEGIN, Windows, by_thing


class Stays(NamedTuple):
    """`thing` was in `container`, directly (`depth` 1) or through others, from `first` to `last`.

    A direct stay that was stated to end did so at `left_at` (BEGIN: it was not). The stay of a container in an outer
    one was ended by the emptying at the position `emptied_by` (NOTHING: it was not).
    """

    thing: Ints
    container: Ints
    first: Ints
    last: Ints
    left_at: Ints
    emptied_by: Ints
    depth: Ints

    def at(self, rows: Ints | Flags) -> Stays:
        """Return some of them."""
        return Stays(*(column[rows] for column in self))

    def of(self, things: Ints) -> Stays:
        """Return those of some things."""
        return self.at(np.isin(self.thing, things))


def stays_of(links: Links, settled_at: Mapping[int, int]) -> Stays:
    """Return the stays of things that ended after what is known of each was settled, the innermost first.

    `links` has loaded each, and loads what they were in.
    """
    facts = links.facts
    children = ints(sorted(settled_at))
    over = intervals(facts, children)
    left_at = np.where(_stated(links, over), over.closed_at, BEGIN)
    settled = ints(map(settled_at.__getitem__, over.child.tolist()))
    matter = np.flatnonzero((np.maximum(over.last, left_at) >= settled) & (over.parent != over.child))
    nothing = np.full(len(over.child), NOTHING)
    level = Stays(over.child, over.parent, over.opened_at, over.last, left_at, nothing, np.ones_like(nothing)).at(
        matter
    )
    levels = [level]
    for depth in range(2, MAX_NESTING + 1):
        if not len(level.thing):
            break
        links.load(NONE, NONE, facts.things.stretches(level.container, level.first, level.last))
        over = intervals(facts, distinct(level.container))
        which, rows = joined(level.container, over.child)
        outer = over.at(rows)
        first, last = np.maximum(level.first[which], outer.opened_at), np.minimum(level.last[which], outer.last)
        emptied = np.where(np.isin(outer.closed_by, facts.emptied["position"]), outer.closed_by, NOTHING)
        columns = (np.full(len(rows), BEGIN), emptied, np.full(len(rows), depth))
        outward = Stays(level.thing[which], outer.parent, first, last, *columns)
        level = outward.at(np.flatnonzero((first <= last) & (outward.container != outward.thing)))
        levels.append(level)
    return Stays(*map(np.concatenate, zip(*levels, strict=True)))


def turned_inward(links: Links, things: Ints, stays: Stays) -> Ints:
    """Return those of these things, of which these are the stays, that were in themselves, directly or not."""
    facts = links.facts
    over = intervals(facts, things)
    directly = over.child[over.parent == over.child]
    over = intervals(facts, distinct(stays.container))
    which, rows = joined(stays.container, over.child)
    outer, inner = over.at(rows), stays.at(which)
    within = (outer.parent == inner.thing) & (outer.opened_at <= inner.last) & (inner.first <= outer.last)
    return distinct(np.concatenate([directly, inner.thing[within]]))


def around(links: Links, stays: Stays) -> list[SeenEvent]:
    """Return the events of containers in the time of stays."""
    return links.events(frozenset(), windows_of(links, stays))


def windows_of(links: Links, stays: Stays) -> Mapping[str, Windows]:
    """Return by container the time of stays in it, and of their ends."""
    until = np.maximum(stays.last, stays.left_at)
    return by_thing(links.facts.things.stretches(stays.container, stays.first, until))


def by_container(links: Links, stays: Stays) -> dict[str, Stays]:
    """Return the stays in each container, by its name."""
    if not len(stays.thing):
        return {}
    order = np.argsort(stays.container, kind="stable")
    containers, starts = np.unique(stays.container[order], return_index=True)
    rows = np.split(order, starts[1:])
    return {name: stays.at(those) for name, those in zip(links.facts.things.of(containers), rows, strict=True)}


def _stated(links: Links, over: Intervals) -> Flags:
    """Tell which intervals an AggregationEvent DELETE ended."""
    found = np.zeros(len(over.child), np.bool_)
    closed = np.flatnonzero(over.closed_by != NOTHING)
    events = map(links.facts.events.__getitem__, over.closed_by[closed].tolist())
    found[closed] = [event.type == AGGREGATION_EVENT and event.action == "DELETE" for event in events]
    return found
