"""Mass balance along ten thousand transformations, and how much of the root is in what was made of it.

    python -m tests.benchmarks.balance [--transformations 10000] [--times 10]

Prints JSON. The chain is a random one: each transformation takes three lots in, of which one comes from those before
it, and puts two out, in kilograms or pounds. It is in memory, as the walk of a trace leaves it; reading it from the
database is what the benchmark of traces measures. Target for the sums and verdicts together with the shares: 1,000 ms
(aim 300).
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from decimal import Decimal

import numpy as np

from api import collector
from tests.benchmarks._machine import machine
from tests.support.happenings import Happening, lot, records
from traceability.ledger.access import ALL_PARTS
from traceability.supply_chain.balance import balances
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.seen import see
from traceability.supply_chain.shares import Flow, Reached
from traceability.supply_chain.windows import BEGIN

TARGET = {"least": 1000, "aim": 300}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transformations", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=10)
    chosen = parser.parse_args()
    facts, reached = chain(chosen.transformations)
    collector.settle()
    numbers = np.arange(chosen.transformations)
    sums, shares, told = [], [], 0
    for _ in range(chosen.times):
        started = time.perf_counter()
        assert len(list(balances(facts, numbers, Decimal("0.01")))) == chosen.transformations
        sums.append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        told = sum(1 for _ in Flow(facts, reached, numbers).shares())
        shares.append((time.perf_counter() - started) * 1000)
    together = sorted(map(float.__add__, sums, shares))
    figures = {
        "p50_ms": round(statistics.median(together), 1),
        "max_ms": round(together[-1], 1),
        "sums_p50_ms": round(statistics.median(sums), 1),
        "shares_p50_ms": round(statistics.median(shares), 1),
        "transformations": chosen.transformations,
        "shares": told,
        "target_p50_ms": TARGET,
    }
    name = "mass balance and shares along a chain"
    print(json.dumps({"benchmark": name, "machine": machine(), "figures": figures}), flush=True)


def chain(transformations: int) -> tuple[Facts, Reached]:
    """Return what events say of a random chain that begins with one root, and what a walk from there reaches."""
    drawn, facts = random.Random(1), Facts()
    made, told = ["R"], []
    for number in range(transformations):
        before = drawn.choice(made[-20:])
        new = [f"P{number}", f"Q{number}"]
        made += new
        items = [
            ("inputQuantityList", lot(before), drawn.randint(1, 50), "KGM"),
            ("inputQuantityList", lot(f"X{number}"), drawn.randint(1, 50), "LBR"),
            ("inputQuantityList", lot(f"Y{number}"), drawn.randint(1, 500) / 10, "KGM"),
            *[("outputQuantityList", lot(name), drawn.randint(1, 60), "KGM") for name in new],
        ]
        told.append(Happening("transformation", number / 10, items))
    for record in records(told):
        event = see(record, ALL_PARTS, ())
        assert event is not None
        facts.add(event)
    facts.settle()
    things = facts.things
    traced = {things[lot(name)]: BEGIN for name in made}
    return facts, Reached({things[lot("R")]}, traced, {}, {})


if __name__ == "__main__":
    main()
