"""Receivers that fail for hours, for good, or for one delivery: nothing is skipped, and what is given up is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from adapters.system import SystemClock
from api.cli import app as commands
from api.named_queries import define
from api.settings import Settings
from api.subscriptions.dead_letters import replay
from api.subscriptions.deliverer import delivering
from api.subscriptions.delivery import LEAST_ATTEMPTS
from api.subscriptions.manage import subscribe
from api.wiring import Engine
from tests.api.test_epcis_events_http import record
from tests.conftest import Database
from tests.support.captures import wait_until
from tests.support.epcis_events import DAIRY, event
from tests.support.receivers import Post, Receiver, receiving
from traceability.errors import ConflictError, NotFoundError, UnavailableError
from traceability.gs1.epcis.query.event_query import QueryTooComplexError
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.organisations import Scope

HOUR = 3_600 * 1_000_000


@dataclass
class Shifted:
    """The machine's clock, and what a test adds to it."""

    by: int = 0

    def now_us(self) -> int:
        return SystemClock().now_us() + self.by


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outgoing_allow": "127.0.0.1"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def shifted(engine: Engine) -> Engine:
    """Give the engine with a clock that a test moves."""
    define(engine, DAIRY, dumps({"name": "all", "query": {}}))
    return replace(engine, clock=Shifted())


def follow(engine: Engine, url: str, **members: Any) -> str:
    return str(subscribe(engine, DAIRY, "all", dumps({"dest": url, "stream": True, **members})).subscription_id)


def later(engine: Engine, time: int) -> bool:
    """Move the clock; False, to stand before what is waited for meanwhile."""
    assert isinstance(engine.clock, Shifted)
    engine.clock.by += time
    return False


def happen(engine: Engine, *numbers: int) -> None:
    for number in numbers:
        record(engine, event(eventID=f"urn:uuid:{number}"))


def ids(*numbers: int) -> list[str]:
    return [f"urn:uuid:{number}" for number in numbers]


def refusing(numbers: Iterable[int]) -> Callable[[Post], int]:
    """Have a receiver refuse whatever holds one of these events."""
    refused = set(ids(*numbers))
    return lambda post: 422 if any(one["eventID"] in refused for one in post.events) else 204


def test_a_receiver_that_fails_for_an_hour_misses_nothing_and_keeps_nobody_waiting(
    shifted: Engine, receiver: Receiver
) -> None:
    began = shifted.clock.now_us()
    attempts: list[Post] = []
    recovered = threading.Event()

    def status(post: Post) -> int:
        if post.path != "/ill":
            return 204
        attempts.append(post)
        return 200 if recovered.is_set() else 503

    receiver.status = status
    ill, well = follow(shifted, f"{receiver.url}/ill"), follow(shifted, f"{receiver.url}/well")
    with delivering(shifted):
        happen(shifted, *range(4))
        wait_until(lambda: receiver.ids("/well") == ids(*range(4)))
        wait_until(lambda: later(shifted, 1_000_000) or shifted.subscriptions.find(DAIRY, UUID(ill)).failures > 5)
        failing = shifted.subscriptions.find(DAIRY, UUID(ill))
        assert (failing.last_error, failing.failing_since is None) == ("It answered 503", False)
        happen(shifted, *range(4, 8))
        wait_until(lambda: receiver.ids("/well") == ids(*range(8)))
        wait_until(lambda: later(shifted, 1_000_000) or shifted.clock.now_us() - began > HOUR)
        recovered.set()
        wait_until(lambda: later(shifted, 1_000_000) or receiver.ids("/ill") == ids(*range(8)))
    assert len(attempts) < 40  # the pauses grow
    assert shifted.subscriptions.dead(DAIRY, limit=9) == []
    assert {str(one.subscription_id) for one in shifted.subscriptions.page(DAIRY, limit=9)} == {ill, well}
    assert {one.failures for one in shifted.subscriptions.page(DAIRY, limit=9)} == {0}


