"""The lists of EPCIS (`/epcis/readPoints`, `/epcis/epcs` …) over a ledger of the generated feed, as one of its fifty.

    python -m tests.benchmarks.lists [--events 100000] [--large 1] [--requests 100] [--data FOLDER]

Prints JSON, one object a list: the first page and the following ones, and before that how long it takes to gather the
places and dispositions of the whole ledger, which the first request does that asks for them. `--data` is that of
`tests.benchmarks.queries`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from adapters.postgres.listed import forget_listed
from api.epcis_lists import members
from api.wiring import Engine
from tests.benchmarks import generate
from tests.benchmarks._loaded import Feed, loaded
from tests.benchmarks._machine import machine
from tests.benchmarks.queries import PAGE, READER
from traceability.errors import UnavailableError
from traceability.gs1.epcis.query.collections import Collection
from traceability.ledger.access import Reader


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="events in the ledger")
    parser.add_argument("--large", type=float, default=1.0, help="per cent of events with 1,000 items or more")
    parser.add_argument("--requests", type=int, default=100, help="requests of each list")
    parser.add_argument("--data", type=Path, help="folder of a ledger to load, or to use again")
    chosen = parser.parse_args()
    with loaded(Feed(chosen.events, chosen.large), chosen.data, profiles=False) as engine:
        reader = engine.organisations.reader(generate.organisations()[READER].name)
        head = engine.ledger.head()
        told = {"benchmark": "lists", "events": head, "reader": reader.organisation, **machine()}
        print(json.dumps({**told, "gathered_s": round(gather(engine, reader), 3)}), flush=True)
        for collection in Collection:
            print(json.dumps(measure(engine, reader, collection, chosen.requests)), flush=True)


def gather(engine: Engine, reader: Reader) -> float:
    """Gather places and dispositions from nothing; return the seconds that it took."""
    with engine.pool.connection() as connection:
        forget_listed(connection, engine.ledger.ledger_id)
    began = time.perf_counter()
    while True:
        try:
            members(engine, reader, Collection.READ_POINTS, size=PAGE, token=None)
        except UnavailableError:
            continue
        return time.perf_counter() - began


def measure(engine: Engine, reader: Reader, collection: Collection, requests: int) -> dict[str, object]:
    token, found = None, 0
    first: list[float] = []
    times: list[float] = []
    for _ in range(requests):
        began = time.perf_counter()
        page = members(engine, reader, collection, size=PAGE, token=token)
        took = (time.perf_counter() - began) * 1000
        (first if token is None else times).append(took)
        found += len(page.values)
        token = None if page.next is None else page.next.token
    return {
        "benchmark": "lists",
        "list": collection,
        "members_a_page": round(found / requests, 1),
        "first_page_ms": percentiles(first),
        "following_ms": percentiles(times),
    }


def percentiles(times: list[float]) -> dict[str, float]:
    if len(times) < 2:
        return {f"p{p}": round(time_, 2) for p in (50, 95) for time_ in times}
    cut = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": round(cut[49], 2), "p95": round(cut[94], 2)}


if __name__ == "__main__":
    main()
