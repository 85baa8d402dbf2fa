"""How much of the roots may be in what was made of them, and where a chain-of-custody model is broken.

Two answers for each thing that a walk forward came to:

- `most`, the worst case: all that may have gone the same way did. Of 50 kg of a root in a blend of 1,000 kg, a portion
  of 20 kg may be nothing but root.
- `proportional`: every transformation mixes evenly, so the portion is 5 % root. It needs amounts in one unit for all
  that goes in; without them it is not known (None), and nor is what is made of that.

The flow runs in event time: what goes in counts from then on, and a lot that is topped up changes. Ratios are worked
out to 40 digits and told to 12 decimals, `most` rounded up.

The models are those of ISO 22095; the roots are the material that the claim is about. What the events cannot tell
(what is in a pallet that goes in, say) is a breach that is not `certain`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

import msgspec
import numpy as np

from traceability.supply_chain.balance import (
    COUNTED,
    NAMED,
    PIECES,
    TransformationBalance,
    Verdict,
    class_of,
    counts_as_piece,
    events_of,
    in_reference,
    kind_of_unit,
    told_once,
)
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.seen import SeenEvent, thing_of
from traceability.supply_chain.tables import Ints, distinct, ints

_RATIOS: Final = Context(prec=40)
_TOLD: Final = Decimal("1E-12")
_ZERO, _ONE = Decimal(0), Decimal(1)
_SHOWN: Final = 100
"""Things that a breach names."""


class ChainOfCustody(StrEnum):
    """The models of ISO 22095, the strictest first."""

    IDENTITY_PRESERVED = "identity_preserved"
    """Nothing of another source is mixed in."""
    SEGREGATED = "segregated"
    """Roots may be mixed with one another, and with nothing else."""
    CONTROLLED_BLENDING = "controlled_blending"
    """Other material may be mixed in; how much is known of everything that is made."""
    MASS_BALANCE = "mass_balance"
    """No more comes out than went in."""
    BOOK_AND_CLAIM = "book_and_claim"
    """Claims are kept in books, apart from the goods: no event can break it."""


class Rule(StrEnum):
    """What a transformation breaks."""

    OTHER_SOURCE = "other_source"
    """Material of another source was mixed in."""
    FOREIGN_INPUT = "foreign_input"
    """Something that does not stem from the roots was mixed in."""
    UNKNOWN_PROPORTION = "unknown_proportion"
    MORE_OUT_THAN_IN = "more_out_than_in"


class Share(msgspec.Struct, frozen=True, gc=False):
    """What part of a thing the roots are, from 0 to 1: at most, and if all was mixed evenly (None: not known)."""

    id: str
    most: Decimal
    proportional: Decimal | None


class Breach(msgspec.Struct, frozen=True, gc=False):
    """A transformation at which a model is broken, or (not `certain`) may be, as the events do not tell.

    `things` are what went in that breaks it, the first hundred.
    """

    id: str
    rule: Rule
    certain: bool
    things: tuple[str, ...]
    positions: tuple[int, ...]


class Reached(NamedTuple):
    """What a walk forward found, by the numbers of things: the first instant from which each matters (`traced`), the
    stays in which each carried something (`carried`), and what it comes of without a transformation: its lots, and the
    traced containers that it was in (`drawn`).
    """  # noqa: D205 - one sentence

    roots: Collection[int]
    traced: Mapping[int, int]
    carried: Mapping[int, Sequence[tuple[int, int]]]
    drawn: Mapping[int, Collection[int]]


class _Amount(NamedTuple):
    """How much of a thing goes in or comes out: `kind` of unit and what it is in that of reference; None: not told."""

    thing: int
    at: int
    kind: str
    amount: Decimal | None


_MANY: Final = -1
"""Not one source but several."""


class _State(msgspec.Struct):
    """Of the content of a thing, or of what has gone into a transformation: `most` is the largest amount of root in it
    (None: all of it may be), `part` the amount of root in `whole` if all was mixed evenly, `kind` their unit.

    `known` is false when `part` is not; `first` is the ratio of what was added first, and `even` while that is the
    ratio of all. `source` is the one that it stems from, `mixed` tells that several were brought together here.
    """  # noqa: D205 - one sentence

    kind: str | None = None
    most: Decimal | None = _ZERO
    part: Decimal = _ZERO
    whole: Decimal = _ZERO
    known: bool = True
    first: Decimal | None = None
    even: bool = True
    source: int | None = None
    mixed: bool = False

    @property
    def ratio(self) -> Decimal | None:
        """Return the part of it that is root."""
        if self.even:
            return self.first
        return _RATIOS.divide(self.part, self.whole) if self.known and self.whole else None

    @property
    def largest(self) -> Decimal:
        """Return the largest part of it that may be root."""
        if self.most is None:
            return _ONE
        return min(_ONE, _RATIOS.divide(self.most, self.whole)) if self.whole else _ONE if self.most else _ZERO

    def take(self, kind: str, amount: Decimal | None, ratio: Decimal | None, most: Decimal | None) -> None:
        """Add an amount, of which `ratio` is root, and at most the amount `most` (None: all)."""
        if self.kind is None:
            self.kind, self.first = kind, ratio
        self.even = self.even and ratio is not None and ratio == self.first
        if amount is None or kind != self.kind:
            self.known = False
            self.most = self.most if most == 0 else None
            return
        self.whole = _RATIOS.add(self.whole, amount)
        part = _ZERO if ratio is None else _RATIOS.multiply(ratio, amount)
        self.known = self.known and ratio is not None
        self.part = _RATIOS.add(self.part, part)
        if self.most is not None:
            # Where more was taken than there is said to be, amounts bound nothing: no less than if all is mixed evenly.
            self.most = _RATIOS.add(self.most, amount if most is None else max(part, min(most, amount)))

    def mix(self, source: int | None) -> None:
        """Note where what is added comes from (None: not known)."""
        if source is not None:
            self.mixed = self.mixed or self.source not in (None, source)
            self.source = _MANY if self.mixed else source


class _Mixture(NamedTuple):
    """A transformation: what goes in and what comes out."""

    number: int
    events: Sequence[SeenEvent]
    inputs: Sequence[_Amount]
    outputs: Sequence[_Amount]


class Flow:
    """The flow of the roots through transformations."""

    def __init__(self, facts: Facts, reached: Reached, transformations: Ints) -> None:
        self._facts = facts
        self._reached = reached
        self._things: dict[int, _State] = {root: _State(most=None, first=_ONE, source=root) for root in reached.roots}
        self._inside: dict[int, _State] = defaultdict(_State)
        passages = facts.passages
        _, rows = passages.find("thing", ints(sorted(reached.traced)))
        # What else was put into a traced lot thins it, though the walk did not come by there.
        thinning = passages["transformation"][rows[passages["is_input"][rows] == 0]]
        everything = distinct(np.concatenate([transformations, thinning]))
        self._mixtures = [self._mixture(number, events) for number, events in events_of(facts, everything)]
        self._passed = {mixture.number for mixture in self._mixtures if any(map(self._is_root, mixture.inputs))}
        self._run()

    def shares(self) -> Iterator[Share]:
        """Yield the share of everything that the walk came to but the roots, by name."""
        names = self._facts.things.names
        for thing in sorted(self._reached.traced.keys() - self._reached.roots, key=names.__getitem__):
            state = self._things.get(thing) or self._drawn(thing)
            ratio = state.ratio
            yield Share(
                names[thing],
                state.largest.quantize(_TOLD, ROUND_CEILING, _RATIOS),
                None if ratio is None else ratio.quantize(_TOLD, ROUND_HALF_EVEN, _RATIOS),
            )

    def breaches(self, model: ChainOfCustody, balances: Mapping[str, TransformationBalance]) -> Iterator[Breach]:
        """Yield where a model is broken, in the order of `balances`."""
        names = self._facts.transformations.names
        mixtures = {names[one.number]: one for one in self._mixtures if one.number in self._passed}
        for name, balance in balances.items():
            if name in mixtures:
                mixture = mixtures[name]
                for rule, certain, things in self._broken(model, mixture, balance.verdict):
                    told = sorted({self._facts.things.names[thing] for thing in things})[:_SHOWN]
                    yield Breach(name, rule, certain, tuple(told), balance.positions)

    def _broken(
        self, model: ChainOfCustody, mixture: _Mixture, verdict: Verdict
    ) -> Iterator[tuple[Rule, bool, Iterable[int]]]:
        match model:
            case ChainOfCustody.IDENTITY_PRESERVED | ChainOfCustody.SEGREGATED:
                strict = model is ChainOfCustody.IDENTITY_PRESERVED
                rule = Rule.OTHER_SOURCE if strict else Rule.FOREIGN_INPUT
                foreign = {one.thing for one in mixture.inputs if not self._is_root(one)}
                untold = {one.thing for one in mixture.inputs if self._carries(one)}
                if strict and not foreign and self._inside[mixture.number].mixed:
                    foreign = {one.thing for one in mixture.inputs}
                if foreign:
                    yield rule, True, foreign
                elif untold:
                    yield rule, False, untold
            case ChainOfCustody.CONTROLLED_BLENDING:
                if self._inside[mixture.number].ratio is None:
                    yield Rule.UNKNOWN_PROPORTION, False, [one.thing for one in mixture.inputs]
            case ChainOfCustody.MASS_BALANCE:
                if verdict is Verdict.GAIN:
                    yield Rule.MORE_OUT_THAN_IN, True, ()
                elif verdict in (Verdict.UNSTATED, Verdict.INCOMPARABLE):
                    yield Rule.MORE_OUT_THAN_IN, False, ()

    def _run(self) -> None:
        passing = [
            (one.at, place, is_input, one)
            for place, mixture in enumerate(self._mixtures)
            for is_input, amounts in ((True, mixture.inputs), (False, mixture.outputs))
            for one in amounts
        ]
        passing.sort(key=lambda passed: (passed[0], self._facts.things.names[passed[3].thing]))
        for _, at_once in groupby(passing, key=lambda passed: passed[0]):
            self._pass([(place, is_input, one) for _, place, is_input, one in at_once])

    def _pass(self, passing: Sequence[tuple[int, bool, _Amount]]) -> None:
        """Let through what passes at one instant: what comes out of one may go into another at once."""
        ins: dict[int, list[_Amount]] = defaultdict(list)
        outs: dict[int, list[_Amount]] = defaultdict(list)
        for place, is_input, one in passing:
            (ins if is_input else outs)[place].append(one)
        waiting = _waiting(ins, outs)
        following: dict[int, list[int]] = defaultdict(list)
        for place, before in waiting.items():
            for maker in before:
                following[maker].append(place)
        ready = [place for place, before in waiting.items() if not before]
        while waiting:
            # In a circle each waits for another: whatever root is in it may be anywhere in it.
            circle, turn = not ready, sorted(ready or waiting, key=self._name)
            for place in turn:
                del waiting[place]
                for one in ins[place]:
                    self._go_in(place, one, circle=circle)
            for place in turn:
                for one in outs[place]:
                    self._come_out(place, one)
            ready = _released(turn, following, waiting)

    def _name(self, place: int) -> str:
        return self._facts.transformations.names[self._mixtures[place].number]

    def _go_in(self, place: int, one: _Amount, *, circle: bool) -> None:
        inside = self._inside[self._mixtures[place].number]
        if not self._is_root(one):
            inside.take(one.kind, one.amount, _ZERO, _ZERO)
            inside.mix(one.thing)
            return
        state = self._things.get(one.thing) or self._drawn(one.thing)
        if circle or self._carries(one):
            inside.take(one.kind, None, None, None)
        else:
            most = state.most if state.kind == one.kind else None
            inside.take(one.kind, one.amount, state.ratio, most)
        inside.mix(state.source)

    def _come_out(self, place: int, one: _Amount) -> None:
        inside = self._inside[self._mixtures[place].number]
        if one.thing in self._reached.roots or one.thing not in self._reached.traced:
            return
        state = self._things.setdefault(one.thing, _State())
        if inside.most == 0:
            state.take(one.kind, one.amount, _ZERO, _ZERO)
            return
        most = inside.most if inside.kind == one.kind else None
        state.take(one.kind, one.amount, inside.ratio, most)
        state.mix(inside.source)

    def _is_root(self, one: _Amount) -> bool:
        """Tell whether some of what passes may stem from the roots."""
        return self._is_traced(one) or self._carries(one)

    def _is_traced(self, one: _Amount) -> bool:
        since = self._reached.traced.get(one.thing)
        return since is not None and since <= one.at

    def _carries(self, one: _Amount) -> bool:
        """Tell whether it is only a container of something traced: what else is in it is not known."""
        return not self._is_traced(one) and any(
            first <= one.at <= last for first, last in self._reached.carried.get(one.thing, ())
        )

    def _drawn(self, thing: int) -> _State:
        """Return the state of what was not made by a transformation: as that of its lot, or of what it was in."""
        sources, seen, states = [thing], {thing}, []
        while sources:
            for drawn in self._reached.drawn.get(sources.pop(), ()):
                if (state := self._things.get(drawn)) is not None:
                    states.append(state)
                elif drawn not in seen:
                    seen.add(drawn)
                    sources.append(drawn)
        ratios = {state.ratio for state in states}
        origins = {state.source for state in states}
        source = origins.pop() if len(origins) == 1 else None
        return _State(most=None, first=ratios.pop() if len(ratios) == 1 else None, source=source)

    def _mixture(self, number: int, events: Sequence[SeenEvent]) -> _Mixture:
        inputs: dict[_Amount, None] = {}
        outputs: dict[_Amount, None] = {}
        found: tuple[list[_Amount], list[_Amount]] = [], []
        for event in told_once(events):
            for item in event.items:
                thing, at = thing_of(item.id), event.occurred_at
                if (is_input := NAMED.get(item.list)) is not None:
                    amount = _ONE if counts_as_piece(item.id) else None
                    one = _Amount(self._facts.things[thing], at, f"{PIECES} {class_of(thing)}", amount)
                    (inputs if is_input else outputs)[one] = None
                elif (is_input := COUNTED.get(item.list)) is not None:
                    kind = kind_of_unit(item.uom)
                    kind = f"{PIECES} {class_of(thing)}" if kind == PIECES else kind
                    amount = None if item.quantity is None else in_reference(item.quantity, item.uom)
                    found[not is_input].append(_Amount(self._facts.things[thing], at, kind, amount))
        return _Mixture(number, events, [*inputs, *found[0]], [*outputs, *found[1]])


def _waiting(ins: Mapping[int, Iterable[_Amount]], outs: Mapping[int, Iterable[_Amount]]) -> dict[int, set[int]]:
    """Return for each transformation of an instant those that make what goes into it at that instant."""
    makers: dict[int, set[int]] = defaultdict(set)
    for place, made in outs.items():
        for one in made:
            makers[one.thing].add(place)
    return {
        place: {maker for one in ins.get(place, ()) for maker in makers.get(one.thing, ())} - {place}
        for place in {*ins, *outs}
    }


def _released(
    gone: Iterable[int], following: Mapping[int, Iterable[int]], waiting: Mapping[int, set[int]]
) -> list[int]:
    """Return those that waited for nothing but what has gone now."""
    found = []
    for place in gone:
        for next_ in following.get(place, ()):
            if next_ in waiting:
                waiting[next_].discard(place)
                if not waiting[next_]:
                    found.append(next_)
    return found
