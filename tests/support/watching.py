"""A folder of static files over HTTP, as any web server would serve it, and what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from adapters.tiles import FileTileStore
from tests.support.logs import KEY, MadeUpLog, StoppedClock
from traceability.notary.log import Log


@dataclass
class Served:
    """What is served: `folder`, except paths for which `answer` gives other bytes, or None for a failure."""

    folder: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    answer: Callable[[str], bytes | None] | None = None


@contextmanager
def serving_folder(folder: Path) -> Iterator[Served]:
    served = Served(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/log/")
            served.asked.append(path)
            file = served.folder / path
            try:
                content = file.read_bytes() if served.answer is None else served.answer(path)
            except (FileNotFoundError, NotADirectoryError):
                self.send_error(404)
                return
            if content is None:
                self.send_error(500)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            served.url = f"http://127.0.0.1:{server.server_address[1]}/log/"
            yield served
        finally:
            server.shutdown()
            thread.join()


class GrowingLog:
    """A log of made-up events in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made_up = MadeUpLog()
        self._log = Log(self.made_up.database, FileTileStore(folder), KEY, StoppedClock())

    def grow(self, size: int) -> None:
        """Publish a checkpoint of this size."""
        self.made_up.grow(size)
        while self._log.integrate(size):
            pass
