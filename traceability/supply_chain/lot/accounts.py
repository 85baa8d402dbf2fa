"""The accounts of a lot: amounts in one kind of unit, taken out of one and put into another.

No account is ever below zero. What was made, brought in or short is what went and what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from traceability.gs1.units import unit
from traceability.supply_chain.balance import EXACT, unit_of
from traceability.supply_chain.item import Lifecycle

_ZERO: Final = Fraction(0)
_ONE: Final = Decimal(1)
_SHORT: Final = Context(prec=28)  # of an amount that no decimal is


class Total(StrEnum):
    """What is added up of a lot."""

    MADE = "made"
    BROUGHT_IN = "brought_in"
    """Received, shipped or packed without being seen to come from anywhere."""
    SHIPPED = "shipped"
    RECEIVED = "received"
    USED = "used"
    SOLD = "sold"
    DESTROYED = "destroyed"
    LOST = "lost"
    DECOMMISSIONED = "decommissioned"
    SHORT = "short"
    """Of what went, the part that was not there."""


OUT: Final = {
    Lifecycle.CONSUMED: Total.USED,
    Lifecycle.SUPPLIED: Total.SOLD,
    Lifecycle.DESTROYED: Total.DESTROYED,
    Lifecycle.LOST_OR_STOLEN: Total.LOST,
    Lifecycle.DECOMMISSIONED: Total.DECOMMISSIONED,
}
"""How an amount goes that is used up, handed over or gone."""


class Account(NamedTuple):
    """Where an amount is: `under_way` to `to`, None to nobody in particular; then `place` is where it was seen last.

    A holder is an organisation by its permanent name, else a party by URI.
    """

    holder: str
    place: str | None = None
    container: str | None = None
    under_way: bool = False
    to: str | None = None


class Row(NamedTuple):
    """So much is in an account; `uom` None counts pieces."""

    account: Account
    uom: str | None
    quantity: Decimal


class Sum(NamedTuple):
    """What is added up in one kind of unit: `left` is what is in all accounts."""

    uom: str | None
    totals: Mapping[Total, Decimal]
    left: Decimal


Part: TypeAlias = tuple[Account, Fraction]
Prefers: TypeAlias = Callable[[Account], bool]


class Books:
    """The accounts in one kind of unit, in its unit of reference; `holders` ever had something.

    `arrived` is by holder what it took over without a `receiving` that says so.

    Amounts are told in the only unit that was used, else in that of reference.
    """

    def __init__(self, kind: str) -> None:
        self.left: dict[Account, Fraction] = {}
        self.totals = dict.fromkeys(Total, _ZERO)
        self.holders: set[str] = set()
        self.arrived: dict[str, Fraction] = {}
        self.uoms: set[str | None] = set()
        self._kind = kind
        self._in: dict[str, set[Account]] = {}

    @property
    def uom(self) -> str | None:
        """Return the unit to tell amounts in."""
        return unit_of(self._kind, self.uoms)

    def rows(self) -> list[Row]:
        """Return what is in each account, by holder and place."""
        return [Row(one, self.uom, self.told(self.left[one])) for one in sorted(self.left, key=turn)]

    def sum(self) -> Sum:
        """Return what is added up."""
        return Sum(
            self.uom,
            {total: self.told(amount) for total, amount in self.totals.items()},
            self.told(self.having(lambda _: True)),
        )

    def told(self, amount: Fraction) -> Decimal:
        """Return an amount in the unit to tell amounts in; exact unless no decimal is."""
        told = amount / factor(self.uom)
        exact = EXACT.divide(Decimal(told.numerator), Decimal(told.denominator))
        if Fraction(exact) != told:
            return _SHORT.plus(exact)
        plain = EXACT.normalize(exact)
        return EXACT.quantize(plain, _ONE) if plain == plain.to_integral_value() else plain

    def written(self, amount: Fraction) -> str:
        """Return an amount for people."""
        return f"{self.told(amount):f} {self.uom or 'pieces'}"

    def add(self, total: Total, amount: Fraction) -> None:
        """Add to what is added up."""
        self.totals[total] += amount

    def put(self, account: Account, amount: Fraction) -> None:
        """Put an amount into an account."""
        self.left[account] = self.left.get(account, _ZERO) + amount
        self.holders.add(account.holder)
        if account.container is not None:
            self._in.setdefault(account.container, set()).add(account)

    def was_counted(self, who: str, amount: Fraction) -> Fraction:
        """Return how much of what somebody receives now had arrived there before, and is counted already."""
        known = min(amount, self.arrived.get(who, _ZERO))
        self.arrived[who] = self.arrived.get(who, _ZERO) - known
        return known

    def having(self, wanted: Prefers) -> Fraction:
        """Return how much is in some accounts."""
        return sum((amount for account, amount in self.left.items() if wanted(account)), _ZERO)

    def take(self, amount: Fraction, *preferred: Prefers) -> tuple[list[Part], Fraction]:
        """Take an amount out of the accounts that are preferred, in this order; return it, and what was not there."""
        taken: list[Part] = []
        for prefers in preferred:
            for account in sorted(filter(prefers, self.left), key=turn) if amount else ():
                part = min(amount, self.left[account])
                self._reduce(account, part)
                taken.append((account, part))
                amount -= part
                if not amount:
                    break
        return taken, amount

    def inside(self, containers: Iterable[str]) -> list[Account]:
        """Return the accounts in these containers."""
        return sorted({account for one in containers for account in self._in.get(one, ())}, key=turn)

    def empty(self, containers: Iterable[str]) -> list[Part]:
        """Take out all that is in these containers."""
        found = [(account, self.left[account]) for account in self.inside(containers)]
        for account, part in found:
            self._reduce(account, part)
        return found

    def _reduce(self, account: Account, part: Fraction) -> None:
        self.left[account] -= part
        if self.left[account]:
            return
        del self.left[account]
        if account.container is not None:
            self._in[account.container].discard(account)
            if not self._in[account.container]:
                del self._in[account.container]


def turn(account: Account) -> tuple[object, ...]:
    """Return what accounts are sorted by, so that which is taken from first depends on no order of arrival."""
    place, container, to = ((text is not None, text or "") for text in (account.place, account.container, account.to))
    return account.holder, place, container, account.under_way, to


def factor(uom: str | None) -> Fraction:
    """Return how much one of a unit is in the unit of reference of its kind; without a unit, one piece."""
    return Fraction(1) if uom is None else unit(uom).factor
