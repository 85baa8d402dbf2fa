"""The collections of EPCIS 2.0 (§12.4): what values events have, what is below one, and its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.epcis_events import answer, only_paging, question
from api.epcis_forms import Form
from api.epcis_lists import check_member, members
from api.routers.epcis_answers import (
    COLLECTION,
    DOCUMENT,
    PAGING,
    QUERY,
    EventsWishDep,
    WishDep,
    collection_response,
    events_response,
    in_address,
    link_headers,
)
from api.security import EngineDep, ReaderDep
from traceability.gs1.epcis.query.collections import Collection, membership

router = APIRouter(prefix="/epcis", tags=["epcis"])

_EVENTS: Final = "/events"
_BELOW: Final = ["events"]
_MEMBERS: Final = {
    Collection.EVENT_TYPES: "the types of events",
    Collection.EPCS: "the things, lots and classes that events name, in the order in which they were first recorded",
    Collection.BIZ_STEPS: "the business steps of events",
    Collection.BIZ_LOCATIONS: "the business locations of events",
    Collection.READ_POINTS: "the read points of events",
    Collection.DISPOSITIONS: "the dispositions of events",
}

_IDENTIFIERS: Final = frozenset({Collection.EPCS, Collection.BIZ_LOCATIONS, Collection.READ_POINTS})


def _list(collection: Collection) -> Callable[..., Response]:
    def list_members(engine: EngineDep, reader: ReaderDep, request: Request, wish: WishDep) -> Response:
        parameters = request.query_params.multi_items()
        size, token = only_paging(parameters)
        found = members(engine, reader, collection, size=size, token=token)
        headers = link_headers(engine, request, found.next)
        if collection not in _IDENTIFIERS:
            return collection_response(found.values, wish, headers)
        form = Form(engine, reader, wish)
        return collection_response(form.identifiers(found.values), wish, headers, told=form.told)

    return list_members


def _member(collection: Collection) -> Callable[..., Response]:
    def member(engine: EngineDep, reader: ReaderDep, request: Request, wish: WishDep) -> Response:
        check_member(engine, reader, collection, in_address(request, f"/epcis/{collection}/"))
        return collection_response(_BELOW, wish)

    return member


def _events(collection: Collection) -> Callable[..., Response]:
    below = _member(collection)

    def events(engine: EngineDep, reader: ReaderDep, request: Request, wish: EventsWishDep) -> Response:
        path = request.scope["raw_path"].decode("ascii", "replace")
        if not path.endswith(_EVENTS):  # the value itself ends so, encoded
            return below(engine, reader, request, wish)
        value = in_address(request, f"/epcis/{collection}/", _EVENTS)
        parameters = request.query_params.multi_items()
        asked = question(
            f"/epcis/{collection}/{value}", parameters, within=membership(collection, value), extensions=wish.extensions
        )
        return events_response(engine, request, answer(engine, reader, asked, wish), wish)

    return events


def _add(collection: Collection) -> None:
    """Add the three paths of a collection; the longest comes first, because a value may hold slashes."""
    what, name = _MEMBERS[collection], collection.member
    value: dict[str, Any] = {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "Percent-encoded, as the list has it or in any other spelling.",
    }
    router.add_api_route(
        f"/{collection}",
        _list(collection),
        name=f"list {collection}",
        summary=f"List {collection}",
        description=f"Return {what}, as far as you may see them.",
        responses=COLLECTION,
        response_class=Response,
        openapi_extra={"parameters": PAGING},
    )
    router.add_api_route(
        f"/{collection}/{{{name}:path}}{_EVENTS}",
        _events(collection),
        name=f"events of {collection}",
        summary=f"The events of one of {collection}",
        description="Return the events that have this value and meet all parameters, as /epcis/events does.",
        responses=DOCUMENT,
        response_class=Response,
        openapi_extra={"parameters": [value, *QUERY["parameters"]]},
    )
    router.add_api_route(
        f"/{collection}/{{{name}:path}}",
        _member(collection),
        name=f"one of {collection}",
        summary=f"What is below one of {collection}",
        description="Return the names of what is below a value that some event has which you may see.",
        responses=COLLECTION,
        response_class=Response,
        openapi_extra={"parameters": [value]},
    )


for _collection in Collection:
    _add(_collection)
