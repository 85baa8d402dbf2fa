"""What an organisation may not see is in no byte of any answer to it, whatever it asks."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from api.notary import integrate_all
from api.wiring import Engine
from tests.api.conftest import serving
from tests.conformance.bundle_verifier import unzip
from tests.support.epcis_events import document, event, typed
from traceability.gs1.epcis import read_document
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

PALLET = "https://id.gs1.org/00/095212340000000013"
PACK = "https://id.gs1.org/01/09521234000013/21/PACKONE"
SIBLING = "https://id.gs1.org/01/09521234000013/21/SIBLINGTWO"
UNKNOWN = "https://id.gs1.org/01/09521234000013/21/NEVERSEEN"
NEVER_SHOWN = ("PERSONALTEXT",)
PARTS = {
    "what": ("SIBLINGTWO",),
    "where": ("9521234000020",),
    "why": ("9521234007777", "INVOICE77"),
    "how": ("31.4159",),
    "more": ("2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001", "EXTENSIONTEXT"),
}
EVERY = tuple(word for words in PARTS.values() for word in words)
DOCUMENT = document(
    typed(
        "AggregationEvent",
        action="ADD",
        bizStep="packing",
        eventID="urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001",
        parentID=PALLET,
        childEPCs=[PACK, SIBLING],
        readPoint={"id": "https://id.gs1.org/414/9521234000020"},
        bizTransactionList=[{"type": "inv", "bizTransaction": "urn:epcglobal:cbv:bt:9521234000006:INVOICE77"}],
        destinationList=[{"type": "owning_party", "destination": "https://id.gs1.org/417/9521234007777"}],
        sensorElementList=[{"sensorReport": [{"type": "Temperature", "value": 31.4159, "uom": "CEL"}]}],
        **{"https://dairy.example/ns#note": "EXTENSIONTEXT", "https://dairy.example/ns#packer": "PERSONALTEXT"},
    ),
    event(epcList=[PACK, SIBLING], bizStep="shipping", eventTime="2026-03-02T09:15:00Z"),
)


@pytest.fixture
def event_ids(engine: Engine) -> list[str]:
    """Record the document as dairy.example and publish it."""
    engine.organisations.add("carrier.example", glns=["9521234007777"])
    read = read_document(DOCUMENT, captured_by="dairy.example", personal=["https://dairy.example/ns#packer"])
    assert read.valid, read.problems
    ledger = engine.ledger_of("dairy.example")
    recorded = [one for batch in ledger.append_all(e.event for e in read.events) for one in batch]
    integrate_all(engine)
    return [str(one.event_id) for one in recorded]


@pytest.fixture
def client(app: FastAPI, event_ids: list[str]) -> Iterator[httpx.Client]:
    assert event_ids
    with serving(app) as client:
        yield client


class Asking:
    """One reader, and everything that was answered to it."""

    def __init__(self, client: httpx.Client, engine: Engine, organisation: str) -> None:
        self._client = client
        self._headers = {}
        if organisation != PUBLIC:
            key = engine.organisations.create_key(organisation, [Scope.QUERY])[1]
            self._headers = {"Authorization": f"Bearer {key}"}
        self.bytes = b""
        self.refused: list[str] = []

    def get(self, address: str, accept: str = "*/*") -> httpx.Response:
        answer = self._client.get(address, headers={**self._headers, "Accept": accept})
        return self._keep(answer)

    def trace(self, root: str, direction: str) -> httpx.Response:
        body = {"roots": [root], "direction": direction, "include": ["events"]}
        return self._keep(self._client.post("/provenance/traces", json=body, headers=self._headers))

    def everything(self, event_ids: list[str]) -> None:
        """Ask whatever can be asked about the pack and its pallet, but name no other thing."""
        for thing in (PACK, PALLET):
            path = thing.removeprefix("https://id.gs1.org")
            for accept in ("application/json", "text/html"):
                self.get(path, accept)
            self.get(f"/provenance/items/{quote(thing, safe='')}")
            for accept in ("application/json", "application/zip"):
                self.get(f"/provenance/items/{thing}", accept)
            for direction in ("back", "forward", "both"):
                self.trace(thing, direction)
        for query in ("", f"?MATCH_anyEPC={quote(PACK, safe='')}", f"?MATCH_anyEPC={quote(PALLET, safe='')}"):
            for accept in ("application/json", "application/zip"):
                self.get(f"/epcis/events{query}", accept)
        for event_id in event_ids:
            self.get(f"/provenance/events/{event_id}/receipt")
            self.get(f"/provenance/events/{event_id}/receipt?item={quote(PACK, safe='')}")
        for address in (
            "/logs",
            "/logs/main/checkpoint",
            "/logs/main/tile/entries/000.p/2",
            "/logs/main/tile/0/000.p/2",
        ):
            self.get(address)
        for address in ("/", "/readyz", "/organisations", "/organisations/dairy.example"):
            self.get(address)

    def shown(self, *words: str) -> set[str]:
        """Return which of the words are somewhere in the answers, in the clear or in base64."""
        decoded = self.bytes
        for line in self.bytes.split(b"\n"):
            decoded += _opened(line)
        return {word for word in words if word.encode() in decoded}

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code < 500, answer.text
        if not answer.is_success:
            self.refused.append(answer.request.url.path)
        zipped = answer.headers.get("Content-Type") == "application/zip"
        content = b"\n".join(unzip(answer.content).values()) if zipped else answer.content
        self.bytes += content + str(answer.headers).encode() + b"\n"
        return answer


def _opened(line: bytes) -> bytes:
    """Return what the opening in a line of a receipt or a bundle holds, parts and items decoded."""
    found = b""
    prefix, _, data = line.partition(b" ")
    if prefix == b"extra":
        opening = b64decode(data)
    elif line.startswith(b'{"v":"trace-opening/1"'):
        opening = line
    else:
        return found
    for part in json.loads(opening)["parts"]:
        found += b64decode(part.get("bytes", "")) + b"\n"
        for item in part.get("items", ()):
            found += b64decode(item["bytes"]) + b"\n"
    return opening + found


def test_who_captured_it_sees_it_so_that_the_questions_are_good_ones(
    client: httpx.Client, engine: Engine, event_ids: list[str]
) -> None:
    dairy = Asking(client, engine, "dairy.example")
    dairy.everything(event_ids)
    assert dairy.refused == ["/organisations", "/organisations/dairy.example"]  # for which the key lacks the scope
    assert dairy.shown(*EVERY, *NEVER_SHOWN) == {*EVERY, *NEVER_SHOWN}


@pytest.mark.parametrize("organisation", [PUBLIC, "store.example"])
def test_without_a_grant_an_event_is_as_if_it_were_not(
    client: httpx.Client, engine: Engine, event_ids: list[str], organisation: str
) -> None:
    asking = Asking(client, engine, organisation)
    asking.everything(event_ids)
    assert asking.shown(*EVERY, *NEVER_SHOWN, "packing") == set()
    for thing in (PACK, PALLET):
        hidden = asking.get(f"/provenance/items/{quote(thing, safe='')}")
        unknown = asking.get(f"/provenance/items/{quote(UNKNOWN, safe='')}")
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.text.replace(thing, "") == unknown.text.replace(UNKNOWN, "")
        for direction in ("back", "forward", "both"):
            hidden, unknown = asking.trace(thing, direction), asking.trace(UNKNOWN, direction)
            assert hidden.status_code == unknown.status_code
            assert hidden.text.replace(thing, UNKNOWN) == unknown.text
    hidden = asking.get(f"/provenance/events/{event_ids[0]}/receipt")
    unknown = asking.get("/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt")
    assert hidden.status_code == unknown.status_code == 404


def test_a_named_party_sees_all_but_the_personal_and_only_of_its_event(
    client: httpx.Client, engine: Engine, event_ids: list[str]
) -> None:
    carrier = Asking(client, engine, "carrier.example")
    carrier.everything(event_ids)
    assert carrier.shown(*EVERY, *NEVER_SHOWN) == set(EVERY)
    assert carrier.shown("packing", "2026-03-01") == {"packing", "2026-03-01"}
    # The second event names no party: neither its step nor its day is shown.
    assert carrier.shown("2026-03-02") == set()


@pytest.mark.parametrize("part", sorted(PARTS))
@pytest.mark.parametrize("grantee", [PUBLIC, "store.example"])
def test_a_grant_opens_its_part_and_no_other(
    client: httpx.Client, engine: Engine, event_ids: list[str], part: str, grantee: str
) -> None:
    engine.organisations.set_grant(Grant("dairy.example", grantee, None, frozenset({"item", part})))
    asking = Asking(client, engine, grantee)
    asking.everything(event_ids)
    assert asking.shown(*EVERY, *NEVER_SHOWN, "packing", "PACKONE") == {*PARTS[part], "packing", "PACKONE"}


def test_a_grant_for_a_step_opens_no_other_step(client: httpx.Client, engine: Engine, event_ids: list[str]) -> None:
    engine.organisations.set_grant(Grant("dairy.example", PUBLIC, frozenset({"shipping"}), frozenset({"item"})))
    asking = Asking(client, engine, PUBLIC)
    asking.everything(event_ids)
    assert asking.shown(*EVERY, *NEVER_SHOWN, "packing", "2026-03-01") == set()
    assert asking.shown("shipping", "2026-03-02") == {"shipping", "2026-03-02"}
