"""Published EPCIS documents in XML: what must be refused is, everything else is taken whole, twins say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.conformance.golden.epcis import CAPTURED_BY, EPCIS, documents, xml_documents
from tests.conformance.test_epcis_fixtures import NAMED_BAD
from traceability.gs1.epcis import blocks, content_digest, read_document
from traceability.gs1.epcis.document import CapturedEvent
from traceability.gs1.epcis.document_writer import DOCUMENT, Around, Format, write_document
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.writer import write_event
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.ledger.parts import SOURCE

OPENEPCIS = "openepcis-test-resources/2.0/EPCIS/XML"
DEVIATIONS = {
    f"{OPENEPCIS}/Query/ObjectEventWithAllPossibleFields.xml": "its declarationTime has no seconds",
    f"{OPENEPCIS}/Query/queryDocument.xml": "the check digit of its GRAI is wrong",
    "fastnt-requests/v1_2/Events/ObjectEvent_Full.xml": "its event IDs and its reason are no URIs",
    "fastnt-requests/v2_0/Requests/Request_ObjectEvent_WithMasterdata.xml": "its event names nothing",
}
OTHER_THAN_THEIR_TWINS = {
    ("Capture/Documents/Combination_of_different_event", 4): "its declarationTime is an hour earlier",
    ("Query/Combination_of_different_event", 4): "its declarationTime is an hour earlier",
    ("Capture/Documents/ObjectEvent_with_comment", 0): "it has no comment",
    ("Capture/Events/TransactionEvent", 0): "it has an empty element that its twin has not",
    ("fastnt-requests/v2_0/Events/ObjectEvent_StringCertificationInfo", 0): "it is about something else",
}
"""Events that say something else than the JSON documents of their name."""

needs_fixtures = pytest.mark.skipif(not EPCIS.is_dir(), reason="shared fixtures absent")


def names() -> list[str]:
    return [str(path.relative_to(EPCIS)) for path in xml_documents()]


def twin_of(path: Path) -> Path:
    if "cbv-event-hash" in path.parts:
        return path.with_suffix(".jsonld")
    return Path(str(path).replace("/XML/", "/JSON/")).with_suffix(".json")


def events_of(path: Path) -> list[CapturedEvent]:
    return read_document(path.read_bytes(), captured_by=CAPTURED_BY).events


@needs_fixtures
@pytest.mark.parametrize("name", names())
def test_what_is_wrong_is_refused_and_nothing_else(name: str) -> None:
    found = read_document((EPCIS / name).read_bytes(), captured_by=CAPTURED_BY)
    expected = not any(word in name for word in NAMED_BAD)
    assert found.valid is (expected != (name in DEVIATIONS)), found.problems
    assert bool(found.problems) >= (not found.valid)


@needs_fixtures
def test_the_sets_are_there_whole() -> None:
    assert len([name for name in names() if "/Invalid/" in name and "openepcis" in name]) == 8
    assert len(names()) > 60


@needs_fixtures
def test_twins_say_the_same() -> None:
    different: set[tuple[str, int]] = set()
    compared = 0
    for path in xml_documents():
        name = str(path.relative_to(EPCIS))
        if "/1.2/" in name or not twin_of(path).is_file() or name in DEVIATIONS:
            continue
        ours, theirs = events_of(path), events_of(twin_of(path))
        assert len(ours) == len(theirs) or path.stem == "epcisDocWithAllGS1Keys"
        short = name.removeprefix(f"{OPENEPCIS}/").removesuffix(".xml")
        for one, other in zip(ours, theirs, strict=True):
            compared += 1
            assert one.path == other.path
            if content_digest(one.event.parts) != content_digest(other.event.parts):
                different.add((short, one.index))
    assert different == OTHER_THAN_THEIR_TWINS.keys()
    assert compared > 60


@needs_fixtures
@pytest.mark.parametrize("name", names())
def test_the_source_of_an_event_is_the_event_by_itself(name: str) -> None:
    """Read alone, it has the same content; as XML, it is the element of the document."""
    data = (EPCIS / name).read_bytes()
    elements = list(etree.fromstring(data).iter("{*}ObjectEvent", "{*}AggregationEvent", "{*}TransactionEvent",
                                                "{*}TransformationEvent", "{*}AssociationEvent"))  # fmt: skip
    for one in read_document(data, captured_by=CAPTURED_BY).events:
        source = one.event.parts.flat()[SOURCE - 1]
        (again,) = read_document(source, captured_by=CAPTURED_BY).events
        assert again.event == one.event
        element = etree.tostring(elements[one.index], with_tail=False)
        assert etree.canonicalize(element.decode()) == etree.canonicalize(source.decode())


@needs_fixtures
@pytest.mark.parametrize("name", names())
def test_by_blocks_a_document_is_what_it_is_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (EPCIS / name).read_bytes()
    whole = read_document(data, captured_by=CAPTURED_BY)
    for size in (1, 700):
        monkeypatch.setattr(blocks, "BLOCK_BYTES", size)
        assert read_document(data, captured_by=CAPTURED_BY) == whole


FOREIGN = {
    "amperia-staxwall-lifecycle.jsonld", "carbon-footprint.jsonld", "state-of-certified-energy.jsonld",
    "harvesting.jsonld",
}  # fmt: skip
"""Documents with a member _comment, which only a context elsewhere could explain."""
READINGS_AS_TEXT = {"state-of-health.jsonld", "commissioning.jsonld", "deposit-return.jsonld"}
"""XML does not tell a number from a text that is one."""
TWICE = "epcisDocWithAllGS1Keys"
"""It names one thing twice, as URN and as link, which an answer names once."""


@needs_fixtures
@pytest.mark.parametrize("form", Format)
def test_every_event_is_written_in_every_format_without_loss(form: Format) -> None:
    refused, changed, same = set(), set(), 0
    for path in [*documents(), *xml_documents()]:
        for one in events_of(path):
            value = loads(write_event(one.event.parts, None))
            try:
                document = write_document(form, Around(DOCUMENT, "2026-03-01T10:00:00Z"), [value])
            except NotInXmlError:
                refused.add(path.name)
                continue
            found = read_document(document, captured_by=CAPTURED_BY)
            if [content_digest(again.event.parts) for again in found.events] == [content_digest(one.event.parts)]:
                same += 1
            else:
                changed.add(path.name)
    changed = {name for name in changed if not name.startswith(TWICE)}
    if form is Format.JSON:
        assert (refused, changed) == (set(), FOREIGN)
    else:
        assert (refused, changed) == (FOREIGN, READINGS_AS_TEXT)
    assert same > 250