@pytest.fixture
def given_up(shifted: Engine, receiver: Receiver) -> Iterator[Engine]:
    """Give an engine whose receiver refused one event for six hours, and takes everything now."""
    refusing = True

    def status(post: Post) -> int:
        return 400 if refusing and any(one["eventID"] == "urn:uuid:1" for one in post.events) else 204

    receiver.status = status
    ill = UUID(follow(shifted, receiver.url))
    with delivering(shifted):
        happen(shifted, 0)
        wait_until(lambda: receiver.ids() == ids(0))
        happen(shifted, 1)
        wait_until(lambda: later(shifted, 1_000_000) or shifted.subscriptions.find(DAIRY, ill).failures > 2)
        tried = shifted.subscriptions.find(DAIRY, ill).failures
        later(shifted, 5 * HOUR)
        wait_until(lambda: shifted.subscriptions.find(DAIRY, ill).failures > tried)
        assert shifted.subscriptions.dead(DAIRY, limit=9) == []
        later(shifted, HOUR)
        wait_until(lambda: later(shifted, 60_000_000) or shifted.subscriptions.dead(DAIRY, limit=9))
        happen(shifted, 2, 3)
        wait_until(lambda: receiver.ids() == ids(0, 2, 3))
        yield shifted
    refusing = False


@pytest.mark.parametrize("schedule", [None, {"second": "[0-59]"}], ids=["stream", "schedule"])
def test_one_refused_event_of_five_hundred_is_set_aside_and_the_rest_arrives_in_order(
    shifted: Engine, receiver: Receiver, schedule: dict[str, str] | None
) -> None:
    poison, busy = "urn:uuid:237", iter([503, 503])
    refused: list[int] = []

    def status(post: Post) -> int:
        if searching() and (not_now := next(busy, None)) is not None:
            return not_now  # a receiver that is busy has not refused anything
        if not any(one["eventID"] == poison for one in post.events):
            return 204
        refused.append(len(post.events))
        return 422

    def searching() -> bool:
        return bool(refused) and refused[-1] < max(refused)

    receiver.status = status
    record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(500)))
    how = {"stream": True} if schedule is None else {"stream": None, "schedule": schedule}
    follow(shifted, receiver.url, **how, initialRecordTime="2020-01-01T00:00:00Z")
    with delivering(shifted):
        wait_until(lambda: later(shifted, 600_000_000) or searching())
        in_between = len(receiver.seen)
    with delivering(shifted):  # another server, which knows nothing but what is in the database
        wait_until(lambda: later(shifted, 60_000_000) or len(receiver.ids()) >= 499)
    assert receiver.ids() == ids(*(number for number in range(500) if number != 237))
    (dead,) = shifted.subscriptions.dead(DAIRY, limit=9)
    assert (dead.events, dead.after, dead.up_to, dead.reason) == (1, 237, 238, "It answered 422")
    assert shifted.subscriptions.page(DAIRY, limit=1)[0].failures == 0
    assert len(receiver.seen) - in_between < 40
    receiver.status = lambda _: 204
    assert replay(shifted, DAIRY, dead.delivery_id) == 1
    assert receiver.ids()[-1:] == ids(237)


def test_events_refused_in_a_row_are_set_aside_alone_and_the_rest_arrives_in_order(
    shifted: Engine, receiver: Receiver
) -> None:
    bad = [0, *range(40, 47), 90, 99]
    receiver.status = refusing(bad)
    record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(100)))
    follow(shifted, receiver.url, initialRecordTime="2020-01-01T00:00:00Z")
    with delivering(shifted):
        wait_until(lambda: later(shifted, 600_000_000) or len(shifted.subscriptions.dead(DAIRY, limit=99)) == len(bad))
    assert receiver.ids() == ids(*(number for number in range(100) if number not in bad))
    dead = shifted.subscriptions.dead(DAIRY, limit=99)
    assert [(one.events, one.up_to - one.after) for one in dead] == [(1, 1)] * len(bad)
    assert [one.after for one in dead] == bad


def test_a_receiver_that_refuses_everything_is_asked_for_each_event_alone(shifted: Engine, receiver: Receiver) -> None:
    receiver.status = lambda _: 400
    record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(100)))
    follow(shifted, receiver.url, initialRecordTime="2020-01-01T00:00:00Z")
    with delivering(shifted):
        wait_until(lambda: later(shifted, 600_000_000) or len(shifted.subscriptions.dead(DAIRY, limit=999)) == 100)
    assert {dead.events for dead in shifted.subscriptions.dead(DAIRY, limit=999)} == {1}


