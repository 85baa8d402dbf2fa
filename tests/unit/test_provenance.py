from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    GTIN,
    OTHER_PALLET,
    PALLET,
    STORE,
    TOTE,
    Happening,
    attach,
    commission,
    hours,
    index_of,
    lot,
    observe,
    pack,
    put,
    take,
    transform,
)
from tests.support.naive import naive_intervals, naive_trace
from tests.support.worlds import CONTAINERS, COUNTED, THINGS, worlds
from traceability.errors import InvalidInputError, NotFoundError
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.index import MarkKind
from traceability.supply_chain import seen
from traceability.supply_chain.provenance import (
    PROPAGATING,
    Direction,
    EdgeKind,
    Reach,
    Stop,
    Trace,
    TraceNode,
    TraceQuery,
    trace,
    walk,
)
from traceability.supply_chain.seen import thing_of
from traceability.supply_chain.standing import standing

MILK = "https://id.gs1.org/01/09521234000020/10/M1"
MILK_2 = "https://id.gs1.org/01/09521234000020/10/M2"
A, B, C, D = pack("A"), pack("B"), pack("C"), pack("D")


def forward(*happenings: Happening, root: str = A, **query: object) -> Trace:
    return trace(index_of(happenings), TraceQuery((root,), Direction.FORWARD, **query))  # type: ignore[arg-type]


def back(*happenings: Happening, root: str = A, **query: object) -> Trace:
    return trace(index_of(happenings), TraceQuery((root,), Direction.BACK, **query))  # type: ignore[arg-type]


def things(answer: Trace, reach: Reach = Reach.TRACED) -> set[str]:
    return {node.id for node in answer.nodes.values() if node.reach is reach}


def test_a_transformation_leads_from_its_inputs_to_its_outputs_and_back() -> None:
    made = transform(5, [A], [B, C], counted_inputs=[MILK])
    assert things(forward(made)) == {A, B, C}
    assert things(back(made, root=B)) == {B, A, MILK}
    assert {(e.source, e.target, e.begin) for e in forward(made).edges} == {
        (A, f"event:{_uuid(1)}", hours(5)),
        (f"event:{_uuid(1)}", B, hours(5)),
        (f"event:{_uuid(1)}", C, hours(5)),
    }


def test_many_inputs_and_outputs_make_m_plus_n_edges() -> None:
    inputs, outputs = [pack(f"I{n}") for n in range(30)], [pack(f"O{n}") for n in range(30)]
    answer = forward(transform(1, inputs, outputs), put(0, PALLET, *inputs), root=PALLET)
    assert sum(edge.kind is EdgeKind.TRANSFORMATION for edge in answer.edges) == 60


def test_a_transformation_id_joins_inputs_and_outputs_of_several_events() -> None:
    batch = "https://maker.example/batch/1"
    happenings = transform(5, [], [B], joined=batch), transform(3, [A], joined=batch), transform(4, [C], joined=batch)
    assert things(forward(*happenings)) == {A, B}
    assert things(back(*happenings, root=B)) == {A, B, C}


def test_what_goes_in_after_something_came_out_is_not_its_origin() -> None:
    batch = "https://maker.example/batch/1"
    happenings = (
        transform(3, [], [B], joined=batch),
        transform(5, [A], joined=batch),
        transform(7, [], [C], joined=batch),
    )
    assert things(forward(*happenings)) == {A, C}
    assert things(back(*happenings, root=B)) == {B}


def test_a_transformation_before_the_origin_was_made_is_not_a_consequence() -> None:
    assert things(forward(transform(3, [B], [C]), transform(5, [A], [B]))) == {A, B}
    assert things(forward(transform(7, [B], [C]), transform(5, [A], [B]))) == {A, B, C}


