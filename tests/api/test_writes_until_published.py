"""`?wait=published` on every write that appends an event: the receipt comes with the answer, or null after a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.capture.runner import capturing
from api.integrator import integrating
from api.notary import published_log
from api.wiring import Engine
from tests.api.test_capture_http import CAPTURE
from tests.support.epcis_events import DAIRY, document, event
from traceability.ledger.organisations import Scope
from traceability.notary.verify import verify_receipt
from traceability.supply_chain.commands.table import COMMANDS

Bearer = Callable[..., dict[str, str]]
CONTRACT = b"A contract."
HERE = "/vocabularies/BusinessLocation/414/9521234000006"
WANTED = {"reason": "request of 1 March", "authority": "data protection officer"}
Write = Callable[[httpx.Client, dict[str, str], str], httpx.Response]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than for a client's sake: a slow machine may need it."""
    for module in ("api.published", "api.capture.published"):
        monkeypatch.setattr(f"{module}.WAIT_SECONDS", 60.0)


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, *Scope)


def evidence(client: httpx.Client, key: dict[str, str], query: str) -> httpx.Response:
    return client.post(f"/notary/evidence{query}", json={"sha256": sha256(CONTRACT).hexdigest()}, headers=key)


def file(client: httpx.Client, key: dict[str, str], query: str) -> httpx.Response:
    return client.post(f"/notary/evidence{query}", content=CONTRACT, headers={**key, "Content-Type": "text/plain"})


def replay(client: httpx.Client, key: dict[str, str], query: str) -> httpx.Response:
    wrong = {**event(), "eventTime": "2026-03-01T09:15:00"}
    client.post(CAPTURE, params={"wait": "published"}, content=document(wrong), headers=_json(key))
    finding = client.get("/findings", headers=key).json()[0]["id"]
    return client.post(f"/findings/{finding}/replay{query}", json=event(), headers=key)


def erasure(client: httpx.Client, key: dict[str, str], query: str) -> httpx.Response:
    sent = client.post(CAPTURE, params={"wait": "published"}, content=document(event()), headers=_json(key)).json()
    event_id = sent["receipts"][0]["event_id"]
    return client.post(f"/provenance/events/{event_id}/erasure-requests{query}", json=WANTED, headers=key)


def statement(client: httpx.Client, key: dict[str, str], query: str) -> httpx.Response:
    return client.put(f"{HERE}{query}", json={"attributes": {"name": "Dairy"}}, headers=key)


def command(client: httpx.Client, key: dict[str, str], query: str) -> httpx.Response:
    sent = {**key, "Idempotency-Key": "once"}
    return client.post(f"/commands/commission{query}", json={"gtin": "9521234000013", "serials": ["1"]}, headers=sent)


def _json(key: dict[str, str]) -> dict[str, str]:
    return {**key, "Content-Type": "application/json"}


WRITES: list[tuple[Write, str]] = [
    (evidence, "position"),
    (file, "position"),
    (replay, "position"),
    (erasure, "requested_by"),
    (statement, "position"),
    (command, "position"),
]


@pytest.fixture
def running(app: FastAPI, engine: Engine, client: httpx.Client) -> Iterator[httpx.Client]:
    with integrating(engine) as integrator, capturing(engine) as runner:
        app.state.integrator, app.state.capture_runner = integrator, runner
        yield client


@pytest.mark.parametrize(("write", "where"), WRITES)
def test_a_write_is_answered_with_its_receipt(
    engine: Engine, running: httpx.Client, key: dict[str, str], write: Write, where: str
) -> None:
    answers = [write(running, key, "?wait=published"), write(running, key, "?wait=published")]
    told: list[dict[str, Any]] = [answer.json() for answer in answers]
    assert all(answer.is_success for answer in answers), told
    for one in told:
        verified = verify_receipt(one["proof"].encode(), published_log(engine).key)
        assert published_log(engine).database.identity.first_position + verified.index == one[where]
        assert "more" not in verified.opening.closed()
    # Done again it is the event of the first time.
    assert told[0][where] == told[1][where]
    assert write(running, key, "").json()["proof"] is None


@pytest.mark.parametrize(("write", "where"), [WRITES[0]])
def test_after_the_time_limit_the_answer_has_no_receipt(
    client: httpx.Client, key: dict[str, str], write: Write, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.published.WAIT_SECONDS", 0.1)
    answer = write(client, key, "?wait=published")
    assert (answer.status_code, answer.json()["proof"]) == (201, None)
    assert answer.json()[where] == 1
    assert write(client, key, "?wait=recorded").status_code == 422


def test_a_withdrawal_is_answered_with_its_receipt(engine: Engine, running: httpx.Client, key: dict[str, str]) -> None:
    statement(running, key, "")
    told = running.delete(HERE, params={"wait": "published"}, headers=key).json()
    verified = verify_receipt(told["proof"].encode(), published_log(engine).key)
    assert published_log(engine).database.identity.first_position + verified.index == told["position"]
    assert b'"withdrawn":true' in verified.opening.shown().more


RECALL_STEPS = ("scope", "notices", "acknowledgements", "reconciliation", "close", "cancel")


def test_every_write_that_appends_can_be_waited_for(client: httpx.Client) -> None:
    waiting = {
        f"{method.upper()} {path}"
        for path, methods in client.get("/openapi.json").json()["paths"].items()
        for method, operation in methods.items()
        if any(parameter["name"] == "wait" for parameter in operation.get("parameters", ()))
    }
    assert waiting == {
        "POST /epcis/capture",
        "POST /notary/evidence",
        *(f"POST /commands/{name}" for name in COMMANDS),
        "POST /findings/{finding_id}/replay",
        "POST /register",
        "POST /recalls",
        *(f"POST /recalls/{{case}}/{step}" for step in RECALL_STEPS),
        "POST /provenance/evaluations/acknowledgements",
        "POST /cold-chain/sessions",
        "POST /cold-chain/sessions/{session}/seal",
        "POST /cold-chain/sessions/{session}/evaluation",
        "POST /cold-chain/sessions/{session}/disposition",
        "POST /cold-chain/calibrations",
        "POST /clocks",
        "POST /clocks/{clock}/answer",
        "POST /clocks/{clock}/stop",
        "POST /shipments",
        "POST /shipments/{shipment}/receipt",
        "POST /shipments/{shipment}/exceptions/{case}/answer",
        "POST /shipments/{shipment}/exceptions/{case}/close",
        "POST /provenance/events/{event_id}/erasure-requests",
        "PUT /vocabularies/{vocabulary}/{id}",
        "DELETE /vocabularies/{vocabulary}/{id}",
    }
