"""From a query that asks master data to one that asks for things: `WD_`, `HASATTR_` and `EQATTR_` resolved.

What is meant depends on when: an event is found by what master data says of the time at which it happened. Who asks
decides whose master data that is, and the position up to which the ledger is read which statements count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from traceability.gs1.epcis.conditions import Condition
from traceability.gs1.epcis.master_data import texts_of, value_tag
from traceability.gs1.epcis.master_data_conditions import Below, Described, IsAmong
from traceability.gs1.epcis.query import EventQuery
from traceability.gs1.epcis.vocabularies import MasterData, Vocabularies, eras, hierarchy, with_tags


def resolve(query: EventQuery, vocabularies: Callable[[], Vocabularies]) -> EventQuery | None:
    """Return the query with the things that it means, None when one of its conditions means none.

    Raises `QueryTooComplexError` when they are more than are looked at.
    """
    if not any(isinstance(condition, Below | Described) for condition in query.conditions):
        return query
    view = vocabularies()
    resolved: list[Condition] = []
    for condition in query.conditions:
        match condition:
            case Below():
                among = below(condition, hierarchy(view, condition.subjects))
            case Described():
                among = described(condition, *with_tags(view, _tags(condition)))
            case _:
                resolved.append(condition)
                continue
        if not among.subjects:
            return None
        resolved.append(among)
    return replace(query, conditions=tuple(resolved))


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
        for name in condition.names & element.attributes.keys():
            texts = set(texts_of(element.attributes[name]))
            if element.attributes[name] is not None and (condition.values is None or texts & condition.values):
                return True
    return False


def _tags(condition: Described) -> set[str]:
    if condition.values is None:
        return {f"attribute:{name}" for name in condition.names}
    return {value_tag(name, value) for name in condition.names for value in condition.values}
