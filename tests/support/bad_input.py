"""Input that no event comes of, and the code that says why: what is sent by mistake, and what is sent on purpose."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.support.epcis_events import CONTEXT, PACK, document, event
from tests.support.xml_events import xml_document, xml_event
from traceability.gs1.epcis.blocks import MAX_VALUE_BYTES

_GOOD = document(event())
_TEXT = json.dumps(event()).encode()
_DEEP = b"[" * 1_000 + b"]" * 1_000


def _with(member: bytes) -> bytes:
    """Return a document whose one event has one more member."""
    return document(_TEXT[:-1] + b"," + member + b"}")


def _around(**members: Any) -> bytes:
    return document(event(), **members)


def _million() -> bytes:
    items = ",".join([f'"https://id.gs1.org/01/09521234000013/21/{n}"' for n in range(1_000_000)])
    return document(_TEXT[:-1] + b',"childEPCs":[' + items.encode() + b"]}")


_GOOD_XML = xml_document(xml_event())
_LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
_BLOW_UP = f'<!DOCTYPE a [<!ENTITY a "{"a" * 100_000}">]>'
_EXTENDED = 'xmlns:x="https://x.example/"'
BAD_XML: dict[str, tuple[bytes, str]] = {
    "XML cut behind an event": (_GOOD_XML[:-30], "xml.syntax"),
    "XML cut inside an event": (_GOOD_XML[: _GOOD_XML.index(b"<action>")], "xml.syntax"),
    "XML cut inside a tag": (_GOOD_XML[: _GOOD_XML.index(b"ObjectEvent>") + 4], "xml.syntax"),
    "XML with a text that is too long": (
        xml_document(xml_event(f'<x:a xmlns:x="urn:x:">{"a" * 10_000_001}</x:a>')), "xml.text_too_long"
    ),
    "XML cut inside a comment": (b"<EPCISDocument><!-- ", "xml.syntax"),
    "something behind XML": (_GOOD_XML + b"<a/>", "xml.syntax"),
    "text behind XML": (_GOOD_XML + b"a", "xml.syntax"),
    "text between events in XML": (xml_document("a", xml_event()), "xml.syntax"),
    "tags that cross": (xml_document(xml_event().replace("<action>", "<action><a>")), "xml.syntax"),
    "tags that cross around the events": (_GOOD_XML.replace(b"</EPCISBody>", b"</EPCISBodi>"), "xml.syntax"),
    "a prefix that nobody declares": (xml_document(xml_event("<x:a>1</x:a>")), "xml.syntax"),
    "an entity that nobody declares": (xml_document(xml_event().replace("OBSERVE", "&a;")), "xml.syntax"),
    "a character that XML does not have": (xml_document(xml_event().replace("OBSERVE", "\x01")), "xml.syntax"),
    "invalid UTF-8 in XML": (_GOOD_XML.replace(b"OBSERVE", b"\xff"), "xml.syntax"),
    "an external entity": (
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + _GOOD_XML.replace(b"OBSERVE", b"&x;"), "xml.doctype"
    ),
    "an external DTD": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">' + _GOOD_XML, "xml.doctype"),
    "a DOCTYPE in an event": (xml_document(xml_event("<!DOCTYPE a>")), "xml.doctype"),
    "a billion laughs": (
        f'<!DOCTYPE a [<!ENTITY l0 "lol">{_LAUGHS}]>'.encode() + _GOOD_XML.replace(b"OBSERVE", b"&l9;"), "xml.doctype"
    ),
    "quadratic blow-up": (_BLOW_UP.encode() + _GOOD_XML.replace(b"OBSERVE", b"&a;" * 1_000), "xml.doctype"),
    "a DOCTYPE behind a comment": (b"<!-- --><?a?><!DOCTYPE a>" + _GOOD_XML, "xml.doctype"),
    "XML a thousand deep in an event": (
        xml_document(xml_event(f"<x:a {_EXTENDED}>{'<x:a>' * 1_000}{'</x:a>' * 1_000}</x:a>")), "xml.depth"
    ),
    "XML a hundred deep in an event": (
        xml_document(xml_event(f"<x:a {_EXTENDED}>{'<x:a>' * 100}{'</x:a>' * 100}</x:a>")), "xml.depth"
    ),
    "XML a hundred thousand deep": (b"<a>" * 100_000, "xml.depth"),
    "UTF-16 in XML": (_GOOD_XML.decode().encode("utf-16"), "xml.encoding"),
    "Latin-1 in XML": (b'<?xml version="1.0" encoding="ISO-8859-1"?>' + _GOOD_XML, "xml.encoding"),
    "an element twice in an event": (xml_document(xml_event("<action>ADD</action>")), "xml.repeated_element"),
    "text between elements": (xml_document(xml_event(f"<x:a {_EXTENDED}>a<x:b/></x:a>")), "xml.mixed_content"),
    "text between EPCs": (xml_document(xml_event().replace("</epc>", "</epc>a")), "epcis.unknown_field"),
    "an attribute of a list": (
        xml_document(xml_event().replace("<epcList>", '<epcList a="1">')), "epcis.unknown_field"
    ),
    "an attribute of a transaction": (
        xml_document(xml_event('<bizTransactionList><bizTransaction a="1">urn:x:1</bizTransaction>'
                               '</bizTransactionList>')), "epcis.unknown_field"
    ),
    "text in an empty list": (xml_document(xml_event("<quantityList>a</quantityList>")), "epcis.unknown_field"),
    "a disposition that is neither": (
        xml_document(xml_event("<persistentDisposition><a>urn:x:1</a></persistentDisposition>")), "epcis.unknown_field"
    ),
    "a name beyond all bounds": (xml_document(xml_event(f'<x:a xmlns:x="urn:{"a" * 600}">1</x:a>')), "xml.name"),
    "a context in XML": (xml_document(xml_event(f'<x:a {_EXTENDED} context="a">1</x:a>')), "xml.name"),
    "an action before the time": (
        xml_document(xml_event().replace("<ObjectEvent>", "<ObjectEvent><action>ADD</action>", 1).replace(
            "<action>OBSERVE</action>", "")), "epcis.element_order"
    ),
    "XML that holds no events": (b"<a/>", "epcis.no_event_list"),
    "two lists of events in XML": (
        _GOOD_XML.replace(b"<EventList>", b"<EventList/><EventList>"), "epcis.no_event_list"
    ),
    "events elsewhere in XML": (_GOOD_XML.replace(b"EPCISBody", b"EPCISBodi"), "epcis.no_event_list"),
    "version 3 in XML": (_GOOD_XML.replace(b'"2.0"', b'"3.0"'), "epcis.schema_version"),
    "a namespace beyond all bounds": (
        xml_document(xml_event(), namespaces=f'xmlns:x="urn:{"a" * 10_000}"'), "epcis.context"
    ),
    "an event of nobody in XML": (xml_document("<a/>"), "epcis.event_type"),
    "an unknown element of an event": (xml_document(xml_event("<madeUp/>")), "epcis.unknown_field"),
    "an event that is too long in XML": (
        xml_document(xml_event("<!-- " + "a" * MAX_VALUE_BYTES + "-->")), "epcis.event_too_long"
    ),
    "too much around the events in XML": (
        xml_document(header="<a>" + "a" * MAX_VALUE_BYTES + "</a>"), "epcis.member_too_long"
    ),
}  # fmt: skip
"""The same for XML; some of them go all the way."""

BAD_DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "json.syntax"),
    "white space": (b" \n\t", "json.syntax"),
    "only a byte order mark": (b"\xef\xbb\xbf", "json.syntax"),
    "cut behind an event": (_GOOD[:-3], "json.syntax"),
    "cut inside an event": (_GOOD[:-30], "json.syntax"),
    "cut inside a string": (_GOOD[:60], "json.syntax"),
    "something behind it": (_GOOD + b"{}", "json.syntax"),
    "a comma too many": (document(event(), b""), "json.syntax"),
    "brackets that cross": (document(b'{"a":[1}'), "json.syntax"),
    "single quotes": (b"{'type':'EPCISDocument'}", "json.syntax"),
    "XML without a namespace": (b'<?xml version="1.0"?><epcis:EPCISDocument/>', "xml.syntax"),
    **{name: BAD_XML[name] for name in (
        "XML cut inside an event", "an external entity", "a billion laughs", "an event that is too long in XML",
    )},
    "a file of NULs": (bytes(4_096), "json.syntax"),
    "NUL in a string": (_with(b'"readPoint":{"id":"https://id.gs1.org/414/\x00"}'), "json.syntax"),
    "NUL escaped": (_with(b'"eventID":"urn:x:\\u0000"'), "json.nul"),
    "half a surrogate pair": (_with(b'"eventID":"urn:x:\\ud800"'), "json.surrogate"),
    "invalid UTF-8 in an event": (_with(b'"eventID":"urn:x:\xff"'), "json.encoding"),
    "invalid UTF-8 around the events": (_GOOD.replace(b"EPCISDocument", b"EPCIS\xc3Document"), "json.encoding"),
    "Latin-1": (_with('"eventID":"urn:x:é"'.encode("latin-1")), "json.encoding"),
    "UTF-16": (_GOOD.decode().encode("utf-16"), "json.encoding"),
    "a thousand deep in an event": (_with(b'"https://x.example/a":' + _DEEP), "json.depth"),
    "a thousand deep around the events": (_GOOD.replace(b'"type"', b'"https://x.example/a":' + _DEEP + b',"type"', 1),
                                          "json.depth"),
    "a hundred thousand deep": (b"[" * 100_000, "json.syntax"),
    "a name twice in an event": (_with(b'"action":"ADD"'), "json.repeated_member"),
    "a name twice around the events": (_GOOD.replace(b"{", b'{"type":"EPCISDocument",', 1), "json.repeated_member"),
    "two lists of events": (_GOOD[:-2] + b',"eventList":[]}}', "json.repeated_member"),
    "not a number": (_with(b'"https://x.example/a":NaN'), "json.number"),
    "an infinity": (_with(b'"https://x.example/a":-Infinity'), "json.number"),
    "a power beyond the world": (_with(b'"https://x.example/a":1e999'), "json.number"),
    "a number of 65 digits": (_with(b'"https://x.example/a":' + b"9" * 65), "json.number"),
    "a number": (b"7", "epcis.no_event_list"),
    "a string": (b'"EPCISDocument"', "epcis.no_event_list"),
    "an invoice": (b'{"type":"Invoice","epcisBody":{"eventList":[]}}', "epcis.document_type"),
    "no list of events": (_GOOD.replace(b"eventList", b"events"), "epcis.no_event_list"),
    "events in an object": (_GOOD.replace(b"[", b"{", 1).replace(b"]}}", b"}}}"), "json.syntax"),
    "EPCIS 1.2": (_around(schemaVersion="1.2"), "epcis.schema_version"),
    "no version": (_around(schemaVersion=None), "epcis.missing_field"),
    "a creationDate that is none": (_around(creationDate="today"), "epcis.time"),
    "a context that is none": (_around(context=7), "epcis.context"),
    "a context without end": (_around(context=[CONTEXT] * 2_000), "epcis.context"),
    "a header without end": (_around(epcisHeader="x" * MAX_VALUE_BYTES), "epcis.member_too_long"),
    "headers without end": (_around(**dict.fromkeys(map(str, range(21)), "x" * (MAX_VALUE_BYTES // 20))),
                            "epcis.member_too_long"),
    "an object without anything": (b"{}", "epcis.missing_field"),
    "an event that is a number": (document("7"), "epcis.type"),
    "an event that is null": (document("null"), "epcis.type"),
    "a list that is a string": (document(event(epcList=PACK)), "epcis.type"),
    "a time that is a number": (document(event(eventTime=1_772_352_900)), "epcis.time"),
    "an unknown type of event": (document(event(type="InvoiceEvent")), "epcis.event_type"),
    "no type of event": (document(event(type=None)), "epcis.missing_field"),
    "a time without an offset": (document(event(eventTime="2026-03-01T09:15:00")), "epcis.naive_time"),
    "a day that is none": (document(event(eventTime="2026-02-30T09:15:00Z")), "epcis.time"),
    "an offset of a day": (document(event(eventTimeZoneOffset="+25:00")), "epcis.offset"),
    "an offset of ninety minutes": (document(event(eventTimeZoneOffset="+01:90")), "epcis.offset"),
    "a time with an offset of a day": (document(event(eventTime="2026-03-01T09:15:00+25:00")), "epcis.time"),
    "a wrong check digit": (document(event(epcList=[PACK.replace("0013", "0014")])), "gs1.check_digit"),
    "an unknown action": (document(event(action="SELL")), "epcis.action"),
    "an unknown step": (document(event(bizStep="teleporting")), "epcis.vocabulary"),
    "one item twice": (document(event(epcList=[PACK, PACK])), "epcis.repeated_item"),
    "a million items": (_million(), "epcis.event_too_long"),
    "100,001 items": (document(event(epcList=[f"{PACK}{n:06}" for n in range(100_001)])), "epcis.too_many_items"),
}  # fmt: skip
"""By what it is: the bytes, and the code of the first problem."""

GOOD_EVENTS_IN_THEM = {"no version", "a creationDate that is none", "a context that is none"}
"""Documents that are wrong themselves, and whose events may be recorded all the same when they are asked for."""

BAD_ARCHIVES: dict[str, tuple[bytes, str]] = {
    "a gzip bomb": (gzip.compress(bytes(64_000_000)), "capture.ratio"),
    "half a gzip file": (gzip.compress(_GOOD)[: len(_GOOD) // 4], "capture.archive"),
    "half a zip file": (b"PK\x03\x04" + bytes(99), "capture.archive"),
    "an empty zip file": (b"PK\x05\x06" + bytes(18), "capture.archive"),
}
"""What is refused before there is a job."""

KEPT = rb'{"big":9007199254740993,"zeros":4.1000,"power":1.50e+3,"minus":-0.0,"small":1E-7}'
"""Numbers that other parsers round or write in another way."""
GOOD_DOCUMENTS: dict[str, bytes] = {
    "a byte order mark": b"\xef\xbb\xbf" + _GOOD,
    "numbers as they are written": _with(b'"https://x.example/numbers":' + KEPT),
    "line ends of every kind": _GOOD.replace(b",", b",\r\n\t"),
    "one event": _TEXT,
    "an array of events": b"[" + _TEXT + b"]",
    "no events": document(),
    "an empty array": b"[]",
    "XML behind a byte order mark": b"\xef\xbb\xbf" + _GOOD_XML,
    "XML behind white space": b" \n" + _GOOD_XML,
    "XML in ASCII": b'<?xml version="1.0" encoding="US-ASCII"?>' + _GOOD_XML,
    "an event in a comment, and one in CDATA": xml_document(
        "<!-- <ObjectEvent> -->", xml_event(f"<x:a {_EXTENDED}><![CDATA[</ObjectEvent>]]></x:a>"), "<?a <ObjectEvent>?>"
    ),
    "one event in XML": xml_event().encode(),
    "no events in XML": xml_document().replace(b"<EventList></EventList>", b"<EventList />"),
}
