"""Documents of events in XML over HTTP: the same events as in JSON, in the version that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from lxml import etree

from api.wiring import Engine
from tests.support.epcis_events import CONTEXT, DAIRY, PACK, PARTY, document, event
from tests.support.xml_events import xml_event
from traceability.gs1.epcis import content_digest, read_document
from traceability.ledger.organisations import Scope

XML = "application/xml"
PACK_URN = "urn:epc:id:sgtin:9521234.000001.1001"
ID = "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"
GIVEN = [
    event(eventID=ID, bizStep="shipping", **{"https://x.example/a": ["1"]}),
    event(action="ADD", epcList=["https://x.example/events"], ilmd={"urn:epcglobal:cbv:mda:lotNumber": "A7"}),
    event(sensorElementList=[{"sensorReport": [{"type": "Temperature", "value": 4.1, "uom": "CEL"}]}]),
]


@pytest.fixture
def dairy(client: httpx.Client, engine: Engine, bearer: Callable[..., dict[str, str]]) -> httpx.Client:
    """Give a client of an organisation that has recorded the events."""
    client.headers = httpx.Headers(bearer(DAIRY, Scope.CAPTURE, Scope.QUERY))
    record(engine, *GIVEN)
    return client


def record(engine: Engine, *events: dict[str, Any]) -> None:
    found = read_document(document(*events), captured_by=DAIRY)
    assert found.valid
    list(engine.ledger_of(DAIRY).append_all([one.event for one in found.events]))


def digests(data: bytes) -> set[bytes]:
    found = read_document(data, captured_by=DAIRY)
    assert found.valid, found.problems
    return {content_digest(one.event.parts) for one in found.events}


@pytest.mark.parametrize("accept", [XML, "text/xml", f"{XML}, application/json;q=0.5"])
@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ({}, "2.0"),
        ({"GS1-EPCIS-Version": "2.0"}, "2.0"),
        ({"GS1-EPCIS-Max": "1.2", "GS1-CBV-Max": "1.2"}, "1.2"),
        ({"GS1-EPCIS-Version": "1.2.0"}, "1.2"),
    ],
)
def test_the_events_are_those_of_the_answer_in_json(
    dairy: httpx.Client, accept: str, asked: dict[str, str], version: str
) -> None:
    answer = dairy.get("/epcis/events", headers={"Accept": accept, **asked})
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, accept.partition(",")[0])
    assert answer.headers["GS1-EPCIS-Version"] == f"{version}.0"
    assert digests(answer.content) == digests(dairy.get("/epcis/events").content) == digests(document(*GIVEN))
    root = etree.fromstring(answer.content)
    assert root.tag == f"{{urn:epcglobal:epcis-query:xsd:{version[0]}}}EPCISQueryDocument"
    assert root.get("schemaVersion") == version


def test_pages_and_single_events_are_answered_too(dairy: httpx.Client) -> None:
    first = dairy.get("/epcis/events?perPage=2", headers={"Accept": XML})
    second = dairy.get(first.links["next"]["url"], headers={"Accept": XML})
    assert digests(first.content) | digests(second.content) == digests(document(*GIVEN))
    one = dairy.get(f"/epcis/events/{quote(ID, safe='')}", headers={"Accept": XML})
    assert digests(one.content) == digests(document(GIVEN[0]))
    of_step = dairy.get("/epcis/bizSteps/shipping/events", headers={"Accept": XML})
    assert digests(of_step.content) == digests(document(GIVEN[0]))


def test_words_are_spelled_as_asked(dairy: httpx.Client) -> None:
    def step(**headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = dairy.get("/epcis/events?EQ_bizStep=shipping", headers={"Accept": XML, **named})
        return str(etree.fromstring(answer.content).findtext(".//bizStep"))

    web, urn = "https://ref.gs1.org/cbv/BizStep-shipping", "urn:epcglobal:cbv:bizstep:shipping"
    assert (step(), step(GS1_CBV_XML_Format="Always_URN")) == (web, urn)
    assert step(GS1_EPCIS_Version="1.2") == urn
    assert step(GS1_EPCIS_Version="1.2", GS1_CBV_XML_Format="Always_Web_URI") == web


def test_words_that_are_not_to_be_translated_have_the_names_that_were_received(dairy: httpx.Client) -> None:
    web, urn = "https://ref.gs1.org/cbv/", "urn:epcglobal:cbv:"
    words = (
        f"<bizStep>{urn}bizstep:shipping</bizStep><disposition>{web}Disp-in_transit</disposition>",
        f'<bizTransactionList><bizTransaction type="{urn}btt:po">urn:x:1</bizTransaction></bizTransactionList>',
        f'<sourceList><source type="https://x.example/t">{PARTY}</source></sourceList>',
        f"<persistentDisposition><unset>{urn}disp:active</unset><set>{web}Disp-damaged</set></persistentDisposition>",
    )
    reason = f"<reason>{urn}er:incorrect_data</reason>"
    declared = f"<errorDeclaration><declarationTime>2026-03-01T10:00:00Z</declarationTime>{reason}</errorDeclaration>"
    sent = xml_event(declared, *words).replace(PACK, PACK_URN)
    assert dairy.post("/epcis/events", content=sent).status_code == 201
    bare = {"@context": CONTEXT, **event(bizStep="receiving", disposition=f"{web}Disp-active")}
    assert dairy.post("/epcis/events", json=bare).status_code == 201

    def answered(**more: str) -> str:
        named = {name.replace("_", "-"): value for name, value in more.items()}
        asked = {"Accept": XML, "GS1-CBV-XML-Format": "Never_Translates", **named}
        answer = dairy.get("/epcis/events", headers=asked)
        assert answer.status_code == 200, answer.text
        assert answer.headers["GS1-EPC-Format"] == more.get("GS1_EPC_Format", "Always_GS1_Digital_Link")
        return answer.text

    for text in (answered(), answered(GS1_EPCIS_Version="1.2"), answered(GS1_EPC_Format="Never_Translates")):
        assert all(one in text for one in (*words[:2], reason, f"<disposition>{web}Disp-active</disposition>"))
        assert f"<unset>{urn}disp:active</unset><set>{web}Disp-damaged</set>" in text
    # A bare word cannot be said in XML: it is named as the version names it.
    assert f"<bizStep>{web}BizStep-receiving</bizStep>" in answered()
    assert f"<bizStep>{urn}bizstep:receiving</bizStep>" in answered(GS1_EPCIS_Version="1.2")
    # Identifiers are written as their own header says.
    assert PACK in answered()
    assert PACK_URN in answered(GS1_EPC_Format="Never_Translates")
    assert PACK not in answered(GS1_EPC_Format="Always_EPC_URN")
    for path in ("/epcis", "/epcis/bizSteps"):
        assert dairy.get(path, headers={"GS1-CBV-XML-Format": "Never_Translates"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/epcis/events", {"GS1-EPCIS-Version": "1.2"}),
        ("/epcis/events", {"Accept": XML, "GS1-EPCIS-Version": "1.1"}),
        ("/epcis/events", {"Accept": XML, "GS1-EPCIS-Version": "2.0", "GS1-CBV-Version": "1.2"}),
        ("/epcis/bizSteps", {"Accept": XML}),
        ("/epcis/epcs/https%3A%2F%2Fx.example%2Fevents", {"Accept": XML}),
    ],
)
def test_what_cannot_be_answered_as_asked_is_said(dairy: httpx.Client, path: str, headers: dict[str, str]) -> None:
    answer = dairy.get(path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (406, "http.not_acceptable")


def test_an_event_that_xml_cannot_say_is_told(dairy: httpx.Client, engine: Engine) -> None:
    record(engine, event(**{"https://x.example/a": [[1]]}))
    answer = dairy.get("/epcis/events", headers={"Accept": XML})
    assert (answer.status_code, answer.json()["code"]) == (406, "epcis.not_in_xml")


def test_identifiers_are_written_as_asked(dairy: httpx.Client) -> None:
    def epc(wish: str) -> list[str]:
        headers = {"Accept": XML, "GS1-EPC-Format": wish}
        answer = dairy.get("/epcis/events?EQ_bizStep=shipping", headers=headers)
        assert answer.headers["GS1-EPC-Format"] == wish
        return [str(element.text) for element in etree.fromstring(answer.content).iter("epc")]

    assert epc("Always_EPC_URN") == ["urn:epc:id:sgtin:9521234.000001.1001"]
    assert epc("Always_GS1_Digital_Link") == epc("Never_Translates") == [PACK]


def test_who_sent_xml_gets_its_own_bytes(dairy: httpx.Client) -> None:
    urn = "urn:epcglobal:cbv:"
    mine = xml_event(
        f"<bizStep>{urn}bizstep:shipping</bizStep>",
        '<x:note xmlns:x="https://x.example/" kind="a" >two  spaces<!-- and a remark --></x:note>',
    ).replace(PACK, PACK_URN)
    nested = xml_event("<quantityList><quantityElement><epcClass>urn:x:c</epcClass></quantityElement></quantityList>")
    for sent in (mine, nested):
        assert dairy.post("/epcis/events", content=sent).status_code == 201

    def answered(**more: str) -> str:
        asked = {"Accept": XML, "GS1-EPC-Format": "Never_Translates", **more}
        answer = dairy.get("/epcis/events", headers=asked)
        assert (answer.status_code, answer.headers["GS1-EPC-Format"]) == (200, "Never_Translates"), answer.text
        etree.fromstring(answer.content)
        return answer.text

    assert mine in answered()
    assert mine in answered(**{"GS1-CBV-XML-Format": "Never_Translates"})
    # Words that are wished for in one form are written in it.
    assert mine not in answered(**{"GS1-CBV-XML-Format": "Always_Web_URI"})
    # What EPCIS 1.2 nests in an extension cannot stay as it was sent in 2.0; what has the same fields in both can.
    former = answered(**{"GS1-EPCIS-Version": "1.2"})
    assert mine in former
    assert "<extension><quantityList>" in former
    assert "<extension>" not in answered()
