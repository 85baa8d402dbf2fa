"""Item page and item JSON over HTTP, with 100,000 events of fifty organisations in the ledger.

    python -m tests.benchmarks.item_page [--events 100000] [--requests 400]

Prints JSON. The server is a process of its own on the loopback; one client asks, over one connection, for packs and
pallets of many supply chains: as one of the fifty organisations, of goods that it made or received, and as the public.
Targets: page p95 50 ms (aim 25), JSON p95 20 ms (aim 10).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr

from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, embedded_server
from adapters.postgres.migrate import migrate
from api.notary import integrate_all
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.benchmarks._machine import machine
from tests.support import chains
from traceability.ledger.access import PUBLIC, Grant
from traceability.ledger.organisations import Scope

READER = 7
PATHS = 97
"""Different things that are asked for, over and over: no page is kept anywhere, so that they need not all differ."""

WARM_UP = 30
TARGETS = {"page": {"least": 50, "aim": 25}, "json": {"least": 20, "aim": 10}}
ACCEPT = {"page": "text/html", "json": "application/json"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="events in the ledger")
    parser.add_argument("--requests", type=int, default=400, help="requests of each kind")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder, "postgres")) as server:
        owner, runtime = server.url(role=OWNER_ROLE), server.url(role=RUNTIME_ROLE)
        migrate(owner, runtime_role=RUNTIME_ROLE)
        settings = Settings(
            database_url=SecretStr(runtime), database_owner_url=SecretStr(owner), data=Path(folder, "data")
        )
        count = chosen.events // chains.EVENTS_OF_CHAIN
        with open_engine(settings) as engine:
            key = load(engine, count)
        with serving(runtime, settings.data) as url, httpx.Client(base_url=url, timeout=30) as client:
            mine = {"Authorization": f"Bearer {key}"}
            for reader, headers, things in (
                ("one of 50 organisations", mine, paths(count, READER)),
                ("public", {}, paths(count, None)),
            ):
                for kind, accept in ACCEPT.items():
                    times = measure(client, things, {**headers, "Accept": accept}, chosen.requests)
                    report(kind, reader, times, chosen.events)


def load(engine: Engine, count: int) -> str:
    """Put the chains in, publish the log, and return a key of the organisation that will ask."""
    for organisation in range(chains.ORGANISATIONS):
        name = chains.name_of(organisation)
        engine.organisations.add(name, display_name=f"Dairy {organisation}", glns=[chains.gln_of(organisation)])
        engine.organisations.set_grant(Grant(name, PUBLIC, None, frozenset({"what", "where", "how"})))
    started = time.perf_counter()
    done = 0
    for batch in engine.ledger.append_all(chains.events(count)):
        done += len(batch)
        talk(f"\r{done} events in {time.perf_counter() - started:.0f} s")
    talk("\n")
    integrate_all(engine)
    return engine.organisations.create_key(chains.name_of(READER), [Scope.QUERY])[1]


def paths(count: int, reader: int | None) -> list[str]:
    """Return the addresses of packs, and of every eighth chain its pallet, spread over the ledger."""
    concerned = [
        chain
        for chain in range(count)
        if reader is None or reader in (chains.maker_of(chain), chains.receiver_of(chain))
    ]
    spread = concerned[:: max(1, len(concerned) // PATHS)][:PATHS]
    things = [
        chains.pallet_of(chain) if i % 8 == 0 else chains.pack_of(chain, i % chains.PACKS)
        for i, chain in enumerate(spread)
    ]
    return [thing.removeprefix("https://id.gs1.org") for thing in things]


@contextmanager
def serving(url: str, data: Path, **more: str) -> Iterator[str]:
    """Run `traceability serve`, with more settings in its environment, and give its address."""
    environment = {"TRACEABILITY_DATABASE_URL": url, "TRACEABILITY_DATA": str(data), **more}
    with commanded(environment, "serve") as address:
        yield address


@contextmanager
def commanded(settings: dict[str, str], *command: str) -> Iterator[str]:
    """Run a command that serves, and give its address."""
    environment = {**os.environ, **settings}
    command = (sys.executable, "-c", "from api.cli import main; main()", *command, "--port", "0", "--json")
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["url"]
        finally:
            process.send_signal(signal.SIGTERM)


def measure(client: httpx.Client, things: list[str], headers: dict[str, str], requests: int) -> list[float]:
    """Return how many milliseconds each answer took, from the first byte sent to the last received."""
    times = []
    for i in range(WARM_UP + requests):
        started = time.perf_counter()
        answer = client.get(things[i % len(things)], headers=headers)
        elapsed = (time.perf_counter() - started) * 1000
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(headers["Accept"])
        if i >= WARM_UP:
            times.append(elapsed)
    return times


def report(kind: str, reader: str, times: list[float], events: int) -> None:
    ordered = sorted(times)
    figures = {
        "p50_ms": round(statistics.median(ordered), 2),
        "p95_ms": round(ordered[int(len(ordered) * 0.95)], 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
        "requests": len(ordered),
        "events": events,
        "reader": reader,
        "target_p95_ms": TARGETS[kind],
    }
    print(json.dumps({"benchmark": f"item {kind} over HTTP", "machine": machine(), "figures": figures}), flush=True)


def talk(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
