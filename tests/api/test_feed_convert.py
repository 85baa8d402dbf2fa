"""`traceability feed convert`: a document in another format, whole or not at all."""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_cli import Run, run
from tests.support.epcis_events import DAIRY, document, event
from tests.support.xml_events import xml_document, xml_event
from traceability.gs1.epcis import content_digest, read_document
from traceability.gs1.epcis.envelope import open_envelope

__all__ = ["run"]  # a fixture

URN = "urn:epc:id:sgtin:9521234.000001.1001"
LINK = "https://id.gs1.org/01/09521234000013/21/1001"
WRITTEN = event(epcList=[URN], readPoint={"id": "urn:epc:id:sgln:9521234.00000.0"}, **{"https://x.example/a": ["1"]})
MASTER_DATA = {
    "epcisMasterData": {
        "vocabularyList": [{"type": "urn:x:type", "vocabularyElementList": [{"id": "urn:x:1"}]}],
    },
}


def digests(data: bytes) -> list[bytes]:
    found = read_document(data, captured_by=DAIRY)
    assert found.valid, found.problems
    return [content_digest(one.event.parts) for one in found.events]


def test_a_document_goes_from_format_to_format_and_back(run: Run, tmp_path: Path) -> None:
    sent = document(WRITTEN, event(), epcisHeader=MASTER_DATA)
    (tmp_path / "sent.jsonld").write_bytes(sent)
    before = "sent.jsonld"
    ways = {"a.xml": "xml-1.2", "b.xml": "xml", "c.jsonld": "json", "d.xml": "xml", "e.json": "json"}
    for after, form in ways.items():
        ran = run("feed", "convert", before, "--to", form, "-o", after, "--json")
        assert (ran.code, ran.json["events"], ran.json["problems"]) == (0, 2, [])
        data = (tmp_path / after).read_bytes()
        assert digests(data) == digests(sent)
        assert open_envelope(BytesIO(data)).members["epcisHeader"] == MASTER_DATA
        assert URN.encode() in data
        assert b"2026-03-01T09:15:00+01:00" in data
        before = after
    assert json.loads((tmp_path / "c.jsonld").read_bytes())["epcisBody"]["eventList"][0]["epcList"] == [URN]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*ways, "sent.jsonld"]


def test_identifiers_are_translated_when_told(run: Run) -> None:
    ran = run("feed", "convert", "-", "--to", "xml", "--epc-format", "Always_GS1_Digital_Link", stdin=document(WRITTEN))
    assert f"<epc>{LINK}</epc>" in ran.out
    assert "urn:epc:" not in ran.out


def test_identifiers_become_urns_where_they_can(run: Run) -> None:
    lot = "https://id.gs1.org/01/09521234000013/10/A7/21/1"
    given = event(
        epcList=[LINK, lot, "https://farm.example/cow/1"],
        quantityList=[{"epcClass": "https://id.gs1.org/01/09521234000013/10/A7", "quantity": 5}],
        readPoint={"id": "https://id.gs1.org/414/9521234000006"},
        sourceList=[{"type": "owning_party", "source": "https://id.gs1.org/417/9521234000006"}],
    )
    command = ("feed", "convert", "-", "--to", "json", "--epc-format", "Always_EPC_URN")
    ran = run(*command, stdin=document(given))
    (found,) = ran.json["epcisBody"]["eventList"]
    assert found["epcList"] == [URN, lot, "https://farm.example/cow/1"]
    assert found["quantityList"] == [{"epcClass": "urn:epc:class:lgtin:9521234.000001.A7", "quantity": 5}]
    assert found["readPoint"] == {"id": "urn:epc:id:sgln:9521234.00000.0"}
    assert found["sourceList"] == [{"type": "owning_party", "source": "urn:epc:id:pgln:9521234.00000"}]
    assert "1 identifier stayed as Digital Links" in ran.err
    assert digests(ran.out.encode()) == digests(document(given))


def test_what_is_piped_and_packed_is_read(run: Run) -> None:
    ran = run("feed", "convert", "-", "--to", "json", stdin=gzip.compress(xml_document(xml_event(), version="1.2")))
    assert (ran.code, digests(ran.out.encode())) == (0, digests(document(event())))
    assert ran.err == "1 event converted.\n"


def test_a_query_document_stays_one(run: Run) -> None:
    results: dict[str, Any] = {"queryName": "ours", "subscriptionID": "s1", "resultsBody": {"eventList": [event()]}}
    sent = {
        "@context": "https://ref.gs1.org/standards/epcis/epcis-context.jsonld",
        "type": "EPCISQueryDocument", "schemaVersion": "2.0", "creationDate": "2026-03-01T10:00:00Z", "id": "urn:x:d",
        "epcisBody": {"queryResults": results},
    }  # fmt: skip
    xml = run("feed", "convert", "-", "--to", "xml", stdin=json.dumps(sent).encode())
    assert xml.code == 0
    assert "-: id is not carried over." in xml.err
    back = run("feed", "convert", "-", "--to", "json", stdin=xml.out.encode()).json
    assert back["type"] == "EPCISQueryDocument"
    assert {name: back["epcisBody"]["queryResults"][name] for name in ("queryName", "subscriptionID")} == {
        "queryName": "ours", "subscriptionID": "s1",
    }  # fmt: skip


BAD = {
    "epcis.action": event(action="SELL"),
    "epcis.not_in_xml": event(**{"https://x.example/a": [[1]]}),
}


@pytest.mark.parametrize("code", BAD)
def test_a_bad_event_keeps_everything_out_unless_told(run: Run, tmp_path: Path, code: str) -> None:
    (tmp_path / "out.xml").write_bytes(b"before")
    sent = document(event(), BAD[code], event(epcList=[URN]))
    ran = run("feed", "convert", "-", "--to", "xml", "-o", "out.xml", "--json", stdin=sent)
    assert ran.code == 1
    assert [(one["code"], one["path"][:24]) for one in ran.json["problems"]] == [(code, "$.epcisBody.eventList[1]")]
    assert (tmp_path / "out.xml").read_bytes() == b"before"
    assert "none is written" in ran.err
    ran = run("feed", "convert", "-", "--to", "xml", "-o", "out.xml", "--proceed", stdin=sent)
    assert ran.code == 1
    assert digests((tmp_path / "out.xml").read_bytes()) == digests(document(event(), event(epcList=[URN])))
    assert [path.name for path in tmp_path.iterdir()] == ["out.xml"]


def test_an_error_behind_many_warnings_keeps_everything_out(run: Run) -> None:
    doubtful = [event(bizTransactionList=[{"bizTransaction": "urn:epc:id:gdti:1"}])] * 1_001
    ran = run("feed", "convert", "-", "--to", "xml", stdin=document(*doubtful, event(action="SELL")))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("warning gs1.") == 1_000


def test_what_is_no_document_is_said(run: Run, tmp_path: Path) -> None:
    ran = run("feed", "convert", "-", "--to", "xml", stdin=b"<!DOCTYPE a><a/>")
    assert (ran.code, ran.out) == (1, "")
    assert "xml.doctype" in ran.err
    assert run("feed", "convert", "absent.xml", "--to", "json").code == 4
    assert run("feed", "convert", "-", "--to", "json", "--json", stdin=document()).code == 2
    assert run("feed", "convert", "-", "--to", "json", "-o", "absent/out.json", stdin=document()).code == 3
    (tmp_path / "one.json").write_bytes(document())
    (tmp_path / "two.json").write_bytes(document())
    assert run("feed", "convert", ".", "--to", "json").code == 2
