"""Posts to addresses that other people name: many at once, from one event loop, and as guarded as `Outgoing`.

HTTP/1.1 by h11 over connections of asyncio: a thousand posts a second are a thousand times what a general client does
around each of them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import h11
import httpx

from adapters.outgoing.allowed import Allowed
from adapters.outgoing.guard import HEADERS_IN, PORTS, addresses_of, check_url
from traceability.errors import UnavailableError

_KEEP_ALIVE: Final = 5.0
_KEPT_ANSWER: Final = 65_536
"""Bytes of an answer up to which its connection is kept for the next post: of a longer one it is closed."""
_SHOWN: Final = 200


@dataclass(eq=False)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used_at: float = 0.0
    state: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))

    async def post(self, url: httpx.URL, headers: list[tuple[bytes, bytes]], content: bytes) -> int:
        """Return the status of the answer; raises `h11.ProtocolError` and `OSError`."""
        request = h11.Request(method="POST", target=url.raw_path, headers=headers)
        sent = [self.state.send(event) for event in (request, h11.Data(content), h11.EndOfMessage())]
        self.writer.write(b"".join(filter(None, sent)))
        await self.writer.drain()
        status = size = 0
        while size <= _KEPT_ANSWER:
            event = self.state.next_event()
            if event is h11.NEED_DATA:
                self.state.receive_data(await self.reader.read(65_536))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                size += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("it closed the connection")
        return status

    def is_free(self) -> bool:
        """Tell whether another post may follow, and make ready for it."""
        if self.state.our_state is not h11.DONE or self.state.their_state is not h11.DONE:
            return False
        self.state.start_next_cycle()
        return not self.reader.at_eof()

    def close(self) -> None:
        self.writer.transport.abort()


class Poster:
    """Posts, each within `seconds`, over at most so many `connections` at a time, few of them to one host.

    So a host that never answers keeps those who post to it waiting, and nobody else. To be closed.
    """

    def __init__(self, allowed: Allowed, *, seconds: float, connections: int = 256, to_one_host: int = 32) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._places = asyncio.Semaphore(connections)
        self._turns: dict[bytes, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(to_one_host))
        self._idle: dict[tuple[str, bytes], list[_Connection]] = defaultdict(list)
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._swept_at = 0.0

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        """Return the status of the answer; a redirect is one like any other and is not followed.

        Raises `InvalidInputError` as `check_url` does, `UnavailableError` as `addresses_of` does, and
        `outgoing.unreachable` or `outgoing.too_slow`.
        """
        check_url(url)
        read = httpx.URL(url)
        length = str(len(content)).encode()
        pairs = [(b"Host", read.netloc), (b"Content-Length", length)]
        pairs += [(name.encode(), value.encode(HEADERS_IN)) for name, value in headers.items()]
        try:
            async with self._turns[read.netloc], self._places, asyncio.timeout(self._seconds):
                return await self._exchange(read, pairs, content)
        except TimeoutError as error:
            raise UnavailableError(
                f"{read.host} did not answer within {self._seconds:g} s", code="outgoing.too_slow"
            ) from error
        except (h11.ProtocolError, OSError) as error:
            reason = (str(error) or type(error).__name__)[:_SHOWN]
            raise UnavailableError(f"{read.host} cannot be reached: {reason}", code="outgoing.unreachable") from error

    async def close(self) -> None:
        """Close every connection."""
        for kept in self._idle.values():
            for connection in kept:
                connection.close()
        self._idle.clear()
        await asyncio.sleep(0)

    async def _exchange(self, url: httpx.URL, headers: list[tuple[bytes, bytes]], content: bytes) -> int:
        self._sweep()
        kept = self._kept(url)
        if kept is not None:
            # That the other side closed it meanwhile says nothing of the post.
            with suppress(h11.ProtocolError, OSError):
                return await self._over(kept, url, headers, content)
        return await self._over(await self._connect(url), url, headers, content)

    async def _over(
        self, connection: _Connection, url: httpx.URL, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> int:
        """Post over a connection, which is kept if that went well."""
        free = False
        try:
            status = await connection.post(url, headers, content)
            free = connection.is_free()
        finally:
            if free:
                connection.used_at = asyncio.get_running_loop().time()
                self._idle[url.scheme, url.netloc].append(connection)
            else:
                connection.close()
        return status

    def _kept(self, url: httpx.URL) -> _Connection | None:
        kept = self._idle[url.scheme, url.netloc]
        while kept:
            connection = kept.pop()
            if not connection.reader.at_eof():
                return connection
            connection.close()
        return None

    async def _connect(self, url: httpx.URL) -> _Connection:
        """Connect to an address that was looked at. TLS is for the name: certificates are checked as ever."""
        port = url.port or PORTS[url.scheme]
        addresses = await asyncio.to_thread(addresses_of, url.scheme, url.host, port, self._allowed)
        tls: ssl.SSLContext | None = self._tls if url.scheme == "https" else None
        name = url.raw_host.decode() if tls is not None else None
        reader, writer = await asyncio.open_connection(str(addresses[0]), port, ssl=tls, server_hostname=name)
        return _Connection(reader, writer)

    def _sweep(self) -> None:
        """Close what is idle for long, also of hosts that nobody posts to any more."""
        now = asyncio.get_running_loop().time()
        if now - self._swept_at < _KEEP_ALIVE:
            return
        self._swept_at = now
        for key in list(self._idle):
            old = [one for one in self._idle[key] if now - one.used_at >= _KEEP_ALIVE]
            for connection in old:
                connection.close()
                self._idle[key].remove(connection)
            if not self._idle[key]:
                del self._idle[key]
