"""Lots: how much of one is where, by what is said of it and of what it is in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.support.desks import World
from tests.support.happenings import (
    MAKER,
    OTHER_PALLET,
    PALLET,
    PLANT,
    STORE,
    TOTE,
    observe,
    put,
    ship,
)
from tests.support.holders import PARTY, SHOP
from tests.support.lots import (
    DOCK,
    LOT,
    Said,
    balanced,
    counted,
    findings,
    made,
    packed,
    received,
    seen,
    shipped,
    sold,
    some,
    totals,
    unpacked,
    used,
    where,
    world_with_lot,
)
from traceability.supply_chain.lot.accounts import Total
from traceability.supply_chain.lot.reading import read_lot

MADE = made(1, 100)


@pytest.fixture
def world() -> World:
    return world_with_lot()


@pytest.mark.parametrize(
    ("said", "there", "added_up"),
    [
        ([MADE], [(MAKER, PLANT, None, False, 100)], {"made": 100}),
        (
            [MADE, shipped(2, 40)],
            [(MAKER, PLANT, None, False, 60), (MAKER, PLANT, None, SHOP, 40)],
            {"made": 100, "shipped": 40},
        ),
        (
            [MADE, shipped(2, 40), received(3, 30)],
            [(MAKER, PLANT, None, False, 60), (MAKER, PLANT, None, SHOP, 10), (SHOP, STORE, None, False, 30)],
            {"made": 100, "shipped": 40, "received": 30},
        ),
        (
            [MADE, shipped(2, 100), received(3, 100), sold(4, 25), used(5, 5, by=SHOP)],
            [(SHOP, STORE, None, False, 70)],
            {"made": 100, "shipped": 100, "received": 100, "sold": 25, "used": 5},
        ),
        (
            [MADE, counted(2, "destroying", 30, action="DELETE"), counted(3, None, 20, disposition="stolen")],
            [(MAKER, PLANT, None, False, 50)],
            {"made": 100, "destroyed": 30, "lost": 20},
        ),
        # What is not shipped after all is where it was; what is sent back is under way to who sent it.
        ([MADE, shipped(2, 40), shipped(3, 40, step="void_shipping")],
         [(MAKER, PLANT, None, False, 100)], {"made": 100}),
        (
            [MADE, shipped(2, 100), received(3, 100, step="https://shop.example/rejecting"),
             received(4, 100, by=MAKER)],
            [(MAKER, STORE, None, False, 100)],
            {"made": 100, "shipped": 100, "received": 100},
        ),
        # A leg moves nothing, what passes by tells where it is.
        (
            [MADE, shipped(2, 100), shipped(3, 100, step="departing"), counted(4, "loading", 100, place=DOCK)],
            [(MAKER, DOCK, None, SHOP, 100)],
            {"made": 100, "shipped": 100},
        ),
        # What has arrived or was accepted is received once.
        (
            [MADE, shipped(2, 100), received(4, 100, step="arriving", place=DOCK), received(5, 60)],
            [(SHOP, STORE, None, False, 60), (SHOP, DOCK, None, False, 40)],
            {"made": 100, "shipped": 100, "received": 100},
        ),
        (
            [MADE, shipped(2, 40), received(3, 30, step="accepting"), shipped(4, 40), received(5, 80)],
            [(MAKER, PLANT, None, False, 20), (SHOP, STORE, None, False, 80)],
            {"made": 100, "shipped": 80, "received": 80},
        ),
        # Seen elsewhere by who has it.
        ([MADE, counted(2, "storing", 30, place=DOCK)],
         [(MAKER, PLANT, None, False, 70), (MAKER, DOCK, None, False, 30)], {"made": 100}),
        # Of what comes from outside nobody knows more than what came.
        ([received(2, 30), sold(3, 10)], [(SHOP, STORE, None, False, 20)],
         {"brought_in": 30, "received": 30, "sold": 10}),
    ],
)  # fmt: skip
def test_how_much_is_where(said: list[Said], there: list[Any], added_up: dict[str, int]) -> None:
    found = seen(*said)
    assert where(found) == there
    assert totals(found) == added_up | {"left": sum(row[-1] for row in there)}
    assert balanced(found)
    assert found.findings == ()


def test_nobody_guesses_from_where_it_went() -> None:
    twice = [made(1, 50), made(1, 50, place=DOCK)]
    assert [row[1] for row in where(seen(*twice, counted(2, "storing", 30, place=STORE)))] == [PLANT, DOCK]
    # What is used is taken from where it is used, though it has to be unpacked for it.
    there = [*twice, packed(2, 50, where={"bizLocation": {"id": DOCK}}), used(3, 30, where={"readPoint": {"id": DOCK}})]
    assert [row[1:] for row in where(seen(*there))] == [
        (PLANT, None, False, 50),
        (DOCK, PALLET, False, 20),
    ]


def test_a_pallet_changes_hands_with_what_is_on_it(world: World) -> None:
    world.do("pack", at=2, parent=PALLET, quantities=some("60"))
    world.do("propose_transfer", at=3, things=[PALLET], role="custody", to="mover.example", proposal="P1")
    before = where(read_lot(world.view(MAKER), LOT, world.parties)[0])
    assert before[-1][::2] == (MAKER, PALLET, 60)
    world.do("accept_transfer", by="mover.example", at=4, things=[PALLET], proposal="P1")
    assert where(read_lot(world.view(MAKER), LOT, world.parties)[0])[-1][::2] == ("mover.example", PALLET, 60)


def test_a_pallet_that_is_rejected_goes_back() -> None:
    said: list[Said] = [MADE, packed(2, 60), ship(3, PALLET, to=PARTY[SHOP])]
    back = observe(4, PALLET, step="https://shop.example/rejecting", place=STORE, by=SHOP)
    assert where(seen(*said, back))[-1] == (MAKER, STORE, PALLET, MAKER, 60)
    assert where(seen(*said, back, observe(5, PALLET, step="receiving", place=PLANT)))[-1] == (
        MAKER,
        PLANT,
        PALLET,
        False,
        60,
    )


def test_what_is_in_a_container_goes_with_it() -> None:
    said: list[Said] = [
        MADE,
        packed(2, 60),
        packed(2.5, 20, OTHER_PALLET),
        put(3, TOTE, PALLET),
        ship(4, TOTE, to=PARTY[SHOP]),
    ]
    assert where(seen(*said)) == [
        (MAKER, PLANT, None, False, 20),
        (MAKER, PLANT, PALLET, SHOP, 60),
        (MAKER, PLANT, OTHER_PALLET, False, 20),
    ]
    came = [*said, observe(5, TOTE, step="receiving", place=STORE, by=SHOP)]
    assert where(seen(*came))[2] == (SHOP, STORE, PALLET, False, 60)
    out = [*came, unpacked(6, 15, by=SHOP), unpacked(7, out_of=OTHER_PALLET)]
    assert where(seen(*out)) == [
        (MAKER, PLANT, None, False, 40),
        (SHOP, STORE, None, False, 15),
        (SHOP, STORE, PALLET, False, 45),
    ]
    arrived = [*said, observe(4.5, TOTE, step="arriving", place=DOCK, by=SHOP)]
    assert where(seen(*arrived))[2] == (SHOP, DOCK, PALLET, False, 60)
    both = [*came, *arrived[-1:]]
    assert totals(seen(*both)) == totals(seen(*came))
    # What arrived and was received is done with: what is received after that is something else.
    assert totals(seen(*both, received(6, 10)))["received"] == 70
    lost = [*came, observe(6, TOTE, disposition="stolen", by=SHOP)]
    assert totals(seen(*lost)) == {"made": 100, "shipped": 60, "received": 60, "lost": 60, "left": 40}


def test_what_is_received_in_a_container_by_amount_stays_in_it() -> None:
    """As GS1 US recommends for FSMA 204: the receiver's AggregationEvent OBSERVE tells what is on the pallet."""
    came = packed(5, 55, action="OBSERVE", step="receiving", by=SHOP, where={"bizLocation": {"id": STORE}})
    found = seen(MADE, packed(2, 60), ship(3, PALLET, to=PARTY[SHOP]), came)
    assert where(found)[-1] == (SHOP, STORE, PALLET, False, 55)
    assert where(found)[1] == (MAKER, PLANT, PALLET, SHOP, 5)


