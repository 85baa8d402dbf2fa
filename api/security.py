"""Whose request it is: `Authorization: Bearer <key>`, or nobody's, which is the organisation `public`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.wiring import Engine
from traceability.errors import ForbiddenError
from traceability.ledger.access import PUBLIC, Reader
from traceability.ledger.organisations import Scope, UnknownKeyError

_bearer: Final = HTTPBearer(auto_error=False, scheme_name="API key", description="`Authorization: Bearer trace_…`")


@dataclass(frozen=True, slots=True)
class Caller:
    """The organisation that a request acts as, and what its key is for."""

    organisation: str
    scopes: frozenset[Scope]


# Dependencies without I/O are coroutines: FastAPI sends every other one through a thread.
async def engine_of(request: Request) -> Engine:
    """Return the engine of the application."""
    return cast("Engine", request.app.state.engine)


EngineDep = Annotated[Engine, Depends(engine_of)]


def caller_of(
    request: Request, engine: EngineDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> Caller:
    """Tell who calls; raises `UnknownKeyError`, also for another scheme: its sender does not mean to be `public`."""
    if credentials is not None:
        key = engine.organisations.key_of(credentials.credentials)
        return Caller(key.organisation, key.scopes)
    if "authorization" in request.headers:
        raise UnknownKeyError("The Authorization header holds no key", hint="Send: Authorization: Bearer <key>")
    return Caller(PUBLIC, frozenset({Scope.QUERY}))


CallerDep = Annotated[Caller, Depends(caller_of)]


def require(caller: Caller, scope: Scope) -> Caller:
    """Return the caller; raises `ForbiddenError` (`access.scope`) when its key lacks `scope`."""
    if scope not in caller.scopes:
        raise ForbiddenError(
            f"This needs a key with the scope {scope}",
            code="access.scope",
            hint=f"Create one with: traceability key create --scope {scope}",
        )
    return caller


def require_operator(caller: Caller, engine: Engine, deed: str) -> None:
    """Raise `ForbiddenError` (`access.operator`) for everyone but the operator; `deed` is what is refused: `see`."""
    if caller.organisation != engine.settings.operator:
        raise ForbiddenError(f"Only the operator's organisation may {deed} this", code="access.operator")


def caller_with(scope: Scope) -> Callable[[Caller], Awaitable[Caller]]:
    """Return a dependency that gives the caller, or raises what `require` does."""

    async def check(caller: CallerDep) -> Caller:
        return require(caller, scope)

    return check


CaptureDep = Annotated[Caller, Depends(caller_with(Scope.CAPTURE))]
QueryDep = Annotated[Caller, Depends(caller_with(Scope.QUERY))]
AdminDep = Annotated[Caller, Depends(caller_with(Scope.ADMIN))]


def subscriber_of(engine: Engine, headers: Mapping[str, str]) -> str:
    """Return the organisation whose key these headers hold; `public` has no subscriptions.

    Raises `UnknownKeyError` without a key, and `ForbiddenError` when it has not the scope `query`.
    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise UnknownKeyError("A subscription needs a key", hint="Send: Authorization: Bearer <key>")
    key = engine.organisations.key_of(text.strip())
    return require(Caller(key.organisation, key.scopes), Scope.QUERY).organisation


def reader_of(engine: EngineDep, caller: QueryDep) -> Reader:
    """Return what decides which events the answer may be made of."""
    return engine.organisations.reader(caller.organisation)


ReaderDep = Annotated[Reader, Depends(reader_of)]
