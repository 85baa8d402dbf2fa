"""Findings: what was wrong, or worth knowing, about an event that somebody sent.

A finding about an event that was recorded has its position, and the event's bytes are the record's `source`. One about
an event that was not recorded has a letter, which keeps the bytes once, however many rules the event breaks. A repeat
or a contradiction has both: the letter, and the position of the event that it repeats or contradicts, because the
letter then holds what an erasure of that event has to destroy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

from traceability.ledger.store import Appended, Outcome

Severity: TypeAlias = Literal["error", "warning"]

DUPLICATE: Final = "capture.duplicate"
CONFLICT: Final = "capture.conflict"
MORE_MALFORMED: Final = "capture.more_malformed"
ANY: Final = "*"
"""At the end of a code that is asked for: every code that begins with what stands before it."""

DESTROYED: Final = "What the finding said was destroyed together with the event's bytes."
"""The sentence of a finding whose own was erased: it may have quoted the event."""


class FindingState(StrEnum):
    """What became of a finding."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where events came from: who sent them, in which document, of which capture job."""

    organisation: str
    document: str
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule, or an event that was not recorded because it is there already.

    `event_index` counts the document's events from 0, None for the document itself; `path` is a JSONPath (RFC 9535)
    from the document's root. Times are in microseconds UTC; `finding_id` is a UUIDv7, so findings sort by time.
    """

    finding_id: UUID
    origin: Origin
    event_index: int | None
    path: str
    code: str
    severity: Severity
    message: str
    found_at: int
    position: int | None = None
    letter_id: UUID | None = None
    state: FindingState = FindingState.OPEN
    settled_at: int | None = None

    @property
    def destroyed(self) -> bool:
        """Whether its letter and its sentence were erased or forgotten."""
        return self.message == DESTROYED


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An event that was not recorded, as it was received.

    `context` is the document's `@context` as JSON, without which prefixes have no meaning, empty when it had none;
    `position` is the recorded event that this one repeats or contradicts, or became when it was replayed.
    """

    letter_id: UUID
    body: bytes
    context: bytes = b""
    position: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Which findings are asked for; None: any. `since` and `until` (µs UTC, exclusive) are about `found_at`."""

    job_id: UUID | None = None
    document: str | None = None
    code: str | None = None
    severity: Severity | None = None
    state: FindingState | None = None
    position: int | None = None
    since: int | None = None
    until: int | None = None


def outcome_finding(
    origin: Origin,
    appended: Appended,
    *,
    event_index: int,
    path: str,
    finding_id: UUID,
    letter_id: UUID | None,
    found_at: int,
) -> Finding | None:
    """Return the finding about an event that was appended, None for one that was recorded."""
    if appended.outcome is Outcome.RECORDED:
        return None
    conflicts = appended.outcome is Outcome.CONFLICT
    sentence = conflict_sentence if conflicts else duplicate_sentence
    return Finding(
        finding_id=finding_id,
        origin=origin,
        event_index=event_index,
        path=path,
        code=CONFLICT if conflicts else DUPLICATE,
        severity="error" if conflicts else "warning",
        message=sentence(appended.position),
        found_at=found_at,
        position=appended.position,
        letter_id=letter_id,
    )


def duplicate_sentence(position: int) -> str:
    """Say what an event repeats."""
    return f"The event at position {position} says the same, so this one was not recorded."


def conflict_sentence(position: int) -> str:
    """Say what an event contradicts."""
    return f"The event at position {position} has the same eventID and other content, so this one was not recorded."


def more_malformed_sentence(events: int) -> str:
    """Say how many malformed events of a job have no findings of their own."""
    return f"More malformed events, which are counted but not told one by one: {events}."


class Findings(Protocol):
    """The findings of one ledger. An organisation sees those about what it sent, and no others.

    Methods that take a finding's id raise `NotFoundError` (`finding.unknown`), also for those of somebody else.
    """

    def page(
        self,
        organisation: str,
        wanted: FindingFilter,
        *,
        after: UUID | None = None,
        limit: int,
        oldest_first: bool = False,
    ) -> list[Finding]:
        """Return at most `limit` findings, the newest first, that come after the one with the id `after`."""
        ...

    def get(self, organisation: str, finding_id: UUID) -> Finding:
        """Return a finding."""
        ...

    def letter(self, organisation: str, letter_id: UUID) -> Letter | None:
        """Return a letter, None when it was erased or forgotten."""
        ...

    def replayed(self, organisation: str, finding_id: UUID, position: int, warnings: Sequence[Finding]) -> Finding:
        """Note that the finding's event is recorded at `position`, and what is worth knowing about it there.

        This settles all findings of the letter and may be repeated: the warnings are added once. Returns the finding.
        """
        ...

    def dismiss(self, organisation: str, finding_id: UUID, *, forget: bool) -> Finding:
        """Close a finding, and the others of its letter, without a replay; one that was replayed stays so.

        `forget` destroys the letter and the sentences. May be repeated. Returns the finding.
        """
        ...
