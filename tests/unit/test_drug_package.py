"""Packages of medicines: what they are told to be, whatever the order of arrival, and what commands refuse."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.desks import STORE, World
from tests.support.happenings import (
    GTIN,
    MAKER,
    PALLET,
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
    take,
)
from tests.support.holders import PARTIES, PARTY, SEES_ALL, SHOP
from traceability.supply_chain.commands.refusal import Rule
from traceability.supply_chain.days import read_day
from traceability.supply_chain.drug_package.events import (
    BatchRecalled,
    Inactive,
    PackDeactivated,
    PackReactivated,
    ProductWithdrawn,
)
from traceability.supply_chain.drug_package.package import Alert, DrugPackage
from traceability.supply_chain.drug_package.reading import drug_package
from traceability.supply_chain.parties import ListedParties

A, B = pack("A"), pack("B")
LOT = lot("L1")
DAY = 24
EXPIRY = {"urn:epcglobal:cbv:mda:itemExpirationDate": "2026-04-30", "urn:epcglobal:cbv:mda:lotNumber": "L1"}
MADE = replace(commission(1, A), how={"ilmd": EXPIRY})
Told = Happening | Decided


def off(at: float, status: Inactive = Inactive.SUPPLIED, *, by: str = MAKER) -> Decided:
    return Decided(at, PackDeactivated(things=(A,), status=status), by=by)


def on(at: float, status: Inactive = Inactive.SUPPLIED, *, by: str = MAKER) -> Decided:
    return Decided(at, PackReactivated(things=(A,), status=status), by=by)


def recalled(at: float, *, by: str = MAKER) -> Decided:
    return Decided(at, BatchRecalled(things=(LOT,), reason="particles"), by=by)


def withdrawn(at: float, *, by: str = MAKER) -> Decided:
    return Decided(at, ProductWithdrawn(things=(GTIN,), reason="side effects"), by=by)


def seen(*told: Told, as_of: float | None = None) -> DrugPackage:
    return drug_package(index_of(told, reader=SEES_ALL), A, PARTIES, None if as_of is None else hours(as_of))[0]


def alerts(*told: Told) -> list[tuple[str, int, int | None]]:
    return [(one.alert.value, one.position, one.against) for one in seen(*told).alarms]


def status(found: DrugPackage) -> str | None:
    return None if found.inactive is None else found.inactive.status.value


def test_a_pack_is_made_and_may_be_dispensed_until_it_expires() -> None:
    found = seen(MADE)
    assert (found.lot, found.expiry, status(found)) == (LOT, date(2026, 4, 30), None)
    assert found.may_be_dispensed(hours(2))
    assert [found.expired(hours(61 * DAY - 0.001)), found.expired(hours(61 * DAY))] == [False, True]
    assert not seen(observe(1, A)).may_be_dispensed(hours(2))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([off(2)], "supplied"),
        ([observe(2, A, step="dispensing", disposition="dispensed")], "supplied"),
        ([end(2, A, step="destroying", disposition="destroyed")], "destroyed"),
        ([observe(2, A, disposition="stolen")], "stolen"),
        ([end(2, A)], "decommissioned"),
        ([off(2, Inactive.EXPORTED), off(3, Inactive.DESTROYED)], "exported"),
        ([off(2, Inactive.LOCKED), off(3, Inactive.DESTROYED)], "destroyed"),
        ([off(2), on(3)], None),
        ([off(2), on(3), off(4, Inactive.SAMPLE)], "sample"),
        ([off(2), on(2 + 10 * DAY)], None),
    ],
)
def test_the_status(told: list[Told], expected: str | None) -> None:
    assert status(seen(MADE, *told)) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([off(2), off(3)], [("repeated", 3, 2)]),
        ([observe(2, A, disposition="dispensed"), off(3)], [("repeated", 3, 2)]),
        ([off(2), observe(3, A, step="shipping")], [("handled_inactive", 3, 2)]),
        ([off(2, Inactive.LOCKED), observe(3, A, step="shipping")], []),
        ([on(2)], [("nothing_to_reverse", 2, None)]),
        ([off(2), on(3, Inactive.EXPORTED)], [("another_status", 3, 2)]),
        ([observe(2, A, disposition="dispensed"), on(3)], [("told_by_event", 3, 2)]),
        ([off(2), on(3 + 10 * DAY)], [("too_late", 3, 2)]),
        ([off(2, Inactive.LOCKED), on(3 + 10 * DAY, Inactive.LOCKED)], []),
        ([off(2, Inactive.STOLEN), on(3, Inactive.STOLEN)], [("irreversible", 3, 2)]),
        ([recalled(1.5), off(2), on(3)], [("recalled", 4, 3)]),
        ([off(2), on(3), recalled(4)], []),
        ([withdrawn(1.5), off(2), on(3)], [("withdrawn", 4, 3)]),
        ([off(60 * DAY), on(61 * DAY)], [("expired", 3, 2)]),
    ],
)
def test_what_is_wrong_changes_nothing_and_is_told(told: list[Told], expected: list[Any]) -> None:
    assert alerts(MADE, *told) == expected


def test_of_two_organisations_one_pack_may_be_a_counterfeit() -> None:
    shop = {"by": SHOP}
    told: list[Told] = [
        MADE,
        observe(2, A, step="shipping", destinations={"possessing_party": PARTY[SHOP]}),
        observe(3, A, step="receiving", **shop),
        off(4, by=SHOP),
    ]
    assert status(seen(*told)) == "supplied"
    assert [one.alert for one in seen(*told, off(5)).alarms] == [Alert.DEACTIVATED_AGAIN]
    assert [one.alert for one in seen(*told, on(5)).alarms] == [Alert.ANOTHER_ORGANISATION]


def test_what_is_stolen_with_its_pallet_is_stolen() -> None:
    told: list[Told] = [MADE, put(2, PALLET, A), observe(3, PALLET, disposition="stolen")]
    assert status(seen(*told)) == "stolen"
    assert status(seen(MADE, put(2, PALLET, A), observe(3, PALLET, step="shipping"))) is None
    assert status(seen(MADE, put(2, PALLET, A), take(2.5, PALLET, A), observe(3, PALLET, disposition="stolen"))) is None


def test_who_locked_a_pack_says_what_became_of_it_and_nobody_else() -> None:
    shop = {"by": SHOP}
    told: list[Told] = [
        MADE,
        off(2, Inactive.LOCKED),
        observe(3, A, step="shipping", destinations={"possessing_party": PARTY[SHOP]}),
        observe(4, A, step="receiving", **shop),
        off(5, Inactive.DESTROYED, by=SHOP),
    ]
    assert status(seen(*told)) == "locked"
    assert [one.alert for one in seen(*told).alarms] == [Alert.DEACTIVATED_AGAIN]


def test_the_holder_of_the_prefix_recalls_what_another_made_before_it_was_registered() -> None:
    class Prefixed(ListedParties):
        def prefix_key(self, thing: str) -> str:
            return thing

        def prefix_holder(self, thing: str, at: int) -> str | None:  # noqa: ARG002
            return SHOP if at > hours(1.5) else None

    index = index_of([MADE, recalled(2), recalled(3, by=SHOP)], reader=SEES_ALL)
    found = drug_package(index, A, Prefixed({}))[0]
    assert found.recalled is not None
    assert found.recalled.by == SHOP


def test_a_recall_by_who_did_not_make_the_pack_stops_nothing() -> None:
    assert seen(MADE, recalled(2, by="rival.example")).may_be_dispensed(hours(3))
    assert not seen(MADE, recalled(2)).may_be_dispensed(hours(3))
    assert not seen(MADE, withdrawn(2)).may_be_dispensed(hours(3))
    assert seen(MADE, recalled(2), as_of=1.5).recalled is None


def test_days_as_people_and_bar_codes_write_them() -> None:
    assert [read_day(text) for text in ("2026-04-30", "260430", "260200", "280200", "269900", "x", "")] == [
        date(2026, 4, 30),
        date(2026, 4, 30),
        date(2026, 2, 28),
        date(2028, 2, 29),
        None,
        None,
        None,
    ]


_any = st.one_of(
    st.builds(off, st.integers(2, 6), st.sampled_from(Inactive), by=st.sampled_from([MAKER, SHOP])),
    st.builds(on, st.integers(2, 6), st.sampled_from(Inactive), by=st.sampled_from([MAKER, SHOP])),
    st.builds(recalled, st.integers(0, 6), by=st.sampled_from([MAKER, SHOP])),
    st.builds(withdrawn, st.integers(0, 6)),
    st.builds(lambda at: observe(at, A, disposition="dispensed"), st.integers(2, 6)),
    st.builds(lambda at: observe(at, A, step="shipping", by=SHOP), st.integers(2, 6)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_any, max_size=7), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same(told: list[Told], choose: random.Random) -> None:
    def content(world: list[Told]) -> Any:
        found, events = drug_package(index_of(world, reader=SEES_ALL), A, PARTIES)

        def name(position: int | None) -> Any:
            return None if position is None else events[position].digest

        stopped = [stop and (stop.since, stop.by, name(stop.position)) for stop in (found.recalled, found.withdrawn)]
        inactive = found.inactive and found.inactive._replace(position=0)
        return (
            inactive,
            stopped,
            sorted((a.alert, name(a.position), name(a.against)) for a in found.alarms if a.against),
        )

    assert content(choose.sample([MADE, *told], len(told) + 1)) == content([MADE, *told])


@settings(max_examples=300, deadline=None)
@given(st.lists(_any, max_size=7))
def test_a_plain_walk_tells_the_same_status(told: list[Told]) -> None:
    """Of what the maker alone says, with no two things at one time: a walk by the rules as they are written."""
    mine = {one.at: one for one in told if one.by == MAKER and isinstance(one, Decided)}
    world: list[Told] = [MADE, *mine.values()]
    current: tuple[Inactive, float] | None = None
    stopped: list[float] = [at for at, one in mine.items() if isinstance(one.payload, BatchRecalled | ProductWithdrawn)]
    for at in sorted(mine):
        said = mine[at].payload
        if isinstance(said, PackDeactivated):
            if current is None or current[0] is Inactive.LOCKED:
                current = said.status, at
        elif isinstance(said, PackReactivated) and current is not None:
            final = current[0] in (Inactive.DESTROYED, Inactive.STOLEN)
            if current[0] is said.status and not final and not any(stop <= at for stop in stopped):
                current = None
    assert status(seen(*world)) == (None if current is None else current[0].value)


# ── Commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def world() -> World:
    world = World(opened=frozenset({"what", "where", "why", "how", "more"}))
    world.do("commission", at=1, things=[A, B], lot="L1", expiry="2026-04-30")
    return world


def told_of(world: World) -> DrugPackage:
    return drug_package(world.view(MAKER), A, world.parties)[0]


def test_a_pack_is_taken_off_sale_and_put_back(world: World) -> None:
    world.do("deactivate_pack", at=2, things=[A], status="free_sample")
    assert status(told_of(world)) == "free_sample"
    assert world.rules("deactivate_pack", at=3, things=[A], status="exported") == ["deactivated"]
    assert world.rules("reactivate_pack", at=3, things=[A], status="exported") == ["not_reversible"]
    assert world.rules("reactivate_pack", at=3, by="store.example", things=[A], status="free_sample") == [
        "no_authority",
    ]
    assert world.rules("reactivate_pack", at=3 + 10 * DAY, things=[A], status="free_sample") == ["not_reversible"]
    world.do("reactivate_pack", at=3, things=[A], status="free_sample")
    assert status(told_of(world)) is None
    # Nor is it taken off sale in the past, so that something later would be undone that was not.
    assert world.rules("deactivate_pack", at=1.5, things=[A], status="exported") == ["deactivated", "not_reversible"]


def test_a_recalled_batch_stays_off_sale(world: World) -> None:
    world.do("deactivate_pack", at=2, things=[A], status="supplied")
    world.do("recall_batch", at=3, lots=[LOT], reason="particles")
    assert world.rules("reactivate_pack", at=4, things=[A], status="supplied") == ["not_reversible"]
    found = told_of(world)
    assert found.recalled is not None
    assert found.recalled.reason == "particles"
    assert world.rules("recall_batch", by="store.example", at=4, lots=[LOT], reason="x") == ["no_authority"]
    # Where no prefix is registered anybody may say so, and it counts for the packs that they made.
    world.do("withdraw_product", by="store.example", at=4, products=[GTIN], reason="x")
    assert told_of(world).withdrawn is None


LAST, OVER = 24 * 29.5, 24 * 30.5
"""On the day on which they expire, 2026-03-30, and on the next."""


@pytest.fixture
def expiring() -> World:
    world = World(opened=frozenset({"what", "where", "why", "how", "more"}))
    world.do("commission", at=1, things=[A, B], lot="L1", expiry="2026-03-30")
    return world


@pytest.mark.parametrize("inside", [False, True], ids=["by itself", "on a pallet"])
def test_what_is_off_sale_is_shipped_as_unsellable_alone(expiring: World, *, inside: bool) -> None:
    world = expiring
    if inside:
        world.do("pack", at=1.5, parent=PALLET, children=[A, B])
    things = [PALLET] if inside else [A, B]

    def rules(at: float) -> list[str]:
        return world.rules("ship", at=at, things=things, to=STORE)

    assert rules(OVER) == ["expired"]
    world.do("deactivate_pack", at=4, things=[A], status="locked")
    (broken,) = world.refused("ship", at=5, things=things, to=STORE).rules
    assert (broken.rule, broken.things) == (Rule.INACTIVE, (A,))
    assert broken.facts[0].sentence.endswith("(locked).")
    world.do("recall_batch", at=6, lots=[LOT], reason="particles")
    assert rules(7) == ["inactive", "recalled"]
    assert rules(5.5) == ["inactive"]
    refused = world.refused("ship", at=OVER, things=things, to=STORE)
    assert [(one.rule, one.things) for one in refused.rules] == [
        (Rule.EXPIRED, (A, B)),
        (Rule.INACTIVE, (A,)),
        (Rule.RECALLED, (A, B)),
    ]
    position = world.do("ship", at=OVER, things=things, to=STORE, unsellable=True)
    (record,) = world.ledger.records([position])
    assert b'"persistentDisposition":{"set":["non_sellable_other"]}' in record.event.parts.head


def test_a_lot_is_off_sale_when_it_is_recalled_or_has_expired(world: World) -> None:
    some: dict[str, Any] = {"quantities": [{"id": lot("MILK"), "quantity": 10, "uom": "KGM"}]}
    world.do("commission", at=1, **some, expiry="2026-03-30")
    assert world.rules("ship", at=OVER, to=STORE, **some) == ["expired"]
    world.do("withdraw_product", at=3, products=[GTIN], reason="mislabelled")
    assert world.rules("ship", at=4, to=STORE, **some) == ["recalled"]
    world.do("ship", at=4, to=STORE, unsellable=True, **some)


def test_what_another_recalls_or_goes_abroad_or_expires_tonight_is_shipped(expiring: World) -> None:
    expiring.do("recall_batch", at=3, by="store.example", lots=[LOT], reason="x")
    expiring.do("deactivate_pack", at=4, things=[A], status="exported")
    expiring.do("ship", at=LAST, things=[A, B], to=STORE)


def beside(serial: str, batch: str) -> str:
    return f"https://id.gs1.org/01/09521234000013/10/{batch}/21/{serial}"


def test_of_packs_that_are_told_of_together_those_of_a_recalled_batch_stay() -> None:
    world = World(opened=frozenset({"what", "where", "why", "how", "more"}))
    world.do("commission", at=1, things=[beside("A", "L1"), beside("B", "L2")])
    world.do("recall_batch", at=2, lots=[lot("L2")], reason="particles")
    (broken,) = world.refused("ship", at=3, things=[A, B], to=STORE).rules
    assert (broken.rule, broken.things) == (Rule.RECALLED, (B,))
    world.do("ship", at=3, things=[A], to=STORE)


def test_the_batch_that_was_told_last_counts_but_for_what_the_command_tells() -> None:
    world = World(opened=frozenset({"what", "where", "why", "how", "more"}))
    world.do("commission", at=1, things=[A, B], lot="L1")
    world.do("pack", at=2, parent=PALLET, children=[beside("A", "L2")])
    world.do("unpack", at=3, parent=PALLET, children=[A])
    world.do("recall_batch", at=4, lots=[lot("L2")], reason="particles")
    assert world.rules("ship", at=5, things=[A], to=STORE) == ["recalled"]
    assert world.rules("ship", at=5, things=[beside("A", "L1")], to=STORE) == ["recalled"]
    assert told_of(world).lot == lot("L2")
    world.do("ship", at=5, things=[B], to=STORE)


class HeldByMaker(ListedParties):
    """Parties of whom one holds every company prefix."""

    def prefix_key(self, thing: str) -> str:
        return thing

    def prefix_holder(self, thing: str, at: int) -> str | None:  # noqa: ARG002
        return MAKER


def test_so_much_of_a_product_that_its_holder_withdrew_is_not_sold() -> None:
    world = World(opened=frozenset({"what", "where", "why", "how", "more"}), parties=HeldByMaker({}))
    some: dict[str, Any] = {"quantities": [{"id": GTIN, "quantity": 10}], "to": STORE}
    world.do("commission", at=1, quantities=[{"id": GTIN, "quantity": 30}], expiry="2026-03-02")
    world.do("ship", at=OVER, **some)  # others were made since
    world.do("withdraw_product", at=3, products=[GTIN], reason="side effects")
    assert world.rules("ship", at=OVER, **some) == ["recalled"]
    world.do("ship", at=OVER, unsellable=True, **some)
