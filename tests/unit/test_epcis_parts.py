"""From an event to the bytes of its parts: the commitment's vector, the order of its table, names and words."""

import json
from typing import Any

import pytest

from tests.support.epcis_events import (
    CONTEXT,
    LOT,
    OTHER_PACK,
    PACK,
    PALLET,
    PARTY,
    PLACE,
    errors,
    event,
    parts,
    read,
    typed,
)
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.ledger.commitment import commit, open_items
from traceability.ledger.parts import ITEM_LISTS, MORE
from traceability.notary.content import check_part

TABLE = set(ITEM_LISTS) | {
    "type", "captured_by", "occurred_at", "eventTime", "eventTimeZoneOffset", "action", "bizStep", "disposition",
    "persistentDisposition", "errorDeclaration", "declarationTime", "reason", "correctiveEventIDs", "readPoint",
    "bizLocation", "bizTransactionList", "sourceList", "destinationList", "sensorElementList", "ilmd",
    "certificationInfo", "eventID", "recordTime", "list", "id", "tags", "payload", "data",
}  # fmt: skip
DAIRY_NS = {"dairy": "https://dairy.example/ns#"}


def test_the_vector_of_the_commitment() -> None:
    text = """{
      "sensorElementList": [{"sensorReport": [{"type": "gs1:Temperature", "value": 4.10, "uom": "CEL"}]}],
      "dairy:packer": "A. Muster", "@context": {"dairy": "https://dairy.example/ns#"},
      "readPoint": {"id": "urn:epc:id:sgln:9521234.00000.0"},
      "bizStep": "urn:epcglobal:cbv:bizstep:packing",
      "childEPCs": ["urn:epc:id:sgtin:9521234.000001.1001", "https://dairy.example/01/09521234000013/21/1002"],
      "action": "ADD", "parentID": "urn:epc:id:sscc:9521234.0000000001",
      "eventTimeZoneOffset": "+01:00", "eventTime": "2026-03-01T09:15:00+01:00",
      "eventID": "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001", "type": "AggregationEvent"
    }"""
    found = parts(text, personal=("https://dairy.example/ns#packer",))
    assert found.source == text.encode()
    assert found.head == (
        b'{"type":"epcis.aggregation_event.v2","captured_by":"dairy.example",'
        b'"occurred_at":"2026-03-01T08:15:00.000000Z","eventTimeZoneOffset":"+01:00","action":"ADD","bizStep":"packing"}'
    )
    assert found.what == (
        b'{"list":"parentID","id":"https://id.gs1.org/00/095212340000000013"}',
        b'{"list":"childEPCs","id":"https://id.gs1.org/01/09521234000013/21/1001"}',
        b'{"list":"childEPCs","id":"https://id.gs1.org/01/09521234000013/21/1002"}',
    )
    assert found.where == b'{"readPoint":{"id":"https://id.gs1.org/414/9521234000006"}}'
    assert found.why == b""
    assert found.how == b'{"sensorElementList":[{"sensorReport":[{"type":"Temperature","value":4.10,"uom":"CEL"}]}]}'
    assert found.more == b'{"eventID":"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"}'
    assert found.personal == b'{"https://dairy.example/ns#packer":"A. Muster"}'
    root, _ = open_items(found, bytes(range(32)), [0])
    assert root.hex() == "51bc23b4e612f183395b557b6a46eb154ab84cac371edd849de00e3c4f91688f"
    without_source = type(found)(found.head, found.what, found.where, found.why, found.how, found.more, found.personal)
    commitment = commit(without_source, bytes(range(32)), bytes(range(32, 64)))
    assert commitment.hex() == "ec8407935b1f77a8f8bb2b398708f8dea6915ce9ff68603c90a1655a4034a786"


