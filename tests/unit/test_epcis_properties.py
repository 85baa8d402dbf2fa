"""What holds for every document: nothing raises, order is not content, nothing is lost and nothing is stored twice."""

import json
import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.epcis_events import CONTEXT, DAIRY, LOT, OTHER_PACK, PACK, PALLET, PARTY, PLACE, document, read
from traceability.gs1.epcis import Document, content_digest, index_rows, read_document, view_of
from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.ledger.parts import Parts

FIELDS = [
    "@context", "type", "eventTime", "eventTimeZoneOffset", "recordTime", "eventID", "errorDeclaration", "action",
    "bizStep", "disposition", "persistentDisposition", "certificationInfo", "sensorElementList", "readPoint",
    "bizLocation", "bizTransactionList", "sourceList", "destinationList", "ilmd", "parentID", "transformationID",
    "inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList", "epcList", "childEPCs",
    "quantityList", "childQuantityList", "id", "source", "destination", "bizTransaction", "epcClass", "quantity",
    "uom", "sensorReport", "sensorMetadata", "set", "unset", "declarationTime", "correctiveEventIDs", "x:y", "@id",
    "value", "time", "deviceID",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from([PACK, LOT, PLACE, PARTY, *TYPE_NAMES, "ADD", "2026-03-01T09:15:00Z", "+01:00", "x:y", CONTEXT]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=20,
)


def check(found: Document) -> None:
    for captured in found.events:
        view_of(captured.event.parts)
        assert tuple(captured.event.tags) == index_rows(captured.event.parts).tags
    failed = {problem.index for problem in found.problems if problem.severity == "error"}
    assert failed.isdisjoint(captured.index for captured in found.events)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    check(read_document(data, captured_by=DAIRY))


@settings(deadline=None)
@given(ANYTHING)
def test_no_json_raises(value: Any) -> None:
    check(read_document(json.dumps(value).encode(), captured_by=DAIRY))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=5), st.sampled_from(list(TYPE_NAMES)))
def test_no_event_raises(members: dict[str, Any], event_type: str) -> None:
    base = {"type": event_type, "eventTime": "2026-03-01T09:15:00Z", "eventTimeZoneOffset": "+00:00", "action": "ADD"}
    check(read_document(document(json.dumps({**base, **members})), captured_by=DAIRY))