@pytest.mark.parametrize("schedule", [None, {"second": "[0-59]"}], ids=["stream", "schedule"])
def test_a_receiver_for_which_a_delivery_is_too_long_gets_shorter_ones_at_once(
    shifted: Engine, receiver: Receiver, schedule: dict[str, str] | None
) -> None:
    receiver.status = lambda post: 413 if len(post.events) > 7 else 204
    record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(150)))
    how = {"stream": True} if schedule is None else {"stream": None, "schedule": schedule}
    ill = UUID(follow(shifted, receiver.url, **how, initialRecordTime="2020-01-01T00:00:00Z"))
    with delivering(shifted):
        wait_until(lambda: len(receiver.ids()) == 150)
    assert receiver.ids() == ids(*range(150))
    assert len(receiver.seen) - len(receiver.taken) <= 4, "100, 50, 25 and 12 events are not tried again and again"
    assert (shifted.subscriptions.find(DAIRY, ill).failures, shifted.subscriptions.dead(DAIRY, limit=9)) == (0, [])


@pytest.fixture
def ten_dead(shifted: Engine, receiver: Receiver) -> Engine:
    """Give an engine whose receiver was away for three days: ten events are one dead letter."""
    receiver.status = lambda _: 503
    record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(10)))
    follow(shifted, receiver.url, initialRecordTime="2020-01-01T00:00:00Z")
    with delivering(shifted):
        wait_until(lambda: later(shifted, 6 * HOUR) or shifted.subscriptions.dead(DAIRY, limit=9))
    assert [(one.events, one.after, one.up_to) for one in shifted.subscriptions.dead(DAIRY, limit=9)] == [(10, 0, 10)]
    return shifted


def test_a_replay_delivers_what_is_taken_and_the_next_one_only_the_rest(ten_dead: Engine, receiver: Receiver) -> None:
    (letter,) = ten_dead.subscriptions.dead(DAIRY, limit=9)
    receiver.status = refusing([4, 5, 6, 7, 9])
    with pytest.raises(UnavailableError, match=r"answered 422; 5 events were delivered, 5 stay") as not_taken:
        replay(ten_dead, DAIRY, letter.delivery_id)
    assert not_taken.value.code == "subscription.not_taken"
    assert receiver.ids() == ids(0, 1, 2, 3, 8)
    stay = ten_dead.subscriptions.dead(DAIRY, limit=9)
    assert [(one.events, one.after, one.up_to) for one in stay] == [(1, at, at + 1) for at in (4, 5, 6, 7, 9)]
    assert stay[0].delivery_id == letter.delivery_id
    assert {one.reason for one in stay} == {"The subscriber answered 422"}
    receiver.status = lambda _: 204
    assert [replay(ten_dead, DAIRY, one.delivery_id) for one in stay] == [1] * 5
    assert receiver.ids() == ids(0, 1, 2, 3, 8, 4, 5, 6, 7, 9)
    assert ten_dead.subscriptions.dead(DAIRY, limit=9) == []


def test_a_replay_whose_receiver_goes_away_goes_on_where_it_came_to(ten_dead: Engine, receiver: Receiver) -> None:
    (letter,) = ten_dead.subscriptions.dead(DAIRY, limit=9)
    refuses = refusing([7])
    receiver.status = lambda post: 503 if receiver.ids() == ids(*range(5)) else refuses(post)
    with pytest.raises(UnavailableError, match="answered 503"):
        replay(ten_dead, DAIRY, letter.delivery_id)
    (left,) = ten_dead.subscriptions.dead(DAIRY, limit=9)
    assert (left.delivery_id, left.events, left.after, left.up_to) == (letter.delivery_id, 5, 5, 10)
    receiver.status = lambda _: 204
    assert replay(ten_dead, DAIRY, letter.delivery_id) == 5
    assert receiver.ids() == ids(*range(10))


def test_of_two_replays_at_once_one_ends_and_nothing_is_lost(ten_dead: Engine, receiver: Receiver) -> None:
    (letter,) = ten_dead.subscriptions.dead(DAIRY, limit=9)
    once = iter([True])

    def status(_: Post) -> int:
        if next(once, False):  # while the first one waits for its answer
            assert replay(ten_dead, DAIRY, letter.delivery_id) == 10
        return 204

    receiver.status = status
    with pytest.raises(ConflictError) as meanwhile:
        replay(ten_dead, DAIRY, letter.delivery_id)
    assert meanwhile.value.code == "subscription.replayed_meanwhile"
    assert receiver.ids() == ids(*range(10)) * 2
    assert ten_dead.subscriptions.dead(DAIRY, limit=9) == []


