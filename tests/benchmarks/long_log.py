"""A log of 10,000,000 leaves: `make bench-long`.

    python -m tests.benchmarks.long_log [--leaves 10000000] [--folder .traceability/bench-long] [--batch 16384]

Goes on where it was stopped, from the files alone. Prints JSON: leaves a second of this run without what it takes to
make them up, the time of a proof from stored tiles, and the bytes of files a leaf. The folder stays; remove it for a
new run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from adapters.memory.notary import MemoryLogDatabase
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.benchmarks.notary import entry, prove, report
from tests.support.logs import KEY
from traceability.ledger.commitment import leaf_hash
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.log import Log
from traceability.notary.ports import LogIdentity, SequencedEntry, SignedCheckpoint


class EndlessLog(MemoryLogDatabase):
    """A log whose entries are made up as they are asked for, and which remembers what is published."""

    def __init__(self, leaves: int, served: bytes | None) -> None:
        super().__init__(LogIdentity("bench", KEY.name, KEY.verifier.text, 1), [])
        self.leaves = leaves
        self.seconds_made_up = 0.0
        if served is not None:
            checkpoint, _ = open_checkpoint(served, KEY.verifier)
            self.signed[checkpoint.size] = SignedCheckpoint(checkpoint, served.decode(), 0)

    def sequenced(self) -> int:
        return self.leaves

    def entries(self, start: int, end: int) -> Sequence[SequencedEntry]:
        begun = time.perf_counter()
        entries = [entry(index) for index in range(start, end)]
        made = [SequencedEntry(one, leaf_hash(one)) for one in entries]
        self.seconds_made_up += time.perf_counter() - begun
        return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=16_384, help="leaves between two checkpoints")
    parser.add_argument("--proofs", type=int, default=1_000)
    parser.add_argument("--folder", type=Path, default=Path(".traceability/bench-long"))
    chosen = parser.parse_args()
    tiles = FileTileStore(chosen.folder)
    database = EndlessLog(chosen.leaves, tiles.checkpoint())
    before = max(database.signed, default=0)
    rounds = []
    log = Log(database, tiles, KEY, SystemClock())
    while True:
        begun, made_up = time.perf_counter(), database.seconds_made_up
        checkpoint = log.integrate(chosen.batch)
        if checkpoint is None:
            break
        rounds.append(time.perf_counter() - begun - (database.seconds_made_up - made_up))
        if sys.stderr.isatty():
            print(f"\r{checkpoint.size:,} of {chosen.leaves:,} leaves", end="", file=sys.stderr, flush=True)
    if rounds:
        added = chosen.leaves - before
        report(
            "a long log: tiles and checkpoint, files synced",
            {
                "leaves": chosen.leaves,
                "added_in_this_run": added,
                "batch": chosen.batch,
                "leaves_per_second": round(added / sum(rounds)),
                "median_round_ms": round(1000 * statistics.median(rounds), 2),
                "last_rounds_ms": round(1000 * statistics.median(rounds[-50:]), 2),
            },
        )
    report("a long log: inclusion proof from stored tiles", prove(lambda i: leaf_hash(entry(i)), tiles, chosen.proofs))
    size = sum((tiles.folder / path).stat().st_blocks * 512 for path in tiles.paths())
    report("a long log: bytes of files a leaf", {"leaves": chosen.leaves, "bytes": round(size / chosen.leaves, 2)})


if __name__ == "__main__":
    main()
