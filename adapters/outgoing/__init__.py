"""Requests to addresses that other people name: guarded, so that none of them reaches this server's own network.

A name is looked up for every request, each of its addresses must be a public one, and the one that was looked at is the
one that is connected to: a name that turns to another address in between changes nothing. Redirects are not followed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from adapters.outgoing.allowed import Allowed
from adapters.outgoing.guard import HEADERS_IN, PORTS, addresses_of, check_url
from adapters.system import Cutoff
from traceability.errors import UnavailableError

__all__ = ["TOO_LARGE", "Allowed", "Answer", "Outgoing", "check_url"]

TOO_LARGE: Final = "outgoing.too_large"
"""The code of an answer that is longer than is taken."""

SECONDS: Final = 30.0
MOST: Final = 1 << 20
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: names of headers are in lower case, the content is as it came."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Outgoing:
    """Sends requests to one https address, one at a time, and keeps its connection between them.

    `allowed` are the hosts and networks that may be reached although they are private, and without TLS. A request with
    its answer takes at most `seconds`. Close it, or use it as a context. Raises what `check_url` does.
    """

    def __init__(self, url: str, allowed: Allowed, *, seconds: float = SECONDS) -> None:
        check_url(url)
        self.url = url
        parts = urlsplit(url)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or PORTS[parts.scheme]
        self._authority = parts.netloc
        self._allowed = allowed
        self._seconds = seconds
        self._cutoff = Cutoff()
        # Of the environment nothing: a proxy would be asked for the name itself, and .netrc for passwords.
        self._client = httpx.Client(timeout=seconds, trust_env=False, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connection."""
        self._client.close()

    def send(
        self,
        method: str,
        *,
        query: str | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        most: int = MOST,
    ) -> Answer:
        """Send a request, with `query` in place of the address's own if given; return the answer, whatever its status.

        Raises `UnavailableError`: `outgoing.private` for an address that is neither public nor allowed,
        `outgoing.plain` for http to one that is not allowed, `outgoing.unreachable`, `outgoing.too_slow`, and
        `outgoing.too_large` for an answer of more than `most` bytes.
        """
        deadline = time.monotonic() + self._seconds
        address = addresses_of(self._scheme, self._host, self._port, self._allowed)[0]
        url = httpx.URL(self.url).copy_with(host=str(address), fragment=None)
        if query is not None:
            url = url.copy_with(query=query.encode())
        sent = httpx.Headers(
            {"Accept-Encoding": "identity", **(headers or {}), "Host": self._authority}, encoding=HEADERS_IN
        )
        extensions = {"sni_hostname": self._host, "trace": self._cutoff.trace}
        try:
            with (
                self._cutoff.after(self._seconds),
                self._client.stream(
                    method, url, content=content or None, headers=sent, extensions=extensions
                ) as answer,
            ):
                body = self._read(answer, most)
                answered = Answer(answer.status_code, dict(answer.headers), body)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            if time.monotonic() > deadline or isinstance(error, httpx.TimeoutException):
                raise self._too_slow() from error
            raise UnavailableError(
                f"{self._host} cannot be reached: {str(error)[:_SHOWN]}", code="outgoing.unreachable"
            ) from error
        # An answer without a length ends where it was cut off.
        if time.monotonic() > deadline:
            raise self._too_slow()
        return answered

    def _read(self, answer: httpx.Response, most: int) -> bytes:
        # Raw bytes: whoever answers compressed did not do as it was asked, and is not unpacked.
        content = bytearray()
        for chunk in answer.iter_raw():
            content += chunk
            if len(content) > most:
                raise UnavailableError(f"{self._host} answers with more than {most} bytes", code=TOO_LARGE)
        return bytes(content)

    def _too_slow(self) -> UnavailableError:
        return UnavailableError(f"{self._host} did not answer within {self._seconds:g} s", code="outgoing.too_slow")
