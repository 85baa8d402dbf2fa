"""What is said of a clock, each an event of the ledger: that it began, was answered, or was stopped."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from pydantic import Field, StringConstraints

from traceability.ledger.event import PARTY_PREFIX, DecisionPayload, LedgerEvent
from traceability.ledger.parts import Parts
from traceability.supply_chain.clocks.term import Term
from traceability.supply_chain.said import SaidBy, read_said

CLOCKS: Final = "clock:all"
"""The tag of all that is said of clocks."""

_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999

Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S+$")]


class ClockPayload(DecisionPayload):
    """Something that is said of the clock of this name."""

    clock: str

    def event(self, *, captured_by: str, occurred_at: int, to: str | None = None) -> LedgerEvent:
        """Return the event at an instant (µs UTC), seen by who makes it and by the organisation `to`."""
        tags = [f"clock:{self.clock}", CLOCKS]
        if isinstance(self, ClockStarted):
            tags += [f"item:{thing}" for thing in self.things]
            tags += [] if self.case is None else [f"case:{self.case}"]
        tags += [] if to is None else [f"{PARTY_PREFIX}{to}"]
        return self.to_event(captured_by=captured_by, occurred_at=occurred_at, tags=tags)


class ClockStarted(ClockPayload):
    """A clock runs from the event's own time on: `responsible` has to answer before `due` (µs UTC).

    With `retention` nobody has to answer: something is to be kept until then.

    Rule, version, term, calendar, days `closed` and zone tell how `due` was worked out; it does not change when they
    do. `request` is our id of the event that asked.
    """

    type_name = "supply_chain.clock_started.v1"
    title: Line
    responsible: str
    due: int = Field(ge=_FIRST, le=_LAST)
    rule: Name | None = None
    version: int | None = None
    term: Term
    calendar: str | None = None
    zone: str
    closed: tuple[date, ...] = ()
    things: tuple[str, ...] = ()
    case: Name | None = None
    request: UUID | None = None
    note: Line | None = None
    retention: bool = False


class ClockAnswered(ClockPayload):
    """The clock was answered, by the event with our id `event_id` at `position`."""

    type_name = "supply_chain.clock_answered.v1"
    position: int = Field(ge=1)
    event_id: UUID
    note: Line | None = None


class ClockStopped(ClockPayload):
    """Nobody has to answer any more: the request was taken back, or should not have been made."""

    type_name = "supply_chain.clock_stopped.v1"
    reason: Line


Payload: TypeAlias = ClockStarted | ClockAnswered | ClockStopped
PAYLOADS: Final[dict[str, type[Payload]]] = {
    payload.type_name: payload for payload in (ClockStarted, ClockAnswered, ClockStopped)
}
"""Every kind by its type name, in the order in which they count where they have one time."""
_RANK: Final = {name: rank for rank, name in enumerate(PAYLOADS)}


class Said(SaidBy[Payload]):
    """What is said of a clock, as it is recorded at a position."""

    __slots__ = ()

    @property
    def turn(self) -> tuple[int, int, bytes]:
        """Return what orders it among the rest: event time, kind, content, and never when it arrived."""
        return self.occurred_at, _RANK[self.payload.type_name], self.digest


def said_of(parts: Parts, position: int, event_id: UUID, recorded_at: int) -> Said | None:
    """Read what an event says; None for other types, and for what only others can have written and nobody can read."""
    return read_said(Said, PAYLOADS, parts, position=position, event_id=event_id, recorded_at=recorded_at)
