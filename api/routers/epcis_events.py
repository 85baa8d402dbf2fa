"""Events as EPCIS 2.0 asks for them over REST (§12): SimpleEventQuery in the address, a query document out."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from api.bundles import events_bundle
from api.epcis_events import answer, event_by_id, question
from api.epcis_headers import LD_JSON, Wish, wishing
from api.routers.epcis_answers import (
    DOCUMENT,
    QUERY,
    WishDep,
    answer_headers,
    events_response,
    in_address,
    link_headers,
)
from api.routers.zipped import ZIP, ZIP_CONTENT, zipped
from api.security import EngineDep, ReaderDep
from api.web.negotiation import JSON

router = APIRouter(prefix="/epcis", tags=["epcis"])

_EVENTS: Final = "/epcis/events"
_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {**DOCUMENT[200], "content": {**DOCUMENT[200]["content"], **ZIP_CONTENT}}
}
_PageWish = Annotated[Wish, Depends(wishing(JSON, LD_JSON, ZIP))]


@router.get("/events", summary="Ask for events", openapi_extra=QUERY, response_class=Response, responses=_PAGE)
def events(engine: EngineDep, reader: ReaderDep, request: Request, wish: _PageWish) -> Response:
    """Return the events that meet all parameters, the latest first, each as far as you may see it.

    The parameters are those of EPCIS's SimpleEventQuery. Several values of one are alternatives: repeat the parameter,
    or separate them by `|`. `Link: <…>; rel="next"` leads to the next page; without it a page is the last one.

    With `Accept: application/zip` the page is a bundle that verifies offline: this document without personal members,
    the events behind it and one proof for all of them, as known at the last published position (docs/guide/bundles.md).
    """
    parameters = request.query_params.multi_items()
    asked = question(_EVENTS, parameters, extensions=wish.extensions)
    if wish.media_type == ZIP:
        bundle, following = events_bundle(engine, reader, asked, parameters, extensions=wish.extensions)
        return zipped(bundle, headers=answer_headers(wish) | link_headers(engine, request, following))
    return events_response(engine, request, answer(engine, reader, asked), wish)


@router.get("/events/{eventID:path}", summary="The event of an eventID", response_class=Response, responses=DOCUMENT)
def event(
    engine: EngineDep,
    reader: ReaderDep,
    request: Request,
    wish: WishDep,
    _: Annotated[str, Path(alias="eventID", description="EPCIS's eventID, percent-encoded.")],
) -> Response:
    """Return the event with this eventID, and the error declarations that share it."""
    document = event_by_id(engine, reader, in_address(request, f"{_EVENTS}/"))
    return Response(document, media_type=wish.media_type, headers=answer_headers(wish))