@settings(deadline=None)
@given(st.data())
def test_no_broken_text_raises(data: st.DataObject) -> None:
    text = bytearray(document(json.dumps(data.draw(EVENTS))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    check(read_document(bytes(text), captured_by=DAIRY))


NAMES = st.sampled_from(["x:a", "x:b", "y:a", "https://z.example/#c"])
EXTENSIONS = st.dictionaries(
    NAMES,
    st.recursive(
        st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
        max_leaves=5,
    ),
    max_size=3,
)
EPCS = st.lists(st.sampled_from([PACK, OTHER_PACK, PALLET, "urn:x:y"]), min_size=1, max_size=3, unique=True)
PARTIES = st.lists(st.sampled_from(["owning_party", "possessing_party"]), max_size=2, unique=True)
SENSORS = st.fixed_dictionaries(
    {"sensorReport": st.lists(st.fixed_dictionaries({"type": st.just("Time"), "value": st.integers()}), min_size=1)}
)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "eventID": st.just("urn:uuid:a"),
    "recordTime": st.just("2026-03-01T09:20:00Z"),
    "bizStep": st.sampled_from(["shipping", "cbv:BizStep-receiving", "x:step"]),
    "readPoint": EXTENSIONS.map(lambda inside: {"id": PLACE, **inside}),
    "bizTransactionList": st.just([{"type": "po", "bizTransaction": "urn:po:1"}, {"bizTransaction": "urn:po:2"}]),
    "sourceList": PARTIES.map(lambda types: [{"type": name, "source": PARTY} for name in types]),
    "sensorElementList": st.lists(SENSORS, min_size=1, max_size=2),
    "ilmd": EXTENSIONS,
    "quantityList": st.lists(st.fixed_dictionaries({"epcClass": st.just(LOT), "quantity": st.integers(0)})),
    "errorDeclaration": EXTENSIONS.map(lambda inside: {"declarationTime": "2026-03-02T00:00:00Z", **inside}),
}
EVENTS = st.builds(
    lambda base, extensions: {**base, **extensions},
    st.fixed_dictionaries(
        {
            "type": st.just("ObjectEvent"),
            "eventTime": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
            "eventTimeZoneOffset": st.just("+01:00"),
            "action": st.just("ADD"),
            "epcList": EPCS,
        },
        optional=OPTIONAL,
    ),
    EXTENSIONS,
)
PREFIXES = [CONTEXT, {"x": "https://x.example/", "y": "urn:y:"}]
SETS = {"epcList", "quantityList", "sourceList", "bizTransactionList", "sensorElementList", "sensorReport"}


def shuffled(value: Any, order: random.Random, name: str = "") -> Any:
    """Return the same event with its members, and the lists whose order says nothing, in another order."""
    if isinstance(value, dict):
        members = [(key, shuffled(inner, order, key)) for key, inner in value.items()]
        order.shuffle(members)
        return dict(members)
    if isinstance(value, list):
        inner = [shuffled(part, order) for part in value]
        if name in SETS:
            order.shuffle(inner)
        return inner
    return value


@settings(deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_order_is_not_content(one: dict[str, Any], order: random.Random) -> None:
    first, second = read(one, shuffled(one, order), context=PREFIXES).events
    assert content_digest(first.event.parts) == content_digest(second.event.parts)
    before, after = index_rows(first.event.parts), index_rows(second.event.parts)
    assert (set(before.tags), before.identity, before.event) == (set(after.tags), after.identity, after.event)
    assert (before.visibility, before.sighting) == (after.visibility, after.sighting)


@settings(deadline=None)
@given(EVENTS)
def test_every_member_stands_in_one_part(one: dict[str, Any]) -> None:
    """Put the parts together again, with nothing of ours: the event comes back, canonical."""
    (captured,) = read(one, context=PREFIXES).events
    found = captured.event.parts
    head, where, why, how, more = (
        json.loads(part) if part else {} for part in (found.head, found.where, found.why, found.how, found.more)
    )
    again = {**head, **where, **why, **how, **more}
    assert len(again) == len(head) + len(where) + len(why) + len(how) + len(more) - (
        "errorDeclaration" in head and "errorDeclaration" in more
    )
    if "errorDeclaration" in head:
        again["errorDeclaration"] = {**head["errorDeclaration"], **more.get("errorDeclaration", {})}
    for item in map(json.loads, found.what):
        field = item.pop("list")
        again.setdefault(field, []).append({"epcClass": item.pop("id"), **item} if item.keys() - {"id"} else item["id"])
    assert again.pop("captured_by") == DAIRY
    again["type"], again["eventTime"] = one["type"], one["eventTime"]
    del again["occurred_at"]
    # An empty list has no item to stand in.
    expected = iris({name: value for name, value in one.items() if (name, value) != ("quantityList", [])})
    if "bizStep" in expected:
        expected["bizStep"] = iri(expected["bizStep"]).removeprefix("cbv:BizStep-")
    assert again == expected


def iri(name: str) -> str:
    return name.replace("x:", "https://x.example/", 1) if name.startswith("x:") else name.replace("y:", "urn:y:", 1)


def iris(value: Any) -> Any:
    if isinstance(value, dict):
        return {iri(name) if name[1:2] == ":" else name: iris(inner) for name, inner in value.items()}
    return [iris(inner) for inner in value] if isinstance(value, list) else value


PERSONAL = ("https://x.example/a", "/readPoint/urn:y:a", "/bizTransactionList/0", "/sensorElementList/0/sensorReport",
            "/ilmd", "/errorDeclaration/https:~1~1x.example~1b", "/eventID")  # fmt: skip


def in_any_order(found: Parts) -> dict[str, Any]:
    """Return the parts without the order of their members, the bytes as received, and the recordTime that was sent."""
    names = ("head", "where", "why", "how", "more", "personal")
    open_parts = {name: json.loads(getattr(found, name) or b"{}") for name in names}
    open_parts["more"].pop("recordTime", None)
    return {**open_parts, "what": found.what}


@settings(deadline=None)
@given(EVENTS, st.lists(st.sampled_from(PERSONAL), unique=True, max_size=4))
def test_what_is_written_is_read_again(one: dict[str, Any], personal: list[str]) -> None:
    (captured,) = read(one, context=PREFIXES, personal=tuple(personal)).events
    found = captured.event.parts
    written = write_query_document([write_event(found, 1_772_352_900_123_456)], created_at=0)
    (again,) = read_document(written, captured_by=DAIRY, personal=personal).events
    assert in_any_order(again.event.parts) == in_any_order(found)
    assert json.loads(again.event.parts.more or b"{}")["recordTime"] == "2026-03-01T08:15:00.123456Z"
    if not personal:
        assert replace(again.event.parts, source=b"", more=b"") == replace(found, source=b"", more=b"")
