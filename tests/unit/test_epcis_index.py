"""Tags, marks, edges and identities of EPCIS events, the digest of their content, and the view of their readers."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.support.epcis_events import (
    CONTEXT,
    DAIRY,
    LOT,
    OTHER_PACK,
    PACK,
    PALLET,
    PARTY,
    PLACE,
    event,
    parts,
    read,
    typed,
)
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import ErrorDeclaration, Item, content_digest, index_rows, read_document, view_of
from traceability.gs1.epcis.digest import plain_number
from traceability.gs1.epcis.hash.recorded import hash_of_parts
from traceability.ledger.event import Redacted, opaque_data
from traceability.ledger.index import Edge, IndexRows, Mark, MarkKind, Sighting, Visibility
from traceability.ledger.parts import Parts

CLASS = "https://id.gs1.org/01/09521234000013"
TRANSFORMATION = "https://id.gs1.org/253/9521234000013T1"
DECLARED = {"declarationTime": "2026-03-02T01:00:00+01:00", "reason": "did_not_occur"}
AT = 1772352900000000


def rows(one: Any, **options: Any) -> IndexRows:
    return index_rows(parts(one, **options))


def test_what_a_question_may_look_at_is_a_tag_and_no_value_of_it() -> None:
    ns = "https://ns.example/"
    found = rows(
        event(
            action="ADD",
            epcList=None,
            quantityList=[{"epcClass": LOT, "quantity": 3, "uom": unit} for unit in ("KGM", "GRM", "XYZ")],
            persistentDisposition={"set": ["recalled"], "unset": ["available", "conformant"]},
            errorDeclaration={**DECLARED, "correctiveEventIDs": ["urn:x:1"], f"{ns}clerk": "A"},
            readPoint={"id": PLACE, f"{ns}gate": {f"{ns}inside": 1}},
            ilmd={f"{ns}colour": ["red", 4.10, "2026-03-01", None, {f"{ns}inside": 1}]},
            sensorElementList=[
                {
                    f"{ns}element": 1,
                    "sensorMetadata": {"dataProcessingMethod": "https://x.example/mean", f"{ns}metadata": 1},
                    "sensorReport": [
                        {"type": "Temperature", "value": 4, "uom": "CEL", f"{ns}report": 1},
                        {"type": "Temperature", "value": 4, "uom": "FAH", "microorganism": "https://x.example/m"},
                    ],
                }
            ],
            **{f"{ns}note": {f"{ns}inside": "B"}},
        )
    )
    asked = ("persistent", "error", "corrective", "quantity", "field", "sensor", "reading", "ilmd")
    assert {tag for tag in found.tags if tag.partition(":")[0] in asked} == {
        "persistent:set/recalled", "persistent:unset/available", "persistent:unset/conformant",
        "error:declaration", "error:did_not_occur", "corrective:urn:x:1", "quantity:mass", "quantity:XYZ",
        "field:https://ns.example/clerk", "field:https://ns.example/gate", "field:https://ns.example/colour",
        "field:https://ns.example/element", "field:https://ns.example/metadata", "field:https://ns.example/report",
        "field:https://ns.example/note", "sensor:element", "sensor:type/Temperature",
        "sensor:dataProcessingMethod/https://x.example/mean", "sensor:microorganism/https://x.example/m",
        "reading:temperature", "ilmd:https://ns.example/colour=text red", "ilmd:https://ns.example/colour=number 41/10",
        "ilmd:https://ns.example/colour=time 1772323200000000",
    }  # fmt: skip


def test_every_identifier_is_a_tag_once() -> None:
    found = rows(
        event(
            eventID="urn:uuid:a",
            bizStep="shipping",
            disposition="in_transit",
            epcList=["urn:epc:id:sgtin:9521234.000001.1001", PALLET, "https://x.example/private"],
            quantityList=[{"epcClass": LOT, "quantity": 3}, {"epcClass": CLASS, "quantity": 5}],
            readPoint={"id": "urn:epc:id:sgln:9521234.00000.0"},
            bizLocation={"id": PLACE},
            bizTransactionList=[{"type": "po", "bizTransaction": "urn:po:1"}, {"bizTransaction": "urn:po:1"}],
            sourceList=[{"type": "possessing_party", "source": PARTY}, {"type": "location", "source": PLACE}],
            destinationList=[
                {"type": "owning_party", "destination": "urn:epc:id:pgln:9521234.00000"},
                {"type": "https://x.example/carrier", "destination": "https://x.example/lorry"},
            ],
            sensorElementList=[
                {
                    "sensorMetadata": {"deviceID": "urn:epc:id:giai:9521234.S1"},
                    "sensorReport": [{"type": "Temperature", "value": 4}, {"type": "Time", "deviceID": "urn:x:s2"}],
                }
            ],
        )
    )
    assert found.tags == (
        "org:dairy.example",
        f"item:{PACK}",
        f"class:{CLASS}",
        f"item:{PALLET}",
        "item:https://x.example/private",
        f"item:{LOT}",
        f"lot:{LOT}",
        f"item:{CLASS}",
        "prefix:01/9521234",
        "prefix:00/9521234",
        f"place:{PLACE}",
        "transaction:urn:po:1",
        f"party:{PARTY}",
        "party:https://x.example/lorry",
        "device:https://id.gs1.org/8004/9521234S1",
        "device:urn:x:s2",
        "sensor:element",
        "sensor:type/Temperature",
        "sensor:type/Time",
        "event:urn:uuid:a",
    )
    assert found.visibility == Visibility(DAIRY, (f"party:{PARTY}",), "shipping")
    assert found.sighting == Sighting(AT, "shipping", "in_transit")
    assert found.event == "event:urn:uuid:a"
    assert found.identity == "identity:dairy.example\x00urn:uuid:a\x00"
    assert not found.retracts
    assert found.marks == ()
    assert found.edges == ()


def test_tags_of_the_event_are_those_of_its_parts() -> None:
    (captured,) = read(event(eventID="urn:uuid:a")).events
    assert tuple(captured.event.tags) == index_rows(captured.event.parts).tags
    assert captured.event.data == b""


@pytest.mark.parametrize(
    "kind", [("AggregationEvent", MarkKind.CONTAINMENT), ("AssociationEvent", MarkKind.ASSOCIATION)]
)
def test_marks(kind: tuple[str, MarkKind]) -> None:
    name, mark = kind
    children: dict[str, Any] = {"childEPCs": [PACK, OTHER_PACK], "childQuantityList": [{"epcClass": LOT}]}
    for action, opens in (("ADD", True), ("DELETE", False)):
        assert rows(typed(name, action=action, parentID=PALLET, **children)).marks == tuple(
            Mark(mark, f"item:{child}", f"item:{PALLET}", opens) for child in (PACK, OTHER_PACK, LOT)
        )
    assert rows(typed(name, action="OBSERVE", parentID=PALLET, **children)).marks == ()
    assert rows(typed(name, action="OBSERVE", **children)).marks == ()
    assert rows(typed(name, action="DELETE", parentID=PALLET)).marks == (
        Mark(mark, None, f"item:{PALLET}", opens=False),
    )


def test_edges_meet_in_the_transformation() -> None:
    one = typed(
        "TransformationEvent",
        action=None,
        transformationID="urn:epc:id:gdti:9521234.00001.T1",
        inputEPCList=[PACK],
        inputQuantityList=[{"epcClass": LOT, "quantity": 1}],
        outputEPCList=[OTHER_PACK],
    )
    via = f"transformation:{TRANSFORMATION}"
    assert rows(one).edges == (
        Edge(f"item:{PACK}", is_input=True, via=via),
        Edge(f"item:{LOT}", is_input=True, via=via),
        Edge(f"item:{OTHER_PACK}", is_input=False, via=via),
    )
    assert via in rows(one).tags
    assert f"item:{TRANSFORMATION}" not in rows(one).tags
    del one["transformationID"]
    assert {edge.via for edge in rows(one).edges} == {None}


@pytest.mark.parametrize(
    "one",
    [
        typed("AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[PACK]),
        typed("TransformationEvent", action=None, inputEPCList=[PACK], outputEPCList=[OTHER_PACK]),
    ],
)
def test_an_error_declaration_retracts_and_moves_nothing(one: dict[str, Any]) -> None:
    found = rows({**one, "eventID": "urn:uuid:a", "errorDeclaration": DECLARED})
    assert found.retracts
    assert found.marks == ()
    assert found.edges == ()
    assert found.sighting is not None
    assert found.event == "event:urn:uuid:a"
    assert found.identity == "identity:dairy.example\x00urn:uuid:a\x002026-03-02T00:00:00.000000Z"
    again = {**DECLARED, "declarationTime": "2026-03-02T00:00:00.000Z"}
    assert rows({**one, "eventID": "urn:uuid:a", "errorDeclaration": again}).identity == found.identity


@pytest.mark.parametrize(
    "name",
    [
        "cbvmda:lotNumber",
        "urn:epcglobal:cbv:mda#lotNumber",
        "https://ref.gs1.org/cbv/CBVMDA-lotNumber",
        "https://ref.gs1.org/cbv/lotNumber",
        "gs1:hasBatchLotNumber",
        "https://www.gs1.org/voc/hasBatchLotNumber",
    ],
)
def test_the_lot_of_commissioned_items(name: str) -> None:
    other = "https://id.gs1.org/01/09521234000020/21/1"
    made = event(action="ADD", epcList=[PACK, OTHER_PACK, other, PALLET], ilmd={name: "L/1"})
    lots = [tag for tag in rows(made).tags if tag.startswith("lot:")]
    assert lots == [
        "lot:https://id.gs1.org/01/09521234000013/10/L%2F1",
        "lot:https://id.gs1.org/01/09521234000020/10/L%2F1",
    ]


def test_the_lot_of_a_transformation_is_that_of_its_outputs() -> None:
    one = typed(
        "TransformationEvent",
        action=None,
        inputEPCList=["https://id.gs1.org/01/09521234000020/21/1"],
        outputEPCList=[PACK],
        ilmd={"cbvmda:lotNumber": "A7"},
    )
    assert [tag for tag in rows(one).tags if tag.startswith("lot:")] == [f"lot:{LOT}"]


@pytest.mark.parametrize("lot", ["Lös 1", "x" * 21, "", 7, None, ["A7"]])
def test_a_lot_that_gs1_cannot_write_gives_no_tag(lot: Any) -> None:
    found = rows(event(action="ADD", ilmd={"cbvmda:lotNumber": lot, "rdfs:lotNumber": "A7"}))
    assert not any(tag.startswith("lot:") for tag in found.tags)


def test_personal_members_leave_the_index_standing() -> None:
    one = event(
        eventID="urn:uuid:a",
        readPoint={"id": PLACE},
        bizTransactionList=[{"type": "po", "bizTransaction": "urn:po:1"}],
        sourceList=[{"type": "owning_party", "source": PARTY}],
        sensorElementList=[{"sensorMetadata": {"deviceID": "urn:x:s"}, "sensorReport": [{"type": "Time", "value": 1}]}],
    )
    hidden = ("/eventID", "/readPoint/id", "/bizTransactionList/0/bizTransaction", "/sourceList/0/source",
              "/sensorElementList/0/sensorMetadata", "/sensorElementList/0/sensorReport")  # fmt: skip
    found = parts(one, personal=hidden)
    left = ("org:dairy.example", f"item:{PACK}", f"class:{CLASS}", "prefix:01/9521234", "sensor:element")
    assert index_rows(found).tags == (*left, f"event:{hash_of_parts(found)}")
    view = view_of(found)
    assert (view.event_id, view.read_point, view.sources, view.biz_transactions) == (None, None, (), ())


def test_other_events_are_indexed_by_the_tags_they_carry() -> None:
    decision = Redacted(position=7, reason="asked", authority="court").to_event(
        captured_by=DAIRY, occurred_at=AT, tags=["case:1"]
    )
    found = index_rows(decision.parts)
    assert found.tags == ("case:1",)
    with pytest.raises(InvalidInputError):
        view_of(decision.parts)


def twin(text: str, **options: Any) -> bytes:
    return content_digest(parts(text, **options))


def test_content_is_the_same_in_any_order_and_spelling() -> None:
    context = [CONTEXT, {"x": "https://x.example/"}]
    first = json.dumps(
        event(
            eventID="urn:uuid:a",
            recordTime="2026-03-01T09:20:00Z",
            action="ADD",
            epcList=[PACK, OTHER_PACK],
            quantityList=[{"epcClass": LOT, "quantity": 4.1, "uom": "KGM"}],
            bizStep="urn:epcglobal:cbv:bizstep:shipping",
            persistentDisposition={"set": ["active", "recalled"]},
            sourceList=[{"type": "owning_party", "source": PARTY}, {"type": "location", "source": PLACE}],
            sensorElementList=[
                {
                    "sensorMetadata": {"time": "2026-03-01T09:15:00+01:00"},
                    "sensorReport": [{"type": "Time", "value": 20}],
                }
            ],
            ilmd={"x:flag": True, "x:list": ["b", "a"]},
            **{"x:a": 1},
        )
    )
    second = (
        '{"x:a":1.0,"ilmd":{"x:list":["b","a"],"x:flag":"true"},"sensorElementList":[{"sensorReport":[{"value":2e1,'
        '"type":"gs1:Time"}],"sensorMetadata":{"time":"2026-03-01T08:15:00.000Z"}}],"bizStep":"shipping",'
        f'"sourceList":[{{"source":"{PLACE}","type":"location"}},{{"source":"{PARTY}","type":"owning_party"}}],'
        '"persistentDisposition":{"set":["recalled","active"]},'
        f'"quantityList":[{{"uom":"KGM","epcClass":"{LOT}","quantity":4.10}}],"epcList":["{OTHER_PACK}",'
        '"urn:epc:id:sgtin:9521234.000001.1001"],"action":"ADD","eventTimeZoneOffset":"+01:00",'
        '"eventTime":"2026-03-01T08:15:00.0000001Z","type":"ObjectEvent"}'
    )
    assert twin(first, context=context) == twin(second, context=context)


@pytest.mark.parametrize(
    "change",
    [
        {"epcList": [OTHER_PACK]},
        {"epcList": [PACK, OTHER_PACK]},
        {"epcList": None, "quantityList": [{"epcClass": PACK}]},
        {"action": "DELETE"},
        {"eventTime": "2026-03-01T09:15:00.000001+01:00"},
        {"eventTimeZoneOffset": "+02:00"},
        {"bizStep": "shipping"},
        {"readPoint": {"id": PLACE}},
        {"bizLocation": {"id": PLACE}},
        {"errorDeclaration": DECLARED},
        {"errorDeclaration": {**DECLARED, "rdfs:comment": "x"}},
        {"rdfs:a": ["a", "b"]},
        {"rdfs:a": ["b", "a"]},
        {"rdfs:a": "a b"},
    ],
)
def test_other_content_has_another_digest(change: dict[str, Any]) -> None:
    base = {"errorDeclaration": DECLARED} if "rdfs:comment" in change.get("errorDeclaration", {}) else {}
    assert content_digest(parts(event(**change))) != content_digest(parts(event(**base)))


def test_an_empty_list_says_nothing() -> None:
    empty = event(quantityList=[], sourceList=[], certificationInfo=["urn:cert:1"])
    assert content_digest(parts(empty)) == content_digest(parts(event(certificationInfo="urn:cert:1")))


def test_names_of_statements_are_not_content() -> None:
    bare = event(errorDeclaration=DECLARED)
    named = event(
        eventID="urn:uuid:a",
        recordTime="2026-03-01T09:20:00Z",
        errorDeclaration={**DECLARED, "correctiveEventIDs": ["urn:uuid:b"]},
    )
    assert content_digest(parts(bare)) == content_digest(parts(named))
    assert content_digest(replace(parts(bare), personal=b"{}", source=b"")) == content_digest(parts(bare))


def test_without_an_event_id_the_content_is_the_identity() -> None:
    assert rows(event()).identity == f"content:dairy.example\x00{content_digest(parts(event())).hex()}"
    assert rows(event()).event is None
    assert rows(event()).identity != rows(event(action="ADD")).identity


def test_who_captured_it_is_part_of_the_identity() -> None:
    for one in (event(), event(eventID="urn:uuid:a")):
        data = json.dumps(one).encode()
        identities = {
            index_rows(read_document(data, captured_by=name).events[0].event.parts).identity for name in ("a", "b")
        }
        assert len(identities) == 2


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (("4.1", "4.10", "41e-1", "0.41E+1", "0004.1", "410e-2"), "41e-1"),
        (("0", "-0", "0.00", "0e5"), "0"),
        (("100", "1e2", "1E+2", "100.0"), "1e2"),
        (("9007199254740993",), "9007199254740993"),
        (("-1.5",), "-15e-1"),
    ],
)
def test_numbers_compare_by_value(texts: tuple[str, ...], value: str) -> None:
    assert {plain_number(text) for text in texts} == {value}


def test_the_view_of_all_parts() -> None:
    text = json.dumps(
        event(
            eventID="urn:uuid:a",
            recordTime="2026-03-01T09:20:00Z",
            action="ADD",
            bizStep="commissioning",
            disposition="active",
            persistentDisposition={"set": ["completeness_verified"], "unset": ["completeness_inferred"]},
            errorDeclaration={**DECLARED, "correctiveEventIDs": ["urn:uuid:b"]},
            quantityList=[{"epcClass": LOT, "quantity": 4.5, "uom": "KGM"}],
            readPoint={"id": PLACE},
            bizLocation={"id": PLACE},
            bizTransactionList=[{"bizTransaction": "urn:po:1"}],
            sourceList=[{"type": "owning_party", "source": PARTY}],
            destinationList=[{"type": "location", "destination": PLACE}],
            sensorElementList=[{"sensorReport": [{"type": "Temperature", "value": 4.5}]}],
            ilmd={"cbvmda:lotNumber": "A7"},
            certificationInfo="urn:cert:1",
            **{"rdfs:a": 4.5},
        )
    ).replace("4.5", "4.50")
    view = view_of(parts(text))
    assert (view.type, view.captured_by, view.occurred_at, view.offset) == (
        "epcis.object_event.v2",
        DAIRY,
        AT,
        "+01:00",
    )
    assert (view.action, view.biz_step, view.disposition) == ("ADD", "commissioning", "active")
    assert (view.persistent_set, view.persistent_unset) == (("completeness_verified",), ("completeness_inferred",))
    assert view.declaration == ErrorDeclaration("2026-03-02T01:00:00+01:00", "did_not_occur", ("urn:uuid:b",))
    assert view.items == (Item("epcList", PACK), Item("quantityList", LOT, Decimal("4.50"), "KGM"))
    assert str(view.items[1].quantity) == "4.50"
    assert view.ids("epcList", "quantityList") == (PACK, LOT)
    assert (view.parent, view.transformation_id) == (None, None)
    assert (view.read_point, view.biz_location) == (PLACE, PLACE)
    assert view.biz_transactions == ((None, "urn:po:1"),)
    assert view.sources == (("owning_party", PARTY),)
    assert view.destinations == (("location", PLACE),)
    assert Decimal(view.sensor_elements[0]["sensorReport"][0]["value"]) == Decimal("4.5")
    assert view.ilmd == {"urn:epcglobal:cbv:mda:lotNumber": "A7"}
    assert view.certification == "urn:cert:1"
    assert (view.event_id, view.record_time) == ("urn:uuid:a", "2026-03-01T09:20:00Z")
    assert view.extensions == {"http://www.w3.org/2000/01/rdf-schema#a": "4.50"}


def test_the_view_of_closed_parts_is_silent() -> None:
    whole = parts(typed("AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[PACK], errorDeclaration=DECLARED))
    assert view_of(whole).parent == PALLET
    view = view_of(Parts(whole.head))
    assert view.items == ()
    assert view.declaration == ErrorDeclaration("2026-03-02T01:00:00+01:00", "did_not_occur", ())
    assert (view.read_point, view.sources, view.sensor_elements, view.ilmd, view.extensions) == (
        None,
        (),
        (),
        None,
        None,
    )


@pytest.mark.parametrize("extension", [{}, {"data": 5}, {"data": "abcde"}, {"tags": "x"}, {"eventID": "urn:uuid:a"}])
def test_an_epcis_event_carries_no_data(extension: dict[str, Any]) -> None:
    found = read(event(**extension), context=[CONTEXT, "https://x.example/context.jsonld"])
    assert opaque_data(found.events[0].event.parts) == b""


def test_only_a_deletion_of_nothing_empties_the_parent() -> None:
    item = b'{"list":"parentID","id":"' + PALLET.encode() + b'"}'
    for action, marks in ((b"ADD", 0), (b"DELETE", 1)):
        head = (
            b'{"type":"epcis.aggregation_event.v2","captured_by":"x.example",'
            b'"occurred_at":"2026-03-01T08:15:00.000000Z","eventTimeZoneOffset":"+01:00","action":"' + action + b'"}'
        )
        assert len(index_rows(Parts(head=head, what=(item,))).marks) == marks
