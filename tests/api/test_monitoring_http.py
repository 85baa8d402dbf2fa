"""Monitoring sessions over HTTP and on the command line: opened, sealed, judged, decided, seen by its sides alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as cli
from api.wiring import Engine
from tests.conftest import Database
from tests.support.happenings import hours, pack
from tests.support.monitoring import CARRIER, DEVICE, QUALITY, ledger_events, reading
from traceability.ledger.access import Grant
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import Scope

DAIRY, RIVAL = "dairy.example", "rival.example"
A = pack("A")
PATH = "/cold-chain/sessions"
Bearer = Callable[..., dict[str, str]]
Keys = dict[str, dict[str, str]]


@pytest.fixture
def keys(engine: Engine, bearer: Bearer) -> Keys:
    for name in (QUALITY, RIVAL, CARRIER):
        engine.organisations.add(name)
    return {name: bearer(name, Scope.CAPTURE, Scope.QUERY) for name in (DAIRY, QUALITY, RIVAL, CARRIER)}


def certify(client: httpx.Client, key: dict[str, str], number: str = "C1", **body: Any) -> httpx.Response:
    given = {
        "device": DEVICE,
        "certificate": number,
        "issuer": "Lab",
        "calibrated_at": "2026-01-10T09:00:00Z",
        "result": "passed",
        "valid_until": "2027-01-10T00:00:00Z",
        "issued_at": "2026-01-11T09:00:00Z",
        "shown_to": [QUALITY],
    }
    return client.post("/cold-chain/calibrations", json=given | body, headers=key)


def begin(client: httpx.Client, key: dict[str, str], **body: Any) -> httpx.Response:
    given = {
        "device": DEVICE,
        "things": ["(01)09521234000013(21)A"],
        "limits": {"name": "mine", "low": "2", "high": "8"},
        "gap_after_minutes": 90,
        "quality": QUALITY,
        "told_by": [CARRIER],
        "opened_at": utc_text(hours(0)),
    }
    return client.post(PATH, json=given | body, headers=key)


def recorded(engine: Engine, *told: Any) -> list[int]:
    return [engine.ledger.append([event]) for event in ledger_events(told)]


def opened(client: httpx.Client, key: dict[str, str], **body: Any) -> str:
    assert certify(client, key).status_code == 201
    made = begin(client, key, **body)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"{PATH}/{made.json()['session']}"
    name: str = made.json()["session"]
    return name


def say(client: httpx.Client, key: dict[str, str], name: str, step: str, **body: Any) -> httpx.Response:
    return client.post(f"{PATH}/{name}/{step}", json=body, headers=key)


def show(client: httpx.Client, key: dict[str, str], name: str, **asked: Any) -> Any:
    return client.get(f"{PATH}/{name}", params=asked, headers=key).json()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_from_the_opening_to_a_quarantine(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    name = opened(client, keys[DAIRY])
    positions = recorded(
        engine, *[reading(at, celsius, by=by) for at, celsius, by in ((1, 5, DAIRY), (2, 9.5, CARRIER), (3, 5, DAIRY))]
    )
    engine.organisations.set_grant(Grant(DAIRY, QUALITY, None, frozenset({"how"})))
    engine.organisations.set_grant(Grant(CARRIER, QUALITY, None, frozenset({"how"})))
    engine.organisations.set_grant(Grant(CARRIER, DAIRY, None, frozenset({"how"})))
    assert code(say(client, keys[QUALITY], name, "evaluation")) == (409, "monitoring.not_sealed")
    done = say(client, keys[DAIRY], name, "seal", until=utc_text(hours(4)))
    assert (done.status_code, done.json()["stage"]) == (201, "sealed")
    late = recorded(engine, reading(2.5, 30, told=6, by=DAIRY))
    assert code(say(client, keys[QUALITY], name, "disposition", disposition="release", reason="no")) == (
        409,
        "monitoring.not_evaluated",
    )
    judged = say(client, keys[DAIRY], name, "evaluation").json()
    assert (judged["stage"], judged["verdict"]) == ("evaluated", "out")
    refused = say(client, keys[DAIRY], name, "disposition", disposition="release", reason="no")
    assert code(refused) == (403, "monitoring.not_its_quality")
    decision = say(client, keys[QUALITY], name, "disposition", disposition="quarantine", reason="an hour too warm")
    assert decision.json()["follow_up"] == {
        "command": "place_hold",
        "body": {"things": [A], "hold": name, "kind": "quality", "reason": "an hour too warm"},
    }
    found: Any = None
    for key in (keys[DAIRY], keys[QUALITY]):
        found = show(client, key, name)
        assert (found["stage"], found["disposition"], found["found"]) == ("dispositioned", "quarantine", "out")
        assert (found["seal"]["positions"], found["seal"]["holds"]) == (positions, True)
        assert (found["course"]["seconds_above"], found["course"]["lowest"]) == (3_600, "5")
        (finding,) = found["findings"]
        assert (finding["code"], finding["events"][0]["position"]) == ("reading_after_seal", late[0])
        assert [one["type"] for one in found["said"]] == ["opened", "sealed", "evaluated", "dispositioned"]
        assert found["evaluation"] == {
            "verdict": "out",
            "profile": "mine",
            "profile_version": 1,
            "model": "time_weighted",
            "model_version": 1,
            "findings": ["reading_after_seal"],
            "by": DAIRY,
            "at": found["said"][2]["said_at"],
        }
    # The digest is over the leaf hashes, which the receipts give.
    leaves = b"".join(record.leaf_hash for record in engine.ledger.records(positions))
    assert found["seal"]["digest"] == sha256(leaves).hexdigest()
    for key in (keys[RIVAL], keys[CARRIER], {}):
        assert code(client.get(f"{PATH}/{name}", headers=key)) == (404, "monitoring.unknown")
        assert client.get(PATH, headers=key).json()["sessions"] == []


def test_the_command_that_a_decision_names_does_it(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    key = keys[DAIRY]
    assert client.post("/commands/commission", json={"things": [A]}, headers=key).status_code == 201
    name = opened(client, key, quality=DAIRY)
    recorded(engine, reading(1, 5, by=DAIRY))
    for step, body in (("seal", {"until": utc_text(hours(2))}), ("evaluation", {})):
        assert say(client, key, name, step, **body).status_code == 201
    for disposition, command in (("quarantine", "place_hold"), ("release", "release_hold")):
        done = say(client, key, name, "disposition", disposition=disposition, reason="so").json()["follow_up"]
        assert done["command"] == command
        assert client.post(f"/commands/{command}", json=done["body"], headers=key).status_code == 201
    assert code(say(client, key, name, "disposition", disposition="destroy", reason="x")) == (409, "monitoring.over")


def test_a_device_out_of_calibration_opens_no_session(client: httpx.Client, keys: Keys) -> None:
    key = keys[DAIRY]
    assert code(begin(client, key)) == (409, "monitoring.calibration_missing")
    assert certify(client, keys[RIVAL], shown_to=[DAIRY]).status_code == 201
    assert code(begin(client, key)) == (409, "monitoring.calibration_missing")
    short = certify(client, key, valid_until="2026-01-20T00:00:00Z").json()
    assert (short["device"], short["status"]) == (DEVICE, "expired")
    assert code(begin(client, key)) == (409, "monitoring.calibration_expired")
    assert certify(client, key).json()["status"] == "valid"
    assert begin(client, key).status_code == 201
    failed = {"result": "out_of_tolerance", "valid_until": None, "calibrated_at": "2026-05-01T00:00:00Z"}
    assert certify(client, key, "F", issued_at="2026-05-02T00:00:00Z", **failed).json()["status"] == "out_of_tolerance"
    assert code(begin(client, key)) == (409, "monitoring.calibration_in_doubt")
    after = utc_text(hours(24 * 200))
    assert code(begin(client, key, opened_at=after)) == (409, "monitoring.calibration_out_of_tolerance")


def test_an_instrument_that_failed_names_what_it_was_used_in(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    key, asked = keys[DAIRY], {"device": DEVICE}
    assert code(client.get("/cold-chain/calibrations", params=asked, headers=key)) == (404, "monitoring.unknown_device")
    name = opened(client, key)
    recorded(engine, reading(1, 5, by=DAIRY))
    sealed = say(client, key, name, "seal", until=utc_text(hours(2))).json()
    assert say(client, key, name, "evaluation").json()["verdict"] == "within"
    failed = {"result": "out_of_tolerance", "valid_until": None, "calibrated_at": "2026-05-01T00:00:00Z"}
    certify(client, key, "F", issued_at="2026-05-02T00:00:00Z", **failed)
    found = client.get("/cold-chain/calibrations", params=asked, headers=key).json()
    assert [(one["certificate"], one["counts"]) for one in found["certificates"]] == [("C1", True), ("F", True)]
    (doubt,) = found["doubts"]
    assert (doubt["since"], doubt["certificate"]) == ("2026-01-10T09:00:00.000000Z", "F")
    assert [one["session"] for one in doubt["sessions"]] == [name]
    now = show(client, key, name)
    assert (now["verdict"], now["found"], now["calibration"]) == ("within", "incomplete", "in_doubt")
    assert [one["code"] for one in now["findings"]] == ["calibration_in_doubt", "verdict_changed"]
    # Before the certificate was issued, or recorded, nobody knew.
    assert show(client, key, name, known_at=sealed["position"] + 1)["found"] == "within"
    assert show(client, key, name, as_of="2026-04-01T00:00:00Z")["calibration"] == "valid"


def test_at_another_time_the_session_is_as_it_was(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    name = opened(client, keys[DAIRY])
    recorded(engine, reading(1, 5, by=DAIRY), reading(2, 9, by=DAIRY))

    def told(at: float) -> tuple[str, str, int]:
        found = show(client, keys[DAIRY], name, as_of=utc_text(hours(at)))
        return found["stage"], found["found"], found["readings"]

    assert told(0.5) == ("opened", "incomplete", 0)
    assert told(1.5) == ("recording", "within", 1)
    assert told(2.5) == ("recording", "out", 2)
    assert told(9) == ("gap", "out", 2)
    before = client.get(f"{PATH}/{name}", params={"as_of": utc_text(hours(-1))}, headers=keys[DAIRY])
    assert code(before) == (404, "monitoring.unknown")


def test_who_may_decide_is_asked_of_the_register(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    name = opened(client, keys[DAIRY], quality=DAIRY)
    recorded(engine, reading(1, 5, by=DAIRY))
    say(client, keys[DAIRY], name, "seal", until=utc_text(hours(2)))
    say(client, keys[DAIRY], name, "evaluation")
    operator = engine.settings.operator
    _, key = engine.organisations.create_key(operator, [Scope.CAPTURE])
    headers = {"Authorization": f"Bearer {key}"}
    rule = {"action": "monitoring_session_dispositioned", "roles": ["quality_assurance"]}
    assert client.post("/register", json={"type": "rule_set", "said": rule}, headers=headers).status_code == 201
    decision = {"disposition": "release", "reason": "well kept"}
    refused = say(client, keys[DAIRY], name, "disposition", **decision)
    assert code(refused) == (403, "monitoring.not_authorised")
    role = {"organisation": DAIRY, "role": "quality_assurance"}
    assert client.post("/register", json={"type": "role_given", "said": role}, headers=headers).status_code == 201
    done = say(client, keys[DAIRY], name, "disposition", **decision).json()
    assert (done["stage"], done["disposition"], done["follow_up"]) == ("dispositioned", "release", None)


def test_of_seals_at_one_moment_one_counts(client: httpx.Client, keys: Keys, engine: Engine) -> None:
    name = opened(client, keys[DAIRY])
    recorded(engine, reading(1, 5, by=DAIRY))

    def send(number: int) -> httpx.Response:
        headers = keys[DAIRY] | {"Idempotency-Key": f"seal-{number // 2}"}
        return client.post(f"{PATH}/{name}/seal", json={"until": utc_text(hours(2))}, headers=headers)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert sorted(one.status_code for one in answers) == [201] * 2 + [409] * 4
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"monitoring.sealed_before"}
    first, second = (one.json() for one in answers if one.status_code == 201)
    assert first == second
    assert [one["claim"] for one in show(client, keys[DAIRY], name)["said"]] == [None, None]


def test_the_list_by_device_and_thing(client: httpx.Client, keys: Keys) -> None:
    key = keys[DAIRY]
    names = [opened(client, key, things=[pack(serial)]) for serial in ("A", "B", "A")]

    def listed(**asked: Any) -> list[str]:
        return [one["session"] for one in client.get(PATH, params=asked, headers=key).json()["sessions"]]

    assert listed() == names[::-1]
    assert listed(thing="(01)09521234000013(21)A") == [names[2], names[0]]
    assert listed(device=DEVICE, perPage=2) == names[:0:-1]
    assert listed(device="urn:example:other") == []
    page = client.get(PATH, params={"perPage": 2}, headers=key)
    following = client.get(page.links["next"]["url"], headers=key)
    assert [one["session"] for one in following.json()["sessions"]] == names[:1]
    assert "next" not in following.links


@pytest.mark.parametrize(
    ("asked", "status", "refusal"),
    [
        ({"limits": None}, 422, "http.validation"),
        ({"profile": "none", "limits": None}, 404, "cold_chain.profile"),
        ({"device": "(01)09521234000014"}, 422, "gs1.check_digit"),
        ({"things": []}, 422, "http.validation"),
        ({"opened_at": "2999-01-01T00:00:00Z"}, 422, "monitoring.time"),
        ({"quality": "two words"}, 422, "http.validation"),
    ],
)
def test_what_is_malformed_opens_nothing(
    client: httpx.Client, keys: Keys, asked: dict[str, Any], status: int, refusal: str
) -> None:
    certify(client, keys[DAIRY])
    assert code(begin(client, keys[DAIRY], **asked)) == (status, refusal)


def test_a_seal_is_of_the_past(client: httpx.Client, keys: Keys) -> None:
    name = opened(client, keys[DAIRY])
    key = keys[DAIRY]
    assert code(say(client, key, name, "seal", until="2999-01-01T00:00:00Z")) == (422, "monitoring.time")
    assert code(say(client, key, name, "seal", until=utc_text(hours(-1)))) == (409, "monitoring.no_such_time")
    early = certify(client, key, "E", issued_at="2026-01-09T00:00:00Z")
    assert code(early) == (422, "monitoring.time")


def test_on_the_command_line(
    client: httpx.Client, keys: Keys, engine: Engine, database: Database, tmp_path: Path
) -> None:
    environment = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(tmp_path / "data")}
    runner = CliRunner(env=environment | {"COLUMNS": "200"})

    def run(*arguments: str, exits: int = 0) -> str:
        ran = runner.invoke(cli, ["monitoring", *arguments, "--as", DAIRY])
        assert ran.exit_code == exits, ran.output
        return ran.stdout

    times = ("--calibrated-at", "2026-01-10T09:00:00Z", "--issued-at", "2026-01-10T09:00:00Z")
    run("certify", DEVICE, "C1", "--issuer", "Lab", *times, "--valid-until", "2027-01-10T00:00:00Z")
    assert "C1" in run("calibration", DEVICE, "--as-of", "2026-02-01T00:00:00Z")
    name = run("open", DEVICE, "--thing", A, "--at", utc_text(hours(0)), "--gap-after", "90").strip()
    recorded(engine, reading(1, 5, by=DAIRY))
    run("seal", name, "--until", utc_text(hours(2)))
    run("evaluate", name)
    assert json.loads(run("show", name, "--json"))["found"] == "within"
    assert "sealed" in run("show", name)
    told = run("decide", name, "release", "--reason", "well kept", "--json")
    assert json.loads(told)["disposition"] == "release"
    assert name in run("list", "--thing", A)
    run("certify", DEVICE, "F", "--issuer", "Lab", *times[:1], "2026-05-01T00:00:00Z", "--out-of-tolerance")
    run("calibration", DEVICE, exits=1)
    run("show", name, exits=1)
    run("show", "none", exits=1)
    run("decide", name, "release", "--reason", "again", exits=1)
    assert show(client, keys[DAIRY], name)["stage"] == "dispositioned"
