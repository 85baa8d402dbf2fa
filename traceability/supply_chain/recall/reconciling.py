"""What became of the things in a scope, added up: each counts once, and what is not accounted for is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.supply_chain.recall.case import Notice
from traceability.supply_chain.recall.events import Outcome
from traceability.supply_chain.recall.scope import Affected


class Fate(StrEnum):
    """What became of a thing in the end."""

    RECOVERED = "recovered"
    DESTROYED = "destroyed"
    NOT_FOUND = "not_found"


class Sum(NamedTuple):
    """How many things of a scope came to which end; the five add up to all of them.

    `unheld` are those that nobody is seen to have and nobody told of; `missing` those that are not accounted for.
    """

    fates: Mapping[Fate, int]
    unheld: int
    missing: tuple[str, ...]


# What was only found is not out of the way yet, so it is not accounted for.
_FATES: Final = {
    Outcome.QUARANTINED: Fate.RECOVERED,
    Outcome.DESTROYED: Fate.DESTROYED,
    Outcome.GONE: Fate.NOT_FOUND,
}


def added_up(affected: Iterable[Affected], notices: Iterable[Notice], said: Mapping[str, Fate]) -> Sum:
    """Add up what became of things: as it is `said`, else as everybody who has some of it acknowledged.

    Of a lot of which several have some, it is `not_found` if one says so, and `destroyed` only if all do.
    """
    told: dict[str, dict[str, Outcome]] = {}
    for notice in notices:
        for thing, answer in notice.told.items():
            told.setdefault(thing, {})[notice.organisation] = answer.outcome
    fates = dict.fromkeys(Fate, 0)
    unheld, missing = 0, []
    for one in affected:
        fate = said.get(one.thing) or _acknowledged(one, told.get(one.thing, {}))
        if fate is not None:
            fates[fate] += 1
        elif one.parties:
            missing.append(one.thing)
        else:
            unheld += 1
    return Sum(fates, unheld, tuple(missing))


def _acknowledged(one: Affected, told: Mapping[str, Outcome]) -> Fate | None:
    if not told or any(holder not in told for holder in one.holders):
        return None
    fates = {_FATES.get(outcome) for outcome in told.values()}
    if None in fates:
        return None
    return Fate.NOT_FOUND if Fate.NOT_FOUND in fates else Fate.RECOVERED if Fate.RECOVERED in fates else Fate.DESTROYED
