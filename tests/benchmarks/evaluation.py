"""Judging what was recorded about things, in a ledger of a million events, as one of fifty organisations.

    python -m tests.benchmarks.evaluation [--events 1000000] [--large 1] [--data FOLDER]

Prints JSON. The ledger is that of `tests.benchmarks.trace`. Things are packs, cases, pallets and lots; pallets come
back and are used again, so much is said of them. First each is asked for by itself, then five hundred at once.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from api import collector
from api.provenance import ask
from api.wiring import Engine
from tests.benchmarks import generate
from tests.benchmarks._loaded import Feed, loaded
from tests.benchmarks.trace import READER, report, timed
from traceability.ledger.access import Reader
from traceability.supply_chain.evaluation import evaluate

_ALONE, _TOGETHER, _CHUNK = 200, 2_000, 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="events in the ledger")
    parser.add_argument("--large", type=float, default=1.0, help="per cent of them with 1,000 items or more")
    parser.add_argument("--data", type=Path, help="a folder that keeps the loaded ledger")
    chosen = parser.parse_args()
    feed = Feed(chosen.events, chosen.large)
    with loaded(feed, chosen.data) as engine:
        reader = engine.organisations.reader(generate.organisations()[READER].name)
        things = generate.things(_ALONE + _TOGETHER, feed.events, large=feed.large)
        collector.settle()
        times = [timed(partial(_evaluate, engine, reader, [thing])) for thing in things[:_ALONE]]
        report("evaluation of one thing", "p95_ms", times, feed, None)
        chunks = [things[start : start + _CHUNK] for start in range(_ALONE, len(things), _CHUNK)]
        times = [timed(partial(_evaluate, engine, reader, chunk)) for chunk in chunks]
        report(f"evaluation of {_CHUNK} things", "p95_ms", times, feed, None)


def _evaluate(engine: Engine, reader: Reader, things: list[str]) -> object:
    index = ask(engine, reader)
    return evaluate(index, engine.parties(reader, index.known_at), things)


if __name__ == "__main__":
    main()
