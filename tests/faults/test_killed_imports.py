"""Imports whose process, server or database is killed, again and again: in the end they are like any other."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.capture_jobs import LostLeaseError, PostgresCaptureJobs
from adapters.postgres.embedded import RUNTIME_ROLE, EmbeddedServer, create_database, embedded_server, stop
from adapters.postgres.migrate import migrate
from adapters.system import SystemClock
from api.capture.blocks import BlockWorkers
from api.capture.receive import take_job, tidy
from api.capture.run import CaptureRun
from api.wiring import Engine
from tests.conftest import database_of
from tests.faults.conftest import Undisturbed
from tests.support.captures import (
    SENDER,
    Site,
    children_of,
    is_alive,
    jobs_of,
    left_by,
    moments,
    planted,
    put,
    run_all,
    wait_until,
    write_documents,
)
from traceability.errors import UnavailableError
from traceability.ledger.capture import CaptureJob, ErrorBehaviour, Phase

KILLS = int(os.environ.get("FAULT_KILLS", "3"))
SEED = 20_260_301


def the_job(engine: Engine) -> CaptureJob | None:
    return next(iter(jobs_of(engine)), None)


def is_over(engine: Engine) -> bool:
    job = the_job(engine)
    return job is not None and not job.running


def at_some_moment(engine: Engine, process: subprocess.Popen[str], round_: int, choose: random.Random) -> None:
    """Wait for a moment of an import: of its beginning in the first rounds, then one behind further batches."""
    before = the_job(engine)
    further = 0 if before is None else before.appended
    if round_ >= 2:
        further += choose.randrange(1, 300)

    def has_come() -> bool:
        job = the_job(engine)
        return process.poll() is not None or (job is not None and (job.appended >= further or not job.running))

    wait_until(has_come)
    moments(choose.randrange(1_000))(0.5 if round_ < 2 else 0.05)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process; what it has started ends by itself."""
    started = children_of(process)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_alive, started)))


def check(engine: Engine, site: Site, undisturbed: Undisturbed) -> None:
    assert left_by(engine, site.database) == undisturbed.left
    tidy(engine)  # as the next server does
    assert engine.spool.jobs() == set()


@pytest.mark.parametrize("behaviour", ErrorBehaviour)
def test_a_server_is_killed_until_its_job_is_done(
    site: Site, rollback: Undisturbed, proceed: Undisturbed, behaviour: ErrorBehaviour
) -> None:
    undisturbed = rollback if behaviour is ErrorBehaviour.ROLLBACK else proceed
    choose = random.Random(SEED)
    with site.engine() as engine:
        put(engine, undisturbed.documents, behaviour)
        for round_ in range(KILLS):
            with site.server() as (process, _):
                at_some_moment(engine, process, round_, choose)
                kill(process)
        with site.server() as (process, client):
            wait_until(lambda: is_over(engine))
            assert client.get("/healthz").is_success
            process.terminate()
            assert process.wait(timeout=60) == 0
        check(engine, site, undisturbed)


def test_a_command_is_killed_and_resumed_until_its_job_is_done(site: Site, proceed: Undisturbed) -> None:
    choose = random.Random(SEED)
    with site.engine() as engine:
        files = [path.name for path in proceed.documents]
        with site.program("feed", "import", "--proceed", *files, folder=proceed.documents[0].parent) as process:
            wait_until(lambda: the_job(engine) is not None)
            at_some_moment(engine, process, 0, choose)
            kill(process)
        for round_ in range(1, KILLS):
            with site.program("feed", "resume") as process:
                at_some_moment(engine, process, round_, choose)
                kill(process)
        while not is_over(engine):
            with site.program("feed", "resume", "--json") as process:
                process.communicate()
        check(engine, site, proceed)


@contextmanager
def own_server(folder: Path) -> Iterator[EmbeddedServer]:
    """Give a database server that may be killed."""
    with embedded_server(folder) as server:
        with psycopg.connect(server.url(role=None, database="postgres"), autocommit=True) as admin:
            create_database(admin, "mortal")
        migrate(database_of(server, "mortal").owner_url, runtime_role=RUNTIME_ROLE)
        yield server
    stop(folder)


def test_the_database_is_killed_during_an_import(tmp_path: Path, rollback: Undisturbed) -> None:
    choose = random.Random(SEED)
    with own_server(tmp_path / "postgres") as postgres:
        site = Site(database_of(postgres, "mortal"), tmp_path)
        with site.engine() as engine:
            put(engine, rollback.documents, rollback.behaviour)
        with site.server() as (process, _):
            for round_ in range(2):
                with site.engine() as engine:
                    at_some_moment(engine, process, 2 * round_, choose)
                    kill_database(postgres)
                with embedded_server(postgres.data):  # recovers it
                    pass
            # The server has gone on by itself, and so has whoever looks.
            with site.engine() as engine:
                wait_until(lambda: is_over(engine))
                assert process.poll() is None
        with site.engine() as engine:
            check(engine, site, rollback)


