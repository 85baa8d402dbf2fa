"""Master data over HTTP: stated, corrected, withdrawn, opened to others, and proven."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx
import pytest

from api.notary import integrate_all, published_log
from api.wiring import Engine
from tests.api.test_epcis_events_http import record
from tests.support.epcis_events import DAIRY, document
from tests.support.epcis_events import event as an_event
from traceability.gs1.epcis import read_document
from traceability.ledger.access import MASTER_DATA, PUBLIC, Grant
from traceability.ledger.organisations import Scope
from traceability.notary.verify import verify_receipt

Bearer = Callable[..., dict[str, str]]
PLACE = "https://id.gs1.org/414/9521234000006"
NAME = "urn:epcglobal:cbv:mda:name"
HERE = "/vocabularies/BusinessLocation/414/9521234000006"


@pytest.fixture
def dairy(bearer: Bearer) -> dict[str, str]:
    return bearer("dairy.example", Scope.CAPTURE, Scope.QUERY)


def test_an_element_is_stated_once_and_corrected(client: httpx.Client, dairy: dict[str, str]) -> None:
    said = (
        b'{"attributes":{"name":"Alpine Dairy","latitude":46.850},"children":["urn:epc:id:sgln:9521234.00000.gate1"]}'
    )
    first = client.put(HERE, content=said, headers=dairy)
    assert (first.status_code, first.json()["recorded"], first.json()["position"]) == (201, True, 1)
    again = client.put(HERE, content=said, headers=dairy)
    assert (again.status_code, again.json()) == (200, {**first.json(), "recorded": False})
    shown = client.get(HERE, headers=dairy)
    assert b'"urn:epcglobal:cbv:mda:latitude":46.850' in shown.content
    (believed,) = shown.json()["believed"]
    assert (believed["name"], believed["children"]) == ("Alpine Dairy", [f"{PLACE}/254/gate1"])

    client.put(HERE, json={"attributes": {"name": "Dairy of the Alps"}}, headers=dairy)
    now, then = (client.get(HERE, params=known, headers=dairy).json() for known in ({}, {"known_at": 1}))
    assert [now["name"], then["name"]] == ["Dairy of the Alps", "Alpine Dairy"]
    assert [one["replaced"] for one in now["history"]] == [True, False]


def test_to_state_master_data_is_no_business_step(client: httpx.Client, dairy: dict[str, str]) -> None:
    client.put(HERE, json={"attributes": {"name": "Alpine Dairy"}}, headers=dairy)
    assert client.get("/epcis/bizSteps", headers=dairy).json()["member"] == []
    assert client.get("/epcis/bizSteps/master_data", headers=dairy).status_code == 404


def test_it_holds_from_a_time_until_another(client: httpx.Client, dairy: dict[str, str]) -> None:
    client.put(HERE, json={"attributes": {"name": "Old"}}, headers=dairy)
    client.put(HERE, json={"attributes": {"name": "New"}, "valid_from": "2026-03-01"}, headers=dairy)

    def name_at(time: str) -> str:
        found: str = client.get(HERE, params={"as_of": time}, headers=dairy).json()["name"]
        return found

    assert [name_at("2026-02-28T23:59:59Z"), name_at("2026-03-01T00:00:00Z")] == ["Old", "New"]
    gone = client.delete(HERE, params={"valid_from": "2026-03-01T00:00:00Z"}, headers=dairy)
    assert gone.status_code == 200
    # Its organisation says nothing from then on; what it says of the time before stays.
    assert [name_at("2026-02-28T23:59:59Z"), client.get(HERE, headers=dairy).json()["believed"]] == ["Old", []]
    once_more = client.delete(HERE, params={"valid_from": "2026-03-01T00:00:00Z"}, headers=dairy)
    assert (once_more.status_code, once_more.json()["code"]) == (404, "vocabulary.unknown")


def test_others_see_what_is_opened_to_them(
    client: httpx.Client, engine: Engine, bearer: Bearer, dairy: dict[str, str]
) -> None:
    client.put(HERE, json={"attributes": {"name": "Dairy"}}, headers=dairy)
    store = bearer("store.example", Scope.QUERY, Scope.CAPTURE)
    everything = frozenset({"what", "where", "why", "how", "more"})
    engine.organisations.set_grant(Grant("dairy.example", PUBLIC, None, everything))
    assert [client.get(HERE, headers=headers).status_code for headers in ({}, store)] == [404, 404]
    engine.organisations.set_grant(Grant("dairy.example", PUBLIC, frozenset({"shipping"}), frozenset({MASTER_DATA})))
    for headers in ({}, store):
        assert client.get(HERE, headers=headers).json()["name"] == "Dairy"
        assert [one["id"] for one in client.get("/vocabularies/BusinessLocation", headers=headers).json()] == [PLACE]
    # The GLN is the dairy's: what the store calls it, it calls so for itself.
    client.put(HERE, json={"attributes": {"name": "Shed"}}, headers=store)
    engine.organisations.set_grant(Grant("store.example", PUBLIC, None, frozenset({MASTER_DATA})))
    assert client.get(HERE).json()["name"] == "Dairy"
    assert len(client.get(HERE).json()["history"]) == 2


def test_a_receipt_proves_a_statement(client: httpx.Client, engine: Engine, dairy: dict[str, str]) -> None:
    integrate_all(engine)
    client.put(HERE, json={"attributes": {"name": "Dairy"}}, headers=dairy)
    integrate_all(engine)
    (said,) = client.get(HERE, headers=dairy).json()["history"]
    receipt = client.get(said["receipt"], headers=dairy)
    verified = verify_receipt(receipt.content, published_log(engine).key)
    assert b'"urn:epcglobal:cbv:mda:name":"Dairy"' in verified.opening.shown().more
    assert client.get(said["receipt"]).status_code == 404


def test_a_vocabulary_is_listed_page_by_page(client: httpx.Client, dairy: dict[str, str]) -> None:
    places = [f"https://dairy.example/place/{n}" for n in range(5)]
    for n, place in enumerate(places):
        client.put(
            f"/vocabularies/ReadPoint/{quote(place, safe='')}", json={"attributes": {"name": f"{n}"}}, headers=dairy
        )
    client.put(
        f"/vocabularies/ReadPoint/{quote(places[0], safe='')}", json={"attributes": {"name": "0b"}}, headers=dairy
    )
    found: list[tuple[str, str]] = []
    path: str | None = "/vocabularies/ReadPoint?perPage=2"
    while path is not None:
        answer = client.get(path, headers=dairy)
        assert answer.status_code == 200
        found += [(one["id"], one["name"]) for one in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else None
    assert found == [*zip(places, ["0b", "1", "2", "3", "4"], strict=True)]


def test_all_vocabularies_are_listed_and_types_may_have_slashes(
    client: httpx.Client, engine: Engine, dairy: dict[str, str], bearer: Bearer
) -> None:
    kind, gate = "https://dairy.example/types/gate", "https://dairy.example/gate/1"
    at_gate = f"/vocabularies/{quote(kind, safe='')}/{quote(gate, safe='')}"
    for path, name in ((HERE, "Dairy"), (HERE.replace("BusinessLocation", "Location"), "Site"), (at_gate, "Gate")):
        assert client.put(path, json={"attributes": {"name": name}}, headers=dairy).status_code == 201
    assert client.get(at_gate, headers=dairy).json()["believed"][0]["vocabulary"] == kind
    assert _listed(client, "/vocabularies?perPage=1", dairy) == ["Dairy", "Site", "Gate"]
    assert _listed(client, f"/vocabularies?type={quote(kind, safe='')}", dairy) == ["Gate"]
    assert _listed(client, "/vocabularies?type=Location", dairy) == ["Site"]
    assert _listed(client, "/vocabularies", {}) == []
    engine.organisations.add("shop.example")
    shop = bearer("shop.example", *Scope)
    client.put("/vocabularies/ReadPoint/414/9521234000013", json={"attributes": {"name": "Till"}}, headers=shop)
    assert _listed(client, "/vocabularies", shop) == ["Till"]
    engine.organisations.set_grant(Grant(DAIRY, "shop.example", None, frozenset({MASTER_DATA})))
    assert _listed(client, "/vocabularies?perPage=2", shop) == ["Dairy", "Site", "Gate", "Till"]
    assert client.delete(at_gate, headers=dairy).status_code == 200
    assert _listed(client, "/vocabularies", dairy) == ["Dairy", "Site"]


def test_a_page_of_all_vocabularies_looks_through_a_bounded_part_of_the_ledger(
    client: httpx.Client, engine: Engine, dairy: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.vocabulary_answers.MOST_POSITIONS", 4)
    for n, events in enumerate((0, 9, 5)):  # what was captured between two statements
        record(engine, *(an_event(eventID=f"urn:uuid:{n}-{e}") for e in range(events)))
        here = f"/vocabularies/ReadPoint/{quote(f'https://dairy.example/place/{n}', safe='')}"
        assert client.put(here, json={"attributes": {"name": f"{n}"}}, headers=dairy).status_code == 201
    record(engine, *(an_event(eventID=f"urn:uuid:9-{e}") for e in range(6)))
    looked_up_to: list[int] = []
    names: list[str] = []
    path = "/vocabularies"
    while path:
        answer = client.get(path, headers=dairy)
        names += [one["name"] for one in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
        looked_up_to += [int(parse_qs(urlsplit(path).query)["nextPageToken"][0])] if path else []
    assert names == ["0", "1", "2"]
    assert looked_up_to == list(range(4, engine.ledger.head(), 4))
    assert len(_listed(client, "/vocabularies?perPage=1", dairy)) == 3
    assert "next" not in client.get("/vocabularies?type=ReadPoint&perPage=4", headers=dairy).links


def _listed(client: httpx.Client, path: str | None, headers: dict[str, str]) -> list[str]:
    names: list[str] = []
    while path is not None:
        answer = client.get(path, headers=headers)
        names += [one["name"] for one in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else None
    return names


def test_what_is_malformed_is_refused(client: httpx.Client, dairy: dict[str, str], engine: Engine) -> None:
    refused = [
        client.put(HERE, content=b"{", headers=dairy),
        client.put(HERE, json=[], headers=dairy),
        client.put(HERE, json={"name": "Dairy"}, headers=dairy),
        client.put(HERE, json={"attributes": {"name": "x" * 300_000}}, headers=dairy),
        client.put(HERE, json={"children": ["gate 1"]}, headers=dairy),
        client.put(HERE, json={"valid_from": "yesterday"}, headers=dairy),
        client.put("/vocabularies/ReadPoint/414/9521234000007", json={}, headers=dairy),
    ]
    assert [answer.status_code for answer in refused] == [422] * 7
    codes = [answer.json()["code"] for answer in refused]
    assert codes == ["json.syntax", *["vocabulary.malformed"] * 5, "gs1.check_digit"]
    assert engine.ledger.head() == 0


def test_an_items_page_shows_the_names_that_its_reader_may_know(
    client: httpx.Client, engine: Engine, dairy: dict[str, str]
) -> None:
    pack = "https://id.gs1.org/01/09521234000013/21/1"
    event = an_event(epcList=[pack], readPoint={"id": PLACE})
    list(engine.ledger.append_all([one.event for one in read_document(document(event), captured_by=DAIRY).events]))
    client.put(HERE, json={"attributes": {"name": "Gate of the dairy"}}, headers=dairy)
    client.put("/vocabularies/EPCClass/01/09521234000013", json={"attributes": {"name": "Cheese"}}, headers=dairy)

    def page() -> str:
        return client.get("/01/09521234000013/21/1", headers={"Accept": "text/html"}).text

    parts = frozenset({"item", "where"})
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, parts))
    assert not {text for text in ("Cheese", "Gate of the dairy") if text in page()}
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, parts | {MASTER_DATA}))
    assert "<h1>Cheese</h1>" in page()
    assert "Gate of the dairy" in page()
    assert "(414) 9521234000006" in page()

    item = client.get("/provenance/items/01/09521234000013/21/1")
    assert item.json()["names"] == {pack: "Cheese", PLACE: "Gate of the dairy"}
    before = client.get("/provenance/items/01/09521234000013/21/1", params={"known_at": 2})
    assert before.json()["names"] == {PLACE: "Gate of the dairy"}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/vocabularies", [("vocabulary", "Location")]),
        ("/vocabularies/Location", [("type", "Location"), ("per_page", "3")]),
        (HERE, [("as_of", "2026-03-01T00:00:00Z"), ("known_at", "1"), ("known_at", "2")]),
        (HERE, [("asOf", "2026-03-01T00:00:00Z")]),
    ],
)
def test_a_parameter_that_nobody_reads_is_refused(
    client: httpx.Client, dairy: dict[str, str], path: str, parameters: list[tuple[str, str]]
) -> None:
    client.put(HERE, json={"attributes": {"name": "Alpine Dairy"}}, headers=dairy)
    assert client.get(path, headers=dairy).status_code == 200
    wrong = client.get(f"{path}?{urlencode(parameters)}", headers=dairy)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "http.validation")
    told = {f"/{name}" for name, _ in parameters} - {"/as_of"}
    assert {(one["location"], one["pointer"]) for one in wrong.json()["errors"]} == {("query", one) for one in told}


@pytest.mark.parametrize("parameters", [{"valid_form": "2026-03-01T00:00:00Z"}, {"id": "1"}])
def test_nothing_is_withdrawn_by_a_misspelt_parameter(
    client: httpx.Client, dairy: dict[str, str], parameters: dict[str, str]
) -> None:
    client.put(HERE, json={"attributes": {"name": "Alpine Dairy"}}, headers=dairy)
    assert client.delete(HERE, params=parameters, headers=dairy).status_code == 422
    assert client.put(f"{HERE}?wait=published&why=1", content=b"{}", headers=dairy).status_code == 422
    assert client.get(HERE, headers=dairy).json()["name"] == "Alpine Dairy"
