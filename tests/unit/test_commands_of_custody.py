"""Commands that hand things over, and what holds and custody forbid."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.desks import MOVER, OPENED, STORE, World
from tests.support.happenings import GTIN, OTHER_PALLET, PALLET, TOTE, hours, lot, pack
from traceability.supply_chain.commands.refusal import Rule
from traceability.supply_chain.decisions import HoldingRole
from traceability.supply_chain.history import ItemHistory
from traceability.supply_chain.parties import ListedParties

MAKER_NAME, MOVER_NAME, STORE_NAME = "maker.example", "mover.example", "store.example"
A, B, C = pack("A"), pack("B"), pack("C")
CUSTODY, OWNERSHIP = HoldingRole


@pytest.fixture
def world() -> World:
    world = World()
    world.do("commission", at=1, things=[A, B, C])
    world.do("pack", at=2, parent=PALLET, children=[A, B])
    return world


def holders(history: ItemHistory, role: HoldingRole = CUSTODY) -> tuple[str, ...]:
    return history.custody.holders(role)


def test_a_pallet_is_shipped_and_received_with_all_that_is_in_it(world: World) -> None:
    assert world.rules("ship", at=3, things=[A], to=STORE) == ["not_top_level"]
    assert world.rules("receive", at=3, by=STORE_NAME, things=[PALLET]) == ["no_authority", "not_under_way"]
    world.do("ship", at=3, things=[PALLET], to=STORE, owner=STORE)
    on_the_way = world.history(A)
    assert (holders(on_the_way), len(on_the_way.custody.shipments)) == ((MAKER_NAME,), 1)
    assert on_the_way.state.disposition == "in_transit"
    # It stays as it is until it has arrived, and nobody else takes it.
    for name, members in (
        ("unpack", {"parent": PALLET}),
        ("pack", {"parent": TOTE, "children": [PALLET]}),
        ("ship", {"things": [PALLET], "to": MOVER}),
        ("decommission", {"things": [PALLET]}),
    ):
        assert "under_way" in world.rules(name, at=4, **members), name
    assert "not_custodian" in world.rules("unpack", at=4, by=STORE_NAME, parent=PALLET)
    assert world.rules("receive", at=4, by=MOVER_NAME, things=[PALLET]) == ["no_authority", "not_under_way"]
    world.do("receive", at=5, by=STORE_NAME, things=[PALLET])
    for thing in (PALLET, A, B):
        history = world.history(thing)
        assert (holders(history), holders(history, OWNERSHIP)) == ((STORE_NAME,), (STORE_NAME,)), thing
    assert "not_custodian" in world.rules("unpack", at=6, parent=PALLET)
    world.do("unpack", at=6, by=STORE_NAME, parent=PALLET)
    world.do("observe", at=7, by=STORE_NAME, things=[A], biz_step="retail_selling", disposition="retail_sold")
    # The maker may still say what he sees of his product, and may not unsay that he sent it.
    world.do("observe", at=7, things=[B], biz_step="inspecting")
    shipped = next(e.event for e in world.history(PALLET).entries if e.event.head.bizStep == "shipping")
    assert "no_authority" in world.rules("correct", event=str(shipped.event_id))


def test_what_comes_from_outside_is_received_by_whoever_has_it(world: World) -> None:
    world.do("receive", at=3, by=STORE_NAME, things=[pack("X"), OTHER_PALLET])
    assert holders(world.history(OTHER_PALLET)) == (STORE_NAME,)
    assert world.rules("pack", at=4, parent=TOTE, children=[pack("X")]) == ["no_authority", "not_custodian"]


def test_what_is_rejected_goes_back(world: World) -> None:
    world.do("ship", at=3, things=[PALLET], to=STORE)
    assert world.rules("reject", at=4, by=MOVER_NAME, things=[PALLET]) == ["no_authority", "not_custodian"]
    world.do("reject", at=4, by=STORE_NAME, things=[PALLET])
    assert [shipment.to for shipment in world.history(A).custody.shipments] == [MAKER_NAME]
    world.do("receive", at=5, things=[PALLET])
    assert world.history(A).custody.shipments == ()
    world.do("unpack", at=6, parent=PALLET)


def test_nothing_moves_that_is_on_hold(world: World) -> None:
    world.do("place_hold", at=3, things=[A], reason="seal broken", hold="H1")
    for name, members in (
        ("unpack", {"parent": PALLET, "children": [A]}),
        ("unpack", {"parent": PALLET}),
        ("ship", {"things": [PALLET], "to": STORE}),
        ("transform", {"inputs": [A], "outputs": [pack("N")]}),
        ("decommission", {"things": [A]}),
        ("observe", {"things": [A], "biz_step": "dispensing", "disposition": "dispensed"}),
    ):
        refused = world.refused(name, at=4, **members)
        held = [broken for broken in refused.rules if broken.rule == "held"]
        assert [(broken.things, broken.facts[0].position) for broken in held] == [((A,), 3)], (name, refused.rules)
    # A hold of the past would contradict what was done since.
    assert world.rules("place_hold", at=1.5, things=[B], reason="late") == ["held"]
    assert world.rules("release_hold", at=4, things=[A], hold="H2") == ["no_such_hold"]
    assert world.rules("release_hold", at=4, by=STORE_NAME, things=[A], hold="H1") == ["no_such_hold"]  # that it sees
    world.do("release_hold", at=4, things=[A], hold="H1", reason="sealed again")
    world.do("ship", at=5, things=[PALLET], to=STORE)
    assert world.history(A).custody.holds == ()


def test_a_hold_is_released_by_its_placer() -> None:
    world = World(opened=OPENED | {"more"})
    world.do("commission", at=1, things=[C])
    world.do("ship", at=2, things=[C], to=STORE)
    world.do("place_hold", at=3, by=STORE_NAME, things=[C], reason="no certificate", hold="H1")
    assert world.rules("release_hold", at=4, things=[C], hold="H1") == ["not_its_placer"]
    assert world.rules("place_hold", at=4, by=MOVER_NAME, things=[C], reason="mine") == ["no_authority"]
    world.do("receive", at=4, by=STORE_NAME, things=[C])
    assert "held" in world.rules("pack", at=5, by=STORE_NAME, parent=TOTE, children=[C])


def test_a_hold_on_a_pallet_is_one_on_what_is_in_it(world: World) -> None:
    world.do("place_hold", at=3, things=[PALLET], kind="recall", reason="case 7", hold="H1")
    assert "held" in world.rules("unpack", at=4, parent=PALLET, children=[A])
    assert "held" in world.rules("ship", at=4, things=[PALLET], to=STORE)
    world.do("release_hold", at=5, things=[PALLET], hold="H1")
    world.do("unpack", at=6, parent=PALLET)


def test_goods_under_customs_stay_until_they_are_released(world: World) -> None:
    world.do("customs_entry", at=3, things=[PALLET], declaration="26DE0001")
    assert "held" in world.rules("ship", at=4, things=[PALLET], to=STORE)
    (hold,) = world.history(A).custody.holds
    assert (hold.kind, hold.reason) == ("customs", "customs declaration 26DE0001")
    assert world.rules("customs_release", at=4, things=[PALLET], declaration="26DE0002", release="R") == [
        "no_such_hold"
    ]
    world.do("customs_release", at=4, things=[PALLET], declaration="26DE0001", release="26DE0001/R")
    world.do("ship", at=5, things=[PALLET], to=STORE)


def test_a_transfer_moves_when_it_is_accepted_by_its_receiver() -> None:
    world = World(opened=OPENED | {"more"})
    world.do("commission", at=1, things=[C])
    offer: dict[str, Any] = {"things": [C], "role": "custody", "to": STORE_NAME}
    assert world.rules("propose_transfer", at=3, by=MOVER_NAME, **offer) == ["issuer_without_role"]
    world.do("propose_transfer", at=3, proposal="P1", **offer)
    assert world.rules("propose_transfer", at=3.5, **offer) == ["proposed_before"]
    world.do("propose_transfer", at=3.5, proposal="P2", things=[C], role="custody", to=MOVER_NAME)
    assert holders(world.history(C)) == (MAKER_NAME,)
    answer: dict[str, Any] = {"things": [C], "proposal": "P1"}
    assert world.rules("accept_transfer", at=4, by=MOVER_NAME, **answer) == ["not_its_receiver"]
    assert world.rules("cancel_transfer", at=4, by=STORE_NAME, **answer) == ["not_its_issuer"]
    world.do("accept_transfer", at=4, by=STORE_NAME, **answer)
    assert holders(world.history(C)) == (STORE_NAME,)
    assert world.rules("accept_transfer", at=5, by=STORE_NAME, **answer) == ["no_such_proposal"]
    # The issuer has it no more, so it cannot give it to the second.
    second: dict[str, Any] = {"things": [C], "proposal": "P2"}
    assert world.rules("accept_transfer", at=5, by=MOVER_NAME, **second) == ["issuer_without_role"]
    world.do("decline_transfer", at=5, by=MOVER_NAME, reason="not needed", **second)
    # Of the past, it would take from under what came after.
    assert world.rules("accept_transfer", at=3.7, by=MOVER_NAME, **second) != []


def test_ownership_is_given_by_the_owner_and_a_proposal_is_taken_back(world: World) -> None:
    world.do("propose_transfer", at=3, proposal="P1", things=[PALLET], role="ownership", to=STORE_NAME)
    # Who may not see the proposal learns nothing of it.
    answer: dict[str, Any] = {"things": [PALLET], "proposal": "P1"}
    assert world.rules("accept_transfer", at=4, by=MOVER_NAME, **answer) == ["no_such_proposal"]
    assert world.rules("accept_transfer", at=4, **answer) == ["not_its_receiver"]
    world.do("cancel_transfer", at=4, things=[PALLET], proposal="P1")
    assert world.rules("accept_transfer", at=5, by=STORE_NAME, things=[PALLET], proposal="P1") == ["no_such_proposal"]
    world.do("propose_transfer", at=6, proposal="P2", things=[PALLET], role="ownership", to=STORE_NAME)
    world.do("accept_transfer", at=7, by=STORE_NAME, things=[PALLET], proposal="P2")
    history = world.history(A)
    assert (holders(history), holders(history, OWNERSHIP)) == ((MAKER_NAME,), (STORE_NAME,))
    world.do("unpack", at=8, parent=PALLET)


def test_a_mere_claim_stands_in_nobodys_way(world: World) -> None:
    """Whoever has no right to a thing cannot block those who have by telling stories."""
    world.record("put", 3, TOTE, C, by=MOVER_NAME)
    world.record("end", 3, A, by=MOVER_NAME)
    world.do("unpack", at=4, parent=PALLET, children=[A])
    world.do("pack", at=5, parent=OTHER_PALLET, children=[A, C])
    assert world.history(C).state.contained_in == (OTHER_PALLET,)


class Registered(ListedParties):
    """The store holds the company prefix of the packs."""

    def prefix_key(self, thing: str) -> str:
        return thing

    def prefix_holder(self, thing: str, at: int) -> str | None:
        return STORE_NAME if thing.startswith(GTIN) and at < hours(10) else None


def test_identifiers_are_issued_by_the_holder_of_their_company_prefix() -> None:
    world = World(parties=Registered({}))
    assert world.rules("commission", at=1, things=[A]) == ["prefix_of_another"]
    world.do("commission", at=1, by=STORE_NAME, things=[A])
    assert world.rules("transform", at=2, by=MOVER_NAME, inputs=[TOTE], outputs=[B]) == ["prefix_of_another", "unknown"]
    world.do("commission", at=11, things=[C])  # when nobody holds it any more


def test_steps_of_shipping_have_commands_of_their_own(world: World) -> None:
    for step in ("shipping", "receiving"):
        with pytest.raises(ValidationError, match="a command of its own"):
            world.do("observe", things=[A], biz_step=step)


def test_a_lot_is_shipped_in_parts(world: World) -> None:
    kilos = {"id": lot("MILK"), "quantity": "10", "uom": "KGM"}
    world.do("commission", at=1, quantities=[kilos])
    world.do("ship", at=2, quantities=[kilos], to=STORE)
    world.do("ship", at=3, quantities=[kilos], to=MOVER)
    world.do("receive", at=4, by=STORE_NAME, quantities=[kilos])
    assert set(holders(world.history(lot("MILK")))) == {MAKER_NAME, STORE_NAME}


def test_a_shipment_is_called_back_by_whoever_shipped_it(world: World) -> None:
    """The maker of a thing and who is to receive it may speak of it, but did not ship it."""
    world.do("ship", at=3, things=[C], to=MOVER)
    world.do("receive", at=4, by=MOVER_NAME, things=[C])
    world.do("ship", at=5, by=MOVER_NAME, things=[C], to=STORE)
    for other in (MAKER_NAME, STORE_NAME):
        assert world.rules("observe", at=6, by=other, things=[C], biz_step="void_shipping") == ["not_custodian"]
    world.do("observe", at=6, by=MOVER_NAME, things=[C], biz_step="void_shipping")
    assert world.history(C).custody.shipments == ()


def test_two_organisations_may_call_their_holds_the_same() -> None:
    world = World(opened=OPENED | {"more"})
    world.do("commission", at=1, things=[C])
    world.do("ship", at=2, things=[C], to=STORE)
    world.do("receive", at=3, by=STORE_NAME, things=[C])
    world.do("place_hold", at=4, things=[C], reason="case 7", hold="H1")
    world.do("place_hold", at=5, by=STORE_NAME, things=[C], reason="seal broken", hold="H1")
    world.do("release_hold", at=6, things=[C], hold="H1")
    assert [hold.placed_by for hold in world.history(C).custody.holds] == [STORE_NAME]
    assert "held" in world.rules("ship", at=7, by=STORE_NAME, things=[C], to=MOVER)
    world.do("release_hold", at=8, by=STORE_NAME, things=[C], hold="H1")
    world.do("ship", at=9, by=STORE_NAME, things=[C], to=MOVER)


def test_a_hold_of_the_past_holds_what_was_inside(world: World) -> None:
    world.do("decommission", at=4, things=[A])
    assert world.rules("place_hold", at=3, things=[PALLET], reason="late") == ["held"]
    world.do("place_hold", at=5, things=[PALLET], reason="in time")


def test_what_comes_back_into_a_pallet_is_on_hold_no_more_than_the_pallet(world: World) -> None:
    world.do("place_hold", at=3, things=[PALLET], reason="case 7", hold="H1")
    world.record("take", 4, PALLET, A, by=MAKER_NAME)
    world.do("release_hold", at=5, things=[PALLET], hold="H1")
    world.do("pack", at=6, parent=PALLET, children=[A])
    assert [world.history(thing).custody.holds for thing in (PALLET, A, B)] == [()] * 3
    world.do("ship", at=7, things=[PALLET], to=STORE)


def test_two_open_offers_of_a_thing_have_two_names() -> None:
    """Who accepts a name must not get something else than what was offered to it."""
    world = World(opened=OPENED | {"more"})
    world.do("commission", at=1, things=[C])
    world.do("ship", at=2, things=[C], to=STORE)
    world.do("receive", at=3, by=STORE_NAME, things=[C])
    world.do("propose_transfer", at=4, by=STORE_NAME, things=[C], role="custody", to=MOVER_NAME, proposal="P1")
    offer: dict[str, Any] = {"things": [C], "role": "ownership", "to": MOVER_NAME}
    assert world.rules("propose_transfer", at=5, proposal="P1", **offer) == ["proposed_before"]
    world.do("propose_transfer", at=5, proposal="P2", **offer)


def test_what_has_ended_changes_hands_no_more(world: World) -> None:
    offer: dict[str, Any] = {"things": [C], "role": "ownership", "to": STORE_NAME}
    world.do("propose_transfer", at=3, proposal="P1", **offer)
    world.do("destroy", at=4, things=[C])
    assert world.rules("accept_transfer", at=5, by=STORE_NAME, things=[C], proposal="P1") == ["ended"]
    world.do("decline_transfer", at=5, by=STORE_NAME, things=[C], proposal="P1")
    assert world.rules("propose_transfer", at=6, **offer) == ["ended"]


def test_what_has_ended_is_not_put_on_hold(world: World) -> None:
    world.do("destroy", at=4, things=[C])
    assert world.rules("place_hold", at=5, things=[C], reason="case 7") == ["ended"]
    assert world.rules("customs_entry", at=5, things=[C], declaration="26DE0001") == ["ended"]


def test_what_is_on_hold_is_not_given_into_other_hands(world: World) -> None:
    """Neither is a pallet with something on hold inside; whose it is may change."""
    offer: dict[str, Any] = {"things": [PALLET], "to": STORE_NAME}
    assert world.rules("propose_transfer", at=1.5, role="custody", **offer) == ["offered", "unknown"]
    world.do("propose_transfer", at=3, proposal="P1", role="custody", **offer)
    world.do("propose_transfer", at=3, proposal="P2", role="ownership", **offer)
    world.do("place_hold", at=4, things=[A], reason="case 7", hold="H1")
    answer: dict[str, Any] = {"by": STORE_NAME, "things": [PALLET]}
    refused = world.refused("accept_transfer", at=5, proposal="P1", **answer)
    assert [(broken.rule, broken.things) for broken in refused.rules] == [(Rule.HELD, (A,))]
    world.do("accept_transfer", at=5, proposal="P2", **answer)
    assert world.rules("propose_transfer", at=5, role="custody", things=[PALLET], to=MOVER_NAME) == ["held"]
    world.do("release_hold", at=6, things=[A], hold="H1")
    world.do("accept_transfer", at=7, proposal="P1", **answer)
    # Nor is it held in the past, while it changed hands.
    assert world.rules("place_hold", at=6.5, by=STORE_NAME, things=[PALLET], reason="late") == ["held"]


def test_what_was_sent_off_is_not_given_to_another_meanwhile(world: World) -> None:
    offer: dict[str, Any] = {"things": [C], "to": STORE_NAME}
    world.do("propose_transfer", at=3, proposal="P1", role="custody", **offer)
    world.do("propose_transfer", at=3, proposal="P2", role="ownership", **offer)
    world.do("ship", at=4, things=[C], to=MOVER)
    assert world.rules("accept_transfer", at=5, by=STORE_NAME, things=[C], proposal="P1") == ["under_way"]
    world.do("accept_transfer", at=5, by=STORE_NAME, things=[C], proposal="P2")
    world.do("receive", at=6, by=MOVER_NAME, things=[C])


def test_what_another_has_is_not_made(world: World) -> None:
    """Nobody saw it made, and to say so now must not take it out of the hands that it is in."""
    found = pack("X")
    received = world.do("receive", at=3, by=STORE_NAME, things=[found])
    for name, members in (("commission", {"things": [found]}), ("transform", {"inputs": [C], "outputs": [found]})):
        (broken,) = world.refused(name, at=4, **members).rules
        assert (broken.rule.value, broken.facts[0].position) == ("commissioned_before", received)
    world.do("commission", at=4, by=STORE_NAME, things=[found])
    assert holders(world.history(found)) == (STORE_NAME,)


def test_into_what_is_offered_nothing_more_is_packed(world: World) -> None:
    """The receiver would have the pallet, and in it a pack of somebody else."""
    offer: dict[str, Any] = {"things": [PALLET], "role": "custody", "to": STORE_NAME, "proposal": "P1"}
    world.do("propose_transfer", at=3, **offer)
    assert world.rules("pack", at=4, parent=PALLET, children=[C]) == ["offered"]
    world.do("cancel_transfer", at=5, things=[PALLET], proposal="P1")
    world.do("pack", at=6, parent=PALLET, children=[C])
    world.do("propose_transfer", at=7, **offer)
    world.do("accept_transfer", at=8, by=STORE_NAME, things=[PALLET], proposal="P1")
    assert [holders(world.history(thing)) for thing in (PALLET, A, C)] == [(STORE_NAME,)] * 3


def test_a_lot_is_received_in_parts(world: World) -> None:
    def some(quantity: int) -> dict[str, Any]:
        return {"quantities": [{"id": lot("MILK"), "quantity": quantity, "uom": "KGM"}]}

    world.do("commission", at=1, **some(100))
    assert world.rules("receive", at=2, **some(1)) == ["not_under_way"]
    world.do("ship", at=3, to=STORE, **some(90))
    for at, part in enumerate((50, 30, 10), start=4):
        world.do("receive", at=at, by=STORE_NAME, **some(part))
    assert world.rules("receive", at=7, by=STORE_NAME, **some(1)) == ["not_under_way"]
    assert holders(world.history(lot("MILK"))) == (MAKER_NAME, STORE_NAME)
    world.do("ship", at=7, things=[C], to=STORE)
    world.do("receive", at=8, by=STORE_NAME, things=[C])
    assert world.rules("receive", at=9, by=STORE_NAME, things=[C]) == ["not_under_way"]  # it has no parts
    assert world.rules("receive", at=7, by=MOVER_NAME, **some(1)) == ["no_authority", "not_under_way"]


def test_a_thing_is_missed_by_who_has_owns_or_expects_it(world: World) -> None:
    """Else a maker would take what it sold out of the hands of others, and receive it."""
    stolen: dict[str, Any] = {"things": [C], "disposition": "stolen"}
    world.do("ship", at=3, things=[C], to=STORE, owner=STORE)
    world.do("receive", at=4, by=STORE_NAME, things=[C])
    assert world.rules("observe", at=5, **stolen) == ["not_custodian"]
    assert world.rules("receive", at=5, things=[C]) == ["not_under_way"]
    world.do("ship", at=5, by=STORE_NAME, things=[C], to=MOVER)
    world.do("observe", at=6, by=MOVER_NAME, **stolen)
    assert holders(world.history(C)) == ()


def test_what_is_on_hold_is_not_sent_back() -> None:
    world = World(opened=OPENED | {"more"})
    world.do("commission", at=1, things=[C])
    world.do("ship", at=2, things=[C], to=STORE)
    world.do("receive", at=3, by=STORE_NAME, things=[C])
    world.do("place_hold", at=4, things=[C], kind="recall", reason="case 7", hold="H1")
    assert world.rules("reject", at=5, by=STORE_NAME, things=[C]) == ["held"]
    world.do("release_hold", at=6, things=[C], hold="H1")
    world.do("reject", at=7, by=STORE_NAME, things=[C])
