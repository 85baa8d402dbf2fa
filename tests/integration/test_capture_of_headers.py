"""Master data in the headers of captured documents: stated once, told of when wrong, never in the way of events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.vocabularies import vocabularies_of
from api.wiring import Engine
from tests.conftest import Database
from tests.support.capture_runs import (
    PROCEED,
    ROLLBACK,
    HandClock,
    KilledError,
    capture_engine,
    captured,
    found_about,
    packs,
    run,
    send,
    taken_over,
)
from tests.support.epcis_events import DAIRY, document
from traceability.gs1.epcis.vocabularies import master_data
from traceability.ledger.access import Reader
from traceability.ledger.capture import Counts, ElementCounts, ErrorBehaviour, Phase

PLACE = "https://id.gs1.org/414/9521234000006"
both = pytest.mark.parametrize("behaviour", [ROLLBACK, PROCEED], ids=str)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def engine(database: Database, tmp_path: Path, clock: HandClock) -> Iterator[Engine]:
    with capture_engine(database, tmp_path, clock) as engine:
        yield engine


def element(name: str, identifier: str = PLACE) -> dict[str, Any]:
    return {"id": identifier, "attributes": [{"id": "cbvmda:name", "attribute": name}]}


def with_header(*elements: dict[str, Any], events: list[dict[str, Any]], created: str) -> bytes:
    """Return a document with these places in its header, created on a day of March 2026."""
    vocabulary = {"type": "urn:epcglobal:epcis:vtype:BusinessLocation", "vocabularyElementList": list(elements)}
    return orjson.dumps({
        **orjson.loads(document(*events)),
        "creationDate": f"2026-03-{created}T08:00:00Z",
        "epcisHeader": {"epcisMasterData": {"vocabularyList": [vocabulary]}},
    })  # fmt: skip


def name_of_place(engine: Engine, reader: str = DAIRY, known_at: int | None = None) -> str | None:
    view = vocabularies_of(engine, Reader(reader), known_at)
    return master_data(view, {PLACE}).name(PLACE, 0)


@both
def test_a_header_is_stated_and_sending_it_again_adds_nothing(engine: Engine, behaviour: ErrorBehaviour) -> None:
    first = captured(engine, with_header(element("Dairy"), events=packs(1), created="01"), behaviour=behaviour)
    assert (first.counts, first.elements) == (Counts(recorded=1), ElementCounts(recorded=1))
    again = captured(engine, with_header(element("Dairy"), events=packs(2), created="02"), behaviour=behaviour)
    assert (again.success, again.counts, again.elements) == (True, Counts(recorded=1), ElementCounts(unchanged=1))
    assert engine.ledger.head() == 3
    assert name_of_place(engine) == "Dairy"
    assert name_of_place(engine, "store.example") is None


def test_a_later_document_corrects_an_earlier_one_whichever_comes_first(engine: Engine) -> None:
    later = with_header(element("Alpine Dairy"), events=[], created="05")
    earlier = with_header(element("Dairy"), events=[], created="01")
    assert captured(engine, later).elements == ElementCounts(recorded=1)
    assert captured(engine, earlier).elements == ElementCounts(recorded=1)
    assert name_of_place(engine) == "Alpine Dairy"
    back = with_header(element("Dairy"), events=[], created="06")
    assert captured(engine, back).elements == ElementCounts(recorded=1)
    assert [name_of_place(engine, known_at=at) for at in (1, 2, 3)] == ["Alpine Dairy", "Alpine Dairy", "Dairy"]


@both
def test_a_bad_element_is_a_finding_and_keeps_no_event_out(engine: Engine, behaviour: ErrorBehaviour) -> None:
    bad = element("Nowhere", "https://id.gs1.org/414/9521234000007")
    sent = with_header(bad, element("Dairy"), events=packs(1), created="01")
    job = captured(engine, sent, behaviour=behaviour)
    assert (job.phase, job.success, job.counts) == (Phase.CAPTURED, True, Counts(recorded=1))
    assert job.elements == ElementCounts(recorded=1, malformed=1)
    (finding,) = found_about(engine, job)
    assert (finding.code, finding.severity, finding.event_index) == ("gs1.check_digit", "warning", None)
    assert finding.path == "$.epcisHeader.epcisMasterData.vocabularyList[0].vocabularyElementList[0].id"


def test_nothing_is_stated_when_the_document_is_refused(engine: Engine) -> None:
    job = captured(engine, with_header(element("Dairy"), events=[*packs(1), {"type": "What"}], created="01"))
    assert (job.phase, job.elements, engine.ledger.head()) == (Phase.REFUSED, ElementCounts(), 0)


def test_two_documents_of_one_job_and_an_element_said_twice(engine: Engine) -> None:
    one = with_header(element("Dairy"), element("Dairy"), events=packs(1), created="01")
    other = with_header(element("Dairy"), element("Gate", f"{PLACE}/254/gate1"), events=packs(2), created="02")
    job = captured(engine, one, other)
    assert job.elements == ElementCounts(recorded=2, unchanged=2)


def test_after_a_crash_the_next_runner_says_nothing_twice(
    engine: Engine, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = element("Nowhere", "https://id.gs1.org/414/9521234000007")
    places = [element(f"Gate {n}", f"{PLACE}/254/gate{n}") for n in range(5)]
    sent = with_header(bad, *places, events=packs(1), created="01")
    monkeypatch.setattr("api.vocabularies.CHUNK", 2)
    send(engine, sent, with_header(element("Dairy"), events=[], created="02"))
    counted = 0

    real = type(engine.jobs).count_elements

    def stopping(*given: Any) -> None:
        nonlocal counted
        counted += 1
        if counted == 3:  # the malformed one, two elements, and here
            raise KilledError
        real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(type(engine.jobs), "count_elements", stopping)
        with pytest.raises(KilledError):
            run(engine, taken_over(engine, clock))
    ended = run(engine, taken_over(engine, clock))
    assert (ended.success, ended.counts) == (True, Counts(recorded=1))
    # Two were recorded, but not counted, when the first runner died.
    assert ended.elements == ElementCounts(recorded=4, unchanged=2, malformed=1)
    assert engine.ledger.head() == 7
