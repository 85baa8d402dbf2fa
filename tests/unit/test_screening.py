"""What is irregular is never cleared: in random worlds, and for each rule that there is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.dealings import ASKED, copies, dealings
from tests.support.happenings import (
    PALLET,
    TOTE,
    Happening,
    commission,
    end,
    index_of,
    lot,
    observe,
    pack,
    put,
    receive,
    ship,
    take,
    transform,
)
from tests.support.holders import CARRIER, PARTIES, PARTY, REGISTERED, SEES_ALL, SHOP, A, Told
from tests.support.worlds import THINGS, worlds
from tests.unit.test_evaluation import CASES
from traceability.supply_chain.evaluation import evaluate, evaluate_many
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.screening import not_cleared
from traceability.supply_chain.seen import thing_of

NAMED = sorted({thing_of(uri) for uri in (*THINGS, *ASKED)})


def _irregular(world: list[Any], things: list[str], parties: Parties = PARTIES) -> set[str]:
    return {one.thing for one in evaluate(index_of(world, reader=SEES_ALL), parties, things).irregularities}


@settings(max_examples=300, deadline=None)
@given(dealings(), st.lists(st.sampled_from(NAMED), min_size=1, unique=True), st.sampled_from([PARTIES, REGISTERED]))
def test_what_is_dealt_with_irregularly_is_not_cleared(world: list[Told], things: list[str], parties: Parties) -> None:
    cleared = set(things).difference(not_cleared(index_of(world, reader=SEES_ALL), parties, things))
    assert cleared.isdisjoint(_irregular(world, things, parties))


@settings(max_examples=200, deadline=None)
@given(copies(), st.lists(dealings(max_size=2), max_size=1), st.sampled_from([PARTIES, REGISTERED]))
def test_of_many_to_which_much_the_same_happens_none_is_cleared_that_is_irregular(
    copied: list[Happening], more: list[list[Told]], parties: Parties
) -> None:
    world = [*copied, *(one for some in more for one in some)]
    things = sorted({thing_of(uri) for one in copied for _, uri, *_ in one.items})
    cleared = set(things).difference(not_cleared(index_of(world, reader=SEES_ALL), parties, things))
    assert cleared.isdisjoint(_irregular(world, things, parties))


@settings(max_examples=300, deadline=None)
@given(worlds(), st.lists(st.sampled_from(NAMED), min_size=1, unique=True))
def test_what_is_packed_and_made_irregularly_is_not_cleared(world: list[Happening], things: list[str]) -> None:
    assert _irregular(world, things) <= set(not_cleared(index_of(world, reader=SEES_ALL), PARTIES, things))


@pytest.mark.parametrize("case", CASES)
def test_no_rule_is_missed(case: str) -> None:
    world, thing, expected = CASES[case]
    assert (thing in not_cleared(index_of(world, reader=SEES_ALL), PARTIES, [thing])) or not expected


def test_what_was_emptied_by_another_when_it_was_filled_is_not_cleared() -> None:
    world: list[Told] = [commission(1, A), take(2, PALLET, by=CARRIER), put(2, PALLET, A)]
    assert _irregular(world, [A]) == {A}
    assert not_cleared(index_of(world, reader=SEES_ALL), PARTIES, [A]) == [A]


def test_what_is_in_a_pallet_that_a_stranger_says_is_in_nothing_any_more_may_be_nested_too_deep() -> None:
    # Who packs the lot may speak of it, not of the pallet, which has been in itself from the first.
    world: list[Told] = [
        commission(0, A),
        put(0, PALLET, A),
        put(0, PALLET, PALLET),
        end(1, PALLET, by=CARRIER),
        put(1, PALLET, counted=[lot("L1")], by=CARRIER),
    ]
    assert _irregular(world, [lot("L1")]) == {lot("L1")}
    assert not_cleared(index_of(world, reader=SEES_ALL), PARTIES, [lot("L1")]) == [lot("L1")]


def test_what_nobody_had_may_be_under_way() -> None:
    # The holder of the prefix ships a pack that nobody is seen to have made; who ends it then is the first to have it.
    world = [ship(7, A, by=CARRIER), end(8, A)]
    assert not_cleared(index_of(world, reader=SEES_ALL), REGISTERED, [A]) == [A]


def test_what_is_detached_is_not_unpacked() -> None:
    world: list[Told] = [
        put(1, PALLET, A),
        Happening("association", 2, [("parentID", PALLET)], "DELETE"),
        put(3, TOTE, A),
    ]
    assert _irregular(world, [A]) == {A}
    assert not_cleared(index_of(world, reader=SEES_ALL), PARTIES, [A]) == [A]


def test_regular_lives_are_cleared() -> None:
    packs = [pack(serial) for serial in range(30)]
    world: list[Told] = [
        commission(1, *packs, number="L7"),
        put(2, TOTE, *packs[:20]),
        put(3, PALLET, TOTE),
        observe(3.5, PALLET, step="staging_outbound"),
        ship(4, PALLET, to=PARTY[CARRIER], owner=PARTY[SHOP]),
        observe(5, PALLET, by=CARRIER, step="transporting"),
        receive(6, PALLET, by=SHOP),
        take(7, PALLET, by=SHOP),
        take(8, TOTE, *packs[:10], by=SHOP),
        end(9, packs[0], by=SHOP),
        transform(10, packs[20:22], counted_outputs=[lot("M1")]),
    ]
    things = [*packs, TOTE, PALLET, lot("L7"), lot("M1")]
    assert not_cleared(index_of(world, reader=SEES_ALL), PARTIES, things) == []


@settings(max_examples=100, deadline=None)
@given(st.one_of(dealings(), worlds()), st.sampled_from([PARTIES, REGISTERED]))
def test_many_are_evaluated_as_one_by_one(world: list[Any], parties: Parties) -> None:
    many = evaluate_many(index_of(world, reader=SEES_ALL), parties, NAMED)
    assert many == evaluate(index_of(world, reader=SEES_ALL), parties, NAMED)
