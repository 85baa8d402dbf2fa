"""What was wrong with the events that an organisation sent; correct one and replay it.

An organisation sees its own findings. `public` sends nothing, so it has none. A browser gets the pages of
`api.web.finding_pages` at the same addresses.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.findings import MalformedEventError, ask_findings, describe_finding, dismiss_finding, replay_finding
from api.findings_models import DismissIn, FindingDetail, FindingOut, ListQuestion, ReplayedOut, event_problems
from api.keeping_up import KeepingUp
from api.problems import problem_response
from api.published import Wait, own_receipt, proof_of
from api.receipts import Proof
from api.security import CaptureDep, EngineDep, QueryDep
from api.web.finding_pages import finding_page, findings_page
from api.web.negotiation import JSON, wants_page
from api.web.sign_in import FINDINGS, VARY, VisitorDep, page_for

router = APIRouter(prefix="/findings", tags=["findings"])

_EVENT: Final = {
    "requestBody": {
        "description": "The corrected event as JSON; nothing: the event as it was received.",
        "required": False,
        "content": {JSON: {"schema": {"type": "object"}}},
    }
}


class ProvenOut(ReplayedOut):
    """What became of an event that was replayed, with its receipt."""

    proof: Proof = None


async def _body(request: Request) -> bytes:
    """Return the bytes that were sent: an event is read by its own rules, and kept as written."""
    return await request.body()


@router.get("", summary="List what was wrong with the events that you sent", response_model=list[FindingOut])
def list_findings(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: QueryDep,
    visitor: VisitorDep,
    question: Annotated[ListQuestion, Query()],
) -> list[FindingOut] | Response:
    """Give the findings that fit all of the filters, page by page.

    `Link` with `rel="next"` leads to the next page; the last page has none.
    """
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, FINDINGS, partial(findings_page, engine, question))
    page = ask_findings(engine, caller.organisation, question)
    response.headers["Vary"] = VARY
    if page.following is not None:
        response.headers["Link"] = f'<{page.following}>; rel="next"'
    return [FindingOut.of(finding) for finding in page.findings]


@router.get("/{finding_id}", summary="Show a finding with its event", response_model=FindingDetail)
def show_finding(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: QueryDep,
    visitor: VisitorDep,
    finding_id: UUID,
) -> FindingDetail | Response:
    """Give a finding and its event's own characters."""
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, FINDINGS, partial(finding_page, engine, finding_id))
    response.headers["Vary"] = VARY
    return describe_finding(engine, caller.organisation, finding_id)


@router.post(
    "/{finding_id}/replay", summary="Record the event of a finding", response_model=ProvenOut, openapi_extra=_EVENT
)
async def replay(
    *,
    request: Request,
    engine: EngineDep,
    caller: CaptureDep,
    _: KeepingUp,
    finding_id: UUID,
    body: Annotated[bytes, Depends(_body)],
    wait: Wait = None,
) -> ProvenOut | Response:
    """Record the event as it was received, or as the body corrects it, and settle its findings.

    Doing so again records nothing twice. 422 with `problems` when the event breaks rules, 409 when it contradicts a
    recorded one; then nothing was recorded.
    """
    try:
        replayed = await run_in_threadpool(replay_finding, engine, caller.organisation, finding_id, body or None)
    except MalformedEventError as error:
        problems = event_problems(error.problems)
        return problem_response(422, error.code, error.message, hint=error.hint, problems=problems)
    prove = partial(own_receipt, engine, replayed.position, caller.organisation)
    proof = await proof_of(engine, request, wait, replayed.position, prove)
    return ProvenOut(**replayed.model_dump(), proof=proof)


@router.post("/{finding_id}/dismiss", summary="Close a finding without recording its event")
def dismiss(engine: EngineDep, caller: CaptureDep, finding_id: UUID, body: DismissIn | None = None) -> FindingOut:
    """Close a finding and the others of the same event; with `forget` destroy the event's bytes."""
    forget = body is not None and body.forget
    return dismiss_finding(engine, caller.organisation, finding_id, forget=forget)
