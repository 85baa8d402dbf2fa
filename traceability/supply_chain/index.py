"""The port through which folds read a ledger: one reader's view of it, up to one position."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.windows import Window


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

    def events(self, tags: Collection[str], during: Mapping[str, Window] | None = None) -> Sequence[SeenEvent]:
        """Return the events that carry any of these tags (`item:`, `lot:`, `transformation:`).

        So do those of the things (`item:` tags) that have a window in `during`. Of one that was never a child, events
        outside of the window may be left out: a pallet is used again and again.
        """
        ...

    def known(self, things: Collection[str], as_of: int | None = None) -> set[str]:
        """Return those of these things that an event that counts names, or names a member of, as of an event time."""
        ...

    def ties(
        self, tags: Collection[str], during: Mapping[str, Window] | None = None
    ) -> Iterable[tuple[SeenEvent, Collection[str]]]:
        """Return, each with those of the tags that it carries, the events that count and may tie things together.

        They are neither retracted nor a retraction, and `SeenEvent.ties` is true of them. `during` as for `events`; of
        those things, events may also be left out in which they are only the parent.
        """
        ...

    def emptyings(self, parents: Collection[str]) -> Sequence[SeenEvent]:
        """Return the events that close everything at once of these parents (`item:` tags)."""
        ...
