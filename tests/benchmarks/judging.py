"""The evaluator that runs by itself: how fast it judges what is recorded, and what it costs an import beside it.

    python -m tests.benchmarks.judging [--events 30000] [--large 1] [--only one,fifty,beside] [--profile]

Prints JSON. `one` judges the feed of one organisation that recorded all of it, `fifty` that of fifty that see what
names them. `beside` imports the feed alone, and while a server's evaluator judges it: the ratio is what is left of the
speed, and both together end when all is judged. With `--profile` the functions in which most of the time goes by are
said on stderr.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from api import collector
from api.capture.blocks import BlockWorkers
from api.capture.run import CaptureRun
from api.evaluator import evaluating, judge, judging_of
from api.wiring import Engine
from tests.benchmarks._loaded import Feed, loaded, opened, spooled, talk
from tests.benchmarks._machine import machine

ORGANISATION = "partner.example"
_FUNCTIONS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=30_000, help="events of the feed")
    parser.add_argument("--large", type=float, default=1.0, help="per cent of them with 1,000 items or more")
    parser.add_argument("--only", default="one,fifty,beside", help="what to measure")
    parser.add_argument("--profile", action="store_true", help="say where the time goes by")
    chosen = parser.parse_args()
    feed = Feed(chosen.events, chosen.large)
    told = {"events": feed.events, "large_per_cent": feed.large}
    if "one" in chosen.only:
        with opened(None) as engine:
            imported(engine, feed)
            report("judging what one organisation recorded", {**told, **judged(engine, profile=chosen.profile)})
    if "fifty" in chosen.only:
        with TemporaryDirectory() as folder, loaded(feed, Path(folder), profiles=False) as engine:
            report("judging what fifty organisations recorded", {**told, **judged(engine, profile=chosen.profile)})
    if "beside" in chosen.only:
        with opened(None) as engine:
            alone = imported(engine, feed)
        with opened(None) as engine, evaluating(engine):
            started = time.perf_counter()
            beside = imported(engine, feed)
            came = _judged_to(engine)
            while _judged_to(engine) < feed.events:
                time.sleep(0.1)
            both = time.perf_counter() - started
        figures = {
            "alone_per_second": round(feed.events / alone),
            "beside_per_second": round(feed.events / beside),
            "ratio": round(alone / beside, 2),
            "judged_at_its_end": came,
            "imported_and_judged_per_second": round(feed.events / both),
            "targets": {"beside_per_second": [4_500, 9_000]},
        }
        report("import while it is judged", {**told, **figures})


def _judged_to(engine: Engine) -> int:
    return min((one.position for one in judging_of(engine).cursors().values()), default=0)


def imported(engine: Engine, feed: Feed) -> float:
    """Import the feed as one organisation; return the seconds that it took."""
    engine.organisations.add(ORGANISATION)
    job = spooled(engine, feed, ORGANISATION)
    started = time.perf_counter()
    with BlockWorkers(None) as workers:
        ended = CaptureRun(engine, workers, job).run()
    assert ended.counts.recorded == feed.events, ended
    return time.perf_counter() - started


def judged(engine: Engine, *, profile: bool) -> dict[str, object]:
    """Judge all that is recorded, from nothing."""
    collector.settle()
    with ExitStack() as stack:
        profiler = stack.enter_context(cProfile.Profile()) if profile else None
        started = time.perf_counter()
        head = judge(engine, once=True, progress=lambda done, whole: talk(f"\r{done} of {whole} events"))
        took = time.perf_counter() - started
    talk("\n")
    if profiler is not None:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(_FUNCTIONS)
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(_FUNCTIONS)
    with engine.pool.connection() as connection:
        counted = connection.execute("SELECT code, count(*) FROM work.irregularity GROUP BY 1 ORDER BY 1").fetchall()
    return {"seconds": round(took, 1), "per_second": round(head / took), "irregular": dict(counted)}


def report(name: str, figures: dict[str, object]) -> None:
    print(json.dumps({"benchmark": name, **figures, "load_1min": machine()["load_1min"]}), flush=True)


if __name__ == "__main__":
    main()
