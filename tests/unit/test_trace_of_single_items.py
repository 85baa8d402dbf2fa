"""A trace by a reader who sees of an event only the items that it names or is led to."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import MAKER, PALLET, TOTE, Happening, index_of, pack, put
from tests.support.worlds import COUNTED, THINGS, worlds
from traceability.errors import NotFoundError
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.supply_chain import seen
from traceability.supply_chain.provenance import Direction, EdgeKind, Trace, TraceQuery, trace
from traceability.supply_chain.seen import thing_of

ITEMS = frozenset({"item", "how"})
READER = Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, None, ITEMS), Grant("rival.example", PUBLIC, None, ITEMS)))
A, B = pack("A"), pack("B")
QUERIES = st.builds(
    TraceQuery,
    st.lists(st.sampled_from([*map(thing_of, THINGS), *COUNTED]), min_size=1, max_size=2, unique=True).map(tuple),
    st.sampled_from(Direction),
    edge_kinds=st.just(frozenset(EdgeKind)),
)
PACKS = {pack("1"), pack("2"), f"{pack('').removesuffix('/21/')}/10/L1/21/3"}


def ask(world: list[Happening], query: TraceQuery) -> Trace | None:
    try:
        return trace(index_of(world, reader=READER), query)
    except NotFoundError:
        return None


def content(answer: Trace | None) -> object:
    return None if answer is None else (answer.nodes, answer.edges, answer.frontier)


@settings(max_examples=300, deadline=None)
@given(worlds(), QUERIES)
def test_it_is_the_same_of_an_event_with_many_items(world: list[Happening], query: TraceQuery) -> None:
    expected = ask(world, query)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "FEW", 0)
        assert content(ask(world, query)) == content(expected)
    if expected is not None:
        assert len(set(expected.edges)) == len(expected.edges)


@settings(max_examples=300, deadline=None)
@given(worlds(), QUERIES, st.sampled_from([0, seen.FEW]))
def test_what_is_hidden_may_be_anything(world: list[Happening], query: TraceQuery, few: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "FEW", few)
        answer = ask(world, query)
        if answer is None:
            return
        # What it was not led to is another thing in every event.
        hidden = {item for item in PACKS if thing_of(item) not in answer.nodes}
        numbers = count()
        other = [
            replace(
                happening,
                items=[
                    (of, pack(f"H{next(numbers)}") if thing in hidden else thing, *n)
                    for of, thing, *n in happening.items
                ],
            )
            for happening in world
        ]
        assert content(ask(other, query)) == content(answer)


def test_what_is_seen_whole_in_the_end_is_taken_in_again() -> None:
    # The pallet is named a level after B, beside which it was put into the tote.
    answer = ask([put(1, PALLET, A), put(2, TOTE, PALLET, B)], TraceQuery((A, B), Direction.FORWARD))
    assert answer is not None
    assert {(edge.source, edge.target) for edge in answer.edges} == {(A, PALLET), (B, TOTE), (PALLET, TOTE)}
    assert len(answer.edges) == 3
