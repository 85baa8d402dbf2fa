"""Documents without what is known: the rest of their bytes stays as it came, in JSON and in XML."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.partners.fresh import fresh
from api.wiring import Engine
from tests.conftest import Database
from tests.support.capture_runs import capture_engine, captured, packs
from tests.support.epcis_events import DAIRY, document
from tests.support.xml_events import xml_document, xml_event
from traceability.gs1.epcis import read_document

TRANSFORMATION = (
    "<extension><TransformationEvent><eventTime>2026-03-01T09:15:00+01:00</eventTime>"
    "<eventTimeZoneOffset>+01:00</eventTimeZoneOffset><baseExtension><eventID>urn:uuid:t</eventID></baseExtension>"
    "<inputEPCList><epc>urn:epc:id:sgtin:9521234.000001.1</epc></inputEPCList>"
    "<outputEPCList><epc>urn:epc:id:sgtin:9521234.000001.2</epc></outputEPCList></TransformationEvent></extension>"
)


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    with capture_engine(database, tmp_path) as engine:
        yield engine


def named(event_id: str) -> str:
    inner = f"<baseExtension><eventID>{event_id}</eventID></baseExtension>"
    return xml_event().replace("<epcList>", f"{inner}<epcList>")


def test_json_without_what_is_known(engine: Engine) -> None:
    captured(engine, document(*packs(1, 3)))
    spelt = b'{ "type":"ObjectEvent", "eventTime": "2026-03-01T09:15:00+01:00" }'
    left = fresh(engine, DAIRY, document(*packs(1), spelt, *packs(2, 3)))
    assert (left.events, left.known, len(left.digests)) == (4, 2, 2)
    assert left.document is not None
    assert left.document == document(spelt, *packs(2)).replace(b"}, {", b"},{")
    # Remembered, it is known although nothing of it could be recorded.
    again = fresh(engine, DAIRY, left.document, left.digests)
    assert (again.document, again.known) == (None, 2)
    # The same name and other content is for the capture to tell.
    assert fresh(engine, DAIRY, document(*packs(1, bizStep="shipping"))).known == 0
    # Nobody else's sight decides.
    assert fresh(engine, "store.example", document(*packs(1, 3))).known == 0


def test_xml_without_what_is_known(engine: Engine) -> None:
    captured(engine, xml_document(named("urn:uuid:a"), TRANSFORMATION, version="1.2"))
    left = fresh(engine, DAIRY, xml_document(named("urn:uuid:a"), TRANSFORMATION, named("urn:uuid:c"), version="1.2"))
    assert (left.events, left.known) == (3, 2)
    assert left.document is not None
    assert named("urn:uuid:c").encode() in left.document
    found = read_document(left.document, captured_by=DAIRY)
    assert (found.valid, len(found.events)) == (True, 1)


def test_master_data_is_taken_beside_events_that_are_known(engine: Engine) -> None:
    header: dict[str, Any] = {"epcisMasterData": {"vocabularyList": []}}
    whole = document(*packs(1), epcisHeader=header)
    captured(engine, whole)
    left = fresh(engine, DAIRY, whole)
    assert left.known == 1
    assert left.document is not None
    assert json.loads(left.document)["epcisBody"]["eventList"] == []
    assert json.loads(left.document)["epcisHeader"] == header


@pytest.mark.parametrize("broken", [b"", b"{", b"<", b"[]x", b"7"])
def test_what_cannot_be_read_stays_for_the_capture_to_say_so(engine: Engine, broken: bytes) -> None:
    left = fresh(engine, DAIRY, broken)
    assert (left.document, left.events) == (broken, 0)
