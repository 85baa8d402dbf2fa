"""Named queries of EPCIS 2.0 (§12.8): an organisation's questions under names of its own."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.epcis_events import answer, only_paging
from api.named_queries import PATH, asked_again, define, described, drop, listed, named
from api.routers.epcis_answers import (
    DOCUMENT,
    PAGED,
    PAGING,
    BodyDep,
    EventsWishDep,
    JsonWishDep,
    answer_headers,
    events_response,
    link_headers,
)
from api.security import EngineDep, QueryDep, ReaderDep
from api.web.negotiation import JSON
from traceability.errors import UnsupportedError
from traceability.gs1.epcis.strict_json import dumps

router = APIRouter(prefix="/epcis", tags=["epcis"])


class NamedQueryOut(BaseModel):
    """A named query: the parameters of a SimpleEventQuery as members, several values as an array."""

    name: str = Field(examples=["shipped"], pattern=r"^[A-Za-z0-9._~-]{1,128}$")
    query: dict[str, Any] = Field(examples=[{"EQ_bizStep": ["shipping"], "eventType": ["ObjectEvent"]}])


_DEFINITION: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {JSON: {"schema": NamedQueryOut.model_json_schema()}}}
}
_ONE: Final[dict[int | str, dict[str, Any]]] = {200: {"model": NamedQueryOut, "description": "The query"}}


@router.post(
    "/queries",
    summary="Name a query",
    status_code=201,
    response_class=Response,
    responses={201: {"model": NamedQueryOut, "description": "The query; `Location` is its address"}},
    openapi_extra=_DEFINITION,
)
def name_query(engine: EngineDep, caller: QueryDep, request: Request, wish: JsonWishDep, body: BodyDep) -> Response:
    """Keep a question under a name, for your organisation: `GET /epcis/queries/{queryName}/events` asks it."""
    if "xml" in request.headers.get("content-type", "").partition(";")[0].lower():
        raise UnsupportedError("A query is defined in JSON", code="query.media_type", hint=f"Content-Type: {JSON}.")
    query = define(engine, caller.organisation, body, extensions=wish.extensions)
    headers = {**answer_headers(), "Location": f"{PATH}/{query.name}"}
    return Response(dumps(described(query)), status_code=201, media_type=JSON, headers=headers)


@router.get(
    "/queries",
    summary="Your named queries",
    response_class=Response,
    responses={200: {"model": list[NamedQueryOut], "description": "The queries", "headers": PAGED}},
    openapi_extra={"parameters": PAGING},
)
def queries(engine: EngineDep, caller: QueryDep, request: Request, _: JsonWishDep) -> Response:
    """Return your organisation's queries in order of their names."""
    size, token = only_paging(request.query_params.multi_items())
    page = listed(engine, caller.organisation, size=size, token=token)
    body = dumps([described(query) for query in page.queries])
    headers = answer_headers() | link_headers(engine, request, page.next)
    return Response(body, media_type=JSON, headers=headers)


@router.get("/queries/{queryName}", summary="One named query", response_class=Response, responses=_ONE)
def query(
    engine: EngineDep, caller: QueryDep, _: JsonWishDep, name: Annotated[str, Path(alias="queryName")]
) -> Response:
    """Return how a query is defined."""
    found = named(engine, caller.organisation, name)
    return Response(dumps(described(found)), media_type=JSON, headers=answer_headers())


@router.delete("/queries/{queryName}", summary="Drop a named query", status_code=204)
def drop_query(engine: EngineDep, caller: QueryDep, name: Annotated[str, Path(alias="queryName")]) -> None:
    """Forget a query, and end the subscriptions to it."""
    drop(engine, caller.organisation, name)


@router.get(
    "/queries/{queryName}/events",
    summary="The events of a named query",
    response_class=Response,
    responses=DOCUMENT,
    openapi_extra={"parameters": PAGING},
)
def query_events(
    *,
    engine: EngineDep,
    caller: QueryDep,
    reader: ReaderDep,
    request: Request,
    wish: EventsWishDep,
    name: Annotated[str, Path(alias="queryName")],
) -> Response:
    """Ask a named query: the answer is that of `/epcis/events`, page after page."""
    asked = asked_again(named(engine, caller.organisation, name), request.query_params.multi_items())
    return events_response(engine, request, answer(engine, reader, asked, wish), wish)
