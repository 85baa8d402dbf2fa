"""Findings as HTTP and the command line give them, and how they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.problem_models import EventProblem
from traceability.errors import InvalidInputError
from traceability.gs1.epcis import Problem
from traceability.gs1.epcis.times import read_time
from traceability.ledger.event import EPOCH, utc_text
from traceability.ledger.findings import Finding, FindingFilter, FindingState, Letter, Severity
from traceability.ledger.store import Outcome

USUAL_PAGE: Final = 50
MOST_ON_A_PAGE: Final = 1_000

_DAY: Final = len("2026-03-01")
_MOST_DIGITS: Final = 18
_SEVERITIES: Final[dict[str, Severity]] = {"error": "error", "warning": "warning"}


class FindingOut(BaseModel):
    """A finding; `path` is a JSONPath from the document's root, `event_index` counts its events from 0."""

    id: UUID
    job_id: UUID | None = Field(description="The capture job of the document.")
    document: str = Field(examples=["shipment.json"])
    event_index: int | None
    path: str = Field(examples=["$.epcisBody.eventList[0].eventTime"])
    code: str = Field(examples=["epcis.time"])
    severity: Severity
    message: str
    position: int | None = Field(description="The recorded event that it is about, repeats or contradicts.")
    found_at: str = Field(examples=["2026-03-01T08:15:00.000000Z"])
    state: FindingState
    settled_at: str | None

    @classmethod
    def of(cls, finding: Finding) -> FindingOut:
        """Return the finding as it is shown."""
        return cls.model_validate(_members(finding))


class FindingDetail(FindingOut):
    """A finding with its event's own characters; `event` is null when it has none, or they were destroyed."""

    event: str | None
    context: str | None = Field(description="The `@context` of the document, as JSON.")
    recorded: str | None = Field(description="The recorded event that this one repeats or contradicts.")
    replayable: bool
    replayed_at: int | None = Field(description="The position of the event that the letter became.")

    @classmethod
    def of_event(
        cls, finding: Finding, *, letter: Letter | None, recorded: bytes | None, replayed_at: int | None
    ) -> FindingDetail:
        """Return the finding with its event: the letter, or what was `recorded` of one that never had a letter."""
        if letter is not None:
            event: bytes | None = letter.body
        else:
            event, recorded = (None, recorded) if finding.destroyed else (recorded, None)
        return cls.model_validate(
            {
                **_members(finding),
                "event": _text(event),
                "context": None if letter is None else _text(letter.context),
                "recorded": _text(recorded),
                "replayable": letter is not None,
                "replayed_at": replayed_at,
            }
        )


class ReplayedOut(BaseModel):
    """What became of an event that was replayed: it is at `position`, newly or already."""

    outcome: Outcome
    position: int
    event_id: UUID
    finding: FindingOut


class DismissIn(BaseModel):
    """How to close a finding."""

    model_config = ConfigDict(extra="forbid")
    forget: bool = Field(default=False, description="Destroy the event's bytes and what the finding quotes of them.")


def event_problems(problems: Sequence[Problem]) -> list[EventProblem]:
    """Return the problems of one event as they are shown."""
    return [EventProblem(path=p.path, code=p.code, severity=p.severity, message=p.message) for p in problems]


Text = Annotated[str, Field(max_length=2_000)]


class ListQuestion(BaseModel):
    """What addresses, forms and options ask for: a filter, whose empty parts do not count, and where to begin."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    job: Text = Field(default="", description="The id of a capture job.")
    document: Text = Field(default="", description="The name of a document.")
    code: Text = Field(default="", description="A code, or the beginning of one and an asterisk.", examples=["epcis.*"])
    severity: Text = Field(default="", description="`error` or `warning`.")
    state: Text = Field(default="", description="`open`, `replayed` or `dismissed`.")
    position: Text = Field(default="", description="A position of the ledger.")
    since: Text = Field(default="", description="A day, or a time with an offset.", examples=["2026-03-01"])
    until: Text = Field(default="", description="A day, which is included, or a time with an offset, which is not.")
    after: UUID | None = Field(default=None, description="Go on after the finding with this id.")
    per_page: int = Field(default=USUAL_PAGE, ge=1, le=MOST_ON_A_PAGE, alias="perPage")
    direction: Literal["ASC", "DESC"] = Field(default="DESC", alias="orderDirection", description="DESC: newest first.")

    def filter(self) -> FindingFilter:
        """Return what is asked for; raises `InvalidInputError` (`finding.filter`)."""
        if self.severity and self.severity not in _SEVERITIES:
            raise _not_a_filter("severity", "error or warning")
        if self.state and self.state not in set(FindingState):
            raise _not_a_filter("state", ", ".join(FindingState))
        if self.position and not (
            self.position.isascii() and self.position.isdigit() and len(self.position) <= _MOST_DIGITS
        ):
            raise _not_a_filter("position", "a number")
        return FindingFilter(
            job_id=_uuid("job", self.job),
            document=self.document or None,
            code=self.code or None,
            severity=_SEVERITIES.get(self.severity),
            state=FindingState(self.state) if self.state else None,
            position=int(self.position) if self.position else None,
            since=_moment("since", self.since, later_days=0),
            until=_moment("until", self.until, later_days=1),
        )

    def following(self, last: UUID) -> str:
        """Return the address of the page that begins after the finding `last`."""
        given = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return f"/findings?{urlencode({**given, 'after': str(last)})}"


def _members(finding: Finding) -> dict[str, object]:
    return {
        "id": finding.finding_id,
        "job_id": finding.origin.job_id,
        "document": finding.origin.document,
        "event_index": finding.event_index,
        "path": finding.path,
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "position": finding.position,
        "found_at": utc_text(finding.found_at),
        "state": finding.state,
        "settled_at": None if finding.settled_at is None else utc_text(finding.settled_at),
    }


def _text(data: bytes | None) -> str | None:
    return data.decode(errors="replace") if data else None


def _uuid(name: str, text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise _not_a_filter(name, "an id") from None


def _moment(name: str, text: str, *, later_days: int) -> int | None:
    """Return a time in µs UTC; a day is its beginning, moved by `later_days`."""
    if not text:
        return None
    try:
        if len(text) == _DAY:
            day = date.fromisoformat(text) + timedelta(days=later_days)
            time = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            time = read_time(text)
        return (time - EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError, TypeError):  # TypeError: a time without an offset
        raise _not_a_filter(name, "a day such as 2026-03-01, or a time with an offset") from None


def _not_a_filter(name: str, wanted: str) -> InvalidInputError:
    return InvalidInputError(f"{name} is {wanted}", code="finding.filter", hint="Correct it, or leave it empty.")
