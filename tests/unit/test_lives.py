"""Lives: those of things to which the same happened are one, and all are let go of when all are told."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.dealings import copies, dealings
from tests.support.happenings import (
    MAKER,
    PALLET,
    TOTE,
    Happening,
    commission,
    index_of,
    lot,
    observe,
    pack,
    put,
    receive,
    ship,
    take,
)
from tests.support.holders import CARRIER, PARTIES, PARTY, REGISTERED, RIVAL, SEES_ALL, SHOP, WAREHOUSE, Told
from traceability.ledger.access import Grant, Reader
from traceability.supply_chain.decisions import HoldingRole
from traceability.supply_chain.history import item_history
from traceability.supply_chain.links import Links
from traceability.supply_chain.lives import HOLDERS, Alike, Life, Lives
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.provenance import Direction, TraceQuery, walked
from traceability.supply_chain.recall.holders import Held, held_in
from traceability.supply_chain.recall.scope import scope_of
from traceability.supply_chain.screening import not_cleared
from traceability.supply_chain.stays import stays_of
from traceability.supply_chain.tables import NONE, ints
from traceability.supply_chain.things import thing_of
from traceability.supply_chain.told import told_of
from traceability.supply_chain.windows import BEGIN

A, B = pack("A"), pack("B")
WORLD = (
    commission(1, A, number="A7"),
    observe(2, A),
    put(3, PALLET, A),
    ship(4, PALLET, to=PARTY[CARRIER]),
    receive(5, PALLET, by=CARRIER),
    observe(6, A, by=CARRIER),
)


def lives_of(
    world: Sequence[Told],
    things: Sequence[str],
    parties: Parties,
    alike: Alike[Life] | None,
    reader: Reader = SEES_ALL,
) -> dict[str, Life | None]:
    index = index_of(world, reader=reader)
    links = Links(index, None, ask=index.counting)
    numbers = np.sort(ints(links.facts.things[thing] for thing in things))
    links.load(NONE, numbers, ())
    stays = stays_of(links, dict.fromkeys(numbers.tolist(), BEGIN))
    told = told_of(links.facts, numbers, stays, {**links.facts.events, **links.done}.values())
    names = links.facts.things.of(numbers)
    return {name: life for name, life, _ in Lives(parties, names, told, Life, alike)}


def test_things_to_which_the_same_happened_alone_lead_one_life() -> None:
    packs = [pack(f"{number}") for number in range(40)]
    world = [
        one
        for number, thing in enumerate(packs)
        for one in (
            commission(number, thing),
            observe(number + 1, thing),
            ship(number + 2, thing, to=PARTY[CARRIER if number % 2 else SHOP]),
        )
    ]
    merged, apart = (lives_of(world, packs, PARTIES, alike) for alike in (HOLDERS, None))
    assert len(set(apart.values())) == len(packs)
    assert len(set(merged.values())) == 2
    assert [who(life) for life in merged.values()] == [(True, Held((MAKER,), (to,))) for to in (SHOP, CARRIER)] * 20


_SENT = (commission(1, A), ship(2, A, to=PARTY[CARRIER]), receive(3, A, by=CARRIER))
_GIVEN_BACK = observe(6, A, step="returning", by=SHOP)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([observe(1, A, by=CARRIER, place=WAREHOUSE)], [observe(1, B, by=CARRIER)]),  # at home, and elsewhere
        (
            [*_SENT, ship(4, A, to=PARTY[SHOP], by=CARRIER), receive(5, A, by=SHOP), _GIVEN_BACK],
            [
                commission(1, B),
                ship(4, B, to=PARTY[SHOP]),
                receive(5, B, by=SHOP),
                replace(_GIVEN_BACK, items=[("epcList", B)]),
            ],
        ),  # to whom it goes back
        ([commission(1, A, by=RIVAL)], [commission(3, B, by=RIVAL)]),  # the prefix has a holder from hour 2 on
        (
            [commission(1, A), ship(2, A, to=PARTY[SHOP])],
            [commission(1, B), ship(3.5, B, to=PARTY[SHOP])],
        ),  # as has a rule
    ],
)
def test_what_does_not_do_the_same_is_told_apart(one: list[Happening], other: list[Happening]) -> None:
    merged, apart = (lives_of([*one, *other], (A, B), REGISTERED, alike) for alike in (HOLDERS, None))
    assert {name: who(life) for name, life in merged.items()} == {name: who(life) for name, life in apart.items()}
    assert len({who(life) for life in merged.values()}) == 2


CASE = pack("case")


@pytest.mark.parametrize(("container", "holder"), [(TOTE, CARRIER), (CASE, MAKER)])
def test_who_fills_an_empty_carrier_has_it_and_no_other_container(container: str, holder: str) -> None:
    world = [
        *(commission(1, thing) for thing in (A, TOTE, CASE)),
        put(2, container, A),
        take(3, container),
        commission(3, B, by=CARRIER),
        put(4, container, B, by=CARRIER),
    ]
    things = (A, TOTE, CASE)
    for alike in (HOLDERS, None):
        for first in things:  # numbers follow the order in which things are asked for
            found = lives_of(world, [first, *(one for one in things if one != first)], PARTIES, alike)
            assert who(found[container]) == (True, Held((holder,), ()))
    index = index_of(world, reader=SEES_ALL)
    custody = item_history(index, container, PARTIES).custody
    assert custody.holders(HoldingRole.CUSTODY) == (holder,)
    for asked in ([TOTE, CASE], [CASE, TOTE]):
        assert not_cleared(index, PARTIES, asked) == ([CASE] if container == CASE else [])


def who(life: Life | None) -> tuple[bool, Held] | None:
    return None if life is None else (life.made, held_in(life.custody()))


_shown = st.sets(st.sampled_from(["where", "why", "how", "more"])).map(lambda parts: frozenset(parts | {"what"}))
_readers = st.lists(_shown, min_size=4, max_size=4).map(
    lambda shown: Reader(
        "auditor.example",
        grants=tuple(
            Grant(who, "auditor.example", None, parts)
            for who, parts in zip((MAKER, CARRIER, SHOP, RIVAL), shown, strict=True)
        ),
    )
)


@settings(max_examples=300, deadline=None)
@given(copies(), st.lists(dealings(max_size=4), max_size=1), st.sampled_from([PARTIES, REGISTERED]), _readers)
def test_lives_that_are_merged_have_the_holders_of_those_that_are_not(
    copied: list[Happening], more: list[list[Told]], parties: Parties, reader: Reader
) -> None:
    world = [*copied, *(one for some in more for one in some if isinstance(one, Happening))]
    things = sorted({thing_of(uri) for one in world for _, uri, *_ in one.items})
    merged, apart = (lives_of(world, things, parties, alike, reader) for alike in (HOLDERS, None))
    assert {name: who(life) for name, life in merged.items()} == {name: who(life) for name, life in apart.items()}


def test_lives_are_gone_with_the_answer() -> None:
    # A recall of a hundred thousand things must not wait for Python's collector.
    gc.disable()
    try:
        index = index_of(WORLD, reader=SEES_ALL)
        scope = scope_of(walked(index, TraceQuery((lot("A7"),), Direction.FORWARD), deeds=True), index, PARTIES)
        assert {one.thing: one.holders for one in scope.affected} == {A: (CARRIER,), lot("A7"): ()}
        assert [one for one in gc.get_objects() if type(one) is Life] == []
    finally:
        gc.enable()
