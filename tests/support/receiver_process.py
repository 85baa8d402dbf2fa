"""A receiver that dies: `python -m tests.support.receiver_process PORT NOTES MOMENT AT`.

Listens on loopback and takes what is posted to it; what it got is in NOTES, a new file, on disk before it answers. With
post number AT, from 1, it kills itself at a moment, or makes NOTES.held and waits for whoever kills it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).parents[2]
HALF_AN_ANSWER = b"HTTP/1.1 204 No Con"


class Moment(StrEnum):
    """When a receiver ends."""

    READING = "reading"  # half of the body is read, and nothing noted
    NOTED = "noted"
    HOLDING = "holding"  # like `NOTED`, but it is killed by somebody else, and takes other posts until then
    ANSWERING = "answering"  # half of the answer is sent
    ANSWERED = "answered"
    NEVER = "never"


class Told(StrEnum):
    """What is known, after a kill, of the answer to a post that was noted."""

    NOTHING = "nothing"
    PERHAPS = "perhaps"
    ALL = "all"


@dataclass(frozen=True)
class Noted:
    """A post that a receiver got, at a time in microseconds UTC, and what it was told."""

    path: str
    signature: str
    body: bytes
    at: int
    told: Told

    @property
    def ids(self) -> list[str]:
        results = orjson.loads(self.body)["epcisBody"]["queryResults"]["resultsBody"]
        return [event["eventID"] for event in results["eventList"]]


def read_notes(notes: Path) -> list[Noted]:
    """Return the posts of one receiver, in the order in which they were noted."""
    posts: dict[int, dict[str, Any]] = {}
    for line in notes.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):  # else it was killed while it wrote, and has answered nothing
            note = orjson.loads(line)
            posts.setdefault(note.pop("number"), {"told": Told.NOTHING}).update(note)
    return [
        Noted(post["path"], post["signature"], post["body"].encode(), post["at"], Told(post["told"]))
        for post in posts.values()
    ]


@contextmanager
def kept_port() -> Iterator[int]:
    """Keep a port of loopback for a receiver that is not always there.

    It is bound and nobody listens: connections are refused, a receiver can bind it too, and meanwhile the system gives
    it to no other socket, nor to a connection that would then be one with itself.
    """
    with socket.socket() as keeper:
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(("127.0.0.1", 0))
        yield keeper.getsockname()[1]


@contextmanager
def mortal_receiver(port: int, notes: Path, moment: Moment, at: int = 1) -> Iterator[subprocess.Popen[bytes]]:
    """Start a receiver; it is killed with the context."""
    arguments = [str(port), str(notes), moment, str(at)]
    with (
        notes.with_suffix(".log").open("wb") as talk,
        subprocess.Popen([sys.executable, "-m", __name__, *arguments], cwd=ROOT, stderr=talk) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def held_file(notes: Path) -> Path:
    """Return what is there when a post is held."""
    return notes.with_suffix(".held")


def serve(port: int, notes: Path, dies: Moment, at: int) -> None:
    """Take what is posted, until killed."""
    lock, came = threading.Lock(), 0
    out = os.open(notes, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY)

    def note(number: int, **what: object) -> None:
        with lock:
            os.write(out, orjson.dumps({"number": number, **what}) + b"\n")
            os.fsync(out)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            nonlocal came
            with lock:
                came += 1
                number = came
            last = dies if number == at else Moment.NEVER
            length = int(self.headers["Content-Length"])
            if last is Moment.READING:
                self.rfile.read(length // 2)
                die()
            body, signature = self.rfile.read(length).decode(), self.headers["GS1-Signature"]
            note(number, path=self.path, signature=signature, body=body, at=time.time_ns() // 1_000)
            if last is Moment.NOTED:
                die()
            if last is Moment.HOLDING:
                held_file(notes).touch()
                threading.Event().wait()
            if last is Moment.ANSWERING:
                self.wfile.write(HALF_AN_ANSWER)
                die()
            note(number, told=Told.PERHAPS)
            self.send_response(204)
            self.end_headers()
            note(number, told=Told.ALL)
            if last is Moment.ANSWERED:
                die()

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main() -> None:
    port, notes, moment, at = sys.argv[1:]
    serve(int(port), Path(notes), Moment(moment), int(at))


if __name__ == "__main__":
    main()
