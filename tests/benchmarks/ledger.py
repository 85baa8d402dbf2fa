"""Appends to the ledger: one by one, from 64 callers at once, and in bulk beside the library's recorder.

    python -m tests.benchmarks.ledger [--seconds 5] [--events 50000]

Prints JSON. The bulk ratio is between two programs over the same events and tags in the same run, in turn.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.postgres_tt import PostgresTTDCBFactory
from eventsourcing.utils import Environment

from adapters.postgres import bulk
from adapters.postgres.embedded import (
    OWNER_ROLE,
    RUNTIME_ROLE,
    SUPERUSER,
    EmbeddedServer,
    create_database,
    embedded_server,
)
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.migrate import migrate
from tests.benchmarks._machine import machine
from tests.ledgers import event, postgres_ledger

PAYLOAD = "x" * 600
TAGS = 5
LIBRARY_BATCH = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each conditional append runs")
    parser.add_argument("--events", type=int, default=50_000, help="events of the bulk append")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the bulk append")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder)) as server:
        for callers, name in ((1, "one"), (64, "many")):
            with fresh(server, name) as url, postgres_ledger(url, connections=4) as ledger:
                report(f"conditional append, {callers} callers", conditional(ledger, callers, chosen.seconds))
        report("bulk append beside PostgresDCBRecorderTT", bulk_beside_library(server, chosen.events, chosen.rounds))


@contextmanager
def fresh(server: EmbeddedServer, name: str) -> Iterator[str]:
    """Give the URL of a migrated database without events, and a checkpoint behind it."""
    with psycopg.connect(server.url(role=None, database="postgres"), autocommit=True) as admin:
        create_database(admin, name)
        migrate(server.url(role=OWNER_ROLE, database=name), runtime_role=RUNTIME_ROLE)
        admin.execute("CHECKPOINT")
    yield server.url(role=RUNTIME_ROLE, database=name)


def conditional(ledger: PostgresLedger, callers: int, seconds: float) -> dict[str, float]:
    """Each caller appends one event of five tags on condition that its first tag, new each time, is still unused."""
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    def call(caller: int) -> None:
        for n in count():
            begun = time.perf_counter()
            if begun >= until:
                return
            tags = [f"item:{caller}:{n}", *(f"tag:{n % 50}:{i}" for i in range(TAGS - 1))]
            condition = DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=tags[:1])]), after=ledger.head_seen)
            ledger.append([event(*tags, text=PAYLOAD)], condition)
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    in_threads([partial(call, caller) for caller in range(callers)])
    took = time.perf_counter() - begun
    assert ledger.head() == len(latencies)
    latencies.sort()
    return {
        "per_second": round(len(latencies) / took, 1),
        "p50_ms": round(1000 * statistics.median(latencies), 2),
        "p99_ms": round(1000 * latencies[int(len(latencies) * 0.99)], 2),
    }


def in_threads(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def bulk_beside_library(server: EmbeddedServer, size: int, rounds: int) -> dict[str, object]:
    """Append the same events with both recorders; ours also checks duplicates and writes commitments and leaves."""
    ours, with_preparation, library = [], [], []
    for n in range(rounds):
        events = [
            event(
                *(f"tag:{(i * 7 + k) % 20_000}" for k in range(TAGS)), identity=f"{n}:{i}", text=PAYLOAD, received=False
            )
            for i in range(size)
        ]
        plain = [DCBEvent(type=e.type, data=e.data, tags=e.tags) for e in events]
        with fresh(server, f"ours{n}") as url, postgres_ledger(url) as ledger:
            begun = time.perf_counter()
            prepared = [ledger.prepare(e) for e in events]
            preparation = time.perf_counter() - begun
            with frozen():
                begun = time.perf_counter()
                assert sum(len(batch) for batch in bulk.append_all(ledger, bulk.pack_all(ledger, prepared))) == size
                took = time.perf_counter() - begun
        ours.append(size / took)
        with_preparation.append(size / (took + preparation))
        with frozen():
            library.append(size / with_library(server, f"library{n}", plain))
    ratios = sorted(a / b for a, b in zip(ours, library, strict=True))
    return {
        "events": size,
        "ours_per_second": round(statistics.median(ours)),
        "ours_with_preparation_per_second": round(statistics.median(with_preparation)),
        "library_per_second": round(statistics.median(library)),
        "ratio": round(statistics.median(ratios), 2),
        "ratios": [round(ratio, 2) for ratio in ratios],
    }


@contextmanager
def frozen() -> Iterator[None]:
    """Keep the collector from walking the benchmark's own events again and again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def with_library(server: EmbeddedServer, name: str, events: list[DCBEvent]) -> float:
    with fresh(server, name):
        environment = {
            "PERSISTENCE_MODULE": "eventsourcing.dcb.postgres_tt",
            "POSTGRES_DBNAME": name,
            "POSTGRES_HOST": str(server.socket_dir),
            "POSTGRES_PORT": "5432",
            "POSTGRES_USER": SUPERUSER,
            "POSTGRES_PASSWORD": "",
        }
        with PostgresTTDCBFactory(Environment(name="bench", env=environment)) as factory:
            recorder = factory.dcb_recorder()
            begun = time.perf_counter()
            for i in range(0, len(events), LIBRARY_BATCH):
                recorder.append(events[i : i + LIBRARY_BATCH])
            return time.perf_counter() - begun


def report(name: str, figures: object) -> None:
    print(json.dumps({"benchmark": name, "machine": machine(), "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
