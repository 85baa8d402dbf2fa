"""CBV event hashes of published documents: those of the reference implementation, and those of the rules."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest

from tests.conformance.golden.epcis import EPCIS, documents, xml_documents
from tests.conformance.test_xml_fixtures import OTHER_THAN_THEIR_TWINS, TWICE, events_of, twin_of
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.hash.documents import HashedEvent, HashMode, hashed_document, hashed_events
from traceability.gs1.epcis.hash.event_hash import event_hash, prehash_of
from traceability.gs1.epcis.hash.keys import Keys
from traceability.gs1.epcis.hash.recorded import hash_of_parts
from traceability.gs1.epcis.hash.reference_links import normalised
from traceability.gs1.epcis.hash.values import text
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.writer import write_event

SET = EPCIS / "cbv-event-hash"
PREHASHES_OF_OTHER_HASHES = {("epcisDocWithAllGS1Keys", 0), ("epcisDocWithCustomSchemaInContext", 1)}
"""Strings whose SHA-256 is not what is published beside them."""
BY_THE_RULES = {
    "ReferenceEventHashAlgorithm3": "sources before destinations",
    "epcisDocWithShippingAndTransportingEvent": "sources before destinations",
    "epcisDocWithVariousEventTypes": "sources before destinations; the namespace of master data without a colon",
    "SensorDataExamples": "CURIEs written out; sensors behind transactions; a namespace ends behind a separator",
    "epcisDocHavingEventWithIgnoreFields": "nothing of an event is ignored because the document says so",
    "epcisQueryDocHavingEventWithIgnoreFields": "the same",
    "epcisXmlQueryDocHavingEventWithIgnoreFields": "the same",
    "epclist_normalisation": "an apostrophe in an identifier is %27",
}
"""Documents of which at least one event has another hash by the rules than the reference's, and why."""
NO_TWINS = {
    "fastnt-requests/v2_0/Requests/Request_ObjectEvent_WithMasterdata.xml": "its JSON holds a transformation",
    "openepcis-test-resources/2.0/EPCIS/XML/Query/queryDocument.xml": "its GRAI has a wrong check digit",
    "openepcis-test-resources/2.0/EPCIS/XML/Query/Invalid/QueryDocument_with_invalid_action.xml": "another GRAI",
    "openepcis-test-resources/2.0/EPCIS/XML/Query/Invalid/QueryDocument_with_invalid_eventType.xml": "another GRAI",
}

OTHER_IDENTIFIERS = {"http://example.de/gtin-8/01/97803111": "its check digit is wrong, and the domain is not GS1's"}
"""Identifiers that the rules of GS1 write otherwise than the reference."""
SPELLED = "https://gs1.org/voc/MT-"
"""How some spell the types of measurements, which the ledger keeps as words."""

needs_fixtures = pytest.mark.skipif(not EPCIS.is_dir(), reason="shared fixtures absent")


def hashed(path: Path, mode: HashMode) -> list[HashedEvent]:
    data = path.read_bytes()
    return list(hashed_events(open_envelope(BytesIO(data)), lambda b: data[b.offset : b.offset + b.size], mode))


def published() -> list[Path]:
    return sorted(
        path.with_suffix(ending)
        for path in (SET / "examples").glob("*.hashes")
        for ending in (".jsonld", ".xml")
        if path.with_suffix(ending).is_file()
    )


@needs_fixtures
@pytest.mark.parametrize("path", published(), ids=lambda path: path.name)
def test_the_published_hashes_of_the_reference(path: Path) -> None:
    found = hashed(path, HashMode.REF_COMPAT)
    assert [one.hash for one in found] == path.with_suffix(".hashes").read_text().split()
    prehashes = path.with_suffix(".prehashes").read_text().splitlines()
    for i, (one, prehash) in enumerate(zip(found, filter(None, prehashes), strict=True)):
        assert (one.prehash != prehash) == ((path.stem, i) in PREHASHES_OF_OTHER_HASHES)
        assert (one.hash != event_hash(prehash)) == ((path.stem, i) in PREHASHES_OF_OTHER_HASHES)


