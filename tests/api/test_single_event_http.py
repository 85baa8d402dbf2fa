"""POST /epcis/events: one event, recorded when the request is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from adapters.postgres.event_requests import remove_event_requests
from api.findings import findings_of
from api.wiring import Engine
from tests.api.test_epcis_events_http import events_of
from tests.conftest import Database
from tests.support.epcis_events import CONTEXT, DAIRY, PACK, document, event
from tests.support.xml_events import xml_document, xml_event
from traceability.ledger.findings import FindingFilter
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
EVENTS = "/epcis/events"
HASH = "ni:///sha-256;df7bb3c352fef055578554f09f5e2aa41782150ced7bd0b8af24dd3ccb30ba69?ver=CBV2.0"


def one(**members: Any) -> dict[str, Any]:
    return {"@context": [CONTEXT, {"ex": "https://ns.example/"}], **event(**members)}


@pytest.fixture
def mine(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.CAPTURE, Scope.QUERY)


def code_of(answer: httpx.Response) -> tuple[int, str, str]:
    problem = answer.json()
    return answer.status_code, problem["code"], problem["type"].removeprefix("epcisException:")


def test_an_event_is_recorded_and_found_at_once(client: httpx.Client, mine: dict[str, str]) -> None:
    def recorded(**members: Any) -> httpx.Response:
        answer = client.post(EVENTS, json=one(**members), headers=mine)
        assert answer.status_code == 201, answer.text
        assert answer.headers["GS1-EPCIS-Version"] == "2.0.0"
        assert events_of(client.get(answer.headers["Location"], headers=mine)) == [answer.json()]
        return answer

    assert recorded(eventID=HASH, **{"ex:weight": 4.5}).json()["https://ns.example/weight"] == 4.5
    # One without an eventID is called by the ledger's own id of it.
    answer = recorded(bizStep="shipping")
    called = answer.json()["eventID"]
    assert answer.links["related"]["url"] == f"/provenance/events/{called.removeprefix('urn:uuid:')}/receipt"


def test_an_event_in_xml_is_that_in_json(client: httpx.Client, mine: dict[str, str]) -> None:
    sent = xml_event("<eventID>urn:uuid:1</eventID>", '<x:grade xmlns:x="https://ns.example/">A</x:grade>').encode()
    answer = client.post(EVENTS, content=sent, headers={**mine, "Content-Type": "application/xml"})
    assert (answer.status_code, answer.json()["https://ns.example/grade"]) == (201, "A")
    as_received = client.get(EVENTS, headers={**mine, "GS1-EPC-Format": "Never_Translates"})
    assert events_of(as_received)[0]["epcList"] == [PACK]
    twin = {**answer.json(), "@context": CONTEXT}
    assert code_of(client.post(EVENTS, json=twin, headers=mine))[:2] == (409, "capture.duplicate")


def test_what_is_recorded_already_is_a_conflict(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    named, unnamed = one(eventID=HASH), one()
    declared = one(eventID=HASH, errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z"})
    for sent in (named, unnamed, declared):
        assert client.post(EVENTS, json=sent, headers=mine).status_code == 201
        again = client.post(EVENTS, json=sent, headers=mine)
        assert code_of(again) == (409, "capture.duplicate", "ResourceAlreadyExistsException")
    other = client.post(EVENTS, json={**named, "action": "ADD"}, headers=mine)
    assert code_of(other) == (409, "capture.conflict", "ResourceAlreadyExistsException")
    assert engine.ledger.head() == 3


def test_a_request_with_a_key_may_be_sent_again(
    client: httpx.Client, engine: Engine, mine: dict[str, str], bearer: Bearer
) -> None:
    keyed = {**mine, "Idempotency-Key": "7f3a"}
    body = json.dumps(one(eventID="urn:uuid:1")).encode()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: client.post(EVENTS, content=body, headers=keyed), range(8)))
    told = {(answer.status_code, answer.headers["Location"]) for answer in answers}
    assert told == {(201, f"{EVENTS}/urn%3Auuid%3A1")}
    changed = client.post(EVENTS, content=body + b" ", headers=keyed)
    assert code_of(changed) == (409, "capture.request_key", "ResourceAlreadyExistsException")
    # A key is its organisation's, and one that never recorded anything stands for nothing.
    store = {**bearer("store.example", Scope.CAPTURE), "Idempotency-Key": "7f3a"}
    assert client.post(EVENTS, content=body + b" ", headers=store).status_code == 201
    assert client.post(EVENTS, content=body, headers={**mine, "Idempotency-Key": "other"}).status_code == 409
    assert engine.ledger.head() == 2


def test_a_key_is_forgotten_in_time(client: httpx.Client, mine: dict[str, str], database: Database) -> None:
    keyed = {**mine, "Idempotency-Key": "7f3a"}
    assert [client.post(EVENTS, json=one(), headers=keyed).status_code for _ in range(2)] == [201, 201]
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        assert list(remove_event_requests(owner, 1)) == []
        assert list(remove_event_requests(owner, 1 << 60)) == [1]
    assert code_of(client.post(EVENTS, json=one(), headers=keyed))[:2] == (409, "capture.duplicate")


def test_what_is_no_event_is_told(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    refused: list[tuple[bytes, str]] = [
        (json.dumps(one(eventTime="yesterday")).encode(), "epcis.time"),
        (b"{", "json.syntax"),
        (b"[" + json.dumps(one()).encode() + b"]", "epcis.event_type"),
        (document(event()), "epcis.event_type"),
        (b"{}", "epcis.event_type"),
        (b'{"type": ["ObjectEvent"]}', "epcis.event_type"),
        (b"\xff", "json.encoding"),
        (b"<ObjectEvent/>", "epcis.missing_field"),
        (b"<ObjectEvent>", "xml.syntax"),
        (b"<!DOCTYPE a><ObjectEvent/>", "xml.doctype"),
        (xml_document(xml_event()), "epcis.event_type"),
    ]
    for body, code in refused:
        answer = client.post(EVENTS, content=body, headers=mine)
        assert code_of(answer) == (400, "capture.event", "ValidationException")
        assert answer.json()["problems"][0]["code"] == code
    long = client.post(EVENTS, content=b" " * 1_048_577, headers=mine)
    assert code_of(long) == (413, "http.body_too_long", "CaptureLimitExceededException")
    assert [long.headers.get(f"GS1-EPCIS-Capture-{name}") for name in ("Limit", "File-Size-Limit")] == ["1", "1048576"]
    assert code_of(client.post(EVENTS, json=one()))[0] == 403
    assert engine.ledger.head() == 0


def test_a_warning_is_a_finding_at_the_event(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    sent = one(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z"})
    assert client.post(EVENTS, json=sent, headers=mine).status_code == 201
    (found,) = findings_of(engine).page(DAIRY, FindingFilter(), limit=9)
    assert (found.code, found.severity, found.position) == ("epcis.nothing_retracted", "warning", 1)
    assert PACK in client.get(EVENTS, headers=mine).text
