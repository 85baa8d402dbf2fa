"""Lives: those of things to which the same happened are one, and all are let go of when all are told."""

from __future__ import annotations

import gc

from tests.support.happenings import PALLET, commission, index_of, lot, observe, pack, put, receive, ship
from tests.support.holders import CARRIER, PARTIES, PARTY, SEES_ALL, SHOP
from traceability.supply_chain.links import Links
from traceability.supply_chain.lives import HOLDERS, Life, Lives
from traceability.supply_chain.provenance import Direction, TraceQuery, walked
from traceability.supply_chain.recall.scope import scope_of
from traceability.supply_chain.stays import stays_of
from traceability.supply_chain.tables import NONE, ints
from traceability.supply_chain.told import told_of
from traceability.supply_chain.windows import BEGIN

A = pack("A")
WORLD = (
    commission(1, A, number="A7"),
    observe(2, A),
    put(3, PALLET, A),
    ship(4, PALLET, to=PARTY[CARRIER]),
    receive(5, PALLET, by=CARRIER),
    observe(6, A, by=CARRIER),
)


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
    links = Links(index_of(world, reader=SEES_ALL), None, ask=index_of(world, reader=SEES_ALL).deeds)
    numbers = ints(links.facts.things[thing] for thing in packs)
    links.load(NONE, numbers, {})
    stays = stays_of(links, dict.fromkeys(numbers.tolist(), BEGIN))
    told = told_of(links.facts, numbers, stays, {**links.facts.events, **links.done}.values())
    merged, apart = (list(Lives(PARTIES, packs, told, Life, alike)) for alike in (HOLDERS, None))
    assert len({id(life) for _, life, _ in apart}) == len(packs)
    assert len({id(life) for _, life, _ in merged}) == 2
    assert [life and life.custody().shipments[0].to for _, life, _ in merged] == [SHOP, CARRIER] * 20


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
