"""CBV event hashes of JSON events, parse included, beside the reference implementation on the same documents.

    python -m tests.benchmarks.event_hash [--events 20000] [--rounds 5]

Prints JSON. The reference is PyPI `epcis-event-hash-generator`, installed into a folder of the run. It and our two
modes have a process of their own each, as whoever hashes in one mode has; they read the same documents from memory and
take turns, and figures are medians of the rounds behind the first, in seconds of one processor. No event is like
another. `ref-compat` has to give the reference's own hashes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.benchmarks._machine import machine
from tests.benchmarks.generate import HEAD, TAIL, feed

ROOT: Final = Path(__file__).parents[2]
REQUIREMENT: Final = "epcis-event-hash-generator"
SIZES: Final = (1, 10, 1000)
"""Events of a document; sample documents have one or two, feeds hundreds."""
_REFERENCE: Final = """
import logging
logging.disable(logging.CRITICAL)
from epcis_event_hash_generator import hash_generator, json_to_py

def hashes(document):
    json_to_py._namespaces.clear()
    return hash_generator.epcis_hashes_from_events(json_to_py.event_list_from_epcis_document_str(document))
"""
_OURS: Final = """
from traceability.gs1.epcis.hash.documents import HashMode, hashed_document

def hashes(document):
    return [one.hash for one in hashed_document(document.encode(), HashMode({mode!r}))[1]]
"""
_LOOP: Final = """
import json, sys, time
for line in sys.stdin:
    documents = json.loads(line)
    begun = time.process_time()
    found = [one for document in documents for one in hashes(document)]
    print(json.dumps({"seconds": time.process_time() - begun, "hashes": found}), flush=True)
"""


class Hasher:
    """A process that hashes documents by a program's `hashes`."""

    def __init__(self, program: str, *paths: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", program + _LOOP],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hashed(self, documents: list[bytes]) -> tuple[float, list[str | None]]:
        """Return how many seconds of a processor the events of documents took, and their hashes."""
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


def measured(events: list[bytes], size: int, rounds: int, hashers: Mapping[str, Hasher]) -> dict[str, object]:
    documents = [HEAD + b",\n".join(events[i : i + size]) + TAIL for i in range(0, len(events), size)]
    rounds = min(rounds, len(documents) - 1)
    share = len(documents) // (rounds + 1)
    taken: dict[str, list[float]] = {name: [] for name in hashers}
    for number in range(rounds + 1):
        # No document comes twice, so no cache helps that would not help in a feed.
        part = documents[number * share : (number + 1) * share]
        hashes = {}
        for name, hasher in hashers.items():
            seconds, hashes[name] = hasher.hashed(part)
            taken[name].append(seconds / len(hashes[name]))
        assert hashes["ref-compat"] == hashes["reference"], "another hash than the reference's"
    times = {name: statistics.median(values[1:]) for name, values in taken.items()}
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
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.events < 2 * max(SIZES):
        parser.error(f"Behind the first document of {max(SIZES):,} events there has to be another.")
    events = list(feed(arguments.events, large=0.0))
    print(json.dumps({"benchmark": "machine", **machine()}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder,
             REQUIREMENT],
            check=True,
        )  # fmt: skip
        hashers = {
            "spec": Hasher(_OURS.format(mode="spec"), ROOT),
            "ref-compat": Hasher(_OURS.format(mode="ref-compat"), ROOT),
            "reference": Hasher(_REFERENCE, Path(folder)),
        }
        for size in SIZES:
            figures = measured(events[: 5000 * size], size, arguments.rounds, hashers)
            print(json.dumps(figures), flush=True)
        for hasher in hashers.values():
            hasher.end()


if __name__ == "__main__":
    main()
