"""The pages: GS1 Digital Link paths at the root, the front page, and the files that they use.

The same address answers a page or JSON, by `Accept`; the JSON is that of `/provenance/items/{id}`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse

from api.codes import read_code
from api.demo.story import Story
from api.irregularities import IrregularitiesOut, IrregularitiesQuestion, list_irregularities
from api.monitoring import list_sessions
from api.provenance import ask, describe_item, published_trees, recalls_on
from api.security import EngineDep, ReaderDep
from api.stops import stops_on
from api.vocabularies import names_for
from api.web import verify_page
from api.web.history_section import Log, Logs
from api.web.item_page import Asking, item_page
from api.web.negotiation import HTML, JSON, preferred, wants_page
from api.web.page import ItemPage
from api.web.rendering import ASSET_TYPES, STATIC, asset, asset_address, render
from api.web.sign_in import PAGE_HEADERS, VARY, VisitorDep, reader_of_page
from api.web.thing_sections import IRREGULARITIES_SHOWN, SESSIONS
from api.wiring import Engine
from traceability.errors import NotFoundError, TraceabilityError
from traceability.gs1.application_identifiers import QUALIFIERS
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.identifiers import Identifier, IdentifierError, parse_digital_link_path
from traceability.ledger.access import PUBLIC, Reader
from traceability.supply_chain.seen import thing_of

router: Final = APIRouter(include_in_schema=False)

_METHODS: Final = ["GET", "HEAD"]
_HEADINGS: Final = {403: "You may not do this", 404: "Nothing is known of this", 503: "Not available just now"}
# What is written for programs and means little to people.
_WORDING: Final = {"http.not_found": {"detail": "There is no page at this address."}}
_FOR_GOOD: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class _PrimaryKey(Convertor[str]):
    """The Application Identifiers that a Digital Link may begin with, so that no other path is taken for one."""

    regex = "|".join(QUALIFIERS)

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("primary_key", _PrimaryKey())


@router.api_route("/", methods=_METHODS)
def front(request: Request, code: Annotated[str, Query(max_length=2048)] = "") -> Response:
    """Answer the front page, or go where a code leads that was entered there."""
    problem = None
    if code:
        try:
            identifier = read_code(code)
        except IdentifierError as error:
            problem = " ".join(filter(None, (error.message, error.hint)))
        else:
            if identifier.key is not None:
                return RedirectResponse(_path(identifier), HTTPStatus.SEE_OTHER)
            problem = "Only GS1 identifiers have a page here."
    stories: Sequence[Story] = getattr(request.app.state, "stories", ())
    page = render("front.html", code=code, problem=problem, stories=stories)
    return HTMLResponse(page, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


@router.api_route("/{key:primary_key}/{value:path}", methods=_METHODS)
def item(request: Request, engine: EngineDep, reader: ReaderDep, visitor: VisitorDep) -> Response:
    """Answer the thing that a GS1 Digital Link names, as a page or as JSON.

    The page is for whoever signed in to the pages; JSON looks at `Authorization` alone.
    """
    try:
        # As it was sent: a serial may hold an encoded slash, which the decoded path no longer tells from a separator.
        identifier = parse_digital_link_path(request.scope["raw_path"].decode("ascii"))
    except IdentifierError as error:
        raise NotFoundError(error.message, code=error.code, hint=error.hint) from error
    media_type = preferred(request.headers.get("accept"), (HTML, JSON))
    if media_type is None:
        raise HTTPException(HTTPStatus.NOT_ACCEPTABLE)
    other = JSON if media_type == HTML else HTML
    headers = {"Vary": VARY, "Link": f'<{_path(identifier)}>; rel="alternate"; type="{other}"'}
    if media_type == JSON:
        document = describe_item(engine, reader, identifier)
        return Response(document.model_dump_json(by_alias=True), media_type=JSON, headers=headers)
    page = _item_page(engine, reader_of_page(engine, visitor), identifier)
    shown = render("item.html", page=page, organisation=None if visitor is None else visitor.organisation)
    return HTMLResponse(shown, headers=PAGE_HEADERS | headers)


@router.api_route(f"{STATIC}/{{digest}}/{{name}}", methods=_METHODS)
def static(request: Request, name: str) -> Response:
    """Answer a file that pages use, under the address of its present content only."""
    if name not in ASSET_TYPES or request.url.path != asset_address(name):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return Response(asset(name), media_type=ASSET_TYPES[name], headers=_FOR_GOOD)


def install_pages(app: FastAPI) -> None:
    """Add the pages, and answer errors as pages to those who prefer HTML; call it after all that handles errors."""
    app.include_router(router)
    app.include_router(verify_page.router)
    for kind in (TraceabilityError, HTTPException):
        app.add_exception_handler(kind, _as_page_or(app.exception_handlers[kind]))


def _item_page(engine: Engine, reader: Reader, identifier: Identifier) -> ItemPage:
    trees = published_trees(engine).chain
    logs = Logs(tuple(Log(tree.first_position, tree.size, tree.name, tree.origin, tree.vkey) for tree in trees))
    index = ask(engine, reader)
    parties, thing = engine.parties(reader, index.known_at), thing_of(identifier.uri)
    public = reader.organisation == PUBLIC
    asking = Asking(
        stated=partial(names_for, engine, reader),
        recalled=partial(recalls_on, engine, reader),
        stopped=partial(stops_on, engine, reader, parties=parties),
        sessions=partial(list_sessions, engine, reader, thing=thing, limit=SESSIONS),
        # Of these an organisation is told, and nobody else.
        irregular=(lambda: None) if public else partial(_irregular, engine, reader, thing),
    )
    return item_page(identifier, index, parties, engine.organisations.all(), logs, asking=asking)


def _irregular(engine: Engine, reader: Reader, thing: str) -> IrregularitiesOut:
    question = IrregularitiesQuestion(thing=thing, perPage=IRREGULARITIES_SHOWN)
    return list_irregularities(engine, reader, question).answer


def _as_page_or(handler: Callable[[Request, Exception], Any]) -> Callable[[Request, Exception], Response]:
    """Return a handler that shows a problem as a page to whoever asks for pages first, and else leaves it as it is."""

    def on_error(request: Request, error: Exception) -> Response:
        answer = handler(request, error)
        assert isinstance(answer, JSONResponse)
        answer.headers.add_vary_header("Accept")
        if not wants_page(request.headers.get("accept")):
            return answer
        problem = orjson.loads(answer.body)
        shown = _WORDING.get(problem["code"], problem)
        page = render(
            "error.html",
            heading="This is not a valid code" if problem["code"].startswith("gs1.") else _heading(answer.status_code),
            detail=shown["detail"],
            hint=shown.get("hint"),
            status=answer.status_code,
            code=problem["code"],
        )
        kept = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return HTMLResponse(page, answer.status_code, headers=kept)

    return on_error


def _heading(status: int) -> str:
    return _HEADINGS.get(status, HTTPStatus(status).phrase)


def _path(identifier: Identifier) -> str:
    return identifier.uri.removeprefix(RESOLVER)
