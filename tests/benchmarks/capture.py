"""Captures of a large feed, everything on: duplicates, postings, marks and edges, commitments and leaf hashes.

    python -m tests.benchmarks.capture [--events 1000000] [--large 1] [--workers 2] [--lock 0.05]
        [--behaviour proceed] [--only import,copy,commands] [--unnamed]

Prints JSON. `fsync` and `synchronous_commit` are on, and PostgreSQL has the same cores.

- *import*: one document from the spool to its end. Targets: 6,000 events/s (aim 10,600); the last fifth at 0.6 of the
  speed of the first (aim 0.85); 300 MB of memory a process (aim 150); 2,600 bytes of database an event.
- *copy*: the rows of the first 100,000 events, prepared and sorted ahead, into the same tables by COPY alone; the
  ratio is what the import took for them, from its start, beside that. Target: 0.35 (aim 0.60).
- *commands*: eight clients that append one event each, on a condition, again and again while another document is
  imported. Target: p99 150 ms (aim 60).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

import psycopg

from adapters.postgres import bulk
from adapters.postgres.packed import Packed, in_order, index_data, joined, record_data
from api.capture.blocks import BlockTask, BlockWorkers
from api.capture.run import CaptureRun
from api.wiring import Engine
from tests.benchmarks._loaded import Feed, opened, spooled, talk
from tests.benchmarks._machine import machine
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.capture import ErrorBehaviour, Phase

ORGANISATION = "partner.example"
FIRST = 100_000
COPY_BLOCKS = 8
CLIENTS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the import")
    parser.add_argument("--large", type=float, default=1.0, help="per cent of them with 1,000 items or more")
    parser.add_argument("--workers", type=int, default=2, help="processes that read the document")
    parser.add_argument("--lock", type=float, default=bulk.LOCK_SECONDS, help="seconds that a batch holds the lock")
    parser.add_argument("--behaviour", type=ErrorBehaviour, default=ErrorBehaviour.PROCEED, help="rollback, proceed")
    parser.add_argument("--only", default="import,copy,commands", help="what to measure")
    parser.add_argument("--unnamed", action="store_true", help="leave the eventIDs out, so that events have CBV hashes")
    chosen = parser.parse_args()
    feed = Feed(chosen.events, chosen.large, named=not chosen.unnamed)
    told = {"events": feed.events, "large_per_cent": feed.large, "named": feed.named, "workers": chosen.workers}
    first_seconds = None
    if "import" in chosen.only:
        with opened(None) as engine:
            engine.organisations.add(ORGANISATION)
            figures, first_seconds = import_(engine, feed, chosen.workers, chosen.lock, chosen.behaviour)
            report("capture of a feed", {**told, "lock_seconds": chosen.lock, "behaviour": chosen.behaviour, **figures})
    if "copy" in chosen.only:
        with opened(None) as engine:
            engine.organisations.add(ORGANISATION)
            report("rows of the first events by COPY alone", {**told, **copy(engine, feed, first_seconds)})
    if "commands" in chosen.only:
        with opened(None) as engine:
            engine.organisations.add(ORGANISATION)
            report("commands during a capture", {**told, **commands(engine, feed, chosen.workers, chosen.lock)})


def import_(
    engine: Engine, feed: Feed, workers: int, lock: float, behaviour: ErrorBehaviour
) -> tuple[dict[str, object], float | None]:
    """Import the feed; return the figures, and the seconds from the start to the first 100,000 events."""
    job = spooled(engine, feed, ORGANISATION, behaviour=behaviour)
    times: list[tuple[float, int]] = [(0.0, 0)]
    started = time.perf_counter()

    def progress(phase: Phase, done: int, whole: int) -> None:
        if phase is Phase.APPENDING:
            times.append((time.perf_counter() - started, done))
            talk(f"\r{done} of {whole} events")

    with BlockWorkers(workers) as pool:
        ended = CaptureRun(engine, pool, job, progress=progress, lock_seconds=lock).run()
    took = time.perf_counter() - started
    talk("\n")
    assert ended.counts.recorded == feed.events, ended
    fifth = feed.events // 5
    fifths = [reached(times, (n + 1) * fifth) - reached(times, n * fifth) for n in range(5)]
    peak = {
        "this": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "workers": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    }
    return {
        "document_bytes": job.size,
        "seconds": round(took, 1),
        "per_second": round(feed.events / took),
        "per_second_by_fifth": [round(fifth / seconds) for seconds in fifths],
        "last_fifth_to_first": round(fifths[0] / fifths[4], 2),
        "batches": len(times) - 1,
        "peak_memory_mb": {name: round(kilobytes / 1024) for name, kilobytes in peak.items()},
        "database_bytes_an_event": round(database_bytes(engine) / feed.events),
        "index_bytes_an_event": {name: round(size / feed.events) for name, size in index_bytes(engine).items()},
        "targets": {"per_second": [6000, 10600], "last_fifth_to_first": [0.6, 0.85], "peak_memory_mb": [300, 150]},
    }, reached(times, FIRST) if feed.events >= FIRST else None


def reached(times: list[tuple[float, int]], events: int) -> float:
    """Return when so many events were committed, between two batches in proportion."""
    for (before, done), (after, more) in pairwise(times):
        if more >= events:
            return before + (after - before) * (events - done) / (more - done)
    return times[-1][0]


def copy(engine: Engine, feed: Feed, first_seconds: float | None) -> dict[str, object]:
    """Copy the rows of the first events, made and sorted ahead."""
    job = spooled(engine, feed, ORGANISATION)
    packed = list(packs(engine, job.job_id))
    head, batches = 0, []
    for i in range(0, len(packed), COPY_BLOCKS):
        some = in_order(joined(packed[i : i + COPY_BLOCKS]))
        ledger = engine.ledger.ledger_id
        rows = [("record", record_data(some, ledger, head, 1)), *index_data(some, ledger, head)]
        batches.append((rows, len(some)))
        head += len(some)
    del packed
    with psycopg.connect(engine.urls.runtime, autocommit=True) as connection:
        started = time.perf_counter()
        for rows, _ in batches:
            with connection.transaction(), connection.cursor() as cursor:
                for table, data in rows:
                    bulk.copy_into(cursor, f"ledger.{table}", table, data)
        took = time.perf_counter() - started
    figures: dict[str, object] = {"first": head, "seconds": round(took, 2), "per_second": round(head / took)}
    if first_seconds is not None:
        figures["ratio"] = round(took * FIRST / head / first_seconds, 2)
    return {**figures, "targets": {"ratio": [0.35, 0.6]}}


def packs(engine: Engine, job_id: UUID) -> Iterator[Packed]:
    """Yield the first events, packed by two processes."""
    document = engine.spool.document(job_id, 0)
    with document.open("rb") as stream:
        envelope = open_envelope(stream)
    tasks = [BlockTask(str(document), block, dumps(envelope.context), ORGANISATION, ()) for block in envelope.blocks]
    done = 0
    with BlockWorkers(2) as workers:
        for prepared in workers.prepared(tasks):
            packed = prepared.packed()
            done += len(packed)
            yield packed
            if done >= FIRST:
                return


def commands(engine: Engine, feed: Feed, workers: int, lock: float) -> dict[str, object]:
    """Import a part of the feed beside eight clients of another process, which say how long each append took."""
    job = spooled(engine, Feed(min(feed.events, 2 * FIRST), feed.large, feed.named), ORGANISATION)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks._clients", engine.urls.runtime, str(CLIENTS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as clients:  # fmt: skip
        assert clients.stdout is not None
        clients.stdout.readline()  # they have begun
        started = time.perf_counter()
        with BlockWorkers(workers) as pool:
            ended = CaptureRun(engine, pool, job, lock_seconds=lock).run()
        took = time.perf_counter() - started
        said, _ = clients.communicate("end\n", timeout=60)
    return {
        "clients": CLIENTS,
        "imported_per_second": round(ended.counts.recorded / took),
        **json.loads(said),
        "targets": {"p99_ms": [150, 60]},
    }


def database_bytes(engine: Engine) -> int:
    with psycopg.connect(engine.urls.owner) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def index_bytes(engine: Engine) -> dict[str, int]:
    """Return the bytes of each kind of index row with its indexes, in all partitions."""
    query = """
        SELECT coalesce(parent.relname, t.relname)::text, sum(pg_total_relation_size(t.oid))
          FROM pg_class t
          LEFT JOIN pg_inherits i ON i.inhrelid = t.oid
          LEFT JOIN pg_class parent ON parent.oid = i.inhparent
         WHERE t.relnamespace = 'ledger'::regnamespace AND t.relkind = 'r'
         GROUP BY 1
    """
    with psycopg.connect(engine.urls.owner) as connection:
        sizes: dict[str, int] = dict(connection.execute(query).fetchall())
    return {name: int(sizes[name]) for name in ("posting", "mark", "edge", "sighting")}


def report(name: str, figures: dict[str, object]) -> None:
    print(json.dumps({"benchmark": name, "machine": machine(), "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
