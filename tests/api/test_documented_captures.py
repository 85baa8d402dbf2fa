"""The requests and commands that docs/guide/capture.md shows do what it says."""

from __future__ import annotations

import io
import re
import shlex
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from adapters.feeds.unpack import Limits
from api.settings import Settings
from tests.support.epcis_events import DAIRY, document, event
from traceability.gs1.epcis.blocks import BLOCK_BYTES, MAX_VALUE_BYTES
from traceability.gs1.epcis.envelope import MAX_CONTEXT_BYTES
from traceability.ledger.organisations import Scope
from traceability.ledger.parts import ITEM_LIMIT

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "capture.md").read_text()


def requests() -> list[list[str]]:
    """Return the words of each curl command."""
    return [shlex.split(line)[1:] for line in PAGE.replace("\\\n", "").splitlines() if line.startswith("curl ")]


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("a.json", document(event(bizStep="packing")))
    return out.getvalue()


FILES = {"@shipment.json": document(event(), event(bizStep="shipping")), "@day.zip": archive()}


@pytest.mark.parametrize("words", requests(), ids=" ".join)
def test_a_request_that_is_shown_is_answered(
    words: list[str],
    client: httpx.Client,
    bearer: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.capture.published.WAIT_SECONDS", 0.1)  # nobody runs jobs here
    options = iter(words)
    headers: dict[str, str] = {}
    content, address = None, ""
    for word in options:
        if word == "-H":
            name, _, value = next(options).partition(": ")
            headers[name] = bearer(DAIRY, Scope.CAPTURE)["Authorization"] if name == "Authorization" else value
        elif word == "--data-binary":
            content = FILES[next(options)]
        elif word != "-i":
            address = word
    shown = urlsplit(address)
    made = client.post("/epcis/capture", content=FILES["@shipment.json"], headers=bearer(DAIRY, Scope.CAPTURE))
    path = re.sub(r"/epcis/capture/[0-9a-f-]{36}$", made.headers["Location"], shown.path)
    method = "GET" if content is None else "POST"
    answer = client.request(method, path, params=shown.query, content=content, headers=headers)
    assert answer.status_code == (200 if content is None else 202), answer.text


def test_there_are_requests_to_look_at() -> None:
    assert len(requests()) == 5


def test_the_headers_that_are_shown_are_those_of_the_interface(app: FastAPI) -> None:
    described = app.openapi()["paths"]["/epcis/capture"]["post"]["parameters"]
    named = {one["name"].lower() for one in described if one["in"] == "header"}
    shown = {words[i + 1].partition(":")[0].lower() for words in requests() for i, w in enumerate(words) if w == "-H"}
    # Versions are negotiated everywhere (docs/guide/epcis-rest.md).
    negotiated = {name for name in named if name.startswith(("gs1-epcis-", "gs1-cbv-"))}
    assert shown - {"authorization", "content-type"} == named - negotiated
    assert any(route.path == "/epcis/capture" for route in iter_route_contexts(app.routes))


def test_the_limits_that_are_told_are_the_limits() -> None:
    limits = Limits(Settings().capture_max_bytes)
    told = " ".join(PAGE.split())
    for text in (
        f"1 to {limits.documents:,} documents",
        f"to {limits.ratio} times its size or to 16 MiB",
        f"An event may have {MAX_VALUE_BYTES >> 20} MiB and {ITEM_LIMIT:,} items",
        f"the `@context` {MAX_CONTEXT_BYTES >> 10} KiB",
        f"blocks of about {BLOCK_BYTES >> 10} KiB",
    ):
        assert text in told


def test_the_codes_that_are_told_are_the_codes() -> None:
    """Those of the table are raised somewhere, and every code of a capture is told."""
    sources = [
        *(ROOT / "api").rglob("*.py"),
        *(ROOT / "adapters").rglob("*.py"),
        *(ROOT / "traceability").rglob("*.py"),
    ]
    raised = {code for path in sources for code in re.findall(r'"(capture\.[a-z_]+)"', path.read_text())}
    told = set(re.findall(r"`(capture\.[a-z_]+)`", PAGE))
    # Those of the findings page, of one run to another, of what nobody sends again, and of an event without a document.
    assert raised - told == {
        "capture.broken_off", "capture.conflict", "capture.duplicate", "capture.event", "capture.failed",
        "capture.lost_lease", "capture.unknown_job", "capture.workers", "capture.workers_ended",
    }  # fmt: skip
    assert told <= raised
