"""Parameters of SimpleEventQuery: what they are read as, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.epcis_events import PACK, PALLET, PARTY, PLACE, event, parts, typed
from tests.support.epcis_queries import PARAMETERS
from traceability.gs1.epcis import view_of
from traceability.gs1.epcis.query.conditions import OneOf, Span
from traceability.gs1.epcis.query.event_query import EventQuery, Order, matches
from traceability.gs1.epcis.query.parameters import MAX_VALUES, read_query
from traceability.gs1.epcis.query.values import QueryParameterError
from traceability.ledger.event import microseconds

ROOT = Path(__file__).parents[2]
EPCIS = (ROOT / os.environ.get("TRACEABILITY_FIXTURES", "../shared/fixtures")).resolve() / "epcis"
QUERIES = EPCIS / "openepcis-test-resources/2.0/EPCIS/JSON/Query/Queries"
needs_fixtures = pytest.mark.skipif(not QUERIES.is_dir(), reason="shared fixtures absent")


def one(name: str, *values: str) -> EventQuery:
    return read_query([(name, value) for value in values])


def found(name: str, value: str, **members: Any) -> bool:
    kind = members.pop("type", "ObjectEvent")
    base = event(**members) if kind == "ObjectEvent" else typed(kind, **members)
    return matches(view_of(parts(base)), 0, one(name, value))


def test_without_parameters_the_latest_come_first() -> None:
    assert read_query([]) == EventQuery((), Span(), Span(), Order.EVENT_TIME, descending=True, limit=None)


def test_values_are_repeated_or_piped_and_in_any_spelling() -> None:
    spelled = one(
        "EQ_bizStep", "shipping|https://ref.gs1.org/cbv/BizStep-receiving", "urn:epcglobal:cbv:bizstep:packing"
    )
    assert spelled.conditions == (OneOf("biz_step", frozenset({"shipping", "receiving", "packing"})),)
    assert one("EQ_bizStep", "cbv:BizStep-shipping") == one("EQ_bizStep", "shipping")
    assert one("MATCH_epc", "urn:epc:id:sgtin:9521234.000001.1001") == one("MATCH_epc", PACK)
    assert one("EQ_bizTransaction_urn:epcglobal:cbv:btt:po", "urn:x:1") == one("EQ_bizTransaction_po", "urn:x:1")


def test_times_are_read_with_their_offset() -> None:
    query = read_query([("GE_eventTime", "2026-03-01T09:15:00+01:00"), ("LT_recordTime", "2026-03-01T08:15:00.5Z")])
    assert query.event_time == Span(microseconds("2026-03-01T08:15:00Z"), None)
    assert query.record_time == Span(None, microseconds("2026-03-01T08:15:00.5Z"))


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("match_epc", PACK, "query.unknown_parameter"),
        ("GE_eventDate", "2026-03-01T00:00:00Z", "query.unknown_parameter"),
        ("EQ_bizTransaction_", "urn:x:1", "query.unknown_parameter"),
        ("EQ_", "1", "query.unknown_parameter"),
        ("", "", "query.unknown_parameter"),
        ("page", "2", "query.unknown_parameter"),
        ("EQ_SENSOR" + "a_" * 30_000, "1", "query.unknown_parameter"),
        ("WD_readPoint", "gate 1", "query.value"),
        ("WD_destination", PLACE, "query.unknown_parameter"),
        ("HASATTR_readPoint", "", "query.value"),
        ("HASATTR_parentID", "name", "query.unknown_parameter"),
        ("EQATTR_bizLocation", "1", "query.unknown_parameter"),
        ("EQ_ex:field", "1", "query.unknown_prefix"),
        ("EXISTS_ILMD_ex:field", "true", "query.unknown_prefix"),
        ("EQ_#field", "1", "query.unknown_prefix"),
        ("GT_https://ns.example/x#field", "blue", "query.value"),
        ("EXISTS_https://ns.example/x#field", "blue", "query.value"),
        ("GE_value_cel", "1", "query.unknown_parameter"),
        ("GE_value_CELSIUS", "1", "query.unknown_parameter"),
        ("GE_percRank_P1", "1", "query.unknown_parameter"),
        ("GE_value_CEL", "warm", "query.value"),
        ("GE_value_CEL", "1e999", "query.value"),
        ("GE_time", "2026-03-01", "query.value"),
        ("EQ_type", "Warmth:", "query.value"),
        ("EQ_booleanValue", "yes", "query.value"),
        ("EQ_bizRules", "rule", "query.value"),
        ("EQ_errorReason", "mistake", "query.value"),
        ("EQ_persistentDisposition_set", "shipping", "query.value"),
        ("EQ_correctiveEventID", "1", "query.value"),
        ("maxEventCount", "0", "query.value"),
        ("orderBy", "ex:field", "query.unknown_prefix"),
        ("GE_eventTime", "2026-03-01", "query.value"),
        ("GE_eventTime", "2026-03-01T00:00:00", "query.value"),
        ("LT_eventTime", "2026-03-01T09:15:00 01:00", "query.value"),
        ("EQ_action", "SHIPPED", "query.value"),
        ("EQ_action", "ADD|", "query.value"),
        ("eventType", "QuantityEvent", "query.value"),
        ("EQ_bizStep", "", "query.value"),
        ("EQ_bizStep", "teleporting", "query.value"),
        ("EQ_disposition", "shipping", "query.value"),
        ("EQ_readPoint", "here", "query.value"),
        ("MATCH_epc", "https://id.gs1.org/01/09521234000014/21/1", "query.value"),
        ("MATCH_epc", "urn:epc:idpat:sgtin:9521234.*.1", "query.value"),
        ("EQ_bizTransaction_nothing", "urn:x:1", "query.value"),
        ("EQ_bizTransaction_po", "1", "query.value"),
        ("EQ_source_owner", PARTY, "query.value"),
        ("EQ_eventID", "1", "query.value"),
        ("EXISTS_errorDeclaration", "yes", "query.value"),
        ("GE_quantity", "many", "query.value"),
        ("orderBy", "quantity", "query.value"),
        ("orderDirection", "SIDEWAYS", "query.value"),
        ("eventCountLimit", "0", "query.value"),
        ("eventCountLimit", "5", "query.value"),
    ],
)
def test_what_is_refused_has_a_code_and_repeats_no_value(name: str, value: str, code: str) -> None:
    with pytest.raises(QueryParameterError) as refused:
        one(name, value)
    assert refused.value.code == code
    assert len(value) < 5 or value not in refused.value.message


def test_single_values_are_given_once_and_lists_have_a_limit() -> None:
    for name, values in (("orderBy", ["eventTime"] * 2), ("GE_quantity", ["1", "2"])):
        with pytest.raises(QueryParameterError) as refused:
            one(name, *values)
        assert refused.value.code == "query.repeated"
    one("EQ_eventID", "|".join(f"urn:x:{n}" for n in range(MAX_VALUES)))
    with pytest.raises(QueryParameterError) as refused:
        one("EQ_eventID", "|".join(f"urn:x:{n}" for n in range(MAX_VALUES + 1)))
    assert refused.value.code == "query.too_many_values"


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4), PARAMETERS)
def test_any_text_is_a_query_or_refused(some: list[tuple[str, str]], good: list[tuple[str, str]]) -> None:
    read_query(good)
    for parameters in (some, good + some, [(name, text) for (name, _), (_, text) in zip(good, some, strict=False)]):
        try:
            read_query(parameters)
        except QueryParameterError as refused:
            assert refused.code.startswith("query.")  # noqa: PT017 - most texts are refused, not all


@given(PARAMETERS, st.randoms(use_true_random=False))
def test_the_order_of_parameters_says_nothing(parameters: list[tuple[str, str]], random: Any) -> None:
    shuffled = list(parameters)
    random.shuffle(shuffled)
    left, right = read_query(parameters), read_query(shuffled)
    assert set(left.conditions) == set(right.conditions)
    assert (left.event_time, left.order, left.descending) == (right.event_time, right.order, right.descending)


def test_each_match_looks_at_its_own_lists() -> None:
    packed = {"type": "AggregationEvent", "action": "ADD", "parentID": PALLET, "childEPCs": [PACK]}
    assert found("MATCH_epc", PACK, **packed)
    assert not found("MATCH_epc", PALLET, **packed)
    assert found("MATCH_parentID", PALLET, **packed)
    assert found("MATCH_anyEPC", PALLET, **packed)
    assert not found("MATCH_epcClass", PACK, **packed)
    assert found("MATCH_epc", "urn:epc:idpat:sgtin:9521234.000001.*", **packed)


def test_places_transactions_and_parties() -> None:
    assert found("EQ_readPoint", "urn:epc:id:sgln:9521234.00000.0", readPoint={"id": PLACE})
    assert not found("EQ_bizLocation", PLACE, readPoint={"id": PLACE})
    order = [{"type": "po", "bizTransaction": "urn:x:1"}]
    assert found("EQ_bizTransaction_po", "urn:x:1", bizTransactionList=order)
    assert not found("EQ_bizTransaction_inv", "urn:x:1", bizTransactionList=order)
    owner = [{"type": "owning_party", "source": PARTY}]
    assert found("EQ_source_owning_party", PARTY, sourceList=owner)
    assert not found("EQ_source_possessing_party", PARTY, sourceList=owner)
    assert not found("EQ_destination_owning_party", PARTY, sourceList=owner)


def of_json(query: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, str(value))
        for name, values in query.items()
        if name != "@context"
        for value in (values if isinstance(values, list) else [values])
    ]


@needs_fixtures
def test_the_published_query_is_read_once_its_gln_is_right() -> None:
    """Its bizLocation ends in the check digit 2 where GS1's rule gives 4: no event can name it, so it is a mistake."""
    text = (QUERIES / "SimpleEventQuery.json").read_text()
    with pytest.raises(QueryParameterError, match=r"EQ_bizLocation is no identifier \(gs1\.check_digit\)"):
        read_query(of_json(json.loads(text)))
    query = read_query(of_json(json.loads(text.replace("9521141123452", "9521141123454"))))
    assert (len(query.conditions), query.limit, query.order) == (8, 100, Order.EVENT_TIME)


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Query_with_invalid_values.json", "query.value"),
        ("Query_with_unknown_parameter.json", "query.unknown_parameter"),
    ],
)
def test_the_published_bad_queries_are_refused(name: str, code: str) -> None:
    with pytest.raises(QueryParameterError) as refused:
        read_query(of_json(json.loads((QUERIES / "Invalid" / name).read_text())))
    assert refused.value.code == code
