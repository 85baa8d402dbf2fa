"""Webhooks: from capture to delivery, and a thousand subscriptions on one ledger at a thousand events a second.

    python -m tests.benchmarks.subscriptions [--rate 1000] [--seconds 15] [--subscriptions 1000]

Prints JSON. Server, receiver and whoever records are processes of their own on the loopback. A delay is from before an
event is appended until a receiver has read it; of a subscription of a thousand each event concerns one. Targets: p95 of
one subscription 500 ms (aim 100); no growing lag with a thousand.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, embedded_server
from adapters.postgres.migrate import migrate
from api.named_queries import define
from api.settings import Settings
from api.subscriptions.manage import subscribe
from api.wiring import Engine, open_engine
from tests.benchmarks._machine import machine
from tests.support.epcis_events import document, event
from traceability.gs1.epcis import read_document
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.event import LedgerEvent

OWNER = "dairy.example"
ALONE = 200
BATCH_SECONDS = 0.02
PATIENCE_SECONDS = 20
TARGETS = {"alone_p95_ms": {"least": 500, "aim": 100}}
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_EVENT = re.compile(rb'"eventID":"urn:uuid:(\d+)"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=15, help="how long")
    parser.add_argument("--subscriptions", type=int, default=1_000, help="how many")
    parser.add_argument("--receive", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.receive:
        asyncio.run(receive(Path(chosen.receive)))
        return
    with tempfile.TemporaryDirectory() as folder, embedded_server(Path(folder, "postgres")) as server:
        owner, runtime = server.url(role=OWNER_ROLE), server.url(role=RUNTIME_ROLE)
        migrate(owner, runtime_role=RUNTIME_ROLE)
        settings = Settings(
            database_url=SecretStr(runtime),
            database_owner_url=SecretStr(owner),
            data=Path(folder, "data"),
            outgoing_allow="127.0.0.1",
        )
        with open_engine(settings) as engine:
            engine.organisations.add(OWNER)
            alone = measure(engine, Path(folder), 1, 50, ALONE // 50)
            many = measure(engine, Path(folder), chosen.subscriptions, chosen.rate, chosen.seconds)
    print(
        json.dumps({
            "benchmark": "subscriptions", "targets": TARGETS, "alone": alone, "many": many,
            "load_1min": machine()["load_1min"],
        })
    )  # fmt: skip


def measure(engine: Engine, folder: Path, subscriptions: int, rate: int, seconds: int) -> dict[str, object]:
    """Record events at a rate, and tell how long each took to its subscriber."""
    told = folder / f"arrivals-{subscriptions}"
    first = engine.ledger.head()
    things = [f"https://id.gs1.org/01/09521234000013/21/{subscriptions}x{number}" for number in range(subscriptions)]
    with receiver(told) as port:
        for number, thing in enumerate(things):
            name = f"q{subscriptions}-{number}"
            define(engine, OWNER, dumps({"name": name, "query": {"MATCH_epc": [thing]}}))
            dest = f"http://127.0.0.1:{port}/{number}"
            subscribe(engine, OWNER, name, dumps({"dest": dest, "signatureToken": "secret", "stream": True}))
        events = prepared(things, first, rate * seconds)
        with serving(engine.settings):
            begun = record(engine, events, rate)
            wait_for(told, len(events))
    arrived: dict[int, int] = {}
    for line in told.read_text().splitlines():
        number, at = map(int, line.split())
        arrived.setdefault(number, at)
    for subscription in engine.subscriptions.page(OWNER, limit=1_000):
        engine.subscriptions.drop(OWNER, subscription.query_name, subscription.subscription_id)
    delays = [(arrived[first + n] - at) / 1e6 for n, at in enumerate(begun) if first + n in arrived]
    third = len(delays) // 3
    return {
        "subscriptions": subscriptions,
        "events": len(events),
        "events_per_second": round(len(events) / ((begun[-1] - begun[0]) / 1e9)),
        "delivered": len(delays),
        **{f"p{share}_ms": round(quantile(delays, share), 1) for share in (50, 95, 99)},
        "p95_ms_of_first_third": round(quantile(delays[:third], 95), 1),
        "p95_ms_of_last_third": round(quantile(delays[-third:], 95), 1),
    }


def quantile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100)[share - 1] if len(values) > 1 else float("nan")


def prepared(things: list[str], first: int, count: int) -> list[LedgerEvent]:
    found = [event(eventID=f"urn:uuid:{first + n}", epcList=[things[n % len(things)]]) for n in range(count)]
    return [entry.event for entry in read_document(document(*found), captured_by=OWNER).events]


def record(engine: Engine, events: list[LedgerEvent], rate: int) -> list[int]:
    """Append the events at a rate, and return when each began to be."""
    size = max(1, round(rate * BATCH_SECONDS))
    begun: list[int] = []
    start = time.monotonic()
    for at in range(0, len(events), size):
        time.sleep(max(0.0, start + at / rate - time.monotonic()))
        begun += [time.monotonic_ns()] * len(events[at : at + size])
        engine.ledger.append(events[at : at + size])
    return begun


def wait_for(told: Path, count: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until and told.read_bytes().count(b"\n") < count:
        time.sleep(0.2)


@contextmanager
def serving(settings: Settings) -> Iterator[None]:
    assert settings.database_url is not None
    environment = {
        **os.environ,
        "TRACEABILITY_DATABASE_URL": settings.database_url.get_secret_value(),
        "TRACEABILITY_DATA": str(settings.data),
        "TRACEABILITY_OUTGOING_ALLOW": "127.0.0.1",
    }
    command = [sys.executable, "-c", "from api.cli import main; main()", "serve", "--port", "0", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            "".join(iter(process.stdout.readline, "}\n"))
            time.sleep(3)  # for whoever delivers to have taken all in
            yield
        finally:
            process.terminate()


@contextmanager
def receiver(told: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.benchmarks.subscriptions", "--receive", str(told)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def receive(told: Path) -> None:
    """Answer every post at once, and write down which events came when."""
    with told.open("wb", buffering=0) as out:

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = _LENGTH.search(head)
                    body = await reader.readexactly(int(length[1])) if length else b""
                    now = time.monotonic_ns()
                    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                    out.write(b"".join(b"%s %d\n" % (number, now) for number in _EVENT.findall(body)))
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1_024)
        print(server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    main()
