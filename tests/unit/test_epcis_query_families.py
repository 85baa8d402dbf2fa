"""Families of parameters: sensors, extensions, declarations; and the query language in JSON."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import random_events as some
from tests.support.epcis_events import CONTEXT, LOT, PACK, PLACE, event, parts
from traceability.gs1.epcis import view_of
from traceability.gs1.epcis.query.event_query import EventQuery, called, matches
from traceability.gs1.epcis.query.parameters import MAX_VALUES, read_json_query, read_query
from traceability.gs1.epcis.query.values import QueryParameterError, declared_names
from traceability.gs1.epcis.strict_json import read_value

NS = "https://ns.example/epcis/"
DECLARED = {"declarationTime": "2026-03-02T00:00:00Z", "reason": "did_not_occur"}


def found(parameters: dict[str, Any], **members: Any) -> bool:
    """Tell whether a query in JSON finds an event; `ex:` is declared in both."""
    view = view_of(parts(event(**members), context=[CONTEXT, {"ex": NS}]))
    query = {"@context": {"ex": NS}, **parameters}
    return matches(view, 0, read_json_query(read_value(json.dumps(query).encode())))


def sensed(metadata: dict[str, Any] | None = None, **report: Any) -> dict[str, Any]:
    element = {"sensorMetadata": metadata or {}, "sensorReport": [{"type": "Temperature", **report}]}
    return {"sensorElementList": [element]}


def test_a_reading_is_found_in_whatever_unit_it_is_asked_for() -> None:
    cold = sensed(value=4.1, uom="CEL")
    assert found({"EQ_value_KEL": [277.25]}, **cold)
    assert found({"EQ_value_CEL": [4.10, 5]}, **cold)
    assert found({"GE_value_KEL": 277.25, "LT_value_FAH": 39.39}, **cold)
    assert not found({"GT_value_KEL": 277.25}, **cold)
    assert not found({"GE_value_PAL": 0}, **cold)
    assert not found({"GE_maxValue_CEL": 0}, **cold)
    assert found({"GE_value": 4.1}, **cold)
    assert found({"EQ_value_ZZZ": [4]}, **sensed(value=4, uom="ZZZ"))
    assert not found({"EQ_value_CEL": [4]}, **sensed(value=4))


def test_a_spread_is_a_difference() -> None:
    assert found({"EQ_sDev_KEL": [2]}, **sensed(sDev=2, uom="CEL"))
    assert found({"LE_percRank": 50}, **sensed(percRank=50, uom="CEL"))


def test_an_attribute_counts_in_metadata_and_in_reports() -> None:
    for one in (sensed({"bizRules": "urn:x:a", "time": "2026-03-01T01:00:00+01:00"}),
                sensed(bizRules="urn:x:a", time="2026-03-01T00:00:00Z")):  # fmt: skip
        assert found({"EQ_bizRules": ["urn:x:b", "urn:x:a"]}, **one)
        assert found({"GE_time": "2026-03-01T00:00:00Z", "LT_time": "2026-03-01T00:00:01Z"}, **one)
        assert not found({"GE_startTime": "2026-03-01T00:00:00Z"}, **one)
        assert found({"EXISTS_sensorElementList": None}, **one)
    assert not found({"EXISTS_sensorElement": True})
    assert found({"EXISTS_sensorElementList": False})
    assert found({"EQ_hexBinaryValue": ["AB"]}, **sensed(hexBinaryValue="ab"))
    assert found({"EQ_booleanValue": True}, **sensed(booleanValue=True))
    assert found({"EQ_type": ["gs1:MT-Temperature"], "EQ_deviceID": ["urn:epc:id:giai:9521234.S1"]},
                 **sensed(deviceID="https://id.gs1.org/8004/9521234S1"))  # fmt: skip


@pytest.mark.parametrize(
    ("area", "members"),
    [
        ("", lambda value: value),
        ("ILMD_", lambda value: {"action": "ADD", "ilmd": value}),
        ("ERROR_DECLARATION_", lambda value: {"errorDeclaration": {**DECLARED, **value}, "eventID": "urn:x:1"}),
        ("SENSORELEMENT_", lambda value: {"sensorElementList": [{"sensorReport": [{"type": "Angle"}], **value}]}),
        ("SENSORMETADATA_", sensed),
        ("SENSORREPORT_", lambda value: sensed(None, **value)),
        ("readPoint_", lambda value: {"readPoint": {"id": PLACE, **value}}),
        ("bizLocation_", lambda value: {"bizLocation": {"id": PLACE, **value}}),
    ],
)
def test_a_field_is_found_in_its_own_area_and_nowhere_else(area: str, members: Any) -> None:
    flat, nested = members({"ex:grade": "A"}), members({"ex:lab": [{"ex:more": {"ex:grade": "A"}}]})
    assert found({f"EQ_{area}ex:grade": ["B", "A"]}, **flat)
    assert found({f"EXISTS_{area}ex:grade": None}, **flat)
    assert not found({f"EQ_INNER_{area}ex:grade": ["A"]}, **flat)
    assert found({f"EQ_INNER_{area}ex:grade": ["A"]}, **nested)
    assert found({f"EXISTS_INNER_{area}ex:more": 1}, **nested)
    assert not found({f"EXISTS_{area}ex:more": None}, **nested)
    others = {"", "ILMD_", "ERROR_DECLARATION_", "SENSORELEMENT_", "SENSORMETADATA_", "SENSORREPORT_", "readPoint_",
              "bizLocation_"} - {area}  # fmt: skip
    assert not any(found({f"EXISTS_{other}ex:grade": None}, **flat) for other in others)


@pytest.mark.parametrize(
    ("value", "how", "asked", "expected"),
    [
        (4.10, "EQ", 4.1, True),
        ("4.10", "EQ", 4.1, True),  # XML writes every value as text
        ("4.10", "EQ", ["4.1"], False),
        ("007", "EQ", 7, False),
        ("red", "EQ", ["red", "blue"], True),
        (True, "EQ", ["true"], True),
        (12, "GT", 9, True),
        ("12", "GT", 9, True),
        ("red", "GT", 9, False),
        ("2026-03-01", "LT", "2026-03-01T00:00:00.1Z", True),
        ("2026-03-01", "GE", "2026-03-01T01:00:00+01:00", True),
        ("2026-03-01T01:00:00+01:00", "EQ", ["2026-03-01T00:00:00Z"], True),
        ("2026-03-01T01:00:00", "GE", "2026-01-01", False),  # without an offset it is no moment
        ("2026-02-30", "GE", "2026-01-01", False),
        ([1, 5], "GE", 5, True),
        ({"@type": "xsd:date", "@value": "2026-03-01"}, "EQ", ["2026-03-01"], True),
        ({"ex:inner": 5}, "EQ", 5, False),
        (None, "EQ", [""], False),
    ],
)
def test_the_value_that_is_asked_for_says_how_to_compare(value: Any, how: str, asked: Any, *, expected: bool) -> None:
    assert found({f"{how}_ex:field": asked}, **{"ex:field": value}) is expected


def test_in_an_address_a_number_is_a_text_too() -> None:
    names = declared_names("ex=https://ns.example/epcis/, capability, broken=here")
    for text, value in (("4.1", 4.10), ("4.1", "4.1"), ("007", "007")):
        view = view_of(parts(event(**{"ex:field": value}), context=[CONTEXT, {"ex": NS}]))
        assert matches(view, 0, read_query([("EQ_ex:field", text)], names))


def test_a_field_has_one_name_however_it_is_written() -> None:
    names = declared_names(f"ex={NS}")
    spelled = ["EQ_ex:grade", f"EQ_{NS}grade", f"EQ_{NS}#grade"]
    view = view_of(parts(event(**{"ex:grade": "A"}), context=[CONTEXT, {"ex": NS}]))
    for name in spelled:
        assert matches(view, 0, read_query([(name, "A")], names))
    kept = view_of(parts(event(**{"far:grade": "A"}), context="https://far.example/context"))
    assert matches(kept, 0, read_query([("EQ_far:grade", "A")], declared_names("far=far:")))
    lot = view_of(parts(event(action="ADD", ilmd={"cbvmda:lotNumber": "A7"})))
    for name in ("cbvmda:lotNumber", "urn:epcglobal:cbv:mda:lotNumber", "urn:epcglobal:cbv:mda#lotNumber"):
        assert matches(lot, 0, read_query([(f"EQ_ILMD_{name}", "A7")]))


def test_a_quantity_is_counted_in_every_unit_of_mass() -> None:
    counted = {"epcList": None, "quantityList": [{"epcClass": LOT, "quantity": 2.5, "uom": "KGM"}]}
    assert found({"EQ_quantity_GRM": [2500]}, **counted)
    assert found({"GE_quantity": 2.5}, **counted)
    assert not found({"GE_quantity_LTR": 0}, **counted)
    assert not found({"GE_quantity_GRM": 2501}, **counted)


def test_declarations_and_dispositions() -> None:
    declared = {"errorDeclaration": {**DECLARED, "correctiveEventIDs": ["urn:x:2"]}, "eventID": "urn:x:1"}
    assert found({"EXISTS_errorDeclaration": True, "EQ_errorReason": ["did_not_occur"]}, **declared)
    assert found({"GE_errorDeclarationTime": "2026-03-02T01:00:00+01:00"}, **declared)
    assert not found({"LT_errorDeclaration_Time": "2026-03-02T00:00:00Z"}, **declared)
    assert found({"EQ_correctiveEventID": ["urn:x:2"]}, **declared)
    assert found({"EXISTS_errorDeclaration": False})
    assert not found({"EXISTS_errorDeclaration": True})
    stays = {"persistentDisposition": {"set": ["recalled"], "unset": ["available"]}}
    assert found({"EQ_persistentDisposition_set": ["recalled"]}, **stays)
    assert not found({"EQ_persistentDisposition_unset": ["recalled"]}, **stays)


def test_an_event_without_an_event_id_is_called_by_ours() -> None:
    ours = UUID("019ca877-0c1b-7000-8000-000000000001")
    for spelled in (called(ours), called(ours).upper().replace("URN:UUID", "urn:uuid")):
        query = read_query([("EQ_eventID", spelled)])
        assert matches(view_of(parts(event()), called=called(ours)), 0, query)
        assert not matches(view_of(parts(event(eventID="urn:x:1")), called=called(ours)), 0, query)


@given(st.randoms(use_true_random=False))
def test_json_and_an_address_ask_for_the_same(random: Any) -> None:
    drawn = dict(some.parameter(random) for _ in range(3))
    in_json: dict[str, Any] = {}
    for name, values in drawn.items():
        many = not name.startswith(("GE_", "GT_", "LE_", "LT_", "EXISTS_"))
        in_json[name] = values if many else values[0] == "true" if name.startswith("EXISTS_") else values[0]
    if any(some.EX in name and not name.startswith("EXISTS_") for name in drawn):
        return  # there a JSON text is never a number
    assert read_json_query(in_json) == read_query([(name, "|".join(values)) for name, values in drawn.items()])


@pytest.mark.parametrize(
    ("query", "code", "path"),
    [
        ([], "query.value", "$"),
        ({"GE_eventTime": ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]}, "query.repeated", "$.GE_eventTime"),
        ({"GE_eventTime": 5}, "query.value", "$.GE_eventTime"),
        ({"EQ_bizStep": []}, "query.value", "$.EQ_bizStep"),
        ({"EQ_bizStep": {"a": 1}}, "query.value", "$.EQ_bizStep"),
        ({"EQ_bizStep": [None]}, "query.value", "$.EQ_bizStep"),
        ({"EQ_ex:grade": ["A"]}, "query.unknown_prefix", "$['EQ_ex:grade']"),
        ({"GE_value_CEL": "warm"}, "query.value", "$.GE_value_CEL"),
        ({"match_epc": [PACK]}, "query.unknown_parameter", "$.match_epc"),
        ({"@context": 5}, "query.value", "$['@context']"),
        ({"EXISTS_errorDeclaration": 0}, "query.value", "$.EXISTS_errorDeclaration"),
        ({"orderBy": "quantity"}, "query.value", "$.orderBy"),
        ({"eventCountLimit": 1.5, "orderBy": "eventTime"}, "query.value", "$.eventCountLimit"),
        ({"maxEventCount": 5, "eventCountLimit": 5, "orderBy": "eventTime"}, "query.value", "$"),
        ({"EQ_eventID": [f"urn:x:{n}" for n in range(MAX_VALUES + 1)]}, "query.too_many_values", "$"),
    ],
)
def test_what_is_wrong_in_json_has_a_place(query: Any, code: str, path: str) -> None:
    with pytest.raises(QueryParameterError) as refused:
        read_json_query(query)
    assert (refused.value.code, refused.value.path) == (code, path)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=20) | st.sampled_from(["EQ_ex:a", "@context", "GE_value_CEL"]), JSON_VALUES))
def test_any_json_is_a_query_or_refused(query: dict[str, Any]) -> None:
    try:
        assert isinstance(read_json_query(query), EventQuery)
    except QueryParameterError as refused:
        assert refused.path.startswith("$")  # noqa: PT017 - nearly all are refused, not all
