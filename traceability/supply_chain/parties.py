"""Who is who: the port through which folds learn to whom a party belongs, and who holds a company prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from traceability.gs1.identifiers import gln_of


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


class ListedParties:
    """Parties out of a list: organisations by GLN (13 digits) or party URI. No prefix is registered."""

    def __init__(self, organisations: Mapping[str, str]) -> None:
        self._organisations = organisations

    def organisation_of(self, uri: str) -> str | None:
        """Return the organisation that a party or place belongs to."""
        gln = gln_of(uri)
        return self._organisations.get(uri if gln is None else gln)

    def prefix_holder(self, thing: str, at: int) -> str | None:  # noqa: ARG002
        """Return None."""
        return None
