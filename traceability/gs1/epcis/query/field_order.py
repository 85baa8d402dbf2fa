"""An answer in the order of an extension field (EPCIS 2.0 §8.2.7.1, orderBy).

No index has such an order, so all that meets the query is looked at. What is kept of an event is what it is sorted by,
and its position.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from traceability.gs1.epcis.query.event_query import (
    EventQuery,
    FoundEvent,
    Place,
    QueryTooComplexError,
    QueryTooLargeError,
)
from traceability.gs1.epcis.query.field_values import number_of, scalars, text_of, time_of
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.view import EpcisView, view_of

MOST_SORTED: Final = 100_000
"""Events that are sorted."""

MOST_CHARACTERS: Final = 16_777_216
"""Characters of all the texts that they are sorted by."""

_Key: TypeAlias = tuple[int, Decimal | int | str, int, int]
"""What kind of value, the value, eventTime and position."""


class FieldOrder:
    """Takes the events of an answer as they are found, and gives their positions in order.

    Numbers come before times and these before texts, which go by their code points; events without the field come
    last, in either direction. They have their visible parts, or of those `head` and `more`.
    """

    def __init__(self, query: EventQuery) -> None:
        assert query.sorted_by is not None, "there is another order"
        self._names = sorted(query.sorted_by)
        self._descending = query.descending
        self._keys: list[_Key] = []
        self._lacking: list[int] = []
        self._characters = 0

    def __len__(self) -> int:
        """Return how many events there are."""
        return len(self._keys) + len(self._lacking)

    def add(self, events: Iterable[FoundEvent]) -> None:
        """Take some events; raises `QueryTooComplexError` when all together are more than are sorted."""
        for event in events:
            key = _key(view_of(event.parts), self._names, event.position)
            if key is None:
                self._lacking.append(event.position)
                continue
            self._keys.append(key)
            self._characters += len(key[1]) if isinstance(key[1], str) else 0
        if len(self) > MOST_SORTED:
            raise _too_complex(f"{MOST_SORTED:,} events")
        if self._characters > MOST_CHARACTERS:
            raise _too_complex(f"{MOST_CHARACTERS:,} characters")

    def positions(self) -> array[int]:
        """Return the positions in order; nothing is taken after that."""
        self._keys.sort(reverse=self._descending)
        return array("q", [*(key[-1] for key in self._keys), *sorted(self._lacking)])


def page_of(order: Sequence[int], query: EventQuery, *, size: int, after: Place | None) -> tuple[int, int]:
    """Return where in the order of an answer a page begins, and where it ends at most.

    Raises `QueryTooLargeError` at the start when there are more events than the query's maximum.
    """
    if after is None:
        if query.most is not None and len(order) > query.most:
            raise QueryTooLargeError
        start = 0
    else:
        start = 1 + _index(order, after)
    end = len(order) if query.limit is None else min(query.limit, len(order))
    return start, min(start + size, end)


def goes_on(order: Sequence[int], query: EventQuery, *, head: int, end: int) -> Place | None:
    """Return where the page after one goes on that ended before `end`, None where nothing follows."""
    if end >= (len(order) if query.limit is None else min(query.limit, len(order))):
        return None
    return Place(head, 0, order[end - 1], end)


def _index(order: Sequence[int], after: Place) -> int:
    # The answer is that of the first page, unless its reader was granted or denied something since.
    try:
        return order.index(after.position)
    except ValueError:
        return after.given - 1


def _key(view: EpcisView, names: Sequence[str], position: int) -> _Key | None:
    for name in names:
        for one in scalars((view.extensions or {}).get(name)):
            kind = _comparable(one)
            if kind is not None:
                return (*kind, view.occurred_at, position)
    return None


def _comparable(value: JSON) -> tuple[int, Decimal | int | str] | None:
    if number_of(value) is not None:
        return 0, Decimal(str(value))  # compares exactly, and in a hundredth of the time of a Fraction
    time = time_of(value)
    if time is not None:
        return 1, time
    text = text_of(value)
    return None if text is None else (2, text)


def _too_complex(what: str) -> QueryTooComplexError:
    return QueryTooComplexError(
        f"More than {what} would have to be sorted by an extension field.",
        hint="Add a condition, such as GE_eventTime, or order by eventTime.",
    )
