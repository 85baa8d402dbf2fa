"""Commands over HTTP, in a ledger that holds the feed of fifty organisations, as one of them.

    python -m tests.benchmarks.commands [--events 100000] [--folder FOLDER] [--rounds 20]

Prints JSON. The server is a process of its own on the loopback; one client sends over one connection. `pack` puts a
thousand packs of one commissioning onto a new pallet, and another thousand each commissioned alone; `commission` issues
100,000 serials, as a range and one by one. Targets: pack 150 ms (aim 60), commission 15,000 items a second (40,000).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks import generate
from tests.benchmarks._loaded import Feed, loaded
from tests.benchmarks._machine import machine
from tests.benchmarks.item_page import serving
from traceability.gs1.check_digits import check_digit
from traceability.ledger.organisations import Scope

GTIN = "09521234000013"
PACKS = 1_000
SERIALS = 100_000
COMMISSIONS = 3


class Client:
    """One organisation's connection; serials and pallets are never used twice."""

    def __init__(self, http: httpx.Client, key: str, run: int) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {key}"}
        self._next = run * 100_000_000
        self._pallets = run * 10_000

    def send(self, name: str, body: dict[str, Any]) -> float:
        """Give a command; return how many milliseconds it took."""
        content = json.dumps(body).encode()
        started = time.perf_counter()
        answer = self._http.post(f"/commands/{name}", content=content, headers=self._headers)
        elapsed = (time.perf_counter() - started) * 1000
        assert answer.status_code == 201, answer.text
        return elapsed

    def serials(self, count: int) -> range:
        self._next += count
        return range(self._next - count, self._next)

    def pallet(self) -> str:
        self._pallets += 1
        number = f"0952123499{self._pallets:07d}"
        return f"https://id.gs1.org/00/{number}{check_digit(number)}"

    def pack(self, *, together: bool) -> float:
        """Commission a thousand packs, together or each alone, and return how long it took to pack them."""
        serials = self.serials(PACKS)
        for some in [serials] if together else [range(n, n + 1) for n in serials]:
            self.send("commission", {"gtin": GTIN, "ranges": [span(some)]})
        things = [f"https://id.gs1.org/01/{GTIN}/21/{serial:09d}" for serial in serials]
        return self.send("pack", {"parent": self.pallet(), "children": things})

    def commission_range(self) -> float:
        """Commission a hundred thousand packs by one range."""
        return self.send("commission", {"gtin": GTIN, "ranges": [span(self.serials(SERIALS))]})

    def commission_list(self) -> float:
        """Commission as many, one by one."""
        return self.send("commission", {"gtin": GTIN, "serials": [f"{n:09d}" for n in self.serials(SERIALS)]})


def span(serials: range) -> dict[str, str]:
    return {"first": f"{serials[0]:09d}", "last": f"{serials[-1]:09d}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="events in the ledger")
    parser.add_argument("--folder", type=Path, help="keep the ledger here")
    parser.add_argument("--rounds", type=int, default=20, help="packs of a thousand that were commissioned together")
    chosen = parser.parse_args()
    with loaded(Feed(chosen.events), chosen.folder) as engine:
        name = generate.organisations()[7].name
        key = engine.organisations.create_key(name, [Scope.CAPTURE])[1]
        with serving(engine.urls.runtime, engine.settings.data) as url, httpx.Client(base_url=url, timeout=60) as http:
            client = Client(http, key, engine.ledger.head() % 90)
            client.pack(together=True)
            measure("pack 1,000 commissioned together", chosen, lambda: client.pack(together=True), chosen.rounds)
            measure("pack 1,000 commissioned alone", chosen, lambda: client.pack(together=False), 3)
            measure("commission 100,000 in a range", chosen, client.commission_range, COMMISSIONS, items=SERIALS)
            measure("commission 100,000 one by one", chosen, client.commission_list, COMMISSIONS, items=SERIALS)


def measure(what: str, chosen: argparse.Namespace, do: Callable[[], float], rounds: int, *, items: int = 0) -> None:
    times = sorted(do() for _ in range(rounds))
    figures: dict[str, object] = {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
        "rounds": rounds,
        "events": chosen.events,
    }
    if items:
        figures["items_a_second"] = round(items / (statistics.median(times) / 1000))
    targets = {"least": 15_000, "aim": 40_000} if items else {"least_ms": 150, "aim_ms": 60}
    print(json.dumps({"benchmark": what, "machine": machine(), "figures": {**figures, "target": targets}}), flush=True)
    print(what, figures, file=sys.stderr)


if __name__ == "__main__":
    main()
