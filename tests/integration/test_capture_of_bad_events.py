"""A job of many malformed events: told in their order, counted to the last, and no more kept than there is room for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from adapters.postgres import findings as findings_adapter
from adapters.postgres.ledgers import add_ledger
from api.capture import run as run_module
from api.wiring import Engine
from tests.conftest import Database
from tests.support.capture_runs import (
    PROCEED,
    ROLLBACK,
    HandClock,
    KilledError,
    capture_engine,
    captured,
    checked_further_and_further,
    claimed,
    found_about,
    letter_of,
    mixed,
    packs,
    rows_left,
    run,
    run_killed,
    send,
    small_batches,
    sources,
    state,
    stop_at,
    taken_over,
    text,
    told,
)
from tests.support.epcis_events import DAIRY, document, event
from traceability.gs1.epcis import blocks
from traceability.ledger.capture import Counts, ErrorBehaviour, Phase

both = pytest.mark.parametrize("behaviour", [ROLLBACK, PROCEED], ids=str)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def engine(database: Database, tmp_path: Path, clock: HandClock) -> Iterator[Engine]:
    with capture_engine(database, tmp_path, clock) as engine:
        yield engine


def test_bad_events_do_not_wait_for_good_ones(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A good event in front of many bad ones is no reason to keep all of them until a batch is full."""
    monkeypatch.setattr(run_module, "_MOST_WAITING", 50)
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 20)
    written: list[int] = []
    add = findings_adapter.add

    def note(connection: Any, ledger_id: int, findings: Any, letters: Any) -> None:
        written.append(len(letters))
        add(connection, ledger_id, findings, letters)

    monkeypatch.setattr(findings_adapter, "add", note)
    good = packs(1, 2, 3)
    events = [good[0], *[b"1"] * 600, good[1], *[b"{}"] * 30, good[2], *[b'"x"'] * 300]
    job = captured(engine, document(*events), behaviour=PROCEED)
    assert job.counts == Counts(recorded=3, malformed=930)
    assert job.appended == len(events)
    assert max(written) <= 50 + 2 * 20
    assert sources(engine) == [text(one) for one in good]
    findings = found_about(engine, job)
    indexes = sorted({one.event_index for one in findings if one.event_index is not None})
    assert indexes == [i for i, one in enumerate(events) if isinstance(one, bytes)]
    assert [one.event_index for one in findings] == sorted(one.event_index or 0 for one in findings)
    assert all(letter_of(engine, one).body == events[one.event_index or 0] for one in findings[::97])


def test_six_thousand_bad_events_in_a_row(engine: Engine) -> None:
    job = captured(engine, document(*packs(1), *[b"null"] * 6_000, *packs(2)), behaviour=PROCEED)
    assert job.counts == Counts(recorded=2, malformed=6_000)
    assert len(rows_left(engine, "finding")) == len(rows_left(engine, "letter")) == 6_000


CAP = 25


def capped(database: Database, data: Path, clock: HandClock, **settings: Any) -> AbstractContextManager[Engine]:
    """Give an engine that tells of so many malformed events and no more."""
    return capture_engine(database, data, clock, capture_max_malformed=CAP, **settings)


@both
def test_of_many_bad_events_the_first_are_told_and_all_are_counted(
    database: Database, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, behaviour: ErrorBehaviour
) -> None:
    """What is left of a document of hardly anything but bad events does not grow with it."""
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 20)
    good = packs(1, 2)
    twice_bad = event(eventTime="yesterday", action="SELL")
    events: list[Any] = [good[0], *[b"1"] * 9, twice_bad, *[b"1"] * 2_000, good[1], *[b"1"] * 300]
    with capped(database, tmp_path, clock) as engine:
        job = captured(engine, document(*events), document(*[b"null"] * 7), behaviour=behaviour)
        assert (job.success, job.running, job.counts.malformed) == (False, False, 2_317)
        assert job.counts.recorded == len(sources(engine)) == (0 if behaviour is ROLLBACK else 2)
        *each, last = found_about(engine, job)
        assert sorted({one.event_index for one in each if one.event_index is not None}) == list(range(1, CAP + 1))
        assert len(each) == CAP + 1  # one of them breaks two rules
        assert len(rows_left(engine, "letter")) == CAP
        assert told([last]) == [(None, "$", "capture.more_malformed", None)]
        assert (last.severity, last.letter_id, last.message) == (
            "error", None, "More malformed events, which are counted but not told one by one: 2292."
        )  # fmt: skip


@both
@pytest.mark.parametrize("bad", [CAP, CAP + 1])
def test_nothing_is_left_untold_up_to_the_bound(
    database: Database, tmp_path: Path, clock: HandClock, behaviour: ErrorBehaviour, bad: int
) -> None:
    with capped(database, tmp_path, clock) as engine:
        job = captured(engine, document(*packs(1), *[b"1"] * bad), behaviour=behaviour)
        more = [one.message for one in found_about(engine, job) if one.code == "capture.more_malformed"]
        expected = ["More malformed events, which are counted but not told one by one: 1."] if bad > CAP else []
        assert (more, job.counts.malformed, len(rows_left(engine, "letter"))) == (expected, bad, CAP)


@both
def test_who_goes_on_with_a_job_tells_no_more_of_it_than_its_first_runner(
    database: Database, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, behaviour: ErrorBehaviour
) -> None:
    """Killed at every step, below the bound and beyond it, it leaves what it leaves when nothing happens."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2_000)
    events = mixed(1, 90) + [b"1"] * 40 + packs(200, 201)
    documents = [document(*events), document(*mixed(100, 60))]
    add_ledger(database.owner_url, "undisturbed", [])
    with capped(database, tmp_path, clock, ledger="undisturbed") as undisturbed:
        expected = state(undisturbed, captured(undisturbed, *documents, behaviour=behaviour))
    codes = [code for _, (_, _, code, _), *_ in expected[1]]
    assert codes.count("capture.more_malformed") == 1
    small_batches(monkeypatch, 40)
    phase = Phase.CHECKING if behaviour is ROLLBACK else Phase.APPENDING
    with capped(database, tmp_path, clock) as engine:
        send(engine, *documents, behaviour=behaviour)
        if behaviour is ROLLBACK:
            job, runs = checked_further_and_further(engine, clock)
        else:
            job, runs = run_killed(engine, clock, phase)
        assert runs > 5
        assert state(engine, job) == expected


def test_a_job_that_is_given_up_says_what_it_has_only_counted(
    database: Database, tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_EVENTS", 20)
    monkeypatch.setattr(run_module, "_MOST_WAITING", 10)
    with capped(database, tmp_path, clock) as engine:
        sent = send(engine, document(*[b"1"] * 50), document(*packs(1)), behaviour=PROCEED)
        job = claimed(engine)
        with pytest.raises(KilledError):
            run(engine, job, stop_at(Phase.APPENDING))
        before = engine.jobs.get(DAIRY, job.job_id).counts.malformed
        assert before > CAP
        engine.spool.remove(sent.job_id)
        clock.pass_seconds(86_400)
        ended = run(engine, taken_over(engine, clock))
        assert [(one.code, one.message) for one in found_about(engine, ended)[CAP:]] == [
            ("capture.document_lost", "The document is no longer in the spool; send it again."),
            (
                "capture.more_malformed",
                f"More malformed events, which are counted but not told one by one: {before - CAP}.",
            ),
        ]
