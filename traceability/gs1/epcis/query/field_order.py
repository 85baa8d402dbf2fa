"""An answer in the order of an extension field (EPCIS 2.0 §8.2.7.1, orderBy): all of it, sorted, a page at a time.

No index has such an order, so an answer that is sorted so has to be small.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, TypeAlias

from traceability.gs1.epcis.query.event_query import (
    EventQuery,
    FoundEvent,
    Page,
    Place,
    QueryTooComplexError,
    QueryTooLargeError,
)
from traceability.gs1.epcis.query.field_values import number_of, scalars, text_of, time_of
from traceability.gs1.epcis.view import EpcisView, view_of

MOST_SORTED: Final = 1_000
"""Events that are sorted."""

_Key: TypeAlias = tuple[int, Fraction | int | str, int, int]


def sorted_page(found: Sequence[FoundEvent], query: EventQuery, *, head: int, size: int, after: Place | None) -> Page:
    """Return the page of an answer that holds all events, from the start or behind a place.

    Numbers come before times and these before texts, which go by their code points; events without the field come
    last, in either direction. Raises `QueryTooComplexError` for more than `MOST_SORTED`.
    """
    if len(found) > MOST_SORTED:
        raise QueryTooComplexError(
            f"More than {MOST_SORTED:,} events would have to be sorted by an extension field.",
            hint="Add a condition, such as GE_eventTime, or order by eventTime.",
        )
    assert query.sorted_by is not None, "there is another order"
    if after is None and query.most is not None and len(found) > query.most:
        raise QueryTooLargeError
    keyed = [(_key(view_of(event.parts), query.sorted_by, event.position), event) for event in found]
    having = sorted([one for one in keyed if one[0] is not None], key=_first, reverse=query.descending)
    lacking = sorted([one for one in keyed if one[0] is None], key=_position)
    events = [event for _, event in (*having, *lacking)][: query.limit]
    start = 0 if after is None else 1 + _place_of(events, after)
    page = events[start : start + size]
    if start + size >= len(events):
        return Page(page, None)
    return Page(page, Place(head, 0, page[-1].position, start + size))


def _first(one: tuple[_Key | None, FoundEvent]) -> _Key:
    assert one[0] is not None, "what has no key is not sorted by it"
    return one[0]


def _position(one: tuple[_Key | None, FoundEvent]) -> int:
    return one[1].position


def _place_of(events: Sequence[FoundEvent], after: Place) -> int:
    # The answer is that of the first page, unless its reader was granted or denied something since.
    return next((i for i, event in enumerate(events) if event.position == after.position), after.given - 1)


def _key(view: EpcisView, names: frozenset[str], position: int) -> _Key | None:
    for name in sorted(names):
        for one in scalars((view.extensions or {}).get(name)):
            number, time = number_of(one), time_of(one)
            if number is not None:
                return 0, number, view.occurred_at, position
            if time is not None:
                return 1, time, view.occurred_at, position
            text = text_of(one)
            if text is not None:
                return 2, text, view.occurred_at, position
    return None
