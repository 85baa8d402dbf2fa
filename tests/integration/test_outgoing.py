"""Requests to addresses that others name: where they may go, and servers that are slow, endless or elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.outgoing import Allowed, Outgoing, check_url
from tests.api.conftest import serving
from traceability.errors import InvalidInputError, UnavailableError

LOOPBACK = Allowed.parse("127.0.0.0/8 ::1")


async def echo(request: Request) -> Response:
    body = await request.body()
    told = f"{request.method} {request.url.path}?{request.url.query} {request.headers['host']} {body.decode()}"
    return PlainTextResponse(told, headers={"X-Key": request.headers.get("x-key", "")})


async def elsewhere(_: Request) -> Response:
    return RedirectResponse("http://127.0.0.1:1/secret")


async def long(_: Request) -> Response:
    return Response(b"x" * 5_000)


async def drip(_: Request) -> Response:
    async def bytes_() -> AsyncIterator[bytes]:
        import asyncio  # noqa: PLC0415

        for _ in range(600):
            yield b"x"
            await asyncio.sleep(0.05)

    return StreamingResponse(bytes_())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    methods = ["GET", "POST"]
    behaviours = {"/echo": echo, "/elsewhere": elsewhere, "/long": long, "/drip": drip}
    routes = [Route(path, behaviour, methods=methods) for path, behaviour in behaviours.items()]
    with serving(Starlette(routes=routes)) as client:
        yield str(client.base_url).rstrip("/")


def code_of(url: str, allowed: Allowed, **options: Any) -> str:
    with Outgoing(url, allowed, **options) as outgoing, pytest.raises(UnavailableError) as caught:
        outgoing.send("GET", most=1_000)
    assert caught.value.message
    return caught.value.code


def test_a_request_arrives_as_it_was_meant(server: str) -> None:
    with Outgoing(f"{server}/echo?a=1", LOOPBACK) as outgoing:
        host = server.removeprefix("http://")
        answer = outgoing.send("POST", headers={"X-Key": "k"}, content=b"body")
        assert (answer.status, answer.content.decode()) == (200, f"POST /echo?a=1 {host} body")
        assert answer.headers["x-key"] == "k"
        assert outgoing.send("GET", query="b=%20").content.decode() == f"GET /echo?b=%20 {host} "


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[fe80::1]",
        "[fd00::1]",
        "[fec0::1]",
        "168.63.129.16",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
    ],
)
def test_private_addresses_are_refused_however_they_are_written(host: str) -> None:
    assert code_of(f"https://{host}/", Allowed()) == "outgoing.private"


def test_numbers_that_resolvers_take_for_addresses_are_refused() -> None:
    for host in ("2130706433", "0x7f.1", "127.1"):
        assert code_of(f"https://{host}/", Allowed()) in ("outgoing.private", "outgoing.unreachable")


def test_plain_http_is_for_what_is_allowed_only() -> None:
    assert code_of("http://192.0.1.1/", Allowed()) == "outgoing.plain"
    assert code_of("http://127.0.0.1:9/", LOOPBACK) == "outgoing.unreachable"


def test_one_private_address_among_those_of_a_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver is not ours; whoever owns the name decides what it says."""

    def resolved(*_: object, **__: object) -> list[Any]:
        return [(2, 1, 6, "", (address, 443)) for address in ("192.0.1.1", "10.0.0.7")]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert code_of("https://both.example/", Allowed()) == "outgoing.private"


def test_a_name_that_turns_to_another_address_is_not_asked_again(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = httpx.URL(server).port
    answers = iter(["127.0.0.1", "10.0.0.7", "10.0.0.7"])
    genuine = socket.getaddrinfo

    def resolved(host: str, *rest: Any, **options: Any) -> list[Any]:
        if host != "turning.example":
            return genuine(host, *rest, **options)
        return [(2, 1, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with Outgoing(f"http://turning.example:{port}/echo", LOOPBACK) as outgoing:
        # It is connected to the address that was looked at, by the name that it has.
        assert outgoing.send("GET").content.decode() == f"GET /echo? turning.example:{port} "
        with pytest.raises(UnavailableError) as caught:
            outgoing.send("GET")
    assert caught.value.code == "outgoing.private"


def test_a_listed_host_may_be_anywhere(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = httpx.URL(server).port
    genuine = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **o: genuine("127.0.0.1" if host == "erp" else host, *rest, **o)
    )
    with Outgoing(f"http://erp:{port}/echo", Allowed.parse("ERP 10.0.0.0/8")) as outgoing:
        assert outgoing.send("GET").status == 200


def test_redirects_are_answers(server: str) -> None:
    with Outgoing(f"{server}/elsewhere", LOOPBACK) as outgoing:
        assert outgoing.send("GET").status == 307


def test_answers_are_bounded_in_length_and_time(server: str) -> None:
    assert code_of(f"{server}/long", LOOPBACK) == "outgoing.too_large"
    assert code_of(f"{server}/drip", LOOPBACK, seconds=0.4) == "outgoing.too_slow"


def test_headers_that_come_byte_by_byte_are_cut_off() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stopping = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not stopping.wait(0.05):
                    try:
                        connection.sendall(b"y")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            assert code_of(url, LOOPBACK, seconds=0.4) == "outgoing.too_slow"
        finally:
            stopping.set()
            thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "erp.example",
        "ftp://erp.example/",
        "https://",
        "https://user:word@erp.example/",
        "https://erp.example/#part",
        "https://erp.example:0/",
        "https://erp.example:99999/",
        "https://erp example/",
        "https://[::1/",
        "https://erp.example/\n",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_url(url)
    assert caught.value.code == "outgoing.address"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0", "erp/8", "http://erp", "-;"])
def test_what_is_neither_host_nor_network_is_said(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Allowed.parse(f"127.0.0.1 {text}")
    assert caught.value.code == "outgoing.allowed"
