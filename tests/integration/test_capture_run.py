"""One capture job on a real ledger: what goes in, what is found, and what another runner finds when one is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.postgres.capture_jobs import LostLeaseError
from adapters.postgres.ledgers import add_ledger
from api.capture.blocks import BlockWorkers
from api.capture.receive import take_job, tidy
from api.capture.run import CaptureRun
from api.wiring import Engine
from tests.conftest import Database
from tests.support.capture_runs import (
    NOW,
    PROCEED,
    ROLLBACK,
    HandClock,
    KilledError,
    Told,
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
    spooled,
    state,
    stop_at,
    taken_over,
    text,
    told,
)
from tests.support.epcis_events import CONTEXT, DAIRY, document, event
from tests.support.xml_events import xml_document, xml_event
from traceability.gs1.epcis import blocks
from traceability.ledger.capture import CaptureJob, Counts, ErrorBehaviour, Phase
from traceability.ledger.findings import Origin
from traceability.ledger.parts import ITEM_LIMIT

PLACE = "$.epcisBody.eventList"
BAD = event(eventTime="yesterday")
both = pytest.mark.parametrize("behaviour", [ROLLBACK, PROCEED], ids=str)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def engine(database: Database, tmp_path: Path, clock: HandClock) -> Iterator[Engine]:
    with capture_engine(database, tmp_path, clock) as engine:
        yield engine


# What goes in


@both
def test_good_events_are_recorded_in_order(engine: Engine, behaviour: ErrorBehaviour) -> None:
    events = packs(1, 2, 3)
    job = captured(engine, document(*events[:2]), document(events[2]), behaviour=behaviour)
    assert (job.phase, job.success, job.running, job.finished_at) == (Phase.CAPTURED, True, False, NOW)
    assert (job.counts, job.appended) == (Counts(recorded=3), 3)
    assert sources(engine) == [text(one) for one in events]
    assert (found_about(engine, job), rows_left(engine, "letter"), spooled(engine)) == ([], [], [])


def test_one_malformed_event_keeps_everything_out(engine: Engine) -> None:
    first, bad, last = packs(1)[0], text(BAD), packs(2)[0]
    job = captured(engine, document(first, bad), document(last))
    assert (job.phase, job.success, job.running, job.appended) == (Phase.REFUSED, False, False, 0)
    assert job.counts == Counts(malformed=1)
    assert (engine.ledger.head(), spooled(engine)) == (0, [])
    (finding,) = found_about(engine, job)
    assert finding.origin == Origin(DAIRY, "0.json", job.job_id)
    assert told([finding]) == [(1, f"{PLACE}[1].eventTime", "epcis.time", None)]
    assert (finding.severity, finding.found_at) == ("error", NOW)
    letter = letter_of(engine, finding)
    assert (letter.body, letter.context, letter.position) == (bad, json.dumps(CONTEXT).encode(), None)


def test_the_good_events_go_in_when_told(engine: Engine) -> None:
    good = packs(1, 2, 3)
    also_bad = event(type="ObjectEvent", action="SELL", epcList=["urn:epc:id:sgtin:bad"])
    job = captured(
        engine, document(good[0], BAD, good[1]), document(also_bad, good[2], context=None), behaviour=PROCEED
    )
    assert (job.phase, job.success, job.appended) == (Phase.CAPTURED, False, 5)
    assert job.counts == Counts(recorded=3, malformed=2)
    assert sources(engine) == [text(one) for one in good]
    findings = found_about(engine, job)
    # What is wrong with a document itself comes first; then the events in their order.
    assert told(findings)[:2] == [
        (None, "$", "epcis.no_context", None),
        (1, f"{PLACE}[1].eventTime", "epcis.time", None),
    ]
    of_event = [one for one in findings if one.origin.document == "1.json" and one.event_index == 0]
    assert len(of_event) > 1
    assert len({one.letter_id for one in of_event}) == 1
    letter = letter_of(engine, of_event[0])
    assert (letter.body, letter.context) == (text(also_bad), b"")
    assert len(rows_left(engine, "letter")) == 2


def test_a_warning_stands_at_the_position_of_its_event(engine: Engine) -> None:
    warned = {**packs(2)[0], "nobody:explains": 1}
    job = captured(engine, document(*packs(1), warned, *packs(3)))
    assert job.success
    findings = found_about(engine, job)
    assert [(one.severity, one.position, one.event_index, one.letter_id) for one in findings] == [
        ("warning", 2, 1, None)
    ]


@both
def test_a_document_that_is_none_refuses_or_is_left_out(engine: Engine, behaviour: ErrorBehaviour) -> None:
    job = captured(engine, document(*packs(1)), b'{"type": "Invoice"}', b"", document(*packs(2)), behaviour=behaviour)
    assert not job.success
    assert engine.ledger.head() == (0 if behaviour is ROLLBACK else 2)
    # What is no JSON is found before any event is read; what is no event of EPCIS, as an event.
    assert [(one.origin.document, one.event_index, one.code) for one in found_about(engine, job)] == [
        ("2.json", None, "json.syntax"),
        ("1.json", 0, "epcis.event_type"),
    ]


def test_what_is_there_already_is_not_recorded_again(engine: Engine) -> None:
    events = packs(1, 2)
    other = {**events[0], "bizStep": "shipping"}
    assert captured(engine, document(*events)).success
    job = captured(engine, document(events[1], other, *packs(3), context=[CONTEXT]))
    assert (job.counts, job.success, job.phase) == (
        Counts(recorded=1, duplicates=1, conflicts=1),
        False,
        Phase.CAPTURED,
    )
    duplicate, conflict = found_about(engine, job)
    assert told([duplicate, conflict]) == [
        (0, f"{PLACE}[0]", "capture.duplicate", 2),
        (1, f"{PLACE}[1]", "capture.conflict", 1),
    ]
    assert (duplicate.severity, duplicate.letter_id, conflict.severity) == ("warning", None, "error")
    letter = letter_of(engine, conflict)
    assert (letter.body, letter.position, letter.context) == (text(other), 1, json.dumps([CONTEXT]).encode())
    assert sources(engine) == [text(one) for one in (*events, *packs(3))]


@both
def test_a_document_that_is_sent_again_is_all_duplicates(engine: Engine, behaviour: ErrorBehaviour) -> None:
    whole = document(*packs(*range(30)), *[event(epcList=[one]) for one in packs(1)[0]["epcList"]])
    assert captured(engine, whole, behaviour=behaviour).counts == Counts(recorded=31)
    again = captured(engine, whole, behaviour=behaviour)
    assert (again.counts, again.success, again.appended) == (Counts(duplicates=31), True, 31)
    assert [one.position for one in found_about(engine, again)] == list(range(1, 32))
    assert engine.ledger.head() == 31


def test_the_first_of_several_in_one_job_is_the_event(engine: Engine) -> None:
    one, two = packs(1, 2)
    contradiction = {**one, "action": "DELETE"}
    job = captured(engine, document(one, two, one), document(contradiction, two))
    assert job.counts == Counts(recorded=2, duplicates=2, conflicts=1)
    assert [(f.origin.document, f.code, f.position) for f in found_about(engine, job)] == [
        ("0.json", "capture.duplicate", 1),
        ("1.json", "capture.conflict", 1),
        ("1.json", "capture.duplicate", 2),
    ]


def test_who_sent_it_makes_an_event_another_one(engine: Engine) -> None:
    whole = document(*packs(1))
    captured(engine, whole)
    job = run(engine, send(engine, whole, organisation="store.example", held=True))
    assert job.counts == Counts(recorded=1)


def test_an_event_with_more_items_than_an_event_may_have(engine: Engine) -> None:
    items = [f"https://id.gs1.org/01/09521234000013/21/{n}" for n in range(ITEM_LIMIT + 1)]
    job = captured(engine, document(*packs(1), event(epcList=items)), behaviour=PROCEED)
    assert job.counts == Counts(recorded=1, malformed=1)
    assert told(found_about(engine, job)) == [(1, f"{PLACE}[1].epcList", "epcis.too_many_items", None)]


# Runners that are killed


@both
@pytest.mark.parametrize("rows", [3, 60])
def test_a_job_that_is_killed_at_every_batch_ends_like_one_that_is_not(
    database: Database,
    tmp_path: Path,
    clock: HandClock,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    *,
    behaviour: ErrorBehaviour,
    rows: int,
) -> None:
    """A batch ends in the middle of a block, and the next runner begins there."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3_000)
    events = mixed(1, 25)
    if behaviour is ROLLBACK:
        events = [one for one in events if one["eventTime"].endswith("+01:00")]
    documents = [document(*events), document(*packs(100), *events[:9])]
    add_ledger(database.owner_url, "undisturbed", [])
    with capture_engine(database, tmp_path, clock, ledger="undisturbed") as undisturbed:
        expected = state(undisturbed, captured(undisturbed, *documents, behaviour=behaviour))
    assert expected[-1] is (behaviour is ROLLBACK)
    small_batches(monkeypatch, rows)
    send(engine, *documents, behaviour=behaviour)
    job, runs = run_killed(engine, clock, Phase.APPENDING)
    assert runs > (10 if rows == 3 else 3)
    assert state(engine, job) == expected
    assert spooled(engine) == []


