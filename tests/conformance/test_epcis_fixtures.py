"""Published EPCIS documents: what must be refused is, everything else is taken whole, and the stored bytes stay."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.golden.epcis import (
    CAPTURED_BY,
    EPCIS,
    FIXTURES,
    digests,
    documents,
    hand_made,
    hand_made_text,
    stored_parts,
)
from traceability.gs1.epcis import content_digest, index_rows, read_document, view_of
from traceability.ledger.parts import Parts

DEVIATIONS = {
    "event-profiles/examples/epcis-events/ACME_ES_SCE_0dot1_InspectingEventDocument1.json": (
        "its GRAI lacks the leading 0 of AI (8003)"
    ),
    "event-profiles/examples/epcis-events/ACME_ES_SCE_0dot1_ReplacementEventDocument1.json": (
        "its GRAI lacks the leading 0 of AI (8003)"
    ),
    "event-profiles/test-data/events/EpcisDocument.json": (
        "two of its events are records of a database, with times as numbers and lists that are null"
    ),
    "event-profiles/test-data/events/invalid-event.json": "valid EPCIS; it breaks a profile",
    "event-profiles/test-data/events/valid-event.json": "its link puts an SSCC behind a GTIN",
    "fastnt-requests/v2_0/Requests/Request_ObjectEvent_WithMasterdata.json": (
        "its certificationInfo is no URI and its persistent dispositions are nobody's words"
    ),
}
NAMED_BAD = ("Invalid", "Incorrect", "invalid-")


def names() -> list[str]:
    return [str(path.relative_to(EPCIS)) for path in documents()]


def accepted() -> Iterator[tuple[str, int, Parts]]:
    for path in documents():
        for captured in read_document(path.read_bytes(), captured_by=CAPTURED_BY).events:
            yield str(path.relative_to(EPCIS)), captured.index, captured.event.parts


needs_fixtures = pytest.mark.skipif(not EPCIS.is_dir(), reason="shared fixtures absent")


@needs_fixtures
@pytest.mark.parametrize("name", names())
def test_what_is_wrong_is_refused_and_nothing_else(name: str) -> None:
    found = read_document((EPCIS / name).read_bytes(), captured_by=CAPTURED_BY)
    expected = not any(word in name for word in NAMED_BAD)
    assert found.valid is (expected != (name in DEVIATIONS))
    assert bool(found.problems) >= (not found.valid)


@needs_fixtures
def test_the_sets_are_there_whole() -> None:
    assert len([name for name in names() if "openepcis-test-resources" in name]) == 39
    dpp = [name for name, _, _ in accepted() if "openepcis-dpp-events" in name]
    assert (len(set(dpp)), len(dpp)) == (27, 46)
    assert {name for name, _, _ in accepted() if "cbv-event-hash" in name} == {
        name for name in names() if "cbv-event-hash" in name
    }


@needs_fixtures
def test_the_stored_bytes_of_the_fixtures_are_golden() -> None:
    assert stored_parts() == json.loads(FIXTURES.read_text())


@pytest.mark.parametrize("path", hand_made(), ids=lambda path: path.stem)
def test_the_stored_bytes_of_our_own_events_are_golden(path: Path) -> None:
    assert hand_made_text(path) == path.with_suffix(".parts").read_text()


# The table of commitment.md, written down again on its own: where each field of an event goes.
TABLE = {
    "head": ("type", "captured_by", "occurred_at", "eventTimeZoneOffset", "action", "bizStep", "disposition",
             "persistentDisposition", "errorDeclaration"),
    "what": ("parentID", "transformationID", "inputEPCList", "inputQuantityList", "outputEPCList",
             "outputQuantityList", "epcList", "childEPCs", "quantityList", "childQuantityList"),
    "where": ("readPoint", "bizLocation"),
    "why": ("bizTransactionList", "sourceList", "destinationList"),
    "how": ("sensorElementList", "ilmd", "certificationInfo"),
    "more": ("eventID", "errorDeclaration", "recordTime"),
}  # fmt: skip
HEAD_OF_DECLARATION = {"declarationTime", "reason"}


def strict(data: bytes) -> Any:
    """Parse one part; numbers come back as their text in a tuple, so that 4.10 is not 4.1."""
    assert not data.startswith(b"\xef\xbb\xbf")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)

    def number(text: str) -> tuple[str]:
        return (text,)

    return json.loads(data.decode(), object_pairs_hook=members, parse_int=number, parse_float=number)


def compact(value: Any) -> str:
    """Write a parsed part again without any space, to show that the part had none."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, tuple):
        return str(value[0])
    return json.dumps(value, ensure_ascii=False)


