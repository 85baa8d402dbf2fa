"""`traceability vocabulary …`, run as people run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.vocabulary_files import read_file
from tests.api.test_cli import Run, dairy, run
from tests.support.xml_events import xml_document
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.master_data import CBV_ATTRIBUTE

__all__ = ["dairy", "run"]  # fixtures

PLACE = "https://id.gs1.org/414/9521234000006"
TABLE = (
    "\ufefftype,id,name,city,children,valid_from\r\n"
    f"BusinessLocation,{PLACE},Alpine Dairy,Chur,urn:epc:id:sgln:9521234.00000.gate1,\r\n"
    f'BusinessLocation,urn:epc:id:sgln:9521234.00000.gate1,"Gate 1, north",,,2026-03-01\r\n'
    "\r\n"
    "EPCClass,urn:epc:idpat:sgtin:9521234.000001.*,Cheese,,,\r\n"
)


def test_a_table_is_imported_listed_shown_and_withdrawn(dairy: Run, tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text(TABLE)
    done = dairy("vocabulary", "import", "places.csv", "--json").json
    assert (done["recorded"], done["unchanged"], done["malformed"]) == (3, 0, 0)
    assert dairy("vocabulary", "import", "places.csv", "--json").json["unchanged"] == 3
    listed = dairy("vocabulary", "list", "BusinessLocation").out
    assert [line.split("\t")[:2] for line in listed.splitlines()] == [
        [PLACE, "Alpine Dairy"], [f"{PLACE}/254/gate1", "Gate 1, north"],
    ]  # fmt: skip
    assert len(dairy("vocabulary", "list").out.splitlines()) == 3
    assert dairy("vocabulary", "show", "(01)09521234000013").out.startswith("Cheese\n")
    shown = dairy("vocabulary", "show", PLACE, "--json").json
    assert shown["believed"][0]["attributes"][f"{CBV_ATTRIBUTE}city"] == "Chur"
    gate = ("BusinessLocation", f"{PLACE}/254/gate1")
    assert dairy("vocabulary", "withdraw", *gate, "--from", "2026-03-01").code == 0
    assert "withdrawn" in dairy("vocabulary", "show", gate[1]).out
    assert dairy("vocabulary", "withdraw", *gate).code == 4
    assert dairy("vocabulary", "show", "https://id.gs1.org/414/9521234000013").code == 4


def test_what_is_wrong_is_told_and_the_rest_goes_in(dairy: Run, tmp_path: Path) -> None:
    rows = f"type,id,name\nReadPoint,nowhere,No\nReadPoint,{PLACE},Yes\nReadPoint,{PLACE},Yes,more\n"
    (tmp_path / "places.csv").write_text(rows)
    done = dairy("vocabulary", "import", "places.csv", "--json")
    assert (done.code, done.json["recorded"], done.json["malformed"]) == (1, 1, 2)
    assert [problem["path"] for problem in done.json["problems"]] == ["line 2.id", "line 4"]


@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: {"epcisMasterData": v}, lambda v: {"epcisHeader": {"epcisMasterData": v}}]
)
def test_json_is_a_document_its_header_or_what_a_header_holds(wrap: Any) -> None:
    value = {"vocabularyList": [{"type": "ReadPoint", "vocabularyElementList": [{"id": PLACE}]}]}
    read, created = read_file(json.dumps(wrap(value)).encode())
    assert ([element.id for element in read.elements], read.problems, created) == ([PLACE], [], None)


def test_xml_is_a_document_with_a_header_or_one_of_master_data_alone() -> None:
    listed = (
        '<VocabularyList><Vocabulary type="urn:epcglobal:epcis:vtype:BusinessLocation"><VocabularyElementList>'
        '<VocabularyElement id="urn:epc:id:sgln:9521234.00000.0"><attribute id="urn:epcglobal:cbv:mda:name">A &amp; B'
        "</attribute></VocabularyElement></VocabularyElementList></Vocabulary></VocabularyList>"
    )
    alone = (
        '<m:EPCISMasterDataDocument xmlns:m="urn:epcglobal:epcis-masterdata:xsd:1" schemaVersion="1.2" '
        f'creationDate="2026-03-01T10:00:00Z"><EPCISBody>{listed}</EPCISBody></m:EPCISMasterDataDocument>'
    )
    for data in (xml_document(header=f"<EPCISMasterData>{listed}</EPCISMasterData>"), alone.encode()):
        read, created = read_file(data)
        assert [(one.id, one.attributes) for one in read.elements] == [(PLACE, {f"{CBV_ATTRIBUTE}name": "A & B"})]
        assert (read.problems, created) == ([], "2026-03-01T10:00:00Z")
        document = read_document(data, captured_by="dairy.example")
        assert (document.valid, document.events, len(document.elements)) == (True, [], 1)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", None),
        (b"type,name\n", "vocabulary.columns"),
        (b"type,id,id\n", "vocabulary.columns"),
        (b'type,id\n"', "vocabulary.columns"),
        (b"type,id\n\xff", "json.encoding"),
        (b"{", "json.syntax"),
        (b"<a", "xml.syntax"),
        (b"<a/>", "epcis.no_event_list"),
        (b"<!DOCTYPE a><a/>", "xml.doctype"),
    ],
)
def test_a_file_that_is_none_is_refused(data: bytes, code: str | None) -> None:
    if code is None:
        assert read_file(data)[0].elements == []
        return
    with pytest.raises(InvalidInputError) as refused:
        read_file(data)
    assert refused.value.code == code
