"""What a repository of EPCIS has and can do (EPCIS 2.0 §12.3): its resources, and OPTIONS of each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.epcis_headers import MIN_RECORD_TIME, SUPPORTED, CbvFormat, EpcFormat, capture_limits
from api.page_tokens import end_token
from api.routers.capture import PATH as CAPTURE
from api.routers.epcis_answers import COLLECTION, WishDep, collection_response
from api.routers.epcis_subscriptions import ONE as SUBSCRIPTION
from api.security import EngineDep, QueryDep, subscriber_of
from api.subscriptions.manage import least_record_times, subscription_of
from traceability.errors import TraceabilityError
from traceability.gs1.epcis.prefixes import declared
from traceability.gs1.epcis.query.collections import Collection
from traceability.ledger.event import utc_text

router = APIRouter(prefix="/epcis", tags=["epcis"])

_ABOUT: Final = (
    "Answered without a key: the methods, the versions and, for captures, the limits. Who owns a subscription is told"
    " the least recordTime to come."
)
_FORMATS: Final = {
    "GS1-EPC-Format": EpcFormat.NO_PREFERENCE.value,
    "GS1-CBV-XML-Format": CbvFormat.NO_PREFERENCE.value,
}
"""Each form may be wished for."""
_RESOURCES: Final = ["capture", "events", "queries", *Collection]


@router.get("", summary="The resources of the repository", response_class=Response, responses=COLLECTION)
def resources(_: QueryDep, wish: WishDep) -> Response:
    """Return the names of what is below `/epcis`."""
    return collection_response(sorted(_RESOURCES), wish)


@router.delete("/nextPageToken/{token}", summary="End a page token", status_code=204)
def end_page_token(
    engine: EngineDep, caller: QueryDep, token: Annotated[str, Path(description="From a Link header.")]
) -> None:
    """End the token of a next page before its time: nobody is answered by it any more."""
    end_token(engine, caller.organisation, token)


def discovery(*routers: APIRouter) -> APIRouter:
    """Return a router that answers OPTIONS of every path of the others, in their order."""
    allowed: dict[str, list[str]] = {}
    for route in (route for one in routers for route in one.routes):
        assert isinstance(route, APIRoute)
        allowed.setdefault(route.path, []).extend(route.methods or ())
    options = APIRouter(tags=["epcis"])
    for path, methods in allowed.items():
        allow = ", ".join(sorted({*methods, "OPTIONS"}))
        options.add_api_route(
            path,
            _options(path, allow),
            methods=["OPTIONS"],
            name=f"options {path}",
            summary="What this resource can do",
            description=_ABOUT,
            status_code=204,
            response_class=Response,
            responses={
                204: {"description": "No body", "headers": _headers([*SUPPORTED, *_FORMATS, "GS1-Extensions", "Allow"])}
            },
            openapi_extra={"parameters": _path_parameters(path)},
        )
    return options


def _options(path: str, allow: str) -> Callable[..., Awaitable[Response] | Response]:
    told = {"Allow": allow, **SUPPORTED, **_FORMATS}

    async def options(engine: EngineDep, request: Request) -> Response:
        limits = capture_limits(engine.settings) if path == CAPTURE else {}
        return Response(status_code=204, headers=told | _extensions(request) | limits)

    def options_of_one(engine: EngineDep, request: Request) -> Response:
        headers = told | _extensions(request)
        with suppress(TraceabilityError):  # it is nobody's, or not the caller's: then nothing is told of it
            name, subscription_id = (request.path_params[one] for one in ("queryName", "subscriptionID"))
            found = subscription_of(engine, subscriber_of(engine, request.headers), name, subscription_id)
            headers[MIN_RECORD_TIME] = utc_text(*least_record_times(engine, [found]))
        return Response(status_code=204, headers=headers)

    return options_of_one if path == SUBSCRIPTION else options


def _extensions(request: Request) -> dict[str, str]:
    """Return which of the prefixes that are asked for an answer would have: any namespace is understood."""
    given = ", ".join(request.headers.getlist("GS1-Extensions"))
    found = ", ".join(f"{prefix}={iri}" for prefix, iri in declared(given).items())
    return {"GS1-Extensions": found} if found else {}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [piece.partition("}")[0].partition(":")[0] for piece in path.split("{")[1:]]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"schema": {"type": "string"}} for name in names}
