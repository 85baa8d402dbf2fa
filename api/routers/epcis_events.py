"""Events as EPCIS 2.0 asks for them over REST (§12): SimpleEventQuery in the address, a query document out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlencode

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from api.epcis_events import MAX_PER_PAGE, PER_PAGE, answer_query, event_by_id
from api.epcis_headers import VERSIONS
from api.security import EngineDep, ReaderDep
from api.web.negotiation import JSON, preferred
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

EpcFormat = Annotated[str, Header(alias="GS1-EPC-Format", description=f"{_FORMAT}, or No_Preference.")]


@router.get(
    "/events", summary="Ask for events", openapi_extra=_PARAMETERS, response_class=Response, responses=_DOCUMENT
)
def events(engine: EngineDep, reader: ReaderDep, request: Request, epc_format: EpcFormat = _FORMAT) -> Response:
    """Return the events that meet all parameters, the latest first, each as far as you may see it.

    The parameters are those of EPCIS's SimpleEventQuery. Several values of one are alternatives: repeat the parameter,
    or separate them by `|`. `Link: <…>; rel="next"` leads to the next page; without it a page is the last one.
    """
    media_type = _media_type(request, epc_format)
    answer = answer_query(engine, reader, request.query_params.multi_items())
    headers = dict(_HEADERS)
    if answer.next is not None:
        base = engine.settings.public_url or str(request.base_url)
        headers["Link"] = f'<{base.rstrip("/")}{_EVENTS}?{urlencode(answer.next)}>; rel="next"'
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


def _media_type(request: Request, epc_format: str) -> str:
    """Return the media type to answer with; what cannot be answered as it is wanted is 406."""
    media_type = preferred(request.headers.get("accept"), (JSON, LD_JSON))
    if media_type is None or epc_format not in _FORMATS:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE)
    return media_type
