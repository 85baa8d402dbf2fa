"""The order of an answer by an extension field, against a plain sort with fractions; and how much is sorted."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1.epcis.query.event_query import (
    EventQuery,
    FoundEvent,
    Place,
    QueryTooComplexError,
    QueryTooLargeError,
)
from traceability.gs1.epcis.query.field_order import MOST_CHARACTERS, MOST_SORTED, FieldOrder, goes_on, page_of
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.parts import Parts

RANK, OTHER = "https://maker.example/rank", "https://maker.example/other"
HEAD = (
    b'{"type":"epcis.object_event.v2","captured_by":"maker.example","occurred_at":"2026-03-01T0%d:00:00.000000Z",'
    b'"eventTimeZoneOffset":"+00:00","action":"ADD"}'
)
NUMBERS = ["1", "-0", "0.10", "0.1", "1e3", "1E-200", "12345678901234567890.5", "12345678901234567890.4", "999e199"]
DAYS = ["2026-03-01", "2026-03-01T01:00:00+01:00", "2026-02-28T23:59:59.999999Z"]
TEXTS = ["a", "B", "ä", "\U0001f9c0", "\uffee", "007", "true", ""]


def found(position: int, members: dict[str, Any], hour: int = 0) -> FoundEvent:
    more = dumps(members) if members else b""
    return FoundEvent(position, UUID(int=position), position, Parts(head=HEAD % hour, more=more))


def plain_key(members: dict[str, Any], hour: int, position: int) -> tuple[Any, ...] | None:
    for name in (OTHER, RANK):
        if name not in members:
            continue
        value = members[name]
        value = value[0] if isinstance(value, list) else value
        if str(value) in NUMBERS:
            return 0, Fraction(str(value)), hour, position
        if value in DAYS:
            return 1, [1, 1, 0][DAYS.index(value)], hour, position
        return 2, value.encode("utf-32-be"), hour, position
    return None


values = st.sampled_from([*NUMBERS, *DAYS, *TEXTS])
events = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from([RANK, OTHER]), values | st.tuples(values, values).map(list)), st.integers(0, 2)
    ),
    max_size=12,
)


@given(events, st.booleans(), st.randoms())
def test_the_order_is_that_of_a_plain_sort(
    drawn: list[tuple[dict[str, Any], int]], descending: Any, random: Any
) -> None:
    keyed = [(plain_key(members, hour, n), n) for n, (members, hour) in enumerate(drawn, 1)]
    having = sorted(key for key, _ in keyed if key is not None)
    expected = [key[-1] for key in (reversed(having) if descending else having)]
    expected += [n for key, n in keyed if key is None]
    order = FieldOrder(EventQuery(sorted_by=frozenset({RANK, OTHER}), descending=descending))
    shuffled = [found(n, members, hour) for n, (members, hour) in enumerate(drawn, 1)]
    random.shuffle(shuffled)
    for event in shuffled:
        order.add([event])
    assert len(order) == len(drawn)
    assert order.positions().tolist() == expected


@given(
    st.lists(st.integers(1, 100), unique=True),
    st.integers(1, 8),
    st.none() | st.integers(1, 12),
)
def test_pages_are_the_answer_cut(order: list[int], size: int, limit: int | None) -> None:
    query = EventQuery(sorted_by=frozenset({RANK}), limit=limit)

    def pages() -> Iterator[list[int]]:
        after: Place | None = None
        while True:
            start, end = page_of(order, query, size=size, after=after)
            yield order[start:end]
            after = goes_on(order, query, head=7, end=end)
            if after is None:
                return
            assert (after.head, after.position, after.given) == (7, order[end - 1], end)

    assert [position for page in pages() for position in page] == order[:limit]


def test_a_page_goes_on_by_number_when_its_last_event_is_hidden_now() -> None:
    query = EventQuery(sorted_by=frozenset({RANK}))
    assert page_of([5, 3, 9], query, size=2, after=Place(9, 0, 4, 2)) == (2, 3)


def test_a_maximum_holds_for_the_whole_answer() -> None:
    query = EventQuery(sorted_by=frozenset({RANK}), maximum=2)
    with pytest.raises(QueryTooLargeError):
        page_of([5, 3, 9], query, size=1, after=None)
    assert page_of([5, 3], query, size=1, after=None) == (0, 1)


def test_a_hundred_thousand_events_are_sorted_and_no_more() -> None:
    order = FieldOrder(EventQuery(sorted_by=frozenset({RANK}), descending=False))
    order.add(found(position, {RANK: MOST_SORTED - position}) for position in range(MOST_SORTED))
    with pytest.raises(QueryTooComplexError, match="100,000 events"):
        order.add([found(MOST_SORTED, {})])
    assert order.positions()[:3].tolist() == [99_999, 99_998, 99_997]


def test_texts_that_are_too_long_together_are_not_sorted() -> None:
    order = FieldOrder(EventQuery(sorted_by=frozenset({RANK})))
    order.add([found(1, {RANK: "x" * MOST_CHARACTERS})])
    order.add([found(2, {RANK: 1}), found(3, {})])
    with pytest.raises(QueryTooComplexError, match="characters"):
        order.add([found(4, {RANK: "y"})])
