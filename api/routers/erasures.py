"""Erasures that are asked for over HTTP. A request is an event; the ledger's owner executes it, by command line."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from api.published import Wait, own_receipt, proof_of
from api.receipts import Proof
from api.security import AdminDep, EngineDep
from api.wiring import Engine
from traceability.errors import ForbiddenError, NotFoundError
from traceability.ledger.erasure import ErasureRequest, ErasureRequested, erasure_requests, request_erasure
from traceability.ledger.event import utc_text

router = APIRouter(prefix="/provenance", tags=["provenance"])

_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class ErasureRequestIn(BaseModel):
    """Why, and on whose order. Both are recorded for ever: name no person."""

    model_config = ConfigDict(extra="forbid")
    reason: _Line = Field(examples=["request of 1 March"])
    authority: _Line = Field(examples=["data protection officer"])


class ErasureRequestOut(BaseModel):
    """A request to destroy the personal part and the received bytes of an event, and whether that was done."""

    event_id: UUID
    position: int
    reason: str
    authority: str
    organisation: str = Field(description="Who asked.")
    requested_by: int = Field(description="The position of the request.")
    requested_at: str = Field(examples=["2026-03-01T08:15:00.000000Z"])
    erased: bool


class ErasureAskedOut(ErasureRequestOut):
    """A request that was made now or before."""

    proof: Proof = None


@router.post(
    "/events/{event_id}/erasure-requests",
    summary="Ask that what is personal in an event be destroyed",
    status_code=status.HTTP_201_CREATED,
    responses={200: {"model": ErasureAskedOut, "description": "It was asked for before; the first request stands."}},
)
async def ask(
    *,
    request: Request,
    engine: EngineDep,
    caller: AdminDep,
    event_id: UUID,
    wanted: ErasureRequestIn,
    response: Response,
    wait: Wait = None,
) -> ErasureAskedOut:
    """Record a request for an event that your organisation captured. Asked again, it is the same request.

    `traceability ledger erase --pending`, run by who owns the ledger, executes it. All that is not personal stays.
    """
    found, new = await run_in_threadpool(_request, engine, caller.organisation, event_id, wanted)
    if not new:
        response.status_code = status.HTTP_200_OK
    # Of a request that another made before: its receipt shows no more than this answer tells.
    prove = partial(own_receipt, engine, found.requested_by, found.organisation)
    proof = await proof_of(engine, request, wait, found.requested_by, prove)
    return ErasureAskedOut(**_out(found).model_dump(), proof=proof)


def _request(engine: Engine, asking: str, event_id: UUID, wanted: ErasureRequestIn) -> tuple[ErasureRequest, bool]:
    record = engine.ledger.record_of(event_id)
    rows = None if record is None else engine.rules.indexer(record.event.parts)
    operator = asking == engine.settings.organisation
    if record is None or rows is None:
        raise NotFoundError("There is no such event", code="ledger.unknown_event")
    if not operator and rows.visibility.captured_by != asking:
        if engine.organisations.reader(asking).extent(rows.visibility) is None:
            raise NotFoundError("There is no such event", code="ledger.unknown_event")
        raise ForbiddenError(
            "Another organisation captured this event",
            code="access.other_organisation",
            hint="Whoever captured it, or the operator, can ask for its erasure.",
        )
    payload = ErasureRequested(position=record.position, reason=wanted.reason, authority=wanted.authority)
    return request_erasure(engine.ledger_of(asking), record, payload, organisation=asking, clock=engine.clock)


@router.get("/erasure-requests", summary="What you asked to be erased")
def requests(engine: EngineDep, caller: AdminDep) -> list[ErasureRequestOut]:
    """List the requests of your organisation, the oldest first; the operator's key lists those of all."""
    operator = caller.organisation == engine.settings.organisation
    found = erasure_requests(engine.ledger)
    return [_out(one) for one in found if operator or one.organisation == caller.organisation]


def _out(found: ErasureRequest) -> ErasureRequestOut:
    return ErasureRequestOut(
        event_id=found.event_id,
        position=found.position,
        reason=found.reason,
        authority=found.authority,
        organisation=found.organisation,
        requested_by=found.requested_by,
        requested_at=utc_text(found.requested_at),
        erased=found.erased,
    )
