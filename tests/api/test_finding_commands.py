"""`traceability finding`: what was wrong, corrected in a file and replayed, or closed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.settings import Settings
from api.wiring import open_engine
from tests.api.test_cli import Run, dairy, document, event, run
from tests.conftest import Database
from tests.support.findings import capture
from traceability.ledger.findings import Origin

__all__ = ["dairy", "run"]  # fixtures

DAIRY = "dairy.example"
GOOD = event(1)
CONTRADICTION = event(1, bizStep="receiving")
MALFORMED = event(2, eventTime="yesterday")
UNKNOWN = "019ca877-0c1b-7000-8000-000000000001"


@pytest.fixture
def found(dairy: Run, database: Database, tmp_path: Path) -> dict[str, str]:
    """Capture a repeat, a contradiction and a malformed event; give the ids of the findings by code."""
    assert dairy("organisation", "list").code == 0
    settings = Settings(database_url=SecretStr(database.runtime_url), data=tmp_path / "data")
    with open_engine(settings) as engine:
        data = document(GOOD, GOOD, CONTRADICTION, MALFORMED)
        findings = capture(engine.pool, engine.ledger_of(DAIRY), data, Origin(DAIRY, "shipment.json"))
    return {finding.code: str(finding.finding_id) for finding in findings}


def test_findings_are_listed_shown_corrected_and_replayed(dairy: Run, found: dict[str, str], tmp_path: Path) -> None:
    listed = dairy("finding", "list", "--json")
    assert (listed.code, {row["code"] for row in listed.json}) == (0, set(found))
    line = dairy("finding", "list", "--code", "epcis.*", "--state", "open")
    assert line.out.split("\t")[:5] == [found["epcis.time"], "open", "error", "epcis.time", "shipment.json, event 3"]
    paged = dairy("finding", "list", "--limit", "1", "--oldest-first")
    assert f"--after {found['capture.duplicate']}" in paged.err
    following = dairy("finding", "list", "--limit", "1", "--oldest-first", "--after", found["capture.duplicate"])
    assert "capture.conflict" in following.out

    shown = dairy("finding", "show", found["epcis.time"])
    assert "code\tepcis.time (error)\nplace\t$.epcisBody.eventList[3].eventTime\n" in shown.out
    assert dairy("finding", "show", found["epcis.time"], "--json").json["replayable"] is True
    bytes_of_it = dairy("finding", "show", found["epcis.time"], "--event").out
    assert json.loads(bytes_of_it) == MALFORMED

    still = dairy("finding", "replay", found["epcis.time"])
    assert (still.code, still.out[:31]) == (1, "$.eventTime: error epcis.time: ")
    told = dairy("finding", "replay", found["epcis.time"], "--json").json["error"]
    assert (told["code"], [problem["code"] for problem in told["problems"]]) == ("finding.malformed", ["epcis.time"])
    (tmp_path / "corrected.json").write_text(bytes_of_it.replace("yesterday", "2026-03-01T09:15:00+01:00"))
    done = dairy("finding", "replay", found["epcis.time"], "corrected.json", "--json")
    assert (done.code, done.json["outcome"], done.json["position"]) == (0, "recorded", 2)
    again = dairy("finding", "replay", found["epcis.time"], "-", stdin=(tmp_path / "corrected.json").read_bytes())
    assert (again.code, "there already, at position 2" in again.err) == (0, True)
    assert "replayed as\tposition 2" in dairy("finding", "show", found["epcis.time"]).out
    assert dairy("ledger", "list").out.split("\t")[1] == "2"


def test_a_contradiction_is_1_and_closed(dairy: Run, found: dict[str, str]) -> None:
    refused = dairy("finding", "replay", found["capture.conflict"], "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "capture.conflict")
    closed = dairy("finding", "dismiss", found["capture.conflict"], "--json")
    assert (closed.code, closed.json["state"]) == (0, "dismissed")
    forgotten = dairy("finding", "dismiss", found["capture.conflict"], "--forget")
    assert (forgotten.code, "ledger purge" in forgotten.err) == (0, True)
    missing = dairy("finding", "show", found["capture.conflict"], "--event", "--json")
    assert dairy("ledger", "purge", "--json").json == {"purged": []}
    assert (missing.code, json.loads(missing.out)["error"]["code"]) == (4, "finding.no_event")


def test_what_is_not_there_is_4_and_what_cannot_be_is_2(dairy: Run, found: dict[str, str]) -> None:
    assert dairy("organisation", "add", "store.example").code == 0
    assert dairy("finding", "list", "--as", "store.example", "--json").json == []
    for arguments in (
        ("show", UNKNOWN),
        ("replay", UNKNOWN),
        ("dismiss", UNKNOWN),
        ("show", found["epcis.time"], "--as", "store.example"),
        ("replay", found["epcis.time"], "no-such-file.json"),
    ):
        assert dairy("finding", *arguments).code == 4, arguments
    for arguments in (("show", "x"), ("list", "--state", "lost"), ("list", "--since", "x"), ("list", "--job", "x")):
        assert dairy("finding", *arguments).code == 2, arguments
