"""Events as EPCIS 2.0 asks for them over REST (§12): SimpleEventQuery in the address, a query document out."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from api.bundles import events_bundle
from api.epcis_events import answer, event_by_id, question
from api.epcis_headers import LD_JSON, TEXT_XML, XML, EpcFormat, NotAcceptableError, Wish
from api.epcis_negotiation import check_captured, wishing
from api.findings_models import event_problems
from api.keeping_up import KeepingUp
from api.problems import problem_response
from api.published import integrator_wake
from api.routers.capture import IdempotencyKey
from api.routers.epcis_answers import (
    DOCUMENT,
    OF_EVENTS,
    PAGED,
    QUERY,
    BodyDep,
    EventsWishDep,
    JsonWishDep,
    answer_headers,
    events_response,
    in_address,
    link_headers,
)
from api.routers.zipped import ZIP, ZIP_CONTENT, zipped
from api.security import CaptureDep, EngineDep, ReaderDep
from api.single_event import RejectedEventError, capture_event
from api.web.negotiation import JSON

router = APIRouter(prefix="/epcis", tags=["epcis"])

PATH: Final = "/epcis/events"
_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {**DOCUMENT[200], "content": {**DOCUMENT[200]["content"], **ZIP_CONTENT}},
    204: {
        "description": "Asked for as a bundle, and not the only page: no event is on it",
        "headers": PAGED,
    },
}
_ONE_EVENT: Final = {"type": "object", "required": ["type", "eventTime", "eventTimeZoneOffset"]}
_EVENT: Final = {
    "required": True,
    "content": {**{kind: {"schema": _ONE_EVENT} for kind in (JSON, LD_JSON)}, XML: {}, TEXT_XML: {}},
}
_PageWish = Annotated[Wish, Depends(wishing(*OF_EVENTS, ZIP))]


@router.get("/events", summary="Ask for events", openapi_extra=QUERY, response_class=Response, responses=_PAGE)
def events(engine: EngineDep, reader: ReaderDep, request: Request, wish: _PageWish) -> Response:
    """Return the events that meet all parameters, the latest first, each as far as you may see it.

    The parameters are those of EPCIS's SimpleEventQuery. Several values of one are alternatives: repeat the parameter,
    or separate them by `|`. `Link: <…>; rel="next"` leads to the next page; without it a page is the last one.

    With `Accept: application/zip` the page is a bundle that verifies offline: this document without personal members,
    the events behind it and one proof for all of them, as known at the last published position (docs/guide/bundles.md).
    """
    parameters = request.query_params.multi_items()
    asked = question(PATH, parameters, extensions=wish.extensions)
    if wish.media_type == ZIP:
        if wish.epc_format in (EpcFormat.URN, EpcFormat.AS_RECEIVED):
            raise NotAcceptableError("A bundle has the form that was committed to", hint="Leave GS1-EPC-Format out.")
        bundle, following = events_bundle(engine, reader, asked, parameters, extensions=wish.extensions)
        headers = answer_headers() | link_headers(engine, request, following)
        return Response(status_code=204, headers=headers) if bundle is None else zipped(bundle, headers=headers)
    return events_response(engine, request, answer(engine, reader, asked, wish), wish)


@router.post(
    "/events",
    summary="Send one event",
    status_code=201,
    response_class=Response,
    responses={201: {"description": "The event as it was recorded; `Location` is its address", "content": {JSON: {}}}},
    openapi_extra={"requestBody": _EVENT},
)
def send_event(
    *,
    engine: EngineDep,
    caller: CaptureDep,
    request: Request,
    _: KeepingUp,
    __: JsonWishDep,
    body: BodyDep,
    key: IdempotencyKey = None,
) -> Response:
    """Record one event of EPCIS, in JSON with its `@context` inside or in XML, before this answers.

    409 when your organisation has recorded it before, or has recorded another with its eventID.
    """
    check_captured(request.headers)
    try:
        recorded = capture_event(engine, caller.organisation, body, key=key)
    except RejectedEventError as error:
        problems = event_problems(error.problems)
        return problem_response(
            400, error.code, error.message, hint=error.hint, problems=problems, path=request.url.path
        )
    integrator_wake(request).set()
    headers = {
        **answer_headers(),
        "Location": f"{PATH}/{quote(recorded.event_id, safe='')}",
        "Link": f'</provenance/events/{recorded.record_id}/receipt>; rel="related"',
    }
    return Response(recorded.body, status_code=201, media_type=JSON, headers=headers)


@router.get("/events/{eventID:path}", summary="The event of an eventID", response_class=Response, responses=DOCUMENT)
def event(
    engine: EngineDep,
    reader: ReaderDep,
    request: Request,
    wish: EventsWishDep,
    _: Annotated[str, Path(alias="eventID", description="EPCIS's eventID, percent-encoded.")],
) -> Response:
    """Return the event with this eventID, and the error declarations that share it."""
    found = event_by_id(engine, reader, in_address(request, f"{PATH}/"), wish)
    return events_response(engine, request, found, wish)
