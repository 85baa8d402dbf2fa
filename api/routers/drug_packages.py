"""Packages of medicines: whether one may be dispensed."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from api.codes import identifier_in_path
from api.drug_packages import PATH, PackOut, VerifiedOut, VerifyIn, describe_pack, verify
from api.parameters import only_declared
from api.security import EngineDep, ReaderDep
from api.web.drug_package_page import drug_package_page
from api.web.negotiation import HTML, wants_page
from api.web.sign_in import VARY, VisitorDep
from traceability.gs1.identifiers import Identifier

router: Final = APIRouter(prefix=PATH, tags=["drug packages"], dependencies=[Depends(only_declared)])
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {HTML: {}}}}


def _identifier_in(
    request: Request, _: Annotated[str, Path(alias="id", description="A Digital Link, its path, or another URI.")]
) -> Identifier:
    raw: bytes = request.scope["raw_path"]
    return identifier_in_path(raw.decode("ascii").partition(f"{PATH}/")[2])


@router.post("/verify", summary="Verify what stands on a pack")
def verify_pack(engine: EngineDep, reader: ReaderDep, asked: VerifyIn) -> VerifiedOut:
    """Tell whether a pack with this identifier, lot and expiry may be dispensed, by the events that you may see."""
    return verify(engine, reader, asked)


@router.get(
    "/{id:path}", summary="Whether a pack may be dispensed, and why not", response_model=PackOut, responses=_PAGE
)
def show_pack(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    identifier: Annotated[Identifier, Depends(_identifier_in)],
    as_of: Annotated[AwareDatetime | None, Query(description="Up to this event time; with an offset.")] = None,
    known_at: Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")] = None,
) -> PackOut | Response:
    """Give the status of a pack with the events behind it, and what was said of it and is wrong.

    A page is for people, by `Accept`.
    """
    if wants_page(request.headers.get("accept")):
        return drug_package_page(engine, request, visitor, identifier, as_of=as_of, known_at=known_at)
    response.headers["Vary"] = VARY
    return describe_pack(engine, reader, identifier, as_of=as_of, known_at=known_at)
