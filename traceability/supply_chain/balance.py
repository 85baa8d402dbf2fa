"""Mass balance: what went into a transformation and what came out of it, by unit, as its events state it.

Amounts add up within a kind of unit (UN/ECE Recommendation 20): kilograms and pounds do, litres and kilograms do not.
What is named one by one counts as pieces, and so does a quantity without a unit. Pieces stand apart: twenty packs are
not four kits, so they are compared only when all on both sides are of one trade item.

A pallet or a crate stands for what is on it, which its event does not count, and an event that the reader sees in part
may count more than is seen: then nothing is judged. The sums are exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Context, Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
import numpy as np

from traceability.gs1.epcis import Item
from traceability.gs1.identifiers import Kind
from traceability.gs1.units import reference_code, unit
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.seen import SeenEvent, identify
from traceability.supply_chain.tables import Ints
from traceability.supply_chain.things import things_of

EXACT: Final = Context(prec=1_000)
Amounts: TypeAlias = dict[str | None, Decimal]
"""Amounts by their unit (UN/ECE Rec. 20); None counts pieces."""
"""Room for every sum of quantities that a capture accepts: at most 64 digits, exponents to ±200."""
_SHORT: Final = Context(prec=28)  # of a fraction that no decimal is
PIECES: Final = "count"
_ADD_UP: Final = frozenset(
    {PIECES, "mass", "volume", "length", "area", "time", "energy", "amount of substance", "memory capacity"}
)
"""Kinds of units in which a whole is the sum of its parts, of those that we know."""

_TRADE_ITEM: Final = "https://id.gs1.org/01/"
_GTIN_END: Final = len(_TRADE_ITEM) + 14
_PIECE_KEYS: Final = ("01", "8006", None)  # trade items, pieces of one, and things outside GS1's system
NAMED: Final = {"inputEPCList": True, "outputEPCList": False}
COUNTED: Final = {"inputQuantityList": True, "outputQuantityList": False}
_ZERO: Final = Decimal(0)


class Verdict(StrEnum):
    """What can be said of the two sides of a transformation."""

    BALANCED = "balanced"
    """They differ by no more than the tolerance."""
    LOSS = "loss"
    GAIN = "gain"
    INCOMPARABLE = "incomparable"
    """They are told in kinds of units that do not add up."""
    UNSTATED = "unstated"
    """One side is not told, or something on it is not counted."""


class BalanceSum(msgspec.Struct, frozen=True, gc=False):
    """What went in and came out in one unit; `uom` None counts pieces.

    `loss` is what went in less what came out, negative for a gain; None where the two are not compared.
    """

    uom: str | None
    inputs: Decimal
    outputs: Decimal
    loss: Decimal | None


class TransformationBalance(msgspec.Struct, frozen=True, gc=False):
    """The balance of a transformation, by the id of its node, and the positions of the events that tell it."""

    id: str
    verdict: Verdict
    sums: tuple[BalanceSum, ...]
    positions: tuple[int, ...]


class Side:
    """What goes into a transformation, or what comes out: `amounts` by unit, pieces under None.

    `stated` is false when something on it is not counted; `classes` are those of its pieces.
    """

    __slots__ = ("amounts", "classes", "pieces", "stated")

    def __init__(self) -> None:
        self.amounts: dict[str | None, Decimal] = {}
        self.pieces: set[str] = set()
        self.classes: set[str] = set()
        self.stated = True

    def add(self, item: Item, *, counted: bool) -> None:
        """Take in an item of a list that counts, or of one that names."""
        uri = item.id
        if not counted:
            if counts_as_piece(uri):
                self.pieces.add(uri)
            else:
                self.stated = False
        elif item.quantity is None:
            self.stated = False
        else:
            uom = item.uom
            known = self.amounts.get(uom)
            self.amounts[uom] = item.quantity if known is None else EXACT.add(known, item.quantity)
            if kind_of_unit(uom) == PIECES:
                self.classes.add(class_of(uri))

    def settle(self) -> None:
        """Count the pieces, each once however often and with or without its lot it is named."""
        if self.pieces:
            named = things_of(self.pieces)
            self.classes.update([uri[:_GTIN_END] if uri.startswith(_TRADE_ITEM) else class_of(uri) for uri in named])
            self.amounts[None] = EXACT.add(self.amounts.get(None, _ZERO), Decimal(len(set(named))))

    @property
    def is_told(self) -> bool:
        """Tell whether anything is on it."""
        return bool(self.amounts) or not self.stated


def balances(facts: Facts, transformations: Ints, tolerance: Decimal) -> Iterator[TransformationBalance]:
    """Yield the balances of transformations; `tolerance` is the part of what goes in that may be lost or gained."""
    names = facts.transformations.names
    for number, events in events_of(facts, transformations):
        yield balance_of(names[number], events, tolerance)


def balance_of(name: str, events: Sequence[SeenEvent], tolerance: Decimal) -> TransformationBalance:
    """Return the balance of one transformation, by all of its events that count."""
    inputs, outputs = sides(told_once(events))
    whole = all(event.whole for event in events)
    verdict, sums = _judge(inputs, outputs, tolerance, whole=whole)
    return TransformationBalance(name, verdict, sums, tuple([event.position for event in events]))


def events_of(facts: Facts, transformations: Ints) -> Iterator[tuple[int, list[SeenEvent]]]:
    """Yield for each of these transformations, given in order, its events by position."""
    passages = facts.passages
    which, rows = passages.find("transformation", transformations)
    pairs = np.stack([which, passages["position"][rows]])
    pairs = pairs[:, np.lexsort(pairs[::-1])]
    which, positions = pairs[:, np.any(np.diff(pairs, axis=1, prepend=-1), axis=0)]
    starts = np.searchsorted(which, np.arange(len(transformations) + 1)).tolist()
    told = [facts.events[position] for position in positions.tolist()]
    for number, start, end in zip(transformations.tolist(), starts, starts[1:], strict=False):
        yield number, told[start:end]


def told_once(events: Sequence[SeenEvent]) -> Sequence[SeenEvent]:
    """Leave out events of one transformation that say the same of the same instant: two partners tell of one run."""
    if len(events) == 1:
        return events
    return list({(event.occurred_at, event.what): event for event in reversed(events)}.values())


def sides(events: Iterable[SeenEvent]) -> tuple[Side, Side]:
    """Return what goes into a transformation, and what comes out."""
    inputs, outputs = Side(), Side()
    for event in events:
        for item in event.items:
            if (is_input := NAMED.get(item.list)) is not None:
                (inputs if is_input else outputs).add(item, counted=False)
            elif (is_input := COUNTED.get(item.list)) is not None:
                (inputs if is_input else outputs).add(item, counted=True)
    inputs.settle()
    outputs.settle()
    return inputs, outputs


def _judge(inputs: Side, outputs: Side, tolerance: Decimal, *, whole: bool) -> tuple[Verdict, tuple[BalanceSum, ...]]:
    kinds = {uom: kind_of_unit(uom) for uom in (*inputs.amounts, *outputs.amounts)}
    physical = [{kinds[uom] for uom in side.amounts} - {PIECES} for side in (inputs, outputs)]
    if not whole or not (inputs.is_told and outputs.is_told and inputs.stated and outputs.stated):
        compared, verdict = set[str](), Verdict.UNSTATED
    elif physical[0] != physical[1] or not (
        all(map(_adds_up, physical[0])) if physical[0] else _alike(inputs, outputs)
    ):
        compared, verdict = set(), Verdict.INCOMPARABLE
    else:
        compared, verdict = physical[0] or {PIECES}, Verdict.BALANCED
    sums = []
    # By kind, pieces last: they stand apart from what is weighed or measured.
    for kind in sorted(set(kinds.values()), key=lambda kind: (kind == PIECES, kind)):
        uoms = [uom for uom, of in kinds.items() if of == kind]
        went_in, came_out = (in_one_unit(side.amounts, uoms) or _ZERO for side in (inputs, outputs))
        loss = EXACT.subtract(went_in, came_out) if kind in compared else None
        if loss is not None and abs(loss) > EXACT.multiply(tolerance, went_in):
            verdict = Verdict.GAIN if loss < 0 or verdict is Verdict.GAIN else Verdict.LOSS
        sums.append(BalanceSum(unit_of(kind, uoms), went_in, came_out, loss))
    return verdict, tuple(sums)


@lru_cache(maxsize=1024)
def kind_of_unit(uom: str | None) -> str:
    """Return the kind of a unit; no unit counts pieces."""
    return PIECES if uom is None else unit(uom).kind


def in_reference(amount: Decimal, uom: str | None) -> Decimal:
    """Return an amount in the unit of reference of its kind; exact unless no decimal is."""
    over, under, is_decimal = _factor(uom)
    if over == under:
        return amount
    exact = EXACT.divide(EXACT.multiply(amount, over), under)
    return exact if is_decimal else _SHORT.plus(exact)


@lru_cache(maxsize=1024)
def _factor(uom: str | None) -> tuple[Decimal, Decimal, bool]:
    factor = Fraction(1) if uom is None else unit(uom).factor
    return Decimal(factor.numerator), Decimal(factor.denominator), _is_decimal(factor.denominator)


def unit_of(kind: str, uoms: Collection[str | None]) -> str | None:
    """Return the unit to tell an amount in that is told in these: the only one, else that of reference."""
    return next(iter(uoms)) if len(uoms) == 1 else None if kind == PIECES else reference_code(kind)


def in_one_unit(amounts: Mapping[str | None, Decimal], uoms: Collection[str | None]) -> Decimal | None:
    """Return the total of amounts in units of one kind, in their `unit_of`; None when there is none of them."""
    told = [uom for uom in uoms if uom in amounts]
    if len(uoms) == 1 or not told:
        return amounts[told[0]] if told else None
    total = _ZERO
    for uom in sorted(told, key=str):
        total = EXACT.add(total, in_reference(amounts[uom], uom))
    return total


def by_unit(*several: Amounts) -> Iterator[tuple[str | None, list[Decimal | None]]]:
    """Yield totals in each kind of unit, pieces last; None where nothing is told in that kind."""
    uoms = {uom for amounts in several for uom in amounts}
    if len(uoms) == 1:
        (uom,) = uoms
        yield uom, [amounts.get(uom) for amounts in several]
        return
    kinds: dict[str, list[str | None]] = defaultdict(list)
    for uom in uoms:
        kinds[kind_of_unit(uom)].append(uom)
    for kind in sorted(kinds, key=lambda kind: (kind == PIECES, kind)):
        totals = [in_one_unit(amounts, kinds[kind]) for amounts in several]
        yield unit_of(kind, kinds[kind]), totals


def _alike(inputs: Side, outputs: Side) -> bool:
    return len(inputs.classes | outputs.classes) == 1


def _adds_up(kind: str) -> bool:
    return kind in _ADD_UP or reference_code(kind) == kind  # a code that we do not know is a kind of its own


def class_of(uri: str) -> str:
    """Return the trade item or other class that a thing is of; itself when there is none."""
    identifier = identify(uri)
    return uri if identifier is None or identifier.class_uri is None else identifier.class_uri


def counts_as_piece(uri: str) -> bool:
    """Tell whether what is named counts as one piece; a logistic unit or an asset stands for what is in it."""
    return uri.startswith(_TRADE_ITEM) or _is_piece(uri)


@lru_cache(maxsize=4096)
def _is_piece(uri: str) -> bool:
    identifier = identify(uri)
    return identifier is None or identifier.kind is not Kind.ITEM or identifier.key in _PIECE_KEYS


def _is_decimal(denominator: int) -> bool:
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator == 1
