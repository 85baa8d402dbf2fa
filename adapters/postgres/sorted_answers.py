"""Answers in the order of an extension field, kept from page to page as the positions of their events.

All of an answer has to be found before its first event is known. With its reader, its query and the head that it was
found at it never changes, so that who goes on reading it pays for the events of a page and no more.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from traceability.gs1.epcis.query.event_query import EventQuery
from traceability.ledger.access import Reader

MOST_KEPT: Final = 1_000_000
"""Positions in all the answers that a process keeps: 8 MB."""

_OF_ONE: Final = 1_000
"""Positions that a short answer counts for."""


class Asked(NamedTuple):
    """All that an answer follows from."""

    reader: Reader
    query: EventQuery
    head: int


class SortedAnswers:
    """The answers that were sorted last; safe to share between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Asked, tuple[array[int], int]] = OrderedDict()
        self._size = 0

    def positions(self, asked: Asked, find: Callable[[], array[int]]) -> array[int]:
        """Return the positions of an answer in order, as `find` does, which is called when they are not known."""
        with self._lock:
            if (kept := self._kept.get(asked)) is not None:
                self._kept.move_to_end(asked)
                return kept[0]
        found = find()
        size = max(len(found), _OF_ONE) + _size_of(asked.query)
        with self._lock:
            if asked not in self._kept:
                self._kept[asked] = found, size
                self._size += size
            while self._size > MOST_KEPT:
                self._size -= self._kept.popitem(last=False)[1][1]
        return found


def _size_of(query: EventQuery) -> int:
    """Return how many positions take as much room: a query may be a megabyte, and is read anew for each request.

    A few answers have room whatever the places are that master data made of their query.
    """
    return min(len(repr(query)) // 8, MOST_KEPT // 8)