def shape(value: Any) -> Any:
    """Return a value without names and identifiers: its nesting, numbers, booleans and texts that stay as they are."""
    if isinstance(value, dict):
        return [shape(inner) for name, inner in value.items() if name != "@context"]
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return "text" if isinstance(value, str) else value


def in_order(found: dict[str, Any], table: tuple[str, ...]) -> None:
    known = [name for name in found if name in table]
    assert known == [name for name in table if name in found]
    assert list(found)[: len(known)] == known


@needs_fixtures
@pytest.mark.parametrize("parts", [pytest.param(parts, id=f"{name}-{index}") for name, index, parts in accepted()])
def test_every_member_stands_in_its_one_part(parts: Parts) -> None:
    event = strict(parts.source)
    found = {part: strict(getattr(parts, part)) if getattr(parts, part) else {} for part in TABLE if part != "what"}
    for part, content in found.items():
        assert compact(content) == (getattr(parts, part).decode() or "{}")
        in_order(content, TABLE[part])
        if part != "more":
            assert content.keys() <= set(TABLE[part])
    items = [strict(item) for item in parts.what]
    assert [compact(item).encode() for item in items] == list(parts.what)
    lists = [item["list"] for item in items]
    assert lists == [field for field in TABLE["what"] for _ in (as_list(event[field]) if field in event else ())]
    for field in TABLE["what"]:
        given = [entry if isinstance(entry, dict) else {} for entry in as_list(event.get(field, []))]
        kept = [item for item in items if item["list"] == field]
        assert [(entry.get("quantity"), entry.get("uom")) for entry in given] == [
            (item.get("quantity"), item.get("uom")) for item in kept
        ]
    for part in ("where", "why", "how"):
        assert found[part].keys() == {field for field in TABLE[part] if field in event}
        assert all(shape(value) == shape(event[field]) for field, value in found[part].items())
    assert found["head"].keys() - {"captured_by", "occurred_at"} == {field for field in TABLE["head"] if field in event}
    assert found["head"]["captured_by"] == CAPTURED_BY
    known = {field for fields in TABLE.values() for field in fields} | {"@context", "eventTime"}
    extensions = [value for field, value in event.items() if field not in known]
    kept_extensions = [value for field, value in found["more"].items() if field not in TABLE["more"]]
    assert shape(kept_extensions) == shape(extensions)
    declaration = event.get("errorDeclaration", {})
    assert found["head"].get("errorDeclaration", {}).keys() == declaration.keys() & HEAD_OF_DECLARATION
    rest = [value for field, value in declaration.items() if field not in HEAD_OF_DECLARATION]
    assert shape(found["more"].get("errorDeclaration", {})) == shape(rest)
    assert {field: found["more"].get(field) for field in ("eventID", "recordTime")} == {
        field: event.get(field) for field in ("eventID", "recordTime")
    }


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@needs_fixtures
def test_every_fixture_can_be_indexed_viewed_and_compared() -> None:
    for _, _, parts in accepted():
        rows = index_rows(parts)
        assert rows.identity is not None
        assert rows.sighting is not None
        assert rows.sighting.occurred_at == view_of(parts).occurred_at
        assert len(content_digest(parts)) == 32
        assert digests(parts)["items"] == len(view_of(parts).items)


@needs_fixtures
def test_the_same_event_in_two_documents_has_one_digest() -> None:
    """The query documents of the set repeat its capture documents."""
    both = EPCIS / "openepcis-test-resources/2.0/EPCIS/JSON"
    for name in (
        "Combination_of_different_event.json",
        "JumbledFieldsOrder.json",
        "TransactionEvent_with_userExtensions.json",
    ):
        captured, queried = (
            read_document((both / folder / name).read_bytes(), captured_by=CAPTURED_BY).events
            for folder in ("Capture/Documents", "Query")
        )
        assert [content_digest(one.event.parts) for one in captured] == [
            content_digest(one.event.parts) for one in queried
        ]
