"""Who has a thing and whose it is, by the events that count."""

from __future__ import annotations

import pytest

from tests.support.happenings import (
    MAKER,
    PALLET,
    PLANT,
    Happening,
    commission,
    end,
    hours,
    observe,
    put,
    receive,
    ship,
    take,
    transform,
)
from tests.support.holders import (
    CARRIER,
    MADE,
    OUTSIDE,
    PARTY,
    RECEIVED,
    RIVAL,
    SHIPPED,
    SHOP,
    WAREHOUSE,
    A,
    B,
    custody,
    history,
    open_shipments,
    ownership,
    rights,
)
from traceability.supply_chain.custody import Shipment
from traceability.supply_chain.decisions import (
    HoldingRole,
)
from traceability.supply_chain.entry import Authority, ClaimReason


def test_who_makes_a_thing_has_and_owns_it_until_the_party_it_was_shipped_to_receives_it() -> None:
    assert custody(MADE, SHIPPED) == [(MAKER, 1, None)]
    assert history(MADE, SHIPPED).custody.shipments == (Shipment(MAKER, SHOP, SHOP, hours(2), 2),)
    assert custody(MADE, SHIPPED, RECEIVED) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert ownership(MADE, SHIPPED, RECEIVED) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert open_shipments(MADE, SHIPPED, RECEIVED) == []
    assert rights(MADE, SHIPPED, RECEIVED) == [Authority.COMMISSIONER, Authority.COMMISSIONER, Authority.CONSIGNEE]


def test_holdings_name_the_events_that_open_and_close_them() -> None:
    held = history(MADE, SHIPPED, RECEIVED).custody.of(HoldingRole.CUSTODY)
    assert [(one.opened_by, one.closed_by) for one in held] == [(1, 3), (3, None)]


def test_who_makes_for_another_names_the_party_that_has_it() -> None:
    made = commission(1, A, destinations={"possessing_party": PARTY[CARRIER], "owning_party": PARTY[SHOP]})
    assert custody(made) == [(CARRIER, 1, None)]
    assert ownership(made) == [(SHOP, 1, None)]
    assert rights(made, observe(2, A), observe(3, A, by=CARRIER), observe(4, A, by=SHOP)) == [
        Authority.COMMISSIONER,
        Authority.COMMISSIONER,
        Authority.CUSTODIAN,
        Authority.OWNER,
    ]


def test_what_a_transformation_puts_out_is_made_and_what_it_takes_in_ends() -> None:
    told = commission(1, A), transform(2, [A], [B])
    assert custody(*told) == [(MAKER, 1, 2)]
    assert custody(*told, thing=B) == [(MAKER, 2, None)]


@pytest.mark.parametrize("last", [end(5, A), observe(5, A, step="retail_selling")])
def test_the_end_of_a_thing_ends_its_holdings_and_who_had_it_last_may_still_speak(last: Happening) -> None:
    sold = MADE, SHIPPED, RECEIVED, observe(4, A, by=SHOP), last
    mine = [*sold[:4], _by(last, SHOP)]
    assert custody(*mine) == [(MAKER, 1, 3), (SHOP, 3, 5)]
    assert history(*mine).custody.holders(HoldingRole.OWNERSHIP) == ()
    assert rights(*mine, receive(6, A, by=SHOP))[-1] is Authority.CUSTODIAN
    assert custody(*mine, receive(6, A, by=SHOP))[-1] == (SHOP, 6, None)


def _by(happening: Happening, who: str) -> Happening:
    return Happening(**{**happening.__dict__, "by": who})


def test_goods_that_a_carrier_took_over_are_under_way_until_their_owner_to_be_has_them() -> None:
    shipped = ship(2, A, to=PARTY[CARRIER], owner=PARTY[SHOP])
    taken = receive(3, A, step="accepting", by=CARRIER)
    assert custody(MADE, shipped, taken) == [(MAKER, 1, 3), (CARRIER, 3, None)]
    assert ownership(MADE, shipped, taken) == [(MAKER, 1, None)]
    assert open_shipments(MADE, shipped, taken) == [(SHOP, SHOP)]
    leg = ship(4, A, by=CARRIER, step="departing")
    told = MADE, shipped, taken, leg, receive(5, A, by=SHOP)
    assert open_shipments(*told[:4]) == [(SHOP, SHOP)]
    assert custody(*told) == [(MAKER, 1, 3), (CARRIER, 3, 5), (SHOP, 5, None)]
    assert ownership(*told) == [(MAKER, 1, 5), (SHOP, 5, None)]


def test_a_receipt_names_a_new_owner_though_somebody_else_keeps_the_thing() -> None:
    shipped = ship(2, A, to=PARTY[CARRIER], owner=PARTY[SHOP])
    taken = receive(3, A, by=CARRIER, to=PARTY[CARRIER], owner=PARTY[SHOP])
    assert custody(MADE, shipped, taken) == [(MAKER, 1, 3), (CARRIER, 3, None)]
    assert ownership(MADE, shipped, taken) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert open_shipments(MADE, shipped, taken) == []


def test_whoever_receives_what_was_shipped_to_nobody_in_particular_has_it() -> None:
    assert rights(MADE, ship(2, A), RECEIVED, receive(4, A, by=RIVAL)) == [
        Authority.COMMISSIONER,
        Authority.COMMISSIONER,
        Authority.CONSIGNEE,
        ClaimReason.NO_AUTHORITY,
    ]
    assert custody(MADE, ship(2, A), RECEIVED) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert rights(MADE, ship(2, A), observe(3, A, by=RIVAL))[-1] is ClaimReason.NO_AUTHORITY


