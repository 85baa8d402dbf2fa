"""Findings asked for, and the events behind them replayed: what HTTP, pages and command line share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from adapters.postgres.findings import PostgresFindings
from adapters.postgres.ledgers import personal_members
from api.capture.found import finding_of
from api.findings_models import FindingDetail, FindingOut, ListQuestion, ReplayedOut
from api.wiring import Engine
from traceability.errors import ConflictError, InvalidInputError
from traceability.gs1.epcis import CapturedEvent, Document, Problem, read_letter
from traceability.ledger.findings import CONFLICT, Finding, Findings, FindingState, Letter, conflict_sentence
from traceability.ledger.identifiers import ordered_ids
from traceability.ledger.store import Outcome

_RANDOM_BYTES: Final = 10


class MalformedEventError(InvalidInputError):
    """The event breaks rules, still or again; nothing was recorded."""

    code = "finding.malformed"

    def __init__(self, problems: Sequence[Problem]) -> None:
        errors = sum(problem.severity == "error" for problem in problems)
        super().__init__(
            f"The event breaks {'a rule' if errors == 1 else f'{errors} rules'}, so it was not recorded",
            hint="Correct the event, then replay it again.",
        )
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Page:
    """Findings in order, and the address of those that follow, None on the last page."""

    findings: list[Finding]
    following: str | None


def findings_of(engine: Engine) -> Findings:
    """Return the findings of the engine's ledger."""
    return PostgresFindings(engine.pool, engine.ledger.ledger_id, clock=engine.clock)


def ask_findings(engine: Engine, organisation: str, question: ListQuestion) -> Page:
    """Return a page of an organisation's findings; raises `InvalidInputError` (`finding.filter`)."""
    found = findings_of(engine).page(
        organisation,
        question.filter(),
        after=question.after,
        limit=question.per_page + 1,
        oldest_first=question.direction == "ASC",
    )
    shown = found[: question.per_page]
    return Page(shown, question.following(shown[-1].finding_id) if len(found) > len(shown) else None)


def describe_finding(engine: Engine, organisation: str, finding_id: UUID) -> FindingDetail:
    """Return a finding with the bytes of its event: its letter's, or those that the recorded event was received as."""
    findings = findings_of(engine)
    finding = findings.get(organisation, finding_id)
    letter = None if finding.letter_id is None else findings.letter(organisation, finding.letter_id)
    return FindingDetail.of_event(
        finding,
        letter=letter,
        recorded=_received(engine, organisation, finding.position),
        replayed_at=None if letter is None else _replayed_at(finding, letter),
    )


def dismiss_finding(engine: Engine, organisation: str, finding_id: UUID, *, forget: bool) -> FindingOut:
    """Close a finding without a replay; with `forget` destroy its event's bytes too."""
    return FindingOut.of(findings_of(engine).dismiss(organisation, finding_id, forget=forget))


def replay_finding(engine: Engine, organisation: str, finding_id: UUID, corrected: bytes | None) -> ReplayedOut:
    """Record a finding's event, as it was received or `corrected`, and settle the findings of its letter.

    The event is appended first and settled after: a crash between the two leaves the findings open, and replaying again
    finds a duplicate. Raises `MalformedEventError`, `ConflictError` (`capture.conflict`, `finding.replayed`,
    `finding.nothing_to_replay`) and `NotFoundError` (`finding.unknown`).
    """
    findings = findings_of(engine)
    finding = findings.get(organisation, finding_id)
    letter = None if finding.letter_id is None else findings.letter(organisation, finding.letter_id)
    if letter is None:
        raise ConflictError(
            "There is no event to replay: it was recorded, or its bytes are not kept", code="finding.nothing_to_replay"
        )
    replayed_at = _replayed_at(finding, letter)
    if replayed_at is not None and corrected is None:
        return _known(engine, finding, replayed_at)
    read = _read(engine, organisation, letter, corrected)
    if not read.events:
        raise MalformedEventError(read.problems)
    (captured,) = read.events
    if replayed_at is not None:
        return _repeated(engine, finding, captured, replayed_at)
    ((appended,),) = engine.ledger_of(organisation).append_all([captured.event])
    if appended.outcome is Outcome.CONFLICT:
        raise ConflictError(
            conflict_sentence(appended.position).removesuffix("."),
            code=CONFLICT,
            hint="To correct a recorded event, declare it an error and send another.",
        )
    now = engine.clock.now_us()
    ids = ordered_ids(now, engine.entropy.token(_RANDOM_BYTES))
    warnings = [
        finding_of(replace(one, index=finding.event_index), finding.origin, next(ids), now, position=appended.position)
        for one in read.problems
        if one.index is not None
    ]
    settled = findings.replayed(organisation, finding_id, appended.position, warnings)
    return ReplayedOut(
        outcome=appended.outcome,
        position=appended.position,
        event_id=appended.event_id,
        finding=FindingOut.of(settled),
    )


def _received(engine: Engine, organisation: str, position: int | None) -> bytes | None:
    """Return the bytes that the event at a position was received as, if the organisation sent it."""
    records = [] if position is None else engine.ledger.records([position])
    sources = [record.event.parts.source for record in records if record.event.captured_by == organisation]
    return sources[0] if sources else None


def _read(engine: Engine, organisation: str, letter: Letter, corrected: bytes | None) -> Document:
    with engine.pool.connection() as connection:
        personal = personal_members(connection, engine.ledger.ledger_id)
    body = letter.body if corrected is None else corrected
    return read_letter(body, letter.context, captured_by=organisation, personal=personal)


def _replayed_at(finding: Finding, letter: Letter) -> int | None:
    return letter.position if finding.state is FindingState.REPLAYED else None


def _repeated(engine: Engine, finding: Finding, captured: CapturedEvent, position: int) -> ReplayedOut:
    """Answer whoever sends again what was replayed; a second, different event would not be this letter's."""
    digest = engine.rules.content_digest
    (record,) = engine.ledger.records([position])
    if digest(record.event.parts) != digest(captured.event.parts):
        raise ConflictError(
            f"This was replayed before, and the event recorded at position {position} says something else",
            code="finding.replayed",
            hint="To correct a recorded event, declare it an error and send another.",
        )
    return _known(engine, finding, position)


def _known(engine: Engine, finding: Finding, position: int) -> ReplayedOut:
    (record,) = engine.ledger.records([position])
    assert record.event.event_id is not None
    return ReplayedOut(
        outcome=Outcome.DUPLICATE,
        position=position,
        event_id=record.event.event_id,
        finding=FindingOut.of(finding),
    )