def test_every_part_follows_the_order_of_the_table() -> None:
    declaration = {
        "rdfs:comment": "twice",
        "correctiveEventIDs": ["urn:uuid:b"],
        "reason": "incorrect_data",
        "declarationTime": "2026-03-02T00:00:00+01:00",
    }
    jumbled = event(
        **{"dcterms:b": 1, "dcterms:a": 2},
        recordTime="2026-03-01T09:20:00+01:00",
        errorDeclaration=declaration,
        eventID="urn:uuid:a",
        certificationInfo="urn:cert:1",
        action="ADD",
        ilmd={"cbvmda:lotNumber": "A7"},
        sensorElementList=[{"sensorReport": [{"uom": "CEL", "type": "Temperature"}]}],
        destinationList=[{"destination": PARTY, "type": "owning_party"}],
        sourceList=[{"source": PARTY, "type": "cbv:SDT-possessing_party"}],
        bizTransactionList=[{"bizTransaction": "urn:po:1", "type": "https://ref.gs1.org/cbv/BTT-po"}],
        bizLocation={"rdfs:label": "gate", "id": PLACE},
        readPoint={"id": PLACE},
        persistentDisposition={"unset": ["active"], "set": ["urn:epcglobal:cbv:disp:recalled"]},
        disposition="in_transit",
        bizStep="shipping",
        quantityList=[{"uom": "KGM", "quantity": 4.50, "epcClass": LOT}],
    )
    found = parts(json.dumps(jumbled).replace("4.5,", "4.50,"))
    assert list(json.loads(found.head)) == [
        "type", "captured_by", "occurred_at", "eventTimeZoneOffset", "action", "bizStep", "disposition",
        "persistentDisposition", "errorDeclaration",
    ]  # fmt: skip
    assert json.loads(found.head)["errorDeclaration"] == {
        "reason": "incorrect_data", "declarationTime": "2026-03-02T00:00:00+01:00",
    }  # fmt: skip
    assert b'"persistentDisposition":{"unset":["active"],"set":["recalled"]}' in found.head
    assert found.what[1] == b'{"list":"quantityList","id":"' + LOT.encode() + b'","quantity":4.50,"uom":"KGM"}'
    assert found.where.decode() == (
        f'{{"readPoint":{{"id":"{PLACE}"}},'
        f'"bizLocation":{{"http://www.w3.org/2000/01/rdf-schema#label":"gate","id":"{PLACE}"}}}}'
    )
    assert found.why.decode() == (
        '{"bizTransactionList":[{"bizTransaction":"urn:po:1","type":"po"}],'
        f'"sourceList":[{{"source":"{PARTY}","type":"possessing_party"}}],'
        f'"destinationList":[{{"destination":"{PARTY}","type":"owning_party"}}]}}'
    )
    assert found.how == (
        b'{"sensorElementList":[{"sensorReport":[{"uom":"CEL","type":"Temperature"}]}],'
        b'"ilmd":{"urn:epcglobal:cbv:mda:lotNumber":"A7"},"certificationInfo":"urn:cert:1"}'
    )
    assert found.more == (
        b'{"eventID":"urn:uuid:a","errorDeclaration":{"http://www.w3.org/2000/01/rdf-schema#comment":"twice",'
        b'"correctiveEventIDs":["urn:uuid:b"]},"recordTime":"2026-03-01T09:20:00+01:00",'
        b'"http://purl.org/dc/terms/b":1,"http://purl.org/dc/terms/a":2}'
    )
    assert found.personal == b""


def test_items_come_in_the_order_of_the_table_and_inside_a_list_as_received() -> None:
    made = typed(
        "TransformationEvent",
        action=None,
        outputQuantityList=[{"epcClass": LOT}],
        outputEPCList=[OTHER_PACK, PACK],
        inputQuantityList=[{"epcClass": LOT, "quantity": 1}],
        inputEPCList=[PALLET],
        transformationID="urn:epc:id:gdti:9521234.00001.7",
    )
    assert [json.loads(item)["list"] for item in parts(made).what] == [
        "transformationID", "inputEPCList", "inputQuantityList", "outputEPCList", "outputEPCList", "outputQuantityList",
    ]  # fmt: skip
    assert [json.loads(item)["id"] for item in parts(made).what[3:5]] == [OTHER_PACK, PACK]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-03-01T09:15:00+01:00", "2026-03-01T08:15:00.000000Z"),
        ("2026-03-01T00:15:00.1+14:00", "2026-02-28T10:15:00.100000Z"),
        ("2026-03-01T23:59:59.9999999Z", "2026-03-01T23:59:59.999999Z"),
        ("2026-12-31T23:59:59.999999999-14:00", "2027-01-01T13:59:59.999999Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00.000000Z"),
    ],
)
def test_the_time_is_in_utc_and_cut(time: str, expected: str) -> None:
    assert json.loads(parts(event(eventTime=time)).head)["occurred_at"] == expected


@pytest.mark.parametrize(
    "spelling",
    [
        "shipping",
        "urn:epcglobal:cbv:bizstep:shipping",
        "https://ref.gs1.org/cbv/BizStep-shipping",
        "https://ns.gs1.org/cbv/BizStep-shipping",
        "cbv:BizStep-shipping",
        "mine:BizStep-shipping",
    ],
)
def test_a_word_of_the_vocabulary_is_bare(spelling: str) -> None:
    found = parts(event(bizStep=spelling), context=[CONTEXT, {"mine": "https://ref.gs1.org/cbv/"}])
    assert json.loads(found.head)["bizStep"] == "shipping"


@pytest.mark.parametrize("spelling", ["https://x.example/step", "x:step", "step"])
def test_a_private_term_is_a_full_uri(spelling: str) -> None:
    found = parts(event(bizStep=spelling), context=[CONTEXT, {"x": "https://x.example/", "step": "x:step"}])
    assert json.loads(found.head)["bizStep"] == "https://x.example/step"


