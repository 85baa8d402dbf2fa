"""Transfers that are proposed and answered, and holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.memory.provenance import MemoryProvenance
from tests.support.happenings import (
    MAKER,
    PALLET,
    Decided,
    commission,
    hours,
    put,
    receive,
    records,
    ship,
    take,
)
from tests.support.holders import (
    MADE,
    PARTIES,
    PARTY,
    RIVAL,
    SEES_ALL,
    SHIPPED,
    SHOP,
    A,
    B,
    Told,
    custody,
    history,
    holdings,
    ownership,
    rights,
)
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import Grant, Reader
from traceability.ledger.event import decision_event
from traceability.supply_chain.decisions import (
    HoldingRole,
    HoldPlaced,
    HoldReleased,
    TransferAccepted,
    TransferCancelled,
    TransferDeclined,
    TransferProposed,
)
from traceability.supply_chain.entry import Authority, ClaimReason
from traceability.supply_chain.history import item_history
from traceability.supply_chain.item import Lifecycle


def propose(at: float, role: HoldingRole = HoldingRole.CUSTODY, to: str = SHOP, by: str = MAKER, *things: str) -> Told:
    said = TransferProposed(things=things or (A,), proposal="P1", role=role, issuer=by, receiver=to)
    return Decided(at, said, by, [to])


def accept(at: float, by: str = SHOP, *things: str) -> Told:
    return Decided(at, TransferAccepted(things=things or (A,), proposal="P1"), by, [MAKER])


def test_an_accepted_transfer_gives_the_role_at_that_instant() -> None:
    told = MADE, propose(2), accept(3)
    assert custody(*told) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert ownership(*told) == [(MAKER, 1, None)]
    sold = MADE, propose(2, HoldingRole.OWNERSHIP), accept(3)
    assert custody(*sold) == [(MAKER, 1, None)]
    assert ownership(*sold) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert rights(*told) == [Authority.COMMISSIONER, Authority.CUSTODIAN, Authority.CONSIGNEE]


def test_a_proposal_is_open_until_it_is_answered() -> None:
    (proposal,) = history(MADE, propose(2)).custody.proposals
    assert (proposal.issuer, proposal.receiver, proposal.position) == (MAKER, SHOP, 2)
    for answer in (
        accept(3),
        Decided(3, TransferDeclined(things=(A,), proposal="P1"), SHOP),
        Decided(3, TransferCancelled(things=(A,), proposal="P1"), MAKER),
    ):
        assert history(MADE, propose(2), answer).custody.proposals == ()
        assert rights(MADE, propose(2), answer, accept(4))[-1] is ClaimReason.NO_SUCH_PROPOSAL


@pytest.mark.parametrize("name", [f"P{n}" for n in range(8)])
def test_at_one_instant_an_answer_comes_after_what_it_answers(name: str) -> None:
    said = TransferProposed(things=(A,), proposal=name, role=HoldingRole.CUSTODY, issuer=MAKER, receiver=SHOP)
    accepted = TransferAccepted(things=(A,), proposal=name)
    assert custody(MADE, Decided(2, accepted, SHOP), Decided(2, said)) == [(MAKER, 1, 2), (SHOP, 2, None)]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ([propose(2), accept(3, RIVAL)], ClaimReason.NOT_ITS_RECEIVER),
        ([accept(3)], ClaimReason.NO_SUCH_PROPOSAL),
        ([propose(2, by=RIVAL)], ClaimReason.ISSUER_WITHOUT_ROLE),
        ([propose(2), SHIPPED, receive(2.5, A, by=SHOP), accept(3)], ClaimReason.ISSUER_WITHOUT_ROLE),
        ([propose(2), Decided(3, TransferCancelled(things=(A,), proposal="P1"), SHOP)], ClaimReason.NOT_ITS_ISSUER),
        (
            [Decided(2, TransferProposed(things=(A,), proposal="P", role=HoldingRole.CUSTODY, issuer=MAKER,
                                         receiver=RIVAL), RIVAL)],
            ClaimReason.NOT_ITS_ISSUER,
        ),
    ],
)  # fmt: skip
def test_what_may_not_be_decided_is_a_claim(told: list[Told], reason: ClaimReason) -> None:
    assert rights(MADE, *told)[-1] is reason


def test_a_transfer_of_a_pallet_is_one_of_what_is_on_it() -> None:
    told = commission(1, A, B), put(1.5, PALLET, A), propose(2, HoldingRole.CUSTODY, SHOP, MAKER, PALLET)
    accepted = accept(3, SHOP, PALLET)
    assert custody(*told, accepted) == [(MAKER, 1, 3), (SHOP, 3, None)]
    assert custody(*told, accepted, thing=B) == [(MAKER, 1, None)]


def hold(at: float, *things: str, by: str = MAKER) -> Told:
    return Decided(at, HoldPlaced(things=things or (A,), hold="H1", kind="quality", reason="a warm lorry"), by)


def release(at: float, by: str = MAKER, *things: str) -> Told:
    return Decided(at, HoldReleased(things=things or (A,), hold="H1"), by)


def test_a_thing_is_held_until_who_placed_the_hold_releases_it() -> None:
    (held,) = history(MADE, hold(2)).custody.holds
    assert (held.kind, held.reason, held.placed_by, held.since, held.position) == (
        "quality", "a warm lorry", MAKER, hours(2), 2,
    )  # fmt: skip
    assert history(MADE, hold(2), release(3)).custody.holds == ()
    assert history(MADE, release(3), hold(3)).custody.holds == ()
    assert rights(MADE, hold(2, by=RIVAL))[-1] is ClaimReason.NO_AUTHORITY
    assert rights(MADE, release(2))[-1] is ClaimReason.NO_SUCH_HOLD
    taken = MADE, hold(2), ship(3, A, to=PARTY[SHOP]), receive(4, A, by=SHOP)
    assert rights(*taken, release(5, SHOP))[-1] is ClaimReason.NOT_ITS_PLACER
    assert history(*taken, release(5)).custody.holds == ()


def test_what_is_on_a_pallet_is_held_with_it_while_it_is_there() -> None:
    told = MADE, put(2, PALLET, A), hold(3, PALLET)
    (held,) = history(*told).custody.holds
    assert held.via == PALLET
    assert history(*told, release(4, MAKER, PALLET)).custody.holds == ()
    assert history(*told, take(4, PALLET, A)).custody.holds == ()


def test_decisions_alone_tell_of_a_thing() -> None:
    found = history(propose(2), accept(3))
    assert found.state.lifecycle is Lifecycle.UNKNOWN
    assert holdings(found, HoldingRole.CUSTODY) == [(MAKER, 2, 3), (SHOP, 3, None)]


def test_who_is_not_named_by_a_decision_does_not_see_it() -> None:
    told = MADE, propose(2), hold(3)
    grants = (Grant(MAKER, RIVAL, None, frozenset({"what", "where", "why"})),)
    assert history(*told, reader=Reader(RIVAL, grants=grants)) == history(
        MADE, *_hidden(2), reader=Reader(RIVAL, grants=grants)
    )
    shop = history(*told, reader=Reader(SHOP, frozenset({SHOP}), grants))
    assert len(shop.custody.proposals) == 1
    assert shop.custody.holds == ()


def _hidden(count: int) -> list[Told]:
    return [commission(50 + n, B, by="nobody.example") for n in range(count)]


@pytest.mark.parametrize("payload", [b"{}", b'{"things":["x"],"hold":7,"kind":"quality","reason":""}', b"[]"])
def test_a_decision_that_cannot_be_read_decides_nothing(payload: bytes) -> None:
    made, held = records([MADE, hold(2)])
    event = decision_event(HoldPlaced.type_name, payload, captured_by=MAKER, occurred_at=hours(2), tags=[f"item:{A}"])
    broken = replace(event, event_id=held.event.event_id, recorded_at=held.event.recorded_at)
    told = [made, replace(held, event=broken)]
    index = MemoryProvenance(told, reader=SEES_ALL, indexer=index_rows)
    assert [entry.event.position for entry in item_history(index, A, PARTIES).entries] == [1]
