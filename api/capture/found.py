"""What a capture finds about the events of a block, as findings and letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from api.capture.blocks import Malformed
from traceability.gs1.epcis.blocks import Block
from traceability.gs1.epcis.problems import Problem
from traceability.ledger.findings import Finding, Letter, Origin, outcome_finding
from traceability.ledger.store import Appended


class BlockFindings:
    """Findings, and letters for events that are not recorded, in the order in which they are told.

    `context` is the document's @context as JSON, empty for none; `ids` gives UUIDv7s, `now` is in microseconds UTC.
    """

    def __init__(self, origin: Origin, context: bytes, block: Block, *, ids: Iterator[UUID], now: int) -> None:
        self.findings: list[Finding] = []
        self.letters: list[Letter] = []
        self._origin = origin
        self._context = context
        self._block = block
        self._ids = ids
        self._now = now

    def malformed(self, one: Malformed) -> None:
        """Tell of an event that cannot be recorded."""
        self._tell(one.problems, None, self._letter(one.text, None))

    def warned(self, problems: Sequence[Problem], position: int) -> None:
        """Tell what is worth knowing about the event that was recorded at a position."""
        self._tell(problems, position, None)

    def repeated(self, number: int, appended: Appended, text: bytes) -> None:
        """Tell of event `number` of the block, which is there already.

        `text` are its bytes where they are not those of the recorded one: of a conflict, not of a duplicate.
        """
        found = outcome_finding(
            self._origin,
            appended,
            event_index=self._block.index + number,
            path=self._block.path_of(number),
            finding_id=next(self._ids),
            letter_id=self._letter(text, appended.position),
            found_at=self._now,
        )
        if found is not None:
            self.findings.append(found)

    def _letter(self, text: bytes, position: int | None) -> UUID | None:
        if not text:
            return None
        letter_id = next(self._ids)
        self.letters.append(Letter(letter_id=letter_id, body=text, context=self._context, position=position))
        return letter_id

    def _tell(self, problems: Sequence[Problem], position: int | None, letter_id: UUID | None) -> None:
        for problem in problems:
            self.findings.append(
                finding_of(problem, self._origin, next(self._ids), self._now, position=position, letter_id=letter_id)
            )


def finding_of(
    problem: Problem,
    origin: Origin,
    finding_id: UUID,
    now: int,
    *,
    position: int | None = None,
    letter_id: UUID | None = None,
) -> Finding:
    """Return the finding of a problem."""
    return Finding(
        finding_id=finding_id,
        origin=origin,
        event_index=problem.index,
        path=problem.path,
        code=problem.code,
        severity=problem.severity,
        message=problem.message,
        found_at=now,
        position=position,
        letter_id=letter_id,
    )
