"""The CBV event hash that an event without an eventID is found by: of its parts 0 to 5, and of nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.drawn_events import events, names
from tests.support.epcis_events import PACK, PLACE, document, event, parts
from traceability.gs1.epcis import index_rows
from traceability.gs1.epcis.hash.documents import hashed_document
from traceability.gs1.epcis.hash.recorded import hash_of_parts
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.parts import Parts

EX = "https://dairy.example/ns#"


def sent(one: Any) -> str:
    """Return the hash of an event as its sender computes it."""
    (found,) = hashed_document(document(dumps(one)))[1]
    assert found.hash is not None, found.problem
    return found.hash


def called(found: Parts) -> list[str]:
    return [tag for tag in index_rows(found).tags if tag.startswith("event:")]


def without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: without(inner, names) for name, inner in value.items() if name not in names}
    return [without(inner, names) for inner in value] if isinstance(value, list) else value


@given(events(), st.frozensets(names, max_size=2))
def test_an_event_is_called_by_the_hash_of_all_but_its_personal_members(
    one: dict[str, Any], personal: frozenset[str]
) -> None:
    one.pop("eventID", None)
    found = parts(one, personal=tuple(personal))
    name = sent(without(one, personal))
    assert called(found) == [f"event:{name}"]
    assert hash_of_parts(found) == name
    # An erasure leaves every tag, so a reindex after it has to find the same.
    assert index_rows(replace(found, personal=b"", source=b"")) == index_rows(found)


def test_an_integer_of_any_length_in_an_extension_is_hashed() -> None:
    one = event(**{f"{EX}counter": {f"{EX}low": -(2**63) - 1, f"{EX}high": 10**60}})
    (found,) = hashed_document(document(json.dumps(one)))[1]
    assert hash_of_parts(parts(one)) == found.hash


def test_an_event_id_is_the_only_name_of_its_event() -> None:
    found = parts(event(eventID="urn:uuid:a"))
    assert called(found) == ["event:urn:uuid:a"]
    assert hash_of_parts(found) == sent(event())


def test_no_declaration_joins_on_a_hash() -> None:
    declared = parts(event(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z"}))
    assert called(declared) == called(parts(event()))
    assert index_rows(declared).event is index_rows(parts(event())).event is None


def test_a_time_that_rounds_beyond_the_last_year_leaves_an_event_without_a_hash() -> None:
    found = parts(event(eventTime="9999-12-31T23:59:59.9999Z"))
    assert hash_of_parts(found) is None
    assert called(found) == []


@pytest.mark.parametrize(
    "members",
    [
        {"readPoint": {"id": PLACE, f"{EX}dock": 4.10}},
        {"quantityList": [{"epcClass": "https://id.gs1.org/01/09521234000013", "quantity": 7.50, "uom": "KGM"}]},
        {f"{EX}n": [9007199254740993, -0.0, 1e-7]},
        {"epcList": [PACK, "urn:epc:id:sgtin:9521234.000001.1001"]},
    ],
)
def test_numbers_and_repeated_things_count_as_they_were_sent(members: dict[str, Any]) -> None:
    assert called(parts(event(**members))) == [f"event:{sent(event(**members))}"]