def test_siblings_on_a_pallet_are_not_affected_and_the_pallet_is_shown_as_carrier() -> None:
    happenings = put(1, PALLET, A, B), put(2, TOTE, PALLET), take(8, TOTE, PALLET), take(9, PALLET)
    for answer in (forward(*happenings), back(*happenings)):
        assert things(answer) == {A}
        assert things(answer, Reach.CARRIER) == {PALLET, TOTE}
        assert {(e.source, e.target, e.begin, e.end) for e in answer.edges} == {
            (A, PALLET, hours(1), hours(9)),
            (PALLET, TOTE, hours(2), hours(8)),
        }


def test_a_reused_pallet_does_not_widen_a_recall() -> None:
    first = put(1, PALLET, A), take(3, PALLET, A)
    second = put(5, PALLET, B), put(6, TOTE, PALLET), transform(8, [PALLET], [C])
    assert things(forward(*first, *second)) == {A}
    assert things(forward(*first, *second), Reach.CARRIER) == {PALLET}
    assert things(back(*first, *second, root=C)) == {C, PALLET, B}


def test_an_inner_case_reused_later_does_not_widen_the_trace_of_its_pallet() -> None:
    happenings = put(1, TOTE, A), put(2, PALLET, TOTE), take(3, PALLET), take(4, TOTE), put(6, TOTE, B)
    assert things(forward(*happenings, root=PALLET)) == {PALLET, TOTE, A}
    assert things(back(*happenings, root=PALLET)) == {PALLET, TOTE, A}


def test_a_pallet_that_is_consumed_stands_for_what_is_on_it_then() -> None:
    happenings = put(1, PALLET, A, B), take(2, PALLET, B), transform(5, [PALLET], [C])
    assert things(forward(*happenings)) == {A, C}
    assert things(forward(*happenings, root=B)) == {B}
    assert things(back(*happenings, root=C)) == {C, PALLET, A}


def test_a_root_pallet_opens_to_all_it_held_up_to_the_time_asked() -> None:
    happenings = put(1, PALLET, A), take(3, PALLET, A), put(5, PALLET, B)
    assert things(forward(*happenings, root=PALLET)) == {PALLET, A, B}
    assert things(forward(*happenings, root=PALLET, as_of=hours(4))) == {PALLET, A}


def test_an_empty_unpack_ends_the_stay_of_every_child() -> None:
    happenings = put(1, PALLET, A, B), take(3, PALLET), transform(5, [PALLET], [C])
    assert things(forward(*happenings)) == {A}


def test_a_delete_that_arrives_before_its_add_counts() -> None:
    happenings = take(3, PALLET, A), put(1, PALLET, A), transform(5, [PALLET], [C])
    assert things(forward(*happenings)) == {A}


def test_a_lot_leads_to_its_serialised_members() -> None:
    beside = f"{GTIN}/10/L1/21/B"
    happenings = commission(1, A, number="L1"), observe(2, beside), commission(1, C, number="L2"), put(3, PALLET, A)
    answer = forward(*happenings, root=lot("L1"))
    assert things(answer) == {lot("L1"), A, B}
    assert things(answer, Reach.CARRIER) == {PALLET}
    assert {(e.source, e.target) for e in answer.edges if e.kind is EdgeKind.LOT} == {(lot("L1"), A), (lot("L1"), B)}


def test_a_pack_comes_from_its_lot_and_its_siblings_stay_out() -> None:
    happenings = (
        transform(1, counted_inputs=[MILK], counted_outputs=[lot("L1")]),
        commission(2, A, B, number="L1"),
        transform(5, counted_inputs=[lot("L1")], outputs=[D]),
    )
    answer = back(*happenings)
    assert things(answer) == {A, MILK}
    assert things(answer, Reach.LOT) == {lot("L1")}
    assert things(forward(*happenings)) == {A}
    assert things(forward(*happenings, root=MILK)) == {MILK, lot("L1"), A, B, D}


