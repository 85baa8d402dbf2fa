"""Many queries, one event: which of them it may meet, without asking each.

A query is found by one of its conditions: one that names a business step, a type or tags, of which an event that meets
it has at least one. Of several the one with the fewest alternatives is taken, which is most often the rarest. A query
without such a condition may be met by any event.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

from traceability.gs1.epcis.query.conditions import Condition, OneOf
from traceability.gs1.epcis.query.event_query import EventQuery
from traceability.gs1.epcis.query.master_data_conditions import Below, Described

Key = TypeVar("Key", bound=Hashable)

# What many events have in common comes last among as many alternatives.
_COMMON: Final = ("\x00", "field:", "prefix:", "sensor:", "reading:", "quantity:", "error:", "place:", "party:")


class StandingQueries(Generic[Key]):
    """Queries under keys of the caller's."""

    def __init__(self) -> None:
        self._words: dict[Key, frozenset[str]] = {}
        self._by_word: dict[str, dict[Key, None]] = {}
        self._any: dict[Key, None] = {}

    def __len__(self) -> int:
        return len(self._words)

    def add(self, key: Key, query: EventQuery) -> None:
        """Add a query, or put it in the place of the one under this key."""
        self.remove(key)
        groups = [words for condition in query.conditions if (words := _words(condition))]
        words = min(groups, key=lambda group: (len(group), _commonness(group)), default=frozenset[str]())
        self._words[key] = words
        for word in words:
            self._by_word.setdefault(word, {})[key] = None
        if not words:
            self._any[key] = None

    def remove(self, key: Key) -> None:
        """Forget a query, if there is one."""
        for word in self._words.pop(key, ()):
            keys = self._by_word[word]
            del keys[key]
            if not keys:
                del self._by_word[word]
        self._any.pop(key, None)

    def candidates(self, tags: Iterable[str], *, type_name: str, biz_step: str | None) -> list[Key]:
        """Return the keys of every query that an event with these tags may meet, and of few others."""
        found = dict(self._any)
        for word in (*tags, _type(type_name), _step(biz_step or "")):
            keys = self._by_word.get(word)
            if keys is not None:
                found |= keys
        return list(found)


def is_standing(query: EventQuery) -> bool:
    """Tell whether events can be looked at one by one: not where master data decides, which changes meanwhile."""
    return not any(isinstance(condition, Below | Described) for condition in query.conditions)


def _words(condition: Condition) -> frozenset[str]:
    match condition:
        case OneOf("biz_step", values):
            return frozenset(map(_step, values))
        case OneOf("type", values):
            return frozenset(map(_type, values))
    return condition.tags


def _step(word: str) -> str:
    return f"\x00step:{word}"  # no tag begins so


def _type(name: str) -> str:
    return f"\x00type:{name}"


def _commonness(words: frozenset[str]) -> int:
    return max(
        (len(_COMMON) - at for word in words for at, kind in enumerate(_COMMON) if word.startswith(kind)), default=0
    )
