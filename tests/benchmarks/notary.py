"""The log: tiles and checkpoint a batch, with every file synced, and inclusion proofs from the stored tiles.

    python -m tests.benchmarks.notary [--leaves 1000000] [--batch 5000] [--proofs 1000]

Prints JSON. Entries come ready from memory, so the figures are those of hashing, writing and syncing alone; with
`--postgres` they come out of a real ledger on the same cores as well.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import psycopg

from adapters.memory.notary import MemoryLogDatabase
from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, create_database, embedded_server
from adapters.postgres.log_chain import create_log
from adapters.postgres.migrate import migrate
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.benchmarks._machine import machine
from tests.ledgers import numbered, postgres_ledger
from tests.support.logs import KEY
from traceability.ledger.commitment import leaf_hash
from traceability.merkle import root_from_path
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.log import Log, tile_reader
from traceability.notary.ports import LogDatabase, LogIdentity, SequencedEntry
from traceability.notary.tree import TiledTree

LEDGER_EVENTS = 50_000


class PreparedLog(MemoryLogDatabase):
    """A log whose entries cost nothing to read."""

    def __init__(self, leaves: int) -> None:
        super().__init__(LogIdentity("bench", KEY.name, KEY.verifier.text, 1), [])
        entries = [b"\x01" + i.to_bytes(56, "big") for i in range(leaves)]
        self.prepared = [SequencedEntry(entry, leaf_hash(entry)) for entry in entries]

    def sequenced(self) -> int:
        return len(self.prepared)

    def entries(self, start: int, end: int) -> Sequence[SequencedEntry]:
        return self.prepared[start:end]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=5_000, help="leaves between two checkpoints")
    parser.add_argument("--proofs", type=int, default=1_000)
    parser.add_argument("--postgres", action="store_true", help="also integrate a real ledger")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:
        database, tiles = PreparedLog(chosen.leaves), FileTileStore(Path(folder))
        figures = integrate(database, tiles, chosen.batch)
        report("tiles and checkpoint, files synced", figures | {"fsync_of_8_kB_p50_ms": sync(Path(folder) / "probe")})
        report("inclusion proof from stored tiles", prove(database, tiles, chosen.proofs))
    if chosen.postgres:
        report("tiles and checkpoint of a ledger in PostgreSQL", from_ledger(chosen.batch))


def integrate(database: LogDatabase, tiles: FileTileStore, batch: int) -> dict[str, float]:
    log = Log(database, tiles, KEY, SystemClock())
    leaves = database.sequenced()
    rounds = []
    begun = time.perf_counter()
    while True:
        started = time.perf_counter()
        if log.integrate(batch) is None:
            break
        rounds.append(time.perf_counter() - started)
    took = time.perf_counter() - begun
    return {
        "leaves": leaves,
        "batch": batch,
        "leaves_per_second": round(leaves / took),
        "median_round_ms": round(1000 * statistics.median(rounds), 2),
        "leaves_per_second_of_median_round": round(batch / statistics.median(rounds)),
    }


def sync(path: Path) -> float:
    """Tell what a synced file costs here: without it the other figures say little."""
    latencies = []
    for _ in range(200):
        begun = time.perf_counter()
        with path.open("wb") as file:
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
        latencies.append(time.perf_counter() - begun)
    return round(1000 * statistics.median(latencies), 3)


def prove(database: PreparedLog, tiles: FileTileStore, count: int) -> dict[str, float]:
    """Build proofs of random leaves, reading every tile anew for each, and check all of them."""
    served = tiles.checkpoint()
    assert served is not None
    checkpoint, _ = open_checkpoint(served, KEY.verifier)
    read, chance, latencies = tile_reader(tiles), Random(6962), []
    for _ in range(count):
        index = chance.randrange(checkpoint.size)
        begun = time.perf_counter()
        path = TiledTree(checkpoint.size, read).inclusion_path(index)
        latencies.append(time.perf_counter() - begun)
        assert root_from_path(database.prepared[index].leaf_hash, index, checkpoint.size, path) == checkpoint.root
    latencies.sort()
    return {
        "size": checkpoint.size,
        "proofs": count,
        "p50_ms": round(1000 * statistics.median(latencies), 3),
        "p99_ms": round(1000 * latencies[int(count * 0.99)], 3),
    }


def from_ledger(batch: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=".") as folder, embedded_server(Path(folder) / "postgres") as server:
        with psycopg.connect(server.url(role=None, database="postgres"), autocommit=True) as admin:
            create_database(admin, "bench")
        migrate(server.url(role=OWNER_ROLE, database="bench"), runtime_role=RUNTIME_ROLE)
        with postgres_ledger(server.url(role=RUNTIME_ROLE, database="bench")) as ledger:
            for _ in ledger.append_all(numbered(["item:a", "item:b"], LEDGER_EVENTS)):
                pass
            database = create_log(
                ledger.pool,
                ledger.ledger_id,
                name="bench",
                origin=KEY.name,
                vkey=KEY.verifier.text,
                clock=SystemClock(),
            )
            return integrate(database, FileTileStore(Path(folder) / "log"), batch)


def report(name: str, figures: dict[str, float]) -> None:
    print(json.dumps({"benchmark": name, "machine": machine(), "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