def test_a_lot_counted_on_a_pallet_is_followed_through_transformations_and_not_to_other_pallets() -> None:
    happenings = (
        transform(1, counted_inputs=[MILK], counted_outputs=[MILK_2]),
        put(2, PALLET, counted=[MILK_2]),
        put(2, OTHER_PALLET, counted=[MILK_2]),
        transform(4, counted_inputs=[MILK_2], outputs=[A]),
    )
    answer = forward(*happenings, root=PALLET)
    assert (things(answer), things(answer, Reach.LOT), things(answer, Reach.CARRIER)) == ({PALLET, A}, {MILK_2}, set())
    assert things(back(*happenings, root=PALLET)) == {PALLET, MILK}
    assert things(forward(*happenings, root=MILK_2), Reach.CARRIER) == {PALLET, OTHER_PALLET}


def test_a_bare_class_ties_nothing_together() -> None:
    happenings = transform(1, [A], counted_outputs=[GTIN]), transform(5, counted_inputs=[GTIN], outputs=[B])
    answer = forward(*happenings)
    assert things(answer) == {A, GTIN}
    assert [(n.id, n.reason) for n in answer.frontier] == [(GTIN, Stop.CLASS_LEVEL)]
    assert things(forward(*happenings, root=GTIN)) == {GTIN, B}


def test_association_never_propagates_and_is_shown_on_request() -> None:
    happenings = attach(1, PALLET, A), attach(2, PALLET, B), transform(5, [PALLET], [C]), transform(6, [B], [D])
    assert things(forward(*happenings)) == {A}
    answer = forward(*happenings, edge_kinds=PROPAGATING | {EdgeKind.ASSOCIATION})
    assert (things(answer), things(answer, Reach.ATTACHED)) == ({A}, {PALLET})
    assert things(forward(*happenings, root=PALLET)) == {PALLET, C}


def test_edge_kinds_limit_the_walk() -> None:
    happenings = put(1, PALLET, A), transform(5, [A], [B])
    answer = forward(*happenings, edge_kinds=frozenset({EdgeKind.TRANSFORMATION}))
    assert set(answer.nodes) == {A, B, f"event:{_uuid(2)}"}


def test_rework_and_cycles_end() -> None:
    happenings = transform(1, [A], [B]), transform(2, [B], [A]), put(3, PALLET, TOTE), put(3, TOTE, PALLET)
    assert things(forward(*happenings)) == {A, B}
    assert things(back(*happenings)) == {A, B}
    assert things(forward(*happenings, root=TOTE)) == {TOTE, PALLET}


def test_a_chain_longer_than_the_stack_is_walked() -> None:
    chain = [transform(n / 100, [pack(n)], [pack(n + 1)]) for n in range(1_100)]
    answer = forward(*chain, root=pack(0), max_depth=2_000, max_nodes=4_000)
    assert things(answer) == {pack(n) for n in range(1_101)}
    assert answer.complete


def test_an_event_that_came_first_as_an_emptying_still_tells_the_lot_of_its_parent() -> None:
    # A stays in B, out of which it was made: B is first a container, and a level later an origin.
    happenings = transform(0.5, [B], [A]), put(1, B, A), take(3, f"{GTIN}/10/L1/21/B"), transform(5, [A], [D])
    answer = back(*happenings, root=D)
    assert (things(answer), things(answer, Reach.LOT)) == ({D, A, B}, {lot("L1")})


def test_limits_are_told_at_the_frontier() -> None:
    chain = [transform(n, [pack(n)], [pack(n + 1)]) for n in range(5)]
    shallow = forward(*chain, root=pack(0), max_depth=2)
    assert things(shallow) == {pack(0), pack(1), pack(2)}
    assert [(n.id, n.reason) for n in shallow.frontier] == [(pack(2), Stop.DEPTH)]
    assert not shallow.complete
    small = forward(*chain, root=pack(0), max_nodes=4)
    assert len(small.nodes) == 3
    assert [(n.id, n.reason) for n in small.frontier] == [(pack(1), Stop.LIMIT)]
    full = forward(*chain, root=pack(0))
    assert [(n.id, n.reason) for n in full.frontier] == [(pack(5), Stop.NO_FURTHER)]
    assert full.complete


