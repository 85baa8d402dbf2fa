"""The collections of /epcis as their callers meet them: lists, what is below a member, and its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from adapters.postgres import listed, named_items, page_tokens
from adapters.system import SystemClock
from api.page_tokens import NoSuchTokenError, end_token, next_page, place_of
from api.wiring import Engine
from tests.api.test_epcis_events_http import events_of, next_of, record
from tests.support.epcis_events import DAIRY, LOT, OTHER_PACK, PACK, PALLET, PLACE, event, typed
from traceability.errors import BusyError
from traceability.gs1.epcis.query.collections import Collection
from traceability.gs1.epcis.query.values import QueryParameterError
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

Bearer = Callable[..., dict[str, str]]
STORE = "store.example"
OTHER_PLACE = "https://id.gs1.org/414/9521234000013"
EVENTS = [
    event(bizStep="commissioning", disposition="active", readPoint={"id": PLACE}, eventTime="2026-03-01T10:00:00Z"),
    typed(
        "AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[PACK, OTHER_PACK], bizStep="packing",
        bizLocation={"id": OTHER_PLACE}, eventTime="2026-03-02T10:00:00Z",
    ),
    typed(
        "ObjectEvent", quantityList=[{"epcClass": LOT, "quantity": 5}], bizStep="https://x.example/steps/checking",
        disposition="in_transit", readPoint={"id": OTHER_PLACE}, eventTime="2026-03-03T10:00:00Z",
    ),
]  # fmt: skip
MEMBERS = {
    "eventTypes": ["AggregationEvent", "AssociationEvent", "ObjectEvent", "TransactionEvent", "TransformationEvent"],
    "epcs": [PACK, PALLET, OTHER_PACK, LOT],
    "bizSteps": ["commissioning", "https://x.example/steps/checking", "packing"],
    "bizLocations": [OTHER_PLACE],
    "readPoints": [PLACE, OTHER_PLACE],
    "dispositions": ["active", "in_transit"],
}
FOUND = {"eventTypes": 1, "epcs": 2, "bizSteps": 1, "bizLocations": 1, "readPoints": 1, "dispositions": 1}


def members(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["member"]
    return found


def pages(client: httpx.Client, address: str, headers: dict[str, str]) -> list[list[str]]:
    found: list[list[str]] = []
    following: str | None = address
    while following is not None:
        answer = client.get(following, headers=headers)
        found.append(members(answer))
        following = next_of(answer)
        assert (following is not None) is ("GS1-Next-Page-Token-Expires" in answer.headers)
    return found


def path_of(collection: str, value: str) -> str:
    return f"/epcis/{collection}/{quote(value, safe='')}"


@pytest.fixture
def mine(engine: Engine, bearer: Bearer) -> dict[str, str]:
    record(engine, *EVENTS)
    return bearer(DAIRY, Scope.QUERY)


def test_the_root_names_what_is_below_it(client: httpx.Client) -> None:
    answer = client.get("/epcis")
    assert members(answer) == sorted([*Collection, "capture", "events", "queries"])
    assert answer.json()["type"] == "Collection"


def test_a_list_leads_to_events(client: httpx.Client, mine: dict[str, str]) -> None:
    for collection in Collection:
        answer = client.get(f"/epcis/{collection}", headers=mine)
        assert members(answer) == MEMBERS[collection]
        assert answer.headers["GS1-EPCIS-Version"] == "2.0.0"
        assert next_of(answer) is None
        value = MEMBERS[collection][0]
        assert members(client.get(path_of(collection, value), headers=mine)) == ["events"]
        found = events_of(client.get(f"{path_of(collection, value)}/events", headers=mine))
        assert len(found) == FOUND[collection]


def test_a_list_comes_in_pages(client: httpx.Client, mine: dict[str, str]) -> None:
    for collection in Collection:
        found = pages(client, f"/epcis/{collection}?perPage=1", mine)
        assert [one for page in found for one in page] == MEMBERS[collection]
        assert all(len(page) <= 1 for page in found)


def test_the_events_of_a_member_are_narrowed_by_parameters(client: httpx.Client, mine: dict[str, str]) -> None:
    def count(path: str, **parameters: str) -> int:
        return len(events_of(client.get(f"{path}/events", params=parameters, headers=mine)))

    pack = path_of("epcs", PACK)
    assert count(pack, EQ_bizStep="packing") == 1
    assert count(pack, EQ_bizStep="shipping") == 0
    # Both hold together: the address is not one more alternative.
    assert count(path_of("bizSteps", "packing"), EQ_bizStep="commissioning") == 0
    assert count(path_of("bizSteps", "urn:epcglobal:cbv:bizstep:packing")) == 1
    assert count(path_of("epcs", "urn:epc:id:sgtin:9521234.000001.1001")) == 2
    assert count(path_of("epcs", LOT)) == 1
    # Unencoded slashes are taken as they come.
    assert count(f"/epcis/epcs/{PACK}") == 2


def test_pages_of_a_member_lead_on(client: httpx.Client, mine: dict[str, str]) -> None:
    first = client.get(f"{path_of('epcs', PACK)}/events?perPage=1", headers=mine)
    following = next_of(first)
    assert following is not None
    second = client.get(following, headers=mine)
    assert [one["eventTime"][8:10] for one in events_of(first) + events_of(second)] == ["02", "01"]
    # The token is for this question: that about another pack does not take it.
    token = httpx.URL(following).params["nextPageToken"]
    other = client.get(f"{path_of('epcs', OTHER_PACK)}/events?nextPageToken={token}", headers=mine)
    assert (other.status_code, other.json()["code"]) == (400, "query.page_token")


ABSENT = [
    ("eventTypes", "PhotoEvent"), ("epcs", "https://id.gs1.org/01/09521234000013/21/9"), ("epcs", "nonsense"),
    ("bizSteps", "shipping"), ("bizSteps", "nonsense"), ("bizLocations", PLACE), ("readPoints", "urn:x:y"),
    ("dispositions", "damaged"), ("dispositions", "urn:x:|"),
]  # fmt: skip


def test_what_no_event_has(client: httpx.Client, mine: dict[str, str]) -> None:
    for collection, value in ABSENT:
        answer = client.get(path_of(collection, value), headers=mine)
        assert (answer.status_code, answer.json()["code"]) == (404, "query.no_such_member")
        assert answer.json()["type"] == "epcisException:NoSuchResourceException"


def test_a_list_shows_only_what_its_reader_may_see(
    client: httpx.Client, engine: Engine, mine: dict[str, str], bearer: Bearer
) -> None:
    theirs = bearer(STORE, Scope.QUERY)
    for collection in set(Collection) - {"eventTypes"}:
        assert members(client.get(f"/epcis/{collection}", headers=mine))  # gathers what there is
        assert pages(client, f"/epcis/{collection}", theirs) == [[]]
        assert client.get(path_of(collection, MEMBERS[collection][0]), headers=theirs).status_code == 404
    # The place and the items are parts of their own; step and disposition are in the head, which comes with any grant.
    for part in ("where", "what", "item"):
        engine.organisations.set_grant(Grant(DAIRY, PUBLIC, frozenset({"commissioning"}), frozenset({part})))
        opened = {
            "epcs": [PACK] if part == "what" else [], "bizSteps": ["commissioning"], "dispositions": ["active"],
            "readPoints": [PLACE] if part == "where" else [], "bizLocations": [],
        }  # fmt: skip
        for name, values in opened.items():
            assert pages(client, f"/epcis/{name}", theirs) == [values]


def test_a_list_never_lags_behind_what_is_recorded(
    client: httpx.Client, engine: Engine, mine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "BATCH", 2)
    for number in range(5):
        assert len(members(client.get("/epcis/readPoints", headers=mine))) == 2 + number
        place = f"https://id.gs1.org/414/{PLACE[-13:]}/254/{number + 1}"
        record(engine, *(event(eventID=f"urn:uuid:{number}-{n}", readPoint={"id": place}) for n in range(3)))
    monkeypatch.setattr(listed, "MOST", 1)
    answer = client.get("/epcis/readPoints", headers=mine)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (
        503,
        "epcis.lists_behind",
        "5",
    )
    monkeypatch.undo()
    assert len(members(client.get("/epcis/readPoints", headers=mine))) == 7


LIMITS: list[dict[str, Any]] = [
    {"WINDOWS": (2,)}, {"MAX_RECORDS": 1}, {"MAX_ITEMS": 1, "_LOOKED_UP": 2}, {"_CHUNKS": (1,), "WINDOWS": (1, 2)},
    {"_BYTES": 1},
]  # fmt: skip


def test_however_little_a_request_looks_at_the_list_is_whole(
    client: httpx.Client, engine: Engine, mine: dict[str, str]
) -> None:
    packs = [f"{PACK[:-4]}{number}" for number in range(2000, 2009)]
    record(
        engine,
        *(event(eventID=f"urn:uuid:{n}", epcList=packs[n : n + 4], eventTime="2026-02-01T10:00:00Z") for n in range(6)),
    )
    for limits in LIMITS:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in limits.items():
                patch.setattr(named_items, name, value)
            found = pages(client, "/epcis/epcs?perPage=2", mine)
        assert [one for page in found for one in page] == [*MEMBERS["epcs"], *packs]


class Later(SystemClock):
    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def now_us(self) -> int:
        return super().now_us() + self._seconds * 1_000_000


def test_a_token_ends_by_itself(engine: Engine) -> None:
    token = next_page(engine, "question", 1).token
    seconds = engine.settings.page_token_seconds
    assert place_of(replace(engine, clock=Later(seconds - 60)), "question", token, int) == 1
    # Behind its end, and so far before it that nobody here can have made it.
    for other in (Later(seconds), Later(-60)):
        with pytest.raises(QueryParameterError) as refused:
            place_of(replace(engine, clock=other), "question", token, int)
        assert refused.value.code == "query.page_token_expired"
        with pytest.raises(NoSuchTokenError):
            end_token(replace(engine, clock=other), DAIRY, token)


def test_nobody_ends_any_number_of_tokens(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_tokens, "MOST", 2)
    tokens = [next_page(engine, "question", number).token for number in range(4)]
    for token in (*tokens[:2], tokens[0]):
        end_token(engine, PUBLIC, token)
    with pytest.raises(BusyError):
        end_token(engine, PUBLIC, tokens[2])
    end_token(engine, DAIRY, tokens[2])
    # Those that have expired make room.
    later = replace(engine, clock=Later(engine.settings.page_token_seconds + 1))
    for number in (4, 5):
        end_token(later, PUBLIC, next_page(later, "question", number).token)


def test_a_token_that_was_ended(client: httpx.Client, mine: dict[str, str]) -> None:
    address = next_of(client.get("/epcis/events?perPage=1", headers=mine))
    assert address is not None
    token = httpx.URL(address).params["nextPageToken"]
    assert len(events_of(client.get(address, headers=mine))) == 1
    for _ in range(2):
        assert client.delete(f"/epcis/nextPageToken/{token}", headers=mine).status_code == 204
    answer = client.get(address, headers=mine)
    assert (answer.status_code, answer.json()["code"]) == (400, "query.page_token_expired")
    answer = client.delete("/epcis/nextPageToken/nonsense", headers=mine)
    assert (answer.status_code, answer.json()["code"]) == (404, "query.no_such_token")
