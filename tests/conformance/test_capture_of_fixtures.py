"""Published EPCIS documents captured: the way by blocks is the way by whole documents, on disk and over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from api.app import create_app
from api.capture.runner import capturing
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.api.conftest import serving
from tests.conformance import test_xml_fixtures
from tests.conformance.golden.epcis import CAPTURED_BY, EPCIS, documents, xml_documents
from tests.conformance.test_epcis_fixtures import DEVIATIONS, NAMED_BAD, names
from tests.conftest import Database
from traceability.gs1.epcis import TYPE_NAMES, blocks, read_document
from traceability.gs1.epcis.blocks import Block
from traceability.gs1.epcis.document import CapturedEvent, Document, EventReader
from traceability.gs1.epcis.envelope import open_envelope
from traceability.ledger.organisations import Scope

CONTRADICTING_THEMSELVES = {
    "cbv-event-hash/examples/epcisDocHavingEventWithIgnoreFields.jsonld",
    "cbv-event-hash/examples/epcisQueryDocHavingEventWithIgnoreFields.jsonld",
}
"""Their two events have one eventID, and differ in what the CBV hash leaves out and we do not."""

needs_fixtures = pytest.mark.skipif(not EPCIS.is_dir(), reason="shared fixtures absent")


def by_blocks(data: bytes, order: Callable[[list[Block]], list[Block]]) -> Document:
    """Read a document as a capture does: outlined, its blocks read by anybody in any order."""
    envelope = open_envelope(BytesIO(data))
    reader = EventReader(envelope.context, captured_by=CAPTURED_BY)
    found = [
        read
        for block in order(envelope.blocks)
        for read in reader.read(block, data[block.offset : block.offset + block.size])
    ]
    found.sort(key=lambda read: read.index)
    events = [CapturedEvent(read.index, read.path, read.event) for read in found if read.event is not None]
    assert [read.index for read in found] == list(range(envelope.events))
    assert all(json.loads(read.text) is not None for read in found if read.event is not None)
    return Document(events, [*envelope.problems, *(problem for read in found for problem in read.problems)])


@needs_fixtures
@pytest.mark.parametrize("name", names())
def test_by_blocks_a_document_is_what_it_is_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (EPCIS / name).read_bytes()
    whole = read_document(data, captured_by=CAPTURED_BY)
    of_header = {problem for problem in whole.problems if problem.path.startswith("$.epcisHeader")}
    expected = whole.events, [problem for problem in whole.problems if problem not in of_header]
    for size in (1, 700):
        monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
        for order in (list[Block], lambda found: found[::-1]):
            found = by_blocks(data, order)
            assert (found.events, found.problems) == expected


@contextmanager
def server(database: Database, data: Path) -> Iterator[tuple[Engine, httpx.Client]]:
    settings = Settings(database_url=SecretStr(database.runtime_url), data=data)
    with open_engine(settings) as engine, capturing(engine) as runner:
        app = create_app(engine)
        app.state.capture_runner = runner
        with serving(app) as client:
            yield engine, client


@needs_fixtures
def test_what_is_wrong_is_refused_with_a_code_and_everything_else_is_in(database: Database, tmp_path: Path) -> None:
    """Each document by an organisation of its own: several hold the same events."""
    wrong: list[tuple[object, ...]] = []
    with server(database, tmp_path) as (engine, client):
        sent: list[tuple[str, dict[str, str], str]] = []
        for number, path in enumerate([*documents(), *xml_documents()]):
            name = f"partner-{number}.example"
            engine.organisations.add(name)
            key = {"Authorization": f"Bearer {engine.organisations.create_key(name, [Scope.CAPTURE])[1]}"}
            answer = client.post("/epcis/capture", content=path.read_bytes(), headers=key)
            sent.append((str(path.relative_to(EPCIS)), key, answer.headers["Location"]))
        recorded = 0
        for name, key, location in sent:
            job: dict[str, Any] = {"running": True}
            while job["running"]:
                job = client.get(location, headers=key).json()
                time.sleep(0.005 * job["running"])
            whole = read_document((EPCIS / name).read_bytes(), captured_by=CAPTURED_BY)
            is_good = any(word in name for word in NAMED_BAD) is (name in {*DEVIATIONS, *test_xml_fixtures.DEVIATIONS})
            codes = [problem.code for problem in whole.problems if problem.severity == "error"]
            codes += ["capture.conflict"] * (name in CONTRADICTING_THEMSELVES)
            dealt_with = job["recorded"] + job["duplicates"] + job["conflicts"]
            expected = (is_good and not job["conflicts"], sorted(codes)[:100], len(whole.events) if is_good else 0)
            if (job["success"], sorted(error["code"] for error in job["errors"]), dealt_with) != expected:
                wrong.append((name, job, expected))
            recorded += job["recorded"]
        assert wrong == []
        kept = [record.event.type for record in engine.ledger.records(range(1, engine.ledger.head() + 1))]
        assert len([one for one in kept if one in TYPE_NAMES.values()]) == recorded > 100
        assert len(kept) > recorded + 10  # master data, of headers in XML too
    assert list((tmp_path / "spool" / "main").iterdir()) == []
