"""How an answer is written: GS1-EPC-Format and GS1-Extensions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.wiring import Engine
from tests.api.test_epcis_events_http import events_of, record
from tests.support import epcis_queries as some
from tests.support.epcis_events import DAIRY, PACK, PALLET, PARTY, PLACE, document, event, typed
from traceability.gs1.epcis import content_digest, read_document
from traceability.gs1.epcis.prefixes import declared, shortened
from traceability.gs1.epcis.strict_json import dumps, loads
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
EVENTS = "/epcis/events"
URN, AS_RECEIVED = "Always_EPC_URN", "Never_Translates"
PACK_URN = "urn:epc:id:sgtin:9521234.000001.1001"
LOT_AND_SERIAL = "https://id.gs1.org/01/09521234000013/10/A7/21/9"


@pytest.fixture
def mine(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.QUERY)


def ask(client: httpx.Client, headers: dict[str, str], epc_format: str, path: str = EVENTS) -> httpx.Response:
    answer = client.get(path, headers={**headers, "GS1-EPC-Format": epc_format})
    assert answer.status_code == 200, answer.text
    return answer


def test_identifiers_as_urns(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(
        engine,
        typed(
            "AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[PACK], readPoint={"id": PLACE},
            destinationList=[{"type": "owning_party", "destination": PARTY}],
        ),
    )  # fmt: skip
    answer = ask(client, mine, URN)
    assert answer.headers["GS1-EPC-Format"] == URN
    (found,) = events_of(answer)
    assert found["childEPCs"] == [PACK_URN]
    assert found["parentID"] == "urn:epc:id:sscc:9521234.0000000001"
    assert found["readPoint"] == {"id": "urn:epc:id:sgln:9521234.00000.0"}
    assert found["destinationList"][0]["destination"] == "urn:epc:id:pgln:9521234.00000"
    assert read_document(answer.content, captured_by=DAIRY).valid
    for path, members in (("epcs", [found["parentID"], PACK_URN]), ("readPoints", ["urn:epc:id:sgln:9521234.00000.0"])):
        listed = ask(client, mine, URN, f"/epcis/{path}")
        assert (listed.json()["member"], listed.headers["GS1-EPC-Format"]) == (members, URN)


def test_an_answer_does_not_say_more_than_it_is(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    """No URN says a lot beside a serial: the link stays, and the header says so."""
    record(engine, event(epcList=["urn:x:y", PACK]), event(epcList=[LOT_AND_SERIAL, PACK]))
    answer = ask(client, mine, URN)
    assert answer.headers["GS1-EPC-Format"] == "No_Preference"
    assert [one["epcList"] for one in events_of(answer)] == [[LOT_AND_SERIAL, PACK_URN], ["urn:x:y", PACK_URN]]


def test_what_was_received_comes_back_as_it_was(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    odd = (
        b'{ "eventTimeZoneOffset":"+01:00" , "type" : "ObjectEvent","epcList": ["'
        + PACK_URN.encode()
        + (b'"], "action":"OBSERVE","eventTime":"2026-03-01T09:15:00.50+01:00", "https://ns.example/x": 4.10 }')
    )
    read = read_document(document(odd), captured_by=DAIRY)
    assert read.valid, read.problems
    list(engine.ledger_of(DAIRY).append_all(one.event for one in read.events))
    answer = ask(client, mine, AS_RECEIVED)
    assert odd in answer.content
    assert answer.headers["GS1-EPC-Format"] == AS_RECEIVED
    # Whoever may not see what was received is answered in the ledger's form, and told so.
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, frozenset({"what"})))
    answer = ask(client, {}, AS_RECEIVED)
    assert (events_of(answer)[0]["epcList"], answer.headers["GS1-EPC-Format"]) == ([PACK], "No_Preference")


def test_a_name_that_the_document_explained_is_explained_in_the_answer(
    client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    context = ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld", {"ex": "https://ns.example/"}]
    sent = document(event(epcList=[PACK_URN], **{"ex:x": 1.50}), context=context)
    read = read_document(sent, captured_by=DAIRY)
    list(engine.ledger_of(DAIRY).append_all(one.event for one in read.events))
    answer = ask(client, mine, AS_RECEIVED)
    (found,) = events_of(answer)
    assert (found["epcList"], found["https://ns.example/x"]) == ([PACK_URN], 1.5)
    assert answer.headers["GS1-EPC-Format"] == AS_RECEIVED
    again = read_document(answer.content, captured_by=DAIRY)
    assert content_digest(again.events[0].event.parts) == content_digest(read.events[0].event.parts)


def test_names_have_the_prefixes_that_are_declared(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    inside = {"https://ns.example/deep/b": {"https://ns.example/c": "d"}}
    record(engine, event(**{"https://ns.example/a": 4.10, **inside, "urn:other:x": 1}))
    lines = ("ex=https://ns.example/, deep=https://ns.example/deep/", "epcis=https://ns.example/, sensors")
    answer = client.get(EVENTS, headers=[*mine.items(), *(("GS1-Extensions", line) for line in lines)])
    (found,) = events_of(answer)
    assert b'"ex:a":4.1' in answer.content
    assert (found["deep:b"], found["urn:other:x"]) == ({"ex:c": "d"}, 1)
    declared_there = {"ex": "https://ns.example/", "deep": "https://ns.example/deep/"}
    assert answer.json()["@context"][1] == declared_there
    assert answer.headers["GS1-Extensions"] == "ex=https://ns.example/, deep=https://ns.example/deep/"
    (again,) = read_document(answer.content, captured_by=DAIRY).events
    (recorded,) = engine.ledger.records([1])
    assert content_digest(again.event.parts) == content_digest(recorded.event.parts)
    assert "GS1-Extensions" not in client.get(EVENTS, headers=mine).headers


def test_a_bundle_has_one_form(client: httpx.Client, mine: dict[str, str]) -> None:
    answer = client.get(EVENTS, headers={**mine, "Accept": "application/zip", "GS1-EPC-Format": URN})
    assert (answer.status_code, answer.json()["code"]) == (406, "http.not_acceptable")


PREFIXES = {"ex": "https://ns.example/", "e": "https://ns.example/e", "x-1": "urn:x:"}


@given(some.members(), st.dictionaries(st.sampled_from(sorted(PREFIXES)), st.sampled_from(sorted(PREFIXES.values()))))
def test_shortened_names_mean_what_they_meant(members: dict[str, Any], prefixes: dict[str, str]) -> None:
    extended = {**members, "https://ns.example/eve": {"https://ns.example/1": 1, "urn:x:y": [{"urn:x:y:z": 2}]}}
    (one,) = read_document(document(json.dumps(extended)), captured_by=DAIRY).events
    event = shortened(loads(write_event(one.event.parts, 0)), prefixes)
    text = write_query_document([dumps(event)], created_at=0, prefixes=prefixes)
    (again,) = read_document(text, captured_by=DAIRY).events
    assert content_digest(again.event.parts) == content_digest(one.event.parts)


def test_what_declares_no_prefix_is_left_out() -> None:
    assert declared(None) == declared("") == declared("sensors, a=, =urn:x:, b=nothing, gs1=urn:x:, 1=urn:x:") == {}
    # In an answer these are terms of EPCIS: a prefix of the name would give them another meaning.
    assert declared("type=urn:x:, epcList=urn:x:, sensorReport=urn:x:, eventList=urn:x:, ObjectEvent=urn:x:") == {}
    assert declared(" a=urn:x: ,b=https://x.example/") == {"a": "urn:x:", "b": "https://x.example/"}
