"""What is said in a recall case, each an event of the ledger: from its opening to its end.

That a case is open, and that it is over, is seen as other decisions are. All else is seen by who made it and by the one
organisation that it is to, whatever is granted. A notice tells an organisation of its own things and of nobody else's,
and holds all that it has to know of the case, because it may see nothing else of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from traceability.ledger.event import (
    FOR_THE_NAMED,
    PARTY_PREFIX,
    DecisionPayload,
    LedgerEvent,
)
from traceability.ledger.parts import Parts
from traceability.supply_chain.said import SaidBy, read_said

RECALLS: Final = "case:recall"
"""The tag of every event that a case begins with, for the opener or for an organisation that was notified."""
RECALLED: Final = "recalled:"
"""How the tags begin by which the recalls of a thing are found, without a look at all that happened to it."""
THINGS_OF_A_NOTICE: Final = 1_000
"""Things that one event of a notice names; a longer notice is several events."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Outcome(StrEnum):
    """What an organisation tells of a thing that it was notified of."""

    FOUND = "found"
    QUARANTINED = "quarantined"
    DESTROYED = "destroyed"
    GONE = "gone"


class _Member(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Told(_Member):
    """What became of a thing; of a lot so much of it (without `uom`: pieces)."""

    thing: str
    outcome: Outcome
    quantity: Decimal | None = Field(default=None, ge=0, max_digits=38, decimal_places=18, allow_inf_nan=False)
    uom: str | None = Field(default=None, pattern="^[A-Z0-9]{2,3}$")


class ScopedTrace(_Member):
    """The question for the trace that a scope is: forward from the roots. `as_of` is in microseconds UTC."""

    roots: tuple[str, ...]
    as_of: int | None = None
    known_at: int
    max_depth: int
    max_nodes: int


class HolderCount(_Member):
    """How many things a party has, or is to receive: an organisation by its permanent name, else a party by URI."""

    holder: str
    things: int


class RecallPayload(DecisionPayload):
    """Something that is said in the case of this name."""

    case: str

    @property
    def named(self) -> tuple[str, ...]:
        """Return the things by which it is found."""
        return ()

    def event(self, *, captured_by: str, occurred_at: int, to: str | None = None) -> LedgerEvent:
        """Return the event at an instant (µs UTC), seen by who makes it and by the organisation `to`."""
        tags = [f"case:{self.case}", *([RECALLS] if isinstance(self, RecallOpened | RecallNotified) else [])]
        tags += [f"{kind}{thing}" for kind in ("item:", RECALLED) for thing in self.named]
        tags += [] if to is None else [f"{PARTY_PREFIX}{to}"]
        open_to_grants = to is None and isinstance(self, RecallOpened | RecallClosed | RecallCancelled)
        tags += [] if open_to_grants else [FOR_THE_NAMED]
        return self.to_event(captured_by=captured_by, occurred_at=occurred_at, tags=tags)


class RecallOpened(RecallPayload):
    """A case begins: these things, and all that they went into, are to come back."""

    type_name = "supply_chain.recall_opened.v1"
    name: Line
    reason: Line
    classification: Word
    roots: tuple[str, ...] = Field(min_length=1)

    @property
    def named(self) -> tuple[str, ...]:
        """Return the roots."""
        return self.roots


class RecallScoped(RecallPayload):
    """What is affected, as a trace that anybody with the same right to see can repeat: `digest` is its SHA-256.

    `items` and `lots` are how many are affected, `unheld` those that nobody is seen to have.
    """

    type_name = "supply_chain.recall_scoped.v1"
    trace: ScopedTrace
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    complete: bool
    items: int
    lots: int
    unheld: int
    holders: tuple[HolderCount, ...]


class RecallNotified(RecallPayload):
    """An organisation is told which of the things that it has are affected. Events of one `notice` add up."""

    type_name = "supply_chain.recall_notified.v1"
    notice: str
    organisation: str
    name: Line
    reason: Line
    classification: Word
    roots: tuple[str, ...]
    things: tuple[str, ...] = Field(min_length=1, max_length=THINGS_OF_A_NOTICE)

    @property
    def named(self) -> tuple[str, ...]:
        """Return the things that the organisation has."""
        return self.things


class RecallAcknowledged(RecallPayload):
    """An organisation says that it has read its notice, and what it did about the things."""

    type_name = "supply_chain.recall_acknowledged.v1"
    notice: str
    told: tuple[Told, ...] = ()
    note: Line | None = None


class LotAccount(_Member):
    """Of a lot, in one unit (None: pieces): what was `left` of it, and what became of how much; both as told.

    `left` and `missing` are None when no event tells how much was made. More may be told than was left: then `missing`
    is negative.
    """

    lot: str
    uom: str | None = None
    left: Decimal | None = None
    recovered: Decimal
    destroyed: Decimal
    not_found: Decimal
    missing: Decimal | None = None


class RecallReconciled(RecallPayload):
    """The sum of what became of the things in the scope that is recorded at the position `scope`.

    `recovered` + `destroyed` + `not_found` + `unheld` + `missing_count` are all of them. `missing` names the first of
    what is not accounted for, `lots` has the amounts where any are told.
    """

    type_name = "supply_chain.recall_reconciled.v1"
    scope: int
    recovered: int
    destroyed: int
    not_found: int
    unheld: int
    missing_count: int
    missing: tuple[str, ...] = ()
    lots: tuple[LotAccount, ...] = ()
    note: Line | None = None


class RecallClosed(RecallPayload):
    """The case is over, because it was `reconciled` or for a reason.

    With `organisation` it tells this to one that was notified.
    """

    type_name = "supply_chain.recall_closed.v1"
    organisation: str | None = None
    reconciled: bool = False
    reason: Line | None = None


class RecallCancelled(RecallPayload):
    """The case should not have been opened; with `organisation` it tells this to one that was notified."""

    type_name = "supply_chain.recall_cancelled.v1"
    organisation: str | None = None
    reason: Line


Payload: TypeAlias = (
    RecallOpened
    | RecallScoped
    | RecallNotified
    | RecallAcknowledged
    | RecallReconciled
    | RecallClosed
    | RecallCancelled
)
PAYLOADS: Final[dict[str, type[Payload]]] = {
    payload.type_name: payload
    for payload in (
        RecallOpened,
        RecallScoped,
        RecallNotified,
        RecallAcknowledged,
        RecallReconciled,
        RecallClosed,
        RecallCancelled,
    )
}
"""Every kind by its type name, in the order in which they count where they have one time."""
RANK: Final = {name: rank for rank, name in enumerate(PAYLOADS)}


class Said(SaidBy[Payload]):
    """What is said in a recall case, as it is recorded at a position."""

    __slots__ = ()

    @property
    def turn(self) -> tuple[int, int, bool, bytes]:
        """Return what orders it among the rest: event time, kind, content, and never when it arrived.

        That a case is over is said before anybody is told so.
        """
        told = isinstance(self.payload, RecallClosed | RecallCancelled) and self.payload.organisation is not None
        return self.occurred_at, RANK[self.payload.type_name], told, self.digest


def said_in(parts: Parts, position: int, event_id: UUID, recorded_at: int) -> Said | None:
    """Read what an event says; None for other types, and for what only others can have written and nobody can read."""
    return read_said(Said, PAYLOADS, parts, position=position, event_id=event_id, recorded_at=recorded_at)


def notices(opened: RecallOpened, notice: str, organisation: str, things: tuple[str, ...]) -> Iterator[RecallNotified]:
    """Yield the events of a notice to an organisation."""
    for start in range(0, len(things), THINGS_OF_A_NOTICE):
        yield RecallNotified(
            case=opened.case,
            notice=notice,
            organisation=organisation,
            name=opened.name,
            reason=opened.reason,
            classification=opened.classification,
            roots=opened.roots,
            things=things[start : start + THINGS_OF_A_NOTICE],
        )
