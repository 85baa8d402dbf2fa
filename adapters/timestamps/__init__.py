"""A client of time-stamping authorities over HTTP (RFC 3161 §3.4)."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx
from cryptography.x509 import Certificate
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from adapters.system import Cutoff
from traceability.errors import InvalidInputError, UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.timestamp import MAX_RESPONSE, Timestamp, verify_timestamp

TIMEOUT_SECONDS: Final = 10.0
_QUERY: Final = "application/timestamp-query"
_REPLY: Final = "application/timestamp-reply"


class TimestampClient:
    """Asks one authority, and takes no answer that does not verify against `roots`."""

    def __init__(self, url: str, roots: Sequence[Certificate], *, seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self._parts = _checked(url)
        self._roots = roots
        self._seconds = seconds

    def stamp(self, data: bytes) -> tuple[bytes, Timestamp]:
        """Return the authority's response over the SHA-256 of `data`, as it came, and what it says.

        Raises `UnavailableError` (`timestamp.unreachable`, `timestamp.address`) when there is no answer in time,
        and `VerificationError` with the codes of `verify_timestamp` or `timestamp.too_large`.
        """
        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        response = self._ask(request.as_bytes())
        return response, verify_timestamp(response, data, self._roots, nonce=request.nonce)

    def _ask(self, query: bytes) -> bytes:
        parts, deadline = self._parts, time.monotonic() + self._seconds
        host = parts.hostname or ""
        # The address that was looked at is the one that is connected to: a name cannot turn to another in between.
        url = httpx.URL(self.url).copy_with(host=_address(host, parts.port or _PORTS[parts.scheme]))
        headers = {"Host": parts.netloc, "Content-Type": _QUERY, "Accept": _REPLY, "Accept-Encoding": "identity"}
        cutoff = Cutoff()
        extensions = {"sni_hostname": host, "trace": cutoff.trace}
        try:
            with (
                cutoff.after(self._seconds),
                httpx.Client(timeout=self._seconds, trust_env=False, follow_redirects=False) as client,
                client.stream("POST", url, content=query, headers=headers, extensions=extensions) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise UnavailableError(
                        f"The time-stamping authority answered with status {answer.status_code}",
                        code="timestamp.unreachable",
                    )
                return _read(answer, deadline)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnavailableError(
                f"The time-stamping authority cannot be reached: {error}",
                code="timestamp.unreachable",
                hint="Look at TRACEABILITY_TIMESTAMP_URL.",
            ) from error


def _read(answer: httpx.Response, deadline: float) -> bytes:
    # Raw bytes: an authority that answers compressed did not do as it was asked, and is not unpacked.
    content = bytearray()
    for chunk in answer.iter_raw():
        content += chunk
        if len(content) > MAX_RESPONSE:
            raise VerificationError(
                f"The authority's answer is longer than {MAX_RESPONSE} bytes", code="timestamp.too_large"
            )
    # An answer without a length ends where it was cut off.
    if time.monotonic() > deadline:
        raise UnavailableError("The time-stamping authority answers too slowly", code="timestamp.unreachable")
    return bytes(content)


_PORTS: Final = {"http": 80, "https": 443}


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        named = parts.scheme in _PORTS and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        named = False
    else:
        if named:
            return parts
    raise InvalidInputError(
        "the address of the time-stamping authority is not http:// or https:// and a host",
        code="settings.timestamp_url",
    )


def _address(host: str, port: int) -> str:
    """Return an address to connect to; raises `UnavailableError`.

    A name must lead to public addresses only, so that nobody who controls it can make the server ask machines of its
    own network. An address that is written out is the operator's own word, also when it is this machine's.
    """
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise UnavailableError(
            f"The time-stamping authority {host} has no address: {error}", code="timestamp.unreachable"
        ) from error
    addresses = sorted(ip_address(str(address)) for address in found)
    if not all(address.is_global for address in addresses) and host != "localhost":
        raise UnavailableError(
            f"The name {host} leads into a private network",
            code="timestamp.address",
            hint="Write the address itself into TRACEABILITY_TIMESTAMP_URL if that is meant.",
        )
    return str(addresses[0])
