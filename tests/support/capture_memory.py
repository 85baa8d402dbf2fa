"""A process that captures or outlines what would not fit into its memory, and says how that grew.

    python -m tests.support.capture_memory capture URL OWNER_URL FOLDER DOCUMENT
    python -m tests.support.capture_memory outline GIGABYTES
    python -m tests.support.capture_memory check DOCUMENT

Prints the peak of its resident memory in kilobytes: before the work, after the first sixth of a long one, at the end.
The last is `traceability feed check`, and says its peak on stderr at the end.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TextIO

from api.cli import main
from tests.conftest import Database
from tests.support.capture_runs import PROCEED, capture_engine, run, send
from tests.support.epcis_events import PACK, document, event
from traceability.gs1.epcis.envelope import open_envelope
from traceability.ledger.capture import Phase


def say(out: TextIO = sys.stdout) -> None:
    # Not getrusage: what it tells begins with the memory of the process that started this one.
    print(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0], file=out, flush=True)


def capture(url: str, owner_url: str, folder: str, name: str) -> None:
    said = False

    def progress(phase: Phase, done: int, whole: int) -> None:
        nonlocal said
        if not said and phase is Phase.APPENDING and done > whole // 6:
            said = True
            say()

    with capture_engine(Database("", owner_url, url, ""), Path(folder)) as engine:
        held = send(engine, Path(name), behaviour=PROCEED, held=True)
        say()
        job = run(engine, held, progress)
    assert job.counts.recorded + job.counts.malformed == job.appended
    say()


class Long:
    """A document whose one event names things without end."""

    def __init__(self, size: int) -> None:
        whole = document(event())
        at = whole.index(PACK.encode())
        self._pieces = [whole[:at], whole[at:]]
        self._left = size
        self._items = b'https://id.gs1.org/01/09521234000013/21/1001",\n"' * (1 << 14)

    def read(self, size: int, /) -> bytes:
        if len(self._pieces) == 2:
            return self._pieces.pop(0)
        if self._left > 0:
            self._left -= len(self._items[:size])
            return self._items[:size]
        return self._pieces.pop() if self._pieces else b""


def outline(gigabytes: str) -> None:
    open_envelope(Long(1 << 20))
    say()
    envelope = open_envelope(Long(int(float(gigabytes) * (1 << 30))))
    assert [(block.too_long, block.events) for block in envelope.blocks] == [(True, 1)]
    say()


def check(document: str) -> None:
    sys.argv = ["traceability", "feed", "check", document]
    try:
        main()
    finally:
        say(sys.stderr)


if __name__ == "__main__":
    if sys.argv[1] == "capture":
        capture(*sys.argv[2:])
    elif sys.argv[1] == "outline":
        outline(sys.argv[2])
    else:
        check(sys.argv[2])
