"""Aircraft parts: whether they are serviceable, and how much of their life is used."""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import AwareDatetime

from api.aircraft_part_models import CheckOut, ComponentsOut, LifeOut, PartOut
from api.aircraft_parts import check_certificate, describe_components, describe_life, describe_part
from api.bundles import part_bundle
from api.codes import identifier_in_path
from api.parameters import only_declared
from api.routers.zipped import ZIP, ZIP_CONTENT, zipped
from api.security import EngineDep, ReaderDep
from api.web.aircraft_part_page import aircraft_part_page
from api.web.negotiation import HTML, JSON, preferred
from api.web.sign_in import VARY, VisitorDep
from traceability.gs1.identifiers import Identifier

PATH: Final = "/aircraft-parts"
_BEHIND: Final = re.compile(r"/(life|components|certificates/[^/]*)$")

router: Final = APIRouter(prefix=PATH, tags=["aircraft parts"], dependencies=[Depends(only_declared)])

AsOf = Annotated[AwareDatetime | None, Query(description="Up to this event time; with an offset.")]
KnownAt = Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")]


def _identifier_in(
    request: Request, _: Annotated[str, Path(alias="id", description="A Digital Link, its path, or another URI.")]
) -> Identifier:
    return identifier_in_path(_raw(request))


def _identifier_before(
    request: Request, _: Annotated[str, Path(alias="id", description="A Digital Link, its path, or another URI.")]
) -> Identifier:
    """Read the identifier in front of what is asked about it, which has to be as it was sent."""
    return identifier_in_path(_BEHIND.sub("", _raw(request)))


def _raw(request: Request) -> str:
    raw: bytes = request.scope["raw_path"]
    return raw.decode("ascii").partition(f"{PATH}/")[2]


@router.get("/{id:path}/life", summary="How much of its life an aircraft part has used")
def show_life(
    engine: EngineDep,
    reader: ReaderDep,
    identifier: Annotated[Identifier, Depends(_identifier_before)],
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> LifeOut:
    """Give the cycles and minutes of flight that were stated of what the part was installed on, while it was.

    They are told by installation and by statement, with what is left under each limit, and the time of which nobody
    tells. All of it is by what you may see.
    """
    return describe_life(engine, reader, identifier, as_of=as_of, known_at=known_at)


@router.get("/{id:path}/components", summary="What is installed on an aircraft or assembly")
def show_components(
    engine: EngineDep,
    reader: ReaderDep,
    identifier: Annotated[Identifier, Depends(_identifier_before)],
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> ComponentsOut:
    """Give the parts that are installed on it, directly or through others, and whether each is serviceable.

    What has the least left under a limit comes first, what has no limit last.
    """
    return describe_components(engine, reader, identifier, as_of=as_of, known_at=known_at)


@router.get("/{id:path}/certificates/{document}", summary="Whether a certificate is one that was recorded for a part")
def show_certificate(
    *,
    engine: EngineDep,
    reader: ReaderDep,
    identifier: Annotated[Identifier, Depends(_identifier_before)],
    document: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the document, in lower-case hex.")],
    tracking_number: Annotated[str | None, Query(max_length=200, description="The number on it.")] = None,
    known_at: KnownAt = None,
) -> CheckOut:
    """Judge a certificate by its SHA-256: `recorded` by who may release the part, `claimed` by who may not, or neither.

    With the `tracking_number` that is on it, a document that is not the recorded one of this number is
    `another_document`. The answer is 200 whatever the verdict; for a part that you may not see it is `no_record`.
    """
    return check_certificate(engine, reader, identifier, document, tracking_number=tracking_number, known_at=known_at)


@router.get(
    "/{id:path}",
    summary="Whether an aircraft part is serviceable, and its life back to birth",
    response_model=PartOut,
    responses={200: {"content": {**ZIP_CONTENT, HTML: {}}}},
)
def show_part(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    identifier: Annotated[Identifier, Depends(_identifier_in)],
    as_of: AsOf = None,
    known_at: KnownAt = None,
    accept: Annotated[str | None, Header()] = None,
) -> PartOut | Response:
    """Give the stage of a part, the release that holds, and its life back to birth with the event behind each stretch.

    A part is serviceable when nothing is in `lacks`: it is released, no stretch of its life has a gap, no limit is
    reached, and nothing holds it. What recorded events break is under `irregularities`.

    With `Accept: application/zip` the answer is a bundle that verifies offline (docs/guide/bundles.md): this JSON with
    the part's life under `life`, the events that it names, and one proof for all of them. A page is for people.
    """
    wanted = preferred(accept, (JSON, ZIP, HTML))
    if wanted == ZIP:
        return zipped(part_bundle(engine, reader, identifier, as_of=as_of, known_at=known_at), "back-to-birth")
    if wanted == HTML:
        return aircraft_part_page(engine, request, visitor, identifier, as_of=as_of, known_at=known_at)
    response.headers["Vary"] = VARY
    return describe_part(engine, reader, identifier, as_of=as_of, known_at=known_at)
