"""A log that others serve, read over HTTP with limits on size and time (C2SP tlog-tiles)."""

from __future__ import annotations

import time
from hashlib import sha256
from types import TracebackType
from typing import Final, Self

import httpx

from adapters.system import Cutoff
from traceability.errors import InvalidInputError, UnavailableError
from traceability.notary.errors import VerificationError
from traceability.notary.note import MAX_SIZE
from traceability.notary.tiles import ENTRIES, WIDTH, Tile

TIMEOUT_SECONDS: Final = 30.0
_GONE: Final = (httpx.codes.NOT_FOUND, httpx.codes.GONE)
_MAX_TILE: Final = WIDTH * 32
_MAX_BUNDLE: Final = WIDTH * (2 + 65_535)


class HttpLog:
    """The files under a log's address. Close it, or use it as a context."""

    def __init__(self, url: str, *, seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        try:
            parsed = httpx.URL(self.url)
        except httpx.InvalidURL:
            parsed = httpx.URL("")
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise InvalidInputError("A log has an address http://… or https://…", code="monitor.address")
        self._seconds = seconds
        self._cutoff = Cutoff()
        self._client = httpx.Client(timeout=seconds, follow_redirects=True, max_redirects=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def checkpoint(self) -> bytes:
        """Return the signed checkpoint that is served now; raises `UnavailableError` (`log.unreachable`)."""
        return self._present("checkpoint")

    def witnessed_checkpoint(self, origin: str) -> bytes:
        """Return the checkpoint of a log that this witness has cosigned last (C2SP tlog-witness)."""
        return self._present(f"{sha256(origin.encode()).hexdigest()}/checkpoint")

    def read(self, tile: Tile) -> bytes | None:
        """Return a tile or bundle, None when it is not served.

        One that was partial may be gone and is then cut out of the full one, as the standard has it. Raises
        `UnavailableError` (`log.unreachable`) and `VerificationError`.
        """
        most = _MAX_BUNDLE if tile.level == ENTRIES else _MAX_TILE
        data = self._get(tile.path, most)
        if data is None and tile.width < WIDTH and (full := self._get(tile.full.path, most)) is not None:
            return tile.cut(full)
        return data

    def _present(self, path: str) -> bytes:
        data = self._get(path, MAX_SIZE)
        if data is None:
            raise UnavailableError(f"{self.url}/{path} does not exist", code="log.unreachable")
        return data

    def _get(self, path: str, most: int) -> bytes | None:
        url, deadline = f"{self.url}/{path}", time.monotonic() + self._seconds
        try:
            extensions = {"trace": self._cutoff.trace}
            with self._cutoff.after(self._seconds), self._client.stream("GET", url, extensions=extensions) as answer:
                if answer.status_code in _GONE:
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise UnavailableError(f"{url} answers with status {answer.status_code}", code="log.unreachable")
                content = bytearray()
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > most:
                        raise VerificationError(f"{url} is longer than {most} bytes", code="log.too_large")
                # An answer without a length ends where it was cut off.
                if time.monotonic() > deadline:
                    raise UnavailableError(f"{url} answers too slowly", code="log.unreachable")
                return bytes(content)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # a name with too long a label is no name
            raise UnavailableError(f"{url} cannot be read: {error}", code="log.unreachable") from error