@pytest.mark.parametrize(
    ("said", "expected", "left"),
    [
        ([MADE, used(2, 101)], [("below_zero", 2, None)], 0),
        ([MADE, used(2, 60), used(3, 60), made(2.5, 20)], [], 0),
        ([MADE, used(2, 60), used(3, 60), made(4, 20)], [("below_zero", 3, None)], 20),
        ([MADE, shipped(2, 100), received(3, 100), sold(4, 101)], [("below_zero", 4, None)], 0),
        ([MADE, shipped(2, 120)], [("below_zero", 2, None)], 120),
        ([MADE, shipped(2, 50), received(3, 60)], [("received_not_shipped", 3, None)], 110),
        (
            [MADE, received(3, 60, by=MAKER, sources={"possessing_party": PARTY[MAKER]})],
            [("received_not_shipped", 2, None)],
            100,
        ),
        ([MADE, received(3, 60, by=MAKER, sources={"location": PLANT})], [("received_not_shipped", 2, None)], 100),
        ([MADE, received(3, 60, by=MAKER)], [("received_not_shipped", 2, None)], 160),
        ([received(2, 30), sold(3, 40)], [("below_zero", 2, None)], 0),
        # Nobody is seen to have made any: nobody knows how much there was.
        ([shipped(2, 120)], [], 120),
        ([used(2, 120)], [], 0),
    ],
)
def test_what_was_not_there_is_told(said: list[Said], expected: list[Any], left: int) -> None:
    found = seen(*said)
    assert findings(*said) == expected
    assert sum(row.quantity for row in found.stock) == left
    assert balanced(found)


def test_units_of_one_kind_add_up_and_others_stand_apart() -> None:
    found = seen(MADE, used(2, 500, "GRM"), made(3, 12, "CS"), made(4, 3, None))
    assert [(one.uom, one.totals[Total.MADE], one.left) for one in found.sums] == [
        ("CS", Decimal(12), Decimal(12)),
        ("KGM", Decimal(100), Decimal("99.5")),
        (None, Decimal(3), Decimal(3)),
    ]
    assert [one[:2] for one in findings(MADE, made(3, 12, "CS"))] == [("units_differ", 2)]
    assert [one.uom for one in seen(MADE, used(2, 1000, "GRM")).sums] == ["KGM"]
    assert seen(made(1, 2, "LBR"), used(2, 16, "ONZ")).sums[0].left == Decimal("0.45359237")


def test_what_is_not_said_how_much_is_not_counted() -> None:
    found = seen(MADE, shipped(2, None), counted(3, "inspecting", None))
    assert (found.unstated, found.is_gone) == ((2,), False)
