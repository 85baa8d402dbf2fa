"""What every decision about things has: their names, and who may see it."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from traceability.ledger.event import PARTY_PREFIX, DecisionPayload, LedgerEvent


class AboutThings(DecisionPayload):
    """A decision about things, by their names (`thing_of`)."""

    things: tuple[str, ...] = Field(min_length=1)

    def event(self, *, captured_by: str, occurred_at: int, parties: Iterable[str] = ()) -> LedgerEvent:
        """Return the event of this decision at an instant (µs UTC); `parties` are the names of who may see it too.

        Those are party URIs, as an EPCIS event would name them, or the permanent names of organisations.
        """
        tags = [f"item:{thing}" for thing in self.things]
        tags += [f"{PARTY_PREFIX}{party}" for party in sorted(set(parties))]
        return self.to_event(captured_by=captured_by, occurred_at=occurred_at, tags=tags)


class Stated(AboutThings):
    """What is stated of things by who may speak of them; it moves neither custody nor ownership, and holds nothing."""
