"""From a query that asks master data to one that asks for things: `WD_`, `HASATTR_` and `EQATTR_` resolved.

What is meant depends on when: an event is found by what master data says of the time at which it happened. Who asks
decides whose master data that is, and the position up to which the ledger is read which statements count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from traceability.gs1.epcis.master_data import texts_of, value_tag
from traceability.gs1.epcis.query.conditions import Condition
from traceability.gs1.epcis.query.event_query import EventQuery
from traceability.gs1.epcis.query.master_data_conditions import Below, Described, IsAmong
from traceability.gs1.epcis.vocabularies import MasterData, Vocabularies, eras, hierarchy, with_tags


def resolve(query: EventQuery, meaning: Callable[[Below | Described], IsAmong]) -> EventQuery | None:
    """Return the query with the things that it means, None when one of its conditions means none."""
    if not any(isinstance(condition, Below | Described) for condition in query.conditions):
        return query
    resolved: list[Condition] = []
    for condition in query.conditions:
        if not isinstance(condition, Below | Described):
            resolved.append(condition)
            continue
        among = meaning(condition)
        if not any(subjects for _, subjects in among.eras):
            return None
        resolved.append(among)
    return replace(query, conditions=tuple(resolved))


def meant(condition: Below | Described, view: Vocabularies) -> IsAmong:
    """Return the things that a condition means to a reader, and when.

    Raises `QueryTooComplexError` when they are more than are looked at.
    """
    if isinstance(condition, Below):
        return below(condition, hierarchy(view, condition.subjects))
    return described(condition, *with_tags(view, _tags(condition)))


def below(condition: Below, data: MasterData) -> IsAmong:
    """Return the places that are meant, and what is below them when."""
    return IsAmong(condition.field, eras(data, lambda at: data.below(condition.subjects, at)))


def described(condition: Described, data: MasterData, subjects: set[str]) -> IsAmong:
    """Return which of these subjects have such an attribute when."""

    def meant(at: int) -> set[str]:
        return {subject for subject in subjects if _has(condition, data, subject, at)}

    return IsAmong(condition.field, eras(data, meant))


def _has(condition: Described, data: MasterData, subject: str, at: int) -> bool:
    for element in data.elements(subject, at):
        for name in condition.names:
            value = element.attributes.get(name)
            if value is not None and (condition.values is None or not condition.values.isdisjoint(texts_of(value))):
                return True
    return False


def _tags(condition: Described) -> set[str]:
    if condition.values is None:
        return {f"attribute:{name}" for name in condition.names}
    return {value_tag(name, value) for name in condition.names for value in condition.values}
