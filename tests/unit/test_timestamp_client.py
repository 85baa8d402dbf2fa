"""The client of time-stamping authorities, against servers on loopback that behave well, badly and not at all."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from adapters.timestamps import TimestampClient
from tests.support.logs import KEY
from tests.support.tsa import Authority, answering, needs_openssl, send, server_certificate, serving
from traceability.errors import InvalidInputError, TraceabilityError
from traceability.notary.timestamp import verify_timestamp

NOTE = KEY.sign("dairy.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    needs_openssl()
    return Authority(tmp_path_factory.mktemp("tsa"))


def refusal(authority: Authority, url: str, seconds: float = 10) -> str:
    with pytest.raises(TraceabilityError) as caught:
        TimestampClient(url, [authority.root], seconds=seconds).stamp(NOTE)
    return caught.value.code


def test_an_answer_is_verified_and_given_as_it_came(authority: Authority) -> None:
    with serving(authority) as tsa:
        response, stamped = TimestampClient(tsa.url, [tsa.root]).stamp(NOTE)
        by_name = TimestampClient(tsa.url.replace("127.0.0.1", "localhost"), [tsa.root]).stamp(NOTE)[1]
    assert verify_timestamp(response, NOTE, [authority.root]) == stamped
    assert by_name.serial != stamped.serial


def test_an_answer_to_another_request_is_refused(authority: Authority) -> None:
    with serving(authority):
        earlier, _ = TimestampClient(authority.url, [authority.root]).stamp(NOTE)
        other, _ = TimestampClient(authority.url, [authority.root]).stamp(b"other bytes")
    with serving(authority, lambda _: earlier):
        assert refusal(authority, authority.url) == "timestamp.nonce"
    with serving(authority, lambda _: other):
        assert refusal(authority, authority.url) == "timestamp.imprint"
    with serving(authority, lambda _: b"<html>"):
        assert refusal(authority, authority.url) == "timestamp.malformed"


def test_a_foreign_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    with serving(Authority(tmp_path / "other")) as other:
        assert refusal(authority, other.url) == "timestamp.certificate"


def test_an_answer_of_a_gigabyte_is_not_taken(authority: Authority) -> None:
    sent = 0

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 30))
        handler.end_headers()
        try:
            while sent < 1 << 30:
                handler.wfile.write(bytes(1 << 20))
                sent += 1 << 20
        except OSError:
            pass

    with answering(answer) as url:
        assert refusal(authority, url) == "timestamp.too_large"
    assert sent < 1 << 28  # what fits into the buffers of both sockets


def test_a_compressed_answer_is_not_unpacked(authority: Authority) -> None:
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        assert handler.headers["Accept-Encoding"] == "identity"
        assert handler.headers["Content-Type"] == "application/timestamp-query"
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(b"\x1f\x8b" + body)

    with answering(answer) as url:
        assert refusal(authority, url) == "timestamp.malformed"


def test_an_answer_that_drips_ends(authority: Authority) -> None:
    sent_all: list[bytes] = []

    def dripping(beginning: bytes) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
        def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
            with suppress(OSError):
                handler.wfile.write(beginning)
                for _count in range(300):
                    handler.wfile.write(b"0")
                    time.sleep(0.01)
                sent_all.append(beginning)

        return answer

    for beginning in (b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nX-Long: "):
        with answering(dripping(beginning)) as url:
            assert refusal(authority, url, seconds=0.3) == "timestamp.unreachable"
    assert sent_all == []


def test_errors_redirects_and_silence_are_unreachable(authority: Authority) -> None:
    followed: list[str] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        followed.append(handler.path)
        handler.send_response(307 if handler.path == "/tsa" else 500)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with answering(answer) as url:
        assert refusal(authority, url) == "timestamp.unreachable"
        assert refusal(authority, url.replace("/tsa", "/broken")) == "timestamp.unreachable"
    assert followed == ["/tsa", "/broken"]
    assert refusal(authority, url) == "timestamp.unreachable"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert refusal(authority, address, seconds=0.2) == "timestamp.unreachable"


def test_a_name_may_not_lead_into_a_private_network(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        asked.append(body)
        send(handler, b"")

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", port))
        private = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        return [public, private] if host == "both.example" else [private]

    with answering(answer) as url:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        for name in ("rebound.example", "both.example"):
            assert refusal(authority, url.replace("127.0.0.1", name)) == "timestamp.address"
    assert asked == []


def test_the_certificate_of_the_server_is_checked_for_the_name_though_an_address_is_connected_to(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = tmp_path / "server.pem"
    pem.write_bytes(server_certificate("localhost"))
    monkeypatch.setattr("certifi.where", lambda: str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        send(handler, authority.answer(body))

    with answering(answer, context) as url:
        assert url.startswith("https://127.0.0.1:")
        TimestampClient(url.replace("127.0.0.1", "localhost"), [authority.root]).stamp(NOTE)
        assert refusal(authority, url) == "timestamp.unreachable"


def test_a_name_without_an_address_is_unreachable(authority: Authority) -> None:
    for name in ("does-not-exist.invalid", "a" * 64 + ".invalid"):
        assert refusal(authority, f"http://{name}/") == "timestamp.unreachable"


@pytest.mark.parametrize(
    "url",
    ["", "tsa.example", "ftp://tsa.example", "file:///etc/passwd", "http://", "http://u:p@tsa.example", "http://h:x"],
)
def test_what_is_no_address_is_refused_at_once(authority: Authority, url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        TimestampClient(url, [authority.root])
    assert caught.value.code == "settings.timestamp_url"
