"""The scope of a recall: in random worlds its holders are those of each thing's own history, whatever the arrival."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.dealings import ASKED, ORGANISATIONS, dealings
from tests.support.happenings import (
    MAKER,
    OTHER_GTIN,
    PALLET,
    TOTE,
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
    EVERYTHING,
    GLNS,
    PARTIES,
    PARTY,
    REGISTERED,
    RIVAL,
    SEES_ALL,
    SHOP,
    Told,
)
from tests.support.register import stated
from traceability.errors import NotFoundError
from traceability.ledger.access import Grant, Reader
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import RuleSet
from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.decisions import HoldingRole, HoldPlaced, TransferProposed
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.parties import ListedParties, Parties
from traceability.supply_chain.provenance import Direction, TraceQuery, walked
from traceability.supply_chain.recall.scope import Scope, may_recall, scope_of, widening
from traceability.supply_chain.seen import SeenEvent, Subjects
from traceability.supply_chain.things import is_lot
from traceability.supply_chain.windows import END, Windows

A, B, C = (pack(name) for name in "ABC")
LOT = lot("A7")


def scope(
    *told: Told, roots: tuple[str, ...] = (LOT,), reader: Reader = SEES_ALL, known_at: int | None = None
) -> Scope:
    known = told if known_at is None else told[:known_at]
    index = index_of(known, reader=reader)
    return scope_of(walked(index, TraceQuery(roots, Direction.FORWARD), deeds=True), index, PARTIES)


def _content(world: list[Told], root: str, reader: Reader = SEES_ALL) -> Any:
    try:
        return scope(*world, roots=(root,), reader=reader).affected
    except NotFoundError:
        return None


@settings(max_examples=200, deadline=None)
@given(dealings(), st.sampled_from(ASKED))
def test_the_holders_are_those_of_each_history(world: list[Told], root: str) -> None:
    # What is told of a lot's members is said of each of them, and in a history of the lot as well.
    for one in [one for one in _content(world, root) or () if not is_lot(one.thing)]:
        custody = item_history(index_of(world, reader=SEES_ALL), one.thing, PARTIES).custody
        assert set(one.holders) == set(custody.holders(HoldingRole.CUSTODY))
        ends = {end for shipment in custody.shipments for end in (shipment.to, shipment.owner)}
        assert set(one.awaited_by) == ends - {None}


@settings(max_examples=400, deadline=None)
@given(dealings(), st.sampled_from(ASKED), st.sampled_from([None, 2, 5]), st.sampled_from([PARTIES, REGISTERED]))
def test_at_once_or_one_by_one_the_holders_are_the_same(
    world: list[Told], root: str, hour: int | None, parties: Parties
) -> None:
    index = index_of(world, reader=SEES_ALL)
    as_of = None if hour is None else hours(hour)
    try:
        found = scope_of(walked(index, TraceQuery((root,), as_of=as_of), deeds=True), index, parties)
    except NotFoundError:
        return
    around = Surroundings(index, parties)
    around.name({one.thing for one in found.affected})
    picture = around.picture(END)
    for one in found.affected:
        custody = picture.custody_at(picture.stands_for(one.thing), END if as_of is None else as_of)
        assert one.holders == tuple(sorted(custody.holders(HoldingRole.CUSTODY)))
        ends = dict.fromkeys(end for shipment in custody.shipments for end in (shipment.to, shipment.owner))
        assert one.awaited_by == tuple(end for end in ends if end is not None)


_SENT = ship(5, PALLET, to=PARTY[SHOP]), receive(6, PALLET, by=SHOP)
_IN_TOTE = put(2, TOTE, A), put(3, PALLET, TOTE)


@pytest.mark.parametrize(
    ("told", "holder"),
    [
        ((put(2, PALLET, A), take(4, PALLET), *_SENT), MAKER),
        ((put(2, PALLET, A), take(4, PALLET, by=RIVAL), *_SENT), SHOP),
        ((*_IN_TOTE, take(4, PALLET), *_SENT), MAKER),
        ((*_IN_TOTE, take(4, PALLET, by=RIVAL), *_SENT), SHOP),
        ((put(2, PALLET, A), put(4, TOTE, A, by=RIVAL), *_SENT), SHOP),
        ((put(2, PALLET, A), end(4, A, by=RIVAL), *_SENT), SHOP),
        ((put(2, PALLET, A), transform(4, [A], [C], by=RIVAL), *_SENT), SHOP),
    ],
)
def test_a_mere_claim_takes_nothing_out_of_anything(told: tuple[Told, ...], holder: str) -> None:
    """What a stranger said does not untie a thing from what was then sent to somebody."""
    world = [commission(1, A), *told]
    assert {one.thing: one.holders for one in scope(*world, roots=(A,)).affected}[A] == (holder,)
    assert item_history(index_of(world, reader=SEES_ALL), A, PARTIES).custody.holders(HoldingRole.CUSTODY) == (holder,)


def test_what_happens_to_a_pack_that_was_given_away_does_not_happen_to_the_next() -> None:
    offer = TransferProposed(things=(A,), proposal="1", role=HoldingRole.CUSTODY, issuer=MAKER, receiver=SHOP)
    world = (
        transform(1, [], [TOTE, A], number="A7"),
        put(2, PALLET, A),
        Decided(3, offer),
        ship(4, PALLET, to=PARTY[CARRIER]),
    )
    found = scope(*world, roots=(TOTE,))
    assert {one.thing: one.awaited_by for one in found.affected} == {TOTE: ()}
    found = scope(*world, roots=(TOTE, A))
    assert {one.thing: one.awaited_by for one in found.affected} == {TOTE: (), A: (CARRIER,)}


def test_what_happened_to_a_lorry_before_the_trace_came_to_it_happened_to_what_was_in_it() -> None:
    box, lorry = "urn:x:box", "urn:x:lorry"
    world = (
        *(commission(1, A), put(1, box, A), put(1, lorry, box)),
        *(ship(2, lorry, to=PARTY[SHOP]), receive(3, lorry, by=SHOP), take(4, box, A), put(5, PALLET, A)),
    )
    for root in (A, PALLET):
        assert {one.thing: one.holders for one in scope(*world, roots=(root,)).affected}[A] == (SHOP,)


@pytest.mark.parametrize(
    ("sent", "holder"), [(1, MAKER), (2, SHOP), (2.5, SHOP), (3, MAKER), (5, MAKER), (6, SHOP), (7, SHOP), (8, MAKER)]
)
def test_of_a_pallet_that_is_used_again_only_what_happens_with_a_pack_on_it_happens_to_that(
    sent: float, holder: str
) -> None:
    stays = put(2, PALLET, A), take(3, PALLET, A), put(6, PALLET, A), take(8, PALLET, A)
    world = (commission(1, A), *stays, ship(sent, PALLET, to=PARTY[SHOP]), receive(9, A, by=SHOP))
    assert {one.thing: one.holders for one in scope(*world, roots=(A,)).affected} == {A: (holder,)}
    around = Surroundings(index_of(world, reader=SEES_ALL), PARTIES)
    around.name({A})
    picture = around.picture(END)
    assert picture.custody_last(picture.stands_for(A)).holders(HoldingRole.CUSTODY) == (holder,)
    assert item_history(index_of(world, reader=SEES_ALL), A, PARTIES).custody.holders(HoldingRole.CUSTODY) == (holder,)


def test_who_packed_it_may_no_longer_say_that_it_left_when_the_pallet_was_handed_over() -> None:
    world = (
        *(put(1, PALLET, A), receive(2, PALLET, to=PARTY[CARRIER]), take(5, PALLET, A)),
        *(ship(6, PALLET, to=PARTY[SHOP], by=CARRIER), receive(7, PALLET, by=SHOP)),
    )
    assert item_history(index_of(world, reader=SEES_ALL), A, PARTIES).custody.holders(HoldingRole.CUSTODY) == (SHOP,)
    assert {one.thing: one.holders for one in scope(*world, roots=(A,)).affected} == {A: (SHOP,)}
    around = Surroundings(index_of(world, reader=SEES_ALL), PARTIES)
    around.name({A})
    picture = around.picture(END)
    assert picture.custody_last(picture.stands_for(A)).holders(HoldingRole.CUSTODY) == (SHOP,)


def test_what_is_counted_although_it_is_one_thing_is_shared() -> None:
    sent = ship(2, B, to=PARTY[SHOP])
    sent = replace(sent, items=[*sent.items, ("quantityList", A, 1, "KGM")])
    found = scope(commission(1, A), sent, receive(3, A, by=SHOP), roots=(A,))
    assert {one.thing: one.holders for one in found.affected}[A] == (MAKER, SHOP)


class _Counting:
    """An index that counts how often whole histories are read."""

    def __init__(self, index: ProvenanceIndex) -> None:
        self._index = index
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def events(self, asked: Subjects, during: Mapping[str, Windows] | None = None) -> Sequence[SeenEvent]:
        self.read += 1
        return self._index.events(asked, during)


def test_of_what_was_made_no_whole_history_is_read() -> None:
    told: list[Told] = [
        commission(1, A, B, number="A7"),
        put(2, PALLET, A),
        Decided(2.5, HoldPlaced(things=(A,), hold="1", kind="recall", reason="salmonella"), MAKER, []),
        ship(3, PALLET, to=PARTY[SHOP]),
        receive(4, PALLET, by=SHOP),
        observe(4.5, A, by=RIVAL),
        commission(5, C, by=RIVAL, number="A7"),
    ]
    index: Any = _Counting(index_of(told, reader=SEES_ALL))
    found = scope_of(walked(index, TraceQuery((LOT,), Direction.FORWARD), deeds=True), index, PARTIES)
    assert found.of_party == {MAKER: (B,), RIVAL: (C,), SHOP: (A,)}
    assert index.read == 1  # of the lot itself, which is only seen by its members


@settings(max_examples=100, deadline=None)
@given(dealings(), st.sampled_from(ASKED), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same(world: list[Told], root: str, choose: random.Random) -> None:
    assert _content(world, root) == _content(choose.sample(world, len(world)), root)


@settings(max_examples=100, deadline=None)
@given(dealings(), dealings(max_size=6), st.sampled_from(ASKED), st.lists(st.sampled_from(ORGANISATIONS), max_size=2))
def test_what_is_hidden_makes_no_difference(world: list[Told], more: list[Told], root: str, shown: list[str]) -> None:
    reader = Reader("auditor.example", grants=tuple(Grant(who, "auditor.example", None, EVERYTHING) for who in shown))
    hidden = [one for one in more if one.by not in shown]
    assert _content([*hidden, *world], root, reader) == _content(world, root, reader)


def test_a_widening_tells_what_entered_what_left_and_who_is_new() -> None:
    made = commission(1, A, B, number="A7", event_id="urn:x:1")
    told: list[Told] = [
        made,
        put(2, PALLET, A),
        ship(3, PALLET, to=PARTY[SHOP], owner=PARTY[SHOP]),
        commission(1.5, C, number="A7"),
        receive(4, PALLET, by=SHOP),
        ship(5, B, to=PARTY[CARRIER], owner=PARTY[CARRIER]),
    ]
    before, now = scope(*told[:2]), scope(*told)
    assert before.of_party == {MAKER: (A, B)}
    assert before.unheld == (LOT,)
    changed = widening(before.walked, before.of_party, now)
    assert [(one.affected.thing, one.positions) for one in changed.entered] == [(C, (4,))]
    assert changed.parties == {CARRIER: (B,), SHOP: (A,)}
    assert (changed.left, changed.positions) == ((), (4,))
    assert not widening(now.walked, now.of_party, now)
    again = widening(now.walked, now.of_party, scope(*told, made.retracted()))
    assert again.left == (A, B)


def test_who_is_to_own_it_has_to_know_as_well_and_a_class_is_affected_by_no_lot() -> None:
    mixed = Happening(
        "transformation", 3, [("inputEPCList", A), ("outputQuantityList", OTHER_GTIN, 5, "KGM"), ("outputEPCList", C)]
    )
    found = scope(commission(1, A, B, number="A7"), ship(2, B, to=PARTY[CARRIER], owner=PARTY[SHOP]), mixed)
    assert OTHER_GTIN in found.trace.nodes
    parties = {one.thing: one.parties for one in found.affected}
    assert parties == {LOT: (), A: (), B: (MAKER, CARRIER, SHOP), C: (MAKER,)}


@pytest.mark.parametrize(("who", "may"), [(MAKER, True), (SHOP, False), (RIVAL, False)])
def test_who_made_a_lot_may_recall_it(who: str, may: bool) -> None:  # noqa: FBT001
    index = index_of([commission(1, A, B, number="A7")], reader=SEES_ALL)
    assert may_recall(who, LOT, index, PARTIES, hours(9)) is may


def test_who_has_a_thing_may_recall_it_and_a_rule_of_the_register_is_met() -> None:
    told = [commission(1, A), ship(2, A, to=PARTY[SHOP], owner=PARTY[SHOP]), receive(3, A, by=SHOP)]

    def may(who: str, parties: Parties) -> bool:
        return may_recall(who, A, index_of(told, reader=SEES_ALL), parties, hours(9))

    assert [may(who, PARTIES) for who in (MAKER, SHOP, RIVAL)] == [True, True, False]
    rule = stated(RuleSet(action="recall_opened", roles=("quality",), since=0))
    ruled = ListedParties(GLNS, Register([rule], rule.stated_by))
    assert [may(who, ruled) for who in (MAKER, SHOP)] == [False, False]
