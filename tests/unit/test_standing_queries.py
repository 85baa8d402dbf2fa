"""Which of many queries an event may meet: never fewer than it meets, and as a rule few others."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import random_events
from tests.support.epcis_queries import captured
from traceability.gs1.epcis import index_rows
from traceability.gs1.epcis.hash.recorded import hash_of_parts
from traceability.gs1.epcis.query.event_query import EventQuery, matches, seen
from traceability.gs1.epcis.query.parameters import read_query
from traceability.gs1.epcis.query.values import QueryParameterError
from traceability.gs1.epcis.subscriptions.standing import StandingQueries, is_standing
from traceability.ledger.access import ALL_PARTS
from traceability.ledger.event import LedgerEvent
from traceability.ledger.identifiers import event_id
from traceability.ledger.index import event_id_tag

AT: Final = 1_772_352_900_123_456


def queries(random: Random, most: int) -> dict[int, EventQuery]:
    found: dict[int, EventQuery] = {}
    for number in range(most):
        drawn = [random_events.parameter(random) for _ in range(random.randint(0, 3))]
        try:
            query = read_query([(name, value) for name, values in dict(drawn).items() for value in values])
        except QueryParameterError:
            continue
        if is_standing(query):
            found[number] = query
    return found


def candidates(standing: StandingQueries[int], event: LedgerEvent, number: int) -> set[int]:
    index = index_rows(event.parts)
    ours = event_id(AT, number.to_bytes(10))
    tags = (*index.tags, event_id_tag(ours.hex))
    return set(standing.candidates(tags, type_name=event.type, biz_step=index.visibility.biz_step))


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_no_query_that_an_event_meets_is_left_out(seed: int) -> None:
    random = Random(seed)
    known = queries(random, 60)
    standing: StandingQueries[int] = StandingQueries()
    for key, query in known.items():
        standing.add(key, query)
    for number in range(20):
        event = captured(random_events.event(random, number))
        ours = event_id(AT, number.to_bytes(10))
        met = {key for key, query in known.items() if matches(seen(event.parts, ALL_PARTS, ours, query), AT, query)}
        assert met <= candidates(standing, event, number)


def test_an_event_is_not_held_against_every_query() -> None:
    standing: StandingQueries[int] = StandingQueries()
    for number in range(1_000):
        thing = f"https://id.gs1.org/01/09521234000013/21/{number}"
        standing.add(number, read_query([("MATCH_epc", thing), ("EQ_bizStep", "shipping")]))
    event = captured(
        {
            "type": "ObjectEvent",
            "eventTime": "2026-03-01T09:15:00Z",
            "eventTimeZoneOffset": "+00:00",
            "action": "OBSERVE",
            "bizStep": "shipping",
            "epcList": ["https://id.gs1.org/01/09521234000013/21/7"],
        }
    )
    assert candidates(standing, event, 1) == {7}
    standing.remove(7)
    standing.remove(7)
    assert candidates(standing, event, 1) == set()
    assert len(standing) == 999


def test_an_event_is_offered_to_who_asks_for_its_hash_and_sees_all_of_it() -> None:
    given = random_events.event(Random(1), 1)
    given.pop("eventID", None)
    event = captured(given)
    name = hash_of_parts(event.parts)
    assert name is not None
    query = read_query([("EQ_eventID", name)])
    standing: StandingQueries[int] = StandingQueries()
    standing.add(1, query)
    assert candidates(standing, event, 1) == {1}
    ours = event_id(AT, bytes(10))
    assert matches(seen(event.parts, ALL_PARTS, ours, query), AT, query)
    assert not matches(seen(event.parts, ALL_PARTS - {"why"}, ours, query), AT, query)


@pytest.mark.parametrize("query", [[], [("GE_eventTime", "2026-01-01T00:00:00Z")], [("EQ_action", "ADD")]])
def test_a_query_that_knows_no_words_may_be_met_by_any_event(query: list[tuple[str, str]]) -> None:
    standing: StandingQueries[int] = StandingQueries()
    standing.add(1, read_query(query))
    random = Random(1)
    for number in count():
        if number == 5:
            break
        assert candidates(standing, captured(random_events.event(random, number)), number) == {1}
