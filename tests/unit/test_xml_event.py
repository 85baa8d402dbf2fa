"""What an event in XML says, as its JSON twin would say it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.bad_input import BAD_XML
from tests.support.epcis_events import DAIRY, PACK, event, read
from tests.support.epcis_events import document as json_document
from tests.support.xml_events import xml_document, xml_event
from traceability.gs1.epcis import content_digest, place_in, read_document, read_letter
from traceability.gs1.epcis.strict_json import loads
from traceability.ledger.parts import Parts

NAMESPACES = (
    'xmlns:x="https://x.example/" xmlns:y="https://y.example/ns#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:cbvmda="urn:epcglobal:cbv:mda"'
    ' xmlns:jsonld="http://www.w3.org/ns/json-ld#"'
)
X = "https://x.example/"


def parts(*more: str, version: str = "2.0", namespaces: str = NAMESPACES) -> Parts:
    found = read_document(xml_document(xml_event(*more), version=version, namespaces=namespaces), captured_by=DAIRY)
    assert found.valid, found.problems
    return found.events[0].event.parts


def extension(inside: str) -> Any:
    """Return what the extension x:a with something inside is in JSON."""
    return json.loads(parts(inside).more)[X + "a"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("<x:a>text</x:a>", "text"),
        ("<x:a> text\n</x:a>", " text\n"),
        ("<x:a/>", ""),
        ("<x:a><!-- a -->te<?p?>xt<![CDATA[<&]]></x:a>", "text<&"),
        ("<x:a>&lt;&#233;&amp;</x:a>", "<é&"),
        ("<x:a>7</x:a>", "7"),
        ('<x:a xsi:type="xsd:integer">007</x:a>', 7),
        ('<x:a xsi:type="xsd:double"> -1.50E3 </x:a>', -1500.0),
        ('<x:a xsi:type="xsd:double">INF</x:a>', "INF"),
        ('<x:a xsi:type="xsd:boolean">1</x:a>', True),
        ('<x:a xsi:type="xsd:boolean">no</x:a>', "no"),
        ('<x:a xsi:type="xsd:dateTime">2026-03-01T09:15:00Z</x:a>', "2026-03-01T09:15:00Z"),
        ('<x:a xsi:nil="true"/>', None),
        ("<x:a>1</x:a><x:a>2</x:a><x:a><x:b>3</x:b></x:a>", ["1", "2", {X + "b": "3"}]),
        ('<x:a jsonld:container="@set">1</x:a>', ["1"]),
        ('<x:a jsonld:container="@set" xsi:nil="true"/>', []),
        ("<x:a><x:b>1</x:b><y:b>2</y:b></x:a>", {X + "b": "1", "https://y.example/ns#b": "2"}),
        ("<x:a>\n <x:b>1</x:b> <x:b>2</x:b>\n</x:a>", {X + "b": ["1", "2"]}),
        ('<x:a unit="g">3.5</x:a>', {"@unit": "g", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value": "3.5"}),
        ('<x:a y:unit="g"/>', {"https://y.example/ns#unit": "g"}),
        ('<x:a id="x:thing" type="gs1:Thing"/>', {"@id": X + "thing", "@type": "https://gs1.org/voc/Thing"}),
        ("<x:a><jsonld:value>1</jsonld:value></x:a>", {"@value": "1"}),
        ('<x:a xmlns:z="urn:z:"><z:b>1</z:b></x:a>', {"urn:z:b": "1"}),
        ("<x:a><cbvmda:b>1</cbvmda:b></x:a>", {"urn:epcglobal:cbv:mda:b": "1"}),
    ],
)
def test_an_extension_is_what_json_would_say(written: str, value: Any) -> None:
    assert extension(written) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [("200.50", "200.50"), ("0200", "200"), ("+.5", "0.5"), ("5.", "5"), ("-0.0", "-0.0"), ("1E+2", "1e+2")],
)
def test_numbers_keep_their_characters_where_json_allows_them(text: str, number: str) -> None:
    report = f'<sensorReport type="gs1:Temperature" value="{text}" uom="CEL"/>'
    how = loads(parts(f"<sensorElementList><sensorElement>{report}</sensorElement></sensorElementList>").how)
    assert how["sensorElementList"][0]["sensorReport"][0]["value"] == number


def test_words_are_written_in_every_spelling() -> None:
    spellings = (
        "cbv:BizStep-shipping",
        "https://ref.gs1.org/cbv/BizStep-shipping",
        "urn:epcglobal:cbv:bizstep:shipping",
    )
    assert {json.loads(parts(f"<bizStep> {word} </bizStep>").head)["bizStep"] for word in spellings} == {"shipping"}
    assert json.loads(parts("<bizStep>x:washing</bizStep>").head)["bizStep"] == X + "washing"


OLD = """
<baseExtension><eventID>urn:x:1</eventID><errorDeclaration><declarationTime>2026-03-02T00:00:00Z</declarationTime>
<reason>urn:epcglobal:cbv:er:did_not_occur</reason><correctiveEventIDs><correctiveEventID>urn:x:2</correctiveEventID>
</correctiveEventIDs></errorDeclaration></baseExtension>
<bizTransactionList><bizTransaction type="urn:epcglobal:cbv:btt:po"> urn:x:po </bizTransaction></bizTransactionList>
<extension><quantityList><quantityElement><epcClass>urn:epc:class:lgtin:9521234.000001.A7</epcClass>
<quantity>5</quantity></quantityElement></quantityList>
<sourceList><source type="urn:epcglobal:cbv:sdt:location">urn:epc:id:sgln:9521234.00000.0</source></sourceList>
<extension><persistentDisposition><set>urn:epcglobal:cbv:disp:damaged</set></persistentDisposition></extension>
</extension><x:a>1</x:a>
"""
AS_JSON = event(
    eventID="urn:x:1",
    errorDeclaration={
        "declarationTime": "2026-03-02T00:00:00Z", "reason": "did_not_occur", "correctiveEventIDs": ["urn:x:2"],
    },
    bizTransactionList=[{"type": "po", "bizTransaction": "urn:x:po"}],
    quantityList=[{"epcClass": "urn:epc:class:lgtin:9521234.000001.A7", "quantity": 5}],
    sourceList=[{"type": "location", "source": "urn:epc:id:sgln:9521234.00000.0"}],
    persistentDisposition={"set": ["damaged"]},
    **{X + "a": "1"},
)  # fmt: skip


def test_what_epcis_1_2_wraps_is_the_event_s_own() -> None:
    old, (new,) = parts(OLD, version="1.2"), read(AS_JSON).events
    assert content_digest(old) == content_digest(new.event.parts)
    assert old.flat()[:-1] == new.event.parts.flat()[:-1]
    assert old.what == new.event.parts.what


def test_an_event_of_1_2_may_be_wrapped_itself() -> None:
    association = (
        "<extension><extension><AssociationEvent><eventTime>2026-03-01T09:15:00+01:00</eventTime>"
        "<eventTimeZoneOffset>+01:00</eventTimeZoneOffset><parentID>urn:epc:id:grai:9521234.00001.1</parentID>"
        f"<childEPCs><epc>{PACK}</epc></childEPCs><action>ADD</action></AssociationEvent></extension></extension>"
    )
    found = read_document(xml_document(association, xml_event(), association, version="1.2"), captured_by=DAIRY)
    assert [one.event.type for one in found.events] == [
        "epcis.association_event.v2", "epcis.object_event.v2", "epcis.association_event.v2"
    ]  # fmt: skip
    assert [one.path for one in found.events] == [f"$.epcisBody.eventList[{i}]" for i in range(3)]


def test_a_source_has_the_namespaces_that_it_uses_and_no_other() -> None:
    event_ = xml_event("<x:a>y:b</x:a>").replace("<ObjectEvent>", '<ObjectEvent xmlns:x="urn:own:">')
    found = read_document(xml_document(event_, namespaces=NAMESPACES), captured_by=DAIRY)
    source = found.events[0].event.parts.source
    assert source.startswith(b'<ObjectEvent xmlns:y="https://y.example/ns#" xmlns:x="urn:own:">')
    assert json.loads(found.events[0].event.parts.more) == {"urn:own:a": "y:b"}


def test_a_default_namespace_goes_with_the_event() -> None:
    found = read_document(xml_document(xml_event(), namespaces='xmlns="urn:epcglobal:epcis:xsd:2"'), captured_by=DAIRY)
    assert found.valid
    assert found.events[0].event.parts.source.startswith(b'<ObjectEvent xmlns="urn:epcglobal:epcis:xsd:2"><eventTime>')


def test_findings_have_the_places_and_codes_of_the_json_twin() -> None:
    xml = xml_event("<bizStep>teleporting</bizStep>").replace("0013", "0014").replace("OBSERVE", "SELL")
    twin = event(epcList=[PACK.replace("0013", "0014")], action="SELL", bizStep="teleporting")
    ours, theirs = read_document(xml_document(xml), captured_by=DAIRY), read(twin)
    assert len(ours.problems) == 3
    assert ours.problems == theirs.problems


def test_a_letter_in_xml_is_read_by_itself() -> None:
    read_bad = read_letter(xml_event().replace("OBSERVE", "SELL").encode(), b"", captured_by=DAIRY)
    assert [(problem.path, problem.code) for problem in read_bad.problems] == [("$.action", "epcis.action")]
    corrected = read_letter(b"\n" + xml_event().encode(), b"", captured_by=DAIRY)
    assert [one.event.parts.head for one in corrected.events] == [read(event()).events[0].event.parts.head]
    whole = read_letter(xml_document(xml_event()), b"", captured_by=DAIRY)
    assert (whole.events, [problem.code for problem in whole.problems]) == ([], ["epcis.event_type"])


def test_personal_members_are_taken_out() -> None:
    found = read_document(
        xml_document(xml_event("<x:a><x:b>A. Muster</x:b></x:a>"), namespaces=NAMESPACES),
        captured_by=DAIRY,
        personal=[X + "b"],
    )
    assert found.events[0].event.parts.personal == b'{"/https:~1~1x.example~1a/https:~1~1x.example~1b":"A. Muster"}'


def test_json_and_xml_of_one_event_are_duplicates_of_each_other() -> None:
    both = [
        read_document(one, captured_by=DAIRY).events[0].event
        for one in (json_document(event()), xml_document(xml_event()))
    ]
    assert len({content_digest(one.parts) for one in both}) == 1
    assert both[0].tags == both[1].tags
    assert both[0].index == both[1].index


@pytest.mark.parametrize("name", BAD_XML)
def test_bad_xml_is_one_problem(name: str) -> None:
    data, code = BAD_XML[name]
    found = read_document(data, captured_by=DAIRY)
    assert [problem.code for problem in found.problems] == [code]
    assert len(found.problems[0].message) < 400


PLACED = """<?xml version="1.0"?>
<ObjectEvent xmlns:x="https://x.example/"><eventTime>é</eventTime>
<baseExtension><eventID>urn:x:1</eventID></baseExtension>
<epcList><epc>a</epc><epc>b</epc></epcList>
<sensorElementList><sensorElement><sensorReport value="1"/><sensorReport value='2' x:a="3"/></sensorElement>
</sensorElementList><x:a>1</x:a><x:a>2</x:a></ObjectEvent>
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("$.eventTime", "<eventTime>é</eventTime>"),
        ("$.epcisBody.eventList[7].epcList[1]", "<epc>b</epc>"),
        ("$.eventID", "<eventID>urn:x:1</eventID>"),
        ("$.sensorElementList[0].sensorReport[1].value", "value='2'"),
        ("$.sensorElementList[0].sensorReport[1]['https://x.example/a']", 'x:a="3"'),
        ("$['https://x.example/a'][1]", "<x:a>2</x:a>"),
        ("$['https://x.example/a']", "<x:a>1</x:a><x:a>2</x:a>"),
        ("$.epcList[9]", "<epcList><epc>a</epc><epc>b</epc></epcList>"),
    ],
)
def test_a_place_is_found_in_the_characters_of_an_event(path: str, place: str) -> None:
    start, end = place_in(PLACED, path)
    assert PLACED[start:end] == place


@pytest.mark.parametrize("text", ["<a", "<a></b>", "</a>", "<a>" * 1_000, "<!DOCTYPE a><a/>", "<\ud800/>"])
def test_no_text_is_too_broken_for_a_place(text: str) -> None:
    assert place_in(text, "$.a[0]")[0] <= len(text)
    assert place_in(text, "$.a[0]")[1] <= len(text)
