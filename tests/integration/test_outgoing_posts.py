"""Posts to addresses that others name, from an event loop: the guard holds, and nobody keeps it waiting."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from adapters.outgoing import Allowed
from adapters.outgoing.poster import Poster
from tests.support.receivers import receiving
from traceability.errors import TraceabilityError

LOOPBACK = Allowed.parse("127.0.0.0/8 ::1")


def post(url: str, allowed: Allowed = LOOPBACK, *, count: int = 1, seconds: float = 60) -> list[int | str]:
    """Post so many times at once, and return the statuses or codes of errors."""

    async def one(poster: Poster) -> int | str:
        try:
            return await poster.post(url, b"{}", {"Content-Type": "application/json"})
        except TraceabilityError as error:
            return error.code

    async def all_() -> list[int | str]:
        poster = Poster(allowed, seconds=seconds)
        try:
            return await asyncio.gather(*(one(poster) for _ in range(count)))
        finally:
            await poster.close()

    return asyncio.run(all_())


def test_posts_arrive_many_at_once() -> None:
    with receiving() as receiver:
        assert post(f"{receiver.url}/events?a=%20", count=40) == [204] * 40
        assert {(one.path, one.body) for one in receiver.seen} == {("/events?a=%20", b"{}")}
        assert {one.headers["Host"] for one in receiver.seen} == {f"127.0.0.1:{receiver.port}"}
        assert post(receiver.url, Allowed()) == ["outgoing.private"]
        assert post(receiver.url, Allowed.parse("10.0.0.0/8")) == ["outgoing.private"]
        assert len(receiver.seen) == 40
    assert post(receiver.url) == ["outgoing.unreachable"]
    assert post("ftp://x/") == ["outgoing.address"]
    assert post("https://[::ffff:169.254.169.254]/") == ["outgoing.private"]


def test_a_name_that_turns_to_another_address_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        answers = iter(["127.0.0.1", "10.0.0.7"])
        genuine = socket.getaddrinfo

        def resolved(host: Any, *rest: Any, **options: Any) -> list[Any]:
            if host not in ("turning.example", b"turning.example"):
                return genuine(host, *rest, **options)
            return [(2, 1, 6, "", (next(answers), receiver.port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        url = f"http://turning.example:{receiver.port}/"
        assert post(url) == [204]
        assert post(url) == ["outgoing.private"]
        assert receiver.seen[0].headers["Host"] == f"turning.example:{receiver.port}"
        assert len(receiver.seen) == 1


def test_a_redirect_is_an_answer() -> None:
    with receiving() as receiver:
        receiver.status = lambda _: 302
        assert post(receiver.url) == [302]
        assert len(receiver.seen) == 1


def test_a_connection_is_kept_and_replaced_when_the_other_side_closed_it() -> None:
    async def all_() -> None:
        with receiving() as receiver:
            poster = Poster(LOOPBACK, seconds=60)
            for _ in range(3):
                assert await poster.post(receiver.url, b"{}", {}) == 204
            assert len({one.client for one in receiver.seen}) == 1
            port = receiver.port
        with receiving(port) as again:
            assert await poster.post(again.url, b"{}", {}) == 204
            await poster.close()

    asyncio.run(all_())


@contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Answer the first connection with `serve`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(60)
                connection.recv(65_536)
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            thread.join()


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(200):
        connection.sendall(b"x")
        threading.Event().wait(0.02)


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


@pytest.mark.parametrize(
    ("serve", "seconds", "outcome"),
    [
        (drip, 1, "outgoing.too_slow"),
        (flood, 60, 200),  # the status is all that is wanted of it
        (lambda connection: connection.sendall(b"SSH-2.0-x\r\n"), 60, "outgoing.unreachable"),
        (lambda _: None, 60, "outgoing.unreachable"),
    ],
)
def test_who_answers_badly_is_given_up(
    serve: Callable[[socket.socket], None], seconds: float, outcome: int | str
) -> None:
    with answering(serve) as url:
        assert post(url, seconds=seconds) == [outcome]
