"""Lives are let go of when all are told: a recall of a hundred thousand things must not wait for Python's collector."""

from __future__ import annotations

import gc

from tests.support.happenings import PALLET, commission, index_of, lot, observe, pack, put, receive, ship
from tests.support.holders import CARRIER, PARTIES, PARTY, SEES_ALL
from traceability.supply_chain.lives import Life
from traceability.supply_chain.provenance import Direction, TraceQuery, walked
from traceability.supply_chain.recall.scope import scope_of

A = pack("A")
WORLD = (
    commission(1, A, number="A7"),
    observe(2, A),
    put(3, PALLET, A),
    ship(4, PALLET, to=PARTY[CARRIER]),
    receive(5, PALLET, by=CARRIER),
    observe(6, A, by=CARRIER),
)


def test_lives_are_gone_with_the_answer() -> None:
    gc.disable()
    try:
        index = index_of(WORLD, reader=SEES_ALL)
        scope = scope_of(walked(index, TraceQuery((lot("A7"),), Direction.FORWARD), deeds=True), index, PARTIES)
        assert {one.thing: one.holders for one in scope.affected} == {A: (CARRIER,), lot("A7"): ()}
        assert [one for one in gc.get_objects() if type(one) is Life] == []
    finally:
        gc.enable()
