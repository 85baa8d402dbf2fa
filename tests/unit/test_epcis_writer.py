"""Events as EPCIS writes them again."""

from __future__ import annotations

import json
from typing import Any

from tests.support.epcis_events import LOT, OTHER_PACK, PACK, PALLET, PLACE, event, parts, typed
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.ledger.access import redact
from traceability.ledger.parts import Parts

AT = 1_772_352_900_123_456


def written(found: Parts) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(write_event(found, AT))
    return members


def test_an_event_in_the_words_of_epcis() -> None:
    found = parts(
        typed(
            "AggregationEvent",
            action="ADD",
            eventID="urn:uuid:a",
            bizStep="urn:epcglobal:cbv:bizstep:packing",
            parentID="urn:epc:id:sscc:9521234.0000000001",
            childEPCs=[PACK, OTHER_PACK],
            childQuantityList=[{"epcClass": LOT, "quantity": 3, "uom": "KGM"}],
            readPoint={"id": PLACE},
            recordTime="2026-03-01T08:20:00Z",
            errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z", "correctiveEventIDs": ["urn:uuid:b"]},
        )
    )
    assert written(found) == {
        "type": "AggregationEvent",
        "eventID": "urn:uuid:a",
        "eventTime": "2026-03-01T08:15:00.000000Z",
        "eventTimeZoneOffset": "+01:00",
        "recordTime": "2026-03-01T08:15:00.123456Z",
        "errorDeclaration": {"declarationTime": "2026-03-02T00:00:00Z", "correctiveEventIDs": ["urn:uuid:b"]},
        "action": "ADD",
        "bizStep": "packing",
        "parentID": PALLET,
        "childEPCs": [PACK, OTHER_PACK],
        "childQuantityList": [{"epcClass": LOT, "quantity": 3, "uom": "KGM"}],
        "readPoint": {"id": PLACE},
    }


def test_numbers_are_as_they_were_written() -> None:
    one = json.dumps(event(epcList=None, quantityList=[{"epcClass": LOT, "quantity": 0}], **{"urn:x:n": 0}))
    text = one.replace('"quantity": 0', '"quantity": 4.10').replace('"urn:x:n": 0', '"urn:x:n": 9007199254740993.50')
    answer = write_event(parts(text), AT)
    assert b'"quantity":4.10}' in answer
    assert b'"urn:x:n":9007199254740993.50' in answer


def test_a_thing_that_was_named_in_two_spellings_is_named_once() -> None:
    found = parts(event(epcList=["urn:epc:id:sgtin:9521234.000001.1001", PACK]))
    assert len(found.what) == 2
    assert written(found)["epcList"] == [PACK]


def test_what_is_closed_is_absent() -> None:
    found = parts(event(eventID="urn:uuid:a", readPoint={"id": PLACE}))
    assert written(redact(found, frozenset({"where"}), ())).keys() == {
        "type", "eventTime", "eventTimeZoneOffset", "recordTime", "action", "readPoint",
    }  # fmt: skip


def test_personal_members_stand_where_they_were() -> None:
    orders = [{"type": "po", "bizTransaction": f"urn:po:{n}"} for n in range(3)]
    personal = ("/bizTransactionList/0", "/bizTransactionList/2/bizTransaction", "https://x.example/vet")
    one = event(bizTransactionList=orders, **{"https://x.example/vet": {"https://x.example/name": "A. Muster"}})
    found = parts(one, personal=personal)
    again = written(found)
    assert again["bizTransactionList"] == orders
    assert again["https://x.example/vet"] == {"https://x.example/name": "A. Muster"}
    closed = written(redact(found, frozenset({"why", "more"}), ()))
    assert closed["bizTransactionList"] == [orders[1], {"type": "po"}]
    assert "https://x.example/vet" not in closed


def test_the_document_around() -> None:
    document = json.loads(write_query_document([b'{"type":"ObjectEvent"}', b"{}"], created_at=AT))
    assert document["type"] == "EPCISQueryDocument"
    assert (document["schemaVersion"], document["creationDate"]) == ("2.0", "2026-03-01T08:15:00.123456Z")
    results = document["epcisBody"]["queryResults"]
    assert results["queryName"] == "SimpleEventQuery"
    assert results["resultsBody"]["eventList"] == [{"type": "ObjectEvent"}, {}]
