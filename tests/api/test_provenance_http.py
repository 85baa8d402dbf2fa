from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import httpx
import pytest

from api.notary import integrate_all
from api.trace_models import TraceLine, TraceOut
from api.wiring import Engine
from tests.support.happenings import (
    PALLET,
    PLANT,
    STORE,
    TOTE,
    Decided,
    Happening,
    commission,
    lot,
    observe,
    pack,
    put,
    records,
    take,
    transform,
)
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

DAIRY = "dairy.example"
A, B, C = pack("A"), pack("B"), pack("C/D")
Bearer = Callable[..., dict[str, str]]


def record(engine: Engine, *happenings: Happening | Decided) -> None:
    events = [record.event for record in records(happenings)]
    assert all(done.outcome == "recorded" for batch in engine.ledger.append_all(events) for done in batch)


@pytest.fixture
def dairy(client: httpx.Client, bearer: Bearer) -> httpx.Client:
    client.headers = httpx.Headers(bearer(DAIRY, Scope.QUERY))
    return client


def items(client: httpx.Client, thing: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(f"/provenance/items/{thing.removeprefix('https://id.gs1.org/')}", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_item_tells_its_state_history_and_containers(engine: Engine, dairy: httpx.Client) -> None:
    record(
        engine,
        commission(1, A, number="L1", by=DAIRY),
        put(2, PALLET, A, B, by=DAIRY),
        observe(3, PALLET, place=PLANT, step="shipping", disposition="in_transit", by=DAIRY),
        commission(0, B, by=DAIRY),
    )
    integrate_all(engine)
    item = items(dairy, A)
    assert (item["id"], item["kind"], item["known_at"], item["as_of"]) == (A, "item", engine.ledger.head(), None)
    assert item["state"]["lifecycle"] == "active"
    assert item["state"]["disposition"] == "in_transit"
    assert item["state"]["place"] == PLANT
    assert item["state"]["contained_in"] == [PALLET]
    assert item["state"]["lot"] == lot("L1")
    assert [(e["step"], e["roles"], e["via"]) for e in item["history"]] == [
        ("Given its identity", ["object"], None),
        ("Packed", ["child"], None),
        ("Shipped", [], PALLET),
    ]
    assert item["history"][0]["occurred_at"] == "2026-03-01T01:00:00.000000Z"
    first = item["log"]["first_position"]
    assert [e["leaf_index"] for e in item["history"]] == [e["position"] - first for e in item["history"]]
    assert [(i["parent"], i["since"], i["until"]) for i in item["containers"]] == [
        (PALLET, "2026-03-01T02:00:00.000000Z", None)
    ]
    assert items(dairy, PALLET)["state"]["contents"] == [A, B]
    assert items(dairy, lot("L1"))["members"] == [A]


def test_an_item_is_told_as_of_a_time_and_as_known_at_a_position(engine: Engine, dairy: httpx.Client) -> None:
    record(engine, put(2, PALLET, A, by=DAIRY), take(5, PALLET, by=DAIRY), put(3, TOTE, PALLET, by=DAIRY))
    last = engine.ledger.head()
    assert items(dairy, A, as_of="2026-03-01T05:00:00+01:00")["state"]["contained_in"] == [PALLET, TOTE]
    assert items(dairy, A)["state"]["contained_in"] == []
    assert items(dairy, A, known_at=last - 2)["state"]["contained_in"] == [PALLET]
    assert dairy.get(f"/provenance/items/{A}", params={"known_at": last + 1}).json()["code"] == "provenance.known_at"
    assert dairy.get(f"/provenance/items/{A}", params={"as_of": "2026-03-01T05:00:00"}).status_code == 422
    early = dairy.get(f"/provenance/items/{A}", params={"as_of": "2026-03-01T00:00:00Z"})
    assert (early.status_code, early.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "written",
    [
        "01/09521234000013/21/C%2FD",
        "https://id.gs1.org/01/09521234000013/21/C%2FD",
        quote("https://id.gs1.org/01/09521234000013/21/C%2FD", safe=""),
        quote("https://shop.example/01/09521234000013/10/L9/21/C%2FD", safe=""),
        "urn:epc:id:sgtin:9521234.000001.C%2FD",
        quote("urn:epc:id:sgtin:9521234.000001.C%2FD", safe=""),
        quote("(01)09521234000013(21)C/D", safe=""),
    ],
)
def test_an_item_may_be_written_in_any_way(engine: Engine, dairy: httpx.Client, written: str) -> None:
    named = "https://id.gs1.org/01/09521234000013/21/C%2FD"
    record(engine, commission(1, named, by=DAIRY))
    answer = dairy.get(f"/provenance/items/{written}")
    assert (answer.status_code, answer.json().get("id")) == (200, named)


def test_what_is_no_identifier_is_refused_and_what_is_not_known_is_not_found(dairy: httpx.Client) -> None:
    wrong_digit = dairy.get("/provenance/items/01/09521234000014/21/A")
    assert (wrong_digit.status_code, wrong_digit.json()["code"]) == (422, "gs1.check_digit")
    unknown = dairy.get("/provenance/items/01/09521234000013/21/A")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    traced = dairy.post("/provenance/traces", json={"roots": [A]})
    assert (traced.status_code, traced.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_times_that_utc_has_no_date_for_are_refused(engine: Engine, dairy: httpx.Client, time: str) -> None:
    record(engine, commission(1, A, by=DAIRY))
    item = dairy.get(f"/provenance/items/{A}", params={"as_of": time})
    traced = dairy.post("/provenance/traces", json={"roots": [A], "as_of": time})
    for answer in (item, traced):
        assert (answer.status_code, answer.json()["code"]) == (422, "provenance.as_of")


def test_history_can_be_cut_to_the_last_events(engine: Engine, dairy: httpx.Client) -> None:
    record(engine, *(observe(n, A, by=DAIRY) for n in range(5)))
    item = items(dairy, A, limit=2)
    assert item["history_count"] == 5
    assert [e["occurred_at"][11:13] for e in item["history"]] == ["03", "04"]


def test_a_trace_tells_nodes_edges_frontier_and_events(engine: Engine, dairy: httpx.Client) -> None:
    record(engine, transform(1, [A], [B], by=DAIRY), put(2, PALLET, B, by=DAIRY))
    answer = dairy.post("/provenance/traces", json={"roots": [A], "direction": "forward"}).json()
    made = next(key for key, node in answer["nodes"].items() if node["kind"] == "transformation")
    assert {key: (n["kind"], n["reach"], n["depth"]) for key, n in answer["nodes"].items()} == {
        A: ("item", "traced", 0),
        B: ("item", "traced", 1),
        PALLET: ("item", "carrier", 2),
        made: ("transformation", None, 1),
    }
    assert [(e["kind"], e["source"], e["target"], e["since"][11:13], e["until"]) for e in answer["edges"]] == [
        ("containment", B, PALLET, "02", None),
        ("transformation", made, B, "01", None),
        ("transformation", A, made, "01", None),
    ]
    assert answer["frontier"] == []
    assert answer["complete"] is True
    assert [set(event) for event in answer["events"]] == [{"position", "event_id"}] * 2
    whole = dairy.post("/provenance/traces", json={"roots": [A], "include": ["events"], "max_depth": 1}).json()
    assert [event["step"] for event in whole["events"]] == ["Lot created"]
    assert whole["complete"] is False
    assert {(n["id"], n["reason"]) for n in whole["frontier"]} == {(A, "no_further"), (B, "depth")}


@pytest.mark.parametrize("include", [[], ["events"]])
@pytest.mark.parametrize("max_nodes", [3, 100])
def test_a_trace_in_lines_tells_what_it_tells_in_one_piece(
    engine: Engine, dairy: httpx.Client, include: list[str], max_nodes: int
) -> None:
    told = transform(1, [A], [B], by=DAIRY), put(2, PALLET, B, by=DAIRY), transform(3, [PALLET], [pack("E")], by=DAIRY)
    record(engine, *told)
    question = {"roots": [B], "include": [*include, "shares", "whereabouts", "custody"], "max_nodes": max_nodes}
    question |= {"chain_of_custody": "segregated", "tolerance": "0.1"}
    whole = dairy.post("/provenance/traces", json=question)
    assert whole.content == TraceOut.model_validate_json(whole.content).model_dump_json().encode()
    lines = dairy.post("/provenance/traces", json=question, headers={"Accept": "application/x-ndjson"})
    assert (lines.status_code, lines.headers["content-type"]) == (200, "application/x-ndjson")
    assert lines.content.endswith(b"\n")
    kinds = ("node", "event", "edge", "frontier", "balance", "share", "breach", "blast_radius", "custody", "end")
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for line in lines.text.splitlines():
        TraceLine.model_validate_json(line)
        ((kind, one),) = json.loads(line).items()
        found[kind].append(one)
    expected = whole.json()
    assert bool(expected["balance"]["transformations"]) is (max_nodes == 100)
    for kind, balanced in (("balance", "transformations"), ("share", "shares"), ("breach", "breaches")):
        assert found[kind] == expected["balance"][balanced]
    assert found["blast_radius"] == [expected["blast_radius"]]
    assert found["custody"] == expected["custody"]
    del expected["balance"], expected["blast_radius"], expected["custody"]
    nodes = {node.pop("id"): node for node in found["node"]}
    counts = {"nodes": len(nodes), **{name: len(expected[name]) for name in ("edges", "frontier", "events")}}
    assert found.pop("end") == [{**expected, **counts}]
    assert json.loads(lines.text.splitlines()[-1]).keys() == {"end"}
    assert nodes == expected["nodes"]
    for kind, name in (("edge", "edges"), ("frontier", "frontier"), ("event", "events")):
        assert sorted(map(str, found[kind])) == sorted(map(str, expected[name]))


def test_a_trace_tells_names_when_it_is_asked_to(engine: Engine, client: httpx.Client, bearer: Bearer) -> None:
    record(engine, commission(1, A, B, number="L1", by=DAIRY), put(2, PALLET, A, by=DAIRY))
    key = bearer(DAIRY, Scope.QUERY, Scope.CAPTURE)
    gtin = A.removeprefix("https://id.gs1.org").partition("/21/")[0]
    said = {"attributes": {"name": "Cheese"}, "valid_from": "2026-04-01"}
    assert client.put(f"/vocabularies/EPCClass{gtin}", json=said, headers=key).status_code == 201
    known_at = engine.ledger.head()
    client.put(f"/vocabularies/EPCClass{gtin}", json={**said, "attributes": {"name": "Other"}}, headers=key)
    integrate_all(engine)

    def ask(accept: str = "application/json", **more: Any) -> httpx.Response:
        question = {"roots": [A], "known_at": known_at, **more}
        return client.post("/provenance/traces", json=question, headers={**key, "Accept": accept})

    named = ask(include=["names"]).json()["names"]
    assert named[A] == "Cheese"
    assert set(named.values()) == {"Cheese"}
    assert PALLET not in named
    assert ask().json()["names"] == {}
    assert ask(include=["names"], as_of="2026-03-15T00:00:00Z").json()["names"] == {}
    assert json.loads(ask("application/x-ndjson", include=["names"]).text.splitlines()[-1])["end"]["names"] == named
    bundle = ZipFile(BytesIO(ask("application/zip", include=["names"]).content))
    assert json.loads(bundle.read("answer.json"))["names"] == {}
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, frozenset({"what"})))
    assert client.post("/provenance/traces", json={"roots": [A], "include": ["names"]}).json()["names"] == {}


def test_what_is_wrong_with_a_question_is_told_before_the_first_line(dairy: httpx.Client) -> None:
    in_lines = {"Accept": "application/x-ndjson, application/json;q=0.5"}
    unknown = dairy.post("/provenance/traces", json={"roots": [A]}, headers=in_lines)
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    later = dairy.post("/provenance/traces", json={"roots": [A], "known_at": 9}, headers=in_lines)
    assert (later.status_code, later.json()["code"]) == (422, "provenance.known_at")


def test_both_forms_of_a_trace_are_documented(client: httpx.Client) -> None:
    told = client.get("/openapi.json").json()["paths"]["/provenance/traces"]["post"]["responses"]["200"]["content"]
    assert told["application/json"]["schema"] == {"$ref": "#/components/schemas/TraceOut"}
    kinds = {"node", "event", "edge", "frontier", "balance", "share", "breach", "blast_radius", "custody", "end"}
    assert set(told["application/x-ndjson"]["schema"]["properties"]) == kinds


@pytest.mark.parametrize(
    "question",
    [
        {},
        {"roots": []},
        {"roots": ["not a code"]},
        {"roots": [A], "direction": "sideways"},
        {"roots": [A], "as_of": "2026-03-01T05:00:00"},
        {"roots": [A], "known_at": -1},
        {"roots": [A], "max_nodes": 0},
        {"roots": [A], "max_depth": 1_000_000},
        {"roots": [A], "edge_kinds": ["hearsay"]},
        {"roots": [A], "more": 1},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(dairy: httpx.Client, question: dict[str, Any]) -> None:
    assert dairy.post("/provenance/traces", json=question).status_code == 422


def test_each_reader_gets_the_answer_of_what_it_may_see(engine: Engine, client: httpx.Client, bearer: Bearer) -> None:
    record(
        engine,
        commission(1, A, B, by=DAIRY),
        transform(2, [A], [B], by=DAIRY),
        put(3, PALLET, A, B, by=DAIRY, parties=[STORE]),
    )
    store = bearer("store.example", Scope.QUERY)
    assert client.get(f"/provenance/items/{A}").status_code == 404
    assert client.get(f"/provenance/items/{A}", headers=store).status_code == 404
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, frozenset({"packing"}), frozenset({"item"})))
    anyone = client.get(f"/provenance/items/{A}")
    assert [e["biz_step"] for e in anyone.json()["history"]] == ["packing"]
    assert anyone.json()["state"]["contained_in"] == [PALLET]
    assert B not in anyone.text
    assert not anyone.json()["history"][0]["whole"]
    traced = client.post("/provenance/traces", json={"roots": [A]})
    assert set(traced.json()["nodes"]) == {A, PALLET}
    assert B not in traced.text
