"""Named queries as their callers meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.wiring import Engine
from tests.api.test_epcis_events_http import events_of, next_of, record
from tests.support.epcis_events import DAIRY, OTHER_PACK, PACK, event
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
QUERIES = "/epcis/queries"
SHIPPED = {"name": "shipped", "query": {"EQ_bizStep": ["shipping", "receiving"], "eventType": ["ObjectEvent"]}}


@pytest.fixture
def mine(bearer: Bearer) -> dict[str, str]:
    return bearer(DAIRY, Scope.QUERY)


@pytest.fixture
def theirs(bearer: Bearer) -> dict[str, str]:
    return bearer("store.example", Scope.QUERY)


def code_of(answer: httpx.Response) -> tuple[int, str, str]:
    problem = answer.json()
    return answer.status_code, problem["code"], problem["type"].removeprefix("epcisException:")


def test_a_query_is_named_asked_listed_and_dropped(
    client: httpx.Client, engine: Engine, mine: dict[str, str], theirs: dict[str, str]
) -> None:
    record(engine, *(event(eventID=f"urn:uuid:{n}", bizStep=("shipping", "storing")[n % 2]) for n in range(6)))
    sent = client.post(QUERIES, json=SHIPPED, headers=mine)
    assert (sent.status_code, sent.headers["Location"], sent.json()) == (201, f"{QUERIES}/shipped", SHIPPED)
    assert client.get(sent.headers["Location"], headers=mine).json() == SHIPPED
    assert client.get(QUERIES, headers=mine).json() == [SHIPPED]
    address: str | None = f"{QUERIES}/shipped/events?perPage=2"
    found: list[dict[str, Any]] = []
    while address is not None:
        answer = client.get(address, headers=mine)
        assert answer.json()["epcisBody"]["queryResults"]["queryName"] == "shipped"
        assert answer.headers["GS1-EPCIS-Version"] == "2.0.0"
        found += events_of(answer)
        address = next_of(answer)
    assert sorted(one["eventID"] for one in found) == ["urn:uuid:0", "urn:uuid:2", "urn:uuid:4"]
    # It is its organisation's alone, and so is its name.
    for headers in (theirs, {}):
        assert client.get(QUERIES, headers=headers).json() == []
        for address in (f"{QUERIES}/shipped", f"{QUERIES}/shipped/events"):
            assert code_of(client.get(address, headers=headers)) == (404, "query.no_such_name", "NoSuchNameException")
    assert client.delete(f"{QUERIES}/shipped", headers=theirs).status_code == 404
    assert client.post(QUERIES, json=SHIPPED, headers=theirs).status_code == 201
    assert client.delete(f"{QUERIES}/shipped", headers=mine).status_code == 204
    assert client.get(f"{QUERIES}/shipped", headers=mine).status_code == 404
    assert client.get(f"{QUERIES}/shipped", headers=theirs).status_code == 200


def test_the_answer_is_what_the_caller_may_see(
    client: httpx.Client, engine: Engine, mine: dict[str, str], theirs: dict[str, str]
) -> None:
    record(engine, event(bizStep="shipping"), event(epcList=[OTHER_PACK], bizStep="receiving"))
    everything = {"name": "everything", "query": {}}
    for headers in (mine, theirs):
        assert client.post(QUERIES, json=everything, headers=headers).status_code == 201
    address = f"{QUERIES}/everything/events"
    assert len(events_of(client.get(address, headers=mine))) == 2
    assert events_of(client.get(address, headers=theirs)) == []
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, frozenset({"shipping"}), frozenset()))
    (seen,) = events_of(client.get(address, headers=theirs))
    assert "epcList" not in seen


def test_numbers_and_extensions_stay_as_they_were_written(client: httpx.Client, mine: dict[str, str]) -> None:
    body = (
        b'{"query": {"@context": {"ex": "https://ns.example/"}, "GE_ILMD_ex:weight": 4.10, "EXISTS_ex:batch": null,'
        b' "MATCH_epc": "' + PACK.encode() + b'"}, "name": "heavy"}'
    )
    answer = client.post(QUERIES, content=body, headers=mine)
    assert answer.status_code == 201, answer.text
    assert b'"GE_ILMD_ex:weight":4.10' in client.get(f"{QUERIES}/heavy", headers=mine).content
    assert events_of(client.get(f"{QUERIES}/heavy/events", headers=mine)) == []


def test_the_prefixes_of_the_header_are_part_of_the_query(
    client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    found, other = (event(eventID=f"urn:uuid:{n}", **{f"https://{n}.example/grade": "A"}) for n in ("ns", "own"))
    record(engine, found, other)
    header = {"GS1-Extensions": "ex=https://ns.example/, unused=https://unused.example/"}

    def asked(name: str, query: dict[str, Any]) -> list[str]:
        answer = client.post(QUERIES, json={"name": name, "query": query}, headers={**mine, **header})
        assert answer.status_code == 201, answer.text
        assert client.get(f"{QUERIES}/{name}", headers=mine).json() == answer.json()
        return [one["eventID"] for one in events_of(client.get(f"{QUERIES}/{name}/events", headers=mine))]

    assert asked("q", {"EQ_ex:grade": ["A"]}) == ["urn:uuid:ns"]
    assert client.get(f"{QUERIES}/q", headers=mine).json()["query"] == {
        "@context": [{"ex": "https://ns.example/"}], "EQ_ex:grade": ["A"],
    }  # fmt: skip
    assert asked("sorted", {"orderBy": "ex:grade", "EXISTS_ex:grade": True}) == ["urn:uuid:ns"]
    # What the query says itself holds, beside the header and before it.
    own = {"own": "https://own.example/"}
    assert asked("both", {"@context": own, "EXISTS_own:grade": True, "EXISTS_ex:grade": True}) == []
    assert asked("its", {"@context": [{"ex": own["own"]}], "EQ_ex:grade": "A"}) == ["urn:uuid:own"]
    assert asked("none", {"EQ_action": ["ADD"]}) == []
    assert "@context" not in client.get(f"{QUERIES}/none", headers=mine).json()["query"]
    wrong = {"name": "x", "query": {"@context": 5, "EQ_ex:grade": "A"}}
    refused = client.post(QUERIES, json=wrong, headers={**mine, **header})
    assert code_of(refused)[:2] == (400, "query.value")


def test_a_value_that_holds_what_separates_values_is_asked_for_in_json(
    client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    record(engine, event(**{"https://ns.example/grade": "A|B"}))
    query = {"EQ_https://ns.example/grade": "A|B"}
    assert client.post(QUERIES, json={"name": "q", "query": query}, headers=mine).status_code == 201
    assert len(events_of(client.get(f"{QUERIES}/q/events", headers=mine))) == 1
    assert events_of(client.get("/epcis/events", params=query, headers=mine)) == []


def test_the_list_comes_in_pages(client: httpx.Client, mine: dict[str, str]) -> None:
    names = ["b", "B", "a", "c-1", "~"]
    for name in names:
        assert client.post(QUERIES, json={"name": name, "query": {}}, headers=mine).status_code == 201
    address: str | None = f"{QUERIES}?perPage=2"
    found: list[str] = []
    while address is not None:
        answer = client.get(address, headers=mine)
        found += [one["name"] for one in answer.json()]
        address = next_of(answer)
    assert found == sorted(names)
    wrong = client.get(f"{QUERIES}?perPage=2&nextPageToken=x", headers=mine)
    assert code_of(wrong) == (400, "query.page_token", "QueryParameterException")


REFUSED: list[tuple[Any, tuple[int, str, str]]] = [
    (b"{", (400, "json.syntax", "QueryValidationException")),
    (b"[]", (400, "query.definition", "QueryValidationException")),
    ({"name": "x"}, (400, "query.definition", "QueryValidationException")),
    ({"name": "x/y", "query": {}}, (400, "query.definition", "QueryValidationException")),
    ({"name": "..", "query": {}}, (400, "query.definition", "QueryValidationException")),
    ({"name": "x", "query": []}, (400, "query.value", "QueryParameterException")),
    ({"name": "x", "query": {"EQ_bizStep": "secretly"}}, (400, "query.value", "QueryParameterException")),
    ({"name": "x", "query": {"perPage": 5}}, (400, "query.unknown_parameter", "QueryParameterException")),
    ({"name": "taken", "query": {}}, (409, "query.name_exists", "ResourceAlreadyExistsException")),
]


def test_what_makes_no_query(client: httpx.Client, mine: dict[str, str]) -> None:
    assert client.post(QUERIES, json={"name": "taken", "query": {}}, headers=mine).status_code == 201
    for body, expected in REFUSED:
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = client.post(QUERIES, headers=mine, **sent)
        assert code_of(answer) == expected, body
        assert "secret" not in answer.text
        if expected[2] == "QueryParameterException":
            assert answer.json()["problems"][0]["path"].startswith("$")
    xml = client.post(QUERIES, content=b"<a/>", headers={**mine, "Content-Type": "application/xml"})
    assert code_of(xml) == (415, "query.media_type", "UnsupportedMediaTypeException")
    # Whoever has no key has no queries.
    assert code_of(client.post(QUERIES, json=SHIPPED)) == (403, "access.scope", "SecurityException")
    wrong = client.get(f"{QUERIES}/taken/events?EQ_action=ADD", headers=mine)
    assert code_of(wrong) == (400, "query.unknown_parameter", "QueryParameterException")


def test_a_token_ends_with_the_definition_it_was_given_for(
    client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    record(engine, *(event(eventID=f"urn:uuid:{n}") for n in range(3)))
    client.post(QUERIES, json={"name": "q", "query": {}}, headers=mine)
    address = next_of(client.get(f"{QUERIES}/q/events?perPage=1", headers=mine))
    assert address is not None
    client.delete(f"{QUERIES}/q", headers=mine)
    client.post(QUERIES, json={"name": "q", "query": {"EQ_action": ["OBSERVE"]}}, headers=mine)
    assert code_of(client.get(address, headers=mine))[:2] == (400, "query.page_token")
