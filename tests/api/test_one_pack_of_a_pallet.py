"""One pack of a pallet of a thousand: what the store that holds it may download proves it, and tells of no other."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from api.notary import integrate_all
from api.wiring import Engine
from tests.api.conftest import serving
from tests.api.test_hidden_events import Asking
from tests.conformance.verifier import verify
from tests.support.epcis_events import document, typed
from traceability.gs1.epcis import read_document
from traceability.ledger.access import Grant
from traceability.notary.note import VerifierKey
from traceability.notary.verify import verify_receipt

PALLET = "https://id.gs1.org/00/095212340000000013"
EVENT_ID = "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"
PARTY = "9521234007777"
SERIALS = [f"SN{n * 7919 % 100_000:05}X" for n in range(1_000)]
PACKS = [f"https://id.gs1.org/01/09521234000013/21/{serial}" for serial in SERIALS]
MINE = 400


def capture(engine: Engine) -> str:
    packing = typed(
        "AggregationEvent",
        action="ADD",
        bizStep="packing",
        eventID=EVENT_ID,
        parentID=PALLET,
        childEPCs=PACKS,
        readPoint={"id": "https://id.gs1.org/414/9521234000020"},
        destinationList=[{"type": "owning_party", "destination": f"https://id.gs1.org/417/{PARTY}"}],
    )
    read = read_document(document(packing), captured_by="dairy.example")
    assert read.valid, read.problems
    ledger = engine.ledger_of("dairy.example")
    ((recorded,),) = ledger.append_all(one.event for one in read.events)
    engine.organisations.set_grant(Grant("dairy.example", "store.example", None, frozenset({"item", "where"})))
    integrate_all(engine)
    return str(recorded.event_id)


def test_the_receipt_holds_and_no_answer_names_a_sibling_a_party_or_the_event_id(app: FastAPI, engine: Engine) -> None:
    event_id = capture(engine)
    with serving(app) as client:
        vkey = client.get("/logs").json()[0]["vkey"]
        store = Asking(client, engine, "store.example")
        item = store.get(f"/provenance/items/{PACKS[MINE]}", "application/json")
        assert item.status_code == 200
        assert [entry["event_id"] for entry in item.json()["history"]] == [event_id]
        receipt = store.get(f"/provenance/events/{event_id}/receipt?item={PACKS[MINE]}")
        assert receipt.status_code == 200
        _ask_everything_else(store, event_id)
        whole = _receipt_of_the_captor(client, engine, event_id)

    shown = verify(receipt.content, vkey)["items"]
    assert [PACKS[MINE].encode() in one or PALLET.encode() in one for one in shown] == [True, True]
    assert verify_receipt(receipt.content, VerifierKey.parse(vkey)).opening.closed()
    hidden = [serial for serial in SERIALS if serial != SERIALS[MINE]]
    assert store.shown(*hidden, EVENT_ID, PARTY) == set()
    # The captor's own receipt, through the same decoder, shows all of it: the search would have found it.
    captor = Asking(client, engine, "dairy.example")
    captor.bytes = whole
    assert captor.shown(*hidden, EVENT_ID, PARTY) == {*hidden, EVENT_ID, PARTY}


def _ask_everything_else(store: Asking, event_id: str) -> None:
    store.get(f"/provenance/events/{event_id}/receipt")
    store.get(f"/provenance/events/{event_id}/receipt?item={PALLET}")
    for thing in (PACKS[MINE], PALLET):
        for accept in ("text/html", "application/json"):
            store.get(thing.removeprefix("https://id.gs1.org"), accept)
        store.get(f"/provenance/items/{thing}")
        for direction in ("back", "forward", "both"):
            store.trace(thing, direction)
    for path in ("/logs", "/logs/main/checkpoint", "/logs/main/tile/entries/000.p/1", "/organisations", "/"):
        store.get(path)


def _receipt_of_the_captor(client: httpx.Client, engine: Engine, event_id: str) -> bytes:
    captor = Asking(client, engine, "dairy.example")
    captor.get(f"/provenance/events/{event_id}/receipt")
    return captor.bytes
