"""What a repository of EPCIS has and can do (EPCIS 2.0 §12.3): its resources, and OPTIONS of each of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.epcis_headers import SUPPORTED, EpcFormat
from api.page_tokens import end_token
from api.routers.capture import PATH as CAPTURE
from api.routers.capture import limits
from api.routers.epcis_answers import COLLECTION, WishDep, collection_response
from api.security import EngineDep, QueryDep
from traceability.gs1.epcis.query.collections import Collection

router = APIRouter(prefix="/epcis", tags=["epcis"])

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
            description="Answered without a key: the methods, the versions and, for captures, the limits.",
            status_code=204,
            response_class=Response,
            responses={204: {"description": "No body", "headers": _headers([*SUPPORTED, "Allow", "GS1-EPC-Format"])}},
            openapi_extra={"parameters": _path_parameters(path)},
        )
    return options


def _options(path: str, allow: str) -> Callable[..., Awaitable[Response]]:
    async def options(engine: EngineDep) -> Response:
        headers = {"Allow": allow, **SUPPORTED, "GS1-EPC-Format": EpcFormat.NO_PREFERENCE}
        if path == CAPTURE:
            headers |= limits(engine.settings)
        return Response(status_code=204, headers=headers)

    return options


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [piece.partition("}")[0].partition(":")[0] for piece in path.split("{")[1:]]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"schema": {"type": "string"}} for name in names}
