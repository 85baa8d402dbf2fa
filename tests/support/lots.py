"""Lots that are made, packed, moved and used up by several organisations, in small worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.support.desks import World
from tests.support.happenings import (
    MAKER,
    OTHER_PALLET,
    PALLET,
    PLANT,
    STORE,
    TOTE,
    Decided,
    Happening,
    commission,
    hours,
    index_of,
    lot,
    observe,
    pack,
    put,
)
from tests.support.holders import CARRIER, PARTIES, PARTY, SEES_ALL, SHOP
from traceability.ledger.access import Reader
from traceability.supply_chain.decisions import HoldPlaced, HoldReleased
from traceability.supply_chain.lot.accounts import Total
from traceability.supply_chain.lot.lot import Lot
from traceability.supply_chain.lot.reading import read_lot

LOT = lot("A7")
RAW, KIT = lot("R1"), lot("K1")
DOCK = "https://id.gs1.org/414/9521234000020"
MDA = "urn:epcglobal:cbv:mda:"
Said = Happening | Decided


def counted(
    at: float,
    step: str | None,
    quantity: float | None,
    uom: str | None = "KGM",
    *,
    action: str = "OBSERVE",
    **more: Any,
) -> Happening:
    """Return an ObjectEvent about so much of the lot."""
    place, of = more.pop("place", None), more.pop("of", LOT)
    where = {"readPoint": {"id": place}, "bizLocation": {"id": place}} if place else {}
    return Happening("object", at, [("quantityList", of, quantity, uom)], action, step, where=where, **more)


def made(at: float, quantity: float | None, uom: str | None = "KGM", **more: Any) -> Happening:
    step, ilmd = more.pop("step", "commissioning"), more.pop("ilmd", None)
    how = {"ilmd": {f"{MDA}{name}": value for name, value in ilmd.items()}} if ilmd else {}
    place = more.pop("place", PLANT)
    return counted(at, step, quantity, uom, action="ADD", place=place, how=how | more.pop("how", {}), **more)


def shipped(
    at: float, quantity: float | None, uom: str | None = "KGM", to: str | None = SHOP, **more: Any
) -> Happening:
    ends = {"possessing_party": PARTY[to]} if to else {}
    step, place = more.pop("step", "shipping"), more.pop("place", PLANT)
    return counted(at, step, quantity, uom, place=place, destinations=ends, disposition="in_transit", **more)


def received(at: float, quantity: float | None, uom: str | None = "KGM", **more: Any) -> Happening:
    place, by = more.pop("place", STORE), more.pop("by", SHOP)
    return counted(at, more.pop("step", "receiving"), quantity, uom, place=place, by=by, **more)


def used(at: float, quantity: float, uom: str | None = "KGM", **more: Any) -> Happening:
    items = [("inputQuantityList", LOT, quantity, uom), ("outputQuantityList", KIT, 1, None)]
    return Happening("transformation", at, items, step="creating_class_instance", **more)


def sold(at: float, quantity: float, uom: str | None = "KGM", **more: Any) -> Happening:
    return counted(at, "retail_selling", quantity, uom, place=STORE, by=more.pop("by", SHOP), **more)


def packed(at: float, quantity: float, into: str = PALLET, uom: str | None = "KGM", **more: Any) -> Happening:
    items = [("parentID", into), ("childQuantityList", LOT, quantity, uom)]
    return Happening("aggregation", at, items, more.pop("action", "ADD"), more.pop("step", "packing"), **more)


def unpacked(at: float, quantity: float | None = None, out_of: str = PALLET, **more: Any) -> Happening:
    """Unpack so much; everything where it is not said how much."""
    items: list[tuple[Any, ...]] = [("parentID", out_of)]
    items += [] if quantity is None else [("childQuantityList", LOT, quantity, "KGM")]
    return Happening("aggregation", at, items, "DELETE", "unpacking", **more)


def certified(at: float, kind: str, *, step: str = "inspecting", by: str = MAKER, **told: str) -> Happening:
    certificate = {f"https://gs1.org/voc/certification{name}": value for name, value in told.items()}
    certificate["https://gs1.org/voc/certificationType"] = kind
    return counted(at, step, 1, place=PLANT, by=by, how={"certificationInfo": [certificate]})


def held(at: float, *, by: str = MAKER, of: str = LOT) -> Decided:
    return Decided(at, HoldPlaced(things=(of,), hold="h1", kind="quality", reason="retest"), by=by)


def let_go(at: float, *, by: str = MAKER, of: str = LOT) -> Decided:
    return Decided(at, HoldReleased(things=(of,), hold="h1"), by=by)


def seen(
    *said: Said, reader: Reader = SEES_ALL, as_of: float | None = None, required: Sequence[str] = (), of: str = LOT
) -> Lot:
    at = None if as_of is None else hours(as_of)
    return read_lot(index_of(said, reader=reader), of, PARTIES, at, required=required)[0]


def findings(*said: Said, **more: Any) -> list[tuple[str, int, int | None]]:
    return [(one.code.value, one.position, one.against) for one in seen(*said, **more).findings]


def some(quantity: str) -> list[dict[str, str]]:
    """Return so much of the lot as commands take it."""
    return [{"id": LOT, "quantity": quantity, "uom": "KGM"}]


def world_with_lot() -> World:
    """Return organisations that give commands, one of which made a hundred kilograms."""
    world = World(opened=frozenset({"what", "where", "why", "how", "more"}))
    world.do("commission", at=1, quantities=some("100"))
    return world


def where(found: Lot) -> list[tuple[Any, ...]]:
    """Return what is where in short: holder, place, container, to whom it is under way (False: not), amount."""
    return [
        (
            row.account.holder,
            row.account.place,
            row.account.container,
            row.account.under_way and (row.account.to or True),
            row.quantity,
        )
        for row in found.stock
    ]


def totals(found: Lot) -> dict[str, Any]:
    """Return what is added up in the only kind of unit, without what is nothing."""
    (one,) = found.sums
    return {total.value: amount for total, amount in one.totals.items() if amount} | {"left": one.left}


def balanced(found: Lot) -> bool:
    """Tell whether what came is what went and what is left."""
    came = (Total.MADE, Total.BROUGHT_IN, Total.SHORT)
    went = (Total.USED, Total.SOLD, Total.DESTROYED, Total.LOST, Total.DECOMMISSIONED)
    return all(
        sum(one.totals[total] for total in came) == sum(one.totals[total] for total in went) + one.left
        for one in found.sums
    )


_at = st.integers(1, 6)
_amount = st.integers(1, 4)
_who = st.sampled_from([MAKER, SHOP, CARRIER])
_to = st.sampled_from([MAKER, SHOP, CARRIER, None])
_place = st.sampled_from([PLANT, STORE, DOCK, None])
_pallet = st.sampled_from([PALLET, OTHER_PALLET])
_steps = st.sampled_from(["shipping", "shipping", "departing", "consigning"])
_seen_steps = st.sampled_from(
    ["storing", "loading", "arriving", "accepting", "void_shipping", "https://shop.example/steps/rejecting"]
)
said: st.SearchStrategy[Said] = st.one_of(
    st.builds(made, _at, _amount, by=_who, place=_place),
    st.builds(shipped, _at, _amount, to=_to, by=_who, place=_place, step=_steps),
    st.builds(shipped, _at, _amount, to=_to, by=_who, place=_place),
    st.builds(received, _at, _amount, by=_who, place=_place),
    st.builds(received, _at, _amount, by=_who, place=_place),
    st.builds(used, _at, _amount, by=_who),
    st.builds(sold, _at, _amount, by=_who),
    st.builds(packed, _at, _amount, _pallet, by=_who),
    st.builds(packed, _at, _amount, _pallet, by=_who, action=st.just("OBSERVE"), step=st.just("receiving")),
    st.builds(unpacked, _at, st.one_of(st.none(), _amount), _pallet, by=_who),
    st.builds(lambda at, p, by, to: observe(at, p, step="shipping", place=DOCK, by=by, destinations=(
        {"possessing_party": PARTY[to]} if to else {})), _at, _pallet, _who, _to),
    st.builds(lambda at, p, step, by: observe(at, p, step=step, place=STORE, by=by), _at, _pallet,
              st.sampled_from(["receiving", "receiving", "arriving"]), _who),
    st.builds(lambda at, q, step, by, place: counted(at, step, q, by=by, place=place), _at, _amount, _seen_steps, _who,
              _place),
)  # fmt: skip
worlds: st.SearchStrategy[list[Said]] = st.lists(said, min_size=1, max_size=14)
"""Where whole kilograms go."""

_day = st.sampled_from(["2026-04-30", "2026-05-31"])
_grams, _cases = (st.builds(made, _at, _amount, st.just(uom)) for uom in ("GRM", "CS"))
_kinds = st.sampled_from(["phyto", "health"])
_others: st.SearchStrategy[Said] = st.one_of(
    _grams,
    _cases,
    st.builds(lambda at, day: made(at, 1, ilmd={"itemExpirationDate": day}), _at, _day),
    st.builds(lambda at, step: made(at, 1, step=step), _at, st.sampled_from(["receiving", "shipping", "packing"])),
    st.builds(certified, _at, _kinds, by=_who, Value=st.sampled_from(["positive", "negative"])),
    st.builds(lambda at, kind: certified(at, kind, Identification="1"), _at, _kinds),
    st.builds(held, _at, by=_who),
    st.builds(let_go, _at, by=_who),
    st.builds(held, _at, of=_pallet),
    st.builds(lambda at, n: commission(at, pack(n), number="A7"), _at, st.integers(1, 3)),
    st.builds(lambda at, n, into: put(at, into, pack(n)), _at, st.integers(1, 3), _pallet),
    st.builds(lambda at, into: put(at, TOTE, into), _at, _pallet),
)  # fmt: skip


@st.composite
def rich_worlds(draw: st.DrawFn) -> list[Said]:
    """Draw all that may be said of a lot, each once; some of it is taken back by who said it, or in vain by another."""
    found = draw(st.lists(st.one_of(said, _others), min_size=1, max_size=12))
    once = [one for place, one in enumerate(found) if one not in found[:place]]
    world = [
        replace(one, event_id=f"urn:uuid:{n}") if isinstance(one, Happening) else one for n, one in enumerate(once)
    ]
    events = [one for one in world if isinstance(one, Happening)]
    taken_back = (
        draw(st.lists(st.sampled_from(events), max_size=2, unique_by=lambda one: one.event_id)) if events else []
    )
    return world + [one.retracted(by=draw(st.sampled_from([None, None, SHOP]))) for one in taken_back]


def content(found: Lot, ids: Sequence[int]) -> object:
    """Return all that is told of a lot, with the events by what they say and not by where they were recorded."""

    def who(position: int | None) -> int:
        return -1 if position is None else ids[position - 1]

    return (
        found.stage,
        sorted((one.stage, one.at, one.by, who(one.position)) for one in found.passed),
        found.assigned and (found.assigned.at, found.assigned.by, found.assigned.source),
        found.dates,
        found.sums,
        found.stock,
        found.members,
        sorted(map(who, found.unstated)),
        [(hold.hold, hold.since, who(hold.position)) for hold in found.holds],
        sorted((one.kinds, who(one.position)) for one in found.certificates),
        sorted((one.tracked, who(one.position), sorted(one.told.items())) for one in found.key_data),
        sorted((one.code, who(one.position), who(one.against), one.note) for one in found.findings),
    )
