"""What happens around every request: its id and log line, security headers, the limits on its body.

Plain ASGI, because Starlette's `BaseHTTPMiddleware` runs the rest in another task, which breaks streaming and
cancellation.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem_response
from traceability.ports import Entropy

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self';"
    " manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Answers differ by reader; whatever is the same for all says so itself.
    "Cache-Control": "private, no-store",
}
_STRICT_TRANSPORT: Final = "max-age=31536000"
_log: Final = structlog.stdlib.get_logger("api.request")


class RequestLog:
    """Gives a request its id, writes one line about it, and turns what nobody expected into a bare 500.

    The line names the route by its template: paths hold the identifiers of things.
    """

    def __init__(self, app: ASGIApp, *, entropy: Entropy) -> None:
        self._app = app
        self._entropy = entropy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._entropy.token(8).hex()
        started = time.perf_counter_ns()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        log = _log.bind(request_id=request_id, method=scope["method"])
        try:
            await self._app(scope, receive, answer)
        except Exception:
            log.exception("request failed", route=_template(scope))
            if status:
                raise  # half an answer is out: the server has to break the connection
            failure = problem_response(
                500,
                "internal",
                "Something went wrong here",
                hint=f"Tell the operator the request id {request_id}.",
                path=scope["path"],
            )
            await failure(scope, receive, answer)
        elapsed = (time.perf_counter_ns() - started) // 1000
        log.info("request", route=_template(scope), status=status, microseconds=elapsed)


class SecurityHeaders:
    """Adds the headers that keep a page to this origin, where the route has not set its own."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._headers = {**_HEADERS, "Strict-Transport-Security": _STRICT_TRANSPORT} if https else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, answer)


LONGEST_ADDRESS: Final = 32_768
"""Bytes of the longest path and query that are looked at: about a thousand identifiers."""


class BodyLimits:
    """Reads the body before the route does, and refuses one that is too long (413) or too deeply nested (400).

    An address that is too long is refused too (414).

    The route at a path of `streamed` reads its body itself, piece by piece, and has limits of its own; at a path of
    `longer` the body may have so many bytes, if that is more. A 413 at a path of `told` has these headers.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_depth: int,
        streamed: Collection[str] = (),
        longer: Mapping[str, int] = MappingProxyType({}),
        told: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
    ) -> None:
        self._app = app
        self._told = told
        self._longer = longer
        self._streamed = streamed
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: D102 - ASGI
        if scope["type"] == "http" and len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_ADDRESS:
            detail = f"The address is longer than {LONGEST_ADDRESS} bytes"
            await problem_response(414, "http.address_too_long", detail, path=scope["path"])(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS") or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        most = max(self._max_bytes, self._longer.get(scope["path"], 0))
        body = await self._read(scope, receive, most)
        if body is None:
            path, detail = scope["path"], f"The body is longer than {most} bytes"
            refused = problem_response(413, "http.body_too_long", detail, path=path, headers=self._told.get(path))
            await refused(scope, receive, send)
        elif nesting(body) > self._max_depth:
            detail = f"The body is nested more than {self._max_depth} levels deep"
            await problem_response(400, "http.body_too_deep", detail, path=scope["path"])(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive, most: int) -> bytes | None:
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > most:
            return None
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                return None
        return bytes(body)


# A string that is never closed matches to the end: without the `?` each quote in it would be tried again, and a
# megabyte of quotes would take minutes.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def nesting(body: bytes) -> int:
    """Return how deep the brackets of a JSON text go, before a recursive parser is let near it."""
    depth = deepest = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()  # waits for the client to go away
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _template(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", "-"))
