"""A log over HTTP whose server misbehaves: everything ends, and with an error of ours."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from adapters.tiles.http import HttpLog
from traceability.errors import InvalidInputError, TraceabilityError, UnavailableError
from traceability.notary.tiles import Tile

Answer = Callable[[BaseHTTPRequestHandler], None]
TILE = Tile(0, 0, 3)


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with suppress(OSError):
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def respond(handler: BaseHTTPRequestHandler, content: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def refusal(answer: Answer, seconds: float = 10) -> str:
    with serving(answer) as url, HttpLog(url, seconds=seconds) as log, pytest.raises(TraceabilityError) as caught:
        log.checkpoint()
    return caught.value.code


def test_a_partial_tile_that_is_gone_is_cut_from_the_full_one() -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        respond(handler, bytes(range(256)) * 32, 200 if handler.path == "/log/tile/0/000" else 404)

    with serving(answer) as url, HttpLog(f"{url}/log/") as log:
        assert log.read(TILE) == bytes(range(96))
        assert asked == ["/log/tile/0/000.p/3", "/log/tile/0/000"]
        assert log.read(Tile(0, 1)) is None


def test_a_compressed_bundle_is_unpacked() -> None:
    with (
        serving(lambda handler: respond(handler, gzip.compress(bytes(96)), Content_Encoding="gzip")) as url,
        HttpLog(url) as log,
    ):
        assert log.read(TILE) == bytes(96)


def test_what_is_too_long_is_not_taken() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 30))
        handler.end_headers()
        for _ in range(1 << 10):
            handler.wfile.write(bytes(1 << 20))

    bomb = gzip.compress(bytes(1 << 26))
    assert refusal(endless) == "log.too_large"
    assert refusal(lambda handler: respond(handler, bomb, Content_Encoding="gzip")) == "log.too_large"


def test_what_drips_ends() -> None:
    sent_all: list[str] = []

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        slowly(handler, "body")

    def drip_headers(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        slowly(handler, "headers")

    def slowly(handler: BaseHTTPRequestHandler, what: str) -> None:
        for _ in range(300):
            handler.wfile.write(b"0")
            time.sleep(0.01)
        sent_all.append(what)

    assert refusal(drip, seconds=0.3) == "log.unreachable"
    assert refusal(drip_headers, seconds=0.3) == "log.unreachable"
    assert refusal(lambda _: time.sleep(1), seconds=0.1) == "log.unreachable"
    assert sent_all == []


def test_a_connection_that_is_kept_is_ended_too() -> None:
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(f"{handler.client_address[1]}")
        if len(asked) == 2:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(300):
                handler.wfile.write(b"X: 0\r\n")
                time.sleep(0.01)
        respond(handler, b"checkpoint")

    with serving(answer) as url, HttpLog(url, seconds=0.3) as log:
        assert log.checkpoint() == b"checkpoint"
        with pytest.raises(UnavailableError):
            log.checkpoint()
        assert log.checkpoint() == b"checkpoint"
    assert asked[0] == asked[1] != asked[2]


def test_errors_of_the_server_are_unreachable() -> None:
    assert refusal(lambda handler: respond(handler, b"", 500)) == "log.unreachable"
    assert refusal(lambda handler: respond(handler, b"", 404)) == "log.unreachable"
    assert refusal(lambda handler: respond(handler, b"", 302, Location="/again")) == "log.unreachable"
    assert refusal(lambda handler: respond(handler, b"nonsense", Content_Encoding="gzip")) == "log.unreachable"

    def no_http(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"nonsense\r\n\r\n")

    assert refusal(no_http) == "log.unreachable"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://does-not-exist.invalid", f"http://{'a' * 64}.invalid", "http://["]
)
def test_nobody_there_is_unreachable(url: str) -> None:
    with HttpLog(url) as log, pytest.raises(UnavailableError) as caught:
        log.checkpoint()
    assert caught.value.code == "log.unreachable"


@pytest.mark.parametrize("url", ["", "dairy.example", "ftp://dairy.example", "http://", "http://a:b"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        HttpLog(url)
    assert caught.value.code == "monitor.address"
