"""A capture job: documents that an organisation sent, on their way into a ledger (EPCIS 2.0 §12.6.1).

The documents are checked to their end, then appended. Under *rollback* one malformed event keeps all of them out; under
*proceed* the good events go in. Either way every event is dealt with once, in the order of the documents, and what
was wrong is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from traceability.ledger.store import Outcome

LEASE_US: Final = 30_000_000
"""How long a runner may be silent before another takes its job over, in microseconds."""
LISTED: Final = 1_000
"""Events of a job that whoever waits for it is told of."""
LOST_US: Final = 24 * 3600 * 1_000_000
"""How long a job waits for a runner that has its documents before one that has not says that they are lost."""


class ErrorBehaviour(StrEnum):
    """What a malformed event does to the others (GS1-Capture-Error-Behaviour)."""

    ROLLBACK = "rollback"
    PROCEED = "proceed"


class Phase(StrEnum):
    """How far a job has come; `captured` and `refused` are the ends."""

    CHECKING = "checking"
    APPENDING = "appending"
    CAPTURED = "captured"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of a job's events."""

    recorded: int = 0
    duplicates: int = 0
    conflicts: int = 0
    malformed: int = 0

    @property
    def events(self) -> int:
        """How many events that is."""
        return self.recorded + self.duplicates + self.conflicts + self.malformed

    def plus(self, other: Counts) -> Counts:
        """Return the sum of both."""
        return Counts(
            self.recorded + other.recorded,
            self.duplicates + other.duplicates,
            self.conflicts + other.conflicts,
            self.malformed + other.malformed,
        )


@dataclass(frozen=True, slots=True)
class Captured:
    """An event of a job that is recorded, now or before: the name of its document, its JSONPath, and where it is."""

    document: str
    path: str
    outcome: Outcome
    position: int
    event_id: UUID


@dataclass(frozen=True, slots=True)
class ElementCounts:
    """What became of the master data in the headers of a job's documents; `unchanged` was said already."""

    recorded: int = 0
    unchanged: int = 0
    malformed: int = 0

    @property
    def dealt_with(self) -> int:
        """How many elements that is."""
        return self.recorded + self.unchanged + self.malformed


@dataclass(frozen=True, slots=True)
class CaptureJob:
    """A job as it stands.

    `documents` are their names, `size` their bytes together. `appended` events, in the order of the documents, are
    dealt with: recorded or found wanting, for good. `lease` is the number of the present hold on the job. `listing`
    tells that somebody waited for it when it was sent, so that its first events are kept with it. `partner`
    is the source that it came from, None for what was sent by request or file. Times are microseconds since 1970 in
    UTC.
    """

    job_id: UUID
    organisation: str
    behaviour: ErrorBehaviour
    documents: tuple[str, ...]
    size: int
    created_at: int
    phase: Phase
    failed: bool
    finished_at: int | None
    appended: int
    counts: Counts
    lease: int
    listing: bool = False
    elements: ElementCounts = ElementCounts()
    partner: str | None = None

    @property
    def running(self) -> bool:
        """Whether the job has not come to its end."""
        return self.finished_at is None

    @property
    def success(self) -> bool:
        """Whether nothing has gone wrong (so far, while it runs)."""
        return not self.failed