def test_what_was_refused_before_no_server_ran_is_tried_again_before_anything_is_set_aside(
    shifted: Engine, receiver: Receiver
) -> None:
    receiver.status = lambda _: 500
    record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(10)))
    ill = UUID(follow(shifted, receiver.url, initialRecordTime="2020-01-01T00:00:00Z"))
    with delivering(shifted):
        wait_until(lambda: shifted.subscriptions.find(DAIRY, ill).failures > 0)
    later(shifted, 73 * HOUR)
    began = len(receiver.seen)
    receiver.status = lambda _: 500 if len(receiver.seen) - began < LEAST_ATTEMPTS else 204  # it starts, too
    with delivering(shifted):
        wait_until(lambda: later(shifted, 1_000_000) or receiver.ids() == ids(*range(10)))
    assert shifted.subscriptions.dead(DAIRY, limit=9) == []
    assert len(receiver.seen) - began == LEAST_ATTEMPTS, "nothing was halved"


def test_who_was_away_for_a_night_may_refuse_when_it_begins_to_answer(shifted: Engine, receiver: Receiver) -> None:
    receiver.status = lambda _: 503
    record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(10)))
    ill = UUID(follow(shifted, receiver.url, initialRecordTime="2020-01-01T00:00:00Z"))

    def failures() -> int:
        return shifted.subscriptions.find(DAIRY, ill).failures

    with delivering(shifted):
        wait_until(lambda: later(shifted, 1_000_000) or failures() > LEAST_ATTEMPTS)
        later(shifted, 12 * HOUR)
        tried = failures()
        wait_until(lambda: failures() > tried)
        began, starting = len(receiver.seen), iter([500, 404])
        receiver.status = lambda _: next(starting, 204)
        wait_until(lambda: later(shifted, 60_000_000) or receiver.ids() == ids(*range(10)))
    assert shifted.subscriptions.dead(DAIRY, limit=9) == []
    assert len(receiver.seen) - began == 3, "nothing was halved"


def test_a_report_of_which_something_was_set_aside_is_not_said_to_be_empty(shifted: Engine, receiver: Receiver) -> None:
    receiver.status = lambda post: 400 if post.events else 204
    yearly = {"stream": None, "schedule": {"month": "1", "dayOfMonth": "1"}}
    ill = UUID(follow(shifted, receiver.url, **yearly, reportIfEmpty=True))
    happen(shifted, 1)
    later(shifted, shifted.subscriptions.find(DAIRY, ill).due_at - shifted.clock.now_us())
    with delivering(shifted):
        wait_until(lambda: shifted.subscriptions.find(DAIRY, ill).failures > 0)
        later(shifted, 73 * HOUR)
        wait_until(lambda: later(shifted, 1_000_000) or shifted.subscriptions.dead(DAIRY, limit=9))
        wait_until(lambda: shifted.subscriptions.find(DAIRY, ill).due_at > shifted.clock.now_us())
        assert all(post.events for post in receiver.seen)
        later(shifted, 366 * 24 * HOUR)  # nothing since
        wait_until(lambda: receiver.taken)
    assert [post.events for post in receiver.taken] == [[]]


@pytest.mark.usefixtures("given_up")
def test_what_is_given_up_is_a_dead_letter_and_the_rest_goes_on(
    receiver: Receiver, client: httpx.Client, bearer: Callable[..., dict[str, str]]
) -> None:
    mine, theirs = bearer(DAIRY, Scope.QUERY), bearer("store.example", Scope.QUERY)
    (dead,) = client.get("/dead-letters", headers=mine).json()
    assert (dead["events"], dead["after_position"], dead["up_to_position"]) == (1, 1, 2)
    assert (dead["reason"], dead["attempts"] > 2) == ("It answered 400", True)
    address = f"/dead-letters/{dead['id']}"
    assert client.get("/dead-letters", headers=theirs).json() == []
    assert client.post(f"{address}/replay", headers=theirs).status_code == 404
    # Still refused, it stays.
    refused = client.post(f"{address}/replay", headers=mine)
    assert (refused.status_code, refused.json()["code"]) == (503, "subscription.not_taken")
    receiver.status = lambda _: 204
    assert client.post(f"{address}/replay", headers=mine).json() == {"events": 1}
    assert receiver.ids() == ids(0, 2, 3, 1)
    assert client.get("/dead-letters", headers=mine).json() == []
    assert client.post(f"{address}/replay", headers=mine).status_code == 404


