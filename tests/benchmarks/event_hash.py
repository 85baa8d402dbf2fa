"""CBV event hashes of JSON events, parse included, beside the reference implementation on the same documents.

    python -m tests.benchmarks.event_hash [--events 2000] [--rounds 5]

Prints JSON. The reference is PyPI `epcis-event-hash-generator`, installed into a folder of the run, in a process of its
own. Both read the same documents from memory; the two take turns, and figures are medians of the rounds, in seconds of
one processor. No event is like another. `ref-compat` is measured too, and has to give the reference's own hashes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.benchmarks._machine import machine
from tests.benchmarks.generate import HEAD, TAIL, feed
from traceability.gs1.epcis.hash.documents import HashMode, hashed_document

REQUIREMENT: Final = "epcis-event-hash-generator"
SIZES: Final = (1, 10, 1000)
"""Events of a document; sample documents have one or two, feeds hundreds."""
PEER: Final = """
import json, logging, sys, time
logging.disable(logging.CRITICAL)
from epcis_event_hash_generator import hash_generator, json_to_py

for line in sys.stdin:
    documents = json.loads(line)
    begun = time.process_time()
    found = []
    for document in documents:
        json_to_py._namespaces.clear()
        found += hash_generator.epcis_hashes_from_events(json_to_py.event_list_from_epcis_document_str(document))
    print(json.dumps({"seconds": time.process_time() - begun, "hashes": found}), flush=True)
"""


class Peer:
    """The reference implementation in its process."""

    def __init__(self, folder: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder),
             REQUIREMENT],
            check=True,
        )  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-c", PEER],
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hashed(self, documents: list[bytes]) -> tuple[float, list[str | None]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([document.decode() for document in documents]) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found["seconds"], found["hashes"]

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def ours(mode: HashMode) -> Callable[[list[bytes]], tuple[float, list[str | None]]]:
    def run(documents: list[bytes]) -> tuple[float, list[str | None]]:
        begun = time.process_time()
        found = [one.hash for document in documents for one in hashed_document(document, mode)[1]]
        return time.process_time() - begun, found

    return run


def measured(events: list[bytes], size: int, rounds: int, peer: Peer) -> dict[str, object]:
    documents = [HEAD + b",\n".join(events[i : i + size]) + TAIL for i in range(0, len(events), size)]
    rounds = min(rounds, len(documents))
    share = len(documents) // rounds
    work = {"spec": ours(HashMode.SPEC), "ref-compat": ours(HashMode.REF_COMPAT), "reference": peer.hashed}
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds):
        # No document comes twice, so no cache helps that would not help in a feed.
        part = documents[number * share : (number + 1) * share]
        hashes = {}
        for name, run in work.items():
            seconds, hashes[name] = run(part)
            taken[name].append(seconds / len(hashes[name]))
        assert hashes["ref-compat"] == hashes["reference"], "another hash than the reference's"
    times = {name: statistics.median(values) for name, values in taken.items()}
    return {
        "benchmark": "event_hash",
        "events_of_a_document": size,
        "bytes_an_event": round(sum(map(len, documents)) / len(events)),
        **{f"{name}_events_a_second": round(1 / seconds) for name, seconds in times.items()},
        "ratio_to_reference": round(times["reference"] / times["spec"], 1),
        "ref_compat_ratio": round(times["reference"] / times["ref-compat"], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    events = list(feed(arguments.events, large=0.0))
    print(json.dumps({"benchmark": "machine", **machine()}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(Path(folder))
        for size in SIZES:
            figures = measured(events[: 2000 * size], size, arguments.rounds, peer)
            print(json.dumps(figures), flush=True)
        peer.end()


if __name__ == "__main__":
    main()
