"""What was advised against what came, whatever the order of arrival, and against a naive count."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    GTIN,
    PALLET,
    PLANT,
    STORE,
    Happening,
    hours,
    lot,
    observe,
    pack,
    put,
    receive,
    records,
    ship,
)
from traceability.ledger.access import ALL_PARTS
from traceability.supply_chain.balance import EXACT
from traceability.supply_chain.seen import SeenEvent, see
from traceability.supply_chain.shipment.events import (
    AdvisedLine,
    Difference,
    ExceptionAnswered,
    ExceptionClosed,
    ExceptionOpened,
    Leg,
    Mode,
    ReceiptCompleted,
    Report,
    Said,
    ShipmentAdvised,
    ShipmentPayload,
)
from traceability.supply_chain.shipment.shipment import ClaimReason, Shipment, Stage, claim_reason, shipment_of

SHIPPER, CONSIGNEE, RIVAL, HAULER = "maker.example", "store.example", "rival.example", "hauler.example"
ADVICE = "urn:epcglobal:cbv:bt:9521234000006:DA1"
PORT = "https://id.gs1.org/414/9521234000020"
OF: dict[str, Any] = {"transactions": [ADVICE]}


def line(thing: str, quantity: str | None = None, uom: str | None = None, within: str | None = None) -> AdvisedLine:
    return AdvisedLine(thing=thing, quantity=None if quantity is None else Decimal(quantity), uom=uom, within=within)


def said(payload: ShipmentPayload, by: str, at: float, position: int = 1) -> Said:
    event = payload.event(captured_by=by, occurred_at=hours(at))
    assert isinstance(
        payload, ShipmentAdvised | ReceiptCompleted | ExceptionOpened | ExceptionAnswered | ExceptionClosed
    )
    return Said(payload, by, hours(at), position, UUID(int=position), hours(at), event.parts.head + event.parts.more)


def advised(*lines: AdvisedLine, legs: Sequence[Leg] = ()) -> Said:
    advice = ShipmentAdvised(shipment="S1", advice=ADVICE, consignee=CONSIGNEE, lines=lines, legs=tuple(legs))
    return said(advice, SHIPPER, 0)


def completed(at: float, receipts: int = 0, exception: str | None = None) -> Said:
    return said(ReceiptCompleted(shipment="S1", receipts=receipts, exception=exception), CONSIGNEE, at)


def counted(
    at: float, *of: tuple[str, str, str | None], by: str = CONSIGNEE, step: str = "receiving", **more: Any
) -> Happening:
    items = [("quantityList", thing, float(amount), uom) for thing, amount, uom in of]
    return Happening("object", at, items, "OBSERVE", step, by=by, **{**OF, **more})


def seen(*happenings: Happening) -> list[SeenEvent]:
    found = [see(record, ALL_PARTS, ()) for record in records(happenings)]
    assert all(found)
    return [event for event in found if event is not None]


def folded(told: Sequence[Said], *happenings: Happening) -> Shipment:
    found = shipment_of(told, seen(*happenings))
    assert found is not None
    return found


def amounts(found: Shipment) -> dict[tuple[str, str | None], tuple[str, ...]]:
    return {
        (row.thing, row.uom): tuple(
            "?" if one is None else f"{one.normalize():f}"
            for one in (row.advised, row.shipped, row.received, row.damaged, row.over, row.short, row.outstanding)
        )
        for row in found.rows
    }


def got(at: float, *things: str, **more: Any) -> Happening:
    return receive(at, *things, **{"by": CONSIGNEE, **OF, **more})


A, B, C = pack("A"), pack("B"), pack("C")
LOT = lot("A7")


def test_three_receipts_in_units_of_one_kind() -> None:
    told = [advised(line(LOT, "10", "KGM"))]
    steps = [
        counted(1, (LOT, "10", "KGM"), by=SHIPPER, step="shipping"),
        counted(5, (LOT, "4", "KGM")),
        counted(6, (LOT, "3500", "GRM")),
        counted(7, (LOT, "2500", "GRM")),
    ]
    stages = [folded(told, *steps[:many]).stage for many in range(5)]
    assert stages == [Stage.ADVISED, Stage.DESPATCHED, Stage.PARTLY_RECEIVED, Stage.PARTLY_RECEIVED, Stage.RECEIVED]
    assert amounts(folded(told, *steps[:3])) == {(LOT, "KGM"): ("10", "10", "7.5", "0", "0", "?", "2.5")}
    assert amounts(folded([*told, completed(8, 2)], *steps[:3])) == {
        (LOT, "KGM"): ("10", "10", "7.5", "0", "0", "2.5", "?")
    }


def test_over_and_damaged_are_counted_and_never_refused() -> None:
    told = [advised(line(LOT, "10"), line(A))]
    found = folded(
        told,
        got(5, A, B),
        counted(6, (LOT, "12", None)),
        counted(7, (LOT, "2", None), step="inspecting", disposition="damaged"),
    )
    assert amounts(found) == {
        (LOT, None): ("10", "0", "12", "2", "2", "?", "0"),
        (A, None): ("1", "0", "1", "0", "0", "?", "0"),
        (B, None): ("0", "0", "1", "0", "1", "?", "0"),
    }
    assert [(report.thing, report.difference, report.quantity) for report in found.missing_reports()] == [
        (LOT, Difference.OVERAGES, Decimal(2)),
        (LOT, Difference.DAMAGED, Decimal(2)),
        (B, Difference.OVERAGES, Decimal(1)),
    ]


def test_named_things_count_for_an_advised_class_once_each() -> None:
    found = folded([advised(line(GTIN, "3"))], got(5, A, B), got(6, A))
    assert amounts(found) == {(GTIN, None): ("3", "0", "2", "0", "0", "?", "1")}


def test_a_container_stands_for_what_was_advised_in_it_unless_it_is_told() -> None:
    told = [advised(line(PALLET), line(A, within=PALLET), line(LOT, "4", "KGM", PALLET))]
    whole = folded(told, got(5, PALLET), got(6, PALLET))
    assert whole.stage is Stage.RECEIVED
    assert amounts(whole)[LOT, "KGM"] == ("4", "0", "4", "0", "0", "?", "0")
    opened = replace(put(5, PALLET, A, by=CONSIGNEE, **OF), action="OBSERVE", step="receiving")
    partly = folded(told, got(4, PALLET), opened)
    assert partly.stage is Stage.PARTLY_RECEIVED
    assert amounts(partly)[LOT, "KGM"] == ("4", "0", "0", "0", "0", "?", "4")


def test_only_the_two_sides_count() -> None:
    told = [advised(line(A), line(B))]
    found = folded(
        told,
        got(3, A, by=RIVAL),
        got(4, A, by=SHIPPER),
        ship(1, A, by=CONSIGNEE, **OF),
        got(5, A, transactions=["urn:other"]),
    )
    assert found.stage is Stage.ADVISED
    assert [claim.reason for claim in found.claims] == [ClaimReason.NOT_A_SIDE] * 3


def test_what_is_taken_back_does_not_count() -> None:
    wrong = got(5, A, event_id="urn:uuid:1")
    assert folded([advised(line(A))], wrong).stage is Stage.RECEIVED
    assert folded([advised(line(A))], wrong, wrong.retracted()).stage is Stage.ADVISED
    sent = ship(1, A, by=SHIPPER, **OF)
    voided = observe(2, A, step="void_shipping", by=SHIPPER, **OF)
    assert folded([advised(line(A))], sent).stage is Stage.DESPATCHED
    assert folded([advised(line(A))], sent, voided).stage is Stage.ADVISED


def test_amounts_of_any_size_add_up_exactly() -> None:
    found = folded(
        [advised(line(LOT, "1"))], counted(5, (LOT, "1e200", None)), counted(6, (LOT, "1e-200", None)), got(7, f"{A}x")
    )
    assert [(one.thing, one.quantity) for one in found.missing_reports()] == [
        (LOT, EXACT.add(Decimal(10**200 - 1), Decimal("1e-200"))),
        (f"{A}x", Decimal(1)),
    ]


def report(thing: str, quantity: int) -> Report:
    return Report(
        thing=thing,
        difference=Difference.UNDERAGES,
        advised=Decimal(1),
        received=Decimal(0),
        quantity=Decimal(quantity),
    )


OPENED = said(ExceptionOpened(shipment="S1", case="E1", reports=(report(B, 1),)), CONSIGNEE, 10)
ANSWERED = said(ExceptionAnswered(shipment="S1", case="E1", accepted=True), SHIPPER, 11)
CLOSED = said(ExceptionClosed(shipment="S1", case="E1"), CONSIGNEE, 12)


def test_a_case_is_opened_answered_and_closed() -> None:
    told = [advised(line(A), line(B)), OPENED, completed(10, 1, "E1")]
    came = got(5, A)
    found = folded(told, came)
    assert (found.stage, found.unnamed) == (Stage.DISCREPANT, ())
    assert claim_reason(told, ANSWERED) is None
    for wrong, reason in (
        (said(ANSWERED.payload, CONSIGNEE, 11), ClaimReason.NOT_ITS_SHIPPER),
        (said(CLOSED.payload, SHIPPER, 11), ClaimReason.NOT_ITS_CONSIGNEE),
        (said(ExceptionClosed(shipment="S1", case="E2"), CONSIGNEE, 11), ClaimReason.NO_SUCH_CASE),
        (said(OPENED.payload, CONSIGNEE, 11), ClaimReason.OPENED_BEFORE),
        (said(told[0].payload, RIVAL, 11), ClaimReason.ADVISED_BEFORE),
        (said(ReceiptCompleted(shipment="S1", receipts=0), CONSIGNEE, -1), ClaimReason.NOT_ADVISED),
    ):
        assert claim_reason(told, wrong) is reason
    assert folded([*told, ANSWERED, CLOSED], came).stage is Stage.CLOSED
    assert claim_reason([*told, CLOSED], said(ANSWERED.payload, SHIPPER, 13)) is ClaimReason.OVER


def test_an_older_receipt_that_is_known_late_leaves_a_difference_that_no_case_names() -> None:
    told = [advised(line(A)), completed(10, 1)]
    found = folded(told, got(5, A), got(4, B))
    assert found.stage is Stage.RECEIVED
    assert [(one.thing, one.difference) for one in found.unnamed] == [(B, Difference.OVERAGES)]


def test_a_receipt_that_is_taken_back_later_is_missed_by_its_consignee() -> None:
    told = [advised(line(A)), completed(10, 1)]
    wrong = got(5, A, event_id="urn:uuid:1")
    found = folded(told, wrong, wrong.retracted())
    assert (found.sees_all, found.receipts) == (True, 1)
    assert [(one.thing, one.difference) for one in found.missing_reports()] == [(A, Difference.UNDERAGES)]


def test_who_does_not_see_the_receipts_is_told_of_no_shortage() -> None:
    told = [advised(line(A), line(B)), OPENED, completed(10, 1, "E1")]
    found = folded(told)
    assert (found.stage, found.sees_all, found.differences) == (Stage.DISCREPANT, False, ())
    assert found.cases[0].about.reports == (report(B, 1),)


def test_legs_have_actual_times_and_carriers_hand_over() -> None:
    legs = [
        Leg(mode=Mode.ROAD, from_place=PLANT, to_place=PORT, carrier=HAULER, departure=hours(1), arrival=hours(3)),
        Leg(mode=Mode.SEA, from_place=PORT, to_place=STORE, carrier="line.example", departure=hours(4)),
    ]
    found = folded(
        [advised(line(A), legs=legs)],
        observe(2, A, place=PLANT, step="departing", by=HAULER, **OF),
        observe(6, A, place=PORT, step="arriving", by=HAULER, **OF),
        observe(5, A, place=PORT, step="departing", by=RIVAL, **OF),
        observe(4, A, place=PORT, step="departing", by=SHIPPER, **OF),  # of an earlier call there
        observe(7, A, place=PORT, step="departing", by=SHIPPER, **OF),
    )
    assert [(leg.departed, leg.arrived) for leg in found.legs] == [(hours(2), hours(6)), (hours(7), None)]
    (handover,) = found.handovers
    assert (handover.place, handover.from_carrier, handover.to_carrier) == (PORT, HAULER, "line.example")
    assert (handover.arrived, handover.departed) == (hours(6), hours(7))


THINGS = [A, B, C]
HAPPENINGS = st.one_of(
    st.builds(
        lambda at, things, by: got(at, *things, by=by),
        st.integers(1, 5),
        st.lists(st.sampled_from(THINGS), min_size=1, max_size=3),
        st.sampled_from([CONSIGNEE, CONSIGNEE, SHIPPER, RIVAL]),
    ),
    st.builds(
        lambda at, amount, uom, step: counted(
            at, (LOT, str(amount), uom), by=SHIPPER if step == "shipping" else CONSIGNEE, step=step
        ),
        st.integers(1, 5),
        st.integers(1, 9),
        st.sampled_from(["KGM", "GRM"]),
        st.sampled_from(["receiving", "shipping"]),
    ),
)
SAYINGS = st.builds(
    said,
    st.sampled_from([ANSWERED.payload, OPENED.payload, CLOSED.payload, completed(0).payload]),
    st.sampled_from([SHIPPER, CONSIGNEE, RIVAL]),
    st.integers(-1, 5),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(HAPPENINGS, max_size=6), st.lists(SAYINGS, max_size=5), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_and_a_naive_count_agrees(
    world: list[Happening], told: list[Said], choose: random.Random
) -> None:
    begun = advised(line(A), line(B), line(LOT, "5", "KGM"))
    events = seen(*world)
    found = shipment_of([begun, *told], events)
    assert found is not None
    told_again, events_again = ([*some] for some in ([begun, *told], events))
    choose.shuffle(told_again)
    choose.shuffle(events_again)
    assert shipment_of(told_again, events_again) == found
    rows = {row.thing: row for row in found.rows if row.uom != "GRM"}
    for thing in THINGS:
        came = any(one.by == CONSIGNEE and ("epcList", thing) in one.items for one in world)
        was = thing != C
        if was or came:
            row = rows[thing]
            assert row.received == came
            assert row.over == (came and not was) or not found.sees_all
            assert (row.short if found.completed else row.outstanding) == (was and not came) or not found.sees_all
    grams = {"KGM": 1000, "GRM": 1}
    weighed = [(one.step, one.items[0]) for one in world if one.items[0][0] == "quantityList"]
    for step, column in (("receiving", 2), ("shipping", 1)):
        total = sum(int(item[2]) * grams[item[3]] for of, item in weighed if of == step)
        row = rows[LOT]
        assert (row.shipped, row.received)[column - 1] * 1000 == total


def test_a_difference_that_a_case_names_is_named_in_any_unit() -> None:
    report = Report(
        thing=LOT,
        difference=Difference.UNDERAGES,
        uom="GRM",
        advised=Decimal(10_000),
        received=Decimal(4_000),
        quantity=Decimal(6_000),
    )
    opened = said(ExceptionOpened(shipment="S1", case="C1", reports=(report,)), CONSIGNEE, 4)
    told = [advised(line(LOT, "10000", "GRM")), completed(4, 1, "C1"), opened]
    came = counted(3, (LOT, "4000", "GRM"), by=CONSIGNEE)
    assert folded(told, came).unnamed == ()
    late = counted(1, (LOT, "10", "KGM"), by=SHIPPER, step="shipping")
    assert folded(told, came, late).unnamed == ()


def test_what_is_counted_beside_its_container_is_counted_once() -> None:
    told = [advised(line(PALLET), line(LOT, "10", "KGM", within=PALLET))]
    both = Happening(
        "object",
        2,
        [("epcList", PALLET), ("quantityList", LOT, 8, "KGM")],
        "OBSERVE",
        "receiving",
        by=CONSIGNEE,
        **OF,
    )
    assert amounts(folded(told, both))[LOT, "KGM"][2] == "8"


def test_a_container_whose_shipping_was_void_is_shipped_anew_with_all_that_is_in_it() -> None:
    told = [advised(line(PALLET), line(LOT, "10", "KGM", within=PALLET))]
    items = [("epcList", PALLET), ("quantityList", LOT, 8, "KGM")]
    sent = Happening("object", 1, items, "OBSERVE", "shipping", by=SHIPPER, **OF)
    void = replace(sent, at=2, step="void_shipping")
    assert amounts(folded(told, sent))[LOT, "KGM"][1] == "8"
    assert amounts(folded(told, sent, void))[LOT, "KGM"][1] == "0"
    assert amounts(folded(told, sent, void, ship(3, PALLET, by=SHIPPER, **OF)))[LOT, "KGM"][1] == "10"


def test_of_an_amount_that_nobody_knew_nothing_is_short_or_over() -> None:
    told = [advised(line(PALLET), line(LOT, within=PALLET), line(LOT, "5"))]
    found = folded(told, got(2, PALLET))
    assert amounts(found)[LOT, None] == ("5", "0", "0", "0", "?", "?", "?")
    assert found.missing_reports() == ()


def test_what_was_not_shipped_after_all_was_shipped_before_at_any_one_instant() -> None:
    told = [advised(*(line(pack(serial)) for serial in range(8)))]
    for serial in range(8):
        thing = pack(serial)
        sent = ship(1, thing, by=SHIPPER, **OF)
        void = observe(1, thing, by=SHIPPER, step="void_shipping", **OF)
        assert folded(told, sent, void).stage is Stage.ADVISED
        assert folded(told, void).stage is Stage.ADVISED
    only_void = counted(1, (LOT, "5", "KGM"), by=SHIPPER, step="void_shipping")
    assert amounts(folded([advised(line(LOT, "10", "KGM"))], only_void))[LOT, "KGM"][1] == "0"
