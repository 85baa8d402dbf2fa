"""Small random worlds of several organisations that make, pack, ship, claim, decide and take back."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from tests.support.happenings import (
    GTIN,
    MAKER,
    PALLET,
    TOTE,
    Decided,
    Happening,
    commission,
    end,
    lot,
    observe,
    pack,
    put,
    take,
    transform,
)
from tests.support.holders import CARRIER, OUTSIDE, PARTY, RIVAL, SHOP, WAREHOUSE, Told
from traceability.supply_chain.about_things import AboutThings
from traceability.supply_chain.decisions import (
    HoldingRole,
    HoldPlaced,
    HoldReleased,
    TransferAccepted,
    TransferCancelled,
    TransferDeclined,
    TransferProposed,
)

THINGS = [pack("1"), f"{GTIN}/10/L1/21/3", PALLET, TOTE]
COUNTED = [lot("L1"), GTIN]
ASKED = [pack("1"), pack("3"), PALLET, TOTE, *COUNTED]
ORGANISATIONS = [MAKER, MAKER, CARRIER, SHOP, RIVAL]
ENDS = [None, None, None, PARTY[CARRIER], PARTY[SHOP], PARTY[MAKER], OUTSIDE]
STEPS = ["shipping", "shipping", "departing", "receiving", "receiving", "accepting", "returning", "void_shipping",
         "dispensing", "storing", None]  # fmt: skip

_at = st.integers(0, 8)
_some = st.lists(st.sampled_from(THINGS), min_size=1, max_size=2, unique=True)
_counted = st.lists(st.sampled_from(COUNTED), max_size=1)
_by = st.sampled_from(ORGANISATIONS)
_named = st.sampled_from(["1", "2"])


@st.composite
def _dealing(draw: DrawFn) -> Told:
    at, some, by = draw(_at), draw(_some), draw(_by)
    made: Told
    match draw(st.sampled_from(["made", "moved", "moved", "moved", "ended", "put", "put", "take", "used", "decided"])):
        case "made":
            made = commission(at, *some, number=draw(st.sampled_from([None, "L1"])), by=by, destinations=_ends(draw))
        case "moved":
            made = _moved(draw, at, some, by)
        case "ended":
            made = end(at, *some, by=by)
        case "put":
            made = put(at, draw(st.sampled_from([PALLET, TOTE])), *some, counted=draw(_counted), by=by)
        case "take":
            named = some if draw(st.booleans()) else []
            made = take(at, draw(st.sampled_from([PALLET, TOTE])), *named, by=by)
        case "used":
            made = transform(at, some, draw(_some), counted_outputs=draw(_counted), by=by)
        case _:
            made = Decided(at, draw(_decisions(by)), by, [MAKER, SHOP])
    return made


def _moved(draw: DrawFn, at: int, some: list[str], by: str) -> Happening:
    moved = observe(
        at,
        *some,
        by=by,
        step=draw(st.sampled_from(STEPS)),
        place=draw(st.sampled_from([None, WAREHOUSE])),
        disposition=draw(st.sampled_from([None, "in_transit"])),
        destinations=_ends(draw),
        sources={"owning_party": PARTY[MAKER]} if draw(st.booleans()) else {},
    )
    return replace(moved, items=[*moved.items, *(("quantityList", thing, 1, "KGM") for thing in draw(_counted))])


def _ends(draw: DrawFn) -> dict[str, str]:
    ends = {kind: draw(st.sampled_from(ENDS)) for kind in ("possessing_party", "owning_party")}
    ends["location"] = draw(st.sampled_from([None, None, WAREHOUSE]))
    return {kind: party for kind, party in ends.items() if party is not None}


@st.composite
def _decisions(draw: DrawFn, by: str) -> AboutThings:
    things, name = tuple(draw(st.lists(st.sampled_from(ASKED), min_size=1, max_size=2, unique=True))), draw(_named)
    match draw(st.sampled_from(["propose", "propose", "accept", "accept", "decline", "cancel", "hold", "release"])):
        case "propose":
            role, issuer, receiver = draw(st.sampled_from(HoldingRole)), draw(st.sampled_from([by, OUTSIDE])), draw(_by)
            return TransferProposed(things=things, proposal=name, role=role, issuer=issuer, receiver=receiver)
        case "hold":
            return HoldPlaced(things=things, hold=name, kind="quality", reason="warm")
        case "release":
            return HoldReleased(things=things, hold=name)
        case answer:
            return ANSWERS[answer](things=things, proposal=name)


ANSWERS: dict[str, type[TransferAccepted | TransferDeclined | TransferCancelled]] = {
    "accept": TransferAccepted,
    "decline": TransferDeclined,
    "cancel": TransferCancelled,
}


@st.composite
def dealings(draw: DrawFn, max_size: int = 12) -> list[Told]:
    """Draw what several organisations tell, in the order of its arrival; some events are taken back."""
    told = [
        replace(one, event_id=f"urn:uuid:{n}") if isinstance(one, Happening) else one
        for n, one in enumerate(draw(st.lists(_dealing(), min_size=1, max_size=max_size)))
    ]
    events = [one for one in told if isinstance(one, Happening)]
    taken_back = draw(st.lists(st.sampled_from(events), max_size=2, unique_by=id)) if events else []
    makers = [draw(st.sampled_from([event.by, event.by, RIVAL])) for event in taken_back]
    declared = [event.retracted(by=maker) for event, maker in zip(taken_back, makers, strict=True)]
    return draw(st.permutations([*told, *declared]))


_CARRIERS: Final = (PALLET, TOTE)


def _copy(number: int, uri: str) -> str:
    """Return another thing of the same kind."""
    if uri in _CARRIERS:
        return f"https://id.gs1.org/8003/09521234000099{_CARRIERS.index(uri)}{number}"
    return uri if uri == GTIN else uri.replace("/L1", f"/L1{number}") + ("" if uri.endswith("/L1") else f"{number}")


@st.composite
def copies(draw: DrawFn) -> list[Happening]:
    """Draw worlds in which some of the same happens, at about the same time, to other things of the same kinds."""
    told = [one for one in draw(dealings(max_size=8)) if isinstance(one, Happening) and not one.head]
    return [
        replace(
            one,
            at=one.at + draw(st.sampled_from([0, 1, 4])),
            items=[(name, _copy(number, uri), *rest) for name, uri, *rest in one.items],
            event_id=f"urn:uuid:{number}-{place}",
        )
        for number in range(5)
        for place, one in enumerate(told)
        if draw(st.booleans())
    ]
