"""Subscriptions over websockets, with a client that is not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.epcis_headers import MIN_RECORD_TIME
from api.subscriptions.deliverer import tailing
from api.wiring import Engine
from tests.api.test_epcis_events_http import record
from tests.support.captures import wait_until
from tests.support.epcis_events import DAIRY, event
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def mine(app: FastAPI, engine: Engine, client: httpx.Client, bearer: Bearer) -> Iterator[dict[str, str]]:
    """Give a key of the dairy, which has named a query, on a server that brings new events."""
    headers = bearer(DAIRY, Scope.QUERY)
    query = {"name": "shipped", "query": {"EQ_bizStep": ["shipping"]}}
    assert client.post("/epcis/queries", json=query, headers=headers).status_code == 201
    with tailing(engine) as tail:
        app.state.tail = tail
        yield headers


def opened(client: httpx.Client, headers: dict[str, str], parameters: str, query: str = "shipped") -> ClientConnection:
    url = f"{client.base_url}".replace("http://", "ws://").rstrip("/")
    return connect(f"{url}/epcis/queries/{query}/events?{parameters}", additional_headers=headers, proxy=None)


def told(socket: ClientConnection) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(socket.recv(timeout=60))
    results: dict[str, Any] = document["epcisBody"]["queryResults"]
    return results


def ids(results: dict[str, Any]) -> list[str]:
    return [one["eventID"] for one in results["resultsBody"]["eventList"]]


def shipped(*numbers: int) -> list[dict[str, Any]]:
    return [event(eventID=f"urn:uuid:{number}", bizStep="shipping") for number in numbers]


def test_events_come_as_they_are_recorded(
    app: FastAPI, client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    record(engine, *shipped(0))
    with opened(client, mine, "stream=true") as socket:
        found: list[str] = []
        names = set()
        for number in range(1, 6):
            record(engine, *shipped(number), event(eventID=f"urn:uuid:x{number}", bizStep="storing"))
            results = told(socket)
            names.add((results["queryName"], results["subscriptionID"]))
            found += ids(results)
        assert found == [f"urn:uuid:{number}" for number in range(1, 6)]
        assert len(names) == 1
        assert app.state.sockets.open == 1
    wait_until(lambda: app.state.sockets.open == 0)
    assert len(app.state.tail._queries) == 0


def test_what_was_missed_is_asked_for_by_its_time(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(engine, *shipped(*range(120)))
    with opened(client, mine, "stream=true&initialRecordTime=2020-01-01T00:00:00Z") as socket:
        assert socket.response is not None
        assert socket.response.headers[MIN_RECORD_TIME] == "2020-01-01T00:00:00.000000Z"
        found: list[str] = []
        while len(found) < 120:
            found += ids(told(socket))
        record(engine, *shipped(120))
        assert found + ids(told(socket)) == [f"urn:uuid:{number}" for number in range(121)]


def test_a_schedule_reports(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    with opened(client, mine, "second=[0-59]&reportIfEmpty=true") as socket:
        assert ids(told(socket)) == []
        record(engine, *shipped(1))
        found: list[str] = []
        while not found:
            found = ids(told(socket))
        assert found == ["urn:uuid:1"]


def test_messages_have_the_form_that_is_wished_for(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    wishes = [
        {"GS1-EPC-Format": "Always_EPC_URN"},
        {"GS1-EPC-Format": "Never_Translates", "Accept": "application/ld+json", "GS1-EPCIS-Max": "2.0"},
        {"GS1-Extensions": "x=https://x.example/"},
    ]
    given = event(bizStep="shipping", epcList=["urn:epc:id:sgtin:9521234.000001.7"], **{"https://x.example/a": 1})
    record(engine, given)
    for wish in wishes:
        with opened(client, {**mine, **wish}, "stream=true&initialRecordTime=2020-01-01T00:00:00Z") as socket:
            answer = client.get("/epcis/queries/shipped/events", headers={**mine, **wish})
            (wanted,) = answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
            assert told(socket)["resultsBody"]["eventList"] == [wanted]
    wrong = ({"Accept": "application/xml"}, {"GS1-EPC-Format": "x"}, {"GS1-EPCIS-Version": "1.2"}, {"GS1-CBV-Min": "x"})
    for wish in wrong:
        with pytest.raises(InvalidStatus) as caught:
            opened(client, {**mine, **wish}, "stream=true")
        assert caught.value.response.status_code == 406


@pytest.mark.parametrize(
    ("parameters", "query", "refusal"),
    [
        ("", "shipped", (400, "subscription.controls")),
        ("stream=true&hour=1", "shipped", (400, "subscription.controls")),
        ("stream=true&stream=true", "shipped", (400, "subscription.controls")),
        ("stream=true&perPage=3", "shipped", (400, "subscription.controls")),
        ("hour=25", "shipped", (400, "subscription.schedule")),
        ("stream=true", "other", (404, "query.no_such_name")),
    ],
)
def test_what_is_refused_is_a_problem(
    client: httpx.Client, mine: dict[str, str], parameters: str, query: str, refusal: tuple[int, str]
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        opened(client, mine, parameters, query)
    response = caught.value.response
    assert (response.status_code, orjson.loads(response.body)["code"]) == refusal


def test_only_whose_query_it_is_may_listen(client: httpx.Client, mine: dict[str, str], bearer: Bearer) -> None:
    assert mine
    unknown = {"Authorization": "Bearer trace_000000000000_unknown"}
    others = bearer("store.example", Scope.QUERY), bearer(DAIRY, Scope.CAPTURE)
    for headers, status in (({}, 401), (unknown, 401), (others[0], 404), (others[1], 403)):
        with pytest.raises(InvalidStatus) as caught:
            opened(client, headers, "stream=true")
        assert caught.value.response.status_code == status
