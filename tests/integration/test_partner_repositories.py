"""Repositories that are no good ones: what is read of them, what is said of them, and others read meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from adapters.postgres.partners import LostPartnerError
from api.partners.define import define
from api.partners.reading import partners_of
from api.partners.run import read
from api.partners.runner import reading_partners
from api.partners.told import status
from api.wiring import Engine, open_engine
from tests.conftest import Database
from tests.support.capture_runs import packs
from tests.support.captures import wait_until
from tests.support.epcis_events import event
from tests.support.partners import NORTH, SOUTH, Repository, page, problem, pulled, settings_of
from traceability.errors import BusyError, TraceabilityError
from traceability.ledger.partners import Accept, Kind, Standing

SECRET = "trace_not_to_be_told"


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    with open_engine(settings_of(database, tmp_path / "data", partner_interval=60)) as engine:
        for name in ("local", NORTH, SOUTH):
            engine.organisations.add(name)
        yield engine


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def at(second: int, **members: Any) -> dict[str, Any]:
    """Return an event that was recorded at a second of a minute."""
    return {**packs(second)[0], "recordTime": f"2026-03-01T10:00:{second:02}Z", **members}


def standing(engine: Engine, name: str) -> Standing:
    return partners_of(engine).get(name)[1]


def added(engine: Engine, stack: ExitStack, repository: Repository, name: str = SOUTH, **options: Any) -> str:
    address = stack.enter_context(repository.served())
    define(engine, name, SOUTH, Kind.EPCIS, address=address, **options)
    return address


def failed(engine: Engine, name: str = SOUTH) -> str:
    with pytest.raises(TraceabilityError) as caught:
        pulled(engine, name)
    failure = standing(engine, name).failure
    assert failure is not None
    assert (failure.code, failure.message) == (caught.value.code, caught.value.message)
    return failure.code


def test_it_is_asked_for_what_was_recorded_since(engine: Engine, stack: ExitStack) -> None:
    repository = Repository(lambda _, n: page([at(n + 1), at(n + 20)]))
    added(engine, stack, repository, secret="X-Key: of south")
    assert pulled(engine, SOUTH).counts.recorded == 2
    first = {"orderBy": "recordTime", "orderDirection": "ASC", "perPage": "500"}
    assert repository.asked == [first]
    assert pulled(engine, SOUTH).counts.recorded == 2
    assert repository.asked[1] == {**first, "GE_recordTime": "2026-03-01T10:00:10.000000Z"}
    assert {headers["x-key"] for headers in repository.headers} == {"of south"}
    assert "json" in repository.headers[0]["accept"]
    (event_,) = engine.ledger.records([1])
    assert b'"captured_by":"south.example"' in event_.event.parts.head


def test_an_address_may_restrict_what_is_read(engine: Engine, stack: ExitStack) -> None:
    repository = Repository(lambda _, __: page([]))
    address = stack.enter_context(repository.served())
    define(engine, SOUTH, SOUTH, Kind.EPCIS, address=f"{address}?EQ_bizStep=shipping", accept=Accept.XML)
    pulled(engine, SOUTH)
    assert repository.asked[0]["EQ_bizStep"] == "shipping"
    assert repository.headers[0]["accept"] == "application/xml"


def test_a_reading_that_breaks_off_goes_on_with_the_page(engine: Engine, stack: ExitStack) -> None:
    answers = [page([at(1)], token="a"), problem(500), page([at(2)], token="b"), page([at(3)])]
    repository = Repository(lambda _, n: answers[n])
    added(engine, stack, repository)
    assert failed(engine) == "partner.refused"
    assert (standing(engine, SOUTH).failures, engine.ledger.head()) == (1, 1)
    assert pulled(engine, SOUTH).counts.recorded == 2
    assert [asked.get("nextPageToken") for asked in repository.asked] == [None, "a", "a", "b"]
    now = standing(engine, SOUTH)
    assert (now.failures, now.received, now.known) == (0, 3, 0)
    assert now.failure is not None  # the last one stays to be read


def test_a_page_that_is_too_long_is_read_in_shorter_ones(
    engine: Engine, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.partners.pull.MOST_BYTES", 40_000)
    events = [at(second, **{"https://x.example/long": "x" * 4_000}) for second in range(1, 21)]

    def answer(query: dict[str, str], _: int) -> Response:
        left = [one for one in events if one["recordTime"] >= query.get("GE_recordTime", "")]
        begin = int(query.get("nextPageToken", 0))
        end = begin + int(query["perPage"])
        return page(left[begin:end], token=str(end) if end < len(left) else None)

    repository = Repository(answer)
    added(engine, stack, repository)
    assert pulled(engine, SOUTH).counts.recorded == 20
    assert [asked["perPage"] for asked in repository.asked if "nextPageToken" not in asked] == ["500", "62", "7"]
    monkeypatch.setattr("api.partners.pull.MOST_BYTES", 4_000)  # no event is so short
    events.append(at(30, **{"https://x.example/long": "x" * 4_000}))
    assert failed(engine) == "outgoing.too_large"
    assert repository.asked[-1]["perPage"] == "1"


@pytest.mark.parametrize("expired", [400, 404, 410])
def test_a_token_that_has_expired_is_no_failure(engine: Engine, stack: ExitStack, expired: int) -> None:
    answers = [page([at(11)], token="a"), problem(expired), page([at(2), at(11), at(12)])]
    repository = Repository(lambda _, n: answers[n])
    added(engine, stack, repository)
    was_read = pulled(engine, SOUTH)
    assert (was_read.events, was_read.counts.recorded) == (4, 3)
    assert repository.asked[2]["GE_recordTime"] == "2026-03-01T10:00:01.000000Z"
    assert standing(engine, SOUTH).known == 1


def test_tokens_that_never_hold_are_a_failure(engine: Engine, stack: ExitStack) -> None:
    repository = Repository(lambda query, _: problem(404) if "nextPageToken" in query else page([at(1)], token="a"))
    added(engine, stack, repository)
    assert failed(engine) == "partner.refused"
    assert len(repository.asked) == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(401), "partner.refused"),
        (problem(302), "partner.refused"),
        (Response(b"{", headers={"Link": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}), "partner.link"),
        (Response(b"{", headers={"Link": '<https://elsewhere.example/>; rel="next"'}), "partner.link"),
        (Response(b"a,b\n1,2\n", media_type="text/csv"), "partner.no_mapping"),
    ],
)
def test_what_is_no_answer_is_said(engine: Engine, stack: ExitStack, answer: Response, code: str) -> None:
    added(engine, stack, Repository(lambda _, __: answer))
    assert failed(engine) == code
    assert engine.ledger.head() == 0


@pytest.mark.parametrize(
    "answer",
    [
        JSONResponse({"detail": f"The key '{SECRET}' was revoked."}, 401),
        JSONResponse({"title": f"{'x' * 295}{SECRET}"}, 403),
        Response(b"{", headers={"Link": SECRET}),
    ],
)
def test_a_partner_that_repeats_our_secret_is_not_quoted(engine: Engine, stack: ExitStack, answer: Response) -> None:
    added(engine, stack, Repository(lambda _, __: answer), secret=f"Authorization: Bearer {SECRET}")
    failed(engine)
    failure = standing(engine, SOUTH).failure
    assert failure is not None
    assert SECRET[:5] not in failure.message
    added(engine, stack, Repository(lambda _, __: problem(401)), NORTH, secret=f"Authorization: Bearer {SECRET}")
    failed(engine, NORTH)
    failure = standing(engine, NORTH).failure
    assert failure is not None
    assert "as the test wants" in failure.message


def test_a_next_page_that_never_ends_is_noticed(engine: Engine, stack: ExitStack) -> None:
    added(engine, stack, Repository(lambda _, n: page([at(1)], token="ab"[n % 2])))
    assert failed(engine) == "partner.link"


def test_one_that_cannot_be_reached_is_tried_again_later_and_later(engine: Engine) -> None:
    define(engine, SOUTH, SOUTH, Kind.EPCIS, address="http://127.0.0.1:1/events")
    pauses = []
    for _ in range(3):
        before = engine.clock.now_us()
        assert failed(engine) == "outgoing.unreachable"
        pauses.append(round((standing(engine, SOUTH).next_at - before) / 1_000_000))
    assert pauses == [120, 240, 480]
    assert partners_of(engine).claim_due() is None


def test_private_addresses_are_refused_before_anything_is_sent(engine: Engine) -> None:
    define(engine, SOUTH, SOUTH, Kind.EPCIS, address="https://10.0.0.1/events", secret="X-Key: k")
    assert failed(engine) == "outgoing.private"


def test_bad_events_are_told_of_once_and_stop_nothing(engine: Engine, stack: ExitStack) -> None:
    bad = [at(1, eventTime="yesterday"), 7, at(3, epcList=["x"])]
    conflicting = [at(4), at(4, bizStep="shipping")]
    nameless = {**event(), "recordTime": "2026-03-01T10:00:06Z"}
    repository = Repository(lambda _, __: page([*bad, *conflicting, nameless, at(5)]))
    added(engine, stack, repository)
    counts = pulled(engine, SOUTH).counts
    assert (counts.recorded, counts.conflicts, counts.malformed) == (3, 1, 3)
    # They come again with every question, and are neither captured nor told of again.
    for _ in range(3):
        assert pulled(engine, SOUTH).captures == 0
    told = status(engine, SOUTH)
    assert (told.recorded, told.conflicts, told.malformed, told.open_findings) == (3, 1, 3, 4)
    assert (told.received, told.known) == (28, 21)
    assert told.captures[0].findings == f"/findings?job={told.captures[0].capture_id}"


def test_what_is_no_document_is_a_finding(engine: Engine, stack: ExitStack) -> None:
    added(
        engine, stack, Repository(lambda _, __: Response(b'{"type": "EPCISDocument"}', media_type="application/json"))
    )
    assert pulled(engine, SOUTH).captures == 1
    assert status(engine, SOUTH).open_findings > 0


def test_a_partner_is_read_by_one_at_a_time(engine: Engine, stack: ExitStack) -> None:
    added(engine, stack, Repository(lambda _, __: page([at(1)])))
    partners = partners_of(engine)
    held = partners.claim(SOUTH)
    assert partners.claim_due() is None
    with pytest.raises(BusyError) as caught:
        partners.claim(SOUTH)
    assert caught.value.code == "partner.busy"
    # One that was believed dead, and is not, commits nothing any more.
    partners.release(held)
    other = partners.claim(SOUTH)
    with pytest.raises(LostPartnerError):
        read(engine, held)
    assert engine.jobs.of_partner(SOUTH, limit=9) == []
    assert engine.spool.jobs() == set()
    assert read(engine, other).counts.recorded == 1


def test_a_partner_that_is_silent_delays_no_other(engine: Engine, stack: ExitStack) -> None:
    silent = threading.Event()

    def wait(_: object, __: object) -> Response:
        silent.wait(120)
        return page([])

    stack.callback(silent.set)
    for number in range(3):
        added(engine, stack, Repository(wait), name=f"silent{number}")
    added(engine, stack, Repository(lambda _, __: problem(500)), name="broken")
    added(engine, stack, Repository(lambda _, n: page([at(n + 1)])), name=SOUTH)
    hasty = replace(engine, settings=engine.settings.model_copy(update={"partner_timeout_seconds": 2}))
    with reading_partners(hasty):
        wait_until(lambda: standing(engine, SOUTH).succeeded_at and standing(engine, "broken").failures)
        wait_until(lambda: all(standing(engine, f"silent{number}").failure for number in range(3)))
        silent.set()
    failure = standing(engine, "silent0").failure
    assert failure is not None
    assert failure.code == "outgoing.too_slow"


def test_a_server_that_stops_leaves_the_rest_to_the_next(engine: Engine, stack: ExitStack) -> None:
    stopping = threading.Event()

    def answer(_: object, n: int) -> Response:
        stopping.set()
        return page([at(n + 1)], token=str(n)) if n < 3 else page([])

    added(engine, stack, Repository(answer))
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        read(engine, partners_of(engine).claim(SOUTH), stopping=stopping)
    assert type(caught.value).__name__ == "StoppedError"
    held = partners_of(engine).claim_due()
    assert held is not None
    assert held.progress.next == "nextPageToken=0&perPage=3"
    read(engine, held)
    assert not standing(engine, SOUTH).working


def test_removing_one_that_is_being_read_ends_the_reading(engine: Engine, stack: ExitStack) -> None:
    def answer(_: object, __: int) -> Response:
        partners_of(engine).remove(SOUTH)
        return page([at(1)])

    added(engine, stack, Repository(answer))
    with pytest.raises(LostPartnerError):
        pulled(engine, SOUTH)
    assert engine.ledger.head() == 0
    assert partners_of(engine).all() == []
