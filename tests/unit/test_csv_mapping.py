"""CSV with a mapping: what becomes of rows, and mappings that are none."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.feeds.csv_file import write_csv_events
from tests.support.epcis_events import read
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.csv_mapping import read_mapping

BASE = """
[fields]
type = "ObjectEvent"
action = "OBSERVE"
eventTime = "{When}"
eventTimeZoneOffset = "+01:00"
"""
WHEN = "2026-03-01T09:15:00+01:00"


def converted(mapping: str, text: str | bytes) -> tuple[dict[str, Any], list[str]]:
    out = io.BytesIO()
    data = text if isinstance(text, bytes) else text.encode()
    found = write_csv_events(io.BytesIO(data), read_mapping(mapping), out.write, created_at=1_772_352_900_123_456)
    return json.loads(out.getvalue()), found.unmapped


def events(mapping: str, text: str | bytes) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = converted(mapping, text)[0]["epcisBody"]["eventList"]
    return listed


def test_a_row_is_an_event_of_constants_and_columns() -> None:
    mapping = """
    delimiter = ";"
    decimal_separator = ","
    time_format = "%d.%m.%Y %H:%M"
    time_zone_offset = "+01:00"
    [context]
    dairy = "https://dairy.example/ns#"
    [fields]
    type = "ObjectEvent"
    action = "OBSERVE"
    bizStep = "shipping"
    eventTime = "{Shipped at}"
    epcList = "https://id.gs1.org/01/{GTIN}/21/{Serials}"
    readPoint.id = "https://id.gs1.org/414/{From}"
    quantityList.epcClass = "https://id.gs1.org/01/{GTIN}/10/{Lots}"
    quantityList.quantity = "{Kilos}"
    quantityList.uom = "KGM"
    bizTransactionList.type = "po"
    bizTransactionList.bizTransaction = "{Order}"
    "dairy:truck" = "{Truck}"
    """
    text = (
        "Shipped at;GTIN;Serials;From;Lots;Kilos;Order;Truck;Remark\r\n"
        "01.03.2026 09:15;09521234000013;1001|1002;9521234000006;A7|B8;4,10|5;;T 7;x\r\n"
    )
    document, unmapped = converted(mapping, text)
    assert unmapped == ["Remark"]
    assert document["epcisBody"]["eventList"] == [
        {
            "type": "ObjectEvent",
            "action": "OBSERVE",
            "bizStep": "shipping",
            "eventTime": "2026-03-01T09:15:00+01:00",
            "eventTimeZoneOffset": "+01:00",
            "epcList": ["https://id.gs1.org/01/09521234000013/21/1001", "https://id.gs1.org/01/09521234000013/21/1002"],
            "readPoint": {"id": "https://id.gs1.org/414/9521234000006"},
            "quantityList": [
                {"epcClass": "https://id.gs1.org/01/09521234000013/10/A7", "quantity": 4.10, "uom": "KGM"},
                {"epcClass": "https://id.gs1.org/01/09521234000013/10/B8", "quantity": 5, "uom": "KGM"},
            ],
            "dairy:truck": "T 7",
        }
    ]
    found = read_document(json.dumps(document).encode(), captured_by="dairy.example")
    assert (found.valid, len(found.events)) == (True, 1)


def test_numbers_keep_their_digits() -> None:
    mapping = BASE + 'quantityList.epcClass = "x:y"\nquantityList.quantity = "{N}"\n'
    out = io.BytesIO()
    write_csv_events(io.BytesIO(f"When,N\n{WHEN},4.10\n".encode()), read_mapping(mapping), out.write, created_at=0)
    assert b'"quantity":4.10' in out.getvalue()


def test_sensor_reports_lie_in_one_element() -> None:
    mapping = (
        BASE
        + """
    sensorElementList.sensorMetadata.time = "{When}"
    sensorElementList.sensorReport.type = "Temperature"
    sensorElementList.sensorReport.value = "{C}"
    sensorElementList.sensorReport.uom = "CEL"
    persistentDisposition.set = "{Set}"
    """
    )
    (made,) = events(mapping, f"When,C,Set\n{WHEN},4.1|5,completeness_inferred\n")
    assert made["sensorElementList"] == [
        {
            "sensorMetadata": {"time": WHEN},
            "sensorReport": [{"type": "Temperature", "value": v, "uom": "CEL"} for v in (4.1, 5)],
        }
    ]
    assert made["persistentDisposition"] == {"set": ["completeness_inferred"]}


def test_empty_columns_leave_fields_out_and_empty_rows_events() -> None:
    mapping = BASE + 'readPoint.id = "x:{P}"\nepcList = "x:{A}.{B}"\n'
    assert events(mapping, f"When,P,A,B\n,,,\n\n{WHEN}, ,1,\n{WHEN},p\n") == [
        {"type": "ObjectEvent", "action": "OBSERVE", "eventTime": WHEN, "eventTimeZoneOffset": "+01:00"},
        {
            "type": "ObjectEvent",
            "action": "OBSERVE",
            "eventTime": WHEN,
            "eventTimeZoneOffset": "+01:00",
            "readPoint": {"id": "x:p"},
        },
    ]


def test_a_row_whose_lists_do_not_fit_is_told_of_with_its_values() -> None:
    mapping = BASE + 'epcList = "x:{A}.{B}"\n'
    row, good = events(mapping, f"When,A,B\n{WHEN},1|2,1|2|3\n{WHEN},1|2,7\n")
    assert row["line"] == "1"
    assert row["columns"] == {"When": WHEN, "A": "1|2", "B": "1|2|3"}
    assert good["epcList"] == ["x:1.7", "x:2.7"]
    assert read(row).events == []


@pytest.mark.parametrize(
    "mapping",
    [
        "",
        "{",
        "x",
        "[fields]",
        "[fields]\ntype = 7",
        '[fields]\nwhat = "x"',
        '[fields]\n"ex:a" = "x"',
        '[fields]\neventTime = "{"',
        '[fields]\neventTime = "{}"',
        '[fields]\n"a..b" = "x"',
        "[fields]\n" + "eventTime" + ".a" * 9 + ' = "x"',
        'delimiter = ""\n' + BASE,
        'delimiter = "|"\n' + BASE,
        'encoding = "klingon"\n' + BASE,
        'encoding = "a\\u0000"\n' + BASE,
        'time_zone_offset = "CET"\n' + BASE,
        'colour = "red"\n' + BASE,
        '{"fields": {"type": ["x"]}}',
    ],
)
def test_what_is_no_mapping_is_said(mapping: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_mapping(mapping)
    assert caught.value.code == "csv.mapping"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "csv.columns"),
        (b"When,When\n", "csv.columns"),
        (b'When\n"x', "csv.broken"),
        (b'When\n"x"y\n', "csv.broken"),
        (b"When\n\xff\n", "csv.encoding"),
    ],
)
def test_what_is_no_csv_is_said(text: bytes, code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        converted(BASE, text)
    assert caught.value.code == code


CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4), st.sampled_from([",", ";", "\t"]))
def test_whatever_the_cells_a_document_comes_out(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("When", "A", "B"), *rows])
    written = json.dumps({
        "delimiter": delimiter, "time_format": "%Y", "time_zone_offset": "+01:00",
        "fields": {"type": "ObjectEvent", "eventTime": "{When}", "epcList": "{A}x{B}",
                   "quantityList.quantity": "{A}", "quantityList.uom": "{B}"},
    })  # fmt: skip
    made = events(written, text.getvalue().encode())
    assert len(made) == sum(any(cell.strip() for cell in row) for row in rows)


@given(st.text(max_size=60))
def test_no_text_raises_an_error_that_is_not_ours(text: str) -> None:
    with suppress(InvalidInputError):
        read_mapping(text)