@pytest.mark.parametrize("good", [True, False])
def test_a_check_that_is_killed_leaves_no_finding_twice(
    engine: Engine, clock: HandClock, monkeypatch: pytest.MonkeyPatch, *, good: bool
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 800)
    warned = {**packs(1)[0], "nobody:explains": 1}
    events = [warned, *packs(*range(2, 9)), *([] if good else [BAD, *packs(10), BAD])]
    send(engine, document(*events), document(*packs(20), context=None))
    job, runs = checked_further_and_further(engine, clock)
    assert runs > 5
    assert job.success is good
    expected: list[Told] = [(None, "$", "epcis.no_context", None)]
    expected += [(0, f"{PLACE}[0]['nobody:explains']", "epcis.unresolved_name", 1)] if good else [
        (8, f"{PLACE}[8].eventTime", "epcis.time", None),
        (10, f"{PLACE}[10].eventTime", "epcis.time", None),
    ]  # fmt: skip
    assert told(found_about(engine, job)) == expected
    assert len(rows_left(engine, "letter")) == (0 if good else 2)
    assert job.counts == (Counts(recorded=9) if good else Counts(malformed=2))


@pytest.mark.parametrize("phase", [Phase.CHECKING, Phase.APPENDING])
def test_a_runner_that_was_believed_dead_commits_nothing_more(
    engine: Engine, clock: HandClock, monkeypatch: pytest.MonkeyPatch, phase: Phase
) -> None:
    small_batches(monkeypatch, 20)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1_000)
    events = packs(*range(20))
    job = send(engine, document(*events, {**packs(21)[0], "nobody:explains": 1}), held=True)
    ended: list[CaptureJob] = []

    def sleep(at: Phase, *_: int) -> None:
        if at is phase and not ended:
            ended.append(run(engine, taken_over(engine, clock)))

    with pytest.raises(LostLeaseError):
        run(engine, job, sleep)
    assert (ended[0].counts, ended[0].success, ended[0].lease) == (Counts(recorded=21), True, 2)
    assert engine.jobs.get(DAIRY, job.job_id) == ended[0]
    assert len(sources(engine)) == 21
    assert [one.position for one in found_about(engine, job)] == [21]