def test_a_retracted_event_leads_nowhere_once_the_retraction_is_known() -> None:
    wrong = transform(5, [A], [B], event_id="urn:uuid:1")
    happenings = commission(0, A), wrong, wrong.retracted()
    assert things(trace(index_of(happenings, known_at=2), TraceQuery((A,)))) == {A, B}
    assert things(trace(index_of(happenings, known_at=3), TraceQuery((A,)))) == {A}
    others = commission(0, A), wrong, wrong.retracted(by="rival.example")
    assert things(trace(index_of(others), TraceQuery((A,)))) == {A, B}


def test_a_late_event_is_known_from_its_position_on() -> None:
    happenings = transform(5, [A], [B]), transform(3, [C], [A])
    before = trace(index_of(happenings, known_at=1), TraceQuery((B,), Direction.BACK))
    assert (things(before), before.known_at) == ({A, B}, 1)
    assert things(trace(index_of(happenings), TraceQuery((B,), Direction.BACK))) == {A, B, C}


def test_events_after_as_of_do_not_count() -> None:
    happenings = transform(1, [A], [B]), transform(3, [B], [C])
    assert things(forward(*happenings, as_of=hours(1))) == {A, B}
    with pytest.raises(NotFoundError):
        forward(*happenings, root=C, as_of=hours(1))


def test_an_unknown_root_and_senseless_limits_are_refused() -> None:
    with pytest.raises(NotFoundError):
        forward(commission(1, B))
    with pytest.raises(InvalidInputError):
        TraceQuery(())
    with pytest.raises(InvalidInputError):
        TraceQuery((A, B), max_nodes=1)
    with pytest.raises(InvalidInputError):
        TraceQuery((A,), max_depth=-1)


def test_hidden_events_do_not_move_an_answer() -> None:
    reader = Reader("shop.example", frozenset({STORE}))
    shown = transform(1, [A], [B], parties=[STORE]), put(2, PALLET, B, parties=[STORE])
    hidden = transform(3, [B], [C]), take(4, PALLET), transform(0, [D], [A])
    query = TraceQuery((A,))
    answer = trace(index_of([*shown, *hidden], reader=reader, known_at=9), query)
    assert answer == trace(index_of(shown, reader=reader, known_at=9), query)
    assert things(answer) == {A, B}


def test_a_reader_of_single_items_sees_the_pallet_and_no_siblings() -> None:
    public = Reader(PUBLIC, grants=(Grant("maker.example", PUBLIC, None, frozenset({"item", "where"})),))
    happenings = commission(0, A, B), put(1, PALLET, A, B), put(2, TOTE, PALLET, OTHER_PALLET), take(5, PALLET, B)
    answer = trace(index_of(happenings, reader=public), TraceQuery((A,), edge_kinds=frozenset(EdgeKind)))
    assert set(answer.nodes) == {A, PALLET, TOTE}
    assert {(e.source, e.target, e.end) for e in answer.edges} == {(A, PALLET, None), (PALLET, TOTE, None)}
    assert B not in repr(answer)
    assert set(trace(index_of(happenings, reader=public), TraceQuery((PALLET,))).nodes) == {PALLET, TOTE}


ROOTS = st.lists(st.sampled_from([*map(thing_of, THINGS), *COUNTED]), min_size=1, max_size=2, unique=True)


@settings(max_examples=400, deadline=None)
@given(worlds(), ROOTS)
def test_a_trace_equals_the_closure_over_all_walks(world: list[Happening], roots: list[str]) -> None:
    _agree_with_all_walks(world, roots)


@settings(max_examples=400, deadline=None)
@given(worlds(), ROOTS)
def test_of_an_event_with_many_items_only_what_matters_is_read(world: list[Happening], roots: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "FEW", 0)
        _agree_with_all_walks(world, roots)


