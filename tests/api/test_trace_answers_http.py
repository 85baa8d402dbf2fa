"""The forms of a trace over HTTP, what may be left out of it, and whether an answer is still the one that was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from lxml import etree

from api.notary import integrate_all
from api.wiring import Engine
from tests.support.happenings import OTHER_GTIN, PALLET, PLANT, STORE, Happening, lot, observe, pack, put
from tests.support.happenings import records as recorded
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

DAIRY = "dairy.example"
A, B, MILK, SALT = pack("A"), pack("B"), lot("M1", OTHER_GTIN), lot("S1", OTHER_GTIN)
Bearer = Callable[..., dict[str, str]]


def record(engine: Engine, *happenings: Happening) -> None:
    events = [one.event for one in recorded(happenings)]
    assert all(done.outcome == "recorded" for batch in engine.ledger.append_all(events) for done in batch)


@pytest.fixture
def dairy(engine: Engine, client: httpx.Client, bearer: Bearer) -> httpx.Client:
    client.headers = httpx.Headers(bearer(DAIRY, Scope.QUERY))
    items = [
        *[("inputQuantityList", one, amount, "KGM") for one, amount in ((MILK, 90), (SALT, 10))],
        *[("outputEPCList", one) for one in (A, B)],
        ("outputQuantityList", lot("R1", OTHER_GTIN), 95, "KGM"),
    ]
    record(
        engine,
        Happening("transformation", 1, items, by=DAIRY),
        put(2, PALLET, A, by=DAIRY, where={"readPoint": {"id": PLANT}}),
        observe(3, PALLET, place=STORE, disposition="in_transit", by=DAIRY),
    )
    return client


def ask(client: httpx.Client, accept: str = "application/json", tag: str | None = None, **more: Any) -> httpx.Response:
    headers = {"Accept": accept, **({} if tag is None else {"If-None-Match": tag})}
    question = {"roots": [MILK], "direction": "forward", **more}
    return client.post("/provenance/traces", json=question, headers=headers)


def test_an_answer_tells_balance_shares_breaches_and_the_blast_radius(dairy: httpx.Client) -> None:
    told = ask(dairy, include=["shares", "whereabouts"], chain_of_custody="identity_preserved", tolerance="0.04").json()
    (balance,) = told["balance"]["transformations"]
    assert (balance["verdict"], balance["positions"]) == ("loss", [told["events"][0]["position"]])
    assert balance["sums"] == [
        {"uom": "KGM", "inputs": "100", "outputs": "95", "loss": "5"},
        {"uom": None, "inputs": "0", "outputs": "2", "loss": None},
    ]
    assert {share["proportional"] for share in told["balance"]["shares"]} == {"0.900000000000"}
    assert [(breach["rule"], breach["things"]) for breach in told["balance"]["breaches"]] == [("other_source", [SALT])]
    radius = told["blast_radius"]
    assert (radius["items"], radius["out_there"], radius["in_transit"], radius["ended"]) == (2, 2, 1, {})
    assert [place for place in radius["places"] if place["id"]] == [
        {"id": STORE, "organisation": None, "items": 1, "lots": 0, "last_seen": "2026-03-01T03:00:00.000000Z"}
    ]
    assert [one["place"] for one in radius["whereabouts"] if one["id"] == A] == [STORE]
    assert told["custody"] == []
    back = ask(dairy, direction="back", roots=[A]).json()
    assert back["blast_radius"] is None
    (held,) = back["custody"]
    assert held["id"] == A
    assert [(one["holder"], one["since"], one["until"]) for one in held["custody"]] == [
        (DAIRY, "2026-03-01T01:00:00.000000Z", None)
    ]
    everything = ask(dairy, include=["custody"]).json()
    assert {one["id"] for one in everything["custody"]} == {
        name for name, node in everything["nodes"].items() if node["reach"]
    }
    assert ask(dairy, tolerance="0.05").json()["balance"]["transformations"][0]["verdict"] == "balanced"
    refused = ask(dairy, tolerance="1.01")
    assert (refused.status_code, refused.json()["code"]) == (422, "http.validation")


def test_an_answer_is_narrowed_to_places_and_times(dairy: httpx.Client) -> None:
    assert ask(dairy, at=[STORE]).json()["nodes"].keys() == {MILK, A, PALLET}
    assert ask(dairy, at=["urn:epc:id:sgln:9521234.00000.0"]).json()["nodes"].keys() == {MILK, A, PALLET}
    assert ask(dairy, since="2026-03-01T03:00:00Z", until="2026-03-01T04:00:00+01:00").json()["nodes"].keys() == {
        MILK,
        A,
        PALLET,
    }
    assert ask(dairy, since="2026-03-01T03:00:01Z").json()["nodes"].keys() == {MILK}
    assert ask(dairy, at=["not a place"]).status_code == 422
    lines = ask(dairy, "application/x-ndjson", at=[STORE]).text
    assert lines.count('"node"') == 3


@pytest.mark.parametrize("media_type", ["application/graphml+xml", "text/vnd.mermaid", "application/ld+json"])
def test_a_graph_is_given_by_accept(dairy: httpx.Client, media_type: str) -> None:
    answer = ask(dairy, media_type)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    whole = ask(dairy).json()
    match media_type:
        case "application/graphml+xml":
            graph = etree.fromstring(answer.content)
            assert len(graph.findall(".//{*}node")) == len(whole["nodes"])
            assert len(graph.findall(".//{*}edge")) == len(whole["edges"])
        case "text/vnd.mermaid":
            assert len(answer.text.splitlines()) == 1 + len(whole["nodes"]) + len(whole["edges"])
        case _:
            assert len(answer.json()["@graph"]) == len(whole["nodes"])
    assert ask(dairy, media_type, roots=[pack("unknown")]).status_code == 404


def test_an_answer_that_is_still_the_same_is_not_sent_again(engine: Engine, dairy: httpx.Client) -> None:
    first = ask(dairy)
    tag = first.headers["ETag"]
    again = ask(dairy, tag=f'"other", {tag}')
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["Cache-Control"] == "private, no-cache"
    known_at = engine.ledger.head()
    then = ask(dairy, known_at=known_at).headers["ETag"]
    for changed in (
        ask(dairy, tag=tag, include=["events"]),
        ask(dairy, tag=tag, max_depth=1),
        ask(dairy, "application/x-ndjson", tag=tag),
    ):
        assert changed.status_code == 200
        assert changed.headers["ETag"] != tag
    assert ask(dairy, tag='"other"').status_code == 200
    record(engine, observe(5, A, place=PLANT, by=DAIRY))
    assert ask(dairy, tag=tag).status_code == 200
    assert ask(dairy, tag=then, known_at=known_at).status_code == 304
    integrate_all(engine)
    assert ask(dairy, tag=then, known_at=known_at).status_code == 200


def test_what_a_reader_may_see_is_part_of_the_tag(engine: Engine, dairy: httpx.Client) -> None:
    opened = frozenset({"what", "where"})
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, opened))
    mine = ask(dairy).headers["ETag"]
    dairy.headers = httpx.Headers()
    public = ask(dairy)
    assert public.status_code == 200
    assert ask(dairy, tag=mine).status_code == 200
    assert ask(dairy, tag=public.headers["ETag"]).status_code == 304
    # Whose a place is may be told only later.
    engine.organisations.add("depot.example", glns=["9521234004448"])
    assert ask(dairy, tag=public.headers["ETag"]).status_code == 200
    public = ask(dairy)
    engine.organisations.set_grant(Grant(DAIRY, PUBLIC, None, opened | {"how"}))
    assert ask(dairy, tag=public.headers["ETag"]).status_code == 200


def test_a_trace_of_one_thing_is_a_file_at_an_address(engine: Engine, dairy: httpx.Client) -> None:
    integrate_all(engine)
    address = f"/provenance/traces{MILK.removeprefix('https://id.gs1.org')}"
    assert dairy.get(address).json() == ask(dairy, direction="both").json()
    forward = dairy.get(address, params={"direction": "forward", "known_at": 1})
    assert forward.json() == ask(dairy, known_at=1).json()
    kinds = {
        "json": ("application/json", "trace.json"),
        "ndjson": ("application/x-ndjson", "trace.ndjson"),
        "graphml": ("application/graphml+xml", "trace.graphml"),
        "mermaid": ("text/vnd.mermaid", "trace.mmd"),
        "jsonld": ("application/ld+json", "trace.jsonld"),
        "zip": ("application/zip", "bundle.zip"),
    }
    for form, (media_type, name) in kinds.items():
        answer = dairy.get(address, params={"format": form, "direction": "forward"}, headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].partition(";")[0] == media_type
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        if form not in ("ndjson", "zip"):
            assert answer.content == ask(dairy, media_type).content
    tag = dairy.get(address).headers["ETag"]
    assert dairy.get(address, headers={"If-None-Match": tag}).status_code == 304
    assert dairy.get(address, params={"format": "svg"}).status_code == 422
    assert dairy.get("/provenance/traces/01/09521234000014").status_code == 422
    assert dairy.get(f"/provenance/traces/urn:x:{'y' * 3_000}").status_code in (404, 422)
    dairy.headers = httpx.Headers()
    assert dairy.get(address).status_code == 404
