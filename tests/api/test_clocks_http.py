"""Clocks over HTTP and on the command line: started for another, answered by an event, seen by these two alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as cli
from api.clock_models import StopIn
from api.clocks import stop
from api.wiring import Engine
from tests.conftest import Database
from tests.support.happenings import pack
from traceability.errors import ConflictError, NotFoundError
from traceability.ledger.access import Grant
from traceability.ledger.organisations import Scope
from traceability.supply_chain.clocks.events import ClockStarted
from traceability.supply_chain.clocks.term import Term, Unit

AGENCY, DAIRY, RIVAL = "agency.example", "dairy.example", "rival.example"
A = pack("A")
Bearer = Callable[..., dict[str, str]]


@pytest.fixture
def keys(engine: Engine, bearer: Bearer) -> dict[str, dict[str, str]]:
    for name in (AGENCY, RIVAL):
        engine.organisations.add(name)
    return {name: bearer(name, Scope.CAPTURE, Scope.QUERY) for name in (AGENCY, DAIRY, RIVAL)}


def started(client: httpx.Client, key: dict[str, str], **body: Any) -> Any:
    made = client.post(
        "/clocks", json={"responsible": DAIRY, "things": ["(01)09521234000013(21)A"], **body}, headers=key
    )
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/clocks/{made.json()['clock']}"
    return made.json()


def event_id(client: httpx.Client, key: dict[str, str]) -> str:
    made = client.post("/commands/commission", json={"things": [A]}, headers=key)
    assert made.status_code == 201, made.text
    name: str = made.json()["receipt"].split("/")[3]
    return name


def test_a_request_is_answered_in_time(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    clock = started(client, keys[AGENCY], rule="us.fsma204.records")["clock"]
    address = f"/clocks/{clock}"
    for name in (AGENCY, DAIRY):
        shown = client.get(address, headers=keys[name]).json()
        assert (shown["state"], shown["started_by"], shown["responsible"]) == ("running", AGENCY, DAIRY)
        assert shown["things"] == [A]
    for key in (keys[RIVAL], {}):
        assert client.get(address, headers=key).json()["code"] == "clock.unknown"
        assert client.get("/clocks", headers=key).json()["clocks"] == []
    answer = {"event_id": event_id(client, keys[DAIRY]), "note": "records sent"}
    refused = client.post(f"{address}/answer", json=answer, headers=keys[RIVAL])
    assert (refused.status_code, refused.json()["code"]) == (404, "clock.no_such_event")
    done = client.post(f"{address}/answer", json=answer, headers=keys[DAIRY])
    assert (done.status_code, done.json()["state"]) == (201, "answered_in_time")
    shown = client.get(address, headers=keys[DAIRY]).json()
    assert shown["answered_by"]["event_id"] == answer["event_id"]
    assert [one["type"] for one in shown["said"]] == ["started", "answered"]
    # The asker sees that and when it was answered, and of the event what it may see: here nothing.
    theirs = client.get(address, headers=keys[AGENCY]).json()
    assert (theirs["state"], theirs["answered_by"]) == ("answered_in_time", None)
    assert theirs["said"][1]["said"] == {"position": shown["answered_by"]["position"], **answer}
    again = client.post(f"{address}/answer", json=answer, headers=keys[DAIRY])
    assert (again.status_code, again.json()["code"]) == (409, "clock.over")
    before = client.get(address, params={"known_at": done.json()["position"] - 1}, headers=keys[DAIRY]).json()
    assert before["state"] == "running"


def test_an_overdue_clock_comes_first(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    old = {"started_at": "2026-01-02T12:00:00-05:00"}
    late = started(client, keys[AGENCY], rule="us.dscsa.tracing", **old)
    assert (late["state"], late["due"]) == ("overdue", "2026-01-04T17:00:00.000000Z")
    dispensers = started(client, keys[AGENCY], rule="us.dscsa.tracing.dispenser", **old)
    assert dispensers["due"] == "2026-01-07T05:00:00.000000Z"
    own = {"title": "Call back", "term": {"amount": 9_000, "unit": "calendar_days"}, "zone": "Asia/Tokyo"}
    running = started(client, keys[DAIRY], **own)
    listed = client.get("/clocks", headers=keys[DAIRY]).json()["clocks"]
    names = [late["clock"], dispensers["clock"], running["clock"]]
    assert [one["clock"] for one in listed] == names
    assert [one["state"] for one in listed] == ["overdue", "overdue", "running"]
    assert listed[2]["due_there"].endswith("T00:00:00+09:00")

    def found(**asked: Any) -> list[str]:
        return [one["clock"] for one in client.get("/clocks", params=asked, headers=keys[DAIRY]).json()["clocks"]]

    assert found(state="running") == names[2:]
    assert found(rule="us.dscsa.tracing") == names[:1]
    assert found(due_before="2026-01-05T00:00:00Z") == names[:1]
    assert found(thing=A) == names
    assert found(thing=pack("B")) == []
    forbidden = client.post(f"/clocks/{late['clock']}/stop", json={"reason": "no"}, headers=keys[DAIRY])
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "clock.not_its_starter")
    stopped = client.post(f"/clocks/{late['clock']}/stop", json={"reason": "withdrawn"}, headers=keys[AGENCY])
    assert stopped.json()["state"] == "stopped"
    assert found() == [names[1], names[2], names[0]]


def test_only_its_two_sides_speak_of_a_clock(
    client: httpx.Client, keys: dict[str, dict[str, str]], engine: Engine
) -> None:
    address = f"/clocks/{started(client, keys[AGENCY], rule='us.fsma204.records')['clock']}"
    engine.organisations.set_grant(Grant(DAIRY, RIVAL, None, frozenset({"what", "more"})))
    theirs = event_id(client, keys[DAIRY])

    def refused(action: str, **body: str) -> tuple[int, str]:
        answer = client.post(f"{address}/{action}", json=body, headers=keys[RIVAL])
        return answer.status_code, answer.json()["code"]

    assert refused("answer", event_id=theirs) == (404, "clock.unknown")
    assert refused("stop", reason="no") == (404, "clock.unknown")
    engine.organisations.set_grant(Grant(AGENCY, RIVAL, None, frozenset({"more"})))
    assert client.get(address, headers=keys[RIVAL]).json()["state"] == "running"
    assert refused("answer", event_id=theirs) == (403, "clock.not_responsible")
    assert refused("stop", reason="no") == (403, "clock.not_its_starter")
    assert len(client.get(address, headers=keys[AGENCY]).json()["said"]) == 1


def test_of_answers_at_one_moment_one_counts(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    address = f"/clocks/{started(client, keys[AGENCY], rule='us.fsma204.records')['clock']}"
    answer = {"event_id": event_id(client, keys[DAIRY])}

    def send(number: int) -> httpx.Response:
        return client.post(
            f"{address}/answer", json=answer, headers=keys[DAIRY] | {"Idempotency-Key": f"answer-{number // 2}"}
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    # Each was sent twice at once: those of one key have one answer.
    assert sorted(one.status_code for one in answers) == [201] * 2 + [409] * 6
    first, second = (one.json() for one in answers if one.status_code == 201)
    assert first == second
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"clock.over"}
    shown = client.get(address, headers=keys[DAIRY]).json()
    assert [one["claim"] for one in shown["said"]] == [None, None]
    winner = next(number for number, one in enumerate(answers) if one.status_code == 201)
    assert send(winner).json() == first


def test_a_clock_at_another_time(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    name = started(client, keys[AGENCY], rule="us.fsma204.records", started_at="2026-03-01T08:00:00Z")["clock"]
    client.post(f"/clocks/{name}/answer", json={"event_id": event_id(client, keys[DAIRY])}, headers=keys[DAIRY])

    def state(as_of: str) -> tuple[int, str]:
        shown = client.get(f"/clocks/{name}", params={"as_of": as_of}, headers=keys[AGENCY])
        return shown.status_code, shown.json().get("state", shown.json().get("code"))

    assert state("2026-03-01T07:59:59Z") == (404, "clock.unknown")
    assert state("2026-03-02T07:59:59Z") == (200, "running")
    assert state("2026-03-02T08:00:00Z") == (200, "overdue")
    assert state("2999-01-01T00:00:00Z") == (200, "answered_late")


def test_what_is_kept_long_enough_is_not_overdue(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    key = keys[DAIRY]
    kept = started(client, key, rule="us.fsma204.retention", started_at="2020-02-29T12:00:00-05:00")
    assert (kept["state"], kept["due"]) == ("elapsed", "2022-03-01T05:00:00.000000Z")
    running = started(client, key, rule="us.dscsa.retention")
    listed = client.get("/clocks", headers=key).json()["clocks"]
    assert [one["clock"] for one in listed] == [running["clock"], kept["clock"]]
    answer = {"event_id": event_id(client, key)}
    refused = client.post(f"/clocks/{running['clock']}/answer", json=answer, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (409, "clock.nothing_to_answer")


def test_a_clock_of_a_zone_that_is_not_known_here_is_shown(
    client: httpx.Client, keys: dict[str, dict[str, str]], engine: Engine
) -> None:
    term = Term(amount=1, unit=Unit.CALENDAR_DAYS)
    began = ClockStarted(clock="C1", title="Call", responsible=AGENCY, due=86_400_000_000, term=term, zone="Mars/Port")
    engine.ledger.append([began.event(captured_by=AGENCY, occurred_at=0)])
    (shown,) = client.get("/clocks", headers=keys[AGENCY]).json()["clocks"]
    assert (shown["zone"], shown["due_there"]) == ("Mars/Port", "1970-01-02T00:00:00+00:00")


def test_pages_of_the_list_hold_each_clock_once(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    key = keys[AGENCY]
    # Two that began at one time are due at one time.
    times = ["2026-03-02T08:00:00Z", "2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z", "2026-03-03T08:00:00Z"]
    running = [started(client, key, rule="us.fsma204.records", case="C-7", started_at=time) for time in times]
    over = [started(client, key, rule="us.dscsa.verification", case="C-7") for _ in range(2)]
    started(client, key, rule="us.dscsa.verification", case="C-8")
    for one in over:
        client.post(f"/clocks/{one['clock']}/stop", json={"reason": "withdrawn"}, headers=key)
    by_due = [one["clock"] for one in sorted(running, key=lambda one: (one["due"], one["clock"]))]
    listed, address = [], "/clocks?case=C-7&perPage=2"
    while address:
        page = client.get(address, headers=key)
        assert page.status_code == 200, page.text
        listed.append([one["clock"] for one in page.json()["clocks"]])
        # What ends between two pages comes again among those that ended; nothing is left out for it.
        if len(listed) == 1:
            client.post(f"/clocks/{by_due[0]}/stop", json={"reason": "withdrawn"}, headers=key)
        address = page.links.get("next", {}).get("url", "")
    assert listed[:3] == [by_due[:2], by_due[2:], [by_due[0], over[1]["clock"]]]
    assert listed[3:] == [[over[0]["clock"]]]
    refused = client.get("/clocks", params={"nextPageToken": "x"}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (400, "query.page_token")


def test_the_same_request_starts_one_clock(client: httpx.Client, keys: dict[str, dict[str, str]]) -> None:
    key = keys[AGENCY] | {"Idempotency-Key": "request-1"}
    assert started(client, key, rule="us.dscsa.verification") == started(client, key, rule="us.dscsa.verification")
    other = client.post("/clocks", json={"rule": "us.fsma204.records"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "capture.request_key")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "http.validation"),
        ({"rule": "us.unknown"}, 404, "clock.rule"),
        ({"rule": "us.fsma204.records", "retention": True}, 422, "http.validation"),
        ({"term": {"amount": 1, "unit": "hours"}}, 422, "http.validation"),
        ({"term": {"amount": 101, "unit": "years"}, "title": "Keep"}, 422, "http.validation"),
        ({"rule": "us.dscsa.tracing", "zone": "Mars/Olympus"}, 422, "clock.zone"),
        ({"rule": "us.dscsa.tracing", "zone": "../../etc/passwd"}, 422, "clock.zone"),
        # Files that a system has beside the zones: of this machine alone, and with leap seconds in it.
        ({"rule": "us.dscsa.tracing", "zone": "localtime"}, 422, "clock.zone"),
        ({"rule": "us.dscsa.tracing", "zone": "right/UTC"}, 422, "clock.zone"),
        ({"rule": "us.dscsa.tracing", "zone": "America"}, 422, "clock.zone"),
        ({"rule": "us.dscsa.tracing", "calendar": "XX"}, 422, "clock.calendar"),
        ({"rule": "us.dscsa.tracing", "started_at": "2999-01-01T00:00:00Z"}, 422, "clock.time"),
        ({"rule": "us.fsma204.records", "started_at": "0001-01-01T00:00:00Z"}, 422, "clock.time"),
        ({"rule": "us.dscsa.tracing", "things": ["(01)09521234000014"]}, 422, "gs1.check_digit"),
    ],
)
def test_what_is_no_clock_is_refused(
    client: httpx.Client, keys: dict[str, dict[str, str]], body: Any, status: int, code: str
) -> None:
    refused = client.post("/clocks", json=body, headers=keys[AGENCY])
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert client.get("/clocks", headers=keys[AGENCY]).json()["clocks"] == []


def test_on_the_command_line(
    client: httpx.Client, keys: dict[str, dict[str, str]], database: Database, tmp_path: Path
) -> None:
    environment = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(tmp_path / "data")}
    runner = CliRunner(env=environment | {"COLUMNS": "200"})

    def run(*arguments: str, by: str = DAIRY) -> Any:
        return runner.invoke(cli, ["clock", *arguments, "--as", by])

    assert "us.dscsa.tracing" in runner.invoke(cli, ["clock", "rules"]).stdout
    made = run("start", "us.dscsa.tracing", "--at", "2026-01-02T12:00:00-05:00", "--thing", A)
    assert made.exit_code == 0, made.output
    name = made.stdout.strip()
    assert run("start", "--days", "3", "--hours", "2", "--title", "x").exit_code == 2
    assert run("start", "--days", "99999", "--title", "x").exit_code == 2
    assert run("start", "--business-days", "3", "--title", "Call", "--calendar", "DE").exit_code == 0
    kept = run("start", "--years", "2", "--title", "Keep", "--at", "2024-02-29T12:00:00Z", "--json")
    assert json.loads(kept.stdout)["due"] == "2026-03-01T00:00:00.000000Z"
    own = ("start", "--business-days", "1", "--title", "Call", "--at", "2026-01-02T12:00:00Z", "--closed", "2026-01-05")
    assert json.loads(run(*own, "--json").stdout)["due"] == "2026-01-07T00:00:00.000000Z"
    assert run(*own[:-1], "soon").exit_code == 2
    assert json.loads(run("list", "--json").stdout)["clocks"][0]["clock"] == name
    assert run("show", name).exit_code == 1
    late = run("answer", name, event_id(client, keys[DAIRY]))
    assert (late.exit_code, late.stdout.strip()) == (1, name)
    assert run("stop", name, "--reason", "x").exit_code == 1
    assert isinstance(run("show", name, by=RIVAL).exception, NotFoundError)


def test_a_server_whose_clock_is_slow_does_not_end_what_has_ended(
    client: httpx.Client, engine: Engine, keys: dict[str, dict[str, str]]
) -> None:
    clock = started(client, keys[AGENCY], rule="us.fsma204.records")["clock"]
    body = {"event_id": event_id(client, keys[DAIRY])}
    assert client.post(f"/clocks/{clock}/answer", json=body, headers=keys[DAIRY]).status_code == 201

    class Slow:
        def now_us(self) -> int:
            return engine.clock.now_us() - 5_000_000

    with pytest.raises(ConflictError):
        stop(replace(engine, clock=Slow()), AGENCY, clock, StopIn(reason="withdrawn"))


def test_a_clock_that_others_wrote_breaks_no_list(
    client: httpx.Client, engine: Engine, keys: dict[str, dict[str, str]]
) -> None:
    """The type may be given to anything: what is due at no time is no clock, but at an end of the calendar it is."""
    term = Term(amount=1, unit=Unit.HOURS)
    said = ClockStarted(clock="C", title="x", responsible=DAIRY, due=0, term=term, zone="Asia/Tokyo")
    for due in (-62_135_596_800_000_000, 253_402_300_799_999_999, 10**30):
        one = said.model_copy(update={"clock": f"C{due}", "due": due})
        engine.ledger.append([one.event(captured_by=RIVAL, occurred_at=1, to=DAIRY)])
    listed = client.get("/clocks", headers=keys[DAIRY])
    assert listed.status_code == 200, listed.text
    assert len(listed.json()["clocks"]) == 2
