"""GET /epcis/events as its callers meet it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api.wiring import Engine
from tests.support.epcis_events import CONTEXT, DAIRY, OTHER_PACK, PACK, PALLET, PLACE, document, event, typed
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.hash.documents import hashed_document
from traceability.ledger.access import PUBLIC, SHAREABLE_PARTS, Grant
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
EVENT_ID = "ni:///sha-256;df7bb3c352fef055578554f09f5e2aa41782150ced7bd0b8af24dd3ccb30ba69?ver=CBV2.0"


def record(engine: Engine, *events: dict[str, Any], captured_by: str = DAIRY) -> None:
    read = read_document(document(*events), captured_by=captured_by)
    assert read.valid, read.problems
    for batch in engine.ledger_of(captured_by).append_all(one.event for one in read.events):
        assert all(one.outcome == "recorded" for one in batch)


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return events


def next_of(answer: httpx.Response) -> str | None:
    link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("Link", ""))
    return None if link is None else link[1]


@pytest.fixture
def mine(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.QUERY)


def test_the_answer_is_a_query_document_that_can_be_captured(
    client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    record(engine, event(eventID="urn:uuid:a", readPoint={"id": PLACE}, **{"urn:x:y": 1.5}))
    for accept, media_type in (("*/*", "application/json"), ("application/ld+json", "application/ld+json")):
        answer = client.get("/epcis/events", headers={**mine, "Accept": accept})
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["GS1-EPCIS-Version"] == answer.headers["GS1-CBV-Version"] == "2.0.0"
        assert answer.headers["GS1-EPC-Format"] == "Always_GS1_Digital_Link"
        assert "Link" not in answer.headers
        assert answer.json()["@context"] == [CONTEXT.replace("epcis/epcis", "epcis/2.0.0/epcis")]
        assert events_of(answer)[0]["urn:x:y"] == 1.5
        assert read_document(answer.content, captured_by=DAIRY).valid


@pytest.mark.parametrize(
    "headers",
    [{"Accept": "application/pdf"}, {"GS1-EPCIS-Max": "1.2"}],
)
def test_what_cannot_be_answered_as_it_is_wanted(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.get("/epcis/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (406, "http.not_acceptable")


def test_parameters_select(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(
        engine,
        event(bizStep="shipping", eventTime="2026-03-01T10:00:00Z"),
        event(bizStep="receiving", epcList=[OTHER_PACK], eventTime="2026-03-02T10:00:00Z"),
        typed("AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[PACK], eventTime="2026-03-03T10:00:00Z"),
    )

    def times(**parameters: str | list[str]) -> list[str]:
        return [
            one["eventTime"][8:10] for one in events_of(client.get("/epcis/events", params=parameters, headers=mine))
        ]

    assert times() == ["03", "02", "01"]
    assert times(orderBy="eventTime", orderDirection="ASC") == ["01", "02", "03"]
    assert times(MATCH_epc=PACK) == ["03", "01"]
    assert times(MATCH_epc=f"{PACK}|{OTHER_PACK}", EQ_bizStep=["shipping", "receiving"]) == ["02", "01"]
    assert times(MATCH_parentID="urn:epc:idpat:sscc:9521234.*") == ["03"]
    assert times(GE_eventTime="2026-03-02T11:00:00+01:00", LT_eventTime="2026-03-03T00:00:00Z") == ["02"]
    assert times(eventType="AggregationEvent") == ["03"]


def test_links_lead_through_all_pages(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(engine, *(event(eventID=f"urn:uuid:{n}", eventTime=f"2026-03-01T10:00:{n % 7:02}Z") for n in range(25)))
    address: str | None = f"/epcis/events?perPage=10&MATCH_epc={quote(PACK, safe='')}"
    found: list[str] = []
    sizes = []
    while address is not None:
        answer = client.get(address, headers=mine)
        sizes.append(len(events_of(answer)))
        found += [one["eventID"] for one in events_of(answer)]
        address = next_of(answer)
        record(engine, event(eventID=f"urn:uuid:later-{len(found)}", eventTime="2026-03-01T10:00:03Z"))
    assert sizes == [10, 10, 5]
    assert sorted(found) == sorted(f"urn:uuid:{n}" for n in range(25))


def test_a_token_is_for_its_query_only(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(engine, *(event(eventID=f"urn:uuid:{n}") for n in range(3)))
    address = next_of(client.get("/epcis/events?perPage=1", headers=mine))
    assert address is not None
    token = httpx.URL(address).params["nextPageToken"]
    assert len(events_of(client.get(f"/epcis/events?perPage=2&nextPageToken={token}", headers=mine))) == 2
    wrong = [f"EQ_action=ADD&nextPageToken={token}", "nextPageToken=x", f"nextPageToken={token[:-2]}",
             f"nextPageToken={'A' * 500}", "nextPageToken=%F0%9F%90%84", "nextPageToken="]  # fmt: skip
    for query in wrong:
        answer = client.get(f"/epcis/events?{query}", headers=mine)
        assert (answer.status_code, answer.json()["code"]) == (400, "query.page_token")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("MATCH_epcs=urn:x:secret", "query.unknown_parameter"),
        ("EQ_bizStep=secretly", "query.value"),
        ("WD_destination=urn:x:secret", "query.unknown_parameter"),
        ("perPage=0", "query.value"),
        ("perPage=5&perPage=6", "query.repeated"),
    ],
)
def test_a_bad_parameter_is_a_problem_by_the_name_of_the_standard(client: httpx.Client, query: str, code: str) -> None:
    answer = client.get(f"/epcis/events?{query}")
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, code)
    assert problem["type"] == "epcisException:QueryParameterException"
    assert "secret" not in answer.text


def test_an_event_and_its_declaration_by_their_id(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    declaration = {"declarationTime": "2026-03-02T00:00:00Z"}
    record(
        engine, event(eventID=EVENT_ID), event(eventID=EVENT_ID, errorDeclaration=declaration), event(eventID="urn:x:b")
    )
    found = events_of(client.get(f"/epcis/events/{quote(EVENT_ID, safe='')}", headers=mine))
    assert [one.get("errorDeclaration") for one in found] == [None, declaration]
    assert len(events_of(client.get("/epcis/events/urn:x:b", headers=mine))) == 1
    for who, name in ((mine, "urn:x:c"), ({}, "urn:x:b")):
        answer = client.get(f"/epcis/events/{name}", headers=who)
        assert (answer.status_code, answer.json()["code"]) == (404, "query.no_such_event")
        assert answer.json()["type"] == "epcisException:NoSuchResourceException"


SECRET = {
    "epcList": [PACK, OTHER_PACK],
    "readPoint": {"id": PLACE},
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:po:1"}],
    "eventID": "urn:uuid:secret",
}
QUESTIONS = {
    "what": [("MATCH_epc", PACK), ("MATCH_anyEPC", "urn:epc:idpat:sgtin:9521234.*.*")],
    "where": [("EQ_readPoint", PLACE)],
    "why": [("EQ_bizTransaction_po", "urn:po:1")],
    "more": [("EQ_eventID", "urn:uuid:secret")],
}


@pytest.mark.parametrize("part", list(QUESTIONS))
def test_a_hidden_part_finds_nothing_and_is_not_shown(client: httpx.Client, engine: Engine, part: str) -> None:
    record(engine, event(**SECRET))
    opened = frozenset(QUESTIONS) - {part}
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, opened))
    for name, questions in QUESTIONS.items():
        for parameter in questions:
            found = events_of(client.get("/epcis/events", params=[parameter]))
            assert bool(found) is (name in opened)
    (seen,) = events_of(client.get("/epcis/events"))
    fields = {"what": "epcList", "where": "readPoint", "why": "bizTransactionList", "more": "eventID"}
    assert {name for name in fields if fields[name] in seen and seen[fields[name]] == SECRET[fields[name]]} == opened


def test_an_event_without_an_event_id_gets_one_that_finds_it(client: httpx.Client, engine: Engine) -> None:
    record(engine, event(readPoint={"id": PLACE}), event(eventID="urn:uuid:secret"))
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, frozenset({"where"})))
    names = [one["eventID"] for one in events_of(client.get("/epcis/events?orderBy=recordTime&orderDirection=ASC"))]
    # Whoever does not see the eventID sees none of its own, so both are called by the ledger's.
    assert names == [f"urn:uuid:{one.event.event_id}" for one in engine.ledger.records(range(1, 3))]
    for name in names:
        (found,) = events_of(client.get(f"/epcis/events/{name}"))
        assert found["eventID"] == name
        (found,) = events_of(client.get("/epcis/events", params={"EQ_eventID": name}))
        assert found["eventID"] == name


def test_an_event_without_an_event_id_is_found_by_its_cbv_hash(
    client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    """So a declaration may name what corrects it by its hash, whoever computed that."""
    corrected = event(bizStep="shipping", **{"https://ns.example/grade": "A"})
    (hashed,) = hashed_document(document(corrected))[1]
    declaration = {"declarationTime": "2026-03-02T00:00:00Z", "correctiveEventIDs": [hashed.hash]}
    record(engine, corrected, event(eventID="urn:x:wrong", errorDeclaration=declaration))
    (declared,) = events_of(client.get("/epcis/events/urn:x:wrong", headers=mine))
    (name,) = declared["errorDeclaration"]["correctiveEventIDs"]
    (found,) = events_of(client.get(f"/epcis/events/{quote(name, safe='')}", headers=mine))
    assert found["https://ns.example/grade"] == "A"
    asked = client.get("/epcis/events", params={"EQ_eventID": name}, headers=mine)
    assert events_of(asked) == [found]
    assert [one.hash for one in hashed_document(asked.content)[1]] == [name]


@pytest.mark.parametrize("hidden", sorted(SHAREABLE_PARTS))
def test_a_hash_finds_nothing_for_who_does_not_see_all_of_the_event(
    client: httpx.Client, engine: Engine, hidden: str
) -> None:
    """Also where nothing is in the hidden part: that there is nothing is hidden too."""
    record(engine, event())
    (hashed,) = hashed_document(document(event()))[1]
    assert hashed.hash is not None
    names = [quote(name, safe="") for name in (hashed.hash, hashed.hash.replace("sha-256;", "sha-256;0"))]

    def answers(address: str) -> list[tuple[int, str]]:
        given = [client.get(address + name) for name in names]
        return [(one.status_code, re.sub("[0-9-]+T[0-9:.]+Z", "", one.text).replace(one.url.path, "")) for one in given]

    for parts in (SHAREABLE_PARTS - {hidden}, SHAREABLE_PARTS):
        engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, parts))
        for address in ("/epcis/events/", "/epcis/events?EQ_eventID="):
            right, wrong = answers(address)
            assert (right == wrong) is (parts != SHAREABLE_PARTS)


def test_a_header_explains_the_prefix_of_a_field(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(engine, event(**{"https://ns.example/grade": "A"}), event(**{"https://ns.example/grade": "B"}))
    for name, headers in (("ex:grade", {"GS1-Extensions": "ex=https://ns.example/"}), ("https://ns.example/grade", {})):
        answer = client.get("/epcis/events", params={f"EQ_{name}": "A"}, headers={**mine, **headers})
        assert [one[name] for one in events_of(answer)] == ["A"]
    answer = client.get("/epcis/events", params={"EQ_ex:grade": "A"}, headers=mine)
    assert (answer.status_code, answer.json()["code"]) == (400, "query.unknown_prefix")


def test_a_token_belongs_to_what_the_prefixes_meant(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(engine, *(event(eventID=f"urn:uuid:{n}", **{"https://ns.example/a_b": n}) for n in range(3)))

    def ask(extensions: str, **more: str) -> httpx.Response:
        parameters = {"GE_my_ex:a_b": "0", "orderBy": "recordTime", "perPage": "1", **more}
        return client.get("/epcis/events", params=parameters, headers={**mine, "GS1-Extensions": extensions})

    address = next_of(ask("my_ex=https://ns.example/"))
    assert address is not None
    token = httpx.URL(address).params["nextPageToken"]
    assert ask("my_ex=https://other.example/", nextPageToken=token).json()["code"] == "query.page_token"
    assert len(events_of(ask("other=https://ns.example/, my_ex=https://ns.example/", nextPageToken=token))) == 1


def test_more_events_than_the_maximum_are_no_answer(client: httpx.Client, engine: Engine, mine: dict[str, str]) -> None:
    record(engine, *(event(eventID=f"urn:uuid:{n}") for n in range(4)))
    assert len(events_of(client.get("/epcis/events?maxEventCount=4", headers=mine))) == 4
    answer = client.get("/epcis/events?maxEventCount=3&perPage=2", headers=mine)
    assert (answer.status_code, answer.json()["code"]) == (413, "query.too_large")
    assert answer.json()["type"] == "epcisException:QueryTooLargeException"


def test_a_grant_of_named_items_shows_the_one_that_is_asked_for(client: httpx.Client, engine: Engine) -> None:
    record(engine, event(**SECRET))
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, frozenset({"item"})))
    (seen,) = events_of(client.get("/epcis/events", params={"MATCH_epc": PACK}))
    assert seen["epcList"] == [PACK]
    for pattern in ("urn:epc:idpat:sgtin:9521234.*.*", PACK.partition("/21/")[0]):
        assert events_of(client.get("/epcis/events", params={"MATCH_epc": pattern})) == []
    (seen,) = events_of(client.get("/epcis/events"))
    assert "epcList" not in seen


def test_who_may_see_nothing_gets_an_empty_answer(client: httpx.Client, engine: Engine) -> None:
    record(engine, *(event(eventID=f"urn:uuid:{n}") for n in range(40)))
    answer = client.get("/epcis/events?perPage=5")
    assert events_of(answer) == []
    assert "Link" not in answer.headers
