"""What an organisation waits for because of what it may not see.

    python -m tests.benchmarks.hidden [--events 20000] [--times 4] [--things 60] [--rounds 5]

Prints JSON. Two ledgers of one database hold the same supply chains of fifty organisations. In the second another
organisation, which opens nothing, has recorded all of it again, so many `times`, of the same things and instants.
One of the fifty asks both, in turns, for things that it made or received: an item with its history, traces back and
forward as JSON, what is irregular, and the EPCIS events of a thing. The figures are the medians of each kind and
their ratio. Target: 1.1 at most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from adapters.postgres.embedded import OWNER_ROLE, RUNTIME_ROLE, embedded_server
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.migrate import migrate
from api import collector
from api.epcis_events import ask_page, question
from api.evaluations import EvaluationIn, describe_evaluation
from api.provenance import history_of
from api.settings import Settings
from api.trace_models import TraceIn
from api.traces import trace_json
from api.wiring import Engine, open_engine
from tests.benchmarks._machine import machine
from tests.support import chains
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.event import LedgerEvent

READER: Final = 7
SECRETIVE: Final = "secretive.example"
LEDGERS: Final = {"main": 0, "hidden": 1}
LEAST: Final = 1.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000, help="events that are not hidden")
    parser.add_argument("--times", type=int, default=4, help="how often each is recorded again by who hides it")
    parser.add_argument("--things", type=int, default=60, help="things that are asked for")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is asked for, the first not counted")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(embedded_server(folder / "postgres"))
        owner, runtime = server.url(role=OWNER_ROLE), server.url(role=RUNTIME_ROLE)
        migrate(owner, runtime_role=RUNTIME_ROLE)
        add_ledger(owner, "hidden", ())
        engines = []
        for name in LEDGERS:
            settings = Settings(
                database_url=SecretStr(runtime), data=folder / name, ledger=name, organisation=chains.name_of(READER)
            )
            engine = stack.enter_context(open_engine(settings))
            load(engine, chosen.events // chains.EVENTS_OF_CHAIN, chosen.times * LEDGERS[name])
            engines.append(engine)
        collector.settle()
        compare(engines, things(chosen.events // chains.EVENTS_OF_CHAIN)[: chosen.things], chosen.rounds)


def load(engine: Engine, count: int, times: int) -> None:
    """Record the chains, each event followed by its hidden copies."""
    for number in range(chains.ORGANISATIONS):
        name = chains.name_of(number)
        engine.organisations.add(name, glns=[chains.gln_of(number)])
        engine.organisations.set_grant(Grant(name, PUBLIC, None, frozenset({"what", "where", "how"})))
    engine.organisations.add(SECRETIVE)
    for batch in engine.ledger.append_all(told(count, times)):
        print(f"\r{batch[-1].position} events", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def told(count: int, times: int) -> Iterator[LedgerEvent]:
    for number, event in enumerate(chains.events(count)):
        yield event
        for copy in range(times):
            head = event.parts.head.replace(event.captured_by.encode(), SECRETIVE.encode(), 1)
            more = b'{"eventID":"urn:x:%d:%d"}' % (number, copy)  # no party is named, and so none is shown it
            parts = replace(event.parts, head=head, why=b"", more=more, source=b"")
            yield LedgerEvent(type=event.type, data=b"", tags=[], captured_by=SECRETIVE, parts=parts)


def things(count: int) -> list[str]:
    """Return packs of chains that the reader made or received, and of every fourth its pallet."""
    mine = [chain for chain in range(count) if READER in (chains.maker_of(chain), chains.receiver_of(chain))]
    return [chains.pallet_of(chain) if n % 4 == 0 else chains.pack_of(chain, n % 20) for n, chain in enumerate(mine)]


def kinds(engine: Engine, reader: Reader) -> dict[str, Callable[[str], object]]:
    def trace(direction: str, thing: str) -> bytes:
        return trace_json(engine, reader, TraceIn.model_validate({"roots": [thing], "direction": direction}))

    def item(thing: str) -> object:
        return history_of(engine, reader, parse_identifier(thing), as_of=None, known_at=None)

    def events(thing: str) -> object:
        return ask_page(engine, reader, question("/epcis/events", [("MATCH_anyEPC", thing)]))

    return {
        "item": item,
        "trace back": partial(trace, "back"),
        "trace forward": partial(trace, "forward"),
        "evaluation": lambda thing: describe_evaluation(engine, reader, EvaluationIn(things=[thing])),
        "epcis events": events,
    }


def compare(engines: list[Engine], asked: list[str], rounds: int) -> None:
    """Ask both ledgers in turns, so that whatever else runs on the machine slows both."""
    both = [kinds(engine, engine.organisations.reader(chains.name_of(READER))) for engine in engines]
    for kind in both[0]:
        times: list[list[float]] = [[], []]
        for turn in range(rounds):
            for n, thing in enumerate(asked):
                for which in ((0, 1), (1, 0))[n % 2]:
                    begun = time.perf_counter()
                    both[which][kind](thing)
                    if turn:
                        times[which].append((time.perf_counter() - begun) * 1_000)
        without, hidden = map(statistics.median, times)
        figures = {
            "median_ms": round(without, 3),
            "median_ms_with_hidden": round(hidden, 3),
            "ratio": round(hidden / without, 3),
            "events": [engine.ledger.head() for engine in engines],
            "asked": len(times[0]),
            "target_ratio": LEAST,
        }
        print(json.dumps({"benchmark": f"hidden events: {kind}", "machine": machine(), "figures": figures}), flush=True)


if __name__ == "__main__":
    main()
