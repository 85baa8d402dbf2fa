"""What is finished or settled long enough is removed, in short transactions; what is open or young stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest

from adapters.postgres import retention
from adapters.postgres.capture_jobs import PostgresCaptureJobs
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.retention import remove_finished_jobs, remove_settled_findings
from tests.conftest import Database
from tests.ledgers import postgres_ledger
from tests.support.capture_runs import ROLLBACK, HandClock
from tests.support.findings import NOW, finding, store
from traceability.ledger.capture import CaptureJob, Phase
from traceability.ledger.findings import Finding, FindingState, Letter, Origin
from traceability.ledger.identifiers import event_id, ordered_ids

DAIRY = "dairy.example"
DAY_US = 24 * 3600 * 1_000_000
BEFORE = NOW - 90 * DAY_US
SETTLED = FindingState.DISMISSED


@pytest.fixture
def ledger(database: Database) -> Iterator[PostgresLedger]:
    with postgres_ledger(database.runtime_url) as ledger:
        yield ledger


@pytest.fixture
def owner(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        yield owner


def ended(ledger: PostgresLedger, began: int, at: int | None, *, ledger_id: int = 1) -> CaptureJob:
    """A job that began at a time and ended at another; it has its request's key."""
    clock = HandClock()
    clock.now = began
    jobs = PostgresCaptureJobs(ledger.pool, ledger_id, clock=clock)
    job_id = event_id(began, uuid4().bytes)
    job = jobs.create(
        job_id, organisation=DAIRY, behaviour=ROLLBACK, documents=["a"], size=1, request=(str(job_id), b""), held=True
    )
    if at is not None:
        clock.now = at
        with ledger.pool.connection() as connection:
            jobs.finish(connection, job, Phase.REFUSED, failed=True)
    return job


def rows(owner: psycopg.Connection, table: str) -> set[UUID]:
    query = psycopg.sql.SQL("SELECT {} FROM work.{}").format(
        psycopg.sql.Identifier(f"{table}_id"), psycopg.sql.Identifier("capture_job" if table == "job" else table)
    )
    return {one for (one,) in owner.execute(query)}


def test_jobs_go_when_they_ended_long_ago(
    database: Database, ledger: PostgresLedger, owner: psycopg.Connection
) -> None:
    add_ledger(database.owner_url, "other", [])
    old = [ended(ledger, BEFORE - 9, BEFORE - 1) for _ in range(3)]
    elsewhere = ended(ledger, BEFORE - DAY_US, BEFORE - DAY_US, ledger_id=2)
    kept = [
        ended(ledger, BEFORE - DAY_US, None),  # not at its end
        ended(ledger, BEFORE - DAY_US, BEFORE),
        ended(ledger, BEFORE + DAY_US, BEFORE + DAY_US),
    ]
    about = finding(event_id(BEFORE - 5, uuid4().bytes), origin=Origin(DAIRY, "a", old[0].job_id))
    store(ledger.pool, [about])
    assert list(remove_finished_jobs(owner, BEFORE)) == [
        ("main", sorted(job.job_id for job in old)),
        ("other", [elsewhere.job_id]),
    ]
    assert rows(owner, "job") == {job.job_id for job in kept}
    assert rows(owner, "finding") == {about.finding_id}
    assert list(remove_finished_jobs(owner, BEFORE)) == []


def old(number: int, state: FindingState, *, settled: int = 10, letter: UUID | None = None) -> Finding:
    """A finding that was found a day before, and settled so many microseconds before the time that counts."""
    ids = ordered_ids(BEFORE - DAY_US, number.to_bytes(10, "big"))
    settled_at = None if state is FindingState.OPEN else BEFORE - settled
    return finding(next(ids), state=state, settled_at=settled_at, letter_id=letter)


def test_findings_go_when_they_were_settled_long_ago_and_letters_with_the_last(
    ledger: PostgresLedger, owner: psycopg.Connection
) -> None:
    letters = [uuid4() for _ in range(5)]
    gone = [
        old(1, FindingState.REPLAYED, letter=letters[0]),
        old(2, FindingState.REPLAYED, letter=letters[0]),
        old(3, SETTLED, letter=letters[1]),
        old(4, SETTLED, settled=1),
        old(5, SETTLED, letter=letters[2]),
    ]
    kept = [
        old(6, FindingState.OPEN, letter=letters[2]),
        old(7, FindingState.OPEN, letter=letters[3]),
        old(8, FindingState.OPEN),
        old(9, SETTLED, settled=0, letter=letters[4]),
        old(10, SETTLED, settled=-DAY_US),
    ]
    store(ledger.pool, [*gone, *kept], [Letter(letter_id=one, body=b"{}") for one in letters])
    assert sum(remove_settled_findings(owner, BEFORE)) == len(gone)
    assert rows(owner, "finding") == {one.finding_id for one in kept}
    assert rows(owner, "letter") == set(letters[2:])
    assert list(remove_settled_findings(owner, BEFORE)) == []


def test_many_go_a_few_at_a_time(
    ledger: PostgresLedger, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each few are gone when the next ones come, and what stays between them ends nothing."""
    monkeypatch.setattr(retention, "_AT_ONCE", 3)
    letter_id = uuid4()
    found = [old(n, FindingState.OPEN if 4 <= n < 12 or n % 5 == 0 else SETTLED, letter=letter_id) for n in range(40)]
    store(ledger.pool, found, [Letter(letter_id=letter_id, body=b"{}")])
    left = {one.finding_id for one in found if one.state is FindingState.OPEN}
    seen = len(found)
    for removed in remove_settled_findings(owner, BEFORE):
        assert 0 < removed <= 3
        with ledger.pool.connection() as another:
            seen -= removed
            assert len(rows(another, "finding")) == seen
    assert rows(owner, "finding") == left
    assert rows(owner, "letter") == {letter_id}

    jobs = [ended(ledger, BEFORE - 9, BEFORE - 1) for _ in range(10)]
    removed_jobs = [some for _, some in remove_finished_jobs(owner, BEFORE)]
    assert [len(some) for some in removed_jobs] == [3, 3, 3, 1]
    assert sorted(one for some in removed_jobs for one in some) == sorted(job.job_id for job in jobs)


def test_a_removal_holds_no_finding_while_it_waits_for_an_erasure(
    database: Database, ledger: PostgresLedger, owner: psycopg.Connection
) -> None:
    """Else each would wait for the other: an erasure has the table of letters when it comes to the findings."""
    one = old(1, SETTLED, letter=uuid4())
    store(ledger.pool, [one], [Letter(letter_id=one.letter_id or uuid4(), body=b"{}")])
    removed: list[int] = []
    removing = threading.Thread(target=lambda: removed.extend(remove_settled_findings(owner, BEFORE)))
    with ledger.pool.connection() as connection, psycopg.connect(database.admin_url, autocommit=True) as admin:
        with psycopg.connect(database.owner_url) as erasing:
            erasing.execute("LOCK TABLE work.letter IN SHARE ROW EXCLUSIVE MODE")
            removing.start()
            while not admin.execute(
                "SELECT FROM pg_locks WHERE NOT granted AND relation = 'work.letter'::regclass"
            ).rowcount:
                assert removing.is_alive()
            connection.execute("SELECT FROM work.finding WHERE ledger_id = 1 FOR UPDATE NOWAIT")
        removing.join()
    assert removed == [1]
    assert rows(owner, "letter") == set()
