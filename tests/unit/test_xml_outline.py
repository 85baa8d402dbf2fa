"""Where the events of an XML document lie, whatever pieces its bytes come in."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.support.outlines import Drops, events_of
from tests.support.xml_events import xml_document, xml_event
from traceability.gs1.epcis import blocks
from traceability.gs1.epcis.strict_json import Place
from traceability.gs1.epcis.xml.markup import XmlTextError
from traceability.gs1.epcis.xml.outline import outline_of_xml, spans_of_xml

NESTED = '<x:ObjectEvent xmlns:x="urn:x:">{}</x:ObjectEvent>'
INSIDE = st.lists(
    st.sampled_from(
        [
            "<!-- </ObjectEvent> -->",
            "<!--<ObjectEvent>-->",
            "<![CDATA[</ObjectEvent>]]>",
            "<![CDATA[]]]]>",
            "<?p </ObjectEvent>?>",
            "<ObjectEvent/>",
            "<ObjectEvent a='>' />",
            '<ObjectEvent b="/>\'"></ObjectEvent >',
            "<ObjectEvents></ObjectEvents>",
            "<é/>",
            "text \n é &lt;",
            NESTED.format("<a/>"),
        ]
    ),
    max_size=4,
).map("".join)
EVENTS = INSIDE.map(lambda inside: f"<ObjectEvent>{inside}</ObjectEvent>") | st.sampled_from(
    [
        "<ObjectEvent/>",
        "<ObjectEvent\n a='1'/>",
        "<e:AssociationEvent xmlns:e='urn:x:'></e:AssociationEvent >",
        "<é><é/></é>",
    ]
)
BETWEEN = st.sampled_from(["", "\n  ", "<!-- <ObjectEvent> -->", "<!---->", "<?p?>", " <!-- é -->\r\n\t"])


@given(
    st.lists(st.tuples(BETWEEN, EVENTS, st.integers(0, 2))),
    BETWEEN,
    st.integers(1, 300),
    st.sampled_from([1, 30, 200]),
)
def test_every_event_is_found_in_every_document(
    events: list[tuple[str, str, int]], last: str, drop: int, block: int
) -> None:
    pieces = [
        f"{between}{'<extension>' * wrapped}{event}{between}{'</extension>' * wrapped}"
        for between, event, wrapped in events
    ]
    data = xml_document(*pieces, last, header="<!-- <EventList> -->")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block)
        outline = outline_of_xml(Drops(data, drop))
    assert events_of(data, outline, spans_of_xml) == [event.encode() for _, event, _ in events]
    assert outline.size == len(data)
    assert [b.index for b in outline.blocks] == [b.number for b in outline.blocks]
    for one in outline.blocks:
        before = data[: one.offset].decode()
        assert one.place == Place(before.count("\n") + 1, len(before) - before.rfind("\n"))


def is_well_formed(data: bytes) -> bool:
    try:
        etree.fromstring(data)
    except etree.XMLSyntaxError:
        return False
    return True


@given(st.lists(EVENTS, max_size=3), st.data())
def test_what_is_cut_or_damaged_is_found_damaged_by_somebody(events: list[str], data: st.DataObject) -> None:
    whole = xml_document(*events)
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                whole[:at],
                whole[:at] + whole[at + 1 :],
                whole[:at] + b"<" + whole[at:],
                whole[:at] + b"</a>" + whole[at:],
                whole[:at] + b"]]>" + whole[at:],
            ]
        )
    )
    if is_well_formed(damaged):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "CHUNK", 16)
        try:
            found = events_of(damaged, outline_of_xml(BytesIO(damaged)), spans_of_xml)
        except XmlTextError:
            return
    assert not all(map(is_well_formed, found))


def test_memory_does_not_grow_with_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 10_000)
    most = 0

    class Watched:
        def __init__(self) -> None:
            head, _, self.tail = xml_document("|").partition(b"|")
            self.pieces = iter([head])
            self.left = 3_000

        def read(self, size: int, /) -> bytes:
            nonlocal most
            most = max(most, size)
            with suppress(StopIteration):
                return next(self.pieces)
            self.left -= 1
            if self.left < 0:
                return self.tail if self.left == -1 else b""
            return xml_event().encode() + b" " * 1_000 + b"<!-- " + b"x" * 1_000 + b" -->"

    outline = outline_of_xml(Watched())
    assert outline.events == 3_000
    assert most == 1 << 20
    assert len(outline.blocks) < outline.size / 10_000 + 2


def test_an_event_that_is_too_long_is_a_block_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MAX_VALUE_BYTES", 500)
    data = xml_document(xml_event(), xml_event(f"<!-- {'x' * 500} -->"), xml_event())
    found = outline_of_xml(Drops(data, 7)).blocks
    assert [(block.events, block.size > 500) for block in found] == [(1, False), (1, True), (1, False)]


SOAP = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<q:QueryResults xmlns:q="urn:epcglobal:epcis-query:xsd:1"><queryName>a</queryName><resultsBody>'
    f"<EventList>{xml_event()}</EventList></resultsBody></q:QueryResults></s:Body></s:Envelope>"
)


@pytest.mark.parametrize(
    ("document", "kind", "path"),
    [
        (xml_document(xml_event()), "EPCISDocument", "$.epcisBody.eventList"),
        (SOAP.encode(), "EPCISQueryDocument", "$.epcisBody.queryResults.resultsBody.eventList"),
        (xml_event().encode(), None, "$"),
    ],
)
def test_members_are_those_of_the_json_twin(document: bytes, kind: str | None, path: str) -> None:
    outline = outline_of_xml(BytesIO(document))
    assert outline.members.get("type") == kind
    assert [block.path for block in outline.blocks] == [path]
