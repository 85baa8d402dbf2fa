"""What the routers of EPCIS share: documents and lists as responses, and their links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote, urlencode

import orjson
from fastapi import Depends, Request, Response
from pydantic import BaseModel, Field

from api.epcis_events import MAX_PER_PAGE, PER_PAGE, Answer
from api.epcis_headers import LD_JSON, TEXT_XML, VARY, VERSIONS, XML, EpcFormat, NotAcceptableError, Wish
from api.epcis_negotiation import wishing
from api.page_tokens import HEADER, NextPage
from api.web.negotiation import JSON
from api.wiring import Engine
from traceability.gs1.epcis.document_writer import Format
from traceability.gs1.epcis.query.parameters import PARAMETERS
from traceability.gs1.epcis.writer import CONTEXT

OF_EVENTS: Final = (JSON, LD_JSON, XML, TEXT_XML)
"""What a document of events may be answered as."""

EventsWishDep = Annotated[Wish, Depends(wishing(*OF_EVENTS))]
WishDep = Annotated[Wish, Depends(wishing(JSON, LD_JSON))]
JsonWishDep = Annotated[Wish, Depends(wishing(JSON))]


async def _body(request: Request) -> bytes:
    return await request.body()


BodyDep = Annotated[bytes, Depends(_body)]
"""The body as it was sent, for what is read strictly."""
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._"
_LINK: Final = {"description": 'The next page, `<…>; rel="next"`; none on the last one.', "schema": {"type": "string"}}
_EXPIRES: Final = {"description": "When the token in the link ends.", "schema": {"type": "string"}}
PAGED: Final = {"Link": _LINK, HEADER: _EXPIRES}
PAGING: Final[list[dict[str, Any]]] = [
    {
        "name": "perPage",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999, "default": PER_PAGE},
        "description": f"At most so many; more than {MAX_PER_PAGE} are never given.",
    },
    {"name": "nextPageToken", "in": "query", "schema": {"type": "string"}},
]
QUERY: Final[dict[str, Any]] = {
    "parameters": [
        *({"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in PARAMETERS),
        *PAGING,
    ]
}
DOCUMENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "An EPCISQueryDocument", "content": {kind: {} for kind in OF_EVENTS}, "headers": PAGED}
}


class CollectionOut(BaseModel):
    """A collection of EPCIS 2.0: its members, or the names of what is below a resource."""

    context: str = Field(alias="@context", examples=[CONTEXT])
    type: str = Field(examples=["Collection"])
    member: list[str]


COLLECTION: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A Collection",
        "content": {kind: {"schema": CollectionOut.model_json_schema()} for kind in (JSON, LD_JSON)},
        "headers": PAGED,
    }
}


def events_response(engine: Engine, request: Request, answer: Answer, wish: Wish) -> Response:
    """Return a page of events with its link to the next one."""
    headers = answer_headers(answer.form.told, answer.form.prefixes) | link_headers(engine, request, answer.next)
    return Response(answer.document, media_type=wish.media_type, headers={**headers, **wish.versions})


def collection_response(
    values: list[str],
    wish: Wish,
    headers: Mapping[str, str] | None = None,
    *,
    told: EpcFormat = EpcFormat.DIGITAL_LINK,
) -> Response:
    """Return a Collection with these members, whose identifiers are written as is `told`.

    Raises `NotAcceptableError` where XML is wished for.
    """
    if wish.format is not Format.JSON:
        raise NotAcceptableError("A collection is answered in JSON", hint=f"Accept: {JSON}.")
    body = orjson.dumps({"@context": CONTEXT, "type": "Collection", "member": values})
    return Response(body, media_type=wish.media_type, headers={**answer_headers(told), **(headers or {})})


def answer_headers(
    told: EpcFormat = EpcFormat.DIGITAL_LINK, prefixes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the headers of every answer: versions, how identifiers are written, the prefixes of names."""
    declared = ", ".join(f"{prefix}={iri}" for prefix, iri in (prefixes or {}).items())
    extensions = {"GS1-Extensions": declared} if declared else {}
    return {**VERSIONS, **extensions, "GS1-EPC-Format": told, "Vary": VARY}


def link_headers(engine: Engine, request: Request, following: NextPage | None) -> dict[str, str]:
    """Return the headers that lead to the next page of this address, none on the last page."""
    if following is None:
        return {}
    base = (engine.settings.public_url or str(request.base_url)).rstrip("/")
    path = quote(request.scope["raw_path"].decode("latin-1"), safe=_PATH_SAFE)
    kept = [pair for pair in request.query_params.multi_items() if pair[0] != "nextPageToken"]
    return {
        "Link": f'<{base}{path}?{urlencode([*kept, ("nextPageToken", following.token)])}>; rel="next"',
        HEADER: following.expires,
    }


def in_address(request: Request, before: str, after: str = "") -> str:
    """Return a value in the path of a request as it was sent, between `before` and `after`.

    The path that routes are found by is decoded, and identifiers hold slashes, question marks and percent signs.
    """
    raw = request.scope["raw_path"].decode("ascii", "replace").partition(before)[2]
    return unquote(raw.removesuffix(after))
