"""Balances and shares in their plainest form: fractions, and each answer worked out anew from all that happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from traceability.gs1.units import unit
from traceability.supply_chain.seen import SeenEvent, identify, thing_of

Told = tuple[bool, str, Fraction | None]
"""Whether something goes in, its kind of unit or `pieces` and its class, and how much in the unit of reference."""


def _told(event: SeenEvent) -> Iterable[tuple[str, Told]]:
    for item in event.view.items:
        if not item.list.startswith(("input", "output")):
            continue
        goes_in, identifier = item.list.startswith("input"), identify(item.id)
        of = (identifier.class_uri if identifier is not None else None) or item.id
        if item.list.endswith("EPCList"):
            piece = identifier is None or identifier.key in ("01", "8006", None)
            yield thing_of(item.id), (goes_in, f"pieces {of}", Fraction(1) if piece else None)
        else:
            found = unit(item.uom) if item.uom is not None else None
            kind = f"pieces {of}" if found is None or found.kind == "count" else found.kind
            amount = None if item.quantity is None else Fraction(item.quantity) * (found.factor if found else 1)
            yield f"{item.id} {item.list}", (goes_in, kind, amount)


def naive_verdict(events: Sequence[SeenEvent], tolerance: Fraction) -> str:
    """Judge a transformation by all that its events say."""
    told: list[Told] = []
    named: set[tuple[str, bool]] = set()
    for event in events:
        for thing, one in _told(event):
            counted = " " in thing
            if counted or (thing, one[0]) not in named:
                told.append(one)
            named.add((thing, one[0]))
    ins, outs = ([one for one in told if one[0] is goes_in] for goes_in in (True, False))
    if not ins or not outs or any(amount is None for *_, amount in told) or not all(event.whole for event in events):
        return "unstated"
    kinds = [{kind for _, kind, _ in side if not kind.startswith("pieces")} for side in (ins, outs)]
    if kinds[0] != kinds[1]:
        return "incomparable"
    if not kinds[0] and len({kind for _, kind, _ in told}) > 1:
        return "incomparable"
    verdict = "balanced"
    for kind in sorted(kinds[0] or {told[0][1]}):
        went, came = (sum((a or Fraction(0) for _, of, a in side if of == kind), Fraction(0)) for side in (ins, outs))
        if abs(went - came) > tolerance * went:
            verdict = "gain" if came > went or verdict == "gain" else "loss"
    return verdict


class Run(NamedTuple):
    """A transformation at an instant: what goes in and what comes out, lots and kilograms."""

    at: int
    inputs: dict[str, int]
    outputs: dict[str, int]


class NaiveShares:
    """What part of lots roots are, by asking back through every run that made any of them."""

    def __init__(self, runs: Sequence[Run], roots: Iterable[str]) -> None:
        self._runs = runs
        self._roots = set(roots)
        self._made: dict[str, list[Run]] = defaultdict(list)
        for run in runs:
            for lot in run.outputs:
                self._made[lot].append(run)

    def touched(self, lot: str, at: int) -> bool:
        """Tell whether any root may be in a lot before an instant."""
        return lot in self._roots or any(run.at < at and self._fed(run) for run in self._made[lot])

    def even(self, lot: str, at: int) -> Fraction:
        """Return the part of a lot that is root before an instant if all is mixed evenly."""
        if lot in self._roots:
            return Fraction(1)
        if not self.touched(lot, at):
            return Fraction(0)
        made = [run for run in self._made[lot] if run.at < at]
        return sum((run.outputs[lot] * self._mixed(run) for run in made), Fraction(0)) / sum(
            run.outputs[lot] for run in made
        )

    def most(self, lot: str, at: int) -> Fraction:
        """Return the most kilograms of root in a lot before an instant, or all of it."""
        made = [(run.outputs[lot], run) for run in self._made[lot] if run.at < at]
        return sum(
            (_larger(amount * self._mixed(run), min(Fraction(amount), self._poured(run))) for amount, run in made),
            Fraction(0),
        )

    def _fed(self, run: Run) -> bool:
        return any(self.touched(lot, run.at) for lot in run.inputs)

    def _mixed(self, run: Run) -> Fraction:
        whole = sum(run.inputs.values())
        return sum((amount * self.even(lot, run.at) for lot, amount in run.inputs.items()), Fraction(0)) / whole

    def _poured(self, run: Run) -> Fraction:
        return sum(
            (
                Fraction(amount)
                if lot in self._roots
                else _larger(amount * self.even(lot, run.at), min(Fraction(amount), self.most(lot, run.at)))
                for lot, amount in run.inputs.items()
                if self.touched(lot, run.at)
            ),
            Fraction(0),
        )


def _larger(even: Fraction, bound: Fraction) -> Fraction:
    return max(even, bound)  # what is taken may be more than there is said to be