def test_a_dead_letter_is_forgotten_when_it_is_not_wanted(
    given_up: Engine, client: httpx.Client, bearer: Callable[..., dict[str, str]]
) -> None:
    mine = bearer(DAIRY, Scope.QUERY)
    (dead,) = client.get("/dead-letters", headers=mine).json()
    assert client.get(f"/dead-letters?subscription_id={dead['subscription_id']}", headers=mine).json() == [dead]
    assert client.get(f"/dead-letters?after={dead['id']}", headers=mine).json() == []
    assert client.delete(f"/dead-letters/{dead['id']}", headers=mine).status_code == 204
    assert given_up.subscriptions.dead(DAIRY, limit=9) == []


def test_the_commands_list_and_replay(
    given_up: Engine, receiver: Receiver, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", database.runtime_url)
    monkeypatch.setenv("TRACEABILITY_OUTGOING_ALLOW", "127.0.0.1")
    monkeypatch.setenv("TRACEABILITY_ORGANISATION", DAIRY)
    monkeypatch.setenv("COLUMNS", "400")
    (dead,) = given_up.subscriptions.dead(DAIRY, limit=9)
    runner = CliRunner()
    for options in ([], ["--json"]):
        listed = runner.invoke(commands, ["subscription", "list", *options])
        assert (listed.exit_code, str(dead.subscription_id) in listed.output) == (0, True)
        told = runner.invoke(commands, ["subscription", "dead-letters", *options])
        assert (told.exit_code, str(dead.delivery_id) in told.output) == (0, True)
    receiver.status = lambda _: 204
    unknown = "019ca877-0c1b-7000-8000-000000000001"  # which keeps the next one from nothing
    replayed = runner.invoke(commands, ["subscription", "replay", unknown, str(dead.delivery_id)])
    assert isinstance(replayed.exception, NotFoundError)
    assert f"Delivered {dead.delivery_id}: 1 events." in replayed.stderr
    assert receiver.ids()[-1:] == ids(1)
    assert given_up.subscriptions.dead(DAIRY, limit=9) == []


def test_a_slow_receiver_reads_from_the_ledger_what_memory_does_not_keep(
    shifted: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.subscriptions.tail.MOST_WAITING", 3)
    follow(shifted, receiver.url)
    with delivering(shifted):
        happen(shifted, 0)
        wait_until(lambda: receiver.ids() == ids(0))
        record(shifted, *(event(eventID=f"urn:uuid:{number}") for number in range(1, 300)))
        wait_until(lambda: len(receiver.ids()) == 300)
    assert receiver.ids() == ids(*range(300))


def test_a_question_of_master_data_is_asked_again_and_again(shifted: Engine, receiver: Receiver) -> None:
    define(
        shifted, DAIRY, dumps({"name": "below", "query": {"WD_readPoint": ["https://id.gs1.org/414/9521234000006"]}})
    )
    subscribe(shifted, DAIRY, "below", dumps({"dest": receiver.url, "stream": True}))
    with delivering(shifted):
        for number, place in enumerate(("9521234000013", "9521234000006", "9521234000006")):
            record(shifted, event(eventID=f"urn:uuid:{number}", readPoint={"id": f"https://id.gs1.org/414/{place}"}))
        wait_until(lambda: receiver.ids() == ids(1, 2))


def test_a_query_that_cannot_be_answered_is_told_of_and_tried_again(
    shifted: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "https://id.gs1.org/414/9521234000006"
    define(shifted, DAIRY, dumps({"name": "below", "query": {"WD_readPoint": [place]}}))
    subscribe(shifted, DAIRY, "below", dumps({"dest": receiver.url, "stream": True}))
    complex_ = QueryTooComplexError("Too much is meant")

    def refuse(*_: object, **__: object) -> None:
        raise complex_

    with monkeypatch.context() as patched, delivering(shifted):
        patched.setattr("adapters.postgres.resolved.ResolvedConditions.resolve", refuse)
        record(shifted, event(eventID="urn:uuid:1", readPoint={"id": place}))
        wait_until(lambda: shifted.subscriptions.page(DAIRY, limit=1)[0].last_error == "Too much is meant")
    with delivering(shifted):
        wait_until(lambda: later(shifted, 1_000_000) or receiver.ids() == ids(1))
