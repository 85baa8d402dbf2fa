"""Who looks at a page that is not for everybody: a cookie that holds the API key, for the pages of one path only.

The cookie is read by pages and by nothing else: what programs call looks at `Authorization` alone, so another site that
makes a browser send the cookie gets nothing done there. Forms are taken from our own pages only. A session ends with
the browser, with the key, or by signing out.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from api.security import Caller, CallerDep, EngineDep
from api.settings import Settings
from traceability.errors import ForbiddenError
from traceability.ledger.access import PUBLIC
from traceability.ledger.organisations import Scope, UnknownKeyError

PATH: Final = "/findings"
COOKIE: Final = "traceability_key"


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
    return Caller(key.organisation, key.scopes) if Scope.QUERY in key.scopes else None


VisitorDep = Annotated[Caller | None, Depends(visitor_of)]


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


def sign_in(response: Response, key: str, settings: Settings) -> Response:
    """Add the cookie of a key that was found to be one."""
    response.set_cookie(
        COOKIE, key, path=PATH, httponly=True, samesite="strict", secure=settings.public_url is not None
    )
    return response


def sign_out(response: Response) -> Response:
    """Take the cookie away."""
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="strict")
    return response


def key_problem(engine: EngineDep, text: str) -> tuple[HTTPStatus, str] | None:
    """Say why somebody cannot sign in with this key; None when it serves."""
    try:
        key = engine.organisations.key_of(text)
    except UnknownKeyError:
        return HTTPStatus.UNAUTHORIZED, "This key is unknown. It may have been revoked, or be for another ledger."
    if Scope.QUERY not in key.scopes:
        return HTTPStatus.FORBIDDEN, "This key is not for reading: it lacks the scope query."
    return None


def _our_origin(request: Request, settings: Settings) -> str:
    if settings.public_url is None:
        return f"http://{request.headers.get('host', '')}"
    public = urlsplit(settings.public_url)
    return f"{public.scheme}://{public.netloc}"
