"""What happened to a thing, where it came from and what became of it, in a ledger of a million events.

    python -m tests.benchmarks.trace [--events 1000000] [--large 1] [--requests 100] [--data FOLDER]

Prints JSON. The ledger holds the feed of `tests.benchmarks.generate`; with `--data` it is loaded once into that folder
and found there the next time. Who asks is one of the fifty organisations: every organisation opens its events' items,
places and conditions to the public, as a profile would.

- Item history is folded in this process, without HTTP, with Python's collector set as `traceability serve` sets it: 400
  packs, cases, pallets and lots, each asked for the first time since the server started, whose cache is empty, and then
  again. Targets for p99: 5 ms (aim 2) at a million events, 10 ms (aim 4) at ten million.
- Traces of about 1,000, 10,000 and 100,000 nodes are asked for over HTTP from a server on the loopback, as JSON and as
  NDJSON. Targets at a million events: JSON p95 50, 250 and 2,500 ms (aim 25, 120, 1,500), with balance and blast
  radius, and at most 1.5 times that (aim 1.1) as of a time and as known at a position; 3,000 ms (aim 1,500) for the
  largest with the whereabouts of everything that is out there; first byte of the largest as NDJSON 300 ms (aim 100).
- Recalls of the same roots as a dry run lists them, with who has what: 3,000 ms (aim 1,500) for the largest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import orjson

from api import collector
from api.provenance import history_of
from api.recalls import plan
from api.wiring import Engine
from tests.benchmarks import generate
from tests.benchmarks._loaded import Feed, loaded
from tests.benchmarks._machine import machine
from tests.benchmarks.item_page import serving
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import Reader
from traceability.ledger.organisations import Scope

READER = 24
"""The index of the organisation that asks, a packer."""

HISTORY_TARGETS = {1_000_000: {"least": 5, "aim": 2}, 10_000_000: {"least": 10, "aim": 4}}
TRACE_TARGETS = {
    1_000: {"least": 50, "aim": 25},
    10_000: {"least": 250, "aim": 120},
    100_000: {"least": 2500, "aim": 1500},
}
RECALL_TARGET = {"least": 3000, "aim": 1500}
FIRST_BYTE_TARGET = {"least": 300, "aim": 100}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="events in the ledger")
    parser.add_argument("--large", type=float, default=1.0, help="per cent of them with 1,000 items or more")
    parser.add_argument(
        "--requests",
        type=int,
        default=100,
        help="requests for the smallest trace; for the others fewer",
    )
    parser.add_argument("--data", type=Path, help="a folder that keeps the loaded ledger")
    chosen = parser.parse_args()
    feed = Feed(chosen.events, chosen.large)
    with loaded(feed, chosen.data) as engine:
        name = generate.organisations()[READER].name
        key = engine.organisations.create_key(name, [Scope.QUERY])[1]
        measure_history(engine, name, feed)
        assert engine.settings.database_url is not None
        runtime = engine.settings.database_url.get_secret_value()
        with (
            serving(runtime, engine.settings.data) as url,
            closing(HTTPConnection(url.removeprefix("http://"), timeout=120)) as client,
        ):
            measure_traces(client, key, feed, chosen.requests)
        measure_recalls(engine, name, feed)


def measure_history(engine: Engine, name: str, feed: Feed) -> None:
    reader = engine.organisations.reader(name)
    things = generate.things(420, feed.events, large=feed.large)
    collector.settle()
    target = HISTORY_TARGETS.get(feed.events)
    for asked in ("asked for the first time since the server started", "asked again"):
        times = [timed(partial(_ask_history, engine, reader, thing)) for thing in things]
        report(f"item history in the process, {asked}", "p99_ms", times[20:], feed, target)


def _ask_history(engine: Engine, reader: Reader, thing: str) -> object:
    return history_of(engine, reader, parse_identifier(thing), as_of=None, known_at=None)


def measure_traces(client: HTTPConnection, key: str, feed: Feed, requests: int) -> None:
    for root, (nodes, target) in zip(
        generate.roots(feed.events, large=feed.large), TRACE_TARGETS.items(), strict=False
    ):
        question = {"roots": [root.id], "direction": "forward", "max_nodes": 200_000}
        count = max(10, requests * 1_000 // nodes)
        asked = [answer(client, key, question, "application/json") for _ in range(1 + count)][1:]
        body = asked[-1].body
        told = orjson.loads(body)
        assert told["complete"], told["frontier"][:3]
        found = {"nodes": len(told["nodes"]), "edges": len(told["edges"]), "bytes": len(body)}
        assert len(told["nodes"]) == root.nodes, (len(told["nodes"]), root)
        report(f"trace of {nodes:,} nodes as JSON", "p95_ms", [one.last for one in asked], feed, target, **found)
        then = {"as_of": max(edge["until"] or edge["since"] or "" for edge in told["edges"])}
        then |= {"known_at": max(event["position"] for event in told["events"])}
        times = [answer(client, key, question | then, "application/json").last for _ in range(1 + count)][1:]
        report(f"the same as of a time and as known at a position, {nodes:,} nodes", "p95_ms", times, feed, None)
        recall = question | {"include": ["whereabouts"]}
        asked = [answer(client, key, recall, "application/json") for _ in range(1 + count)][1:]
        listed = len(orjson.loads(asked[-1].body)["blast_radius"]["whereabouts"])
        of_all = RECALL_TARGET if nodes == 100_000 else None
        times = [one.last for one in asked]
        report(f"the same with whereabouts, {nodes:,} nodes", "p95_ms", times, feed, of_all, listed=listed)
        asked = [answer(client, key, question, "application/x-ndjson") for _ in range(1 + count)][1:]
        wanted = FIRST_BYTE_TARGET if nodes == 100_000 else None
        report(f"trace of {nodes:,} nodes as NDJSON: first byte", "p95_ms", [a.first for a in asked], feed, wanted)
        report(f"trace of {nodes:,} nodes as NDJSON: last byte", "p95_ms", [a.last for a in asked], feed, None)


def measure_recalls(engine: Engine, name: str, feed: Feed) -> None:
    """Measure in this process what a dry run of a recall tells: all that is affected, and who has it."""
    reader = engine.organisations.reader(name)
    collector.settle()
    for root, nodes in zip(generate.roots(feed.events, large=feed.large), TRACE_TARGETS, strict=False):
        ask_for = partial(plan, engine, reader, [root.id], max_nodes=200_000)
        told = ask_for()
        times = [timed(ask_for) for _ in range(max(2, 20_000 // nodes))]
        found = {"affected": told.items + told.lots, "holders": len(told.holders)}
        target = RECALL_TARGET if nodes == 100_000 else None
        report(f"recall list with holders, {nodes:,} nodes, in the process", "p95_ms", times, feed, target, **found)


class Answer(NamedTuple):
    """When the first and the last byte of a body came, in milliseconds from the question on."""

    first: float
    last: float
    body: bytes


def answer(client: HTTPConnection, key: str, question: dict[str, object], accept: str) -> Answer:
    """Ask for a trace. The client is the plainest there is: on a machine with one core, it takes from the server."""
    headers = {"Authorization": f"Bearer {key}", "Accept": accept, "Content-Type": "application/json"}
    started = time.perf_counter()
    client.request("POST", "/provenance/traces", body=orjson.dumps(question), headers=headers)
    told = client.getresponse()
    body = told.read1()
    first = (time.perf_counter() - started) * 1000
    body += told.read()
    last = (time.perf_counter() - started) * 1000
    assert told.status == HTTPStatus.OK, body
    return Answer(first, last, body)


def timed(act: Callable[[], object]) -> float:
    """Return how many milliseconds something takes."""
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def report(name: str, wanted: str, times: list[float], feed: Feed, target: object, **more: int) -> None:
    ordered = sorted(times)
    figures = {
        "p50_ms": round(statistics.median(ordered), 2),
        wanted: round(ordered[int(len(ordered) * int(wanted[1:3]) / 100)], 2),
        "max_ms": round(ordered[-1], 2),
        "times": len(ordered),
        **more,
        **asdict(feed),
        "reader": "one of 50 organisations",
        f"target_{wanted}": target,
    }
    print(json.dumps({"benchmark": name, "machine": machine(), "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
