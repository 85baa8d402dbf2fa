"""The register over HTTP: who is registered, licensed and whose partner, and who may do what."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.keeping_up import KeepingUp
from api.parameters import only_declared
from api.provenance import microseconds_of
from api.published import Wait, own_receipt, proof_of
from api.receipts import receipt_address
from api.register import (
    KINDS,
    PATH,
    OrganisationOut,
    RulesOut,
    SaidOut,
    VerdictOut,
    describe_organisation,
    describe_rules,
    judge,
    read_statement,
    state,
)
from api.security import CaptureDep, EngineDep, ReaderDep
from api.web.negotiation import HTML, JSON, wants_page
from api.web.register_page import register_page

router: Final = APIRouter(prefix=PATH, tags=["register"], dependencies=[Depends(only_declared)])

_GRANTED: Final = {
    "organisation": "importer.example",
    "kind": "import",
    "number": "GZ-2026-7",
    "issuer": "Guangzhou Customs",
    "actions": ["receiving"],
    "since": "2026-03-01T00:00:00+08:00",
    "until": "2027-03-01T00:00:00+08:00",
}


class StatementIn(BaseModel):
    """A statement; docs/guide/register.md has the members of each type. `since` is now where it is left out."""

    model_config = ConfigDict(extra="forbid")
    type: str = Field(max_length=50, description=f"One of: {', '.join(KINDS)}.", examples=["licence_granted"])
    said: dict[str, Any] = Field(examples=[_GRANTED])
    hidden: bool = Field(default=False, description="For the organisations alone that it is about.")


Organisation = Annotated[str, Path(max_length=63)]
AsOf = Annotated[AwareDatetime | None, Query(description="What holds at this time; with an offset. Now without it.")]
KnownAt = Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")]


@router.get("", summary="Show what concerns everybody: rules, registrars, company prefixes")
def show_rules(engine: EngineDep, _: ReaderDep, as_of: AsOf = None, known_at: KnownAt = None) -> RulesOut:
    """Give what holds at a time; each statement has its receipt."""
    return describe_rules(engine, as_of=None if as_of is None else microseconds_of(as_of), known_at=known_at)


@router.post(
    "",
    summary="State something in the register",
    status_code=201,
    responses={200: {"model": SaidOut, "description": "It was said before, and counts."}},
)
async def state_in_register(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: CaptureDep,
    body: StatementIn,
    _: KeepingUp,
    wait: Wait = None,
) -> SaidOut:
    """Record it as your organisation; it takes the place of what was said of the same from the same beginning.

    The operator and its registrars say what counts. What you say of yourself is a claim, but for your trading partners.
    """
    said = read_statement(body.type, body.said, engine.clock.now_us())
    done = await run_in_threadpool(state, engine, caller.organisation, said, hidden=body.hidden)
    if not done.new:
        response.status_code = 200
    prove = partial(own_receipt, engine, done.position, caller.organisation)
    return SaidOut(
        recorded=done.new,
        claim=done.claim,
        position=done.position,
        event_id=done.event_id,
        receipt=receipt_address(done.event_id),
        proof=await proof_of(engine, request, wait, done.position, prove),
    )


@router.get(
    "/{organisation}",
    summary="Show what the register says of an organisation",
    response_model=OrganisationOut,
    responses={200: {"content": {HTML: {}}}},
)
def show_registration(
    *,
    request: Request,
    engine: EngineDep,
    reader: ReaderDep,
    organisation: Organisation,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> Response:
    """Give its registration, licences, prefixes, partners, keys and roles at a time, and every statement about it.

    A page is for people, by `Accept`.
    """
    at = None if as_of is None else microseconds_of(as_of)
    shown = describe_organisation(engine, reader, organisation, as_of=at, known_at=known_at)
    if wants_page(request.headers.get("accept")):
        answer: Response = register_page(engine, shown)
    else:
        answer = Response(shown.model_dump_json(), media_type=JSON)
    answer.headers["Vary"] = "Accept, Authorization"
    return answer


@router.get("/{organisation}/authorised", summary="Tell whether an organisation may do something")
def check_authorised(
    *,
    engine: EngineDep,
    reader: ReaderDep,
    organisation: Organisation,
    action: Annotated[str, Query(max_length=200, description="A business step, such as `shipping`.")],
    at: AsOf = None,
    partner: Annotated[str | None, Query(max_length=63, description="The other side, where there is one.")] = None,
    known_at: KnownAt = None,
) -> VerdictOut:
    """Judge by the rule for the action, if there is one, and name the statements that decide it."""
    moment = None if at is None else microseconds_of(at)
    return judge(engine, reader, organisation, action, at=moment, partner=partner, known_at=known_at)
