"""Posts to addresses that other people name: many at once, from one event loop, and as guarded as `Outgoing`."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import httpcore
import httpx

from adapters.outgoing.allowed import Allowed
from adapters.outgoing.guard import addresses_of, check_url
from traceability.errors import UnavailableError

_KEEP_ALIVE: Final = 5.0
_KEPT_ANSWER: Final = 65_536
"""Bytes of an answer up to which its connection is kept for the next post: of a longer one it is closed."""
_SHOWN: Final = 200
_Options = Iterable[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]]


class Poster:
    """Posts, each within `seconds`, over at most so many `connections` at a time, few of them to one host.

    So a host that never answers keeps those who post to it waiting, and nobody else. To be closed.
    """

    def __init__(self, allowed: Allowed, *, seconds: float, connections: int = 256, to_one_host: int = 32) -> None:
        self._seconds = seconds
        self._turns: dict[bytes, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(to_one_host))
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=_tls(),
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=_KEEP_ALIVE,
                network_backend=_Guarded(scheme, allowed),
            )
            for scheme in ("http", "https")
        }

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        """Return the status of the answer; a redirect is one like any other and is not followed.

        Raises `InvalidInputError` as `check_url` does, `UnavailableError` as `addresses_of` does, and
        `outgoing.unreachable` or `outgoing.too_slow`.
        """
        check_url(url)
        read = httpx.URL(url)
        pairs = [(b"Host", read.netloc), *((name.encode(), value.encode()) for name, value in headers.items())]
        target = httpcore.URL(scheme=read.raw_scheme, host=read.raw_host, port=read.port, target=read.raw_path)
        try:
            async with (
                self._turns[read.netloc],
                asyncio.timeout(self._seconds),
                self._pools[read.scheme].stream("POST", target, headers=pairs, content=content) as answer,
            ):
                size = 0
                async for piece in answer.aiter_stream():
                    size += len(piece)
                    if size > _KEPT_ANSWER:
                        break
                return int(answer.status)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise UnavailableError(
                f"{read.host} did not answer within {self._seconds:g} s", code="outgoing.too_slow"
            ) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            reason = (str(error) or type(error).__name__)[:_SHOWN]
            raise UnavailableError(f"{read.host} cannot be reached: {reason}", code="outgoing.unreachable") from error

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


class _Guarded(httpcore.AnyIOBackend):
    """Connects to addresses that were looked at. TLS goes on with the name: certificates are checked as ever."""

    def __init__(self, scheme: str, allowed: Allowed) -> None:
        self._scheme = scheme
        self._allowed = allowed

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's interface
        local_address: str | None = None,
        socket_options: _Options | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await asyncio.to_thread(addresses_of, self._scheme, host.strip("[]"), port, self._allowed)
        return await super().connect_tcp(str(addresses[0]), port, timeout, local_address, socket_options)


def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
