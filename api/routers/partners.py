"""Partners: where the events of organisations come from, and where their repositories post what is new.

An admin key acts for its own organisation, the operator's for every one, as with organisations. A partner of another
organisation is as one that does not exist. A browser gets the pages of `api.web.partner_pages` at the same addresses.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.capture.runner import CaptureRunner
from api.keeping_up import KeepingUp
from api.partners.define import MAX_MAPPING, define
from api.partners.reading import administered, partners_of
from api.partners.runner import wake_reader
from api.partners.told import PartnerOut, StatusOut, status, told
from api.partners.webhook import receive
from api.routers.capture import PATH as CAPTURE
from api.routers.epcis_answers import BodyDep
from api.security import AdminDep, CallerDep, EngineDep, require
from api.web.negotiation import wants_page
from api.web.partner_pages import partner_page, partners_page
from api.web.sign_in import PARTNERS, VARY, VisitorDep, page_for
from traceability.errors import ForbiddenError
from traceability.gs1.epcis.subscriptions.signature import HEADER
from traceability.ledger.organisations import Scope
from traceability.ledger.partners import OVERLAP_US, Accept, Kind

router = APIRouter(prefix="/partners", tags=["partners"])

_DOCUMENT: Final = {
    "requestBody": {
        "required": True,
        "content": {
            f"{kind}/{of}": {}
            for kind, of in (
                *(("application", of) for of in ("json", "ld+json", "xml", "gzip", "zip")),
                ("text", "csv"),
            )
        },
    }
}


class PartnerIn(BaseModel):
    """A partner to add; folders are added on the server, by command line."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=63, examples=["dairy.example"])
    organisation: str = Field(max_length=63, description="As whom its events are captured.", examples=["dairy.example"])
    kind: Kind = Field(examples=["epcis"])
    address: str = Field(
        default="",
        max_length=2_000,
        description="Of the repository's events; a webhook has none.",
        examples=["https://dairy.example/epcis/events"],
    )
    secret: str | None = Field(
        default=None,
        max_length=4_000,
        description="A header that is sent to a repository, or a webhook's token; without it a token is made.",
        examples=["Authorization: Bearer trace_…"],
    )
    accept: Accept = Field(default=Accept.JSON, description="What a repository is asked for.")
    overlap_seconds: int = Field(
        default=OVERLAP_US // 1_000_000, ge=0, le=86_400, description="How far back it is asked again."
    )
    mapping: str | None = Field(
        default=None, max_length=MAX_MAPPING, description="What the columns of its CSV are, in TOML or JSON."
    )


class NewPartnerOut(PartnerOut):
    """A new partner; `token`, of a webhook, is shown this once."""

    token: str | None


class DeliveryOut(BaseModel):
    """What became of a delivery: `capture` is its job, null when it held nothing new."""

    capture: str | None = Field(examples=["/epcis/capture/019ca877-0c1b-7000-8000-000000000001"])


def checked(caller: AdminDep, engine: EngineDep, name: Annotated[str, Path(max_length=63)]) -> str:
    """Return the name in the path when the caller may administer the partner."""
    return administered(engine, caller.organisation, name)[0].name


NameDep = Annotated[str, Depends(checked)]


@router.get("", summary="List partners", response_model=list[PartnerOut])
def list_partners(
    *, request: Request, response: Response, engine: EngineDep, caller: CallerDep, visitor: VisitorDep
) -> list[PartnerOut] | Response:
    """Give your organisation's partners, the operator every one, by name."""
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, PARTNERS, partial(partners_page, engine))
    require(caller, Scope.ADMIN)
    response.headers["Vary"] = VARY
    whose = None if caller.organisation == engine.settings.operator else caller.organisation
    return [told(partner, standing) for partner, standing in partners_of(engine).all(whose)]


@router.post("", summary="Add a partner", status_code=201)
def add_partner(body: PartnerIn, request: Request, engine: EngineDep, caller: AdminDep) -> NewPartnerOut:
    """Add a repository that is asked, or a webhook; a repository is asked at once."""
    if caller.organisation not in (body.organisation, engine.settings.operator):
        raise ForbiddenError("This key is for another organisation", code="access.other_organisation")
    if body.kind is Kind.FOLDER:
        raise ForbiddenError(
            "A folder is one of the server's own, and is added there",
            code="partner.folder_over_http",
            hint="Run there: traceability partner add --kind folder",
        )
    partner, token = define(
        engine,
        body.name,
        body.organisation,
        body.kind,
        address=body.address,
        secret=body.secret,
        accept=body.accept,
        overlap_us=body.overlap_seconds * 1_000_000,
        mapping=body.mapping,
    )
    wake_reader(request.app.state)
    added = told(*partners_of(engine).get(partner.name))
    return NewPartnerOut(**added.model_dump(), token=token)


@router.get("/{name}", summary="How a partner stands", response_model=StatusOut)
def show_partner(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: CallerDep,
    visitor: VisitorDep,
    name: Annotated[str, Path(max_length=63)],
) -> StatusOut | Response:
    """Give a partner with its newest captures, whose findings say what was wrong with its events."""
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, PARTNERS, partial(partner_page, engine, name))
    response.headers["Vary"] = VARY
    return status(engine, checked(require(caller, Scope.ADMIN), engine, name))


@router.delete("/{name}", summary="Remove a partner", status_code=204)
def remove_partner(name: NameDep, engine: EngineDep) -> Response:
    """Forget a partner, its cursor and its secret; what it sent stays."""
    partners_of(engine).remove(name)
    return Response(status_code=204)


@router.post("/{name}/pull", summary="Read a partner now", status_code=202)
def pull_partner(name: NameDep, request: Request, engine: EngineDep) -> PartnerOut:
    """Have a repository read as soon as a server is free for it, also one that is pausing after a failure."""
    partners = partners_of(engine)
    partners.hurry(name)
    wake_reader(request.app.state)
    return told(*partners.get(name))


@router.post("/{name}/webhook", summary="Receive a delivery", status_code=202, openapi_extra=_DOCUMENT)
def receive_delivery(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    _: KeepingUp,
    name: Annotated[str, Path(max_length=200)],
    body: BodyDep,
    signature: Annotated[
        str,
        Header(alias=HEADER, max_length=300, description="Of the body, with the token; see docs/guide/partners.md."),
    ] = "",
) -> DeliveryOut:
    """Take what a partner's repository posts to its subscribers; the signature stands for a key.

    It is on disk when this answers 202. The same body again is taken for the same delivery.
    """
    media_type = request.headers.get("content-type", "")
    job = receive(engine, name, body, signature=signature, media_type=media_type)
    if job is None:
        return DeliveryOut(capture=None)
    runner: CaptureRunner | None = getattr(request.app.state, "capture_runner", None)
    if runner is not None:
        runner.wake()
    response.headers["Location"] = f"{CAPTURE}/{job.job_id}"
    return DeliveryOut(capture=f"{CAPTURE}/{job.job_id}")