def kill_database(server: EmbeddedServer) -> None:
    with psycopg.connect(server.url(role=None, database="mortal"), autocommit=True) as canary:
        pid = int((server.data / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGKILL)
        with suppress(psycopg.OperationalError):
            while True:  # the server takes every connection with it
                canary.execute("SELECT")


def test_an_import_in_this_process_says_that_the_database_went(tmp_path: Path, rollback: Undisturbed) -> None:
    with own_server(tmp_path / "postgres") as postgres:
        site = Site(database_of(postgres, "mortal"), tmp_path)
        with site.engine() as engine:
            put(engine, rollback.documents, rollback.behaviour)
            over: list[Phase] = []

            def kill_once(phase: Phase, *_: object) -> None:
                if phase is Phase.APPENDING and not over:
                    over.append(phase)
                    kill_database(postgres)

            with pytest.raises(UnavailableError):
                run_all(engine, progress=kill_once)
            with embedded_server(postgres.data):
                pass
        with site.engine() as engine:
            ended: Callable[[], object] = lambda: run_all(engine) or is_over(engine)  # noqa: E731
            wait_until(ended)
            check(engine, site, rollback)


def has_open_transaction(site: Site) -> bool:
    with psycopg.connect(site.database.admin_url) as admin:
        return bool(
            admin.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = %s AND state <> 'idle'",
                [RUNTIME_ROLE],
            ).rowcount
        )


def test_a_runner_that_was_stopped_too_long_commits_nothing_more(site: Site, rollback: Undisturbed) -> None:
    with site.engine() as engine:
        put(engine, rollback.documents, rollback.behaviour)
        with site.server("first") as (first, _):
            wait_until(lambda: (job := the_job(engine)) is not None and job.appended > 0)
            while True:
                first.send_signal(signal.SIGSTOP)
                # Not with the ledger's lock in its hand: then the others wait until the database takes it away.
                if not has_open_transaction(site):
                    break
                first.send_signal(signal.SIGCONT)
            stopped_in_time = not is_over(engine)
            with site.server("second"):
                wait_until(lambda: is_over(engine))
            left = left_by(engine, site.database)
            first.send_signal(signal.SIGCONT)
            if stopped_in_time:
                wait_until(lambda: "taken over" in (site.folder / "first").read_text())
            first.terminate()
            assert first.wait(timeout=60) == 0
        assert left == rollback.left
        check(engine, site, rollback)


class Ahead:
    """A clock by which every hold has run out."""

    def now_us(self) -> int:
        return SystemClock().now_us() + 3_600_000_000


@dataclass(frozen=True)
class Overtaking:
    """Runs jobs of documents that another runner takes over, and finishes while this one waits, or afterwards."""

    engine: Engine
    documents: list[Path]
    behaviour: ErrorBehaviour
    finishes: bool

    def run(self, organisation: str, place: int) -> bool:
        """Run a job that is taken over at one call of `progress`, from 0; tell whether there was that call."""
        self.engine.organisations.add(organisation)
        put(self.engine, self.documents, self.behaviour, organisation)
        job = take_job(self.engine)
        assert job is not None
        later = replace(
            self.engine, jobs=PostgresCaptureJobs(self.engine.pool, self.engine.ledger.ledger_id, clock=Ahead())
        )
        calls = count()
        taken: list[CaptureJob] = []

        def finish() -> None:
            for one in taken:
                CaptureRun(later, workers, one).run()

        def overtake(*_: object) -> None:
            if next(calls) == place:
                other = take_job(later)
                assert other is not None
                taken.append(other)
                if self.finishes:
                    finish()

        with BlockWorkers(1) as workers:
            try:
                CaptureRun(self.engine, workers, job, progress=overtake).run()
            except LostLeaseError:
                assert taken
            else:
                assert not taken
            if not self.finishes:
                finish()
        return bool(taken)


@pytest.mark.parametrize("behaviour", ErrorBehaviour)
@pytest.mark.parametrize("malformed", [False, True])
@pytest.mark.parametrize("finishes", [False, True])
def test_a_runner_that_is_overtaken_anywhere_changes_nothing(
    site: Site, tmp_path: Path, behaviour: ErrorBehaviour, *, malformed: bool, finishes: bool
) -> None:
    documents = write_documents(tmp_path, 2, list(planted(90, malformed=malformed)))
    with site.engine() as engine:
        overtaking = Overtaking(engine, documents, behaviour, finishes)
        overtaking.run("undisturbed.example", -1)
        place = 0
        while overtaking.run(f"at{place:09}.example", place):
            place += 1
        assert place > 5
        left = left_by(engine, site.database)
        names = [one.name for one in engine.organisations.all() if one.name != SENDER]
        told = {
            name: (
                [one[1:] for one in left.jobs if one[0] == name],
                [(kind, parts.what, parts.more) for kind, parts in left.records[name]],
                left.findings[name],
            )
            for name in names
        }
        assert [name for name in names if told[name] != told["undisturbed.example"]] == []


def test_runners_share_jobs_and_run_each_once(site: Site, rollback: Undisturbed) -> None:
    others = [f"other{number}.example" for number in range(4)]  # names of one length: so are the documents' records
    with site.engine() as engine:
        for name in others:
            engine.organisations.add(name)
            put(engine, rollback.documents[:1], ErrorBehaviour.PROCEED, name)
        with site.server("first"), site.server("second"):
            logs = [site.folder / name for name in ("first", "second")]
            wait_until(lambda: sum(log.read_text().count('"capture job ended"') for log in logs) == len(others))
        left = left_by(engine, site.database)
        told = [
            (
                [job[1:] for job in left.jobs if job[0] == name],
                [(kind, *(part.replace(name.encode(), b"") for part in (parts.head,)), parts.what, parts.more)
                 for kind, parts in left.records[name]],
                left.findings[name],
            )
            for name in others
        ]  # fmt: skip
        assert told[0][0][0][2] is Phase.CAPTURED
        assert all(one == told[0] for one in told)
