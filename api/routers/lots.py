"""Lots: their stage, how much is where, and whether one may be released."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from api.codes import identifier_in_path
from api.lot_models import LotOut
from api.lots import PATH, describe_lot, required_kinds
from api.parameters import only_declared
from api.security import EngineDep, ReaderDep
from api.web.lot_pages import lot_page
from api.web.negotiation import HTML, wants_page
from api.web.sign_in import VARY, VisitorDep
from traceability.gs1.identifiers import Identifier

router: Final = APIRouter(prefix=PATH, tags=["lots"], dependencies=[Depends(only_declared)])
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {HTML: {}}}}


def _identifier_in(
    request: Request, _: Annotated[str, Path(alias="id", description="A Digital Link, its path, or another URI.")]
) -> Identifier:
    raw: bytes = request.scope["raw_path"]
    return identifier_in_path(raw.decode("ascii").partition(f"{PATH}/")[2])


@router.get(
    "/{id:path}",
    summary="The stage of a lot, how much of it is where, and whether it may be released",
    response_model=LotOut,
    responses=_PAGE,
)
def show_lot(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    identifier: Annotated[Identifier, Depends(_identifier_in)],
    as_of: Annotated[AwareDatetime | None, Query(description="Up to this event time; with an offset.")] = None,
    known_at: Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")] = None,
    requires: Annotated[
        str | None,
        Query(max_length=2048, description="Kinds of certificates that a release needs, with commas between."),
    ] = None,
) -> LotOut | Response:
    """Give the stage of a lot with what led to it, its amounts by holder and place, its dates, holds and certificates.

    `release` tells whether it may be released, and what speaks against it; `key_data` which key data elements of its
    critical tracking events are missing; `findings` what recorded events break. All of it is by what you may see. A
    page is for people, by `Accept`.
    """
    required = required_kinds(requires)
    if wants_page(request.headers.get("accept")):
        return lot_page(engine, request, visitor, identifier, as_of=as_of, known_at=known_at, required=required)
    response.headers["Vary"] = VARY
    return describe_lot(engine, reader, identifier, as_of=as_of, known_at=known_at, required=required)
