"""Temperatures judged over HTTP and on the command line, with the events that tell them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import app as cli
from api.wiring import Engine
from tests.conftest import Database
from tests.support.happenings import PALLET, commission, hours, observe, pack, put, records
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import Scope

DAIRY, STORE = "dairy.example", "store.example"
A = pack("A")
LOGGER = "urn:epc:id:giai:9521234.L1"
Bearer = Callable[..., dict[str, str]]


def report(hour: float, value: float, uom: str = "CEL", **more: Any) -> dict[str, Any]:
    return {"type": "Temperature", "time": utc_text(hours(hour)), "value": value, "uom": uom, **more}


@pytest.fixture
def measured(engine: Engine) -> list[int]:
    """Record a pack on a pallet with a logger, and a reading of its own; return the positions."""

    def sensed(at: float, thing: str, *reports: dict[str, Any], device: str = LOGGER) -> Any:
        element = {"sensorMetadata": {"deviceID": device}, "sensorReport": list(reports)}
        return observe(at, thing, by=DAIRY, how={"sensorElementList": [element]})

    told = [
        commission(0, A, by=DAIRY),
        put(1, PALLET, A, by=DAIRY),
        sensed(5, PALLET, report(2, 5), report(3, 48.2, "FAH"), report(4, 5)),
        sensed(6, A, report(6, 277.15, "KEL"), report(6, 3, component="minimum"), device="urn:epc:id:giai:9521234.L2"),
    ]
    positions = []
    for happening in told:
        (record,) = records([happening])
        record.event.event_id = record.event.recorded_at = None
        positions.append(engine.ledger.append([record.event]))
    return positions


def ask(client: httpx.Client, key: dict[str, str], **asked: Any) -> httpx.Response:
    return client.post("/cold-chain/evaluations", json={"thing": A, **asked}, headers=key)


def test_a_warm_hour_on_the_pallet_is_told_of_the_pack(
    client: httpx.Client, bearer: Bearer, measured: list[int]
) -> None:
    key = bearer(DAIRY, Scope.QUERY)
    found = ask(client, key, profile="usp.controlled_cold", until=utc_text(hours(30))).json()
    assert found["verdict"] == "allowed"
    logger, own = found["courses"]
    assert (logger["readings"], logger["highest"], logger["lowest"]) == (3, "9", "5")
    assert (logger["seconds_above"], logger["seconds_within"]) == (3_600, 27 * 3_600)
    (excursion,) = logger["excursions"]
    assert (excursion["direction"], excursion["seconds"], excursion["peak"]) == ("above", 3_600, "9")
    assert [one["position"] for one in excursion["events"]] == [measured[2]]
    assert excursion["events"][0]["receipt"].startswith("/provenance/events/")
    assert (own["lowest"], own["momentary_lowest"], own["verdict"]) == ("4", "3", "within")
    later = ask(client, key, profile="usp.controlled_cold", since=utc_text(hours(3.5))).json()["courses"][0]
    assert (later["seconds_above"], later["excursion_count"]) == (1_800, 1)
    assert [one["position"] for one in later["excursions"][0]["events"]] == [measured[2]]
    strict = ask(client, key, limits={"name": "mine", "low": "2", "high": "8"}).json()
    assert strict["verdict"] == "out"
    assert ask(client, key, profile="usp.controlled_cold", gap_after_minutes=30).json()["verdict"] == "incomplete"
    early = ask(client, key, profile="usp.controlled_cold", known_at=measured[1])
    assert (early.status_code, early.json()["code"]) == (404, "cold_chain.no_readings")


def test_a_reading_that_no_thermometer_gives_is_told(client: httpx.Client, engine: Engine, bearer: Bearer) -> None:
    element = {"sensorReport": [report(1, -400), report(2, 5), {**report(3, 50), "uom": "P1"}]}
    # A logger tells of many moments in one event.
    (record,) = records([observe(1, A, by=DAIRY, how={"sensorElementList": [element]})])
    record.event.event_id = record.event.recorded_at = None
    engine.ledger.append([record.event])
    found = ask(client, bearer(DAIRY, Scope.QUERY), profile="usp.controlled_cold").json()
    assert (found["verdict"], found["courses"][0]["readings"], found["unusable"]) == ("incomplete", 1, [1])


@pytest.mark.usefixtures("measured")
def test_who_sees_nothing_is_told_nothing(client: httpx.Client, bearer: Bearer) -> None:
    for key in ({}, bearer(STORE, Scope.QUERY)):
        assert ask(client, key, profile="usp.controlled_cold").json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({}, 422, "http.validation"),
        ({"profile": "none"}, 404, "cold_chain.profile"),
        ({"limits": {"name": "x", "low": 9, "high": 8}}, 422, "http.validation"),
        ({"limits": {"name": "x", "low": "NaN", "high": 8}}, 422, "http.validation"),
        ({"profile": "usp.controlled_cold", "thing": "(01)09521234000014"}, 422, "gs1.check_digit"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    client: httpx.Client, bearer: Bearer, asked: dict[str, Any], status: int, code: str
) -> None:
    refused = ask(client, bearer(DAIRY, Scope.QUERY), **asked)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


@pytest.mark.usefixtures("measured")
def test_on_the_command_line(client: httpx.Client, database: Database, tmp_path: Path) -> None:
    environment = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(tmp_path / "data")}
    runner = CliRunner(env=environment | {"COLUMNS": "200"})
    known = [one["name"] for one in client.get("/cold-chain/profiles").json()["profiles"]]
    assert "usp.controlled_cold" in known
    unknown = runner.invoke(cli, ["cold-chain", A, "--gap-after", "30", "--as", DAIRY])
    assert (unknown.exit_code, "incomplete" in unknown.stdout) == (1, True)
    cool = runner.invoke(cli, ["cold-chain", A, "--profile", "who.refrigerator", "--as", DAIRY])
    assert cool.exit_code == 0, cool.output
    assert "9521234.L1" in cool.stdout
