"""What a trace says when it has not enough room, or much to tell."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import GTIN, PALLET, Happening, index_of, lot, pack, put, transform
from tests.support.worlds import COUNTED, THINGS, worlds
from traceability.errors import NotFoundError
from traceability.supply_chain import seen
from traceability.supply_chain.provenance import Direction, EdgeKind, Stop, Trace, TraceQuery, trace, walk
from traceability.supply_chain.seen import thing_of

QUERIES = st.builds(
    TraceQuery,
    st.lists(st.sampled_from([*map(thing_of, THINGS), *COUNTED]), min_size=1, max_size=2, unique=True).map(tuple),
    st.sampled_from(Direction),
    max_nodes=st.integers(2, 12),
    edge_kinds=st.just(frozenset(EdgeKind)),
)


def ask(world: list[Happening], query: TraceQuery, ids: list[int] | None = None) -> Trace | None:
    try:
        return trace(index_of(world, ids=ids), query)
    except NotFoundError:
        return None


def content(answer: Trace | None) -> object:
    """Return all that an answer says, with events named by what they say: positions are the order of arrival."""
    if answer is None:
        return None
    told = {position: event.digest for position, event in answer.events.items()}
    edges = [(e.kind, e.source, e.target, e.begin, e.end, [told[p] for p in e.positions]) for e in answer.edges]
    return answer.nodes, sorted(edges, key=repr), answer.frontier


@settings(max_examples=300, deadline=None)
@given(worlds(), QUERIES)
def test_an_answer_is_within_its_limit_and_says_when_something_is_left_out(
    world: list[Happening], query: TraceQuery
) -> None:
    whole = ask(world, replace(query, max_nodes=1_000))
    if whole is None:
        return
    answer = ask(world, query)
    assert answer is not None
    assert len(answer.nodes) <= query.max_nodes
    assert answer.nodes.keys() <= whole.nodes.keys()
    assert set(answer.edges) <= set(whole.edges)
    assert {end for edge in answer.edges for end in (edge.source, edge.target)} <= answer.nodes.keys()
    assert {node.id for node in answer.frontier} <= answer.nodes.keys()
    told = any(node.reason is Stop.LIMIT for node in answer.frontier)
    assert told == ((answer.nodes.keys(), set(answer.edges)) != (whole.nodes.keys(), set(whole.edges)))
    assert told == (len(whole.nodes) > query.max_nodes)
    if not told:
        assert content(answer) == content(whole)


@settings(max_examples=300, deadline=None)
@given(worlds(), st.randoms(use_true_random=False), QUERIES, st.sampled_from([0, seen.FEW]))
def test_what_is_left_out_does_not_depend_on_the_order_of_arrival(
    world: list[Happening], random: Random, query: TraceQuery, few: int
) -> None:
    ids = list(range(1, len(world) + 1))
    random.shuffle(ids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "FEW", few)
        shuffled = ask([world[n - 1] for n in ids], query, ids)
    assert content(shuffled) == content(ask(world, query))


@pytest.mark.parametrize("few", [0, seen.FEW])
def test_of_two_events_that_say_the_same_of_a_batch_it_is_always_the_same_that_is_named(
    monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(seen, "FEW", few)
    batch, one, member = "https://maker.example/batch/1", pack("1"), f"{GTIN}/10/L1/21/3"
    world = [
        transform(0, counted_inputs=[lot("L1")]),
        transform(0, [one], joined=batch),
        transform(0, [one, member], [one, PALLET], joined=batch),
    ]
    query = TraceQuery((lot("L1"), one), Direction.FORWARD, max_nodes=5, edge_kinds=frozenset(EdgeKind))
    expected = content(ask(world, query))
    for ids in permutations([1, 2, 3]):
        assert content(ask([world[n - 1] for n in ids], query, [*ids])) == expected
    edges = ask(world, query)
    assert edges is not None
    named = [edge.positions for edge in edges.edges if (edge.source, edge.target) == (one, f"transformation:{batch}")]
    assert named == [(3,)]


def test_many_inputs_and_outputs_take_no_more_than_their_sum() -> None:
    inputs, outputs = [pack(f"I{n}") for n in range(1_500)], [pack(f"O{n}") for n in range(1_500)]
    index = index_of([put(0, PALLET, *inputs), transform(1, inputs, outputs)])
    tracemalloc.start()
    try:
        answer = trace(index, TraceQuery((PALLET,), Direction.FORWARD))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answer.edges) == 4_500
    # Pairs of them would be two millions, of nine columns each.
    assert peak < 50_000_000


@pytest.mark.parametrize("turn", [1, -1])
def test_what_no_room_is_left_for_is_the_last_by_name(turn: int) -> None:
    inputs, outputs = [pack(f"I{n}") for n in range(3)], [pack(f"O{n}") for n in range(3)]
    world = [
        put(0, PALLET, *inputs[::turn]),
        transform(1, inputs[:2][::turn], outputs[::turn]),
        transform(2, inputs[2:], [pack("Z")]),
    ]
    first, second, third = inputs
    for max_nodes, there, ended in (
        (5, [], {first, second, third}),
        (6, outputs[:1], {first, third}),
        (7, outputs[:2], {first, third}),
        (8, outputs, {third}),
    ):
        answer = ask(world, TraceQuery((PALLET,), Direction.FORWARD, max_nodes=max_nodes))
        assert answer is not None
        assert {name for name in answer.nodes if "/21/" in name} == {*inputs, *there}
        assert {node.id for node in answer.frontier if node.reason is Stop.LIMIT} == ended
        # Where there is room for the transformation, both of its inputs are told.
        assert len(answer.nodes) == (max_nodes if there else 4)
        assert len(answer.edges) == 3 + (2 + len(there) if there else 0)


def test_no_transformation_is_told_without_what_it_leads_to_unless_it_leads_to_nothing() -> None:
    batch = "urn:batch:1"
    parts = [put(0, PALLET, pack("I0"), pack("I2")), transform(1, [pack("I0")], joined=batch)]
    outputs = [transform(2, [], [pack("O1")], joined=batch), transform(4, [], [pack("O3")], joined=batch)]
    query = TraceQuery((PALLET,), Direction.FORWARD, max_nodes=4)
    kept = ask([*parts, transform(3, [pack("I2")], joined=batch), *outputs], query)
    assert kept is not None
    assert kept.nodes.keys() == {PALLET, pack("I0"), pack("I2")}
    late = ask([*parts, transform(5, [pack("I2")], joined=batch), *outputs], query)
    assert late is not None
    assert late.nodes.keys() == {PALLET, pack("I0"), pack("I2"), f"transformation:{batch}"}
    assert [(node.id, node.reason) for node in late.frontier] == [(pack("I0"), Stop.LIMIT)]


@pytest.mark.parametrize("direction", [Direction.BACK, Direction.FORWARD])
def test_of_a_transformation_over_time_only_what_is_in_time_is_told(direction: Direction) -> None:
    # In and out by turns: each input leads to the outputs after it.
    world = [transform(2 * n, [pack(f"I{n}")], joined="urn:batch:1") for n in range(4)]
    world += [transform(2 * n + 1, [], [pack(f"O{n}")], joined="urn:batch:1") for n in range(4)]
    for n in range(4):
        root, far = (pack(f"I{n}"), "O") if direction is Direction.FORWARD else (pack(f"O{n}"), "I")
        answer = ask(world, TraceQuery((root,), direction))
        assert answer is not None
        in_time = range(n, 4) if direction is Direction.FORWARD else range(n + 1)
        assert {name for name in answer.nodes if "/21/" in name} == {root, *(pack(f"{far}{m}") for m in in_time)}


def test_a_thing_may_have_the_name_of_a_transformation() -> None:
    named = "transformation:urn:batch:1"
    world = [transform(1, [pack("A")], [named], joined="urn:batch:1"), transform(2, [named], [pack("B")])]
    query = TraceQuery((pack("A"),), Direction.FORWARD)
    answer = ask(world, query)
    assert answer is not None
    assert {pack("A"), named, pack("B")} <= answer.nodes.keys()
    assert {(edge.source, edge.target) for edge in answer.edges} >= {(pack("A"), named), (named, named)}
    assert {edge for found in walk(index_of(world), query) for edge in found.edges} == set(answer.edges)
