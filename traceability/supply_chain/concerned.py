"""Which things are judged otherwise once an event is known: those that it tells of, and those that hang on these.

What happens to a container happens to what is in it then; what a thing is in may be ended with the thing inside, or be
nested too deep; and all events of one transformation are weighed together. Nothing else makes an evaluation of one
thing depend on an event about another (`evaluation.evaluate`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from traceability.supply_chain.containment import Containment
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.seen import AGGREGATION_EVENT, SeenEvent, Subjects
from traceability.supply_chain.story import MAX_NESTING
from traceability.supply_chain.windows import BEGIN


def concerned(index: ProvenanceIndex, events: Iterable[SeenEvent]) -> set[str]:
    """Return the things of which these events may change the evaluation, and perhaps some more.

    `events` are EPCIS events and decisions, with what the error declarations among them retract.
    """
    since: dict[str, int] = {}
    transformations, ties = set[str](), False
    for event in events:
        if isinstance(event, SeenDecision):
            things = event.decided_about
        else:
            things = event.things
            ties = ties or event.ties
            if event.transformation is not None:
                transformations.add(event.transformation)
        since.update((thing, min(since.get(thing, event.occurred_at), event.occurred_at)) for thing in things)
    found = set(since)
    if transformations:
        joined = index.events(Subjects(transformations=transformations))
        found.update(thing for event in joined for thing in event.things)
    tied = _packings(index, since.keys())
    found |= _inward(index, since, tied)
    if ties:
        found |= _outward(index, since.keys(), tied)
    return found


def _packings(index: ProvenanceIndex, things: AbstractSet[str]) -> list[SeenEvent]:
    if not things:
        return []
    return [event for event in index.ties(Subjects(things)) if event.type == AGGREGATION_EVENT]


def _inward(index: ProvenanceIndex, since: Mapping[str, int], tied: list[SeenEvent]) -> AbstractSet[str]:
    """Return what was in containers from a time on, and what was in that."""
    level, reached = dict(since), dict(since)
    for _ in range(MAX_NESTING):
        packings: dict[str, list[SeenEvent]] = {}
        for event in tied:
            for parent in level.keys() & event.parents:
                packings.setdefault(parent, []).append(event)
        inside: dict[str, int] = {}
        for parent, told in packings.items():
            # What several tell may be a mere claim, which ends no stay: then none is taken to have ended.
            disputed = len({event.captured_by for event in told}) > 1
            # A stay that the event itself ends has its last instant just before.
            first = BEGIN if disputed else level[parent] - 1
            for stay in Containment(told).of_parent(parent):
                if stay.last >= first:
                    inside[stay.child] = min(inside.get(stay.child, level[parent]), level[parent])
        # What was reached before from a later time on is gone into again.
        level = {child: at for child, at in inside.items() if child not in reached or at < reached[child]}
        if not level:
            break
        reached |= level
        tied = _packings(index, level.keys())
    return reached.keys()


def _outward(index: ProvenanceIndex, things: AbstractSet[str], tied: list[SeenEvent]) -> set[str]:
    """Return what things were ever in, and what that was in."""
    found = set(things)
    for _ in range(MAX_NESTING):
        level = {parent for event in tied for parent in event.parents} - found
        if not level:
            break
        found |= level
        tied = _packings(index, level)
    return found
