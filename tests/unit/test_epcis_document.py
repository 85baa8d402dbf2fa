"""What documents may look like, and what is said of those that may not."""

import json
from dataclasses import replace

import pytest

from tests.support.epcis_events import CONTEXT, DAIRY, PACK, document, errors, event, read, warnings
from traceability.gs1.epcis import Document, read_document

EVENT = json.dumps(event())


def document_error(data: bytes) -> str:
    """Return the code of the one problem of a document that cannot be read at all."""
    found = read_document(data, captured_by=DAIRY)
    assert found.events == []
    assert not found.valid
    (problem,) = found.problems
    assert (problem.index, problem.severity) == (None, "error")
    assert problem.message.endswith(".")
    return problem.code


def query_document(text: str) -> bytes:
    return (
        f'{{"@context": "{CONTEXT}", "type": "EPCISQueryDocument", "schemaVersion": "2.0", "epcisBody": '
        f'{{"queryResults": {{"queryName": "q", "resultsBody": {{"eventList": [{text}]}}}}}}}}'
    ).encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "json.syntax"),
        (b" \n", "json.syntax"),
        (b"\xef\xbb\xbf", "json.syntax"),
        (b"nonsense", "json.syntax"),
        (b"<epcis:EPCISDocument/>", "xml.syntax"),
        (document(event())[:-1], "json.syntax"),
        (document(event())[:200], "json.syntax"),
        (document(event()) + b"x", "json.syntax"),
        (document(event()) + document(event()), "json.syntax"),
        (document(EVENT + ","), "json.syntax"),
        (b'{"a": 01}', "json.syntax"),
        (b"{'a': 1}", "json.syntax"),
        (b'{"type": "EPCISDocument", "type": "EPCISDocument"}', "json.repeated_member"),
        (document(event()).replace(b'"schemaVersion"', b'"type"'), "json.repeated_member"),
        (document(event(), n=1).replace(b'"n": 1', b'"n": NaN'), "json.number"),
        (document(EVENT).decode().encode("utf-16"), "json.encoding"),
        (b"[" * 100_000, "json.syntax"),
        (document(event()).replace(b'"2.0"', b'"2.\xff"'), "json.encoding"),
        (document(EVENT + "," + EVENT.replace("{", "", 1)), "json.syntax"),
        (document("7 " + EVENT), "json.syntax"),
        (document("," + EVENT), "json.syntax"),
        (document(EVENT + ",,7"), "json.syntax"),
        (document("7,"), "json.syntax"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json.depth"),
        (EVENT.replace("{", '{"x:\\ud800": 1, ', 1).encode(), "json.surrogate"),
        (EVENT.replace("{", '{"x:\\u0000": 1, ', 1).encode(), "json.nul"),
        (b"1", "epcis.no_event_list"),
        (b'"text"', "epcis.no_event_list"),
        (b"null", "epcis.no_event_list"),
        (b'{"epcisBody": []}', "epcis.no_event_list"),
        (b'{"epcisBody": {"eventList": {}}}', "epcis.no_event_list"),
        (b'{"epcisBody": {"queryResults": {"resultsBody": {}}}}', "epcis.no_event_list"),
        (document(EVENT).replace(b"EPCISDocument", b"EPCISQueryDocument"), "epcis.no_event_list"),
        (query_document(EVENT).replace(b"EPCISQueryDocument", b"EPCISDocument"), "epcis.no_event_list"),
        (query_document(EVENT).replace(b'{"queryResults"', b'{"eventList": [], "queryResults"'), "epcis.no_event_list"),
        (document(event(), type="MyDocument"), "epcis.document_type"),
        (document(event(), type=None), "epcis.document_type"),
        (document(event(), type=["EPCISDocument"]), "epcis.document_type"),
        (document(event(), schemaVersion="1.2"), "epcis.schema_version"),
        (document(event(), schemaVersion=2.0), "epcis.schema_version"),
    ],
)
def test_what_is_no_epcis_document_is_one_problem(data: bytes, code: str) -> None:
    assert document_error(data) == code


def test_a_syntax_error_says_where() -> None:
    found = read_document(b'{\n  "type": oops\n}', captured_by=DAIRY)
    assert "line 2, column 11" in found.problems[0].message


