"""Events written in XML, and read again."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from lxml import etree

from tests.support.drawn_events import events
from tests.support.epcis_events import DAIRY, event, read
from tests.support.xml_events import xml_document
from traceability.gs1.epcis import content_digest, read_document
from traceability.gs1.epcis.convert import put_back_as_written
from traceability.gs1.epcis.document_writer import DOCUMENT, QUERY_DOCUMENT, Around, Format, write_document
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.writer import write_event
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.gs1.epcis.xml.writer import Words, XmlVersion, write_xml_event
from traceability.ledger.parts import Parts

CREATED = "2026-03-01T10:00:00Z"
X = "https://x.example/"


def value_of(parts: Parts) -> dict[str, Any]:
    found: dict[str, Any] = loads(write_event(parts, None))
    return found


def written(version: XmlVersion = XmlVersion.V2_0, words: Words | None = None, **members: Any) -> str:
    found = read(event(**members))
    assert found.valid, found.problems
    return write_xml_event(value_of(found.events[0].event.parts), version, words=words).decode()


@settings(max_examples=200)
@given(events())
def test_an_event_goes_through_every_format_without_loss(one: dict[str, Any]) -> None:
    found = read(one)
    assert found.valid, found.problems
    parts = found.events[0].event.parts
    for form in Format:
        for kind in (DOCUMENT, QUERY_DOCUMENT):
            document = write_document(form, Around(kind, CREATED), [value_of(parts)])
            again = read_document(document, captured_by=DAIRY)
            assert again.valid, again.problems
            (captured,) = again.events
            assert content_digest(captured.event.parts) == content_digest(parts)
            assert set(captured.event.tags) == set(found.events[0].event.tags)
            before, after = (json.loads(each.more) if each.more else {} for each in (parts, captured.event.parts))
            assert {name: before.get(name) for name in ("eventID", "recordTime")} == {
                name: after.get(name) for name in ("eventID", "recordTime")
            }


@given(events())
def test_what_was_written_comes_back_as_it_was_written(one: dict[str, Any]) -> None:
    parts = read(one).events[0].event.parts
    value = value_of(parts)
    put_back_as_written(value, one)
    assert value["eventTime"] == one["eventTime"]
    for name in ("epcList", "childEPCs", "inputEPCList", "parentID", "sourceList", "quantityList"):
        if name in one and name != "quantityList":
            assert value[name] == one[name]
    (again,) = read_document(write_document(Format.XML, Around(DOCUMENT, CREATED), [value]), captured_by=DAIRY).events
    assert content_digest(again.event.parts) == content_digest(parts)


def test_words_are_spelled_as_the_version_spells_them() -> None:
    assert "<bizStep>https://ref.gs1.org/cbv/BizStep-shipping</bizStep>" in written(bizStep="shipping")
    old = written(XmlVersion.V1_2, bizStep="shipping", disposition="in_transit")
    assert "<bizStep>urn:epcglobal:cbv:bizstep:shipping</bizStep>" in old
    assert "<disposition>urn:epcglobal:cbv:disp:in_transit</disposition>" in old
    urns = written(words=Words.URN, bizTransactionList=[{"type": "po", "bizTransaction": "urn:x:1"}])
    assert '<bizTransaction type="urn:epcglobal:cbv:btt:po">urn:x:1</bizTransaction>' in urns
    assert "<bizStep>https://x.example/a</bizStep>" in written(bizStep="https://x.example/a")


def test_1_2_has_its_wrappers() -> None:
    declaration = {"declarationTime": CREATED}
    report = {"type": "Temperature", "value": 4.1, "uom": "CEL"}
    old = written(
        XmlVersion.V1_2,
        eventID="urn:x:1",
        errorDeclaration=declaration,
        quantityList=[{"epcClass": "urn:x:c"}],
        sensorElementList=[{"sensorReport": [report]}],
        certificationInfo="https://x.example/c",
    )
    names = [f"{element.tag}" for element in etree.fromstring(old)]
    assert names == ["eventTime", "eventTimeZoneOffset", "baseExtension", "epcList", "action", "extension"]
    assert "<extension><certificationInfo>https://x.example/c</certificationInfo></extension></baseExtension>" in old
    assert '<extension><sensorElementList><sensorElement><sensorReport type="gs1:Temperature" value="4.1"' in old
    bare = event(type="AssociationEvent", epcList=None, parentID="urn:x:p", action="DELETE")
    association = value_of(read(bare).events[0].event.parts)
    assert write_xml_event(association, XmlVersion.V1_2).startswith(b"<extension><extension><AssociationEvent>")


def test_names_get_the_prefixes_that_they_usually_have() -> None:
    more: dict[str, Any] = {
        "http://epcis.gs1us.org/hc/nsdropShipment": "false",
        "urn:epcglobal:cbv:mda:lotNumber": "A7",
        X + "a": "1",
        X + "ns#b": "2",
    }
    assert written(**more) == (
        '<ObjectEvent xmlns:gs1ushc="http://epcis.gs1us.org/hc/ns" xmlns:cbvmda="urn:epcglobal:cbv:mda"'
        ' xmlns:ns3="https://x.example/" xmlns:ns4="https://x.example/ns#"><eventTime>2026-03-01T08:15:00.000000Z'
        "</eventTime><eventTimeZoneOffset>+01:00</eventTimeZoneOffset><epcList>"
        "<epc>https://id.gs1.org/01/09521234000013/21/1001</epc></epcList><action>OBSERVE</action>"
        "<gs1ushc:dropShipment>false</gs1ushc:dropShipment><cbvmda:lotNumber>A7</cbvmda:lotNumber>"
        "<ns3:a>1</ns3:a><ns4:b>2</ns4:b></ObjectEvent>"
    )


@pytest.mark.parametrize(
    "members",
    [
        {X + "a": [["1"]]},
        {X + "a": [None]},
        {X + "a": {}},
        {X + "a": "\x01"},
        {X + "a": {X + "b": "\uffff"}},
        {X + "7": "1"},
        {X: "1"},
        {"urn:epcglobal:epcis:xsd:2a": "1"},
        {"http://www.w3.org/ns/json-ld#type": "1"},
        {X + "a" * 520: "1"},
        {"readPoint": {"id": "urn:x:p", X + "a": [[]]}},
    ],
)
@pytest.mark.parametrize("version", XmlVersion)
def test_what_xml_cannot_say_is_refused(members: dict[str, Any], version: XmlVersion) -> None:
    with pytest.raises(NotInXmlError) as refused:
        written(version, **members)
    assert refused.value.code == "epcis.not_in_xml"
    assert refused.value.hint


HEADER = {
    "epcisMasterData": {
        "vocabularyList": [
            {
                "type": "urn:epcglobal:epcis:vtype:BizLocation",
                "vocabularyElementList": [
                    {
                        "id": "urn:epc:id:sgln:9521234.00000.0",
                        "attributes": [
                            {"id": "urn:epcglobal:cbv:mda#name", "attribute": "Dairy <North> & sons"},
                            {"id": "urn:x:address", "attribute": {X + "city": "Bern", X + "street": "Gasse 1"}},
                        ],
                        "children": ["urn:epc:id:sgln:9521234.00000.1"],
                    }
                ],
            }
        ]
    },
    "http://epcis.gs1us.org/hc/nsguidelineVersion": "1.3",
}


@pytest.mark.parametrize("form", Format)
def test_a_header_goes_through_every_format_without_loss(form: Format) -> None:
    document = write_document(form, Around(DOCUMENT, CREATED, HEADER), [])
    envelope = open_envelope(BytesIO(document))
    assert envelope.problems == []
    assert envelope.members["epcisHeader"] == HEADER
    assert envelope.members["creationDate"] == CREATED


def test_master_data_of_another_form_are_refused() -> None:
    with pytest.raises(NotInXmlError):
        write_document(Format.XML, Around(DOCUMENT, CREATED, {"epcisMasterData": {"vocabularyList": [7]}}), [])


def test_a_wrapper_of_1_2_is_no_part_of_an_event() -> None:
    kind = value_of(read(event()).events[0].event.parts)
    data = xml_document(write_xml_event(kind, XmlVersion.V1_2).decode(), version="1.2")
    assert read_document(data, captured_by=DAIRY).valid
