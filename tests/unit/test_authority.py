"""Who may speak of a thing: the rights, and claims, which move nothing."""

from __future__ import annotations

import pytest

from tests.support.happenings import (
    GTIN,
    MAKER,
    PALLET,
    PLANT,
    Decided,
    Happening,
    commission,
    end,
    hours,
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
from tests.support.holders import (
    CARRIER,
    GLNS,
    MADE,
    PARTY,
    RECEIVED,
    RIVAL,
    SEES_ALL,
    SHIPPED,
    SHOP,
    WAREHOUSE,
    A,
    B,
    Told,
    custody,
    history,
    holdings,
    open_shipments,
    ownership,
    rights,
)
from tests.support.register import OPERATOR, stated
from traceability.ledger.access import Grant, Reader
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import LicenceGranted, PartnerAuthorised, RuleSet
from traceability.supply_chain.decisions import HoldingRole, HoldPlaced
from traceability.supply_chain.entry import Authority, ClaimReason
from traceability.supply_chain.history import item_history
from traceability.supply_chain.item import Lifecycle
from traceability.supply_chain.parties import ListedParties


def test_a_claim_is_shown_with_its_reason_and_moves_nothing() -> None:
    claims = (
        observe(4, A, by=RIVAL, disposition="damaged", place=PLANT),
        put(5, PALLET, A, by=RIVAL),
        ship(6, A, by=RIVAL, to=PARTY[RIVAL]),
        receive(7, A, by=RIVAL),
        commission(8, A, by=RIVAL, number="L9"),
        transform(8, [A], [B], by=RIVAL),
        end(9, A, by=RIVAL),
    )
    told = MADE, SHIPPED, RECEIVED
    before, after = history(*told), history(*told, *claims)
    assert after.state == before.state
    assert after.custody == before.custody
    assert (after.containers, after.readings) == ((), ())
    said = {entry.reason for entry in after.entries if entry.authority is Authority.CLAIM}
    assert said == {ClaimReason.NO_AUTHORITY, ClaimReason.MADE_BY_ANOTHER}
    assert len(after.entries) == len(told) + len(claims)


def test_a_claim_to_have_unpacked_a_thing_leaves_it_with_its_pallet() -> None:
    told = MADE, put(2, PALLET, A), ship(4, PALLET, to=PARTY[SHOP]), receive(5, PALLET, by=SHOP)
    for claim in (take(3, PALLET, A, by=RIVAL), take(3, PALLET, by=RIVAL), put(3, pack("box"), A, by=RIVAL)):
        found = history(*told, claim, take(6, PALLET, A, by=SHOP))
        assert holdings(found, HoldingRole.CUSTODY) == [(MAKER, 1, 5), (SHOP, 5, None)]
        assert [(one.parent, one.closed_at) for one in found.containers] == [(PALLET, hours(6))]
        assert [entry.reason for entry in found.entries if entry.authority is Authority.CLAIM] == [
            ClaimReason.NO_AUTHORITY
        ]
        assert history(*told, claim, thing=PALLET).state.contents == (A,)


def test_a_claim_to_have_emptied_an_outer_container_parts_nothing() -> None:
    case = pack("case")
    told = MADE, put(2, case, A), put(2.5, PALLET, case), observe(5, PALLET, place=PLANT)
    emptied = take(3, PALLET, by=RIVAL)
    assert history(*told, emptied).state.contained_in == (case, PALLET)
    assert history(*told, emptied).state.place == PLANT
    assert history(*told, take(3, PALLET)).state.contained_in == (case,)


def test_who_claims_to_have_emptied_it_says_nothing_of_what_has_left_at_that_instant() -> None:
    told = MADE, put(2, PALLET, A), take(4, PALLET), take(4, PALLET, by=RIVAL)
    assert [entry.event.position for entry in history(*told).entries] == [1, 2, 3]
    assert [entry.event.position for entry in history(*told, take(3, PALLET, by=RIVAL)).entries] == [1, 2, 5, 3]


def test_after_a_claim_to_have_emptied_it_the_next_emptying_counts() -> None:
    told = MADE, put(2, PALLET, A), take(3, PALLET, by=RIVAL), take(4, PALLET), observe(5, PALLET, place=PLANT)
    found = history(*told)
    assert [(one.opened_at, one.closed_at) for one in found.containers] == [(hours(2), hours(4))]
    assert (found.state.contained_in, found.state.place) == ((), None)


def test_who_holds_the_place_may_observe_there_and_no_more() -> None:
    seen = observe(4, A, by=CARRIER, place=WAREHOUSE)
    elsewhere = observe(4, A, by=CARRIER, place=PLANT)
    packed = put(4, PALLET, A, by=CARRIER, where={"readPoint": {"id": WAREHOUSE}})
    destroyed = observe(4, A, by=CARRIER, place=WAREHOUSE, disposition="destroyed")
    taken = receive(4, A, by=CARRIER, place=WAREHOUSE)
    assert rights(MADE, seen)[-1] is Authority.PLACE
    assert history(MADE, seen).state.place == WAREHOUSE
    for told in (elsewhere, packed, destroyed, taken):
        assert rights(MADE, told)[-1] is ClaimReason.NO_AUTHORITY
    assert custody(seen, MADE) == [(MAKER, 1, None)]


def test_who_speaks_first_of_what_nobody_made_has_it() -> None:
    assert rights(observe(1, A, by=SHOP), observe(2, A, by=SHOP), observe(3, A, by=RIVAL)) == [
        Authority.FIRST_TO_SPEAK,
        Authority.CUSTODIAN,
        ClaimReason.NO_AUTHORITY,
    ]
    assert custody(observe(1, A, by=SHOP)) == [(SHOP, 1, None)]
    assert ownership(observe(1, A, by=SHOP)) == []


def test_to_have_spoken_first_is_no_bar_to_who_makes_the_thing() -> None:
    told = observe(0, A, by=RIVAL), MADE, observe(2, A, by=RIVAL)
    assert rights(*told) == [Authority.FIRST_TO_SPEAK, Authority.COMMISSIONER, ClaimReason.NO_AUTHORITY]
    assert custody(*told) == [(RIVAL, 0, 1), (MAKER, 1, None)]


def test_who_has_a_thing_may_make_it_again() -> None:
    told = MADE, SHIPPED, RECEIVED, end(4, A, by=SHOP), commission(5, A, by=SHOP)
    assert rights(*told)[-1] is Authority.CUSTODIAN
    assert history(*told).state.lifecycle is Lifecycle.ACTIVE


class Prefixes(ListedParties):
    """MAKER has the company prefix of everything from hour 1 on."""

    def prefix_key(self, thing: str) -> str:
        return thing

    def prefix_holder(self, thing: str, at: int) -> str | None:
        return MAKER if thing.startswith(GTIN) and at >= hours(1) else None


def test_the_holder_of_the_prefix_has_the_first_word() -> None:
    def said(*told: Told) -> list[Authority | ClaimReason | None]:
        found = item_history(index_of(told, reader=SEES_ALL), A, Prefixes(GLNS))
        return [entry.reason or entry.authority for entry in found.entries]

    assert said(commission(2, A, by=RIVAL), commission(3, A), observe(4, A, by=RIVAL)) == [
        ClaimReason.PREFIX_OF_ANOTHER,
        Authority.PREFIX,
        ClaimReason.NO_AUTHORITY,
    ]
    # Before it was registered, who was first is the maker; after, the holder of the prefix is who may speak.
    assert said(commission(0, A, by=RIVAL), observe(2, A), observe(3, A, by=RIVAL)) == [
        Authority.COMMISSIONER,
        Authority.PREFIX,
        Authority.CUSTODIAN,
    ]
    # Who is not shown the making still knows what it was sent.
    assert said(observe(2, A, by=SHOP), observe(3, A, by=SHOP)) == [Authority.FIRST_TO_SPEAK, Authority.CUSTODIAN]


def test_everybody_who_had_some_of_a_lot_may_speak_of_it() -> None:
    milk = lot("L1")
    made = transform(1, counted_outputs=[milk])
    shipped = [
        Happening("object", at, [("quantityList", milk, 5, "KGM")], "OBSERVE", "shipping",
                  destinations={"owning_party": PARTY[to]})
        for at, to in ((2, CARRIER), (3, SHOP))
    ]  # fmt: skip
    received = Happening("object", 4, [("quantityList", milk, 5, "KGM")], "OBSERVE", "receiving", by=SHOP)
    told = made, *shipped, received
    assert open_shipments(*told[:3], thing=milk) == [(CARRIER, CARRIER), (SHOP, SHOP)]
    assert open_shipments(*told, thing=milk) == [(CARRIER, CARRIER)]
    assert custody(*told, thing=milk) == [(MAKER, 1, None), (SHOP, 4, None)]
    used = [transform(5, [], [A], counted_inputs=[milk], by=who) for who in (SHOP, MAKER, RIVAL)]
    assert [entry.reason is None for entry in history(*told, *used, thing=milk).entries][-3:].count(False) == 1


def test_a_lot_is_in_the_hands_of_who_makes_its_members() -> None:
    told = commission(1, A, number="L1"), commission(2, B, number="L1", by=RIVAL)
    assert rights(*told, thing=lot("L1")) == [Authority.COMMISSIONER, ClaimReason.MADE_BY_ANOTHER]
    assert history(*told, thing=lot("L1")).members == (A,)


def test_what_the_register_forbids_is_a_claim_and_moves_nothing() -> None:
    licence = LicenceGranted(
        organisation=SHOP, kind="import", number="7", issuer="Customs", since=hours(0), until=hours(3)
    )
    partner = PartnerAuthorised(organisation=MAKER, partner=SHOP, since=hours(2))
    registered = [
        RuleSet(action="receiving", licences=("import",), since=hours(1)),
        RuleSet(action="shipping", partner=True, since=hours(0)),
        RuleSet(action="hold_placed", roles=("quality",), since=hours(0)),
        licence,
        partner,
    ]
    register = Register([stated(one, position=n) for n, one in enumerate(registered, 1)], OPERATOR)

    def said(*told: Told) -> list[Authority | ClaimReason | None]:
        found = item_history(index_of(told, reader=SEES_ALL), A, ListedParties(GLNS, register))
        return [entry.reason or entry.authority for entry in found.entries]

    shipped, received = ship(2, A, to=PARTY[SHOP]), receive(2.5, A, by=SHOP)
    assert said(MADE, shipped, received) == [Authority.COMMISSIONER, Authority.COMMISSIONER, Authority.CONSIGNEE]
    # Neither before it was a partner, nor after the licence has expired.
    assert said(MADE, ship(1.5, A, to=PARTY[SHOP]))[-1] is ClaimReason.NOT_AUTHORISED
    assert said(MADE, ship(2, A, to=PARTY[CARRIER]))[-1] is ClaimReason.NOT_AUTHORISED
    assert said(MADE, shipped, receive(3, A, by=SHOP))[-1] is ClaimReason.NOT_AUTHORISED
    late = item_history(
        index_of((MADE, shipped, receive(3, A, by=SHOP)), reader=SEES_ALL), A, ListedParties(GLNS, register)
    )
    assert len(late.custody.shipments) == 1
    hold = Decided(2, HoldPlaced(things=(A,), hold="H1", kind="quality", reason="a warm lorry"), MAKER)
    assert said(MADE, hold)[-1] is ClaimReason.NOT_AUTHORISED


_USED = put(2, PALLET, A, counted=[lot("A7")])
_HELD = Decided(3.5, HoldPlaced(things=(PALLET,), hold="1", kind="quality", reason="wet"), MAKER, [])


@pytest.mark.parametrize(
    ("told", "right"),
    [
        ((take(3, PALLET),), Authority.FIRST_TO_SPEAK),
        ((take(3, PALLET, A, counted=[lot("A7")]),), Authority.FIRST_TO_SPEAK),
        ((take(3, PALLET, A),), ClaimReason.NO_AUTHORITY),
        ((), ClaimReason.NO_AUTHORITY),
        ((take(3, PALLET, by=RIVAL),), ClaimReason.NO_AUTHORITY),
        ((take(3, PALLET), put(3.5, PALLET, B)), ClaimReason.NO_AUTHORITY),
        ((take(3, PALLET), ship(3.5, PALLET, to=PARTY[SHOP])), ClaimReason.NO_AUTHORITY),
        ((take(3, PALLET), _HELD), ClaimReason.NO_AUTHORITY),
    ],
)
def test_who_fills_a_used_carrier_that_is_empty_has_it(told: tuple[Told, ...], right: Authority | ClaimReason) -> None:
    world = [observe(1, PALLET), _USED, *told, put(4, PALLET, pack("X"), by=RIVAL), observe(5, PALLET, by=RIVAL)]
    found = rights(*world, thing=PALLET)[-2:]
    assert found == [right, Authority.CUSTODIAN if right is Authority.FIRST_TO_SPEAK else right]
    holder = RIVAL if right is Authority.FIRST_TO_SPEAK else MAKER
    assert custody(*world, thing=PALLET)[-1][0] == holder


def test_what_is_no_carrier_or_was_never_used_is_not_found_empty() -> None:
    box = pack("BOX")
    unused = [observe(1, PALLET), put(4, PALLET, A, by=RIVAL)]
    assert rights(*unused, thing=PALLET)[-1] is ClaimReason.NO_AUTHORITY
    trade_item = [observe(1, box), put(2, box, A), take(3, box), put(4, box, B, by=RIVAL)]
    assert rights(*trade_item, thing=box)[-1] is ClaimReason.NO_AUTHORITY
    unknown = [take(1, PALLET, A), put(4, PALLET, B, by=RIVAL)]
    assert rights(*unknown, thing=PALLET)[-1] is ClaimReason.NO_AUTHORITY


def test_what_is_hidden_may_still_be_inside() -> None:
    names_items = frozenset({"item", "where", "why"})
    reader = Reader(
        "auditor.example", grants=tuple(Grant(who, "auditor.example", None, names_items) for who in (MAKER, RIVAL))
    )
    world = [observe(1, PALLET), put(2, PALLET, A), put(4, PALLET, B, by=RIVAL)]
    found = history(*world, thing=PALLET, reader=reader)
    assert [mention.thing for mention in found.entries[1].event.mentions] == [PALLET]
    assert found.entries[-1].reason is ClaimReason.NO_AUTHORITY
