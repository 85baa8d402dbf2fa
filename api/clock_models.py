"""Clocks as HTTP and the command line take and give them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.once import Recorded
from traceability.supply_chain.clocks.clock import ClaimReason, ClockState
from traceability.supply_chain.clocks.events import Line, Name
from traceability.supply_chain.clocks.term import Term

CLOCK = "019ca877-0c1b-7000-8000-000000000001"
_PACK = "https://id.gs1.org/01/09521234000013/21/1001"
_TIME = "2026-03-01T08:15:00.000000Z"
_Code = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class RuleOut(BaseModel):
    """A clock that a law sets going."""

    rule: str = Field(examples=["us.dscsa.tracing"])
    version: int
    title: str
    source: str
    term: Term
    calendar: str | None = Field(description="The country whose working days count.")
    zone: str | None = Field(description="The time zone (IANA) that is taken where none is given.")
    retention: bool = Field(description="Whether something is kept until then, and nobody has to answer.")


class RuleList(BaseModel):
    """The rules that are known; a term of your own may be given instead."""

    rules: list[RuleOut]


class StartIn(BaseModel):
    """A clock to start: by a `rule`, or by a `title` and `term` of your own."""

    model_config = ConfigDict(extra="forbid")

    rule: str | None = Field(default=None, max_length=200, examples=["us.dscsa.tracing"])
    title: Line | None = Field(default=None, description="What has to be answered; that of the rule if left out.")
    term: Term | None = Field(default=None, examples=[None])
    retention: bool = Field(default=False, description="Something is kept until then; a rule says so itself.")
    started_at: AwareDatetime | None = Field(default=None, description="Now if left out.", examples=[None])
    responsible: Name | None = Field(
        default=None, description="Who has to answer, by its permanent name; you if left out.", examples=[None]
    )
    calendar: str | None = Field(
        default=None, pattern="^[A-Z]{2}$", description="Country, ISO 3166-1.", examples=["US"]
    )
    closed: list[date] = Field(default=[], max_length=366, description="More days on which nobody works.")
    zone: str | None = Field(default=None, max_length=64, description="Time zone.", examples=["America/New_York"])
    things: list[_Code] = Field(default=[], max_length=1_000, examples=[[_PACK]])
    case: Name | None = Field(default=None, description="A case that it belongs to, such as a recall.", examples=[None])
    request: UUID | None = Field(default=None, description="Our id of the event that asked.", examples=[None])
    note: Line | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.rule is None) == (self.term is None):
            raise ValueError("give a rule, or a term of your own")
        if self.rule is None and self.title is None:
            raise ValueError("a term of your own needs a title")
        if self.rule is not None and self.retention:
            raise ValueError("a rule says itself whether something is kept")
        return self


class AnswerIn(BaseModel):
    """The answer: our id of the event that is it, which you have to see."""

    model_config = ConfigDict(extra="forbid")
    event_id: UUID
    note: Line | None = None


class StopIn(BaseModel):
    """Why nobody has to answer any more."""

    model_config = ConfigDict(extra="forbid")
    reason: Line


class ClockSaidOut(BaseModel):
    """Something said of a clock: an event of the ledger with its receipt."""

    type: str = Field(examples=["answered"])
    said: dict[str, Any]
    said_by: str = Field(examples=["dairy.example"])
    said_at: str = Field(examples=[_TIME])
    recorded_at: str = Field(examples=[_TIME], description="Nobody can say it was earlier: a checkpoint proves it.")
    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])
    claim: ClaimReason | None = Field(default=None, description="Why it counts for nothing; null for what counts.")


class EvidenceOut(BaseModel):
    """The event that answered, as far as you see it."""

    position: int
    event_id: UUID
    recorded_at: str = Field(examples=[_TIME])
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class ClockLine(BaseModel):
    """A clock in a list."""

    clock: str = Field(examples=[CLOCK])
    title: str
    rule: str | None
    state: ClockState
    started_by: str
    responsible: str
    started_at: str = Field(examples=[_TIME])
    due: str = Field(examples=[_TIME])
    due_there: str = Field(description="The same in its time zone.", examples=["2026-03-03T00:00:00-05:00"])
    zone: str
    retention: bool = Field(description="Something is kept until it is due; nobody has to answer.")
    ended_at: str | None
    things: list[str]


class ClockList(BaseModel):
    """Clocks: those that run by their due time, then the others, the last ended first."""

    known_at: int
    clocks: list[ClockLine]


class ClockOut(ClockLine):
    """A clock with all that was said of it, as of a time and as known at a position."""

    as_of: str
    known_at: int
    case: str | None
    request: UUID | None
    answered_by: EvidenceOut | None = Field(description="Null too when you may not see the event.")
    said: list[ClockSaidOut]


class ClockDone(Recorded):
    """What a request recorded."""

    clock: str = Field(examples=[CLOCK])
    state: ClockState
    due: str = Field(examples=[_TIME])
