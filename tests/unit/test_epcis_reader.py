"""The quick way from an event's bytes to its parts and rows, and the exact way, give the same; so does reindexing."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.epcis_events import DAIRY, LOT, OTHER_PACK, PACK, PALLET, PARTY, PLACE, event, typed
from traceability.gs1.epcis import content_digest, index_rows
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.problems import Findings, Problem
from traceability.gs1.epcis.reader import event_of, read_event
from traceability.gs1.epcis.strict_json import (
    MAX_DEPTH,
    PLAIN_BYTES,
    JsonTextError,
    Number,
    dumps,
    plain_value,
    read_value,
)
from traceability.ledger.event import LedgerEvent

SPACES = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n  ", "\f", "\xa0"])
NUMBERS = st.one_of(
    st.integers().map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from([
        "-0", "0", "4.10", "1E2", "1e2", "100.0", "-0.0", "9007199254740993", "18446744073709551615",
        "18446744073709551616", "-9223372036854775809", "1e200", "1e201", "1e-201", "1e400", "0." + "1" * 62,
        "0." + "1" * 63, "1" * 64, "1" * 65, "01", "+1", ".5", "1.", "NaN", "Infinity", "-Infinity", "0x1",
    ]),
)  # fmt: skip
STRINGS = st.one_of(
    st.text(max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text(max_size=5).map(json.dumps),
    st.sampled_from([
        '"a"', '"b"', '"a b"', '"a  b"', '" "', '""', r'"\""', r'"\\"', r'"\/"', r'"\u0061"', r'"\u0000"', r'"\ud800"',
        r'"\ud83d\ude00"', r'"\ude00\ud83d"', r'"\n"', r'"\u000a"', r'"\x41"', '"\x7f"', '"\x00"', '"\t"', '"":"',
        r'"\":"', '"\ufeff"', '"é"', '"e\u0301"', "'a'",
    ]),
)  # fmt: skip


@st.composite
def texts(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """Draw the text of an array or object; its members' names often repeat."""
    space = [draw(SPACES) for _ in range(4)]
    if draw(st.booleans()):
        values = draw(st.lists(inner, max_size=3))
        return f"[{space[0]}{f'{space[1]},{space[2]}'.join(values)}{space[3]}]"
    members = draw(st.lists(st.tuples(STRINGS, inner), max_size=3))
    written = f",{space[0]}".join([f"{name}{space[1]}:{space[2]}{value}" for name, value in members])
    return f"{{{space[3]}{written}}}"


JSON_TEXTS = st.recursive(
    st.sampled_from(["true", "false", "null", "nul", ""]) | NUMBERS | STRINGS, texts, max_leaves=8
)


def exactly(data: bytes) -> Any:
    try:
        return read_value(data)
    except JsonTextError as error:
        return error.code


