"""The demo's documents are valid EPCIS, use GS1's demonstration prefix only, and tell a story that holds together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from api.demo.story import Participant, manifest
from tests.support.stories import records
from traceability.gs1.epcis import index_rows, read_document, view_of
from traceability.gs1.identifiers import gln_of, parse_digital_link_path, parse_identifier
from traceability.ledger.event import microseconds
from traceability.ledger.index import MarkKind

PARTICIPANTS = manifest().organisations


def documents() -> Iterator[tuple[Participant, dict[str, Any]]]:
    for who in PARTICIPANTS:
        yield who, orjson.loads(who.read_document())


def events() -> Iterator[dict[str, Any]]:
    for _, document in documents():
        yield from document["epcisBody"]["eventList"]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@pytest.mark.parametrize("who", PARTICIPANTS, ids=lambda who: who.name)
def test_a_document_has_no_problem(who: Participant) -> None:
    document = read_document(who.read_document(), captured_by=who.name)
    assert document.problems == []
    assert document.events


def test_all_five_kinds_of_things_that_happen_are_told() -> None:
    assert {event["type"] for event in events()} == {
        "ObjectEvent",
        "AggregationEvent",
        "TransformationEvent",
        "AssociationEvent",
    }


def test_every_key_is_valid_and_of_the_prefix_for_examples() -> None:
    links = {text for event in events() for text in texts(event) if text.startswith("https://id.gs1.org/")}
    assert len(links) > 80
    for link in links:
        parse_identifier(link)
        key = link.removeprefix("https://id.gs1.org/").split("/")[1]
        assert re.match(r"\d?952", key), link
    for who in PARTICIPANTS:
        assert all(gln.startswith("952") and gln_of(f"https://id.gs1.org/414/{gln}") == gln for gln in who.glns)


def test_names_are_reserved_ones() -> None:
    assert all(who.name.endswith(".example") for who in PARTICIPANTS)
    for event in events():
        assert all(".example/" in text for text in texts(event) if text.startswith("http") and "id.gs1.org" not in text)


def test_no_document_knows_the_future() -> None:
    for _, document in documents():
        created = microseconds(document["creationDate"])
        for event in document["epcisBody"]["eventList"]:
            happened = microseconds(event["eventTime"])
            declared = event.get("errorDeclaration", {}).get("declarationTime")
            assert happened <= created
            assert declared is None or happened < microseconds(declared) <= created
            for element in event.get("sensorElementList", ()):
                assert microseconds(element["sensorMetadata"]["time"]) <= happened


def test_places_belong_to_participants_and_have_one_name() -> None:
    known = {gln for who in PARTICIPANTS for gln in who.glns}
    names: dict[str, set[str]] = {}
    for event in events():
        for field in ("readPoint", "bizLocation"):
            if field in event:
                names.setdefault(event[field]["id"], set()).add(event[field]["cbvmda:name"])
    assert all(len(called) == 1 for called in names.values())
    assert {gln_of(place) for place in names} <= known


def test_what_is_taken_out_was_put_in_before() -> None:
    marks = sorted(
        ((view_of(record.event.parts).occurred_at, record) for record in records()), key=lambda pair: pair[0]
    )
    inside: set[tuple[MarkKind, str, str]] = set()
    for _, record in marks:
        for mark in index_rows(record.event.parts).marks:
            if mark.child is None:
                emptied = {tie for tie in inside if tie[0] is mark.kind and tie[2] == mark.parent}
                assert emptied
                inside -= emptied
            elif mark.opens:
                assert (mark.kind, mark.child, mark.parent) not in inside
                inside.add((mark.kind, mark.child, mark.parent))
            else:
                inside.remove((mark.kind, mark.child, mark.parent))


def test_an_error_is_declared_and_corrected() -> None:
    by_id: dict[str, list[dict[str, Any]]] = {}
    for event in events():
        by_id.setdefault(event["eventID"], []).append(event)
    (declaration,) = [event for event in events() if "errorDeclaration" in event]
    assert len(by_id.pop(declaration["eventID"])) == 2
    assert all(len(same) == 1 for same in by_id.values())
    assert all(corrective in by_id for corrective in declaration["errorDeclaration"]["correctiveEventIDs"])


def test_every_link_of_the_manifest_names_a_thing_of_its_story() -> None:
    tags = {tag for record in records() for tag in index_rows(record.event.parts).tags}
    for story in manifest().stories:
        for link in story.links:
            assert f"item:{parse_digital_link_path(link.path).subject}" in tags
