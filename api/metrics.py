"""What an operator watches, in the text format of Prometheus (0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from adapters.postgres.metrics import MOST_COUNTED, count
from api.provenance import published_trees
from api.wiring import Engine

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SEVERITIES: Final = ("error", "warning")


class Gauge(NamedTuple):
    """A number that goes up and down: its samples, by what stands behind the name."""

    name: str
    told: str
    samples: dict[str, int]


def metrics(engine: Engine) -> str:
    """Return all gauges of the engine's ledger; raises `UnavailableError`.

    They hold numbers and no names, and cost a few milliseconds however long the ledger is.
    """
    return "".join(line for gauge in _gauges(engine) for line in _lines(gauge))


def _gauges(engine: Engine) -> Iterator[Gauge]:
    found, published = count(engine.ledger), published_trees(engine).published
    yield _one("ledger_position", "Position of the last event.", found.head)
    yield _one("log_published_position", "Position of the last event whose checkpoint is served.", published)
    yield _one("evaluation_position", "Position up to which every organisation's things are judged.", found.judged)
    yield Gauge(
        "irregularities_standing",
        f"What stands of what the evaluator found, for each organisation that is told; {MOST_COUNTED} at most.",
        {f'{{severity="{severity}"}}': found.standing.get(severity, 0) for severity in _SEVERITIES},
    )
    yield _one("capture_jobs_unfinished", "Captures that wait or are under way.", found.captures)
    yield _one("partners_failing", "Partners of which the last attempt failed.", found.partners_failing)
    yield _one("subscriptions_failing", "Subscriptions of which the last delivery failed.", found.subscriptions_failing)


def _one(name: str, told: str, value: int) -> Gauge:
    return Gauge(name, told, {"": value})


def _lines(gauge: Gauge) -> Iterator[str]:
    name = f"traceability_{gauge.name}"
    yield f"# HELP {name} {gauge.told}\n# TYPE {name} gauge\n"
    for labels, value in gauge.samples.items():
        yield f"{name}{labels} {value}\n"
