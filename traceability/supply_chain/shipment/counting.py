"""How much of a shipment was advised, sent, received and damaged: of each thing, in each kind of unit.

What is named counts once, however often it is named; quantities add up. A thing that was not advised by its own name
counts for its lot or class, if that was. A container stands for what was advised within it, unless a party's events say
what is inside. The sums are exact, so no order of events changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from traceability.supply_chain.balance import EXACT, Amounts, by_unit, class_of
from traceability.supply_chain.seen import Role, SeenEvent
from traceability.supply_chain.shipment.events import AdvisedLine, Difference, Report
from traceability.supply_chain.things import Mention

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


class Row(NamedTuple):
    """A thing in one kind of unit (`uom` None: pieces); None where a reader cannot tell.

    `outstanding` may still come; once the receipt is complete it is `short`.
    """

    thing: str
    uom: str | None
    advised: Decimal
    shipped: Decimal
    received: Decimal
    damaged: Decimal
    over: Decimal | None
    short: Decimal | None
    outstanding: Decimal | None

    @property
    def reports(self) -> Iterator[Report]:
        """Yield how it differs from what was advised."""
        for difference, amount in (
            (Difference.UNDERAGES, self.short),
            (Difference.OVERAGES, self.over),
            (Difference.DAMAGED, self.damaged),
        ):
            if amount is not None and amount > 0:
                yield Report(
                    thing=self.thing,
                    difference=difference,
                    uom=self.uom,
                    advised=self.advised,
                    received=self.received,
                    quantity=amount,
                )


class Advised:
    """What a despatch advice names, and what each container was advised to hold."""

    def __init__(self, lines: Iterable[AdvisedLine]) -> None:
        self.lines = tuple(lines)
        self.things = {line.thing for line in self.lines}
        self.within: dict[str, list[AdvisedLine]] = {}
        for line in self.lines:
            if line.within is not None:
                self.within.setdefault(line.within, []).append(line)

    def key(self, mention: Mention) -> str:
        """Return under what a mention of a thing counts: its own name, its lot or its class."""
        lots = () if mention.lot is None else (mention.lot,)
        return next(
            (name for name in (mention.thing, *lots, class_of(mention.thing)) if name in self.things), mention.thing
        )


class Count:
    """What some events name and count, against what was advised."""

    def __init__(self, advised: Advised) -> None:
        self._advised = advised
        self._named: dict[str, dict[str, None]] = {}
        self._counted: dict[str, Amounts] = {}
        self._unstated: set[str] = set()
        self._containers: set[str] = set()
        self._opened: set[str] = set()

    def add(self, event: SeenEvent) -> None:
        """Take in what an event says; of an aggregation its parent, and what it names as inside."""
        children = any(mention.role is Role.CHILD for mention in event.mentions)
        for mention in event.mentions:
            if children and mention.role is Role.PARENT:
                self._opened.add(mention.thing)
            key = self._advised.key(mention)
            if not mention.class_level:
                self._named.setdefault(key, {})[mention.thing] = None
                self._containers.add(mention.thing)
            elif mention.quantity is None:
                self._unstated.add(key)
            else:
                self._add(key, mention.quantity, mention.uom)
        # What is counted beside its container in one event is not counted again with it.
        beside = {self._advised.key(mention) for mention in event.mentions}
        for container in event.things & self._advised.within.keys():
            if any(line.thing in beside for line in self._advised.within[container]):
                self._opened.add(container)

    def remove(self, event: SeenEvent) -> None:
        """Take back what an event says."""
        for mention in event.mentions:
            key = self._advised.key(mention)
            if not mention.class_level:
                self._named.get(key, {}).pop(mention.thing, None)
                self._containers.discard(mention.thing)
                self._opened.discard(mention.thing)
            elif mention.quantity is not None:
                self._add(key, -mention.quantity, mention.uom)

    def of(self) -> dict[str, Amounts]:
        """Return the amounts by thing."""
        named = {key: set(things) for key, things in self._named.items()}
        found = {key: dict(amounts) for key, amounts in self._counted.items()}
        seen, todo = set[str](), sorted(self._containers - self._opened)
        while todo:
            container = todo.pop()
            if container in seen:
                continue
            seen.add(container)
            for line in self._advised.within.get(container, ()):
                if line.is_unstated:
                    self._unstated.add(line.thing)
                elif line.quantity is None:
                    named.setdefault(line.thing, set()).add(line.thing)
                    if line.thing not in self._opened:
                        todo.append(line.thing)
                else:
                    _put(found.setdefault(line.thing, {}), line.quantity, line.uom)
        for key, things in named.items():
            if things:
                _put(found.setdefault(key, {}), Decimal(len(things)), None)
        return found

    @property
    def unstated(self) -> frozenset[str]:
        """Return the things of which some was named without saying how much."""
        return frozenset(self._unstated)

    def _add(self, key: str, quantity: Decimal, uom: str | None) -> None:
        _put(self._counted.setdefault(key, {}), quantity, uom)


def _put(amounts: Amounts, quantity: Decimal, uom: str | None) -> None:
    amounts[uom] = EXACT.add(amounts.get(uom, _ZERO), quantity)


def advised_amounts(lines: Iterable[AdvisedLine]) -> dict[str, Amounts]:
    """Return how much of each thing is to come."""
    found: dict[str, Amounts] = {}
    for line in lines:
        if line.quantity is None and not line.is_unstated:
            found.setdefault(line.thing, {})[None] = _ONE
        elif line.quantity is not None:
            _put(found.setdefault(line.thing, {}), line.quantity, line.uom)
    return found


def unstated_in(lines: Iterable[AdvisedLine]) -> set[str]:
    """Return the lots and classes of which an unknown amount is to come."""
    return {line.thing for line in lines if line.is_unstated}


def rows_of(
    advised: Advised, shipped: Count, received: Count, damaged: Count, *, complete: bool, seen: bool
) -> list[Row]:
    """Return all things by name; `short` and `over` are told if all that was received is `seen`."""
    parts: tuple[Mapping[str, Amounts], ...] = (
        advised_amounts(advised.lines),
        shipped.of(),
        received.of(),
        damaged.of(),
    )
    unstated = unstated_in(advised.lines) | received.unstated
    rows = []
    for thing in sorted(set().union(*parts)):
        counted = seen and thing not in unstated
        for uom, totals in by_unit(*(amounts.get(thing, {}) for amounts in parts)):
            was, sent, came, broken = (total or _ZERO for total in totals)
            missing = max(EXACT.subtract(was, came), _ZERO)
            rows.append(
                Row(
                    thing=thing,
                    uom=uom,
                    advised=was,
                    shipped=max(sent, _ZERO),
                    received=came,
                    damaged=broken,
                    over=max(EXACT.subtract(came, was), _ZERO) if counted else None,
                    short=missing if counted and complete else None,
                    outstanding=None if complete or not counted else missing,
                )
            )
    return rows
