"""`POST /epcis/capture?wait=published`: an answer with receipts that verify, or the usual one after a time limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from fastapi import FastAPI

from api.capture.runner import capturing
from api.integrator import integrating
from api.notary import integrate_all, published_log
from api.wiring import Engine
from tests.api.test_capture_http import CAPTURE, MIXED, WHOLE
from tests.conformance.verifier import verify as independent
from tests.support.capture_runs import packs
from tests.support.captures import wait_until
from tests.support.epcis_events import DAIRY, document, event
from traceability.ledger.organisations import Scope
from traceability.notary.verify import verify_receipt

Bearer = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than for a client's sake: a slow machine may need it."""
    monkeypatch.setattr("api.capture.published.WAIT_SECONDS", 60.0)


@pytest.fixture
def key(bearer: Bearer) -> dict[str, str]:
    return {"Content-Type": "application/json", **bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)}


@pytest.fixture
def running(app: FastAPI, engine: Engine, client: httpx.Client) -> Iterator[httpx.Client]:
    """Give a client of a server that runs its jobs and publishes its log."""
    with integrating(engine) as integrator, capturing(engine) as runner:
        app.state.integrator, app.state.capture_runner = integrator, runner
        yield client


def capture(client: httpx.Client, key: dict[str, str], content: bytes = WHOLE, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(CAPTURE, params={"wait": "published"}, content=content, headers={**key, **named})


def test_the_answer_has_receipts_that_verify(engine: Engine, running: httpx.Client, key: dict[str, str]) -> None:
    answer = capture(running, key)
    assert answer.status_code == 200, answer.text
    job = answer.json()
    assert (job["running"], job["success"], job["recorded"], job["errors"]) == (False, True, 3, [])
    assert answer.headers["Location"] == f"{CAPTURE}/{job['captureID']}"
    log = published_log(engine)
    assert [one["path"] for one in job["receipts"]] == [f"$.epcisBody.eventList[{i}]" for i in range(3)]
    for one in job["receipts"]:
        verified = verify_receipt(one["proof"].encode(), log.key)
        assert str(verified.opening.event_id) == one["event_id"]
        assert verified.index == one["position"] - log.database.identity.first_position
        assert independent(one["proof"].encode(), log.key.text)["size"] >= 3
        assert running.get(one["receipt"], headers=key).status_code == 200
        assert one["outcome"] == "recorded"


def test_what_was_recorded_before_has_its_receipt_too(running: httpx.Client, key: dict[str, str]) -> None:
    first, again = capture(running, key).json(), capture(running, key).json()
    assert (again["duplicates"], again["recorded"]) == (3, 0)
    assert {one["outcome"] for one in again["receipts"]} == {"duplicate"}
    assert [one["position"] for one in again["receipts"]] == [one["position"] for one in first["receipts"]]


def test_a_document_that_is_refused_has_nothing_to_wait_for(running: httpx.Client, key: dict[str, str]) -> None:
    answer = capture(running, key, MIXED)
    assert answer.status_code == 200
    assert (answer.json()["success"], answer.json()["receipts"]) == (False, [])
    assert len(answer.json()["errors"]) == 1
    kept = capture(running, key, MIXED, GS1_Capture_Error_Behaviour="proceed").json()
    assert (kept["success"], kept["recorded"], len(kept["receipts"])) == (False, 2, 2)


def test_an_event_in_conflict_has_no_receipt(running: httpx.Client, key: dict[str, str]) -> None:
    one = event(eventID="urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001")
    assert len(capture(running, key, document(one)).json()["receipts"]) == 1
    other = capture(running, key, document({**one, "bizStep": "shipping"})).json()
    assert (other["conflicts"], other["receipts"]) == (1, [])


def test_many_events_come_with_links_alone(
    running: httpx.Client, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.capture.published.PROVEN", 2)
    told = capture(running, key).json()["receipts"]
    assert [one["proof"] for one in told] == [None] * 3
    assert all(running.get(one["receipt"], headers=key).status_code == 200 for one in told)
    monkeypatch.setattr("api.capture.run.LISTED", 2)
    assert len(capture(running, key, document(*packs(7, 8, 9))).json()["receipts"]) == 2


def test_a_repeated_request_waits_as_well(running: httpx.Client, key: dict[str, str]) -> None:
    first = capture(running, key, Idempotency_Key="1").json()
    again = capture(running, key, Idempotency_Key="1")
    assert again.status_code == 200
    assert (again.json()["captureID"], again.json()["receipts"]) == (first["captureID"], first["receipts"])
    plain = running.post(CAPTURE, content=document(*packs(7)), headers={**key, "Idempotency-Key": "2"})
    late = capture(running, key, document(*packs(7)), Idempotency_Key="2").json()
    assert (late["captureID"], late["receipts"]) == (plain.json()["captureID"], None)


def test_after_the_time_limit_it_is_an_ordinary_202(
    app: FastAPI, engine: Engine, client: httpx.Client, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.capture.published.WAIT_SECONDS", 0.1)
    nobody_runs_it = capture(client, key)
    assert nobody_runs_it.status_code == 202
    assert nobody_runs_it.json()["running"]
    with capturing(engine) as runner:
        app.state.capture_runner = runner
        wait_until(lambda: not client.get(nobody_runs_it.headers["Location"], headers=key).json()["running"])
        nobody_publishes = capture(client, key, document(*packs(7)))
        assert nobody_publishes.status_code == 202
        assert "receipts" not in nobody_publishes.json()
    integrate_all(engine)


def test_a_job_that_another_server_runs_is_waited_for(
    engine: Engine, client: httpx.Client, key: dict[str, str]
) -> None:
    with integrating(engine), capturing(engine):  # which the server that answers knows nothing of
        answer = capture(client, key)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["recorded"], len(told["receipts"])) == (3, 3)
    for one in told["receipts"]:
        assert str(verify_receipt(one["proof"].encode(), published_log(engine).key).opening.event_id) == one["event_id"]
    served = published_log(engine).served()
    assert served is not None
    assert served[0].size == 3


@pytest.mark.parametrize("wait", ["recorded", "", "PUBLISHED"])
def test_one_can_wait_for_nothing_else(client: httpx.Client, key: dict[str, str], wait: str) -> None:
    answer = client.post(CAPTURE, params={"wait": wait}, content=WHOLE, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "http.validation")
