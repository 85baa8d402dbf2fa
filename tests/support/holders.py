"""Organisations that make, ship and claim things, and what a reader who sees everything is told of it."""

from __future__ import annotations

from tests.support.happenings import (
    MAKER,
    Decided,
    Happening,
    commission,
    hours,
    index_of,
    pack,
    receive,
    ship,
)
from tests.support.register import stated
from traceability.ledger.access import Grant, Reader
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import PrefixHeld, RoleGiven, RuleSet
from traceability.supply_chain.decisions import (
    HoldingRole,
)
from traceability.supply_chain.entry import Authority, ClaimReason
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.parties import ListedParties

A, B = pack("A"), pack("B")
CARRIER, SHOP, RIVAL = "carrier.example", "shop.example", "rival.example"
GLNS = {"9521101000009": MAKER, "9521102000008": CARRIER, "9521103000007": SHOP, "9521104000006": RIVAL}
PARTY = {name: f"https://id.gs1.org/417/{gln}" for gln, name in GLNS.items()}
PARTIES = ListedParties(GLNS)
_SAID = (
    PrefixHeld(organisation=MAKER, prefix="9521234", since=hours(2), until=hours(5)),
    PrefixHeld(organisation=CARRIER, prefix="95212340", since=hours(6)),
    RuleSet(action="shipping", roles=("shipper",), since=hours(3), until=hours(6)),
    RoleGiven(organisation=CARRIER, role="shipper", since=hours(4)),
)
# Who holds a prefix, and what a step takes, changes while things happen.
REGISTERED = ListedParties(GLNS, Register([stated(said) for said in _SAID], stated(_SAID[0]).stated_by))
OUTSIDE = "https://id.gs1.org/417/9521105000005"
WAREHOUSE = "https://id.gs1.org/414/9521102000008"
EVERYTHING = frozenset({"what", "where", "why", "how", "more"})
SEES_ALL = Reader(
    "auditor.example",
    grants=tuple(Grant(name, "auditor.example", None, EVERYTHING) for name in (MAKER, CARRIER, SHOP, RIVAL)),
)

Told = Happening | Decided


def history(*told: Told, thing: str = A, as_of: float | None = None, reader: Reader = SEES_ALL) -> ItemHistory:
    return item_history(index_of(told, reader=reader), thing, PARTIES, None if as_of is None else hours(as_of))


def custody(*told: Told, thing: str = A) -> list[tuple[str, float, float | None]]:
    return holdings(history(*told, thing=thing), HoldingRole.CUSTODY)


def ownership(*told: Told, thing: str = A) -> list[tuple[str, float, float | None]]:
    return holdings(history(*told, thing=thing), HoldingRole.OWNERSHIP)


def holdings(found: ItemHistory, role: HoldingRole) -> list[tuple[str, float, float | None]]:
    def hour(at: int | None) -> float | None:
        return None if at is None else (at - hours(0)) / (hours(1) - hours(0))

    return [(one.holder, hour(one.since) or 0, hour(one.until)) for one in found.custody.of(role)]


def rights(*told: Told, thing: str = A) -> list[Authority | ClaimReason | None]:
    return [entry.reason or entry.authority for entry in history(*told, thing=thing).entries]


def open_shipments(*told: Told, thing: str = A) -> list[tuple[str | None, str | None]]:
    return [(shipment.to, shipment.owner) for shipment in history(*told, thing=thing).custody.shipments]


MADE = commission(1, A)
SHIPPED = ship(2, A, to=PARTY[SHOP], owner=PARTY[SHOP])
RECEIVED = receive(3, A, by=SHOP)
