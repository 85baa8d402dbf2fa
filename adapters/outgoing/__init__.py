"""Requests to addresses that other people name: guarded, so that none of them reaches this server's own network.

A name is looked up for every request, each of its addresses must be a public one, and the one that was looked at is the
one that is connected to: a name that turns to another address in between changes nothing. Redirects are not followed.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from adapters.outgoing.allowed import Address, Allowed
from adapters.system import Cutoff
from traceability.errors import InvalidInputError, UnavailableError

__all__ = ["Allowed", "Answer", "Outgoing", "check_url"]

SECONDS: Final = 30.0
MOST: Final = 1 << 20
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ip_network("64:ff9b::/96")
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
        self._port = parts.port or _PORTS[parts.scheme]
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
        url = httpx.URL(self.url).copy_with(host=str(self._address()), fragment=None)
        if query is not None:
            url = url.copy_with(query=query.encode())
        sent = {"Accept-Encoding": "identity", **(headers or {}), "Host": self._authority}
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
                raise UnavailableError(f"{self._host} answers with more than {most} bytes", code="outgoing.too_large")
        return bytes(content)

    def _too_slow(self) -> UnavailableError:
        return UnavailableError(f"{self._host} did not answer within {self._seconds:g} s", code="outgoing.too_slow")

    def _address(self) -> Address:
        """Return the address to connect to."""
        found = self._addresses()
        listed = self._allowed.has_host(self._host)
        refused = [one for one in found if not (listed or self._allowed.has(one) or _is_public(one))]
        if refused:
            raise UnavailableError(
                f"{self._host} leads into a private network",
                code="outgoing.private",
                hint="If that is meant, name the host or network in TRACEABILITY_OUTGOING_ALLOW.",
            )
        if self._scheme == "http" and not (listed or all(map(self._allowed.has, found))):
            raise UnavailableError(
                f"{self._host} would be sent secrets in the clear",
                code="outgoing.plain",
                hint="Use its https address, or name the host or network in TRACEABILITY_OUTGOING_ALLOW.",
            )
        return found[0]

    def _addresses(self) -> list[Address]:
        try:
            return [ip_address(self._host)]
        except ValueError:
            pass
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnavailableError(f"{self._host} has no address: {error}", code="outgoing.unreachable") from error
        return [ip_address(str(entry[4][0])) for entry in found]


def check_url(url: str) -> None:
    """Raise `InvalidInputError` (`outgoing.address`) unless `url` is http or https, a host, and no user or fragment."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in _PORTS and bool(parts.hostname) and not parts.username and not parts.fragment
        good = good and parts.port != 0 and url.isprintable() and " " not in url and httpx.URL(url).host != ""
    except (ValueError, httpx.InvalidURL):
        good = False
    if not good:
        raise InvalidInputError(
            f"{url[:_SHOWN]!a} is no address that requests can be sent to",
            code="outgoing.address",
            hint="It is https://host and maybe a path; secrets go into a header.",
        )


def _is_public(address: Address) -> bool:
    return all(one.is_global and not one.is_multicast for one in _meant(address))


def _meant(address: Address) -> list[Address]:
    """Return an address and every IPv4 address that it carries, which a gateway on the way may take for it."""
    if isinstance(address, IPv4Address):
        return [address]
    carried: list[IPv4Address | None] = [address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    # A mapped one is the IPv4 address, and nothing else.
    own: list[Address] = [address] if address.ipv4_mapped is None else [address.ipv4_mapped]
    return [*own, *(one for one in carried if one is not None)]