def _agree_with_all_walks(world: list[Happening], roots: list[str]) -> None:
    index = index_of(world)
    known = {thing for event in standing(index.all()) for thing in (*event.mentions_of, *event.memberships.values())}
    roots = [root for root in roots if root in known]
    if not roots:
        return
    for direction in (Direction.BACK, Direction.FORWARD):
        answer = trace(index, TraceQuery(tuple(roots), direction, max_depth=1000))
        reached, arcs = naive_trace(standing(index.all()), roots, back=direction is Direction.BACK)
        strongest = {thing: min((r for t, r in reached if t == thing), key=_strength) for thing, _ in reached}
        assert {n.id: n.reach.value for n in answer.nodes.values() if n.reach} == strongest
        assert {(e.kind.value, e.source, e.target, e.begin or 0) for e in answer.edges} == arcs
        assert answer.complete


@settings(max_examples=200, deadline=None)
@given(worlds(), st.sampled_from(CONTAINERS), st.sampled_from([Direction.BACK, Direction.FORWARD]))
def test_all_that_was_ever_attached_to_a_root_is_shown(world: list[Happening], root: str, direction: Direction) -> None:
    index, query = index_of(world), TraceQuery((root,), direction, max_depth=1, edge_kinds=frozenset(EdgeKind))
    if root not in index.known([root]):
        return
    expected = {i[1:] for i in naive_intervals(standing(index.all())) if i[0] is MarkKind.ASSOCIATION and root in i}
    shown = [edge for edge in trace(index, query).edges if edge.kind is EdgeKind.ASSOCIATION]
    assert {(e.source, e.target, e.begin, e.end) for e in shown} == expected
    assert len(shown) == len(expected)


@settings(max_examples=200, deadline=None)
@given(worlds(), ROOTS, st.sampled_from(Direction), st.integers(2, 12))
def test_what_a_walk_tells_on_its_way_adds_up_to_the_trace(
    world: list[Happening], roots: list[str], direction: Direction, max_nodes: int
) -> None:
    query = TraceQuery(tuple(roots), direction, max_nodes=max_nodes, edge_kinds=frozenset(EdgeKind))
    try:
        answer = trace(index_of(world), query)
    except NotFoundError:
        with pytest.raises(NotFoundError):
            walk(index_of(world), query)
        return
    told = list(walk(index_of(world), query))
    last: dict[str, TraceNode] = {}
    for found in told:
        for node in found.nodes:
            assert node.depth <= last.get(node.id, node).depth
            last[node.id] = node
        known = {event.position for earlier in told for event in earlier.events}
        assert {position for edge in found.edges for position in edge.positions} <= known
    edges = [edge for found in told for edge in found.edges]
    frontier = [node for found in told for node in found.frontier]
    positions = [event.position for found in told for event in found.events]
    assert last == answer.nodes
    assert set(edges) == set(answer.edges)
    assert set(frontier) == set(answer.frontier)
    assert set(positions) == answer.events.keys()
    # Edges, frontier and events are told once.
    assert len(edges) + len(frontier) + len(positions) == (
        len(answer.edges) + len(answer.frontier) + len(answer.events)
    )


def _strength(reach: str) -> int:
    return ["traced", "lot", "carrier"].index(reach)


@settings(max_examples=200, deadline=None)
@given(worlds(), st.randoms(use_true_random=False), st.sampled_from([*CONTAINERS, *COUNTED, *map(thing_of, THINGS)]))
def test_any_order_of_arrival_gives_the_same_trace(world: list[Happening], random: object, root: str) -> None:
    ids = list(range(1, len(world) + 1))
    random.shuffle(ids)  # type: ignore[attr-defined]
    answers: list[object] = []
    for order in (list(range(1, len(world) + 1)), ids):
        try:
            answer = trace(index_of([world[n - 1] for n in order], ids=order), TraceQuery((root,)))
        except NotFoundError:
            answers.append(None)
        else:
            content = {position: event.digest for position, event in answer.events.items()}
            edges = [
                (e.kind, e.source, e.target, e.begin, e.end, [content[p] for p in e.positions]) for e in answer.edges
            ]
            answers.append((answer.nodes, sorted(edges, key=repr), answer.frontier))
    assert answers[0] == answers[1]


def _uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"
