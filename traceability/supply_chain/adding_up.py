"""What a trace adds up to, once its walk has ended."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from traceability.supply_chain.balance import balances
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.found import EDGE_KINDS, Found
from traceability.supply_chain.labels import CARRIER, LOT, TRACED
from traceability.supply_chain.shares import Flow, Reached
from traceability.supply_chain.tables import Ints
from traceability.supply_chain.traced import Balance, EdgeKind, TraceQuery

_LOT, _CONTAINMENT = EDGE_KINDS.index(EdgeKind.LOT), EDGE_KINDS.index(EdgeKind.CONTAINMENT)


def balance_of(facts: Facts, found: Found, query: TraceQuery) -> Balance:
    """Balance the transformations of a trace, and, if asked, follow the roots through them."""
    balanced = sorted(balances(facts, found.transformations, query.tolerance), key=lambda balance: balance.id)
    if not (query.shares or query.chain_of_custody):
        return Balance(balanced)
    flow = Flow(facts, _reached(facts, found, query), found.transformations)
    return Balance(
        balanced,
        list(flow.shares()) if query.shares else (),
        list(flow.breaches(query.chain_of_custody, {balance.id: balance for balance in balanced}))
        if query.chain_of_custody
        else (),
    )


def _reached(facts: Facts, found: Found, query: TraceQuery) -> Reached:
    labels = found.forward
    drawn: dict[int, set[int]] = defaultdict(set)
    traced = _first(labels.thing, labels.first, (labels.reach == TRACED) | (labels.reach == LOT))
    opened = set(labels.thing[labels.reach == TRACED].tolist())
    for kind, source, target, *_ in found.ties:
        if kind == _LOT and source in opened:
            drawn[target].add(source)
        elif kind == _CONTAINMENT and target in opened:
            drawn[source].add(target)
    carried: dict[int, list[tuple[int, int]]] = defaultdict(list)
    carriers = labels.at(labels.reach == CARRIER)
    for thing, first, last in zip(*(column.tolist() for column in (carriers[0], *carriers[2:])), strict=True):
        carried[thing].append((first, last))
    return Reached({facts.things[root] for root in query.roots}, traced, carried, drawn)


def _first(things: Ints, at: Ints, those: Ints) -> dict[int, int]:
    things, at = things[those], at[those]
    order = np.lexsort((at, things))
    once, places = np.unique(things[order], return_index=True)
    return dict(zip(once.tolist(), at[order][places].tolist(), strict=True))
