"""What is told of recorded events that break a rule: one by one, in any order of arrival, whatever is hidden."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.dealings import ASKED, ORGANISATIONS, dealings
from tests.support.happenings import (
    OTHER_PALLET,
    PALLET,
    PLANT,
    STORE,
    TOTE,
    Decided,
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
)
from tests.support.holders import EVERYTHING, OUTSIDE, PARTIES, PARTY, SEES_ALL, SHOP, Told
from tests.support.register import stated
from tests.support.worlds import THINGS, worlds
from traceability.ledger.access import Grant, Reader
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import PrefixHeld
from traceability.supply_chain.commands.refusal import Rule
from traceability.supply_chain.decisions import HoldPlaced
from traceability.supply_chain.evaluation import SENTENCES, Evaluation, OfThePast, evaluate
from traceability.supply_chain.parties import ListedParties, Parties

A, B, C = pack("A"), pack("B"), pack("C")
MILK, CHEESE = lot("MILK"), lot("CHEESE")
RIVAL = "rival.example"
MADE = commission(1, A, B, C)


def kilos(list_name: str, thing: str, quantity: float, uom: str = "KGM") -> tuple[Any, ...]:
    return (list_name, thing, quantity, uom)


def made_of(thing: str, quantity: float, at: float, *, action: str = "ADD", uom: str = "KGM") -> Happening:
    step = "commissioning" if action == "ADD" else "decommissioning"
    return Happening("object", at, [kilos("quantityList", thing, quantity, uom)], action, step)


def run(at: float, into: float, out: float, uom: str = "KGM") -> Happening:
    items = [kilos("inputQuantityList", MILK, into), kilos("outputQuantityList", CHEESE, out, uom)]
    return Happening("transformation", at, items, step="creating_class_instance")


def found(
    told: Sequence[Happening | Decided],
    *things: str,
    reader: Reader = SEES_ALL,
    parties: Parties = PARTIES,
) -> Evaluation:
    return evaluate(index_of(told, reader=reader), parties, set(things))


HELD = Decided(2, HoldPlaced(things=(A,), hold="H1", kind="quality", reason="case 7"))

CASES: dict[str, tuple[list[Happening | Decided], str, list[tuple[str, int, int | None]]]] = {
    "nothing": ([MADE, put(2, PALLET, A), take(3, PALLET, A), end(4, A)], A, []),
    "made twice": ([MADE, commission(3, A)], A, [("commissioned_before", 2, 1)]),
    "made twice, the earlier recorded later": ([commission(3, A), MADE], A, [("commissioned_before", 1, 2)]),
    "made by a rival": (
        [MADE, commission(3, A, by=RIVAL)],
        A,
        [("commissioned_before", 2, None)],
    ),
    "after its end": ([MADE, end(2, A), put(3, PALLET, A)], A, [("ended", 3, 2)]),
    "on hold after its end": ([MADE, end(1.5, A), HELD], A, [("ended", 3, 2)]),
    "in two containers": ([MADE, put(2, PALLET, A), put(3, OTHER_PALLET, A)], A, [("inside", 3, 2)]),
    "not inside": ([MADE, take(2, PALLET, A)], A, [("not_inside", 2, None)]),
    "inside of itself": (
        [put(2, PALLET, TOTE), put(3, TOTE, PALLET)],
        PALLET,
        [("cycle", 2, None)],
    ),
    "ended with something inside": ([MADE, put(2, PALLET, A), end(3, PALLET)], PALLET, [("not_empty", 3, 2)]),
    "shipped on hold": ([MADE, HELD, ship(3, A)], A, [("held", 3, 2)]),
    "shipped by who has it not": (
        [MADE, ship(2, A, to=PARTY[SHOP]), receive(3, A, by=SHOP), ship(4, A)],
        A,
        [("not_custodian", 4, 3)],
    ),
    "confirmed by who has it": (
        [MADE, ship(2, A, to=PARTY[SHOP]), receive(3, A, by=SHOP), observe(4, A, by=SHOP, step="accepting")],
        A,
        [],
    ),
    "handled by who speaks for a stranger": (
        [MADE, ship(2, A, to=OUTSIDE), receive(3, A, to=OUTSIDE), put(4, PALLET, A), ship(5, PALLET, to=PARTY[SHOP])],
        A,
        [],
    ),
    "a pallet that came back empty": (
        [put(1, PALLET, A), take(2, PALLET), put(3, PALLET, B, by=SHOP), ship(4, PALLET, by=SHOP)],
        PALLET,
        [],
    ),
    "a pallet that came back full": (
        [put(1, PALLET, A), put(3, PALLET, B, by=SHOP)],
        PALLET,
        [("no_authority", 2, None)],
    ),
    "sent on while it is on its way": (
        [MADE, ship(2, A, to=PARTY[SHOP]), receive(3, A, by=SHOP), ship(4, A, by=SHOP), ship(5, A, by=SHOP)],
        A,
        [],
    ),
    "packed while it is on its way": ([MADE, ship(2, A, to=PARTY[SHOP]), put(3, PALLET, A)], A, [("under_way", 3, 2)]),
    "a claim": ([MADE, observe(2, A, by=RIVAL)], A, [("no_authority", 2, None)]),
    "more goes than there was": (
        [made_of(MILK, 10, 1), made_of(MILK, 4, 2, action="DELETE"), made_of(MILK, 7, 3, action="DELETE")],
        MILK,
        [("below_zero", 3, None)],
    ),
    "more goes than there was yet, in grams": (
        [made_of(MILK, 10, 3), made_of(MILK, 10_000, 2, action="DELETE", uom="GRM")],
        MILK,
        [("below_zero", 2, None)],
    ),
    "more comes out": ([run(2, 10, 11)], CHEESE, [("mass_balance", 1, None)]),
    "more comes out, in grams": ([run(2, 10, 10_001, "GRM")], CHEESE, [("mass_balance", 1, None)]),
    "less comes out": ([run(2, 10, 9)], CHEESE, []),
    "in two places at once": (
        [MADE, observe(2, A, place=PLANT), observe(2, A, place=STORE)],
        A,
        [("two_places", 3, 2)],
    ),
    "there and then here": ([MADE, observe(2, A, place=PLANT), observe(3, A, place=STORE)], A, []),
    "elsewhere while another has it": (
        [MADE, observe(2, A, place=PLANT), observe(3, A, place=STORE, by=RIVAL)],
        A,
        [("no_authority", 3, None), ("two_places", 3, 2)],
    ),
    "a pallet that came back by a way that nobody recorded": (
        [put(1, PALLET, A, where={"readPoint": {"id": PLANT}}), observe(3, PALLET, place=STORE, by=RIVAL)],
        PALLET,
        [("no_authority", 2, None)],
    ),
    "recorded before it happened": ([MADE, observe(2_000, A)], A, [("time_inversion", 2, None)]),
    "seen before it was made": ([observe(0, A), MADE], A, [("time_inversion", 1, 2)]),
    "taken back": ([replace(MADE, event_id="urn:x:1"), replace(MADE, event_id="urn:x:1").retracted()], A, []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_irregular(case: str) -> None:
    told, thing, expected = CASES[case]
    evaluation = found(told, thing)
    assert [(one.rule.value, one.position, one.against) for one in evaluation.irregularities] == expected
    assert {one.thing for one in evaluation.irregularities} <= {thing}
    assert evaluation.events.keys() == {place for one in expected for place in one[1:] if place is not None}


def test_every_rule_says_what_it_is() -> None:
    assert SENTENCES.keys() == {*Rule, *OfThePast}


def test_a_sentence_tells_who_said_what_against_whom() -> None:
    ended, seen = found([MADE, end(2, A), put(3, PALLET, A), observe(4, A, place=PLANT, by=RIVAL)], A).irregularities
    assert ended.told == (
        "maker.example recorded packing at 2026-03-01T03:00:00.000000Z, against this: "
        "maker.example recorded decommissioning at 2026-03-01T02:00:00.000000Z, after which it was decommissioned."
    )
    assert (ended.severity, seen.severity) == ("error", "warning")
    assert seen.told == "rival.example recorded OBSERVE at 2026-03-01T04:00:00.000000Z."
    (gain,) = found([run(2, 10, 10_500, "GRM")], CHEESE).irregularities
    assert gain.told.endswith(": 10 went in and 10.5 came out (KGM).")


def test_things_that_lead_one_life_are_each_told() -> None:
    packs = [pack(serial) for serial in range(300)]
    evaluation = found([commission(1, *packs), end(2, *packs), put(3, PALLET, *packs)], *packs)
    assert [one.thing for one in evaluation.irregularities] == sorted(packs)
    assert {one.rule for one in evaluation.irregularities} == {Rule.ENDED}


def test_two_things_of_one_event_may_have_prefixes_of_two_companies() -> None:
    mine, anothers = "https://id.gs1.org/00/095212340000000013", "https://id.gs1.org/00/095291050000000018"
    held = PrefixHeld(organisation="rival.example", prefix="952910", since=0)
    statement = stated(held)
    parties = ListedParties({}, Register([statement], statement.stated_by))
    found = evaluate(index_of([commission(1, mine, anothers)], reader=SEES_ALL), parties, [mine, anothers])
    assert [(one.thing, one.rule) for one in found.irregularities] == [(anothers, Rule.PREFIX_OF_ANOTHER)]


def test_no_rule_is_left_out_for_a_thing_with_much_said_of_it() -> None:
    busy = [event for n in range(400) for event in (put(2 + n, PALLET, pack(n)), take(2.5 + n, PALLET))]
    evaluation = found([*busy, end(600, PALLET), observe(601, PALLET)], PALLET)
    assert [(one.rule, one.position) for one in evaluation.irregularities] == [(Rule.ENDED, 802)]


@settings(max_examples=200, deadline=None)
@given(dealings(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same(world: list[Told], choose: random.Random) -> None:
    assert content(found(world, *ASKED)) == content(found(choose.sample(world, len(world)), *ASKED))


@settings(max_examples=200, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_any_order_of_what_is_packed_and_made_gives_the_same(world: list[Happening], choose: random.Random) -> None:
    assert content(found(world, *THINGS)) == content(found(choose.sample(world, len(world)), *THINGS))


@settings(max_examples=200, deadline=None)
@given(dealings(), dealings(max_size=6), st.lists(st.sampled_from(ORGANISATIONS), max_size=2))
def test_what_is_hidden_makes_no_difference(world: list[Told], more: list[Told], shown: list[str]) -> None:
    reader = Reader("auditor.example", grants=tuple(Grant(who, "auditor.example", None, EVERYTHING) for who in shown))
    hidden = [
        replace(one, event_id=f"urn:uuid:hidden-{n}") if isinstance(one, Happening) else one
        for n, one in enumerate(more)
        if one.by not in shown
    ]
    assert content(found([*hidden, *world], *ASKED, reader=reader)) == content(found(world, *ASKED, reader=reader))


@settings(max_examples=100, deadline=None)
@given(worlds(), st.sampled_from(THINGS))
def test_one_thing_is_judged_as_it_is_among_others(world: list[Happening], thing: str) -> None:
    together = [one for one in content(found(world, *THINGS)) if one[0] == thing]
    assert content(found(world, thing)) == together


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ADD", "DELETE"]), st.integers(1, 9), st.integers(1, 9)), max_size=5))
def test_so_is_a_lot_of_which_more_goes_than_of_another(amounts: list[tuple[str, int, int]]) -> None:
    lots = [MILK, CHEESE]
    world = [
        replace(
            made_of(MILK, 1, at, action=action),
            items=[kilos("quantityList", *each) for each in zip(lots, both, strict=True)],
        )
        for at, (action, *both) in enumerate(amounts)
    ]
    alone = [one for thing in lots for one in content(found(world, thing))]
    assert content(found(world, *lots)) == sorted(alone, key=repr)


@settings(max_examples=200, deadline=None)
@given(dealings(), st.sampled_from(ASKED))
def test_so_is_one_that_others_claim(world: list[Told], thing: str) -> None:
    together = [one for one in content(found(world, *ASKED)) if one[0] == thing]
    assert content(found(world, thing)) == together


def content(evaluation: Evaluation) -> list[Any]:
    """Return what an evaluation tells, with events named by what they say."""
    named: dict[int | None, bytes | None] = {place: event.digest for place, event in evaluation.events.items()}
    told = [
        (one.thing, one.rule.value, named.get(one.position), named.get(one.against), one.told)
        for one in evaluation.irregularities
    ]
    return sorted(told, key=repr)
