"""Custody, holds and claims as JSON, on the command line, on the page, in a bundle and recomputed from an export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.exports.files import read_file
from adapters.exports.provenance import ExportedEvents
from api.audit import ItemQuestion, export_log, reader_named, recompute
from api.cli.item import _facts, _line
from api.notary import integrate_all, published_logs
from api.provenance_models import ItemOut
from api.wiring import Engine
from tests.api.test_provenance_http import Bearer, items, record
from tests.support.happenings import (
    MAKER,
    PALLET,
    Decided,
    commission,
    observe,
    pack,
    put,
    receive,
    ship,
)
from tests.support.holders import CARRIER, GLNS, PARTY, RIVAL, SHOP
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope
from traceability.notary.export import AuditExport
from traceability.notary.trust import Trust
from traceability.notary.verify_bundle import verify_bundle
from traceability.supply_chain.decisions import HoldingRole, HoldPlaced, TransferProposed

A, B = pack("A"), pack("B")
HELD = HoldPlaced(things=(A,), hold="H1", kind="quality", reason="a warm lorry")
OFFERED = TransferProposed(things=(A,), proposal="P1", role=HoldingRole.OWNERSHIP, issuer=SHOP, receiver=CARRIER)


def tell(engine: Engine, *parts: str) -> None:
    """Record that two packs were shipped on a pallet, one received and held, and that somebody made a claim."""
    for gln, name in GLNS.items():
        engine.organisations.add(name, display_name=name.split(".")[0].title(), glns=[gln])
        engine.organisations.set_grant(Grant(name, PUBLIC, None, frozenset(parts)))
    record(
        engine,
        commission(1, A, B),
        put(2, PALLET, A, B),
        ship(3, PALLET, to=PARTY[SHOP], owner=PARTY[SHOP]),
        receive(4, A, by=SHOP),
        observe(5, A, by=RIVAL, disposition="damaged"),
        Decided(6, HELD, SHOP, [MAKER]),
        Decided(7, OFFERED, SHOP, [CARRIER]),
    )
    integrate_all(engine)


@pytest.fixture
def told(engine: Engine) -> Engine:
    tell(engine, "what", "where", "why", "how")
    return engine


@pytest.fixture
def shop(told: Engine, client: httpx.Client, bearer: Bearer) -> httpx.Client:
    assert told.ledger.head() == 7
    client.headers = httpx.Headers(bearer(SHOP, Scope.QUERY))
    return client


def at(hour: int) -> str:
    return f"2026-03-01T{hour:02}:00:00.000000Z"


def test_an_item_tells_who_has_it_and_by_what_right_each_event_was_said(shop: httpx.Client) -> None:
    item = items(shop, A)
    held = [(one["holder"], one["since"], one["until"], one["opened_by"]) for one in item["custody"]]
    assert held == [(MAKER, at(1), at(4), 1), (SHOP, at(4), None, 4)]
    assert [one["holder"] for one in item["ownership"]] == [MAKER, SHOP]
    assert item["shipments"] == []
    (hold,) = item["holds"]
    assert hold == {
        "hold": "H1",
        "kind": "quality",
        "reason": "a warm lorry",
        "placed_by": SHOP,
        "authority": "custodian",
        "since": at(6),
        "position": 6,
        "via": None,
    }
    (proposal,) = item["proposals"]
    assert (proposal["role"], proposal["issuer"], proposal["receiver"]) == ("ownership", SHOP, CARRIER)
    assert [(entry["step"], entry["authority"], entry["reason"]) for entry in item["history"]] == [
        ("Given its identity", "commissioner", None),
        ("Packed", "commissioner", None),
        ("Shipped", "commissioner", None),
        ("Received", "consignee", None),
        ("Recorded", "claim", "no_authority"),
        ("Put on hold, quality: a warm lorry", "custodian", None),
        ("Ownership offered to carrier.example", "owner", None),
    ]
    assert item["state"]["disposition"] == "in_progress"


def test_what_is_under_way_tells_to_whom(shop: httpx.Client) -> None:
    (shipment,) = items(shop, B)["shipments"]
    assert shipment == {"shipper": MAKER, "to": SHOP, "owner": SHOP, "since": at(3), "opened_by": 3}


def test_who_may_not_see_a_decision_is_not_told_of_it(told: Engine, client: httpx.Client, bearer: Bearer) -> None:
    assert told.ledger.head() == 7

    def decided(*headers: dict[str, str]) -> tuple[int, int]:
        client.headers = httpx.Headers(headers[0] if headers else {})
        item = items(client, A)
        return len(item["holds"]), len(item["proposals"])

    assert decided(bearer(MAKER, Scope.QUERY)) == (1, 0)
    assert decided(bearer(CARRIER, Scope.QUERY)) == (0, 1)
    assert decided() == (0, 0)


def test_the_bundle_proves_decisions_and_claims_too(told: Engine, shop: httpx.Client) -> None:
    zipped = shop.get(f"/provenance/items{A.removeprefix('https://id.gs1.org')}", headers={"Accept": "application/zip"})
    assert zipped.status_code == 200, zipped.text
    bundle = verify_bundle(zipped.content, Trust(tuple(log.key for log in published_logs(told))))
    assert list(bundle.logs[0].positions) == [1, 2, 3, 4, 5, 6, 7]
    assert json.loads(bundle.answer) == items(shop, A) | {"names": {}, "recalls": None, "stops": None}


def test_an_export_recomputes_it(told: Engine, shop: httpx.Client, tmp_path: Path) -> None:
    export_log(told, tmp_path / "export", "correct horse battery staple", work=2)
    with read_file(tmp_path / "export", "correct horse battery staple") as plain:
        events = ExportedEvents(AuditExport(plain), [log.key for log in published_logs(told)], index_rows)
        reader = reader_named(events.headers[-1], SHOP)
        again: dict[str, Any] = json.loads(recompute(events, ItemQuestion(item=A), reader, None))
    assert again | {"names": {}, "recalls": None, "stops": None} == items(shop, A) | {
        "names": {},
        "recalls": None,
        "stops": None,
    }


def test_the_command_line_says_it_in_words(shop: httpx.Client) -> None:
    item = ItemOut.model_validate(items(shop, A))
    facts = dict(_facts(item))
    assert facts["in custody of"] == facts["owned by"] == SHOP
    assert facts["on hold"] == "quality: a warm lorry, by shop.example since 2026-03-01 06:00"
    assert facts["offered"] == "ownership to carrier.example, since 2026-03-01 07:00"
    assert [_line(entry)[1] for entry in item.history][4] == "Recorded (claim: no authority)"
    other = dict(_facts(ItemOut.model_validate(items(shop, B))))
    assert other["under way to"] == "shop.example, since 2026-03-01 03:00"


def test_the_page_says_it_in_words(told: Engine, shop: httpx.Client) -> None:
    def page(thing: str) -> str:
        address = thing.removeprefix("https://id.gs1.org")
        return shop.get(address, headers={"Accept": "text/html"}).text

    assert told.ledger.head() == 7
    shown = page(A)
    for words in (
        "<dt>In the hands of</dt><dd>Shop</dd>",
        "<dt>Owned by</dt><dd>Shop</dd>",
        "On hold, quality: a warm lorry (by Shop).",
        "One event is a claim without authority.",
        'class="claim"',
        "It changes nothing: as far as you may see, Rival is not known to have made it",
    ):
        assert words in shown
    other = page(B)
    assert "<dt>Under way to</dt><dd>Shop</dd>" in other
    assert "Owned by" not in other
