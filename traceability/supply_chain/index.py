"""The port through which folds read a ledger: one reader's view of it, up to one position."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from traceability.supply_chain.seen import SeenEvent


class ProvenanceIndex(Protocol):
    """The EPCIS events that one reader may see among those recorded up to `known_at`.

    Every answer is checked against real tags, so that two tags of one hash cost time and never an answer. It comes
    with every error declaration that retracts one of its events, and names an event once; the order is free. An
    instance serves one question: when the reader may only see items that it names, each call names more of them, so
    an event may come again with more of its items.
    """

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        ...

    def events(self, tags: Collection[str]) -> Sequence[SeenEvent]:
        """Return the events that carry any of these tags (`item:`, `lot:`, `transformation:`)."""
        ...

    def emptyings(self, parents: Collection[str]) -> Sequence[SeenEvent]:
        """Return the events that close everything at once of these parents (`item:` tags)."""
        ...
