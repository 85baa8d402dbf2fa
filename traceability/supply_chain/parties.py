"""Who is who: the port through which folds learn to whom a party belongs, who holds a prefix, and who may do what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from traceability.gs1.company_prefixes import digits_from_prefix
from traceability.gs1.identifiers import gln_of
from traceability.ledger.register.register import LONGEST_PREFIX, Register


class Parties(Protocol):
    """The organisations of a ledger, by what events call them.

    What it answers never changes for a party that it knows: a GLN belongs to one organisation for good.
    """

    def organisation_of(self, uri: str) -> str | None:
        """Return the permanent name of the organisation that a party, or a place, belongs to; None for strangers."""
        ...

    def prefix_holder(self, thing: str, at: int) -> str | None:
        """Return who held the company prefix of a thing's GS1 key at an instant (µs UTC); None when none is registered.

        The longest registered prefix decides.
        """
        ...

    def prefix_key(self, thing: str) -> str:
        """Return what `prefix_holder` depends on of a thing: it is the same for two things of one key."""
        ...

    def is_ruled(self, action: str, at: int) -> bool:
        """Tell whether there was a rule of who may do something, a business step or a decision."""
        ...

    def authorised(self, organisation: str, action: str, at: int, partner: str | None) -> bool:
        """Tell whether an organisation was allowed to do something by the register; `partner` is the other side."""
        ...


class Registered(Parties):
    """Parties whom somebody knows, and what a register says of them: `register` of everybody, `about` one of them."""

    def __init__(
        self, organisation_of: Callable[[str], str | None], register: Register, about: Callable[[str], Register]
    ) -> None:
        self._organisation_of = organisation_of
        self._register = register
        self._about = about

    def organisation_of(self, uri: str) -> str | None:
        """Return the organisation that a party or place belongs to."""
        return self._organisation_of(uri)

    def prefix_holder(self, thing: str, at: int) -> str | None:
        """Return who held the company prefix of a thing's key."""
        register = self._register
        return register.prefix_holder(digits_from_prefix(thing), at) if register.knows_prefixes else None

    def prefix_key(self, thing: str) -> str:
        """Return as many digits of a thing's key as a company prefix may have; none where no prefix is registered."""
        return digits_from_prefix(thing)[:LONGEST_PREFIX] if self._register.knows_prefixes else ""

    def is_ruled(self, action: str, at: int) -> bool:
        """Tell whether there was a rule of who may do something."""
        return self._register.rule(action, at) is not None

    def authorised(self, organisation: str, action: str, at: int, partner: str | None) -> bool:
        """Tell whether an organisation was allowed to do something."""
        return self._about(organisation).authorised(organisation, action, at, partner).authorised


class ListedParties(Registered):
    """Parties out of a list: organisations by GLN (13 digits) or party URI; what is registered is all in `register`."""

    def __init__(self, organisations: Mapping[str, str], register: Register | None = None) -> None:
        known = Register((), "") if register is None else register
        super().__init__(self._listed, known, lambda _: known)
        self._organisations = organisations

    def _listed(self, uri: str) -> str | None:
        gln = gln_of(uri)
        return self._organisations.get(uri if gln is None else gln)
