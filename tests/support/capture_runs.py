"""Captures for tests: an engine with a spool, a clock that is moved by hand, documents sent, jobs run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from adapters.postgres import bulk
from adapters.postgres.capture_jobs import PostgresCaptureJobs
from api.capture.blocks import BlockWorkers
from api.capture.receive import receiving, take_job
from api.capture.run import CaptureRun
from api.findings import findings_of
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database
from tests.support.epcis_events import DAIRY, event
from traceability.ledger.capture import CaptureJob, ErrorBehaviour, Phase
from traceability.ledger.findings import Finding, FindingFilter, Letter

NOW = 1_772_352_900_123_456  # 2026-03-01T08:15:00Z
ROLLBACK, PROCEED = ErrorBehaviour


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def now_us(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)


class KilledError(BaseException):
    """Stands for the end of a process."""


@contextmanager
def capture_engine(database: Database, data: Path, clock: HandClock | None = None, **settings: Any) -> Iterator[Engine]:
    """Give an engine with the organisations dairy.example and store.example; its jobs go by `clock`."""
    named = {"data": data, "capture_workers": 1, "organisation": DAIRY, **settings}
    owner = SecretStr(database.owner_url)
    with open_engine(
        Settings(database_url=SecretStr(database.runtime_url), database_owner_url=owner, **named)
    ) as engine:
        for name in (DAIRY, "store.example"):
            engine.organisations.add(name)
        if clock is not None:
            jobs = PostgresCaptureJobs(engine.pool, engine.ledger.ledger_id, clock=clock)
            engine = replace(engine, clock=clock, jobs=jobs)  # noqa: PLW2901 - the same, with other hands
        yield engine


def packs(*numbers: int, **members: Any) -> list[dict[str, Any]]:
    """Events with an eventID each, of one pack each."""
    return [
        event(eventID=f"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a{n:08}", epcList=[pack(n)], **members) for n in numbers
    ]


def pack(number: int) -> str:
    return f"https://id.gs1.org/01/09521234000013/21/{number}"


def send(
    engine: Engine,
    *documents: bytes | Path,
    behaviour: ErrorBehaviour = ROLLBACK,
    organisation: str = DAIRY,
    key: str | None = None,
    held: bool = False,
) -> CaptureJob:
    """Make a job of documents, which are named 0.json, 1.json and so on."""
    with receiving(engine, organisation, behaviour, request_key=key, held=held) as (upload, make):
        for number, document in enumerate(documents):
            with upload.file(f"{number}.json") as out:
                if isinstance(document, Path):
                    with document.open("rb") as stream:
                        while piece := stream.read(1 << 20):
                            out.write(piece)
                else:
                    out.write(document)
        return make()


def run(engine: Engine, job: CaptureJob, progress: Callable[..., None] = lambda *_: None) -> CaptureJob:
    """Run a job that is held to its end, or to where `progress` raises."""
    with BlockWorkers(1) as workers:
        return CaptureRun(engine, workers, job, progress=progress).run()


def captured(engine: Engine, *documents: bytes, behaviour: ErrorBehaviour = ROLLBACK) -> CaptureJob:
    """Send documents and run the job to its end."""
    return run(engine, send(engine, *documents, behaviour=behaviour, held=True))


def claimed(engine: Engine) -> CaptureJob:
    job = take_job(engine)
    assert job is not None
    return job


def found_about(engine: Engine, job: CaptureJob) -> list[Finding]:
    return findings_of(engine).page(
        job.organisation, FindingFilter(job_id=job.job_id), limit=100_000, oldest_first=True
    )


def letter_of(engine: Engine, finding: Finding) -> Letter:
    assert finding.letter_id is not None
    letter = findings_of(engine).letter(finding.origin.organisation, finding.letter_id)
    assert letter is not None
    return letter


def sources(engine: Engine) -> list[bytes]:
    """The events of the ledger as they were received, in order."""
    return [record.event.parts.source for record in engine.ledger.records(range(1, engine.ledger.head() + 1))]


def rows_left(engine: Engine, table: str, columns: Sequence[str] = ("*",)) -> list[tuple[Any, ...]]:
    """Every row of a table of schema `work`."""
    with engine.pool.connection() as connection:
        query = psycopg.sql.SQL("SELECT {} FROM work.{}").format(
            psycopg.sql.SQL(", ".join(columns)), psycopg.sql.Identifier(table)
        )
        return connection.execute(query).fetchall()


def text(one: Any) -> bytes:
    """An event as it stands in a document."""
    return one if isinstance(one, bytes) else json.dumps(one).encode()


def spooled(engine: Engine) -> list[Path]:
    """What lies in the spool."""
    return sorted(engine.spool.folder.iterdir()) if engine.spool.folder.exists() else []


Told = tuple[int | None, str, str, int | None]


def told(findings: Sequence[Finding]) -> list[Told]:
    """Return of each finding: index of its event, path, code, position."""
    return [(one.event_index, one.path, one.code, one.position) for one in findings]


def stop_at(phase: Phase, number: int = 1) -> Any:
    """Return a progress function that ends the run when the phase has come so far for the `number`th time."""
    left = number

    def progress(at: Phase, *_: int) -> None:
        nonlocal left
        left -= at is phase
        if not left:
            raise KilledError

    return progress


def taken_over(engine: Engine, clock: HandClock) -> CaptureJob:
    clock.pass_seconds(31)
    return claimed(engine)


def small_batches(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    for name in ("FIRST_BATCH_ROWS", "MOST_BATCH_ROWS", "LEAST_BATCH_ROWS"):
        monkeypatch.setattr(bulk, name, rows)


def mixed(first: int, count: int) -> list[Any]:
    """Events of every outcome: good ones, one in five malformed, one in seven repeats the first."""
    events: list[Any] = packs(*range(first, first + count))
    events[2::5] = [{**one, "eventTime": "2026-03-01T09:15:00"} for one in events[2::5]]
    events[3::7] = [packs(1)[0]] * len(events[3::7])
    events[4] = {**events[4], "nobody:explains": 1}
    return events


def state(engine: Engine, job: CaptureJob) -> Any:
    """Everything that a run leaves behind, ids and times apart."""
    findings = [(f.origin.document, *told([f]), f.severity, f.letter_id is None) for f in found_about(engine, job)]
    return sources(engine), findings, job.counts, job.appended, job.phase, job.success


def run_killed(engine: Engine, clock: HandClock, phase: Phase) -> tuple[CaptureJob, int]:
    """Let one runner after another take the job over until one brings it to its end; return how many it took."""
    for runs in range(1, 200):
        clock.pass_seconds(31)
        try:
            return run(engine, claimed(engine), stop_at(phase)), runs
        except KilledError:
            continue
    raise AssertionError("no run comes further than the last")


def checked_further_and_further(engine: Engine, clock: HandClock) -> tuple[CaptureJob, int]:
    """Let each runner come one step further with the check than the last, until one ends it; return how many."""
    for runs in range(1, 200):
        with suppress(KilledError):
            return run(engine, taken_over(engine, clock), stop_at(Phase.CHECKING, runs)), runs
    raise AssertionError("no run comes further than the last")