def test_a_runner_keeps_its_job_while_it_works(
    engine: Engine, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it takes: each block renews the lease, in either phase."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1_000)
    small_batches(monkeypatch, 30)

    def work(*_: object) -> None:
        clock.pass_seconds(20)
        assert take_job(engine) is None

    job = run(engine, send(engine, document(*packs(*range(20))), held=True), work)
    assert job.success


def test_a_job_whose_document_is_gone_ends_and_says_so(engine: Engine, clock: HandClock) -> None:
    job = send(engine, document(*packs(1)))
    engine.spool.remove(job.job_id)
    clock.pass_seconds(86_400)  # until then it may be in the spool of another server
    ended = run(engine, taken_over(engine, clock))
    assert (ended.phase, ended.success) == (Phase.REFUSED, False)
    assert told(found_about(engine, ended)) == [(None, "$", "capture.document_lost", None)]
    assert take_job(engine) is None


def test_a_block_that_was_prepared_and_damaged_is_prepared_again(
    engine: Engine, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not synced: what a power cut leaves of it may be anything."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 400)
    events = packs(*range(12))
    job = send(engine, document(*events))
    small_batches(monkeypatch, 20)
    with pytest.raises(KilledError):
        run(engine, taken_over(engine, clock), stop_at(Phase.APPENDING))
    prepared = sorted(path for path in (engine.spool.folder / str(job.job_id)).iterdir() if "." in path.name)
    assert len(prepared) > 4
    for n, path in enumerate(prepared):
        data = path.read_bytes()
        path.write_bytes([b"", data[:-1], data[:9] + b"x" + data[10:], bytes(len(data))][n % 4])
    ended = run(engine, taken_over(engine, clock))
    assert ended.counts == Counts(recorded=12)
    assert sources(engine) == [text(one) for one in events]


def test_the_folder_of_another_ledger_is_left_alone(database: Database, tmp_path: Path, engine: Engine) -> None:
    add_ledger(database.owner_url, "other", [])
    job = send(engine, document(*packs(1)))
    with capture_engine(database, tmp_path, ledger="other") as other:
        os.utime(engine.spool.folder / str(job.job_id), (0, 0))
        tidy(other)
    assert run(engine, claimed(engine)).success


def test_members_that_are_personal_go_where_they_can_be_erased(database: Database, tmp_path: Path) -> None:
    add_ledger(database.owner_url, "private", ["https://dairy.example/ns#packer"])
    with capture_engine(database, tmp_path, ledger="private") as engine:
        captured(engine, document(event(**{"https://dairy.example/ns#packer": "A. Muster"})))
        (record,) = engine.ledger.records([1])
        assert b"A. Muster" in record.event.parts.personal
        assert b"A. Muster" not in record.event.parts.more


def test_blocks_are_prepared_by_processes_in_the_order_of_the_document(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2_000)
    events = packs(*range(40))
    job = send(engine, document(*events, BAD), behaviour=PROCEED, held=True)
    with BlockWorkers(2) as workers:
        ended = CaptureRun(engine, workers, job).run()
    assert ended.counts == Counts(recorded=40, malformed=1)
    assert sources(engine) == [text(one) for one in events]


def test_blocks_of_xml_are_prepared_by_processes_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2_000)
    events = [xml_event(f"<x:a>{i}</x:a>") for i in range(40)]
    sent = xml_document(*events[:30], "<ObjectEvent/>", *events[30:], namespaces='xmlns:x="urn:x:"')
    job = send(engine, sent, behaviour=PROCEED, held=True)
    with BlockWorkers(2) as workers:
        ended = CaptureRun(engine, workers, job).run()
    assert ended.counts == Counts(recorded=40, malformed=1)
    whole = [one.replace("<ObjectEvent>", '<ObjectEvent xmlns:x="urn:x:">').encode() for one in events]
    assert sources(engine) == whole
