"""A trace narrowed to what was seen at some places or in some time: the walk is the same, of the answer a part."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import compress
from typing import Protocol, TypeVar

from traceability.supply_chain.links import Links
from traceability.supply_chain.seen import SeenEvent, thing_of
from traceability.supply_chain.sightings import seen
from traceability.supply_chain.traced import EdgeColumns, Seen, Trace


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Named = TypeVar("_Named", bound=_HasId)


def narrowed(links: Links, found: Trace, asked: Seen) -> Trace:
    """Return of a trace the roots and what was seen so, itself or in a container, and what ties these together.

    A transformation is kept when one of its events is meant. The blast radius stays that of the whole walk.
    """
    things = [links.facts.things[name] for name, node in found.nodes.items() if node.reach is not None]
    names = links.facts.things.names
    kept = {*found.query.roots}
    for event, those in seen(links, things):
        if those and _is_meant(event, asked):
            kept.update(names[number] for number in those)
    balances = found.balance.transformations
    kept.update(one.id for one in balances if any(_is_meant(links.facts.events[p], asked) for p in one.positions))
    ends = zip(found.columns.sources, found.columns.targets, strict=True)
    whole = [source in kept and target in kept for source, target in ends]
    columns = EdgeColumns._make(list(compress(column, whole)) for column in found.columns)
    positions = sorted({position for told in columns.positions for position in told})
    return replace(
        found,
        nodes={name: node for name, node in found.nodes.items() if name in kept},
        columns=columns,
        frontier=tuple(_of(kept, found.frontier)),
        events={position: found.events[position] for position in positions},
        balance=found.balance._replace(
            transformations=_of(kept, balances),
            shares=_of(kept, found.balance.shares),
            breaches=_of(kept, found.balance.breaches),
        ),
    )


def _of(kept: Collection[str], told: Iterable[_Named]) -> list[_Named]:
    return [one for one in told if one.id in kept]


def _is_meant(event: SeenEvent, asked: Seen) -> bool:
    if event.occurred_at not in asked:
        return False
    places = {event.view.read_point, event.view.biz_location} - {None} if asked.places else ()
    return not asked.places or any(place is not None and thing_of(place) in asked.places for place in places)
