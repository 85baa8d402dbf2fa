"""Shipments over HTTP and on the command line: advised, received in parts, and what differs is a case between two."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as cli
from api.shipments import describe_shipment
from api.wiring import Engine
from tests.conftest import Database
from tests.support.epcis_events import CONTEXT, event
from tests.support.happenings import PALLET, lot, pack
from traceability.errors import NotFoundError
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope

DAIRY, STORE, RIVAL = "dairy.example", "store.example", "rival.example"
A, B, C, LOT = pack("A"), pack("B"), pack("C"), lot("A7")
ADVICE = "urn:epcglobal:cbv:bt:9521234000006:DA1"
OF: dict[str, Any] = {"transactions": [{"type": "desadv", "id": ADVICE}]}
Bearer = Callable[..., dict[str, str]]
Keys = dict[str, dict[str, str]]


@pytest.fixture
def keys(engine: Engine, bearer: Bearer) -> Keys:
    engine.organisations.add(RIVAL)
    return {name: bearer(name, Scope.CAPTURE, Scope.QUERY) for name in (DAIRY, STORE, RIVAL)}


def sent(client: httpx.Client, key: dict[str, str], path: str, status: int = 201, **body: Any) -> Any:
    answer = client.post(path, json=body, headers=key)
    assert answer.status_code == status, answer.text
    return answer.json()


def advised(client: httpx.Client, keys: Keys, **body: Any) -> str:
    name: str = sent(client, keys[DAIRY], "/shipments", **{"advice": ADVICE, "consignee": STORE, **body})["shipment"]
    return f"/shipments/{name}"


def received(
    client: httpx.Client, key: dict[str, str], time: str, *things: str, of: str = ADVICE, **quantity: str
) -> None:
    """Record a receipt as an event: partial ones of a lot are facts, which the command does not let through twice."""
    counted = [{"epcClass": LOT, "quantity": float(amount), "uom": uom} for uom, amount in quantity.items()]
    made = event(
        eventTime=time,
        epcList=list(things) or None,
        quantityList=counted or None,
        bizStep="receiving",
        bizTransactionList=[{"type": "desadv", "bizTransaction": of}],
    )
    answer = client.post("/epcis/events", json={"@context": CONTEXT, **made}, headers=key)
    assert answer.status_code == 201, answer.text


def rows(client: httpx.Client, key: dict[str, str], address: str) -> dict[str, dict[str, Any]]:
    return {row["thing"]: row for row in client.get(address, headers=key).json()["rows"]}


def test_a_shipment_from_advice_to_the_end_of_its_case(client: httpx.Client, keys: Keys) -> None:
    sent(client, keys[DAIRY], "/commands/commission", things=[A, B, PALLET])
    sent(client, keys[DAIRY], "/commands/pack", parent=PALLET, children=[A, B])
    quantities = [{"id": LOT, "quantity": "10", "uom": "KGM"}]
    address = advised(client, keys, things=[PALLET], quantities=quantities)
    listed = client.get("/shipments", headers=keys[STORE]).json()["shipments"]
    assert [(one["stage"], one["shipper"], one["consignee"]) for one in listed] == [("advised", DAIRY, STORE)]
    again = sent(client, keys[DAIRY], "/shipments", 409, advice=ADVICE, consignee=STORE, things=[A])
    assert again["code"] == "shipment.advised_before"
    for key in (keys[RIVAL], {}):
        assert client.get(address, headers=key).json()["code"] == "shipment.unknown"
        assert client.get("/shipments", headers=key).json()["shipments"] == []
    sent(client, keys[DAIRY], "/commands/ship", things=[PALLET], to="https://id.gs1.org/417/9521234000013", **OF)
    assert client.get(address, headers=keys[DAIRY]).json()["stage"] == "despatched"
    # The pallet stands for what was in it; the lot comes in two parts, more than was sent.
    sent(client, keys[STORE], "/commands/receive", things=[PALLET], **OF)
    received(client, keys[STORE], "2026-03-02T08:00:00Z", KGM="6")
    received(client, keys[STORE], "2026-03-03T08:00:00Z", GRM="5500")
    found = rows(client, keys[STORE], address)
    assert {name: float(row["received"]) for name, row in found.items()} == {PALLET: 1, A: 1, B: 1, LOT: 11.5}
    refused = sent(client, keys[DAIRY], f"{address}/receipt", 403)
    assert refused["code"] == "shipment.not_its_consignee"
    assert sent(client, keys[RIVAL], f"{address}/receipt", 404)["code"] == "shipment.unknown"
    done = sent(client, keys[STORE], f"{address}/receipt", resolution="Debit account")
    assert done["stage"] == "discrepant"
    # The shipper sees no receipt, and the case tells it what differs.
    shown = client.get(address, headers=keys[DAIRY]).json()
    assert (shown["stage"], shown["sees_all"], shown["exceptions"]) == ("discrepant", False, 1)
    (case,) = shown["cases"]
    (report,) = case["reports"]
    assert (report["thing"], report["difference"], float(report["quantity"])) == (LOT, "overages", 1.5)
    assert [one["type"] for one in shown["said"]] == ["shipment_advised", "exception_opened", "receipt_completed"]
    assert sent(client, keys[STORE], f"{address}/receipt", 409)["code"] == "shipment.completed"
    exception = f"{address}/exceptions/{case['case']}"
    assert sent(client, keys[STORE], f"{exception}/answer", 403, accepted=True)["code"] == "shipment.not_its_shipper"
    sent(client, keys[DAIRY], f"{exception}/answer", accepted=True, alternative="Return product")
    assert client.get(address, headers=keys[STORE]).json()["cases"][0]["accepted"] is True
    missing = f"{address}/exceptions/none/close"
    assert sent(client, keys[STORE], missing, 404)["code"] == "shipment.no_such_case"
    closed = sent(client, keys[STORE], f"{exception}/close", note="debited")
    assert (closed["stage"], closed["case"]) == ("closed", case["case"])
    assert sent(client, keys[DAIRY], f"{exception}/answer", 409, accepted=False)["code"] == "shipment.over"
    before = {"known_at": closed["position"] - 1}
    assert client.get(address, params=before, headers=keys[STORE]).json()["stage"] == "discrepant"


def test_what_came_late_is_named_in_a_further_case(client: httpx.Client, keys: Keys) -> None:
    address = advised(client, keys, things=[A, B])
    sent(client, keys[STORE], "/commands/receive", things=[A, B], event_time="2026-03-02T08:00:00Z", **OF)
    assert sent(client, keys[STORE], f"{address}/receipt")["case"] is None
    sent(client, keys[STORE], "/commands/receive", things=[C], event_time="2026-03-01T08:00:00Z", **OF)
    shown = client.get(address, headers=keys[STORE]).json()
    assert (shown["stage"], [one["thing"] for one in shown["unnamed"]]) == ("received", [C])
    assert client.get(address, params={"as_of": "2026-03-01T12:00:00Z"}, headers=keys[STORE]).status_code == 404
    assert sent(client, keys[STORE], f"{address}/receipt")["stage"] == "discrepant"
    assert client.get(address, headers=keys[STORE]).json()["unnamed"] == []


def test_receipts_count_for_whoever_sees_what_they_belong_to(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    address = advised(client, keys, things=[A, B])
    received(client, keys[STORE], "2026-03-02T08:00:00Z", A)
    sent(client, keys[STORE], f"{address}/receipt")
    for parts, came in (({"what"}, ("0", None)), ({"why"}, ("0", None)), ({"what", "why"}, ("1", "0"))):
        engine.organisations.set_grant(Grant(STORE, DAIRY, None, frozenset(parts)))
        row = rows(client, keys[DAIRY], address)[A]
        assert (row["received"], row["short"]) == came
    # What others record under the advice counts for nobody.
    received(client, keys[RIVAL], "2026-03-02T08:00:00Z", B)
    assert rows(client, keys[STORE], address)[B]["received"] == "0"


def test_any_order_of_arrival_gives_the_same(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    receipts: list[tuple[str, list[str], dict[str, str]]] = [
        ("2026-03-01T08:00:00Z", [A], {}),
        ("2026-03-02T08:00:00Z", [], {"KGM": "2"}),
        ("2026-03-03T08:00:00Z", [], {"GRM": "700"}),
    ]
    states = []
    for number, order in enumerate(permutations(receipts)):
        advice = f"urn:epcglobal:cbv:bt:9521234000006:DA-{number}"
        quantities = [{"id": LOT, "quantity": "3", "uom": "KGM"}]
        address = advised(client, keys, advice=advice, things=[A, B], quantities=quantities)
        for time, things, amounts in order:
            received(client, keys[STORE], time, *things, of=advice, **amounts)
        reader = engine.organisations.reader(STORE)
        found = describe_shipment(engine, reader, address.removeprefix("/shipments/"))
        states.append((found.stage, found.rows, [one.at for one in found.movements]))
    assert states == states[:1] * len(states)
    assert [float(row.outstanding or 0) for row in states[0][1]] == [0.3, 0, 1]


def test_the_same_request_is_recorded_once_and_pages_hold_each_shipment_once(client: httpx.Client, keys: Keys) -> None:
    key = keys | {DAIRY: keys[DAIRY] | {"Idempotency-Key": "request-1"}}
    first = advised(client, key, things=[A])
    assert advised(client, key, things=[A]) == first
    others = [advised(client, keys, advice=f"{ADVICE}-{number}", things=[A]) for number in range(2)]
    listed, address = [], "/shipments?perPage=2"
    while address:
        page = client.get(address, headers=keys[STORE])
        listed += [f"/shipments/{one['shipment']}" for one in page.json()["shipments"]]
        address = page.links.get("next", {}).get("url", "")
    assert listed == [*reversed(others), first]
    shown = client.get("/shipments", params={"perPage": 2}, headers=keys[STORE] | {"Accept": "text/html"})
    assert "/shipments?perPage=2&amp;before=" in shown.text
    (one,) = client.get("/shipments", params={"advice": ADVICE}, headers=keys[DAIRY]).json()["shipments"]
    assert f"/shipments/{one['shipment']}" == first


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "http.validation"),
        ({"things": ["(01)09521234000014"]}, "http.validation"),
        ({"things": [A], "consignee": DAIRY}, "shipment.consignee"),
        ({"things": [A], "legs": [{"mode": "teleport", "from": "urn:a:b", "to": "urn:a:c"}]}, "http.validation"),
        ({"quantities": [{"id": LOT, "quantity": "-1"}]}, "http.validation"),
    ],
)
def test_what_is_no_advice_is_refused(client: httpx.Client, keys: Keys, body: Any, code: str) -> None:
    refused = client.post("/shipments", json={"advice": ADVICE, "consignee": STORE, **body}, headers=keys[DAIRY])
    assert (refused.status_code, refused.json()["code"]) == (422, code)


def test_on_the_command_line(client: httpx.Client, keys: Keys, database: Database, tmp_path: Path) -> None:
    environment = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(tmp_path / "data")}
    runner = CliRunner(env=environment | {"COLUMNS": "200"})

    def run(*arguments: str, by: str = STORE) -> Any:
        return runner.invoke(cli, ["shipment", *arguments, "--as", by])

    file = tmp_path / "advice.json"
    file.write_text(json.dumps({"advice": ADVICE, "consignee": STORE, "things": [A, B]}))
    made = run("advise", str(file), by=DAIRY)
    assert made.exit_code == 0, made.output
    name = made.stdout.strip()
    file.write_text("{")
    assert run("advise", str(file), by=DAIRY).exit_code == 2
    assert [one["shipment"] for one in json.loads(run("list", "--json").stdout)] == [name]
    assert name in run("list").stdout
    sent(client, keys[STORE], "/commands/receive", things=[A], **OF)
    assert run("show", name).exit_code == 0
    done = run("complete", name, "--resolution", "Send product", "--json")
    assert done.exit_code == 1, done.output
    case = json.loads(done.stdout)["case"]
    assert run("show", name, "--json").exit_code == 1
    assert run("answer", name, case, "--reject", by=DAIRY).exit_code == 0
    assert run("close", name, case).exit_code == 0
    assert run("show", name).exit_code == 0
    assert isinstance(run("show", name, by=RIVAL).exception, NotFoundError)