@needs_fixtures
def test_the_set_is_there_whole() -> None:
    assert len(published()) == 26
    assert len(list((SET / "expected_equal").iterdir())) == 9


@needs_fixtures
@pytest.mark.parametrize("path", published(), ids=lambda path: path.name)
def test_by_the_rules_hashes_differ_only_for_a_reason(path: Path) -> None:
    found = [one.hash for one in hashed(path, HashMode.SPEC)]
    assert None not in found
    assert (found != path.with_suffix(".hashes").read_text().split()) == (path.stem in BY_THE_RULES)


@needs_fixtures
@pytest.mark.parametrize("mode", HashMode)
def test_events_that_are_published_as_equal_are(mode: HashMode) -> None:
    for path in (SET / "expected_equal").iterdir():
        found = hashed(path, mode)
        assert len(found) > 1
        assert len({one.hash for one in found}) == 1, path.name
        assert found[0].hash is not None


@needs_fixtures
def test_twins_in_json_and_xml_have_one_hash() -> None:
    different: set[str] = set()
    equal = 0
    for path in xml_documents():
        name = str(path.relative_to(EPCIS))
        if "/1.2/" in name or not twin_of(path).is_file():
            continue
        short = name.removeprefix("openepcis-test-resources/2.0/EPCIS/XML/").removesuffix(".xml")
        for one, other in zip(hashed(path, HashMode.SPEC), hashed(twin_of(path), HashMode.SPEC), strict=True):
            if one.hash == other.hash:
                assert one.hash is not None
                equal += 1
            elif (short, 0) not in OTHER_THAN_THEIR_TWINS:
                different.add(name)
    assert different == NO_TWINS.keys()
    assert equal == 66


@needs_fixtures
def test_an_event_keeps_its_hash_in_the_ledger() -> None:
    """The ledger has the hash of what was sent, and so has what it answers, but where two spellings are one word."""
    equal = 0
    for path in [*documents(), *xml_documents()]:
        found = {one.path: one for one in hashed(path, HashMode.SPEC)}
        for event in events_of(path):
            again = prehash_of(loads(write_event(event.event.parts, None)), Keys(standard_names()))
            sent = found[event.path]
            assert (again == sent.prehash) or path.stem == TWICE or SPELLED in sent.prehash, path.name
            assert (hash_of_parts(event.event.parts) == sent.hash) or SPELLED in sent.prehash, path.name
            equal += again == sent.prehash
    assert equal > 250


@needs_fixtures
def test_no_event_of_any_document_is_dropped() -> None:
    """Those of invalid documents neither: an event that has no hash has a reason."""
    for path in [*documents(), *xml_documents()]:
        with path.open("rb") as source:
            events = open_envelope(source).events
        for mode in HashMode:
            found = hashed(path, mode)
            assert len(found) == events
            assert all((one.hash is None) == (one.problem is not None) for one in found)


@needs_fixtures
@pytest.mark.parametrize("mode", HashMode)
def test_short_documents_are_read_as_long_ones(mode: HashMode) -> None:
    for path in [*documents(), *xml_documents()]:
        problems, found = hashed_document(path.read_bytes(), mode)
        events = hashed(path, mode)
        assert list(found) == events
        assert not (problems and events)


@needs_fixtures
def test_identifiers_as_the_reference_normalises_them() -> None:
    vectors = json.loads((SET / "dl-normaliser-vectors.json").read_text())["vectors"]
    assert len(vectors) == 52
    texts = [vector for vector in vectors if isinstance(vector["in"], str)]
    assert len(texts) == 51
    assert [vector for vector in texts if normalised(vector["in"]) != vector["out"]] == []
    other = {vector["in"] for vector in texts if text(vector["in"]) != (vector["out"] or vector["in"])}
    assert other == OTHER_IDENTIFIERS.keys()