def test_a_syntax_error_in_an_event_says_where_in_the_document() -> None:
    text = EVENT.replace('"OBSERVE"', "OBSERVE")
    found = read_document(b'{"\xc3\xa9": 1,\n' + document(EVENT, text)[1:], captured_by=DAIRY)
    line = document(EVENT, text).decode()
    column = line.rindex(": OBSERVE") + 2
    assert f"line 2, column {column} " in found.problems[0].message


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"schemaVersion": None}, "$", "epcis.missing_field"),
        ({"creationDate": None}, "$", "epcis.missing_field"),
        ({"creationDate": "yesterday"}, "$.creationDate", "epcis.time"),
        ({"@context": 7}, "$['@context']", "epcis.context"),
    ],
)
def test_a_wrong_envelope_is_told_beside_its_events(change: dict[str, object], path: str, code: str) -> None:
    found = read_document(document(event(), **change), captured_by=DAIRY)
    assert errors(found) == [(path, code)]
    assert found.problems[0].index is None
    assert len(found.events) == 1


def test_a_document_without_context_is_read_with_a_warning() -> None:
    found = read_document(document(event(), context=None), captured_by=DAIRY)
    assert found.valid
    assert [problem.code for problem in found.problems] == ["epcis.no_context"]


@pytest.mark.parametrize("version", ["2", "2.0", "2.0.1", "2.1"])
def test_every_version_2_is_read(version: str) -> None:
    assert read_document(document(event(), schemaVersion=version), captured_by=DAIRY).valid


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (document(EVENT), "$.epcisBody.eventList[0]"),
        (b"\xef\xbb\xbf" + document(EVENT), "$.epcisBody.eventList[0]"),
        (b"\r\n\t " + document(EVENT) + b" \n", "$.epcisBody.eventList[0]"),
        (query_document(EVENT), "$.epcisBody.queryResults.resultsBody.eventList[0]"),
        (f"[{EVENT}]".encode(), "$[0]"),
        (f" {EVENT} ".encode(), "$"),
    ],
)
def test_events_are_found_wherever_epcis_puts_them(data: bytes, path: str) -> None:
    found = read_document(data, captured_by=DAIRY)
    assert found.valid
    (captured,) = found.events
    assert (captured.index, captured.path) == (0, path)
    assert captured.event.parts.source == EVENT.encode()
    assert captured.event.captured_by == DAIRY
    assert captured.event.type == "epcis.object_event.v2"


@pytest.mark.parametrize("data", [document(), query_document(""), b"[]"])
def test_a_document_may_have_no_events(data: bytes) -> None:
    empty = read_document(data, captured_by=DAIRY)
    assert replace(empty, created_at=None) == Document([], [])


def test_members_may_stand_in_any_order() -> None:
    found = read_document(
        b'{"epcisBody": {"eventList": [' + json.dumps(event(**{"x:y": 1})).encode() + b"]}, "
        b'"creationDate": "2026-01-01T00:00:00Z", "schemaVersion": "2.0", "type": "EPCISDocument", '
        b'"@context": {"x": "https://x.example/"}}',
        captured_by=DAIRY,
    )
    assert found.problems == []
    assert found.events[0].event.parts.more == b'{"https://x.example/y":1}'


