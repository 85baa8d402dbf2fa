"""The JSON of `/recalls`: what is asked and what is answered, which is also what `--json` prints."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from api.once import Recorded
from api.provenance_models import RecallName
from api.trace_models import MAX_NODES
from traceability.supply_chain.provenance import MAX_ROOTS
from traceability.supply_chain.recall.case import ClaimReason, Stage
from traceability.supply_chain.recall.events import Line, Outcome, Word
from traceability.supply_chain.recall.reconciling import Fate

MOST_TOLD: Final = 10_000
"""Things that one answer or one reconciliation tells of."""
CASE: Final = "019ca877-0c1b-7000-8000-000000000001"
LOT: Final = "https://id.gs1.org/01/09521234000013/10/A7"
PACK: Final = "https://id.gs1.org/01/09521234000013/21/1001"
_TIME: Final = "2026-03-01T08:15:00.000000Z"
_Text = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OpenIn(_In):
    """A case to be opened: `roots` are the things or lots that are to come back, with all that they went into."""

    name: Line = Field(examples=["Listeria in soft cheese"])
    reason: Line = Field(examples=["positive sample of 28 February"])
    classification: Word = Field(description="I, II, III, or a word of your own.", examples=["I"])
    roots: list[_Text] = Field(min_length=1, max_length=MAX_ROOTS, examples=[[LOT]])


class ScopeIn(_In):
    """How far the trace goes, as `POST /provenance/traces` has it."""

    as_of: AwareDatetime | None = Field(default=None, description="Up to this event time; all without it.")
    max_depth: int = Field(default=100, ge=0, le=MAX_NODES)
    max_nodes: int = Field(default=10_000, ge=1, le=MAX_NODES)


class NotifyIn(_In):
    """Whom to notify: of the holders in the last scope all who have something that they were not told of, or some."""

    organisations: list[Word] | None = Field(default=None, max_length=10_000, examples=[["store.example"]])


class ToldIn(_In):
    """What you did about a thing, or about so much of a lot, of which there may be several lines."""

    thing: _Text = Field(examples=[PACK])
    outcome: Outcome
    quantity: Decimal | None = Field(
        default=None, ge=0, max_digits=38, decimal_places=18, allow_inf_nan=False, examples=["12.5"]
    )
    uom: str | None = Field(default=None, pattern="^[A-Z0-9]{2,3}$", examples=["KGM"])


class AcknowledgeIn(_In):
    """An answer to a notice; it may be sent again with what else became of the things."""

    notice: Word
    told: list[ToldIn] = Field(default=[], max_length=MOST_TOLD)
    note: Line | None = None


class FateIn(_In):
    """What became of a thing, or of so much of a lot, by whoever opened the case."""

    thing: _Text = Field(examples=[PACK])
    fate: Fate
    quantity: Decimal | None = Field(
        default=None, ge=0, max_digits=38, decimal_places=18, allow_inf_nan=False, examples=["12.5"]
    )
    uom: str | None = Field(default=None, pattern="^[A-Z0-9]{2,3}$", examples=["KGM"])


class ReconcileIn(_In):
    """The sum. What is not told here is as its holders acknowledged it; what nobody has or told of is `unheld`."""

    things: list[FateIn] = Field(default=[], max_length=MOST_TOLD)
    note: Line | None = None


class CloseIn(_In):
    """The end of a case; without a reconciliation it needs the reason."""

    reason: Line | None = None


class CancelIn(_In):
    """The end of a case that should not have been opened."""

    reason: Line


class SaidOut(BaseModel):
    """Something said in a case: an event of the ledger with its receipt."""

    type: str = Field(examples=["notified"])
    said: dict[str, Any]
    said_by: str = Field(examples=["dairy.example"])
    said_at: str = Field(examples=[_TIME])
    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])
    claim: ClaimReason | None = Field(default=None, description="Why it counts for nothing; null for what counts.")


class HolderOut(BaseModel):
    """A party that has something in the scope, or is to receive it."""

    holder: str = Field(examples=["store.example"])
    things: int
    reachable: bool = Field(description="Whether it is an organisation of this ledger, which can be notified here.")
    told_of: int = Field(description="How many of its things it was notified of.")


class ScopeOut(BaseModel):
    """What was affected as known at a position. The same question for the same reader gives the trace again."""

    question: dict[str, Any] = Field(
        description="For `POST /provenance/traces`; with `Accept: application/zip` a proof."
    )
    digest: str = Field(description="SHA-256 of the trace, as docs/guide/recalls.md tells.")
    complete: bool
    items: int
    lots: int
    unheld: int = Field(description="Things that nobody is seen to have: ended, or not known well enough.")
    holders: list[HolderOut]
    position: int
    event_id: UUID


class EnteredOut(BaseModel):
    """A thing that entered the scope since, who has it, and the events that tie it to the rest."""

    thing: str
    holders: list[str]
    positions: list[int]


class NewHolderOut(BaseModel):
    """A party that has something of the scope now and had nothing of it then."""

    holder: str
    things: list[str]


class WideningOut(BaseModel):
    """How the last scope differs from the same trace now; `reproduced` tells whether it is the same at its position.

    It is not when you may see more or less of the past than when it was scoped.
    """

    known_at: int
    reproduced: bool
    entered: list[EnteredOut]
    left: list[str]
    holders: list[NewHolderOut]
    positions: list[int]


class NoticeOut(BaseModel):
    """A notice to one organisation, and what it answered."""

    notice: str
    organisation: str
    sent_at: str = Field(examples=[_TIME])
    things: list[str]
    acknowledged_at: str | None
    outcomes: dict[Outcome, int]
    positions: list[int]


class RecallLine(RecallName):
    """A case in a list."""

    stage: Stage


class RecallOut(RecallLine):
    """A case as you see it: all of it, or what you were notified of."""

    reason: str
    whole: bool = Field(description="Whether it is yours, so that you see all of it.")
    as_of: str = Field(examples=[_TIME])
    known_at: int
    scopes: list[ScopeOut]
    widened: WideningOut | None = Field(description="Null before a scope, for whom sees no scope, and in the past.")
    notices: list[NoticeOut]
    reconciled: SaidOut | None
    ended: SaidOut | None
    said: list[SaidOut] = Field(description="All that counts, in order, and then the claims.")


class RecallList(BaseModel):
    """Cases, the newest first."""

    recalls: list[RecallLine]


class DoneOut(Recorded):
    """What a request recorded: the last of its events, and how far the case has come with it."""

    case: str = Field(examples=[CASE])
    stage: Stage
    recorded: int = Field(description="How many events: a notice is one for each thousand things.")


class PlanOut(BaseModel):
    """What a case about these roots would be about now; nothing is recorded."""

    roots: list[str]
    known_at: int
    complete: bool
    items: int
    lots: int
    unheld: int
    holders: list[HolderOut]


class AffectedOut(BaseModel):
    """A thing in the last scope, or of your notices: who has it, whether it was told, and what became of it."""

    thing: str
    kind: str = Field(examples=["item"])
    holder: str | None = Field(description="Several rows for a lot of which several have some.")
    awaited: bool = Field(description="Whether it is under way to the holder.")
    notified: bool
    outcome: Outcome | None
    quantity: Decimal | None
    uom: str | None


class AffectedList(BaseModel):
    """The things of a case as known at the position of the last scope."""

    case: str
    known_at: int
    affected: list[AffectedOut]
