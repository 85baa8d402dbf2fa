"""In which form a subscription's events are delivered: as the answer to its query is, for the same headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from lxml import etree

from adapters.postgres.subscriptions import DeadDelivery
from api.settings import Settings
from api.subscriptions.dead_letters import replay
from api.subscriptions.deliverer import delivering
from api.wiring import Engine
from tests.api.test_epcis_events_http import record
from tests.support.captures import wait_until
from tests.support.epcis_events import DAIRY, PACK, PALLET, PARTY, PLACE, event, typed
from tests.support.receivers import Receiver, receiving
from traceability.gs1.epcis.strict_json import dumps, loads
from traceability.gs1.epcis.subscriptions.signature import check_signature
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
QUERY = "/epcis/queries/all"
TOKEN = "13df38d8275b13f05704629e5f1cf3d45d6132d5"
FIELD = "https://x.example/a"
EVENTS = [
    event(eventID="urn:uuid:1", bizStep="shipping", disposition="in_transit", **{FIELD: ["1"]}),
    typed(
        "AggregationEvent", eventID="urn:uuid:2", action="ADD", parentID=PALLET, childEPCs=[PACK],
        readPoint={"id": PLACE}, destinationList=[{"type": "owning_party", "destination": PARTY}],
    ),
    event(eventID="urn:uuid:3", epcList=["urn:epc:id:sgtin:9521234.000001.7"]),
]  # fmt: skip
TOLD = ("Content-Type", "GS1-EPC-Format", "GS1-EPCIS-Version", "GS1-CBV-Version", "GS1-Extensions")
URNS = {"GS1-EPC-Format": "Always_EPC_URN"}
XML = {"Accept": "application/xml"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outgoing_allow": "127.0.0.1"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def mine(client: httpx.Client, bearer: Bearer) -> dict[str, str]:
    headers = bearer(DAIRY, Scope.QUERY)
    client.post("/epcis/queries", json={"name": "all", "query": {}}, headers=headers)
    return headers


def subscribed(client: httpx.Client, headers: dict[str, str], receiver: Receiver, **members: Any) -> dict[str, Any]:
    body = {"dest": receiver.url, "signatureToken": TOKEN, "stream": True, **members}
    answer = client.post(f"{QUERY}/subscriptions", json=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    made: dict[str, Any] = answer.json()
    return made


def events_in(body: bytes, content_type: str) -> set[bytes]:
    """Return the events of a document as they are written, in one order of members."""
    if "xml" in content_type:
        return {etree.tostring(one, method="c14n") for one in etree.fromstring(body).iterfind(".//EventList/*")}
    document: Any = loads(body)
    return {dumps(one) for one in document["epcisBody"]["queryResults"]["resultsBody"]["eventList"]}


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"Accept": "application/ld+json"},
        URNS,
        {"GS1-Extensions": "x=https://x.example/"},
        {"GS1-EPC-Format": "Never_Translates"},
        XML,
        {**XML, **URNS, "GS1-CBV-XML-Format": "Always_URN"},
        {"Accept": "text/xml", "GS1-EPCIS-Version": "1.2.0", "GS1-CBV-Version": "1.2.0"},
        {**XML, "GS1-EPC-Format": "Never_Translates"},
        {**XML, **URNS, "GS1-CBV-XML-Format": "Never_Translates"},
    ],
    ids=lambda wish: " ".join(wish.values()),
)
def test_what_is_delivered_is_what_the_query_would_be_answered(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver, wish: dict[str, str]
) -> None:
    made = subscribed(client, {**mine, **wish}, receiver)
    assert ("format" in made) == bool(wish)
    assert wish.items() <= made.get("format", {}).items()
    record(engine, EVENTS[0])  # read from the ledger; what comes then is brought by the tail
    with delivering(engine):
        wait_until(lambda: receiver.taken)
        record(engine, *EVENTS[1:])
        answer = client.get(f"{QUERY}/events", headers={**mine, **wish})
        wanted = events_in(answer.content, answer.headers["content-type"])
        assert len(wanted) == len(EVENTS)

        def delivered() -> set[bytes]:
            return {one for post in list(receiver.taken) for one in events_in(post.body, post.headers["Content-Type"])}

        wait_until(lambda: len(delivered()) == len(EVENTS))
        assert delivered() == wanted
    for post in receiver.taken:
        # Where HTTP has a charset beside text/xml, XML says its encoding itself.
        told = {name: answer.headers[name].partition(";")[0] for name in TOLD if name in answer.headers}
        assert {name: post.headers.get(name) for name in told} == told
        assert made["subscriptionID"].encode() in post.body
        check_signature(post.headers["GS1-Signature"], post.body, TOKEN, now_us=engine.clock.now_us())


def test_what_xml_cannot_say_is_set_aside_at_once(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver
) -> None:
    nested = event(eventID="urn:uuid:nested", **{FIELD: [["no", "arrays"], ["in", "arrays"]]})
    record(engine, EVENTS[0], nested, *EVENTS[1:])
    once = iter([422])  # what is refused beside it is tried again, as ever
    receiver.status = lambda _: next(once, 204)
    subscribed(client, {**mine, **XML}, receiver, initialRecordTime="2020-01-01T00:00:00Z")
    with delivering(engine):
        wait_until(lambda: sum(post.body.count(b"<eventID>") for post in receiver.taken) == len(EVENTS))
        wait_until(lambda: engine.subscriptions.page(DAIRY, limit=1)[0].failures == 0)
    (dead,) = engine.subscriptions.dead(DAIRY, limit=9)
    assert (dead.events, dead.after, dead.up_to, "arrays in arrays" in dead.reason) == (1, 1, 2, True)
    shown = client.get(f"/dead-letters/{dead.delivery_id}", headers=mine).json()
    assert [one["eventID"] for one in shown["event_list"]] == ["urn:uuid:nested"]
    page = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    replayed = client.post(f"/dead-letters/{dead.delivery_id}", data={"do": "replay"}, headers={**mine, **page})
    assert (replayed.status_code, "arrays in arrays" in replayed.text) == (422, True)


def test_a_replay_has_the_form_too(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver
) -> None:
    made = subscribed(client, {**mine, **XML, **URNS}, receiver)
    record(engine, *EVENTS)
    dead = DeadDelivery(uuid4(), UUID(made["subscriptionID"]), 0, 3, 3, 1, 1, 1, "as the test wants")
    assert engine.subscriptions.give_up(dead, due_at=0)
    assert replay(engine, DAIRY, dead.delivery_id) == 3
    assert b"urn:epc:id:sgtin:9521234.000001.1001" in receiver.taken[-1].body


def test_a_namespace_of_any_letters_comes_back_as_it_was_sent(
    client: httpx.Client, engine: Engine, mine: dict[str, str], receiver: Receiver
) -> None:
    sent = "a=https://ns.example/ä/"
    body = {"dest": receiver.url, "stream": True}
    headers = httpx.Headers({**mine, "GS1-Extensions": sent}, encoding="utf-8")
    made = client.post(f"{QUERY}/subscriptions", json=body, headers=headers).json()
    record(engine, *EVENTS)
    dead = DeadDelivery(uuid4(), UUID(made["subscriptionID"]), 0, 1, 1, 1, 1, 1, "as the test wants")
    assert engine.subscriptions.give_up(dead, due_at=0)
    with delivering(engine):
        wait_until(lambda: receiver.taken)
    assert replay(engine, DAIRY, dead.delivery_id) == 1
    # The receiver of the test, as others do, reads headers as ISO-8859-1.
    assert {post.headers["GS1-Extensions"].encode("latin-1").decode() for post in receiver.taken} == {sent}
    assert len(receiver.taken) > 1


def test_a_form_that_is_not_served_is_refused(client: httpx.Client, mine: dict[str, str], receiver: Receiver) -> None:
    body = {"dest": receiver.url, "stream": True}
    for wish in ({"Accept": "text/csv"}, {"GS1-EPCIS-Version": "1.2.0"}):
        assert client.post(f"{QUERY}/subscriptions", json=body, headers={**mine, **wish}).status_code == 406
