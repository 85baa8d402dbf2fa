"""Judging a long course of temperature in columns, beside a plain loop over the same readings.

    python -m tests.benchmarks.cold_chain [--readings 10000000] [--looped 300000]

Prints JSON. The readings are a minute apart, from a fixed seed, mostly in the band and sometimes for hours outside. The
loop tells how long it was where; it has to agree with the columns on the part that it goes over.
"""

from __future__ import annotations

import argparse
import json
import time
from decimal import Decimal
from itertools import pairwise

import numpy as np

from tests.benchmarks._machine import machine
from traceability.supply_chain.cold_chain.course import judge, millionths
from traceability.supply_chain.cold_chain.profile import PROFILES, Profile

_MINUTE = 60_000_000
_SEED = 6962
_LEAST = 2_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=10_000_000)
    parser.add_argument("--looped", type=int, default=300_000, help="readings that the plain loop goes over")
    chosen = parser.parse_args()
    random = np.random.default_rng(_SEED)
    at = np.arange(chosen.readings, dtype=np.int64) * _MINUTE
    drift = np.convolve(random.normal(0, 12, chosen.readings), np.full(120, 1 / 120), "same")
    values = np.round((drift + 5) * 1_000_000).astype(np.int64)
    profile = PROFILES["usp.controlled_cold"]
    started = time.perf_counter()
    judge(at, values, profile)
    seconds = time.perf_counter() - started
    some = chosen.looped
    course = judge(at[:some], values[:some], profile)
    assert course is not None
    started = time.perf_counter()
    looped = _loop(at[:some].tolist(), values[:some].tolist(), profile)
    loop_seconds = time.perf_counter() - started
    assert looped == (course.below, course.within, course.above, len(course.excursions))
    figures = {
        "readings": chosen.readings,
        "readings_per_second": round(chosen.readings / seconds),
        "loop_readings_per_second": round(some / loop_seconds),
        "times": round(chosen.readings / seconds / (some / loop_seconds), 1),
        "target_per_second": {"least": _LEAST},
    }
    print(json.dumps({"benchmark": "a course of temperature", "machine": machine(), "figures": figures}))


def _loop(at: list[int], values: list[int], profile: Profile) -> tuple[int, int, int, int]:
    low, high = millionths(Decimal(profile.low)), millionths(Decimal(profile.high))
    below = within = above = excursions = 0
    side = 0
    for (since, value), (until, _) in pairwise([*zip(at, values, strict=True), (at[-1], 0)]):
        now = -1 if value < low else 1 if value > high else 0
        excursions += now not in (0, side)
        side = now
        if now < 0:
            below += until - since
        elif now > 0:
            above += until - since
        else:
            within += until - since
    return below, within, above, excursions


if __name__ == "__main__":
    main()
