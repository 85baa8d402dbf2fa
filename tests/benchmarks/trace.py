"""What happened to a thing, where it came from and what became of it, in a ledger of a million events.

    python -m tests.benchmarks.trace [--events 1000000] [--large 1] [--requests 20] [--data FOLDER]

Prints JSON. The ledger holds the feed of `tests.benchmarks.generate`; with `--data` it is loaded once into that folder
and found there the next time. Who asks is one of the fifty organisations: every organisation opens its events' items,
places and conditions to the public, as a profile would.

- Item history is folded in this process, without HTTP: 400 packs, cases, pallets and lots, each asked for the first
  time. Targets for p99: 5 ms (aim 2) at a million events, 10 ms (aim 4) at ten million.
- Traces of about 1,000, 10,000 and 100,000 nodes are asked for over HTTP from a server on the loopback, as JSON and as
  NDJSON. Targets at a million events: JSON p95 50, 250 and 2,500 ms (aim 25, 120, 1,500); first byte of the largest as
  NDJSON 300 ms (aim 100).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
from pydantic import SecretStr

from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, embedded_server
from adapters.postgres.migrate import migrate
from api.notary import integrate_all
from api.provenance import ask
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.benchmarks import generate
from tests.benchmarks._machine import machine
from tests.benchmarks.item_page import serving
from traceability.gs1.epcis import read_document
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.event import LedgerEvent
from traceability.ledger.organisations import Scope
from traceability.supply_chain.history import item_history

READER = 24
"""The index of the organisation that asks, a packer."""

OPENED = frozenset({"what", "where", "how"})
DOCUMENT = 500
"""Events that are read at once while the ledger is loaded."""

HISTORY_TARGETS = {1_000_000: {"least": 5, "aim": 2}, 10_000_000: {"least": 10, "aim": 4}}
TRACE_TARGETS = {
    1_000: {"least": 50, "aim": 25},
    10_000: {"least": 250, "aim": 120},
    100_000: {"least": 2500, "aim": 1500},
}
FIRST_BYTE_TARGET = {"least": 300, "aim": 100}


class Size(NamedTuple):
    """The feed that is in the ledger."""

    events: int
    large: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="events in the ledger")
    parser.add_argument("--large", type=float, default=1.0, help="per cent of them with 1,000 items or more")
    parser.add_argument("--requests", type=int, default=20, help="requests for each trace; half for the largest")
    parser.add_argument("--data", type=Path, help="a folder that keeps the loaded ledger")
    chosen = parser.parse_args()
    size = Size(chosen.events, chosen.large)
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.data or Path(temporary)
        with embedded_server(folder / "postgres") as server:
            owner, runtime = server.url(role=OWNER_ROLE), server.url(role=RUNTIME_ROLE)
            migrate(owner, runtime_role=RUNTIME_ROLE)
            settings = Settings(
                database_url=SecretStr(runtime), database_owner_url=SecretStr(owner), data=folder / "data"
            )
            with open_engine(settings) as engine:
                load(engine, size, folder / "loaded.json")
                name = generate.organisations()[READER].name
                key = engine.organisations.create_key(name, [Scope.QUERY])[1]
                measure_history(engine, name, size)
            with serving(runtime, settings.data) as url, httpx.Client(base_url=url, timeout=120) as client:
                client.headers["Authorization"] = f"Bearer {key}"
                measure_traces(client, size, chosen.requests)


def load(engine: Engine, size: Size, said: Path) -> None:
    """Put the feed in and publish the log, unless the folder has that already."""
    if said.exists():
        kept = Size(**json.loads(said.read_bytes()))
        assert kept == size, f"{said.parent} holds a feed of {kept}"
        return
    for partner in generate.organisations():
        engine.organisations.add(partner.name, display_name=partner.name, glns=list(partner.glns))
        engine.organisations.set_grant(Grant(partner.name, PUBLIC, None, OPENED))
    started, done = time.perf_counter(), 0
    for batch in engine.ledger.append_all(events(size)):
        done += len(batch)
        talk(f"\r{done} events in {time.perf_counter() - started:.0f} s")
    talk("\n")
    integrate_all(engine)
    said.write_text(json.dumps(size._asdict()))


def events(size: Size) -> Iterator[LedgerEvent]:
    """Yield the events of the feed as `feed import` would cut them."""
    names = [partner.name for partner in generate.organisations()]
    told = iter(generate.Feed(size.events, large=size.large))
    while some := list(islice(told, DOCUMENT)):
        for captor in {event.captor for event in some}:
            texts = [event.text.encode() for event in some if event.captor == captor]
            document = read_document(generate.HEAD + b",".join(texts) + generate.TAIL, captured_by=names[captor])
            assert document.valid, document.problems[:3]
            yield from (captured.event for captured in document.events)


def measure_history(engine: Engine, name: str, size: Size) -> None:
    reader = engine.organisations.reader(name)
    things = generate.things(420, size.events, large=size.large)
    times = [timed(partial(lambda thing: item_history(ask(engine, reader), thing), thing)) for thing in things]
    target = HISTORY_TARGETS.get(size.events)
    report("item history in the process", "p99_ms", times[20:], size, target)


def measure_traces(client: httpx.Client, size: Size, requests: int) -> None:
    for root, (nodes, target) in zip(
        generate.roots(size.events, large=size.large), TRACE_TARGETS.items(), strict=False
    ):
        question = {"roots": [root.id], "direction": "forward", "max_nodes": 200_000}
        answers: list[Any] = []

        def asked(question: dict[str, object] = question, answers: list[Any] = answers) -> None:
            answer = client.post("/provenance/traces", json=question)
            assert answer.status_code == 200, answer.text
            answers[:] = [answer.content]

        count = requests if nodes < 100_000 else requests // 2
        times = [timed(asked) for _ in range(1 + count)][1:]
        told = orjson.loads(answers[0])
        assert told["complete"], told["frontier"][:3]
        found = {"nodes": len(told["nodes"]), "edges": len(told["edges"]), "bytes": len(answers[0])}
        assert len(told["nodes"]) == root.nodes, (len(told["nodes"]), root)
        report(f"trace of {nodes:,} nodes as JSON", "p95_ms", times, size, target, **found)
        first = [first_byte(client, question) for _ in range(1 + count)][1:]
        wanted = FIRST_BYTE_TARGET if nodes == 100_000 else None
        report(f"trace of {nodes:,} nodes as NDJSON: first byte", "p95_ms", [t for t, _ in first], size, wanted)
        report(f"trace of {nodes:,} nodes as NDJSON: last byte", "p95_ms", [t for _, t in first], size, None)


def timed(act: Callable[[], object]) -> float:
    """Return how many milliseconds something takes."""
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def first_byte(client: httpx.Client, question: dict[str, object]) -> tuple[float, float]:
    """Return after how many milliseconds the first and the last byte of the body came."""
    started = time.perf_counter()
    first = 0.0
    headers = {"Accept": "application/x-ndjson"}
    with client.stream("POST", "/provenance/traces", json=question, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        for _ in answer.iter_raw():
            first = first or (time.perf_counter() - started) * 1000
    return first, (time.perf_counter() - started) * 1000


def report(name: str, wanted: str, times: list[float], size: Size, target: object, **more: int) -> None:
    ordered = sorted(times)
    figures = {
        "p50_ms": round(statistics.median(ordered), 2),
        wanted: round(ordered[int(len(ordered) * int(wanted[1:3]) / 100)], 2),
        "max_ms": round(ordered[-1], 2),
        "times": len(ordered),
        **more,
        **size._asdict(),
        "reader": "one of 50 organisations",
        f"target_{wanted}": target,
    }
    print(json.dumps({"benchmark": name, "machine": machine(), "figures": figures}), flush=True)


def talk(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
