"""Receivers on loopback: they keep what is posted to them, and answer as a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True)
class Post:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes
    client: tuple[str, int] = ("", 0)

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = orjson.loads(self.body)
        return parsed

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
        return found


@dataclass
class Receiver:
    """`status` decides the answer to a post; what was answered 2xx is in `taken`, everything in `seen`."""

    url: str = ""
    port: int = 0
    status: Callable[[Post], int] = lambda _: 204
    seen: list[Post] = field(default_factory=list)
    taken: list[Post] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ids(self, path: str | None = None) -> list[str]:
        """Return the eventIDs that were taken, in the order in which they came."""
        with self.lock:
            taken = list(self.taken)
        return [event["eventID"] for post in taken if path in (None, post.path) for event in post.events]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Listen on a port for as long as the context lasts."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post = Post(self.path, dict(self.headers.items()), body, self.client_address[:2])
            with receiver.lock:
                receiver.seen.append(post)
            status = receiver.status(post)
            if 200 <= status < 300:
                with receiver.lock:
                    receiver.taken.append(post)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def handle_error(self, *_: object) -> None:  # a client that went away is no error of a test
            pass

    with Server(("127.0.0.1", port), Handler) as server:
        receiver.port = server.server_address[1]
        receiver.url = f"http://127.0.0.1:{receiver.port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