@pytest.mark.parametrize("spelling", ["Temperature", "gs1:Temperature", "https://gs1.org/voc/Temperature"])
def test_a_measurement_type_is_bare(spelling: str) -> None:
    report = {"type": spelling, "exception": "gs1:ALARM_CONDITION", "component": "cbv:Comp-x"}
    found = parts(event(sensorElementList=[{"sensorReport": [report]}]))
    assert json.loads(found.how)["sensorElementList"][0]["sensorReport"] == [
        {"type": "Temperature", "exception": "ALARM_CONDITION", "component": "x"}
    ]


@pytest.mark.parametrize(
    ("context", "name", "expected"),
    [
        ({"x": "https://x.example/"}, "x:a", "https://x.example/a"),
        ([CONTEXT, {"x": "https://x.example/"}], "x:a", "https://x.example/a"),
        ([{"x": "https://old.example/"}, {"x": "https://x.example/"}], "x:a", "https://x.example/a"),
        ({"x": "https://x.example"}, "x:a", "https://x.examplea"),
        ({"x": {"@id": "https://x.example/", "@prefix": True}}, "x:a", "https://x.example/a"),
        ({"y": "https://x.example/", "x": "y:b/"}, "x:a", "https://x.example/b/a"),
        ({"a": "https://x.example/a"}, "a", "https://x.example/a"),
        ({"@vocab": "https://x.example/"}, "a", "https://x.example/a"),
        (CONTEXT, "https://x.example/a", "https://x.example/a"),
        (CONTEXT, "urn:x:a", "urn:x:a"),
        (CONTEXT, "cbvmda:a", "urn:epcglobal:cbv:mda:a"),
        (CONTEXT, "gs1:a", "https://gs1.org/voc/a"),
        ({"cbvmda": "https://x.example/"}, "cbvmda:a", "https://x.example/a"),
        (None, "dcterms:a", "http://purl.org/dc/terms/a"),
    ],
)
def test_names_become_iris(context: Any, name: str, expected: str) -> None:
    assert json.loads(parts(event(**{name: 1}), context=context).more) == {expected: 1}


@pytest.mark.parametrize(
    ("context", "name"),
    [
        (CONTEXT, "x:a"),
        ([CONTEXT, "https://x.example/context.jsonld"], "x:a"),
        ([CONTEXT, "https://x.example/context.jsonld"], "bare"),
        ({"x": "y:", "y": "x:"}, "x:a"),
        ({"x": "@id"}, "x:a"),
        ({"x": None}, "x:a"),
        ({"x": "https://x.example/" + "x" * 512}, "x:a"),
        ({"@vocab": "https://x.example/", "x": "eventID"}, "y:a"),
    ],
)
def test_what_no_context_explains_stays_with_a_warning(context: Any, name: str) -> None:
    found = read(event(**{name: {name: 1}}), context=context)
    assert [(problem.code, problem.severity) for problem in found.problems] == [("epcis.unresolved_name", "warning")]
    assert json.loads(found.events[0].event.parts.more) == {name: {name: 1}}


def test_a_term_cannot_pass_for_a_field() -> None:
    found = read(event(readPoint={"alias": "urn:x:y", "id": PLACE}), context={"alias": "id"})
    assert errors(found) == [("$.epcisBody.eventList[0].readPoint.alias", "epcis.unknown_field")]


def test_contexts_nest() -> None:
    nested = event(
        **{
            "@context": [{"x": "https://inner.example/"}],
            "x:a": {"@context": {"y": "https://innermost.example/"}, "y:b": [{"y:c": 4.10, "x:d": None}]},
            "x:e": [{"f": True}],
            "readPoint": {"@context": {"x": "https://place.example/"}, "id": PLACE, "x:g": "dock"},
        }
    )
    outer = event(**{"x:a": 1})
    found = read(json.dumps(nested).replace("4.1,", "4.10,"), outer, context={"x": "https://outer.example/"})
    first, second = (captured.event.parts for captured in found.events)
    assert first.more == (
        b'{"https://inner.example/a":{"https://innermost.example/b":[{"https://innermost.example/c":4.10,'
        b'"https://inner.example/d":null}]},"https://inner.example/e":[{"f":true}]}'
    )
    assert json.loads(first.where)["readPoint"] == {"id": PLACE, "https://place.example/g": "dock"}
    assert second.more == b'{"https://outer.example/a":1}'
    assert [problem.path for problem in found.problems] == ["$.epcisBody.eventList[0]['x:e'][0].f"]


