"""Traces of which only what was seen at some places or in some time is wanted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    PALLET,
    PLANT,
    STORE,
    STRANGERS,
    Happening,
    hours,
    index_of,
    observe,
    pack,
    put,
    take,
    transform,
)
from tests.support.worlds import CONTAINERS, THINGS
from tests.unit.test_blast_radius import happenings
from traceability.errors import NotFoundError
from traceability.supply_chain.history import item_history
from traceability.supply_chain.provenance import Direction, Trace, TraceQuery, trace, walk
from traceability.supply_chain.seen import thing_of
from traceability.supply_chain.traced import Seen

A, B, C = pack("A"), pack("B"), pack("C")


def narrowed(*told: Happening, root: str = A, **asked: object) -> Trace:
    return trace(index_of(told), TraceQuery((root,), Direction.FORWARD, seen=Seen(**asked)))  # type: ignore[arg-type]


def at(place: str) -> dict[str, object]:
    return {"readPoint": {"id": place}}


TOLD = (
    transform(1, [A], [B, C], where=at(PLANT)),
    put(2, PALLET, B, where=at(PLANT)),
    observe(3, PALLET, place=STORE),
    take(4, PALLET, where=at(STORE)),
    observe(6, C, place=STORE),
)
EVENT = "event:00000000-0000-0000-0000-000000000001"


def test_what_was_seen_at_a_place_is_kept_with_what_ties_it_together() -> None:
    found = narrowed(*TOLD, places=frozenset({PLANT}))
    assert found.nodes.keys() == {A, B, C, PALLET, EVENT}
    found = narrowed(*TOLD, places=frozenset({STORE}))
    assert found.nodes.keys() == {A, B, C, PALLET}
    assert {(edge.source, edge.target) for edge in found.edges} == {(B, PALLET)}
    assert found.events.keys() == {2, 4}
    assert found.balance.transformations == []
    assert {node.id for node in found.frontier} == {C}


def test_a_time_has_two_ends() -> None:
    assert narrowed(*TOLD, since=hours(5)).nodes.keys() == {A, C}
    assert narrowed(*TOLD, until=hours(1)).nodes.keys() == {A, B, C, EVENT}
    assert narrowed(*TOLD, places=frozenset({STORE}), since=hours(3), until=hours(4)).nodes.keys() == {A, B, PALLET}
    assert narrowed(*TOLD, since=hours(7)).nodes.keys() == {A}


def test_the_blast_radius_is_that_of_the_whole_walk() -> None:
    whole = trace(index_of(TOLD), TraceQuery((A,), Direction.FORWARD))
    assert narrowed(*TOLD, since=hours(7)).blast_radius == whole.blast_radius


def test_what_is_narrowed_is_told_in_one_go() -> None:
    query = TraceQuery((A,), Direction.FORWARD, seen=Seen(frozenset({STORE})))
    answer = trace(index_of(TOLD), query)
    (told,) = walk(index_of(TOLD), query)
    assert {node.id: node for node in told.nodes} == answer.nodes
    assert told.edges == list(answer.edges)
    assert told.blast_radius == answer.blast_radius


def test_a_root_that_nobody_knows_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        narrowed(*TOLD, root=pack("X"), since=0)


@settings(max_examples=100, deadline=None)
@given(
    happenings(),
    st.sampled_from([*CONTAINERS, *map(thing_of, THINGS)]),
    st.sampled_from([frozenset(), frozenset({PLANT}), frozenset({STORE, PLANT})]),
    st.sampled_from([None, hours(1), hours(3)]),
    st.sampled_from([None, hours(3), hours(4)]),
)
def test_what_is_kept_is_what_a_history_says(
    world: list[Happening], root: str, places: frozenset[str], since: int | None, until: int | None
) -> None:
    index, asked = index_of(world), Seen(places, since, until)
    try:
        whole = trace(index, TraceQuery((root,)))
    except NotFoundError:
        return
    found = trace(index, TraceQuery((root,), seen=asked))
    expected = {root}
    for node in whole.nodes.values():
        if node.reach is not None:
            for entry in item_history(index, node.id, STRANGERS).entries:
                told = entry.counts and (entry.mentions or entry.via) and entry.event.occurred_at in asked
                if told and (not places or entry.event.place in places):
                    expected.add(node.id)
    assert {node.id for node in found.nodes.values() if node.reach is not None} == expected
    assert set(found.edges) == {
        edge for edge in whole.edges if edge.source in found.nodes and edge.target in found.nodes
    }
