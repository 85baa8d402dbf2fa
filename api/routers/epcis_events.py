"""Events as EPCIS 2.0 asks for them over REST (§12): SimpleEventQuery in the address, a query document out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlencode

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.bundles import events_bundle
from api.epcis_events import MAX_PER_PAGE, PER_PAGE, Parameters, answer_query, event_by_id
from api.epcis_headers import VERSIONS
from api.routers.zipped import ZIP, ZIP_CONTENT, zipped
from api.security import EngineDep, ReaderDep
from api.web.negotiation import JSON, preferred
from api.wiring import Engine
from traceability.gs1.epcis.query_parameters import PARAMETERS

router = APIRouter(prefix="/epcis", tags=["epcis"])

LD_JSON: Final = "application/ld+json"
_EVENTS: Final = "/epcis/events"
_FORMAT: Final = "Always_GS1_Digital_Link"
_FORMATS: Final = (_FORMAT, "No_Preference")
_HEADERS: Final = {**VERSIONS, "GS1-EPC-Format": _FORMAT, "Vary": "Accept, Authorization, GS1-EPC-Format"}
_PARAMETERS: Final[dict[str, Any]] = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in PARAMETERS
    ]
    + [
        {
            "name": "perPage",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "default": PER_PAGE},
            "description": f"At most so many events; more than {MAX_PER_PAGE} are never given.",
        },
        {"name": "nextPageToken", "in": "query", "schema": {"type": "string"}},
    ]
}
_DOCUMENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "An EPCISQueryDocument", "content": {JSON: {}, LD_JSON: {}}}
}

_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {**_DOCUMENT[200], "content": {**_DOCUMENT[200]["content"], **ZIP_CONTENT}}
}

EpcFormat = Annotated[str, Header(alias="GS1-EPC-Format", description=f"{_FORMAT}, or No_Preference.")]


Extensions = Annotated[
    str | None,
    Header(alias="GS1-Extensions", description="Prefixes of fields in the query: `example=https://ns.example/epcis/`."),
]


@router.get("/events", summary="Ask for events", openapi_extra=_PARAMETERS, response_class=Response, responses=_PAGE)
def events(
    engine: EngineDep,
    reader: ReaderDep,
    request: Request,
    epc_format: EpcFormat = _FORMAT,
    extensions: Extensions = None,
) -> Response:
    """Return the events that meet all parameters, the latest first, each as far as you may see it.

    The parameters are those of EPCIS's SimpleEventQuery. Several values of one are alternatives: repeat the parameter,
    or separate them by `|`. `Link: <…>; rel="next"` leads to the next page; without it a page is the last one.

    With `Accept: application/zip` the page is a bundle that verifies offline: this document without personal members,
    the events behind it and one proof for all of them, as known at the last published position (docs/guide/bundles.md).
    """
    media_type, parameters = _media_type(request, epc_format, ZIP), request.query_params.multi_items()
    if media_type == ZIP:
        bundle, following = events_bundle(engine, reader, parameters, extensions=extensions)
        return zipped(bundle, headers={**_HEADERS, **_link(engine, request, following)})
    answer = answer_query(engine, reader, parameters, extensions=extensions)
    headers = {**_HEADERS, **_link(engine, request, answer.next)}
    return Response(answer.document, media_type=media_type, headers=headers)


@router.get("/events/{eventID:path}", summary="The event of an eventID", response_class=Response, responses=_DOCUMENT)
def event(
    engine: EngineDep,
    reader: ReaderDep,
    request: Request,
    _: Annotated[str, Path(alias="eventID", description="EPCIS's eventID, percent-encoded.")],
    epc_format: EpcFormat = _FORMAT,
) -> Response:
    """Return the event with this eventID, and the error declarations that share it."""
    media_type = _media_type(request, epc_format)
    # As it was sent: a hash URI holds slashes and a question mark.
    event_id = unquote(request.scope["raw_path"].decode("ascii").partition(f"{_EVENTS}/")[2])
    return Response(event_by_id(engine, reader, event_id), media_type=media_type, headers=_HEADERS)


def _link(engine: Engine, request: Request, following: Parameters | None) -> dict[str, str]:
    if following is None:
        return {}
    base = engine.settings.public_url or str(request.base_url)
    return {"Link": f'<{base.rstrip("/")}{_EVENTS}?{urlencode(following)}>; rel="next"'}


def _media_type(request: Request, epc_format: str, *more: str) -> str:
    """Return the media type to answer with, JSON or one `more`; what cannot be answered as it is wanted is 406."""
    media_type = preferred(request.headers.get("accept"), (JSON, LD_JSON, *more))
    if media_type is None or epc_format not in _FORMATS:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE)
    return media_type
