"""What became of the things in a scope, added up: each counts once, and what is missing is named, also of an amount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.supply_chain.affected import AffectedLot
from traceability.supply_chain.balance import EXACT, Amounts, by_unit
from traceability.supply_chain.recall.case import Notice
from traceability.supply_chain.recall.events import LotAccount, Outcome
from traceability.supply_chain.recall.scope import Affected


class Fate(StrEnum):
    """What became of a thing in the end."""

    RECOVERED = "recovered"
    DESTROYED = "destroyed"
    NOT_FOUND = "not_found"


class Came(NamedTuple):
    """What a thing came to, or so much of a lot; without `uom` pieces."""

    fate: Fate
    quantity: Decimal | None = None
    uom: str | None = None


class Sum(NamedTuple):
    """How many things of a scope came to which end; fates, `unheld` and `missing` add up to all of them.

    `unheld` are those that nobody is seen to have and nobody told of; `missing` those that are not accounted for. Of
    the lots of which amounts are told, `lots` has the amounts: one that has less of them than was left is missing too.
    """

    fates: Mapping[Fate, int]
    unheld: int
    missing: tuple[str, ...]
    lots: tuple[LotAccount, ...]


# What was only found is not out of the way yet, so it is not accounted for.
_FATES: Final = {
    Outcome.QUARANTINED: Fate.RECOVERED,
    Outcome.DESTROYED: Fate.DESTROYED,
    Outcome.GONE: Fate.NOT_FOUND,
}
_ZERO: Final = Decimal(0)


def added_up(
    affected: Iterable[Affected],
    lots: Iterable[AffectedLot],
    notices: Iterable[Notice],
    said: Mapping[str, Sequence[Came]],
) -> Sum:
    """Add up what became of things: as it is `said`, else as everybody who has some of it acknowledged.

    `lots` tell what was left of those that are affected, as the trace has it.
    Of a lot of which several have some, it is `not_found` if one says so of any, and `destroyed` only if all is.
    """
    told: dict[str, dict[str, list[Came | None]]] = {}
    for notice in notices:
        for thing, lines in notice.told.items():
            came = [_came(_FATES.get(one.outcome), one.quantity, one.uom) for one in lines]
            told.setdefault(thing, {})[notice.organisation] = came
    amounts = {thing: [one for lines in of.values() for one in lines if one is not None] for thing, of in told.items()}
    accounts = tuple(_accounts(lots, {**amounts, **said}))
    short = {one.lot for one in accounts if one.missing is not None and one.missing > 0}
    fates = dict.fromkeys(Fate, 0)
    unheld, missing = 0, []
    for one in affected:
        fate = _fate(said[one.thing]) if said.get(one.thing) else _acknowledged(one, told.get(one.thing, {}))
        if one.thing in short:
            missing.append(one.thing)
        elif fate is not None:
            fates[fate] += 1
        elif one.parties:
            missing.append(one.thing)
        else:
            unheld += 1
    return Sum(fates, unheld, tuple(missing), accounts)


def _came(fate: Fate | None, quantity: Decimal | None, uom: str | None) -> Came | None:
    return None if fate is None else Came(fate, quantity, uom)


def _acknowledged(one: Affected, told: Mapping[str, Sequence[Came | None]]) -> Fate | None:
    if not told or any(holder not in told for holder in one.holders):
        return None
    return _fate([line for lines in told.values() for line in lines])


def _fate(lines: Sequence[Came | None]) -> Fate | None:
    fates = {None if line is None else line.fate for line in lines}
    if None in fates:
        return None
    return next(fate for fate in (Fate.NOT_FOUND, Fate.RECOVERED, Fate.DESTROYED) if fate in fates)


def _accounts(lots: Iterable[AffectedLot], came: Mapping[str, Sequence[Came]]) -> Iterator[LotAccount]:
    """Yield the amounts of each lot of which some are told, in each kind of unit that they are told in."""
    for lot in lots:
        amounts: dict[Fate, Amounts] = {fate: {} for fate in Fate}
        for line in came.get(lot.id, ()):
            if line.quantity is not None:
                of = amounts[line.fate]
                of[line.uom] = EXACT.add(of.get(line.uom, _ZERO), line.quantity)
        if not any(amounts.values()):
            continue
        left = {of.uom: of.left for of in lot.sums if of.left is not None}
        for uom, (was_left, *told) in by_unit(left, *(amounts[fate] for fate in Fate)):
            recovered, destroyed, not_found = (total or _ZERO for total in told)
            accounted = EXACT.add(EXACT.add(recovered, destroyed), not_found)
            yield LotAccount(
                lot=lot.id,
                uom=uom,
                left=was_left,
                recovered=recovered,
                destroyed=destroyed,
                not_found=not_found,
                missing=None if was_left is None else EXACT.subtract(was_left, accounted),
            )
