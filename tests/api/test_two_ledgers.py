"""A ledger before and after others record what an organisation may not see: every question has the same answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.wiring import Engine
from tests.api.test_provenance_http import record
from tests.support.happenings import (
    GTIN,
    MAKER,
    OTHER_GTIN,
    OTHER_PALLET,
    PALLET,
    PLANT,
    STORE,
    Decided,
    Happening,
    commission,
    end,
    hours,
    lot,
    observe,
    pack,
    put,
    receive,
    ship,
    take,
    transform,
)
from tests.support.holders import CARRIER, GLNS, OUTSIDE, PARTY, RIVAL, SHOP
from tests.support.parts import ENGINE, OTHER_ENGINE, PUMP, flew, installed, limited, released, removed
from traceability.ledger.access import Grant
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import Scope
from traceability.supply_chain.decisions import HoldingRole, HoldPlaced, TransferProposed
from traceability.supply_chain.drug_package.events import BatchRecalled, Inactive, PackDeactivated, ProductWithdrawn

A, B, C, LOT, MILK = pack("A"), pack("B"), pack("C"), lot("L1"), lot("M1", OTHER_GTIN)
ADVICE = "urn:epcglobal:cbv:bt:9521234000006:DA1"
LABEL = {"urn:epcglobal:cbv:mda:itemExpirationDate": "2099-04-30", "urn:epcglobal:cbv:mda:lotNumber": "L1"}
EVERYTHING = frozenset({"what", "where", "why", "how", "more"})
OF: dict[str, Any] = {"transactions": [ADVICE]}
Bearer = Callable[..., dict[str, str]]


def warm(at: float, thing: str, celsius: float, **more: Any) -> Happening:
    report = {"type": "Temperature", "time": utc_text(hours(at)), "value": celsius, "uom": "CEL"}
    return observe(at, thing, how={"sensorElementList": [{"sensorReport": [report]}]}, **more)


SEEN: list[Happening | Decided] = [
    transform(0, counted_inputs=[MILK], counted_outputs=[LOT]),
    replace(commission(1, A, B, C), how={"ilmd": LABEL}),
    put(2, PALLET, A, B, counted=[LOT], where={"readPoint": {"id": PLANT}}),
    ship(3, PALLET, to=PARTY[SHOP], owner=PARTY[SHOP], **OF),
    warm(4, PALLET, 5),
    observe(5, PALLET, by=CARRIER, step="arriving", place=STORE),
    receive(6, PALLET, by=SHOP, **OF),
    take(7, PALLET, A, by=SHOP),
    observe(8, A, by=SHOP, place=STORE, disposition="damaged"),
    put(9, OTHER_PALLET, B, by=SHOP),
    Decided(10, PackDeactivated(things=(C,), status=Inactive.SAMPLE)),
    commission(1, PUMP),
    released(2),
    installed(3, ENGINE),
    limited(4, cycles=10),
    flew(20, ENGINE, 3, 5, cycles=4),
]
HIDDEN: list[Happening | Decided] = [
    one if isinstance(one, Decided) else replace(one, by=RIVAL)
    for one in (
        replace(commission(0.5, A, B, C, pack("D")), how={"ilmd": {**LABEL, "urn:epcglobal:cbv:mda:lotNumber": "L9"}}),
        transform(0.2, counted_inputs=[lot("M9", OTHER_GTIN)], counted_outputs=[LOT]),
        put(2.5, OTHER_PALLET, A, B, PALLET),
        ship(3.5, A, PALLET, to=OUTSIDE, owner=OUTSIDE, **OF),
        receive(5.5, PALLET, A, **OF),
        take(5.7, PALLET),
        warm(4.5, PALLET, 40, place=PLANT),
        warm(6.5, A, -20),
        observe(6.6, PALLET, disposition="stolen"),
        transform(8.5, [A], [pack("E")], counted_inputs=[LOT], counted_outputs=[lot("L2")]),
        end(9.5, A, B, C),
        observe(9.6, A, step="dispensing", disposition="dispensed"),
        removed(4, ENGINE),
        installed(5, OTHER_ENGINE),
        end(6, PUMP),
        Decided(1.5, HoldPlaced(things=(A, PALLET), hold="H1", kind="quality", reason="x"), RIVAL),
        Decided(2, TransferProposed(things=(A,), proposal="P", role=HoldingRole.CUSTODY, issuer=RIVAL, receiver=RIVAL),
                RIVAL),
        Decided(1.2, PackDeactivated(things=(A, C), status=Inactive.STOLEN), RIVAL),
        Decided(1.3, BatchRecalled(things=(LOT,), reason="x"), RIVAL),
        Decided(1.3, ProductWithdrawn(things=(GTIN,), reason="x"), RIVAL),
        replace(released(1.5, document="b"), by=RIVAL),
        replace(limited(1.6, cycles=1), by=RIVAL),
        replace(flew(30, ENGINE, 3, 5, cycles=100), by=RIVAL),
    )
] + [
    observe(5.2, PALLET, A, by=CARRIER, step="inspecting", disposition="damaged", place=PLANT),
    observe(5.3, A, by=CARRIER, step="storing", place=PLANT),
]  # fmt: skip


def asked() -> dict[str, tuple[str, str, Any]]:
    """Return the questions: method, address, body."""
    found: dict[str, tuple[str, str, Any]] = {}
    for thing in (A, B, C, pack("D"), PALLET, OTHER_PALLET, LOT, MILK, PUMP, ENGINE):
        name, as_of = quote(thing, safe=""), utc_text(hours(5.4))
        found[f"item {thing}"] = "GET", f"/provenance/items/{name}", None
        found[f"item then {thing}"] = "GET", f"/provenance/items/{name}?as_of={as_of}", None
        found[f"page {thing}"] = "GET", thing.removeprefix("https://id.gs1.org"), None
        found[f"epcis of {thing}"] = "GET", f"/epcis/events?MATCH_anyEPC={name}", None
        for direction in ("back", "forward", "both"):
            body = {"roots": [thing], "direction": direction, "include": ["events", "custody", "whereabouts", "shares"]}
            found[f"{direction} from {thing}"] = "POST", "/provenance/traces", body
        found[f"evaluation {thing}"] = "POST", "/provenance/evaluations", {"things": [thing]}
        for path in ("drug-packages", "aircraft-parts", "lots"):
            found[f"{path} {thing}"] = "GET", f"/{path}/{name}", None
        found[f"life {thing}"] = "GET", f"/aircraft-parts/{name}/life", None
        found[f"components {thing}"] = "GET", f"/aircraft-parts/{name}/components", None
        found[f"certificate {thing}"] = "GET", f"/aircraft-parts/{name}/certificates/{'b' * 64}", None
        question = {"thing": thing, "profile": "usp.controlled_cold", "until": utc_text(hours(30))}
        found[f"cold chain {thing}"] = "POST", "/cold-chain/evaluations", question
    for path in ("events", "epcs", "bizSteps", "bizLocations", "readPoints", "dispositions", "eventTypes"):
        found[f"epcis {path}"] = "GET", f"/epcis/{path}", None
    for query in ("EQ_bizStep=inspecting", "GE_eventTime=2026-03-01T04:00:00Z", "perPage=2", "EQ_disposition=stolen"):
        found[f"epcis {query}"] = "GET", f"/epcis/events?{query}", None
    scanned = {"code": "(01)09521234000013(21)A(17)990430(10)L1"}
    found["verify"] = "POST", "/drug-packages/verify", scanned
    for path in ("/recalls", "/clocks", "/shipments", f"/shipments?advice={ADVICE}", "/findings"):
        found[path] = "GET", path, None
    for name, body in REFUSED.items():
        found[f"command {name}"] = "POST", f"/commands/{name.split()[0]}", {"event_time": utc_text(hours(40)), **body}
    return found


REFUSED: dict[str, dict[str, Any]] = {
    "commission": {"things": [A]},
    "commission before": {"things": [C], "event_time": utc_text(hours(0.1))},
    "pack": {"parent": PALLET, "children": [B]},
    "unpack": {"parent": PALLET, "children": [A]},
    "ship": {"things": [B], "to": OUTSIDE},
    "receive": {"things": [A]},
    "destroy": {"things": [C]},
    "release_hold": {"things": [A], "hold": "H1"},
    "accept_transfer": {"things": [A], "proposal": "P"},
    "reactivate_pack": {"things": [C], "status": "stolen"},
    "install_part": {"part": PUMP, "on": OTHER_ENGINE},
    "correct": {"event": "urn:uuid:00000000-0000-4000-8000-000000000000"},
}


DIFFER = {
    "item",
    "page",
    "back",
    "forward",
    "both",
    "epcis",
    "evaluation",
    "recalls",
    "drug-packages",
    "aircraft-parts",
    "lots",
    "life",
    "components",
    "certificate",
    "cold",
    "verify",
    "/recalls",
    "/clocks",
    "/shipments",
    "command",
}
"""The kinds of questions that would be answered otherwise if it were not hidden."""


@pytest.fixture
def keys(engine: Engine, bearer: Bearer) -> dict[str, dict[str, str]]:
    for gln, name in GLNS.items():
        engine.organisations.add(name, display_name=name.split(".")[0].title(), glns=[gln])
    engine.organisations.set_grant(Grant(MAKER, SHOP, None, EVERYTHING))
    engine.organisations.set_grant(Grant(CARRIER, SHOP, frozenset({"arriving"}), EVERYTHING))
    return {name: bearer(name, *Scope) for name in GLNS.values()}


def sent(client: httpx.Client, key: dict[str, str], path: str, **body: Any) -> Any:
    answer = client.post(path, json=body, headers=key)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def cases(client: httpx.Client, key: dict[str, str], to: str) -> list[str]:
    """Begin a recall, a clock and a shipment of the same things; return where they are."""
    about = {"name": "Listeria", "reason": "a sample", "classification": "I", "roots": [LOT]}
    case = sent(client, key, "/recalls", **about)["case"]
    sent(client, key, f"/recalls/{case}/scope")
    clock = sent(client, key, "/clocks", responsible=to, rule="us.fsma204.records", things=[A])["clock"]
    shipment = sent(client, key, "/shipments", advice=ADVICE, consignee=to, things=[PALLET])["shipment"]
    return [f"/recalls/{case}", f"/recalls/{case}/affected", f"/clocks/{clock}", f"/shipments/{shipment}"]


def answers(client: httpx.Client, key: dict[str, str], questions: dict[str, tuple[str, str, Any]]) -> dict[str, Any]:
    found = {}
    for name, (method, path, body) in questions.items():
        answer = client.request(method, path, json=body, headers={**key, "Accept": "application/json"})
        assert answer.status_code < 500, (name, answer.text)
        assert not path.startswith("/commands") or answer.status_code in (404, 409, 422), (name, answer.text)
        told = answer.json() if "json" in answer.headers["Content-Type"] else answer.text
        found[name] = answer.status_code, _without_positions(told)
    return found


def _without_positions(told: Any) -> Any:
    """Return an answer without how far the ledger goes, and without the time at which it was asked for."""
    if isinstance(told, dict):
        return {name: _without_positions(one) for name, one in told.items() if name not in ASIDE}
    return [_without_positions(one) for one in told] if isinstance(told, list) else told


ASIDE = {"known_at", "as_of", "creationDate"}


def test_what_others_hide_changes_no_answer(
    engine: Engine, client: httpx.Client, keys: dict[str, dict[str, str]]
) -> None:
    record(engine, *SEEN)
    mine = cases(client, keys[MAKER], SHOP)
    questions = asked() | {path: ("GET", path, None) for path in mine}
    before = answers(client, keys[SHOP], questions)
    assert sum(status == 200 for status, _ in before.values()) > len(before) // 2
    head = engine.ledger.head()
    record(engine, *HIDDEN)
    theirs = cases(client, keys[RIVAL], CARRIER)
    assert engine.ledger.head() > head + len(HIDDEN)
    after = answers(client, keys[SHOP], questions)
    differ = [name for name in questions if before[name] != after[name]]
    assert differ == [], json.dumps([(name, before[name], after[name]) for name in differ], indent=1)
    for path in theirs:
        assert client.get(path, headers=keys[SHOP]).status_code == 404
    # Who is shown them is told something else, so that there was something to hide.
    engine.organisations.set_grant(Grant(RIVAL, SHOP, None, EVERYTHING))
    shown = answers(client, keys[SHOP], questions)
    kinds = {name.split()[0] for name in questions if shown[name] != after[name]}
    assert kinds >= {
        "item",
        "back",
        "forward",
        "both",
        "epcis",
        "evaluation",
        "drug-packages",
        "cold",
        "verify",
        "/recalls",
    }
