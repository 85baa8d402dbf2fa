"""Imports as processes that can be killed, documents with everything in them, and what an import leaves to compare."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
from pydantic import SecretStr

from api.capture.blocks import BlockWorkers
from api.capture.receive import receiving, take_job
from api.capture.run import CaptureRun, Progress
from api.findings import findings_of
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.benchmarks.generate import HEAD, TAIL, feed
from tests.conftest import Database
from tests.support.ledger_history import check_ledger
from traceability.ledger.capture import CaptureJob, Counts, ErrorBehaviour, Phase
from traceability.ledger.findings import FindingFilter
from traceability.ledger.parts import Parts

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from api.cli import main; main()"]
SENDER = "sender.example"
PATIENCE_SECONDS = 120  # for what must happen in the end; nothing is said about how long it takes

# What is planted among the events of the generator, by how many events apart.
MALFORMED, TWIN, DUPLICATE, CONFLICT = 41, 53, 67, 71
TOLD = 40  # malformed events of one capture; more are only counted
_BAD = (b'{"type":"ObjectEvent","eventTime":"yesterday"}', b"17", b'{"type":"PartyEvent"}', b'{"a":1,"a":2}')


def planted(events: int, *, malformed: bool) -> Iterator[bytes]:
    """Yield the events of a feed, twins beside them, repeats and contradictions far behind, and malformed ones."""
    told: list[bytes] = []
    for number, event in enumerate(feed(events, large=0.5), 1):
        told.append(event)
        yield event
        if number % TWIN == 0:
            yield event
        if number % DUPLICATE == 0:
            yield told[number // 2]
        if number % CONFLICT == 0:
            yield re.sub(rb'("eventTimeZoneOffset":)"[^"]+"', rb'\1"+13:00"', told[number // 3])
        if malformed and number % MALFORMED == 0:
            yield _BAD[number % len(_BAD)]


def write_documents(folder: Path, count: int, events: Sequence[bytes]) -> list[Path]:
    """Write the events as so many documents."""
    paths = []
    size = -(-len(events) // count)
    for number in range(count):
        path = folder / f"{number}.jsonld"
        path.write_bytes(HEAD + b",\n".join(events[number * size : number * size + size]) + TAIL)
        paths.append(path)
    return paths


@dataclass(frozen=True)
class Left:
    """What imports left: by organisation its jobs, its records in their order, its findings in theirs.

    A position is the rank among the organisation's records, and ids, salts and times are left out: with nobody else
    about, the same documents leave the same.
    """

    jobs: list[tuple[str, tuple[str, ...], int, Phase, bool, int, Counts]]
    records: dict[str, list[tuple[str, Parts]]]
    findings: dict[str, list[tuple[Any, ...]]]


def left_by(engine: Engine, database: Database) -> Left:
    """Check the ledger, and tell what is in it."""
    history = check_ledger(engine.ledger, database.owner_url)
    found = findings_of(engine)
    jobs: list[tuple[str, tuple[str, ...], int, Phase, bool, int, Counts]] = []
    records: dict[str, list[tuple[str, Parts]]] = {}
    findings: dict[str, list[tuple[Any, ...]]] = {}
    for organisation in sorted(one.name for one in engine.organisations.all()):
        jobs += [
            (organisation, job.documents, job.size, job.phase, job.failed, job.appended, job.counts)
            for job in reversed(engine.jobs.list(organisation, limit=100))
        ]
        own = [record for record in history if record.event.captured_by == organisation]
        rank = {record.position: number for number, record in enumerate(own, 1)}
        records[organisation] = [(record.event.type, record.event.parts) for record in own]
        findings[organisation] = []
        after = None
        while page := found.page(organisation, FindingFilter(), after=after, limit=1_000, oldest_first=True):
            after = page[-1].finding_id
            for one in page:
                letter = found.letter(organisation, one.letter_id) if one.letter_id else None
                about = (one.origin.document, one.event_index, one.path, one.code, one.severity, one.state)
                place = None if one.position is None else rank[one.position]
                message = re.sub(r"position \d+", f"position {place}", one.message)
                findings[organisation].append((*about, message, place, letter and (letter.body, letter.context)))
    return Left(jobs, records, findings)


@dataclass(frozen=True)
class Site:
    """A database and a data folder on which programs run; holds on jobs are short."""

    database: Database
    folder: Path
    spool: Path | None = None
    lease_seconds: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def settings(self) -> Settings:
        return Settings(
            database_url=SecretStr(self.database.runtime_url),
            database_owner_url=SecretStr(self.database.owner_url),
            data=self.folder / "data",
            spool=self.spool,
            organisation=SENDER,
            capture_lease_seconds=self.lease_seconds,
            capture_workers=2,
            capture_max_malformed=TOLD,
        )

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Open the engine in this process; the sender is there."""
        with open_engine(self.settings()) as engine:
            if SENDER not in {one.name for one in engine.organisations.all()}:
                engine.organisations.add(SENDER)
            yield engine

    @contextmanager
    def program(self, *arguments: str, folder: Path | None = None, log: str = "log") -> Iterator[subprocess.Popen[str]]:
        """Start a command of the program in a folder; it is killed with the context."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("TRACEABILITY_")}
        environment = {
            **others,
            "PYTHONPATH": str(ROOT),
            "TRACEABILITY_DATABASE_URL": self.database.runtime_url,
            "TRACEABILITY_DATA": str(self.folder / "data"),
            "TRACEABILITY_SPOOL": str(self.spool or self.folder / "data" / "spool"),
            "TRACEABILITY_ORGANISATION": SENDER,
            "TRACEABILITY_CAPTURE_LEASE_SECONDS": str(self.lease_seconds),
            "TRACEABILITY_CAPTURE_WORKERS": "2",
            "TRACEABILITY_OUTGOING_ALLOW": "127.0.0.1",
            "TRACEABILITY_PARTNER_TIMEOUT_SECONDS": "3",
            "TRACEABILITY_CAPTURE_MAX_MALFORMED": str(TOLD),
            **self.environment,
        }
        with (
            (self.folder / log).open("a") as talk,
            subprocess.Popen(
                [*PROGRAM, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=talk, text=True
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def server(self, log: str = "log") -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
        """Start a server, which runs jobs, and give a client of it."""
        with self.program("serve", "--port", "0", "--json", log=log) as process:
            assert process.stdout is not None
            said = "".join(iter(process.stdout.readline, "}\n")) + "}"
            with httpx.Client(base_url=orjson.loads(said)["url"], timeout=60) as client:
                yield process, client


def put(engine: Engine, documents: Sequence[Path], behaviour: ErrorBehaviour, organisation: str = SENDER) -> CaptureJob:
    """Make a job of documents, for whoever takes it."""
    with receiving(engine, organisation, behaviour) as (upload, make):
        for path in documents:
            with upload.file(path.name) as out:
                out.write(path.read_bytes())
        return make()


def run_all(engine: Engine, progress: Progress = lambda _phase, _done, _whole: None) -> list[CaptureJob]:
    """Run every job that can be had, in this process, and return how they ended."""
    ended = []
    with BlockWorkers(1) as blocks:
        while (job := take_job(engine)) is not None:
            ended.append(CaptureRun(engine, blocks, job, progress=progress).run())
    return ended


def wait_until(condition: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for what must happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def children_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a process has started, where the system tells."""
    pids = []
    with suppress(OSError):
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            pids += [int(pid) for pid in (task / "children").read_text().split()]
    return pids


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and is not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def jobs_of(engine: Engine) -> list[CaptureJob]:
    return engine.jobs.list(SENDER, limit=100)


def moments(seed: int) -> Callable[[float], None]:
    """Return a pause of a random part of so many seconds, somewhere in the middle of something."""
    choose = random.Random(seed)
    return lambda most: time.sleep(choose.random() * most)
