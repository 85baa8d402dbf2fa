"""Time and randomness of the operating system, and what ends a connection in time."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any


class SystemClock:
    """The machine's wall clock."""

    def now_us(self) -> int:
        """Return microseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1000


class SystemEntropy:
    """The kernel's random bytes."""

    def token(self, size: int) -> bytes:
        """Return `size` unpredictable bytes."""
        return os.urandom(size)


class Cutoff:
    """Ends what an httpx client is doing when the time is over, headers that come byte by byte included.

    The library's timeouts are for each read: a server that sends a byte now and then could hold its client for days.
    `trace` goes into the `extensions` of every request that the client makes.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the connections of the client, those that are kept for its next request as well."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._sockets = [one for one in self._sockets if one.fileno() != -1]
            self._sockets.append(info["return_value"].get_extra_info("socket"))

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        """Shut every connection down if the context lasts longer: reads then end, or fail, at once."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
