"""Who looks at a page that is not for everybody: a cookie that holds the API key, for pages and the files behind them.

What programs call looks at `Authorization` alone, so another site that makes a browser send the cookie gets nothing
done there. Forms are taken from our own pages only. A session ends with the browser, with the key, or by signing out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Form, Header, Query, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from api.security import Caller, CallerDep, EngineDep, ReaderDep
from api.settings import Settings
from api.web.negotiation import wants_page
from api.web.rendering import render
from api.wiring import Engine
from traceability.errors import ForbiddenError
from traceability.ledger.access import PUBLIC, Reader
from traceability.ledger.organisations import Scope, UnknownKeyError

COOKIE: Final = "traceability_key"
SESSION: Final = "/session"
VARY: Final = "Accept, Authorization, Cookie"
# With no-referrer, which the other pages have, a browser that does not say Sec-Fetch-Site would send `Origin: null`.
PAGE_HEADERS: Final = {"Vary": VARY, "Referrer-Policy": "same-origin"}


@dataclass(frozen=True, slots=True)
class Section:
    """Pages below one path: whose key opens them, and the words of the form that asks for it."""

    path: str
    scope: Scope
    heading: str
    lead: str
    more: str = ""


FINDINGS: Final = Section(
    "/findings",
    Scope.QUERY,
    "Sign in to see your findings",
    "What was wrong with events is shown to the organisation that sent them.",
    "to replay and dismiss, capture too",
)
SUBSCRIPTIONS: Final = Section(
    "/subscriptions",
    Scope.QUERY,
    "Sign in to see your subscriptions",
    "What is delivered, and what could not be, is shown to the organisation that subscribed.",
)
DEAD_LETTERS: Final = Section("/dead-letters", Scope.QUERY, SUBSCRIPTIONS.heading, SUBSCRIPTIONS.lead)
PARTNERS: Final = Section(
    "/partners",
    Scope.ADMIN,
    "Sign in to see your partners",
    "Where events come from is shown to the organisation as which they are captured.",
)
RECALLS: Final = Section(
    "/recalls",
    Scope.QUERY,
    "Sign in to see recalls",
    "A recall is shown to who opened it and to whom it was told of.",
)
CLOCKS: Final = Section(
    "/clocks",
    Scope.QUERY,
    "Sign in to see clocks",
    "A clock is shown to who started it and to who has to answer.",
)
SHIPMENTS: Final = Section(
    "/shipments",
    Scope.QUERY,
    "Sign in to see shipments",
    "A shipment is shown to who advised it and to who is to receive it.",
)
LOTS: Final = Section(
    "/lots",
    Scope.QUERY,
    "Sign in to see lots",
    "Of a lot is shown what you recorded, what names you, and what was opened to you.",
)
_OF_A_THING: Final = "Of a thing is shown what you recorded, what names you, and what was opened to you."
DRUG_PACKAGES: Final = Section("/drug-packages", Scope.QUERY, "Sign in to see packages of medicines", _OF_A_THING)
AIRCRAFT_PARTS: Final = Section("/aircraft-parts", Scope.QUERY, "Sign in to see aircraft parts", _OF_A_THING)
IRREGULARITIES: Final = Section(
    "/irregularities",
    Scope.QUERY,
    "Sign in to see what is irregular",
    "What recorded events get wrong is shown to who recorded something of the same things.",
    "to say that something is known, capture too",
)
MONITORING: Final = Section(
    "/cold-chain/sessions",
    Scope.QUERY,
    "Sign in to see monitoring sessions",
    "A session is shown to who opened it and to the quality assurance that decides.",
)
SECTIONS: Final = (
    FINDINGS,
    IRREGULARITIES,
    SUBSCRIPTIONS,
    DEAD_LETTERS,
    PARTNERS,
    RECALLS,
    CLOCKS,
    SHIPMENTS,
    LOTS,
    MONITORING,
    DRUG_PACKAGES,
    AIRCRAFT_PARTS,
)


def visitor_of(request: Request, engine: EngineDep, caller: CallerDep) -> Caller | None:
    """Return whom a page is for: the caller by its key, else by its cookie; None for nobody, or a key that ended."""
    if caller.organisation != PUBLIC:
        return caller
    text = request.cookies.get(COOKIE)
    if not text:
        return None
    try:
        key = engine.organisations.key_of(text)
    except UnknownKeyError:
        return None
    return Caller(key.organisation, key.scopes)


VisitorDep = Annotated[Caller | None, Depends(visitor_of)]


def reader_of_page(engine: Engine, visitor: Caller | None) -> Reader:
    """Return whom a page is for, `public` where nobody signed in."""
    signed_in = visitor is not None and Scope.QUERY in visitor.scopes
    return engine.organisations.reader(visitor.organisation if signed_in and visitor else PUBLIC)


def reader_of_file(
    engine: EngineDep, reader: ReaderDep, visitor: VisitorDep, accept: Annotated[str | None, Header()] = None
) -> Reader:
    """Return whom an answer is for that a page leads to: a browser asks for it with no key but that of the pages."""
    return reader_of_page(engine, visitor) if wants_page(accept) else reader


FileReaderDep = Annotated[Reader, Depends(reader_of_file)]


async def from_our_page(request: Request, engine: EngineDep) -> None:
    """Refuse a form that another site sent: the browser says so, an old one by its `Origin`."""
    site = request.headers.get("sec-fetch-site")
    if site is None:
        ours = request.headers.get("origin") == _our_origin(request, engine.settings)
    else:
        ours = site == "same-origin"
    if not ours:
        raise ForbiddenError(
            "This form was not sent from our own page",
            code="access.other_origin",
            hint="Open the page here and try again.",
        )


router: Final = APIRouter(prefix=SESSION, include_in_schema=False, dependencies=[Depends(from_our_page)])


def page_for(
    request: Request, visitor: Caller | None, section: Section, page: Callable[[Caller], Response]
) -> Response:
    """Answer the page as its visitor sees it, or the form that asks for a key and leads back to it."""
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if visitor is None:
        return _form(section, address)
    if section.scope not in visitor.scopes:
        return _form(section, address, _lacking(section.scope), HTTPStatus.FORBIDDEN)
    return page(visitor)


@router.post("")
def begin_session(engine: EngineDep, key: Annotated[str, Form()] = "", to: Annotated[str, Query()] = "") -> Response:
    """Sign in with an API key, and go where the visitor wanted to."""
    # Below one of our own paths, so that no link makes a form of ours lead elsewhere.
    section = next((one for one in SECTIONS if to.startswith(one.path)), FINDINGS)
    address = to if to.startswith(section.path) else section.path
    text = key.strip()
    try:
        scopes = engine.organisations.key_of(text).scopes
    except UnknownKeyError:
        problem = "This key is unknown. It may have been revoked, or be for another ledger."
        return _form(section, address, problem, HTTPStatus.UNAUTHORIZED)
    if section.scope not in scopes:
        return _form(section, address, _lacking(section.scope), HTTPStatus.FORBIDDEN)
    answer = go_to(address)
    secure = engine.settings.public_url is not None
    answer.set_cookie(COOKIE, text, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/end")
def end_session() -> Response:
    """Sign out."""
    answer = go_to("/")
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def go_to(address: str) -> RedirectResponse:
    """Answer a form: the browser asks for `address` next, and asking again sends nothing twice."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def _form(
    section: Section, address: str, problem: str | None = None, status: HTTPStatus = HTTPStatus.OK
) -> HTMLResponse:
    action = f"{SESSION}?to={quote(address, safe='')}"
    shown = render("sign_in.html", section=section, action=action, problem=problem)
    headers = dict(PAGE_HEADERS)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 §11.6.1; a browser asks nothing for it
    return HTMLResponse(shown, status, headers=headers)


def _lacking(scope: Scope) -> str:
    return f"This key is not for these pages: it lacks the scope {scope}."


def _our_origin(request: Request, settings: Settings) -> str:
    if settings.public_url is None:
        return f"http://{request.headers.get('host', '')}"
    public = urlsplit(settings.public_url)
    return f"{public.scheme}://{public.netloc}"
