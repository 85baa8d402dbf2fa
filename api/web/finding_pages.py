"""The pages of findings: the list with its filters, and one finding with its event to correct and replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote_plus
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, Response

from api.findings import MalformedEventError, ask_findings, describe_finding, dismiss_finding, replay_finding
from api.findings_models import FindingDetail, FindingOut, ListQuestion, event_problems
from api.keeping_up import keep_up
from api.problem_models import EventProblem
from api.security import Caller, EngineDep, require
from api.web import words
from api.web.rendering import render
from api.web.sign_in import FINDINGS, PAGE_HEADERS, VisitorDep, from_our_page, go_to
from api.wiring import Engine
from traceability.errors import ConflictError, InvalidInputError
from traceability.gs1.epcis import place_in
from traceability.ledger.event import microseconds
from traceability.ledger.findings import FindingState
from traceability.ledger.organisations import Scope

router: Final = APIRouter(prefix=FINDINGS.path, include_in_schema=False, dependencies=[Depends(from_our_page)])

_AROUND: Final = 4_000  # characters shown before and after the place
_SEARCHED: Final = 1 << 20  # characters of an event in which the place is looked for
_FORM_ROOM: Final = 1_024  # bytes of a form beside the event


class Action(StrEnum):
    """What the buttons of a finding's page do."""

    REPLAY = "replay"
    DISMISS = "dismiss"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Line:
    """A finding in the list."""

    href: str
    severity: str
    state: str
    code: str
    message: str
    where: str
    iso: str
    found: str


@dataclass(frozen=True, slots=True)
class Excerpt:
    """An event's characters around the place of a finding, which is `marked`; empty: nothing more than the event."""

    before: str
    marked: str
    after: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a form that was sent: a sentence, what was wrong, and the text that was typed."""

    sentence: str
    problems: Sequence[EventProblem] = ()
    typed: str | None = None


def findings_page(engine: Engine, question: ListQuestion, visitor: Caller) -> Response:
    """Answer the list."""
    try:
        page = ask_findings(engine, visitor.organisation, question)
        lines, following, problem = [_line(FindingOut.of(finding)) for finding in page.findings], page.following, None
    except InvalidInputError as error:
        lines, following, problem = [], None, f"{error.message}. {error.hint}"
    filtered = bool(question.model_dump(exclude_defaults=True, exclude={"per_page", "direction"}))
    shown = render(
        "findings.html",
        organisation=visitor.organisation,
        question=question,
        filtered=filtered,
        lines=lines,
        following=following,
        problem=problem,
        states=list(FindingState),
    )
    return HTMLResponse(shown, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK, headers=PAGE_HEADERS)


def finding_page(engine: Engine, finding_id: UUID, visitor: Caller) -> Response:
    """Answer one finding."""
    return _finding_page(engine, visitor, finding_id, None, HTTPStatus.OK)


@router.post("/{finding_id}")
def act(
    *,
    request: Request,
    engine: EngineDep,
    visitor: VisitorDep,
    finding_id: UUID,
    do: Annotated[Action, Form()] = Action.REPLAY,
    event: Annotated[str, Form()] = "",
) -> Response:
    """Replay, dismiss or forget; a replay that fails shows the page again with what was typed."""
    if visitor is None:
        return go_to(_address(finding_id))
    require(visitor, Scope.CAPTURE)
    if do is not Action.REPLAY:
        dismiss_finding(engine, visitor.organisation, finding_id, forget=do is Action.FORGET)
        return go_to(_address(finding_id))
    keep_up(request)
    typed = event.replace("\r\n", "\n")
    received = describe_finding(engine, visitor.organisation, finding_id).event
    # A browser changes the ends of lines: what was not touched is replayed from the bytes as received.
    touched = bool(typed.strip()) and typed.strip() != _as_typed(received).strip()
    try:
        replay_finding(engine, visitor.organisation, finding_id, typed.encode(errors="replace") if touched else None)
    except MalformedEventError as error:
        answer = Answer(error.message, event_problems(error.problems), typed)
        return _finding_page(engine, visitor, finding_id, answer, HTTPStatus.UNPROCESSABLE_ENTITY)
    except ConflictError as error:
        answer = Answer(" ".join(filter(None, (error.message + ".", error.hint))), typed=typed)
        return _finding_page(engine, visitor, finding_id, answer, HTTPStatus.CONFLICT)
    return go_to(_address(finding_id))


def _finding_page(
    engine: Engine, visitor: Caller, finding_id: UUID, answer: Answer | None, status: HTTPStatus
) -> Response:
    finding = describe_finding(engine, visitor.organisation, finding_id)
    text = _as_typed(finding.event)
    typed = text if answer is None or answer.typed is None else answer.typed
    room = engine.settings.max_body_bytes - _FORM_ROOM
    may_act = Scope.CAPTURE in visitor.scopes
    shown = render(
        "finding.html",
        organisation=visitor.organisation,
        finding=finding,
        line=_line(finding),
        excerpt=_excerpt(text, finding) if text else None,
        recorded=None if finding.recorded is None else finding.recorded[: 2 * _AROUND],
        answer=answer,
        typed=typed,
        may_replay=may_act and finding.replayable and finding.state is not FindingState.REPLAYED,
        may_dismiss=may_act and finding.state is FindingState.OPEN,
        may_forget=may_act and finding.replayable,
        too_long=len(text) > room or len(quote_plus(text)) > room,
        may_act=may_act,
        settled=None if finding.settled_at is None else words.moment(microseconds(finding.settled_at)),
    )
    return HTMLResponse(shown, status, headers=PAGE_HEADERS)


def _line(finding: FindingOut) -> Line:
    found, document, index = microseconds(finding.found_at), finding.document, finding.event_index
    return Line(
        href=_address(finding.id),
        severity=finding.severity,
        state=finding.state.value,
        code=finding.code,
        message=finding.message,
        where=document if index is None else f"Event {index + 1} of {document}",
        iso=words.iso(found),
        found=words.moment(found),
    )


def _excerpt(text: str, finding: FindingDetail) -> Excerpt:
    start, end = place_in(text, finding.path) if len(text) <= _SEARCHED else (0, 0)
    if text[start:end] == text.strip():  # about the event as a whole
        start = end = 0
    end = min(end, start + _AROUND)
    first, last = max(0, start - _AROUND), min(len(text), end + _AROUND)
    return Excerpt(text[first:start], text[start:end], text[end:last], cut=first > 0 or last < len(text))


def _as_typed(event: str | None) -> str:
    return (event or "").replace("\r\n", "\n")


def _address(finding: UUID) -> str:
    return f"{FINDINGS.path}/{finding}"
