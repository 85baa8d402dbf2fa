"""Lots: their stage, their key data elements, dates and certificates, whatever the order of arrival."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.desks import MOVER, World
from tests.support.desks import STORE as STORE_PARTY
from tests.support.happenings import (
    MAKER,
    PALLET,
    PLANT,
    Decided,
    commission,
    hours,
    index_of,
    observe,
    pack,
    put,
    ship,
    transform,
)
from tests.support.holders import CARRIER, PARTIES, PARTY, RIVAL, SEES_ALL, SHOP
from tests.support.lots import (
    DOCK,
    LOT,
    Said,
    balanced,
    certified,
    content,
    counted,
    findings,
    held,
    let_go,
    made,
    packed,
    received,
    rich_worlds,
    seen,
    shipped,
    sold,
    some,
    used,
    where,
    world_with_lot,
)
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.supply_chain.drug_package.events import BatchRecalled
from traceability.supply_chain.lot.key_data import Element, Tracked
from traceability.supply_chain.lot.reading import members_of, read_lot
from traceability.supply_chain.lot.terms import CODE_SOURCE, Lack, Stage

MADE = made(1, 100)
VOC = "https://gs1.org/voc/certification"
OWN = "https://maker.example/steps/"


# ── Stage ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "stages"),
    [
        ([counted(0.5, f"{OWN}harvesting", 100, place=PLANT), counted(0.7, f"{OWN}cooling", 100), MADE],
         "harvested cooled packed"),
        ([MADE, shipped(2, 100), received(3, 100)], "packed shipped received"),
        ([MADE, used(2, 100)], "packed consumed"),
        ([MADE, shipped(2, 100), received(3, 100), sold(4, 60), sold(5, 40)], "packed shipped received sold sold"),
        ([made(1, 9, step=f"{OWN}declaring"), counted(2, f"{OWN}booking", 9), counted(3, f"{OWN}leaving_port", 9),
          counted(4, "sampling", 1), counted(5, f"{OWN}disinfecting", 9), counted(6, f"{OWN}releasing", 9)],
         "declared booked left_port tested disinfected released"),
        ([made(1, 9, step=f"{OWN}declaring"), counted(2, "holding", 9), counted(3, "destroying", 9, action="DELETE")],
         "declared held destroyed"),
        ([observe(1, pack("1"), by=MAKER)], ""),
    ],
)  # fmt: skip
def test_the_stages_and_what_led_to_them(said: list[Said], stages: str) -> None:
    if not stages:
        with pytest.raises(NotFoundError):
            seen(*said)
        return
    found = seen(*said)
    assert " ".join(one.stage for one in found.passed) == stages
    assert found.stage == stages.rpartition(" ")[2]


def test_a_part_that_is_sold_leaves_the_rest_where_it_was() -> None:
    found = seen(MADE, shipped(2, 100), received(3, 100), sold(4, 60))
    assert (found.stage, found.passed[-1].stage) == (Stage.RECEIVED, Stage.SOLD)
    assert seen(MADE, shipped(2, 100), as_of=1.5).stage is Stage.PACKED


def test_goods_leave_a_port_with_a_voucher() -> None:
    found = seen(MADE, counted(2, f"{OWN}leaving_port", 9, transactions=["urn:example:voucher:1"]))
    assert found.passed[-1].documents == ("urn:example:voucher:1",)


@pytest.mark.parametrize(
    ("said", "assigned", "expected"),
    [
        ([MADE], 1, []),
        ([made(1, 5, step="receiving")], 1, []),
        ([MADE, made(2, 5, step="receiving")], 1, [("lot_code_assigned_outside", 2, 1)]),
        ([made(1, 5, step="shipping")], None, [("lot_code_assigned_outside", 1, None)]),
        ([made(1, 5, step=f"{OWN}harvesting"), made(2, 5)], 2, [("lot_code_assigned_outside", 1, None)]),
        ([shipped(1, 5)], None, []),
        ([commission(1, pack("1"), number="A7")], 1, []),
    ],
)
def test_who_assigned_the_lot_code(said: list[Said], assigned: int | None, expected: list[Any]) -> None:
    found = seen(*said)
    assert (found.assigned and found.assigned.position) == assigned
    assert [(one.code, one.position, one.against) for one in found.findings] == expected


# ── Key data elements ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_elements_of_a_shipment_are_all_there() -> None:
    grown = made(1, 100, ilmd={"descriptionShort": "Romaine", "harvestStartDate": "2026-02-27"})
    found = seen(grown, shipped(2, 40, transactions=["urn:example:bol:1"]))
    packed_, sent = found.key_data
    assert (packed_.tracked, packed_.missing) == (Tracked.INITIAL_PACKING, (Element.FARM, Element.DOCUMENT))
    assert (sent.tracked, sent.missing) == (Tracked.SHIPPING, ())
    assert sent.told == {
        Element.LOT_CODE: (LOT,),
        Element.QUANTITY: ("40",),
        Element.UNIT: ("KGM",),
        Element.DESCRIPTION: ("Romaine",),
        Element.LOCATION: (PLANT,),
        Element.DATE: ("2026-03-01T02:00:00.000000Z",),
        Element.CODE_SOURCE: (PLANT,),
        Element.RECIPIENT: (PARTY[SHOP],),
        Element.DOCUMENT: ("desadv urn:example:bol:1",),
    }


def test_the_elements_that_are_missing_are_told() -> None:
    (sent,) = seen(shipped(2, None, None, to=None)).key_data
    assert sent.missing == (
        Element.QUANTITY,
        Element.UNIT,
        Element.DESCRIPTION,
        Element.CODE_SOURCE,
        Element.RECIPIENT,
        Element.DOCUMENT,
    )
    (sent,) = seen(shipped(2, 5, more={CODE_SOURCE: PLANT})).key_data
    assert Element.CODE_SOURCE not in sent.missing
    assert findings(MADE, shipped(2, 5, more={CODE_SOURCE: DOCK})) == [("code_source_differs", 2, 1)]


def test_members_that_are_made_count_as_pieces() -> None:
    for world in (
        [commission(1, pack("1"), pack("2"), number="A7")],
        [transform(1, [pack("9")], [pack("1"), pack("2")], number="A7")],
    ):
        (one,) = seen(*world).key_data
        assert (one.told[Element.QUANTITY], one.told[Element.UNIT]) == (("2",), ("EA",))


def test_a_pallet_is_shipped_with_the_amounts_on_it() -> None:
    found = seen(MADE, packed(2, 60), ship(3, PALLET, to=PARTY[SHOP]))
    assert [(one.tracked, one.told.get(Element.QUANTITY)) for one in found.key_data] == [
        (Tracked.INITIAL_PACKING, ("100",)),
        (Tracked.SHIPPING, ("60",)),
    ]


# ── Dates, certificates, release ────────────────────────────────────────────────────────────────────────────────────


def test_the_dates_of_what_made_it() -> None:
    found = seen(made(1, 5, ilmd={"itemExpirationDate": "2026-04-30", "bestBeforeDate": "260400"}))
    assert (found.dates.expiry, found.dates.best_before) == (date(2026, 4, 30), date(2026, 4, 30))
    assert [found.expired(hours(at)) for at in (61 * 24 - 0.001, 61 * 24)] == [False, True]
    mixed = [
        made(1, 5, ilmd={"itemExpirationDate": "2026-04-30"}),
        made(2, 5, ilmd={"itemExpirationDate": "2026-04-01"}),
    ]
    assert findings(*mixed) == [("mixed_expiry", 2, 1)]
    assert seen(*mixed).dates.expiry == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        ([], ["certificate_missing phyto"]),
        ([certified(2, "phyto")], []),
        ([certified(2, "https://x.example/kinds#Phyto", EndDate="2026-03-31")], []),
        ([certified(2, "phyto", EndDate="2026-02-28")], ["certificate_not_valid phyto"]),
        ([certified(2, "phyto", StartDate="2026-04-01")], ["certificate_not_valid phyto"]),
        ([certified(2, "phyto", Value="Positive")], ["certificate_adverse phyto"]),
        ([certified(2, "phyto", Value="positive"), certified(3, "phyto")], ["certificate_adverse phyto"]),
        ([certified(2, "phyto", Status="revoked", Identification="1"), certified(3, "phyto", Identification="1")], []),
        ([certified(2, "phyto"), held(3)], ["held quality"]),
        ([certified(2, "phyto"), held(3), let_go(4)], []),
        ([certified(2, "phyto"), Decided(3, BatchRecalled(things=(LOT,), reason="glass"))], ["recalled None"]),
        ([certified(2, "phyto"), used(3, 100)], ["nothing_left None"]),
        # What somebody says who has nothing to do with the lot counts for nothing.
        ([certified(2, "phyto", by=RIVAL)], ["certificate_missing phyto"]),
    ],
)
def test_what_keeps_a_lot_from_being_released(said: list[Said], lacks: list[str]) -> None:
    found = seen(MADE, *said)
    assert [f"{one.lack} {one.kind}" for one in found.obstacles(hours(5), ["phyto"])] == lacks


def test_a_lot_that_nobody_made_or_that_expired_is_not_released() -> None:
    assert [one.lack for one in seen(shipped(1, 5)).obstacles(hours(2))] == [Lack.NOT_MADE]
    expiring = seen(made(1, 5, ilmd={"itemExpirationDate": "2026-03-01"}))
    assert [one.lack for one in expiring.obstacles(hours(24))] == [Lack.EXPIRED]


def test_a_batch_is_recalled_by_its_maker_and_by_nobody_else() -> None:
    recall = Decided(4, BatchRecalled(things=(LOT,), reason="glass"), by=SHOP)
    assert seen(MADE, shipped(2, 100), received(3, 100), recall).recalled is None


def test_master_data_tells_what_it_is_where_no_event_does() -> None:
    for said, description in ((MADE, "Milk"), (made(1, 5, ilmd={"descriptionShort": "Romaine"}), "Romaine")):
        found = read_lot(index_of([said], reader=SEES_ALL), LOT, PARTIES, described="Milk")[0]
        assert (found.description, found.key_data[0].told[Element.DESCRIPTION]) == (description, (description,))


def test_a_release_without_its_certificate_is_told() -> None:
    release = counted(3, f"{OWN}releasing", 9)
    assert findings(MADE, release, certified(4, "phyto"), required=["phyto"]) == [
        ("released_without_certificate", 2, None)
    ]
    assert findings(MADE, release, certified(2, "phyto"), required=["phyto"]) == []


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ("https://lab.example/1", [("https://lab.example/1",)]),
        (["https://lab.example/1"], [("https://lab.example/1",)]),
        (
            [{VOC + "Standard": [{"@value": "GAP", "@language": "en"}], VOC + "Type": {"@id": "x:phyto"}}],
            [("x:phyto", "GAP")],
        ),
        ({VOC + "Type": "phyto"}, [("phyto",)]),
        ([{VOC + "Type": {"@value": True}}, None, [], {}], [(), ()]),
    ],
)
def test_certificates_as_people_write_them(told: Any, kinds: list[tuple[str, ...]]) -> None:
    found = seen(replace(MADE, how={"certificationInfo": told})).certificates
    assert [one.kinds for one in found] == kinds


def test_what_nests_too_deep_is_no_text() -> None:
    deep: Any = "phyto"
    for _ in range(50):
        deep = [deep]
    assert seen(replace(MADE, how={"certificationInfo": [{VOC + "Type": deep}]})).certificates[0].kinds == ()


def test_a_certificate_may_be_a_mere_address() -> None:
    how = {"certificationInfo": "https://lab.example/certificates/1"}
    found = seen(replace(MADE, how=how))
    assert found.obstacles(hours(2), ["https://lab.example/certificates/1"]) == []


# ── Members, visibility, order ──────────────────────────────────────────────────────────────────────────────────────


def test_members_are_told_by_where_they_are() -> None:
    a, b, c = pack("1"), pack("2"), pack("3")
    said: list[Said] = [
        commission(1, a, b, c, number="A7", where={"bizLocation": {"id": PLANT}}),
        put(2, PALLET, a),
        ship(3, PALLET, to=PARTY[SHOP]),
        observe(4, b, step="retail_selling", disposition="retail_sold"),
    ]
    found = members_of(index_of(said, reader=SEES_ALL), LOT)
    assert found is not None
    assert (found.items, dict(found.ended), found.in_transit) == (3, {"supplied": 1}, 1)
    assert [(place.id, place.items) for place in found.places or () if place.items] == [(PLANT, 2)]
    assert (seen(*said).made, seen(*said).stage, seen(*said).members) == (True, Stage.PACKED, 3)


def test_what_is_hidden_changes_nothing() -> None:
    """To a reader a world with events that it may not see is the world without them."""
    shop = Reader(SHOP, frozenset({SHOP}))
    mine: list[Said] = [received(3, 30), sold(4, 10)]
    hidden: list[Said] = [MADE, used(2, 100), counted(2, "storing", 5, by=CARRIER)]
    ids = [1, 2]
    assert content(seen(*mine, *hidden, reader=shop), [1, 2, 3, 4, 5]) == content(seen(*mine, reader=shop), ids)
    with pytest.raises(NotFoundError):
        seen(*hidden, reader=shop)


@settings(max_examples=300, deadline=None)
@given(rich_worlds(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same(told: list[Said], choose: random.Random) -> None:
    world = [one for place, one in enumerate(told) if one not in told[:place]]
    order = choose.sample(range(len(world)), len(world))

    def fold(of: list[Said], ids: list[int]) -> object:
        try:
            found = read_lot(index_of(of, reader=SEES_ALL), LOT, PARTIES)[0]
        except NotFoundError:
            return None
        assert balanced(found)
        assert all(row.quantity > 0 for row in found.stock)
        return content(found, ids)

    assert fold([world[place] for place in order], order) == fold(world, list(range(len(world))))


# ── Commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def world() -> World:
    return world_with_lot()


def test_a_lot_on_hold_stays_where_it_is(world: World) -> None:
    world.do("pack", at=2, parent=PALLET, quantities=some("60"))
    world.do("place_hold", at=3, things=[LOT], hold="h1", reason="retest")
    found = read_lot(world.view(MAKER), LOT, world.parties)[0]
    assert [(one.lack, one.kind) for one in found.obstacles(hours(4))] == [(Lack.HELD, "quality")]
    assert world.rules("ship", at=4, quantities=some("10"), to=MOVER) == ["held"]
    assert world.rules("ship", at=4, things=[PALLET], to=MOVER) == ["held"]
    assert world.rules("release_hold", by="mover.example", at=4, things=[LOT], hold="h1") == ["not_its_placer"]
    world.do("release_hold", at=4, things=[LOT], hold="h1")
    world.do("ship", at=5, things=[PALLET], to=MOVER)
    assert where(read_lot(world.view(MAKER), LOT, world.parties)[0])[-1][2:] == (PALLET, "mover.example", 60)


def test_a_hold_is_released_with_the_certificates_that_it_requires(world: World) -> None:
    world.do("place_hold", at=2, things=[LOT], hold="h1", reason="import")
    asked: dict[str, Any] = {"things": [LOT], "hold": "h1", "requires": ["phyto"]}
    refused = world.refused("release_hold", at=3, **asked)
    (rule,) = refused.rules
    assert (rule.rule, [one.sentence for one in rule.facts]) == (
        "not_certified",
        ["No certificate of the kind phyto is recorded."],
    )
    how = {"certificationInfo": [{VOC + "Type": "phyto", VOC + "EndDate": "2026-03-01", VOC + "Value": "negative"}]}
    world.record("Happening", "object", 4, [("quantityList", LOT, 1, "KGM")], "OBSERVE", "inspecting", how=how)
    assert world.rules("release_hold", at=3.5, **asked) == ["not_certified"]
    assert world.rules("release_hold", at=24.5, **asked) == ["not_certified"]
    world.do("release_hold", at=5, **asked)


def test_who_has_some_of_a_lot_holds_no_more_than_that(world: World) -> None:
    world.do("ship", at=2, quantities=some("40"), to=MOVER)
    world.do("receive", by="mover.example", at=3, quantities=some("40"))
    world.do("place_hold", by="mover.example", at=4, things=[LOT], hold="h1", reason="dented")
    assert world.rules("ship", by="mover.example", at=5, quantities=some("10"), to=STORE_PARTY) == ["held"]
    world.do("ship", at=5, quantities=some("60"), to=STORE_PARTY)
    found = read_lot(world.view(MAKER), LOT, world.parties)[0]
    assert ([hold.placed_by for hold in found.holds], found.obstacles(hours(6))) == (["mover.example"], [])
    # Who made it holds all of it.
    world.do("place_hold", at=6, things=[LOT], hold="h2", reason="retest")
    world.do("release_hold", by="mover.example", at=7, things=[LOT], hold="h1")
    assert world.rules("ship", by="mover.example", at=8, quantities=some("10"), to=STORE_PARTY) == ["held"]
