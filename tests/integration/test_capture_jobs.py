"""The queue of capture jobs: one runner at a job, none lost, each organisation its own, a request's job once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from adapters.postgres.capture_jobs import LostLeaseError, PostgresCaptureJobs
from api.wiring import Engine
from tests.conftest import Database
from tests.support.capture_runs import NOW, PROCEED, ROLLBACK, HandClock, capture_engine
from tests.support.epcis_events import DAIRY
from traceability.errors import ConflictError, NotFoundError
from traceability.ledger.capture import LEASE_US, CaptureJob, Counts, Phase


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def engine(database: Database, tmp_path: Path, clock: HandClock) -> Iterator[Engine]:
    with capture_engine(database, tmp_path, clock) as engine:
        yield engine


@pytest.fixture
def jobs(engine: Engine) -> PostgresCaptureJobs:
    return engine.jobs


def add(
    jobs: PostgresCaptureJobs,
    number: int,
    *,
    organisation: str = DAIRY,
    request: tuple[str, bytes] | None = None,
    held: bool = False,
) -> CaptureJob:
    return jobs.create(
        UUID(int=number), organisation=organisation, behaviour=PROCEED, documents=["a.json", "b/c.json"], size=100,
        request=request, held=held,
    )  # fmt: skip


def claim(jobs: PostgresCaptureJobs) -> CaptureJob | None:
    """Take a job as a runner that has the documents of all."""
    return jobs.claim([UUID(int=number) for number in range(101)])


def test_a_job_begins_with_nothing_done(jobs: PostgresCaptureJobs) -> None:
    job = add(jobs, 1)
    assert job == CaptureJob(
        job_id=UUID(int=1), organisation=DAIRY, behaviour=PROCEED, documents=("a.json", "b/c.json"), size=100,
        created_at=NOW, phase=Phase.CHECKING, failed=False, finished_at=None, appended=0, counts=Counts(), lease=0,
    )  # fmt: skip
    assert jobs.get(DAIRY, job.job_id) == job
    assert (job.running, job.success) == (True, True)


def test_the_oldest_job_is_taken_first_and_by_one_runner(jobs: PostgresCaptureJobs) -> None:
    for number in (3, 1, 2):
        add(jobs, number)
    taken = [claim(jobs) for _ in range(4)]
    assert [None if job is None else (job.job_id.int, job.lease) for job in taken] == [(1, 1), (2, 1), (3, 1), None]


def test_runners_that_come_at_once_take_different_jobs(jobs: PostgresCaptureJobs) -> None:
    for number in range(40):
        add(jobs, number)
    with ThreadPoolExecutor(8) as threads:
        taken = [job for job in threads.map(lambda _: claim(jobs), range(60)) if job is not None]
    assert sorted(job.job_id.int for job in taken) == list(range(40))


def test_a_job_whose_runner_is_silent_is_taken_over(jobs: PostgresCaptureJobs, clock: HandClock) -> None:
    held = add(jobs, 1, held=True)
    assert held.lease == 1
    assert claim(jobs) is None
    clock.pass_seconds(LEASE_US / 1e6 - 1)
    jobs.renew(held)
    clock.pass_seconds(LEASE_US / 1e6)
    assert claim(jobs) is None
    clock.pass_seconds(1)
    taken = claim(jobs)
    assert taken is not None
    assert (taken.job_id, taken.lease) == (held.job_id, 2)


def test_who_lost_a_job_can_do_nothing_with_it(engine: Engine, jobs: PostgresCaptureJobs, clock: HandClock) -> None:
    lost = add(jobs, 1, held=True)
    clock.pass_seconds(LEASE_US / 1e6 + 1)
    taken = claim(jobs)
    assert taken is not None
    with engine.pool.connection() as connection:
        with pytest.raises(LostLeaseError):
            jobs.begin_appending(connection, lost)
        with pytest.raises(LostLeaseError):
            jobs.advance(connection, lost, 7, Counts(recorded=7))
        with pytest.raises(LostLeaseError):
            jobs.finish(connection, lost, Phase.CAPTURED, failed=False)
    with pytest.raises(LostLeaseError) as caught:
        jobs.renew(lost)
    assert caught.value.code == "capture.lost_lease"
    jobs.release(lost)  # lets nobody else in
    assert claim(jobs) is None
    assert jobs.get(DAIRY, lost.job_id) == taken


def test_who_lets_go_of_a_job_leaves_it_as_it_is(engine: Engine, jobs: PostgresCaptureJobs) -> None:
    add(jobs, 1)
    first = claim(jobs)
    assert first is not None
    with engine.pool.connection() as connection:
        jobs.begin_appending(connection, first)
        jobs.advance(connection, first, 5, Counts(recorded=3, duplicates=2))
    jobs.release(first)
    second = claim(jobs)
    assert second is not None
    assert (second.lease, second.phase, second.appended) == (2, Phase.APPENDING, 5)
    assert second.counts == Counts(recorded=3, duplicates=2)


def test_what_becomes_of_events_adds_up_and_an_end_is_an_end(
    engine: Engine, jobs: PostgresCaptureJobs, clock: HandClock
) -> None:
    job = add(jobs, 1, held=True)
    with engine.pool.connection() as connection:
        jobs.advance(connection, job, 2, Counts(recorded=1, duplicates=1))
        connection.commit()
        jobs.advance(connection, job, 4, Counts(conflicts=1, malformed=1))
        jobs.advance(connection, job, 5, Counts(recorded=1))
        connection.commit()
        clock.pass_seconds(5)
        jobs.finish(connection, job, Phase.CAPTURED, failed=False)
    ended = jobs.get(DAIRY, job.job_id)
    assert ended.counts == Counts(recorded=2, duplicates=1, conflicts=1, malformed=1)
    assert (ended.appended, ended.phase, ended.failed, ended.running) == (5, Phase.CAPTURED, True, False)
    assert ended.finished_at == NOW + 5_000_000
    with pytest.raises(LostLeaseError):
        jobs.renew(job)
    clock.pass_seconds(3_600)
    assert claim(jobs) is None


def test_jobs_are_listed_newest_first_page_by_page_to_who_sent_them(jobs: PostgresCaptureJobs, engine: Engine) -> None:
    for number in range(1, 8):
        add(jobs, number)
    add(jobs, 100, organisation="store.example")
    listed: list[int] = []
    before = None
    while page := jobs.list(DAIRY, before=before, limit=3):
        listed += [job.job_id.int for job in page]
        before = page[-1].job_id
    assert listed == [7, 6, 5, 4, 3, 2, 1]
    with pytest.raises(NotFoundError) as caught:
        jobs.get(DAIRY, UUID(int=100))
    assert caught.value.code == "capture.unknown_job"
    other = PostgresCaptureJobs(engine.pool, engine.ledger.ledger_id + 1, clock=engine.clock)
    assert other.list(DAIRY, limit=9) == []
    assert claim(other) is None


def test_what_is_not_finished_is_counted(engine: Engine, jobs: PostgresCaptureJobs) -> None:
    first = add(jobs, 1, held=True)
    add(jobs, 2)
    add(jobs, 3, organisation="store.example")
    assert (jobs.open_jobs(), jobs.open_jobs(DAIRY), jobs.open_jobs("nobody")) == ((3, 300), (2, 200), (0, 0))
    with engine.pool.connection() as connection:
        jobs.finish(connection, first, Phase.REFUSED, failed=True)
    assert jobs.open_jobs(DAIRY) == (1, 100)
    assert jobs.finished([UUID(int=n) for n in (1, 2, 3, 4)]) == {
        UUID(int=1): True,
        UUID(int=2): False,
        UUID(int=3): False,
    }


def test_the_bytes_of_jobs_are_told_also_of_finished_ones(engine: Engine, jobs: PostgresCaptureJobs) -> None:
    first = add(jobs, 1, held=True)
    add(jobs, 2)
    with engine.pool.connection() as connection:
        jobs.finish(connection, first, Phase.REFUSED, failed=True)
    assert jobs.sizes([UUID(int=n) for n in (1, 2, 3)]) == {UUID(int=1): 100, UUID(int=2): 100}


def test_a_request_that_is_sent_again_is_one_job(jobs: PostgresCaptureJobs, engine: Engine) -> None:
    first = add(jobs, 1, request=("key", b"digest"))
    assert add(jobs, 2, request=("key", b"digest")) == first
    with pytest.raises(ConflictError) as caught:
        add(jobs, 3, request=("key", b"other"))
    assert caught.value.code == "capture.request_key"
    # A key is its sender's own, and a job without one is nobody's repetition.
    assert add(jobs, 4, request=("key", b"other"), organisation="store.example").job_id.int == 4
    assert [add(jobs, number).job_id.int for number in (5, 6)] == [5, 6]
    taken = claim(jobs)
    assert taken is not None
    with engine.pool.connection() as connection:
        jobs.finish(connection, taken, Phase.CAPTURED, failed=False)
    assert add(jobs, 7, request=("key", b"digest")).phase is Phase.CAPTURED


def test_a_request_that_comes_twice_at_once_is_one_job(jobs: PostgresCaptureJobs) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: add(jobs, number, request=("key", b"digest")), range(16)))
    assert len({job.job_id for job in made}) == 1
    assert len(jobs.list(DAIRY, limit=99)) == 1
    assert made[0].behaviour is not ROLLBACK
