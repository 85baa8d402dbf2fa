"""The rules of each event type and field: what is refused, where it is said to be wrong, and what is only warned of."""

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
    read,
    typed,
    warnings,
)

AT = "$.epcisBody.eventList[0]"
PO = [{"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:9521234000006:1"}]
REPORT = {"type": "Temperature", "value": 4.1, "uom": "CEL"}


def sensor(**report: Any) -> dict[str, Any]:
    return event(sensorElementList=[{"sensorReport": [{**REPORT, **report}]}])


@pytest.mark.parametrize(
    ("wrong", "path", "code"),
    [
        (event(type=None), "", "epcis.missing_field"),
        (event(type="ObjectEventInvalid"), ".type", "epcis.event_type"),
        (event(type="CustomEvent"), ".type", "epcis.event_type"),
        (event(type=["ObjectEvent"]), ".type", "epcis.event_type"),
        (event(eventTime=None), "", "epcis.missing_field"),
        (event(eventTime="2026-03-01T09:15:00"), ".eventTime", "epcis.naive_time"),
        (event(eventTime="2026-03-01T09:15:00.5"), ".eventTime", "epcis.naive_time"),
        (event(eventTime="2026-03-01"), ".eventTime", "epcis.time"),
        (event(eventTime="2026-02-30T09:15:00Z"), ".eventTime", "epcis.time"),
        (event(eventTime="2026-03-01T24:00:00Z"), ".eventTime", "epcis.time"),
        (event(eventTime="2026-03-01T09:15:00+14:01"), ".eventTime", "epcis.time"),
        (event(eventTime="2026-03-01 09:15:00Z"), ".eventTime", "epcis.time"),
        (event(eventTime="٢٠٢٦-03-01T09:15:00Z"), ".eventTime", "epcis.time"),
        (event(eventTime="0001-01-01T00:00:00+01:00"), ".eventTime", "epcis.time"),
        (event(eventTime=1772352900), ".eventTime", "epcis.time"),
        (event(eventTimeZoneOffset=None), "", "epcis.missing_field"),
        (event(eventTimeZoneOffset="+14:01"), ".eventTimeZoneOffset", "epcis.offset"),
        (event(eventTimeZoneOffset="+01"), ".eventTimeZoneOffset", "epcis.offset"),
        (event(eventTimeZoneOffset="Z"), ".eventTimeZoneOffset", "epcis.offset"),
        (event(eventTimeZoneOffset=60), ".eventTimeZoneOffset", "epcis.offset"),
        (event(recordTime="now"), ".recordTime", "epcis.time"),
        (event(action=None), "", "epcis.missing_field"),
        (event(action="CREATE"), ".action", "epcis.action"),
        (event(action="add"), ".action", "epcis.action"),
        (event(action=["ADD"]), ".action", "epcis.action"),
        (event(bizStep="transforming"), ".bizStep", "epcis.vocabulary"),
        (event(bizStep="Shipping"), ".bizStep", "epcis.vocabulary"),
        (event(bizStep=""), ".bizStep", "epcis.type"),
        (event(bizStep=["shipping"]), ".bizStep", "epcis.type"),
        (event(bizStep="https://x.example/a b"), ".bizStep", "epcis.uri"),
        (event(disposition="broken"), ".disposition", "epcis.vocabulary"),
        (event(persistentDisposition={}), ".persistentDisposition", "epcis.persistent_disposition"),
        (event(persistentDisposition=["active"]), ".persistentDisposition", "epcis.persistent_disposition"),
        (event(persistentDisposition={"set": []}), ".persistentDisposition.set", "epcis.persistent_disposition"),
        (event(persistentDisposition={"set": ["test"]}), ".persistentDisposition.set[0]", "epcis.vocabulary"),
        (event(eventID="1234"), ".eventID", "epcis.event_id"),
        (event(bizStep="https://steps.example/\u200b"), ".bizStep", "epcis.uri"),
        (event(bizStep="step", **{"@context": {"step": "https://steps.example/\x1b"}}), ".bizStep", "epcis.uri"),
        (event(eventID=1234), ".eventID", "epcis.event_id"),
        (event(madeUpField="x"), ".madeUpField", "epcis.unknown_field"),
        (event(**{"epcis:bizStep": "x"}), "['epcis:bizStep']", "epcis.reserved_name"),
        (event(**{"rdfs:a": 1, "http://www.w3.org/2000/01/rdf-schema#a": 2}),
         "['http://www.w3.org/2000/01/rdf-schema#a']", "epcis.repeated_name"),
        (event(childEPCs=[PACK]), ".childEPCs", "epcis.field_of_other_type"),
        # what
        (event(epcList=None), "", "epcis.what"),
        (event(epcList=[]), "", "epcis.what"),
        (event(epcList=None, sensorElementList=[{"sensorReport": [REPORT]}]), "", "epcis.what"),
        (event(epcList=PACK), ".epcList", "epcis.type"),
        (event(epcList=[7]), ".epcList[0]", "epcis.type"),
        (event(epcList=[PACK, "1001"]), ".epcList[1]", "gs1.not_a_uri"),
        (event(epcList=[PACK, PACK]), ".epcList[1]", "epcis.repeated_item"),
        (event(epcList=["https://id.gs1.org/01/09521234000014/21/1"]), ".epcList[0]", "gs1.check_digit"),
        (event(epcList=["urn:epc:id:sscc:9521234"]), ".epcList[0]", "gs1.urn_syntax"),
        (event(quantityList={}), ".quantityList", "epcis.type"),
        (event(quantityList=[LOT]), ".quantityList[0]", "epcis.type"),
        (event(quantityList=[{"quantity": 1}]), ".quantityList[0]", "epcis.missing_field"),
        (event(quantityList=[{"epcClass": LOT, "quantity": "1"}]), ".quantityList[0].quantity", "epcis.quantity"),
        (event(quantityList=[{"epcClass": LOT, "quantity": -1}]), ".quantityList[0].quantity", "epcis.quantity"),
        (event(quantityList=[{"epcClass": LOT, "quantity": True}]), ".quantityList[0].quantity", "epcis.quantity"),
        (event(quantityList=[{"epcClass": LOT, "quantity": 1, "uom": "kg"}]), ".quantityList[0].uom", "epcis.uom"),
        (event(quantityList=[{"epcClass": LOT, "quantity": 1, "uom": "KILO"}]), ".quantityList[0].uom", "epcis.uom"),
        (event(quantityList=[{"epcClass": LOT, "weight": 5}]), ".quantityList[0].weight", "epcis.unknown_field"),
        (typed("AggregationEvent", action="ADD", childEPCs=[PACK]), "", "epcis.what"),
        (typed("AggregationEvent", action="DELETE", childEPCs=[PACK]), "", "epcis.what"),
        (typed("AggregationEvent", action="ADD", parentID=PALLET), "", "epcis.what"),
        (typed("AggregationEvent", action="OBSERVE", parentID=PALLET, childEPCs=[]), "", "epcis.what"),
        (typed("AggregationEvent", action="ADD", parentID=[PALLET], childEPCs=[PACK]), ".parentID", "epcis.type"),
        (typed("AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[PACK], epcList=[PACK]), ".epcList",
         "epcis.field_of_other_type"),
        (typed("AssociationEvent", action="ADD", childEPCs=[PACK]), "", "epcis.what"),
        (typed("AssociationEvent", action="ADD", parentID=PLACE), "", "epcis.what"),
        (typed("TransactionEvent", action="ADD", epcList=[PACK]), "", "epcis.what"),
        (typed("TransactionEvent", action="ADD", bizTransactionList=PO), "", "epcis.what"),
        (typed("TransformationEvent", action=None, inputEPCList=[PACK]), "", "epcis.what"),
        (typed("TransformationEvent", action=None, transformationID=LOT), "", "epcis.what"),
        # where
        (event(readPoint=PLACE), ".readPoint", "epcis.type"),
        (event(readPoint={}), ".readPoint", "epcis.missing_field"),
        (event(readPoint={"id": "https://id.gs1.org/414/9521234000007"}), ".readPoint.id", "gs1.check_digit"),
        (event(bizLocation={"id": PLACE, "name": "gate"}), ".bizLocation.name", "epcis.unknown_field"),
        # why
        (event(bizTransactionList=PO[0]), ".bizTransactionList", "epcis.type"),
        (event(bizTransactionList=["po"]), ".bizTransactionList[0]", "epcis.type"),
        (event(bizTransactionList=[{"type": "po"}]), ".bizTransactionList[0]", "epcis.missing_field"),
        (event(bizTransactionList=[{"bizTransaction": "PO 1"}]), ".bizTransactionList[0].bizTransaction",
         "gs1.not_a_uri"),
        (event(bizTransactionList=[{**PO[0], "type": "order"}]), ".bizTransactionList[0].type", "epcis.vocabulary"),
        (event(bizTransactionList=[{**PO[0], "date": 1}]), ".bizTransactionList[0].date", "epcis.unknown_field"),
        (event(sourceList=[{"source": PARTY}]), ".sourceList[0]", "epcis.missing_field"),
        (event(destinationList=[{"type": "owner", "destination": PARTY}]), ".destinationList[0].type",
         "epcis.vocabulary"),
        (event(destinationList=[{"type": "location", "source": PARTY, "destination": PARTY}]),
         ".destinationList[0].source", "epcis.unknown_field"),
        # how
        (event(ilmd={"rdfs:a": 1}), ".ilmd", "epcis.ilmd"),
        (event(action="ADD", ilmd={"materialType": "soil"}), ".ilmd.materialType", "epcis.unknown_field"),
        (event(action="ADD", ilmd=[]), ".ilmd", "epcis.type"),
        (event(sensorElementList={}), ".sensorElementList", "epcis.type"),
        (event(sensorElementList=[7]), ".sensorElementList[0]", "epcis.type"),
        (event(sensorElementList=[{}]), ".sensorElementList[0]", "epcis.missing_field"),
        (event(sensorElementList=[{"sensorReport": []}]), ".sensorElementList[0].sensorReport", "epcis.type"),
        (event(sensorElementList=[{"sensorReport": [1]}]), ".sensorElementList[0].sensorReport[0]", "epcis.type"),
        (event(sensorElementList=[{"sensorReport": [{"value": 1}]}]), ".sensorElementList[0].sensorReport[0]",
         "epcis.missing_field"),
        (event(sensorElementList=[{"sensorMetadata": 1, "sensorReport": [REPORT]}]),
         ".sensorElementList[0].sensorMetadata", "epcis.type"),
        (event(sensorElementList=[{"sensorMetadata": {"time": "noon"}, "sensorReport": [REPORT]}]),
         ".sensorElementList[0].sensorMetadata.time", "epcis.time"),
        (event(sensorElementList=[{"type": 1, "sensorReport": [REPORT]}]), ".sensorElementList[0].type", "epcis.type"),
        (sensor(value="cold"), ".sensorElementList[0].sensorReport[0].value", "epcis.sensor_value"),
        (sensor(booleanValue="true"), ".sensorElementList[0].sensorReport[0].booleanValue", "epcis.sensor_value"),
        (sensor(hexBinaryValue="f0f"), ".sensorElementList[0].sensorReport[0].hexBinaryValue", "epcis.sensor_value"),
        (sensor(stringValue=1), ".sensorElementList[0].sensorReport[0].stringValue", "epcis.type"),
        (sensor(uriValue="thing"), ".sensorElementList[0].sensorReport[0].uriValue", "epcis.uri"),
        (sensor(deviceID="sensor 7"), ".sensorElementList[0].sensorReport[0].deviceID", "gs1.not_a_uri"),
        (sensor(colour="blue"), ".sensorElementList[0].sensorReport[0].colour", "epcis.unknown_field"),
        (event(certificationInfo="test"), ".certificationInfo", "epcis.certification"),
        (event(certificationInfo=["urn:a:1", "urn:a:2"]), ".certificationInfo", "epcis.certification"),
        (event(certificationInfo={"gs1:certificationStartDate": "soon"}), ".certificationInfo",
         "epcis.certification"),
        (event(certificationInfo=[{"gs1:a": {"gs1:certificationAuditDate": {"@value": "2026-13-01"}}}]),
         ".certificationInfo[0]", "epcis.certification"),
        # error declarations
        (event(errorDeclaration=False), ".errorDeclaration", "epcis.type"),
        (event(errorDeclaration={}), ".errorDeclaration", "epcis.missing_field"),
        (event(errorDeclaration={"declarationTime": "now"}), ".errorDeclaration.declarationTime", "epcis.time"),
        (event(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z", "reason": "typo"}),
         ".errorDeclaration.reason", "epcis.vocabulary"),
        (event(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z", "correctiveEventIDs": "urn:a:b"}),
         ".errorDeclaration.correctiveEventIDs", "epcis.type"),
        (event(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z", "correctiveEventIDs": ["b"]}),
         ".errorDeclaration.correctiveEventIDs[0]", "epcis.event_id"),
        (event(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z", "why": "b"}),
         ".errorDeclaration.why", "epcis.unknown_field"),
        (event(**{"@context": 7}), "['@context']", "epcis.context"),
        (event(**{"@context": {f"x{i}": "https://x.example/" for i in range(1000)}}), "['@context']", "epcis.context"),
        (event(**{"rdfs:x": {"@context": 7}}), "['rdfs:x']['@context']", "epcis.context"),
    ],
)  # fmt: skip
def test_a_malformed_event_is_refused(wrong: dict[str, Any], path: str, code: str) -> None:
    found = read(wrong)
    assert (AT + path, code) in errors(found)
    assert found.events == []
    assert not found.valid
    for problem in found.problems:
        assert problem.message.endswith(".")
        assert problem.index == 0


def test_null_is_no_value() -> None:
    found = read(typed("AggregationEvent", action="OBSERVE", childEPCs=[PACK]) | {"parentID": None})
    assert errors(found) == [(f"{AT}.parentID", "epcis.type")]


def test_all_problems_are_told_at_once() -> None:
    found = read(event(eventTime=None, action="CREATE", bizStep="x", epcList=["x"]), event(disposition="x"))
    assert [code for _, code in errors(found)] == [
        "epcis.missing_field", "epcis.action", "epcis.vocabulary", "gs1.not_a_uri", "epcis.vocabulary",
    ]  # fmt: skip
    assert [problem.index for problem in found.problems] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "good",
    [
        event(quantityList=[{"epcClass": LOT}], epcList=None),
        event(quantityList=[{"epcClass": LOT, "quantity": 4.5, "uom": "KGM"}], epcList=[]),
        event(epcList=None, readPoint={"id": PLACE}, sensorElementList=[{"sensorReport": [REPORT]}]),
        event(epcList=[], sensorElementList=[{"sensorReport": [REPORT]}]),
        event(readPoint={"id": PLACE, "type": "gs1:Place", "rdfs:label": "gate"}),
        event(bizLocation={"id": "geo:52.5,13.4"}),
        event(type="epcis:ObjectEvent"),
        event(eventTime="2026-03-01T09:15:00.123456789-14:00", eventTimeZoneOffset="-14:00"),
        event(action="ADD", ilmd={"cbvmda:lotNumber": "A7"}),
        event(certificationInfo="https://certificates.example/1"),
        event(certificationInfo=["https://certificates.example/1"]),
        event(certificationInfo=[{"gs1:certificationAuditDate": "2026-01-31"}]),
        event(certificationInfo={"gs1:certificationStartDate": {"@type": "xsd:date", "@value": "2026-01-31"}}),
        event(persistentDisposition={"unset": ["recalled"], "set": ["active"]}),
        event(eventID="ni:///sha-256;00?ver=CBV2.0"),
        typed("AggregationEvent", action="OBSERVE", childEPCs=[PACK]),
        typed("AggregationEvent", action="DELETE", parentID=PALLET),
        typed("AggregationEvent", action="DELETE", parentID=PALLET, childEPCs=[]),
        typed("AggregationEvent", action="ADD", parentID=PALLET, childQuantityList=[{"epcClass": LOT, "quantity": 1}]),
        typed("AssociationEvent", action="ADD", parentID=PLACE, childEPCs=[PACK]),
        typed("TransactionEvent", action="ADD", bizTransactionList=PO, epcList=[PACK]),
        typed("TransactionEvent", action="ADD", bizTransactionList=PO, epcList=[PACK, PACK]),
        typed("TransactionEvent", action="DELETE", bizTransactionList=PO),
        typed("TransformationEvent", action=None, inputEPCList=[PACK], outputEPCList=[OTHER_PACK]),
        typed("TransformationEvent", action=None, inputEPCList=[PACK], transformationID=LOT),
        event(sourceList=[{"type": "https://x.example/carrier", "source": PARTY}]),
        event(eventID="urn:a:b", errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z", "rdfs:comment": "oops"}),
        sensor(component="x", exception="ALARM_CONDITION", hexBinaryValue="F0", booleanValue=False),
    ],
)
def test_a_well_formed_event_is_taken_without_a_word(good: dict[str, Any]) -> None:
    found = read(good, context=[CONTEXT])
    assert found.problems == []
    assert len(found.events) == 1


@pytest.mark.parametrize(
    ("odd", "path", "code"),
    [
        (event(**{"x:y": 1}), "['x:y']", "epcis.unresolved_name"),
        (event(quantityList=[{"epcClass": LOT, "uom": "KGM"}]), ".quantityList[0].uom", "epcis.quantity"),
        (event(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z"}), ".errorDeclaration",
         "epcis.nothing_retracted"),
        (event(bizStep="x:stepping"), ".bizStep", "epcis.unresolved_name"),
        (event(bizStep="urn:epcglobal:cbv:bizstep:transforming"), ".bizStep", "epcis.unknown_word"),
        (event(bizStep="https://ref.gs1.org/cbv/Disp-active"), ".bizStep", "epcis.unknown_word"),
        (event(bizStep="cbv:BizStep-transforming"), ".bizStep", "epcis.unknown_word"),
        (event(bizTransactionList=[{"type": "urn:epcglobal:cbv:btt:memo", "bizTransaction": "urn:a:b"}]),
         ".bizTransactionList[0].type", "epcis.unknown_word"),
        (event(bizTransactionList=[{"bizTransaction": "urn:epc:po:123"}]), ".bizTransactionList[0].bizTransaction",
         "gs1.urn_syntax"),
        (sensor(type="Ripeness"), ".sensorElementList[0].sensorReport[0].type", "epcis.unknown_word"),
        (sensor(value="4.10"), ".sensorElementList[0].sensorReport[0].value", "epcis.number_as_text"),
        (event(sensorElementList=[{"sensorMetadata": {"deviceID": "urn:a:b"},
                                   "sensorReport": [{**REPORT, "deviceID": "urn:a:b"}]}]),
         ".sensorElementList[0].sensorReport[0].deviceID", "epcis.repeated_sensor_attribute"),
        (typed("TransformationEvent", action="ADD", inputEPCList=[PACK], outputEPCList=[OTHER_PACK]), ".action",
         "epcis.field_of_other_type"),
    ],
)  # fmt: skip
def test_what_is_only_odd_is_kept_with_a_warning(odd: dict[str, Any], path: str, code: str) -> None:
    found = read(odd)
    assert [(problem.path, problem.code) for problem in warnings(found)] == [(AT + path, code)]
    assert found.valid
    assert len(found.events) == 1