def test_the_source_is_the_exact_slice() -> None:
    text = '{ "type":"ObjectEvent",\r\n\t"eventTime" : "2026-03-01T09:15:00Z", "eventTimeZoneOffset":"+00:00",\n'
    text += f'"action":"ADD", "epcList":["{PACK}" ] , "x:näme\\u00e9":"\\/\\ud83d\\ude00 \U0001f600" }}'
    first, second = read(text, event(), context={"x": "https://x.example/"}).events
    assert first.event.parts.source == text.encode()
    assert second.event.parts.source == EVENT.encode()
    assert first.event.parts.more == '{"https://x.example/näméé":"/😀 😀"}'.replace("mé", "me", 1).encode()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (EVENT.replace('"OBSERVE"', "OBSERVE"), "json.syntax"),
        (EVENT.replace("OBSERVE", "OBS\tERVE"), "json.syntax"),
        (EVENT.replace("OBSERVE", "OBS\x00ERVE"), "json.syntax"),
        (EVENT[:-1] + ', "x:a": [1}]', "json.syntax"),
        (EVENT.encode().replace(b"OBSERVE", b"OBS\xffERVE"), "json.encoding"),
        (EVENT.encode().replace(b"OBSERVE", b"OBS\xed\xa0\x80ERVE"), "json.encoding"),
        (EVENT[:-1] + ', "action": "ADD"}', "json.repeated_member"),
        (EVENT[:-1] + ', "x:a": {"b": 1, "b": 1}}', "json.repeated_member"),
        (EVENT[:-1] + ', "\\u0061ction": "ADD"}', "json.repeated_member"),
        (EVENT[:-1] + ', "x:a": NaN}', "json.number"),
        (EVENT[:-1] + ', "x:a": -Infinity}', "json.number"),
        (EVENT[:-1] + f', "x:a": {"9" * 65}}}', "json.number"),
        (EVENT[:-1] + ', "x:a": 1e201}', "json.number"),
        (EVENT[:-1] + ', "x:a": "\\ud800"}', "json.surrogate"),
        (EVENT[:-1] + ', "x:\\udc00": 1}', "json.surrogate"),
        (EVENT[:-1] + ', "x:a": "\\u0000"}', "json.nul"),
        (EVENT[:-1] + ', "x:\\u0000": 1}', "json.nul"),
        (EVENT[:-1] + ', "x:a": ' + "[" * 64 + "]" * 64 + "}", "json.depth"),
        (EVENT[:-1] + ', "x:a": ' + '{"x:a":' * 999 + '"]}"' + "}" * 1000, "json.depth"),
        (EVENT[:-1] + ', "x:a": ' + "[" * 200_000 + "]" * 200_000 + "}", "json.depth"),
        ("null", "epcis.type"),
        ("7", "epcis.type"),
        ('["ObjectEvent"]', "epcis.type"),
    ],
)
def test_a_broken_event_does_not_end_the_document(text: str | bytes, code: str) -> None:
    found = read(event(), text, event())
    assert errors(found) == [("$.epcisBody.eventList[1]", code)]
    assert [problem.index for problem in found.problems if problem.severity == "error"] == [1]
    assert [captured.index for captured in found.events] == [0, 2]


def test_an_event_alone_is_judged_as_an_event() -> None:
    found = read_document(EVENT.replace("{", '{"x:a": ' + "[" * 64 + "]" * 64 + ", ", 1).encode(), captured_by=DAIRY)
    assert [(problem.index, problem.path, problem.code) for problem in found.problems] == [(0, "$", "json.depth")]


def test_the_deepest_event_that_is_taken() -> None:
    text = EVENT[:-1] + ', "x:a": ' + "[" * 63 + "1" + "]" * 63 + "}"
    assert read(text, context={"x": "https://x.example/"}).problems == []


@pytest.mark.parametrize(
    "number",
    [
        "4.10",
        "0",
        "-0",
        "-0.0",
        "1e3",
        "1E+3",
        "9007199254740993",
        "12345678901234567890.10",
        "1e200",
        "1E-200",
        "9" * 64,
    ],
)
def test_numbers_stay_as_written(number: str) -> None:
    found = read(EVENT[:-1] + f', "x:n": {number}}}', context={"x": "https://x.example/"})
    assert found.events[0].event.parts.more == f'{{"https://x.example/n":{number}}}'.encode()


def test_an_escape_that_only_looks_like_nul_is_none() -> None:
    found = read(EVENT[:-1] + ', "x:n": "\\\\u0000 \\u00e9"}', context={"x": "https://x.example/"})
    assert found.problems == []
    assert found.events[0].event.parts.more == '{"https://x.example/n":"\\\\u0000 é"}'.encode()


def test_a_document_made_to_be_wrong_gets_a_short_answer() -> None:
    found = read(event(epcList=["wrong"] * 5000, **{f"x{i}:y": 1 for i in range(300)}))
    assert len(found.problems) == 100
    assert found.problems[-1].code == "epcis.more_problems"
    assert errors(found)[0][1] == "gs1.not_a_uri"
    assert len(warnings(found)) == 1


def test_too_many_items_are_refused() -> None:
    many = event(epcList=[f"https://id.gs1.org/01/09521234000013/21/{i}" for i in range(100_001)])
    assert errors(read(many)) == [("$.epcisBody.eventList[0].epcList", "epcis.too_many_items")]
    many["epcList"].pop()
    assert len(read(many).events[0].event.parts.what) == 100_000
