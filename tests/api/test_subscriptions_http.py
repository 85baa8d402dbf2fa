"""Subscriptions as their owners meet them, and what their receivers get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from api.epcis_headers import MIN_RECORD_TIME
from api.settings import Settings
from api.subscriptions.deliverer import delivering
from api.wiring import Engine
from tests.api.test_epcis_events_http import record
from tests.api.test_epcis_queries_http import code_of
from tests.support.captures import wait_until
from tests.support.epcis_events import DAIRY, OTHER_PACK, PACK, event
from tests.support.receivers import Receiver, receiving
from traceability.gs1.epcis.subscriptions.signature import check_signature
from traceability.ledger.access import Grant
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
QUERY = "/epcis/queries/shipped"
TOKEN = "13df38d8275b13f05704629e5f1cf3d45d6132d5"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outgoing_allow": "127.0.0.1"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def mine(client: httpx.Client, bearer: Bearer) -> dict[str, str]:
    """Give a key of the dairy, which has named a query."""
    headers = bearer(DAIRY, Scope.QUERY)
    query = {"name": "shipped", "query": {"EQ_bizStep": ["shipping"]}}
    assert client.post("/epcis/queries", json=query, headers=headers).status_code == 201
    return headers


def subscribed(client: httpx.Client, headers: dict[str, str], receiver: Receiver, **members: Any) -> dict[str, Any]:
    body = {"dest": f"{receiver.url}/hook", "signatureToken": TOKEN, "stream": True, **members}
    answer = client.post(f"{QUERY}/subscriptions", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"{QUERY}/subscriptions/{made['subscriptionID']}"
    return made


def shipped(*numbers: int) -> list[dict[str, Any]]:
    return [event(eventID=f"urn:uuid:{number}", bizStep="shipping") for number in numbers]


def test_events_arrive_signed_in_order_and_no_others(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver
) -> None:
    record(engine, *shipped(0))
    made = subscribed(client, mine, receiver)
    with delivering(engine):
        for number in range(1, 6):
            record(engine, *shipped(number), event(eventID=f"urn:uuid:x{number}", bizStep="storing"))
        wait_until(lambda: len(receiver.ids()) == 5)
        assert receiver.ids() == [f"urn:uuid:{number}" for number in range(1, 6)]
        results = receiver.taken[0].document["epcisBody"]["queryResults"]
        assert (results["queryName"], results["subscriptionID"]) == ("shipped", made["subscriptionID"])
        for post in receiver.taken:
            assert post.headers["Content-Type"] == "application/json"
            assert post.headers["GS1-EPCIS-Version"] == "2.0.0"
            check_signature(post.headers["GS1-Signature"], post.body, TOKEN, now_us=engine.clock.now_us())
        address = f"{QUERY}/subscriptions/{made['subscriptionID']}"
        wait_until(lambda: "lastNotifiedAt" in client.get(address, headers=mine).json())
        assert TOKEN not in client.get(address, headers=mine).text
        # Ended, it gets nothing more, once whoever delivers has seen it: what was begun may still arrive.
        assert client.delete(address, headers=mine).status_code == 204
        assert code_of(client.get(address, headers=mine)) == (404, "subscription.unknown", "NoSuchResourceException")
        other = subscribed(client, mine, receiver, dest=f"{receiver.url}/other")
        record(engine, *shipped(6))
        wait_until(lambda: receiver.ids("/other"))
        record(engine, *shipped(7))
        wait_until(lambda: "urn:uuid:7" in receiver.ids("/other"))
        assert "urn:uuid:7" not in receiver.ids("/hook")
        # A query takes its subscriptions with it.
        assert client.delete(QUERY, headers=mine).status_code == 204
        assert engine.subscriptions.page(DAIRY, limit=10) == []
        assert code_of(client.get(f"{QUERY}/subscriptions/{other['subscriptionID']}", headers=mine))[0] == 404


def test_what_was_recorded_before_comes_first_from_the_time_that_is_asked_for(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver
) -> None:
    record(engine, *shipped(*range(250)))
    subscribed(client, mine, receiver, initialRecordTime="2020-01-01T00:00:00Z")
    subscribed(client, mine, receiver, dest=f"{receiver.url}/later", initialRecordTime="2999-01-01T00:00:00Z")
    with delivering(engine):
        record(engine, *shipped(250, 251))
        wait_until(lambda: len(receiver.ids("/hook")) == 252)
    assert receiver.ids("/hook") == [f"urn:uuid:{number}" for number in range(252)]
    assert receiver.ids("/later") == []
    assert max(len(post.events) for post in receiver.taken) <= 100


def test_the_least_record_time_of_what_is_to_come_is_told_to_the_owner(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver, bearer: Bearer
) -> None:
    record(engine, *shipped(0))
    from_now = subscribed(client, mine, receiver)
    from_then = subscribed(client, mine, receiver, initialRecordTime="2020-01-01T00:00:00Z")
    in_future = subscribed(client, mine, receiver, initialRecordTime="2999-01-01T00:00:00Z")
    recorded_at = utc_text(engine.subscriptions.recorded_at([1])[1])
    assert [one["minRecordTime"] for one in (from_now, from_then, in_future)] == [
        recorded_at, "2020-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z",
    ]  # fmt: skip
    assert from_now["epcFormat"] == "Always_GS1_Digital_Link"
    address = f"{QUERY}/subscriptions/{from_then['subscriptionID']}"
    with delivering(engine):
        record(engine, *shipped(1))
        last = utc_text(engine.subscriptions.recorded_at([2])[2])
        wait_until(lambda: client.get(address, headers=mine).json()["minRecordTime"] == last)
    assert client.get(address, headers=mine).headers[MIN_RECORD_TIME] == last
    assert client.options(address, headers=mine).headers[MIN_RECORD_TIME] == last
    others: tuple[dict[str, str], ...] = (
        {},
        bearer("store.example", Scope.QUERY),
        bearer(DAIRY, Scope.CAPTURE),
        {"Authorization": "Bearer x"},
    )
    for theirs in others:
        answer = client.options(address, headers=theirs)
        assert (answer.status_code, MIN_RECORD_TIME in answer.headers) == (204, False)


def test_a_schedule_reports_what_is_new_and_nothing_if_it_is_asked_to(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver
) -> None:
    every_second = {"schedule": {"second": "[0-59]"}, "stream": None}
    made = subscribed(client, mine, receiver, **every_second, reportIfEmpty=True)
    subscribed(client, mine, receiver, dest=f"{receiver.url}/silent", **every_second)
    assert made["schedule"] == {"second": "[0-59]"}
    record(engine, *shipped(1, 2))
    with delivering(engine):
        wait_until(lambda: receiver.ids("/hook") and receiver.ids("/silent"))
        wait_until(lambda: any(not post.events for post in receiver.taken))
        record(engine, *shipped(3))
        wait_until(lambda: len(receiver.ids("/hook")) == len(receiver.ids("/silent")) == 3)
    assert receiver.ids("/hook") == receiver.ids("/silent") == ["urn:uuid:1", "urn:uuid:2", "urn:uuid:3"]
    assert all(post.events for post in receiver.taken if post.path == "/silent")


def test_a_subscriber_is_told_what_its_organisation_may_see(
    client: httpx.Client, engine: Engine, bearer: Bearer, receiver: Receiver
) -> None:
    theirs = bearer("store.example", Scope.QUERY)
    client.post("/epcis/queries", json={"name": "shipped", "query": {"MATCH_anyEPC": [PACK]}}, headers=theirs)
    subscribed(client, theirs, receiver)
    with delivering(engine):
        record(engine, *shipped(1))
        engine.organisations.set_grant(Grant(DAIRY, "store.example", None, frozenset({"item"})))
        # Rights are looked at anew within a second or so; what was hidden when it was recorded stays untold.
        numbers = count(2)

        def another() -> bool:
            number = next(numbers)
            record(engine, event(eventID=f"urn:uuid:{number}", epcList=[OTHER_PACK, PACK], bizStep="shipping"))
            return bool(receiver.taken)

        wait_until(another)
    (told, *_) = receiver.taken[0].events
    assert told["epcList"] == [PACK]
    assert "urn:uuid:1" not in receiver.taken[0].body.decode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"stream": True}, "subscription.controls"),
        ([], "subscription.controls"),
        ({"dest": "https://r.example/"}, "subscription.controls"),
        ({"dest": "https://r.example/", "stream": False}, "subscription.controls"),
        ({"dest": "https://r.example/", "stream": True, "schedule": {"hour": "1"}}, "subscription.controls"),
        ({"dest": "https://r.example/", "stream": True, "colour": 1}, "subscription.controls"),
        ({"dest": "https://r.example/", "stream": True, "reportIfEmpty": "yes"}, "subscription.controls"),
        ({"dest": "https://r.example/", "stream": True, "initialRecordTime": "now"}, "subscription.controls"),
        ({"dest": "https://r.example/", "stream": True, "signatureToken": ""}, "subscription.controls"),
        ({"dest": "https://r.example/", "stream": True, "signatureToken": 17}, "subscription.controls"),
        ({"dest": "https://r.example/", "schedule": {}}, "subscription.schedule"),
        ({"dest": "https://r.example/", "schedule": {"hour": "24"}}, "subscription.schedule"),
        ({"dest": "https://r.example/", "schedule": {"hour": 1.5}}, "subscription.schedule"),
        ({"dest": "https://r.example/", "schedule": {"dayOfMonth": "30", "month": "2"}}, "subscription.schedule"),
        ({"dest": "ftp://r.example/", "stream": True}, "outgoing.address"),
        ({"dest": "https://10.0.0.1/", "stream": True}, "outgoing.private"),
        ({"dest": "https://169.254.169.254/latest", "stream": True}, "outgoing.private"),
        ({"dest": "http://192.0.1.1/", "stream": True}, "outgoing.plain"),
    ],
)
def test_what_is_no_subscription_is_said(client: httpx.Client, mine: dict[str, str], body: Any, code: str) -> None:
    answer = client.post(f"{QUERY}/subscriptions", json=body, headers=mine)
    assert code_of(answer) == (400, code, "SubscriptionControlsException")


def test_a_query_with_an_end_cannot_be_subscribed_to(client: httpx.Client, mine: dict[str, str]) -> None:
    body = {"dest": "https://r.example/", "stream": True}
    for name, query in (("few", {"maxEventCount": 3}), ("first", {"orderBy": "eventTime", "eventCountLimit": 3})):
        client.post("/epcis/queries", json={"name": name, "query": query}, headers=mine)
        answer = client.post(f"/epcis/queries/{name}/subscriptions", json=body, headers=mine)
        assert code_of(answer) == (400, "subscription.query", "SubscriptionControlsException")
    answer = client.post("/epcis/queries/none/subscriptions", json=body, headers=mine)
    assert code_of(answer) == (404, "query.no_such_name", "NoSuchNameException")
    raw = client.post(f"{QUERY}/subscriptions", content=b"{", headers=mine)
    assert code_of(raw) == (400, "subscription.controls", "SubscriptionControlsException")


def test_subscriptions_are_listed_page_after_page_for_their_owner(
    client: httpx.Client, mine: dict[str, str], bearer: Bearer, receiver: Receiver
) -> None:
    made = [subscribed(client, mine, receiver, schedule={"hour": "1"}, stream=None) for _ in range(3)]
    first = client.get(f"{QUERY}/subscriptions?perPage=2", headers=mine)
    second = client.get(first.links["next"]["url"], headers=mine)
    assert first.json() + second.json() == made
    assert "next" not in second.links
    theirs = bearer("store.example", Scope.QUERY)
    client.post("/epcis/queries", json={"name": "shipped", "query": {}}, headers=theirs)
    assert client.get(f"{QUERY}/subscriptions", headers=theirs).json() == []
    address = f"{QUERY}/subscriptions/{made[0]['subscriptionID']}"
    for method in ("GET", "DELETE"):
        assert client.request(method, address, headers=theirs).status_code == 404
    assert client.get(f"{QUERY}/subscriptions/x", headers=mine).status_code == 404
    assert client.get(f"{QUERY}/subscriptions?nextPageToken=x", headers=mine).status_code == 400
