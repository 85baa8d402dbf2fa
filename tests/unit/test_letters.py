"""One event by itself: read under its document's context, and its places found."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.epcis_events import CONTEXT, DAIRY, document, event, read
from traceability.gs1.epcis import Document, content_digest, place_in, read_document, read_letter
from traceability.gs1.epcis.problems import member
from traceability.ledger.identifiers import ordered_ids

EXTENDED = [CONTEXT, {"dairy": "https://dairy.example/ns#"}]


def letter(one: Any, context: Any = CONTEXT) -> Document:
    body = one if isinstance(one, bytes) else json.dumps(one).encode()
    return read_letter(body, json.dumps(context).encode() if context else b"", captured_by=DAIRY)


def told(found: Document) -> list[tuple[int | None, str, str]]:
    return [(problem.index, problem.path, problem.code) for problem in found.problems]


def test_an_event_is_read_as_in_its_document() -> None:
    one = event(**{"dairy:vat": "7", "ilmd": {"dairy:fat": 3.5}, "action": "ADD"})
    (alone,) = letter(one, EXTENDED).events
    (inside,) = read(one, context=EXTENDED).events
    assert alone.event.parts == inside.event.parts
    assert alone.event.tags == inside.event.tags


def test_its_bytes_are_kept_without_what_stands_around_them() -> None:
    text = json.dumps(event(), indent=1).encode()
    (read_,) = letter(b"\xef\xbb\xbf \n" + text + b"\n ").events
    assert read_.event.parts.source == text


def test_problems_are_told_from_the_event_and_not_from_around_it() -> None:
    assert told(letter(event(eventTime="yesterday"))) == [(0, "$.eventTime", "epcis.time")]
    assert told(letter(event(), context=None)) == []
    assert told(letter(event(**{"x:y": 1}))) == [(0, "$['x:y']", "epcis.unresolved_name")]
    assert [code for _, _, code in told(letter(event(), context=7))] == ["epcis.context"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "json.syntax"),
        (b"{", "json.syntax"),
        (b"\xff", "json.encoding"),
        (b'{"a":1,"a":2}', "json.repeated_member"),
        (b"[" * 100_000, "json.depth"),
        (b"7", "epcis.type"),
        (b"[{}]", "epcis.type"),
        # What would close the document around it, or smuggle in a second event.
        (b"{},{}", "json.syntax"),
        (b'{}]}},"x":[{', "json.syntax"),
        (b'{}]}, "epcisBody": {"eventList": [{}', "json.syntax"),
        (b"{} x", "json.syntax"),
    ],
)
def test_what_is_no_event_is_a_problem(text: bytes, code: str) -> None:
    found = letter(text)
    assert (found.events, told(found)) == ([], [(0, "$", code)])


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_no_bytes_raise(body: bytes, context: bytes) -> None:
    assert len(read_letter(body, context, captured_by=DAIRY).events) <= 1


def test_the_same_content_has_the_same_digest() -> None:
    (alone,) = letter(event()).events
    (inside,) = read(event()).events
    assert content_digest(alone.event.parts) == content_digest(inside.event.parts)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 999) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES, st.sampled_from(["$", "$[17]", "$.epcisBody.eventList[3]"]), st.data())
def test_every_place_in_an_event_is_found(value: Any, base: str, data: st.DataObject) -> None:
    path, here = base, value
    if base == "$" and isinstance(value, list):
        here = value = {"list": value}  # an array is no event
    while isinstance(here, list | dict) and here and data.draw(st.booleans()):
        if isinstance(here, dict):
            name = data.draw(st.sampled_from(sorted(here)))
            path, here = path + member(name), here[name]
        else:
            index = data.draw(st.integers(0, len(here) - 1))
            path, here = f"{path}[{index}]", here[index]
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 2])))
    start, end = place_in(text, path)
    assert json.loads(text[start:end]) == here


def test_a_place_that_is_not_there_is_the_last_one_on_the_way() -> None:
    text = ' {"a": {"b": [1, 2]}} '
    for path, found in (
        ("$.a.b[7]", "[1, 2]"),
        ("$.a.x.y", '{"b": [1, 2]}'),
        ("$.epcisBody.eventList[0].a.b[1]", "2"),
        ("$", '{"a": {"b": [1, 2]}}'),
        ("nonsense", '{"a": {"b": [1, 2]}}'),
    ):
        start, end = place_in(text, path)
        assert text[start:end] == found
    assert place_in('{"a": {"b"', "$.a.b") == (0, 10)
    assert place_in("", "$.a") == (0, 0)


def test_the_place_of_a_problem_is_found_in_the_text_that_it_is_about() -> None:
    bad = '{"type": "ObjectEvent", "action": "OBSERVE", "eventTime": "2026-13-01T00:00:00Z"}'
    found = read_document(document(event(), bad), captured_by=DAIRY)
    (problem,) = [one for one in found.problems if one.code == "epcis.time"]
    start, end = place_in(bad, problem.path)
    assert bad[start:end] == '"2026-13-01T00:00:00Z"'


def test_ids_of_one_moment_sort_in_order_and_stay_version_7() -> None:
    for random in (bytes(10), b"\xff" * 10):
        new = ordered_ids(1_772_352_900_123_456, random)
        taken = [next(new) for _ in range(1_000)]
        assert sorted(taken) == taken
        assert len(set(taken)) == 1_000
        assert {(one.version, one.variant, one.int >> 80) for one in taken} == {
            (7, "specified in RFC 4122", 1_772_352_900_123)
        }
