"""Every error as RFC 9457 problem details with a stable `code`.

Nothing of what the client sent is repeated: a message that quotes an identifier or a personal field would carry it into
logs and other people's screens. Only `problems` quote the event or the query that they are about, and `rules` name the
things that a command is refused for, to whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from adapters.postgres.named_queries import NoSuchQueryError
from api.epcis_headers import NotAcceptableError, capture_limits
from api.named_queries import QueryDefinitionError
from api.problem_models import EventProblem, RuleOut
from api.schemas import schema_of
from api.validation import sentence
from traceability.errors import (
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    TooLargeError,
    TraceabilityError,
    UnavailableError,
    UnsupportedError,
)
from traceability.gs1.epcis.query.event_query import QueryTooComplexError, QueryTooLargeError
from traceability.gs1.epcis.query.values import QueryParameterError
from traceability.gs1.epcis.subscriptions.schedule import ScheduleError
from traceability.gs1.epcis.subscriptions.subscription import SubscriptionError
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.ledger.organisations import UnknownKeyError
from traceability.supply_chain.commands.refusal import CommandRefusedError

MEDIA_TYPE: Final = "application/problem+json"

_STATUS_OF: Final[tuple[tuple[type[TraceabilityError], HTTPStatus], ...]] = (
    (UnknownKeyError, HTTPStatus.UNAUTHORIZED),
    (QueryParameterError, HTTPStatus.BAD_REQUEST),
    (QueryDefinitionError, HTTPStatus.BAD_REQUEST),
    (SubscriptionError, HTTPStatus.BAD_REQUEST),
    (ScheduleError, HTTPStatus.BAD_REQUEST),
    (NotAcceptableError, HTTPStatus.NOT_ACCEPTABLE),
    (NotInXmlError, HTTPStatus.NOT_ACCEPTABLE),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (ConflictError, HTTPStatus.CONFLICT),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (UnsupportedError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (InvalidInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (BusyError, HTTPStatus.TOO_MANY_REQUESTS),
    (UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE),
)
# What EPCIS 2.0 calls it (§8.2.3, §12): clients of the standard look at the type.
_TYPE_OF: Final[tuple[tuple[type[TraceabilityError], str], ...]] = (
    (QueryParameterError, "epcisException:QueryParameterException"),
    (QueryDefinitionError, "epcisException:QueryValidationException"),
    (QueryTooLargeError, "epcisException:QueryTooLargeException"),
    (QueryTooComplexError, "epcisException:QueryTooComplexException"),
    (NoSuchQueryError, "epcisException:NoSuchNameException"),
    (SubscriptionError, "epcisException:SubscriptionControlsException"),
    (ScheduleError, "epcisException:SubscriptionControlsException"),
)
_EPCIS: Final = "/epcis"
_TYPE_UNDER_EPCIS: Final[Mapping[int, str]] = {
    400: "epcisException:ValidationException",
    401: "epcisException:SecurityException",
    403: "epcisException:SecurityException",
    404: "epcisException:NoSuchResourceException",
    406: "epcisException:NotAcceptableException",
    409: "epcisException:ResourceAlreadyExistsException",
    413: "epcisException:CaptureLimitExceededException",
    414: "epcisException:URITooLongException",
    415: "epcisException:UnsupportedMediaTypeException",
    422: "epcisException:ValidationException",
    429: "epcisException:ImplementationException",
    500: "epcisException:ImplementationException",
    503: "epcisException:ImplementationException",
}
_RETRY_SECONDS: Final = "5"
_LOST_DATABASE: Final = UnavailableError("The database does not answer", code="postgres.unreachable")
_NO_KEY: Final = UnavailableError(
    "The key of secrets cannot be used", code="secrets.key", hint="The operator finds why in the server's log."
)


class InvalidField(BaseModel):
    """One thing wrong with a request; `pointer` is a JSON pointer (RFC 6901) into what `location` names."""

    location: str = Field(examples=["body"])
    pointer: str = Field(examples=["/scopes/0"])
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details; programs act on `code`, people read `detail` and `hint`."""

    type: str = "about:blank"
    title: str = Field(examples=["Forbidden"])
    status: int = Field(examples=[403])
    detail: str
    code: str = Field(examples=["access.scope"])
    hint: str | None = None
    errors: list[InvalidField] | None = None
    problems: list[EventProblem] | None = None
    rules: list[RuleOut] | None = None


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    errors: Sequence[InvalidField] = (),
    problems: Sequence[EventProblem] = (),
    rules: Sequence[RuleOut] = (),
    headers: Mapping[str, str] | None = None,
    path: str = "",
    kind: str | None = None,
) -> JSONResponse:
    """Return the response for an error that no exception stands for; under /epcis its type is one of EPCIS's."""
    problem = Problem(
        type=kind or (_TYPE_UNDER_EPCIS.get(status) if _is_epcis(path) else None) or "about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        hint=hint or None,
        errors=list(errors) or None,
        problems=list(problems) or None,
        rules=list(rules) or None,
    )
    told = problem.model_dump(exclude_none=True, mode="json")
    return JSONResponse(told, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: TraceabilityError, path: str = "") -> JSONResponse:
    """Return the response for one of our errors, to a request for `path`."""
    status = next((status for kind, status in _STATUS_OF if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'  # RFC 6750 §3
    elif status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        headers["Retry-After"] = _RETRY_SECONDS
    name = next((name for kind, name in _TYPE_OF if isinstance(error, kind)), None)
    problems: list[EventProblem] = []
    if isinstance(error, QueryParameterError) and error.path:
        problems.append(EventProblem(path=error.path, code=error.code, severity="error", message=error.message))
    return problem_response(
        status,
        error.code,
        error.message,
        hint=error.hint,
        headers=headers,
        problems=problems,
        rules=[RuleOut.of(broken) for broken in error.rules] if isinstance(error, CommandRefusedError) else (),
        path=path,
        kind=name,
    )


def _is_epcis(path: str) -> bool:
    return path == _EPCIS or path.startswith(f"{_EPCIS}/")


def install_problems(app: FastAPI) -> None:
    """Answer every error of the application in this form."""
    app.add_exception_handler(TraceabilityError, _on_ours)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(psycopg.OperationalError, _on_lost_database)
    app.add_exception_handler(PoolTimeout, _on_lost_database)


def documented_problems() -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says about errors; naming 422 keeps FastAPI from describing its own form."""
    described = {"description": "Problem details (RFC 9457)", "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
    return {422: described, "default": described}


_SCHEMA: Final = Problem.model_json_schema()
_SCHEMA["properties"]["errors"] = {"type": "array", "items": InvalidField.model_json_schema()}
_SCHEMA["properties"]["problems"] = {"type": "array", "items": EventProblem.model_json_schema()}
_SCHEMA["properties"]["rules"] = {"type": "array", "items": schema_of(RuleOut)}
_SCHEMA.pop("$defs", None)


def _on_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TraceabilityError)
    # What is said of a lost database names hosts and roles, and of a key the files of the server.
    told = next((one for one in (_LOST_DATABASE, _NO_KEY) if one.code == error.code), error)
    answer = problem_of(told, request.url.path)
    if answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and request.url.path == f"{_EPCIS}/capture":
        answer.headers.update(capture_limits(request.app.state.engine.settings))
    return answer


def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    hint = (
        "The operations are listed at /docs." if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED) else ""
    )
    code = f"http.{status.name.lower()}"
    detail = status.description or status.phrase
    return problem_response(status, code, detail, hint=hint, headers=error.headers, path=request.url.path)


def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [
        InvalidField(
            location=str(problem["loc"][0]),
            pointer="".join(f"/{_escaped(part)}" for part in problem["loc"][1:]),
            detail=sentence(problem),
        )
        for problem in error.errors()
    ]
    if any(problem["type"] == "json_invalid" for problem in error.errors()):
        return problem_response(
            HTTPStatus.BAD_REQUEST, "http.json", "The body is not JSON", errors=found, path=request.url.path
        )
    # EPCIS knows 400 for whatever is wrong with a request.
    status = HTTPStatus.BAD_REQUEST if _is_epcis(request.url.path) else HTTPStatus.UNPROCESSABLE_ENTITY
    return problem_response(
        status, "http.validation", "The request does not have the form asked for", errors=found, path=request.url.path
    )


def _on_lost_database(request: Request, __: Exception) -> JSONResponse:
    return problem_of(_LOST_DATABASE, request.url.path)


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
