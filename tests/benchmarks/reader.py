"""What an event costs the processor between its bytes and its prepared record, in this interpreter.

    python -m tests.benchmarks.reader [--events 2000] [--rounds 7] [--seed 1]

Prints JSON: microseconds of processor time an event, for a feed of events of the usual size and for one in which every
hundredth names 1,000 items or more. Each round reads events that none before it has seen, in batches that are let go,
with the garbage collector off as in a worker; the first round warms the caches, the figures are medians of the others.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, TypeVar

import orjson

from adapters.system import SystemClock, SystemEntropy
from tests.benchmarks._machine import machine
from tests.benchmarks.generate import HEAD, TAIL, feed
from traceability.gs1.epcis import content_digest, index_rows
from traceability.gs1.epcis.context import Names, standard_names
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.reader import read_event
from traceability.gs1.epcis.strict_json import plain_value
from traceability.ledger.commitment import SALT_SIZE, commit
from traceability.ledger.event import LedgerEvent
from traceability.ledger.store import RANDOM_SIZE, LedgerRules, prepare

BATCH: Final = 500
CAPTURED_BY: Final = "partner.example"
RULES: Final = LedgerRules(
    indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy()
)
PERSONAL: Final = PersonalMembers(())

Given = TypeVar("Given")
Made = TypeVar("Made")
Times = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000, help="events of a round")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    gc.disable()
    for name, large in (("usual size", 0.0), ("one in a hundred large", 1.0)):
        whole = feed((chosen.rounds + 1) * chosen.events, chosen.seed, large=large)
        rounds = [list(islice(whole, chosen.events)) for _ in range(chosen.rounds + 1)]
        gc.collect()
        gc.freeze()
        times = [one_round(events) for events in rounds][1:]
        figures = {stage: round(statistics.median(each[stage] for each in times), 1) for stage in times[0]}
        size = statistics.mean(len(event) for events in rounds for event in events)
        found = {"mean_bytes": round(size), "microseconds_an_event": figures}
        print(json.dumps({"benchmark": f"event to record, {name}", "machine": machine(), "figures": found}), flush=True)


def one_round(events: Sequence[bytes]) -> Times:
    """Return the microseconds an event of each stage, and of reading and preparing in one go."""
    names = standard_names().within(orjson.loads(HEAD + TAIL)["@context"], Findings(None, "$"), "")
    times: Times = defaultdict(float)

    def stage(name: str, step: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
        begun = time.process_time()
        made = [step(one) for one in given]
        times[name] += (time.process_time() - begun) / len(events) * 1e6
        return made

    for at in range(0, len(events), BATCH):
        batch = events[at : at + BATCH]
        stage("decode", plain_value, batch)
        cut = stage("decode, check, cut, write, index", lambda event: read(event, names), batch)
        stage("index again from the parts", lambda event: index_rows(event.parts), cut)
        stage("commit", lambda event: commit(event.parts, bytes(SALT_SIZE), bytes(SALT_SIZE)), cut)
        del cut
        begun = time.process_time()
        random = RULES.entropy.token(RANDOM_SIZE * len(batch))
        ready = [
            prepare(
                read(event, names),
                RULES,
                captured_by=CAPTURED_BY,
                random=random[n * RANDOM_SIZE : (n + 1) * RANDOM_SIZE],
            )
            for n, event in enumerate(batch)
        ]
        times["whole"] += (time.process_time() - begun) / len(events) * 1e6
        assert len(ready) == len(batch)
    return dict(times)


def read(source: bytes, names: Names) -> LedgerEvent:
    event = read_event(source, names, CAPTURED_BY, PERSONAL, Findings(0, "$"))
    assert event is not None
    return event


if __name__ == "__main__":
    main()
