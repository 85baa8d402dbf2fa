"""Bundles over HTTP: the answer that the JSON gives, proven, and nothing beside it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.notary import close_log, integrate_all, published_log, published_logs
from api.wiring import Engine
from tests.api.conftest import serving
from tests.api.test_hidden_events import Asking
from tests.api.test_one_pack_of_a_pallet import EVENT_ID, MINE, PACKS, PARTY, SERIALS, capture
from tests.api.test_one_pack_of_a_pallet import PALLET as FULL_PALLET
from tests.api.test_provenance_http import DAIRY, dairy, record
from tests.conformance.bundle_verifier import unzip
from tests.conformance.bundle_verifier import verify_bundle as independent
from tests.support.happenings import PALLET, PLANT, TOTE, commission, lot, observe, pack, put, take
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.policy import Policy
from traceability.notary.trust import Trust
from traceability.notary.verify_bundle import VerifiedBundle, verify_bundle

__all__ = ["dairy"]  # a fixture

A, B = pack("A"), pack("B")
ZIP = {"Accept": "application/zip"}


def verified(engine: Engine, data: bytes) -> VerifiedBundle:
    """Check a bundle with both verifiers, who must tell the same."""
    keys = [log.key for log in published_logs(engine)]
    ours, theirs = verify_bundle(data, Trust(tuple(keys))), independent(data, [key.text for key in keys])
    assert [position for log in ours.logs for position in log.positions] == theirs["positions"]
    assert json.loads(ours.answer) == theirs["answer"]
    return ours


def item_url(thing: str) -> str:
    return f"/provenance/items/{thing.removeprefix('https://id.gs1.org/')}"


@pytest.fixture
def packed(engine: Engine, dairy: httpx.Client) -> httpx.Client:
    record(
        engine,
        commission(1, A, number="L1", by=DAIRY),
        commission(1, B, by=DAIRY),
        put(2, PALLET, A, B, by=DAIRY),
        observe(3, PALLET, place=PLANT, step="shipping", disposition="in_transit", by=DAIRY),
        take(4, PALLET, A, by=DAIRY),
        put(5, TOTE, A, by=DAIRY),
    )
    integrate_all(engine)
    return dairy


def test_the_bundle_of_an_item_holds_its_answer_and_proves_every_event(engine: Engine, packed: httpx.Client) -> None:
    plain = packed.get(item_url(A))
    zipped = packed.get(item_url(A), headers=ZIP)
    assert (zipped.status_code, zipped.headers["Content-Type"]) == (200, "application/zip")
    assert zipped.headers["Content-Disposition"] == 'attachment; filename="bundle.zip"'
    assert int(zipped.headers["Content-Length"]) == len(zipped.content)
    bundle = verified(engine, zipped.content)
    assert json.loads(bundle.answer) == plain.json() | {"recalls": None, "stops": None}
    assert (bundle.manifest.kind, bundle.manifest.reader) == ("item", DAIRY)
    assert bundle.manifest.question == {"id": A, "as_of": None, "limit": 1000}
    named = {entry["position"] for entry in plain.json()["history"]}
    assert named <= set(bundle.logs[0].positions)
    assert packed.get(item_url(A), headers=ZIP).content == zipped.content
    policy = Policy.parse(unzip(zipped.content)["policy"])
    assert [log.key for log in policy.logs] == [published_log(engine).key]
    assert verify_bundle(zipped.content, Trust(policy=policy)).events == bundle.events


def test_of_the_items_it_shows_those_that_the_answer_names(engine: Engine, packed: httpx.Client) -> None:
    bundle = verified(engine, packed.get(item_url(A), headers=ZIP).content)
    shown = [json.loads(item)["id"] for log in bundle.logs for one in log.openings for item in one.shown().what]
    assert {A, PALLET, TOTE} <= set(shown)
    assert B not in shown
    assert "1 item" in bundle.withheld()
    assert f"personal of {bundle.events} events" in bundle.withheld()
    assert f"source of {bundle.events} events" in bundle.withheld()


def test_a_short_answer_is_proven_whole(engine: Engine, packed: httpx.Client) -> None:
    bundle = verified(engine, packed.get(item_url(A), params={"limit": 1}, headers=ZIP).content)
    answer = json.loads(bundle.answer)
    assert len(answer["history"]) == 1
    assert bundle.events >= answer["history_count"] > 1


def test_the_bundle_of_a_trace(engine: Engine, dairy: httpx.Client) -> None:
    record(
        engine,
        commission(1, A, by=DAIRY),
        commission(2, B, number="L2", by=DAIRY),
        put(3, PALLET, A, B, by=DAIRY),
    )
    integrate_all(engine)
    question = {"roots": [A, B], "edge_kinds": ["lot", "containment"], "include": ["events"]}
    plain = dairy.post("/provenance/traces", json=question).json()
    bundle = verified(engine, dairy.post("/provenance/traces", json=question, headers=ZIP).content)
    answer = json.loads(bundle.answer)
    assert answer == plain
    made = {held["opened_by"] for one in answer["custody"] for held in one["custody"]}
    assert set(bundle.logs[0].positions) == {event["position"] for event in answer["events"]} | made
    assert made
    assert bundle.manifest.kind == "trace"
    assert bundle.manifest.question["edge_kinds"] == ["containment", "lot"]
    assert bundle.manifest.question["known_at"] == bundle.manifest.known_at


def test_it_is_as_known_at_the_last_published_position(engine: Engine, packed: httpx.Client) -> None:
    published = engine.ledger.head()
    record(engine, observe(9, A, place=PLANT, step="storing", by=DAIRY))
    bundle = verified(engine, packed.get(item_url(A), headers=ZIP).content)
    assert bundle.manifest.known_at == published
    assert packed.get(item_url(A)).json()["known_at"] == published + 1

    early = packed.get(item_url(A), params={"known_at": published + 1}, headers=ZIP)
    assert (early.status_code, early.json()["code"]) == (503, "log.not_published")
    assert "Retry-After" in early.headers
    never = packed.get(item_url(A), params={"known_at": published + 2}, headers=ZIP)
    assert (never.status_code, never.json()["code"]) == (422, "provenance.known_at")
    integrate_all(engine)
    now = verified(engine, packed.get(item_url(A), params={"known_at": published + 1}, headers=ZIP).content)
    assert now.manifest.known_at == published + 1
    past = verified(engine, packed.get(item_url(A), params={"known_at": 3}, headers=ZIP).content)
    assert past.manifest.known_at == 3
    assert max(past.logs[0].positions) <= 3


def test_events_in_two_logs_of_the_ledger_are_proven_together(engine: Engine, packed: httpx.Client) -> None:
    first = packed.get(item_url(A), headers=ZIP).content
    close_log(engine, name="main-2", origin="dairy.example/2")
    record(engine, observe(9, A, place=PLANT, step="storing", by=DAIRY))
    # The new log is not published yet, nor is the closing event: the answer is as known at the end of what is.
    between = verified(engine, packed.get(item_url(A), headers=ZIP).content)
    assert [len(log.indices) for log in between.logs] == [len(verified(engine, first).logs[0].indices)]
    while published_logs(engine)[-1].served() is None:
        integrate_all(engine)
    bundle = verified(engine, packed.get(item_url(A), headers=ZIP).content)
    assert [log.signed.checkpoint.origin for log in bundle.logs] == ["traceability.local/main", "dairy.example/2"]
    assert bundle.manifest.known_at == engine.ledger.head()
    policy = Policy.parse(unzip(packed.get(item_url(A), headers=ZIP).content)["policy"])
    assert [log.key for log in policy.logs] == [log.key for log in published_logs(engine)]
    assert json.loads(bundle.answer) == packed.get(item_url(A)).json() | {"recalls": None, "stops": None}
    with pytest.raises(VerificationError, match="trust no key"):
        verify_bundle(packed.get(item_url(A), headers=ZIP).content, Trust((published_log(engine).key,)))


def test_without_a_published_log_there_is_no_bundle(engine: Engine, dairy: httpx.Client) -> None:
    record(engine, commission(1, A, by=DAIRY))
    answer = dairy.get(item_url(A), headers=ZIP)
    assert (answer.status_code, answer.json()["code"]) == (404, "log.unknown")
    assert dairy.get(item_url(A)).status_code == 200


def test_what_is_not_there_has_no_bundle(packed: httpx.Client) -> None:
    assert packed.get(item_url(pack("unheard-of")), headers=ZIP).status_code == 404
    assert packed.post("/provenance/traces", json={"roots": [pack("unheard-of")]}, headers=ZIP).status_code == 404


def test_an_answer_that_rests_on_no_event_has_no_bundle(packed: httpx.Client) -> None:
    question: dict[str, Any] = {"roots": [lot("L1")], "max_depth": 0}
    assert packed.post("/provenance/traces", json=question).json()["events"] == []
    answer = packed.post("/provenance/traces", json=question, headers=ZIP)
    assert (answer.status_code, answer.json()["code"]) == (404, "bundle.no_events")


def test_more_events_than_a_bundle_takes_are_refused(packed: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.bundles.MAX_EVENTS", 2)
    answer = packed.get(item_url(A), headers=ZIP)
    assert (answer.status_code, answer.json()["code"]) == (422, "bundle.too_many_events")
    assert "hint" in answer.json()


def test_a_reader_of_one_pack_gets_a_bundle_that_tells_of_no_other(app: FastAPI, engine: Engine) -> None:
    capture(engine)
    hidden = [serial for serial in SERIALS if serial != SERIALS[MINE]]
    with serving(app) as client:
        store, captor = Asking(client, engine, "store.example"), Asking(client, engine, "dairy.example")
        for asking in (store, captor):
            zipped = asking.get(item_url(PACKS[MINE]), "application/zip")
            assert zipped.status_code == 200
            bundle = verified(engine, zipped.content)
            (opening,) = bundle.logs[0].openings
            ids = [json.loads(item)["id"] for item in opening.shown().what]
            assert ids == [FULL_PALLET, PACKS[MINE]]
            shown = b"".join([*unzip(zipped.content).values(), *(part for part in _bytes(opening.shown()) if part)])
            assert not [serial for serial in hidden if serial.encode() in shown]
            assert (PARTY.encode() in shown, EVENT_ID.encode() in shown) == (asking is captor, asking is captor)


def test_the_bundle_of_a_page_of_events(engine: Engine, packed: httpx.Client) -> None:
    query = {"MATCH_anyEPC": [A, PALLET], "perPage": "2"}
    plain = packed.get("/epcis/events", params=query)
    zipped = packed.get("/epcis/events", params=query, headers=ZIP)
    assert (zipped.status_code, zipped.headers["Content-Type"]) == (200, "application/zip")
    assert zipped.headers["GS1-EPCIS-Version"] == "2.0.0"
    bundle = verified(engine, zipped.content)
    assert (bundle.manifest.kind, bundle.manifest.reader) == ("events", DAIRY)
    assert bundle.manifest.question == {"MATCH_anyEPC": [A, PALLET], "perPage": ["2"]}
    # The ledger's own id of an event without an eventID stands in answers, and not in what was committed to.
    told = [{name: value for name, value in one.items() if name != "eventID"} for one in events_of(plain.json())]
    assert events_of(json.loads(bundle.answer)) == told
    assert bundle.events == 2
    # What is recorded meanwhile is on no later page, and no page is of more than is published.
    record(engine, observe(9, A, place=PLANT, step="storing", by=DAIRY))
    found, seen = list(bundle.manifest.positions), 0
    while zipped.links:
        zipped = packed.get(zipped.links["next"]["url"], headers=ZIP)
        page = verified(engine, zipped.content)
        assert page.manifest.known_at == bundle.manifest.known_at == engine.ledger.head() - 1
        found, seen = [*found, *page.manifest.positions], seen + 1
    assert (sorted(found), seen) == ([1, 3, 4, 5, 6], 2)
    newest = packed.get("/epcis/events", params={"MATCH_anyEPC": A}).json()
    assert len(events_of(newest)) == len(events_of(json.loads(packed_answer(engine, packed)))) + 1


def packed_answer(engine: Engine, client: httpx.Client) -> bytes:
    return verified(engine, client.get("/epcis/events", params={"MATCH_anyEPC": A}, headers=ZIP).content).answer


def events_of(document: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = document["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return events


def test_a_page_in_two_logs_and_one_without_events(engine: Engine, packed: httpx.Client) -> None:
    close_log(engine, name="main-2", origin="dairy.example/2")
    record(engine, observe(9, A, place=PLANT, step="storing", by=DAIRY))
    while published_logs(engine)[-1].served() is None:
        integrate_all(engine)
    bundle = verified(engine, packed.get("/epcis/events", headers=ZIP).content)
    assert [log.signed.checkpoint.origin for log in bundle.logs] == ["traceability.local/main", "dairy.example/2"]
    none = packed.get("/epcis/events", params={"MATCH_anyEPC": pack("unheard-of")}, headers=ZIP)
    assert (none.status_code, none.json()["code"]) == (404, "bundle.no_events")
    wrong = packed.get("/epcis/events", params={"nextPageToken": "x"}, headers=ZIP)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "query.page_token")


def test_a_page_that_is_empty_leads_on(engine: Engine, packed: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    record(engine, *(observe(3 + n / 8, PALLET, place=PLANT, step="storing", by=DAIRY) for n in range(1, 4)))
    integrate_all(engine)
    monkeypatch.setattr("adapters.postgres.event_query.MAX_CHECKED", 1)
    monkeypatch.setattr("adapters.postgres.event_query._LEAST_CHUNK", 1)
    pages = [packed.get("/epcis/events", params={"MATCH_parentID": PALLET, "perPage": 1}, headers=ZIP)]
    while pages[-1].links:
        pages.append(packed.get(pages[-1].links["next"]["url"], headers=ZIP))
    assert [page.status_code for page in pages] == [200, 204, 200]
    assert pages[1].content == b""
    assert "GS1-Next-Page-Token-Expires" in pages[1].headers


def _bytes(parts: Any) -> list[bytes]:
    return [parts.head, *parts.what, parts.where, parts.why, parts.how, parts.more, parts.personal, parts.source]


def test_the_bundle_is_documented(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path, method in (
        ("/provenance/items/{id}", "get"),
        ("/provenance/traces", "post"),
        ("/epcis/events", "get"),
        ("/notary/evidence/{event_id}/bundle", "get"),
    ):
        content = paths[path][method]["responses"]["200"]["content"]
        assert content["application/zip"] == {"schema": {"type": "string", "format": "binary"}}
        assert "$ref" in content.get("application/json", {}).get("schema", {}) or not path.startswith("/provenance")


def test_the_key_of_another_log_does_not_do(engine: Engine, packed: httpx.Client) -> None:
    zipped = packed.get(item_url(A), headers=ZIP).content
    key = published_log(engine).key
    with pytest.raises(VerificationError, match="trust no key"):
        verify_bundle(zipped, Trust((VerifierKey(key.name, key.algorithm, bytes(32)),)))
