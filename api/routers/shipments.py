"""Shipments over HTTP: what was advised, what came, and the exception cases of what differs."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from api.parameters import only_declared
from api.provenance import microseconds_of
from api.routers.writing import Writing
from api.security import EngineDep, ReaderDep
from api.shipment_models import (
    ADVICE,
    SHIPMENT,
    AdviseIn,
    AnswerIn,
    CloseIn,
    CompleteIn,
    ShipmentDone,
    ShipmentList,
    ShipmentOut,
)
from api.shipment_writes import advise, answer, close, complete
from api.shipments import MOST_LISTED, PATH, describe_shipment, list_shipments
from api.web.negotiation import HTML, wants_page
from api.web.shipment_pages import shipment_page, shipments_page
from api.web.sign_in import SHIPMENTS, VARY, VisitorDep, page_for

router: Final = APIRouter(prefix=PATH, tags=["shipments"], dependencies=[Depends(only_declared)])

Name = Annotated[str, Path(alias="shipment", max_length=200, examples=[SHIPMENT])]
Case = Annotated[str, Path(alias="case", max_length=200, examples=[SHIPMENT])]
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {HTML: {}}}}


@router.get("", summary="List shipments that you may see", response_model=ShipmentList, responses=_PAGE)
def show_shipments(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    advice: Annotated[str | None, Query(max_length=2048, description="Of this advice.", examples=[ADVICE])] = None,
    before: Annotated[int | None, Query(ge=1, description="Go on before this position.")] = None,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=MOST_LISTED)] = 50,
) -> ShipmentList | Response:
    """Give the shipments that you advised or are to receive, the last advised first; `Link` leads to the next page.

    A page is for people, by `Accept`.
    """
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, SHIPMENTS, partial(shipments_page, engine, before, per_page, advice))
    response.headers["Vary"] = VARY
    lines, following = list_shipments(engine, reader, advice=advice, before=before, limit=per_page)
    if following is not None:
        address = request.url.include_query_params(before=following)
        response.headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
    return ShipmentList(known_at=engine.ledger.head(), shipments=lines)


@router.post("", summary="Advise a shipment", status_code=201)
async def advise_shipment(writing: Writing, body: AdviseIn) -> ShipmentDone:
    """Say what is sent to whom; the consignee sees it too."""
    return await writing.carry_out("shipment advise", _address, advise, body)


@router.get("/{shipment}", summary="Show a shipment", response_model=ShipmentOut, responses=_PAGE)
def show_shipment(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    shipment: Name,
    as_of: Annotated[AwareDatetime | None, Query(description="At this time; with an offset.")] = None,
    known_at: Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")] = None,
) -> ShipmentOut | Response:
    """Give what was advised against what was sent and came, the legs, the exception cases, and all that was said.

    A page is for people, by `Accept`.
    """
    at = None if as_of is None else microseconds_of(as_of)
    if wants_page(request.headers.get("accept")):
        return shipment_page(engine, request, visitor, shipment, as_of=at, known_at=known_at)
    response.headers["Vary"] = VARY
    return describe_shipment(engine, reader, shipment, as_of=at, known_at=known_at)


@router.post("/{shipment}/receipt", summary="Complete the receipt of a shipment", status_code=201)
async def complete_receipt(writing: Writing, shipment: Name, body: CompleteIn) -> ShipmentDone:
    """Say that all that will come has come, as the consignee; what differs opens an exception case with it."""
    return await writing.carry_out(f"shipment complete {shipment}", _address, complete, shipment, body)


@router.post("/{shipment}/exceptions/{case}/answer", summary="Answer an exception case", status_code=201)
async def answer_exception(writing: Writing, shipment: Name, case: Case, body: AnswerIn) -> ShipmentDone:
    """Accept or reject what the consignee reports, as the shipper."""
    return await writing.carry_out(f"shipment answer {shipment} {case}", _address, answer, shipment, case, body)


@router.post("/{shipment}/exceptions/{case}/close", summary="Close an exception case", status_code=201)
async def close_exception(writing: Writing, shipment: Name, case: Case, body: CloseIn) -> ShipmentDone:
    """Say that nothing more is wanted, as the consignee."""
    return await writing.carry_out(f"shipment close {shipment} {case}", _address, close, shipment, case, body)


def _address(done: ShipmentDone) -> str:
    return f"{PATH}/{done.shipment}"