def test_the_names_inside_extensions_are_resolved_the_text_is_not() -> None:
    value = {
        "type": "x:T",
        "id": "x:1",
        "@type": ["x:T"],
        "@id": "x:1",
        "@value": "x:1",
        "x:v": "x:1",
        "@language": "de",
    }
    more = json.loads(parts(event(**{"x:a": value}), context={"x": "https://x.example/"}).more)
    assert more == {
        "https://x.example/a": {
            "type": "https://x.example/T",
            "id": "https://x.example/1",
            "@type": ["x:T"],
            "@id": "https://x.example/1",
            "@value": "x:1",
            "https://x.example/v": "x:1",
            "@language": "de",
        }
    }


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ({"x": "https://x.example/", "y": "https://x.example/"}, "y:a"),
        ({"x": "https://x.example/"}, "https://x.example/a"),
    ],
)
def test_two_names_of_one_meaning_are_refused(context: Any, name: str) -> None:
    for holder in ({"x:a": 1, name: 2}, {"x:b": {"x:a": 1, name: 2}}, {"readPoint": {"id": PLACE, "x:a": 1, name: 2}}):
        assert {code for _, code in errors(read(event(**holder), context=context))} == {"epcis.repeated_name"}


def test_personal_members_are_taken_out() -> None:
    one = event(
        **{"dairy:packer": "A. Muster", "dairy:shift": {"dairy:lead": "B. Muster", "dairy:no": 3}},
        action="ADD",
        ilmd={"dairy:vet": "C. Muster", "dairy:lot": "A7"},
        readPoint={"id": PLACE, "dairy:guard/night": "D. Muster"},
        sourceList=[{"type": "owning_party", "source": PARTY}, {"type": "location", "source": PLACE}],
    )
    personal = (
        "https://dairy.example/ns#packer",
        "https://dairy.example/ns#lead",
        "/ilmd/https:~1~1dairy.example~1ns#vet",
        "/readPoint/https:~1~1dairy.example~1ns#guard~1night",
        "/sourceList/0",
        "/never",
    )
    found = parts(one, context=DAIRY_NS, personal=personal)
    assert json.loads(found.personal) == {
        "/readPoint/https:~1~1dairy.example~1ns#guard~1night": "D. Muster",
        "/sourceList/0": {"type": "owning_party", "source": PARTY},
        "/ilmd/https:~1~1dairy.example~1ns#vet": "C. Muster",
        "https://dairy.example/ns#packer": "A. Muster",
        "/https:~1~1dairy.example~1ns#shift/https:~1~1dairy.example~1ns#lead": "B. Muster",
    }
    rest = b"".join(found.flat()[:5])
    assert b"Muster" not in rest
    assert PARTY.encode() not in rest
    assert json.loads(found.why) == {"sourceList": [{"type": "location", "source": PLACE}]}
    assert json.loads(found.more) == {"https://dairy.example/ns#shift": {"https://dairy.example/ns#no": 3}}
    assert b"Muster" in found.source


def test_a_part_of_which_nothing_is_left_is_absent() -> None:
    assert parts(event(readPoint={"id": PLACE}), personal=("/readPoint",)).where == b""


@pytest.mark.parametrize(
    "entry",
    [
        "packer",
        "",
        "/",
        "//",
        "/a~2",
        "/a/",
        "/epcList/0",
        "/eventTime",
        "/bizStep",
        "/errorDeclaration/reason",
        "a b:c",
    ],
)
def test_what_cannot_be_personal_is_refused(entry: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        PersonalMembers([entry])
    assert raised.value.code == "epcis.personal"
    with pytest.raises(InvalidInputError):
        read_document(b"", captured_by="x", personal=[entry])


REMOTE = [CONTEXT, "https://context.example/of-somebody.jsonld"]
"""A context that is never fetched, and so might explain any bare name."""


@pytest.mark.parametrize("name", ["captured_by", "occurred_at"])
def test_no_extension_takes_a_name_of_the_ledgers_own(name: str) -> None:
    """Every verifier refuses a part that holds a member of another: such an event could never be proved."""
    assert errors(read(event(**{name: "x"}), context=REMOTE)) == [
        (f"$.epcisBody.eventList[0].{name}", "epcis.reserved_name")
    ]
    declared = parts(event(**{name: "x"}), context=[CONTEXT, {name: f"https://ns.example/{name}"}])
    assert declared.more == b'{"https://ns.example/' + name.encode() + b'":"x"}'


@pytest.mark.parametrize("name", sorted(TABLE))
def test_whatever_an_extension_is_called_its_part_can_be_verified(name: str) -> None:
    for members in ({name: "x"}, {"errorDeclaration": {"declarationTime": "2026-03-02T00:00:00Z", name: "x"}}):
        for captured in read(event(**members), context=REMOTE).events:
            check_part(MORE, captured.event.parts.more)


def test_certifications_stay_as_they_were_sent() -> None:
    sent = ["https://certificates.example/1"]
    assert parts(event(certificationInfo=sent)).how == b'{"certificationInfo":["https://certificates.example/1"]}'