def test_what_was_sent_to_nobody_in_particular_may_go_on_from_where_it_arrived() -> None:
    arrived = receive(3, A, step="arriving", by=CARRIER)
    told = MADE, ship(2, A), arrived, receive(4, A, by=SHOP)
    assert custody(*told) == [(MAKER, 1, 3), (CARRIER, 3, 4), (SHOP, 4, None)]
    assert open_shipments(*told[:3]) == [(None, None)]
    assert open_shipments(*told) == []


def test_a_place_of_destination_is_for_who_holds_it() -> None:
    shipped = observe(2, A, step="shipping", destinations={"location": WAREHOUSE})
    assert open_shipments(MADE, shipped) == [(CARRIER, None)]
    assert rights(MADE, shipped, RECEIVED)[-1] is ClaimReason.NO_AUTHORITY
    assert rights(MADE, shipped, receive(3, A, by=CARRIER))[-1] is Authority.CONSIGNEE
    assert open_shipments(MADE, observe(2, A, step="shipping", destinations={"location": PLANT})) == [(None, None)]


def test_goods_in_transit_with_a_destination_are_shipped_whatever_the_step() -> None:
    loaded = observe(2, A, step="loading", disposition="in_transit", destinations={"owning_party": PARTY[SHOP]})
    assert open_shipments(MADE, loaded) == [(SHOP, SHOP)]
    assert open_shipments(MADE, observe(2, A, step="loading", disposition="in_transit")) == []


def test_what_is_said_again_of_a_shipment_leaves_it_as_it_was() -> None:
    again = observe(2.5, A, disposition="in_transit", destinations={"owning_party": PARTY[SHOP]})
    elsewhere = ship(2.6, A, to=PARTY[CARRIER])
    assert history(MADE, SHIPPED, again).custody.shipments == (Shipment(MAKER, SHOP, SHOP, hours(2), 2),)
    assert history(MADE, SHIPPED, elsewhere).custody.shipments == (Shipment(MAKER, CARRIER, None, hours(2.6), 3),)


def test_a_shipment_that_was_called_off_leaves_the_thing_where_it_was() -> None:
    told = MADE, SHIPPED, observe(3, A, step="void_shipping")
    assert (custody(*told), open_shipments(*told)) == ([(MAKER, 1, None)], [])
    assert rights(*told, receive(4, A, by=SHOP))[-1] is ClaimReason.NO_AUTHORITY


@pytest.mark.parametrize("step", ["rejecting", "https://shop.example/steps/returning", "urn:shop:step:rejecting"])
def test_a_rejection_sends_a_shipment_back(step: str) -> None:
    rejected = observe(3, A, by=SHOP, step=step)
    told = MADE, SHIPPED, rejected
    assert custody(*told) == [(MAKER, 1, None)]
    assert open_shipments(*told) == [(MAKER, None)]
    assert open_shipments(*told, receive(4, A)) == []
    assert custody(*told, receive(4, A)) == [(MAKER, 1, None)]
    assert rights(*told, receive(4, A, by=SHOP))[-1] is ClaimReason.NO_AUTHORITY


def test_a_return_goes_to_who_had_it_before() -> None:
    told = MADE, SHIPPED, RECEIVED, observe(4, A, by=SHOP, step="returning")
    assert open_shipments(*told) == [(MAKER, None)]
    assert custody(*told, receive(5, A)) == [(MAKER, 1, 3), (SHOP, 3, 5), (MAKER, 5, None)]


def test_for_a_party_that_is_no_organisation_here_speaks_who_recorded_the_handing_over() -> None:
    told = MADE, ship(2, A, to=OUTSIDE), receive(3, A), observe(4, A)
    assert custody(*told) == [(MAKER, 1, 3), (OUTSIDE, 3, None)]
    unmade = observe(1, A), ship(2, A, to=OUTSIDE), receive(3, A), observe(4, A), observe(5, A, by=RIVAL)
    assert rights(*unmade) == [
        Authority.FIRST_TO_SPEAK,
        Authority.CUSTODIAN,
        Authority.CUSTODIAN,
        Authority.CUSTODIAN,
        ClaimReason.NO_AUTHORITY,
    ]


def test_the_shipper_may_tell_that_a_shipment_arrived() -> None:
    assert custody(MADE, SHIPPED, receive(3, A)) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert rights(MADE, SHIPPED, receive(3, A), observe(4, A, by=SHOP))[-1] is Authority.CUSTODIAN


# What peers get wrong: the units of a pallet that left are told to be where they were, and a late older event wins.


def test_the_units_of_a_shipped_pallet_are_in_transit_and_received_with_it() -> None:
    told = commission(1, A, B), put(2, PALLET, A, B), ship(3, PALLET, to=PARTY[SHOP])
    for unit in (A, B):
        assert history(*told, thing=unit).state.disposition == "in_transit"
        assert open_shipments(*told, thing=unit) == [(SHOP, None)]
        assert custody(*told, receive(4, PALLET, by=SHOP), thing=unit) == [(MAKER, 1, 4), (SHOP, 4, None)]
    left_before = *told[:2], take(2.5, PALLET, B), *told[2:]
    assert open_shipments(*left_before, thing=B) == []


def test_a_late_older_event_never_rewinds() -> None:
    late = observe(1.5, A, disposition="damaged")
    told = MADE, SHIPPED, RECEIVED
    assert history(*told, late).custody == history(*told).custody
    assert history(*told, late).state.disposition == "in_progress"
    shipped_before = ship(1.6, A, to=PARTY[RIVAL])
    assert custody(*told, shipped_before) == custody(*told)