def with_numbers(value: Any) -> Any:
    """Return a value as the exact reader would give it: integers in their own characters."""
    if type(value) is int:
        return Number(value)
    if isinstance(value, list):
        return [with_numbers(inner) for inner in value]
    return {name: with_numbers(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def typed_as(value: Any) -> Any:
    """Tell `1` from `"1"` and `true`, which Python calls equal or nearly."""
    if isinstance(value, list):
        return [typed_as(inner) for inner in value]
    if isinstance(value, dict):
        return [(name, typed_as(inner)) for name, inner in value.items()]
    return type(value), value


@settings(max_examples=1500)
@given(SPACES, JSON_TEXTS, SPACES)
@example("", '{"a" :1,"a":2}', "")
@example("", '{"a":1,"a":1e5}', "")
@example("", '{"a":[],"a ":[]}', "")
@example("\ufeff", "{}", "")
@example("", '{"a":1}{"a":1}', "")
@example("", "[" * 64 + "]" * 64, "")
@example("", "[" * 65 + "]" * 65, "")
@example("", "[" * 100_000, "")
@example("", "[" + "[]," * 70 + "[]]", "")
def test_what_is_plain_is_read_exactly(before: str, text: str, after: str) -> None:
    data = f"{before}{text}{after}".encode()
    found = plain_value(data)
    if found is not None:
        expected = exactly(data)
        assert typed_as(with_numbers(found)) == typed_as(expected)
        assert dumps(found) == dumps(expected)


@given(st.binary(max_size=30))
@example(b'{"a":"\xed\xa0\x80"}')
@example(b'{"a":"\xff"}')
@example(b'{"a":"\xc0\x80"}')
def test_no_bytes_are_read_otherwise(data: bytes) -> None:
    found = plain_value(data)
    assert found is None or typed_as(with_numbers(found)) == typed_as(exactly(data))


@pytest.mark.parametrize(
    "text", ['{"a":1}', '{ "a" : [ 4.10, "b c" ] }', '[{"a":true},\r\n\t{"a":null}]', r'{"a":"\n\"é"}', '{"a":1E2}']
)
def test_common_texts_are_plain(text: str) -> None:
    assert plain_value(text.encode()) is not None


TIME = "2026-03-01T09:15:00+01:00"
FRAGMENTS = st.sampled_from([
    '"x:note": 4.10', '"x:note": 7', '"x:note": -0', '"x:note": 12345678901234567890123', '"x:note": "\\u0000"',
    '"x:note": {"@type": "x:t", "x:a": [1, {"x:b": 2.50}]}', '"x:note": {"x:a": 1, "x:a": 2}', '"y:note": 1',
    '"note": 1', '"x:note": 1, "x:note": 2', '"epcList": 0', '"quantityList": 0', '"epcList": [7]',
    '"ilmd": {"x:a": 1}',
    '"ilmd": {"cbvmda:lotNumber": "A7"}', '"ilmd": {"cbvmda:lotNumber": 7}', '"bizStep": "shipping"', '"bizStep": 7',
    '"bizStep": "https://x.example/step"', '"bizStep": "urn:epcglobal:cbv:bizstep:odd"', '"disposition": "in_transit"',
    f'"quantityList": [{{"epcClass": "{LOT}", "quantity": 12, "uom": "KGM"}}]',
    f'"quantityList": [{{"epcClass": "{LOT}", "quantity": -1}}]',
    f'"quantityList": [{{"epcClass": "{LOT}", "quantity": -0.5}}]',
    f'"quantityList": [{{"epcClass": "{LOT}", "quantity": "7"}}]',
    f'"quantityList": [{{"epcClass": "{LOT}", "quantity": true}}, {{"epcClass": "{PACK}", "quantity": 1E2}}]',
    f'"readPoint": {{"id": "{PLACE}"}}', f'"readPoint": {{"id": "{PLACE}", "x:gate": 7}}', '"readPoint": {"id": 7}',
    '"bizLocation": {"id": "urn:epc:id:sgln:9521234.00000.0"}', '"bizLocation": {"id": "nowhere"}',
    f'"sourceList": [{{"type": "owning_party", "source": "{PARTY}"}}]',
    f'"destinationList": [{{"source": "{PARTY}"}}]', f'"destinationList": [{{"type": 7, "destination": "{PARTY}"}}]',
    '"bizTransactionList": [{"type": "po", "bizTransaction": "urn:po:1"}]', '"bizTransactionList": []',
    '"sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": 4, "uom": "CEL"}]}]',
    '"sensorElementList": [{"sensorMetadata": {"deviceID": "urn:x:7"}, "sensorReport": [{"type": "Time"}]}]',
    '"sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": "4"}]}]',
    '"sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": true}]}]',
    '"eventID": "urn:uuid:a"', '"eventID": 7', f'"recordTime": "{TIME}"',
    f'"errorDeclaration": {{"declarationTime": "{TIME}", "reason": "incorrect_data", "x:why": 7}}',
    '"errorDeclaration": {"correctiveEventIDs": ["urn:uuid:b"], "declarationTime": 7}',
    '"@context": {"y": "urn:y:", "note": "urn:note"}', '"@context": 7', '"captured_by": 1', '"epcis:type": 1',
    '"persistentDisposition": {"set": ["damaged"], "unset": []}', '"persistentDisposition": {"set": ["recalled"]}',
    '"certificationInfo": ["https://x.example/c"]', '"certificationInfo": {"gs1:certificationStartDate": 7}',
])  # fmt: skip
BASES = st.sampled_from([
    event(),
    event(epcList=[PACK, OTHER_PACK, PACK]),
    event(epcList=["urn:epc:id:sgtin:9521234.000001.1-1", "urn:epc:id:sscc:9521234.0000000001", LOT]),
    event(epcList=["urn:epc:id:sgtin:9521234.000001.a%2Fb", "https://id.gs1.org/01/09521234000014/21/1", 7, {}]),
    event(epcList=None),
    event(eventTime="2026-03-01T09:15:00", epcList=None),
    event(type="Event"),
    typed("AggregationEvent", parentID=PALLET, childEPCs=[PACK, OTHER_PACK], action="ADD"),
    typed("AggregationEvent", parentID=PALLET, action="DELETE"),
    typed("AssociationEvent", parentID=PACK, childEPCs=["urn:x:sensor"], action="ADD"),
    typed("TransactionEvent", epcList=[PACK, PACK], bizTransactionList=[{"bizTransaction": "urn:po:1"}]),
    typed("TransformationEvent", action=None, inputEPCList=[PACK], outputEPCList=[LOT], transformationID="urn:t:1"),
    typed("TransformationEvent", inputEPCList=[PACK]),
])  # fmt: skip
NAMES = standard_names().within({"x": "https://x.example/"}, Findings(None, "$"), "")
PERSONAL = st.sampled_from([(), ("https://x.example/note",), ("/readPoint/id", "/eventID", "https://x.example/a")])

Outcome = tuple[LedgerEvent | None, list[Problem]]


def the_exact_way(source: bytes, personal: PersonalMembers) -> Outcome:
    findings = Findings(3, "$.epcisBody.eventList[3]")
    try:
        value = read_value(source)
    except JsonTextError as error:
        findings.error("", error.code, error.message)
        return None, findings.problems
    found = event_of(value, source, NAMES, captured_by=DAIRY, personal=personal, findings=findings)
    return found, findings.problems


@settings(max_examples=1500)
@given(BASES, st.lists(FRAGMENTS, max_size=4), PERSONAL, st.sampled_from([None, 1]))
def test_both_ways_give_the_same_event(
    base: dict[str, Any], fragments: list[str], personal: tuple[str, ...], indent: int | None
) -> None:
    names = {fragment.split('"')[1] for fragment in fragments}
    kept = json.dumps({name: value for name, value in base.items() if name not in names}, indent=indent)
    source = f"{kept[:-1]}, {', '.join(fragments)}}}".encode() if fragments else kept.encode()
    private = PersonalMembers(personal)
    findings = Findings(3, "$.epcisBody.eventList[3]")
    found = read_event(source, NAMES, DAIRY, private, findings)
    expected, problems = the_exact_way(source, private)
    assert findings.problems == problems
    assert found == expected
    if found is not None and expected is not None:
        assert found.index == expected.index == index_rows(found.parts)
        assert found.tags == expected.tags == list(index_rows(found.parts).tags)
        assert found.parts.source == source
        assert content_digest(found.parts) == content_digest(expected.parts)


@pytest.mark.parametrize("source", [b"", b"7", b"[]", b"{", b"\xff", b"{}{}", b'{"a":1,"a":2}', b"[" * 100_000])
def test_what_is_no_event_is_a_problem(source: bytes) -> None:
    findings = Findings(3, "$.epcisBody.eventList[3]")
    assert read_event(source, NAMES, DAIRY, PersonalMembers(()), findings) is None
    assert findings.problems == the_exact_way(source, PersonalMembers(()))[1] != []


def test_no_copies_are_made_of_a_very_long_text() -> None:
    assert plain_value(b'"%b"' % (b"x" * PLAIN_BYTES)) is None


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("innermost", ["[]", "{}", "1"])
def test_a_text_of_many_brackets_is_quick_as_deep_as_it_may_be_and_no_deeper(
    opened: str, closed: str, innermost: str
) -> None:
    for levels in range(MAX_DEPTH - 4, MAX_DEPTH + 4):
        data = f"[{'[],' * 70}{opened * levels}{innermost}{closed * levels}]".encode()
        fits = levels + 1 + (innermost != "1") <= MAX_DEPTH
        assert (plain_value(data) is not None) == fits
        assert (exactly(data) != "json.depth") == fits
