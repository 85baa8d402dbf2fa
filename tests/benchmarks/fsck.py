"""Checking a log: records, static files, index, and the newest events alone.

    python -m tests.benchmarks.fsck [--events 200000] [--newest 10000] [--workers 2] [--folder DIR]

Prints JSON. The feed is that of `tests.benchmarks.generate` without large events. `database_and_files` is what
`traceability log fsck --scope records --scope files` does, `everything` what it does without a scope; half of that goes
into making the index again. `hashing alone` is what SHA-256 and SHAKE-256 cost without anything else, on
this machine in the same minute. The processor time is that of the client; the database server has some beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from hashlib import sha256, shake_256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks._machine import machine

if TYPE_CHECKING:
    from api.fsck import Checked
    from api.notary import PublishedLog

_SAMPLE = 2_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--newest", type=int, default=10_000, help="events of the incremental check")
    parser.add_argument("--workers", type=int, default=None, help="processes; one a core unless said")
    parser.add_argument("--folder", type=Path, help="where the loaded ledger is kept; a temporary one unless said")
    chosen = parser.parse_args()
    # Not above: each process that checks imports the program's module again, and that of the command line has nothing.
    from api.fsck import FILES, INDEX, LAST, RECORDS, Asked, LogCheck  # noqa: PLC0415
    from api.notary import published_log  # noqa: PLC0415
    from tests.benchmarks._loaded import Feed, loaded  # noqa: PLC0415

    with loaded(Feed(chosen.events, large=0.0), chosen.folder, profiles=False) as engine:
        log = published_log(engine)

        def check(*scopes: str, since: int | str | None = None) -> tuple[Checked, float, float]:
            asked = Asked(frozenset(scopes), since=since, restart=True)
            run = LogCheck(engine, log, asked, workers=chosen.workers)
            begun, busy = time.perf_counter(), cpu_seconds()
            checked = run.run()
            took, busy = time.perf_counter() - begun, cpu_seconds() - busy
            assert checked.clean, checked
            return checked, took, busy

        report("hashing alone", limit(log))
        runs: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("records", (RECORDS,)),
            ("static files", (FILES,)),
            ("database_and_files", (RECORDS, FILES)),
            ("records and index", (RECORDS, INDEX)),
            ("everything", (RECORDS, INDEX, FILES)),
        )
        for name, scopes in runs:
            checked, took, busy = check(*scopes)
            leaves = max(report.leaves for report in checked.scopes.values())
            figures = {"events": leaves, "seconds": round(took, 3), "events_per_second": round(leaves / took)}
            report(name, figures | {"cpu_microseconds_per_event": round(1e6 * busy / leaves, 2)})
        newest = log.database.identity.first_position + log.database.sequenced() - chosen.newest
        for name, more in (("newest, database_and_files", ()), ("newest, with the index", (INDEX,))):
            _, took, _ = check(RECORDS, FILES, *more, since=newest)
            report(name, {"of": chosen.events, "events": chosen.newest, "seconds": round(took, 3)})
        _, took, _ = check(RECORDS, INDEX, FILES, since=LAST)
        report("nothing new", {"of": chosen.events, "seconds": round(took, 3)})


def limit(log: PublishedLog) -> dict[str, float]:
    """Tell what the hashes of an event cost, from the records' own sizes: no check of every part can be faster."""
    first = log.database.identity.first_position
    rows = list(log.database.rows(0, _SAMPLE))
    calls = seconds = 0.0
    for row in rows:
        *parts, personal, source = row[9:]
        items = parts[1].split(b"\n") if parts[1] else []
        inputs = [bytes(34 + len(part)) for part in (parts[0], *parts[2:], personal, source)]
        inputs += [bytes(33 + len(item)) for item in items] + [bytes(65)] * max(0, len(items) - 1)
        # c₁, C, the leaf, and of the two nodes a leaf has in tree and tiles half each; then the tile's and bundle's.
        inputs += [bytes(70), bytes(257), bytes(58), bytes(65), bytes(58), bytes(65)]
        calls += len(inputs) + 3
        begun = time.perf_counter()
        for data in inputs:
            sha256(data).digest()
        for size in (192, 64, 32 * len(items)):
            shake_256(bytes(33)).digest(size)
        seconds += time.perf_counter() - begun
    cores = os.cpu_count() or 1
    per_event = seconds / len(rows)
    assert rows[0][0] == first
    return {
        "hash_calls_per_event": round(calls / len(rows), 1),
        "microseconds_per_event": round(1e6 * per_event, 2),
        "events_per_second_of_all_cores": round(cores / per_event),
        "sha256_calls_per_second": round(_rate(lambda: sha256(bytes(66)).digest())),
    }


def cpu_seconds() -> float:
    """Return what this process and its ended workers have used; the database server's share is not in it."""
    usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _rate(call: Callable[[], object], count: int = 200_000) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        call()
    return count / (time.perf_counter() - begun)


def report(name: str, figures: dict[str, float]) -> None:
    print(json.dumps({"benchmark": "fsck", "what": name, **figures, "load_1min": machine()["load_1min"]}), flush=True)


if __name__ == "__main__":
    main()
