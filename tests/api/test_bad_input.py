"""Bad input, through the command line and over HTTP: a code and a sentence each, and nothing half-written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api.capture.runner import capturing
from api.wiring import Engine
from tests.api.test_cli import Run, dairy, run
from tests.conftest import Database
from tests.support.bad_input import BAD_ARCHIVES, BAD_DOCUMENTS, GOOD_DOCUMENTS, GOOD_EVENTS_IN_THEM, KEPT
from tests.support.capture_runs import spooled
from traceability.ledger.organisations import Scope

__all__ = ["dairy", "run"]  # fixtures


def is_sentence(text: str) -> bool:
    return " " in text and text.endswith(".") and "\n" not in text and len(text) < 400


def documents(*, proceed: bool) -> list[tuple[str, bytes, str]]:
    return [
        (name, content, code)
        for name, (content, code) in BAD_DOCUMENTS.items()
        if not (proceed and name in GOOD_EVENTS_IN_THEM)
    ]


def left_behind(database: Database) -> dict[str, int]:
    """Count what must not be there: events, and findings and letters of no job that ended."""
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(
            "SELECT (SELECT position FROM ledger.head WHERE ledger_id = 1),"
            " (SELECT count(*) FROM ledger.record) + (SELECT count(*) FROM ledger.posting),"
            " (SELECT count(*) FROM work.finding f WHERE NOT EXISTS (SELECT FROM work.capture_job j"
            "   WHERE j.job_id = f.job_id AND j.failed AND j.finished_at IS NOT NULL)),"
            " (SELECT count(*) FROM work.letter l WHERE NOT EXISTS (SELECT FROM work.finding f"
            "   WHERE f.letter_id = l.letter_id)),"
            " (SELECT count(*) FROM work.capture_job WHERE finished_at IS NULL)"
        ).fetchone()
    assert row is not None
    return {what: n for what, n in zip(("head", "rows", "findings", "letters", "open jobs"), row, strict=True) if n}


@pytest.mark.parametrize("command", [("feed", "import"), ("feed", "import", "--proceed"), ("feed", "check")])
def test_a_file_of_bad_input(dairy: Run, database: Database, tmp_path: Path, command: tuple[str, ...]) -> None:
    wrong: list[tuple[object, ...]] = []
    for name, content, code in documents(proceed="--proceed" in command):
        ran = dairy(*command, "-", "--json", stdin=content)
        first = ran.json["files"][0]["problems"][0]
        if (ran.code, first["code"], is_sentence(first["message"])) != (1, code, True):
            wrong.append((name, code, ran.code, first))
        if left := left_behind(database):
            wrong.append((name, left))
    for name, (content, code) in BAD_ARCHIVES.items():
        ran = dairy(*command, "-", "--json", stdin=content)
        if (ran.code, ran.json["error"]["code"], ran.json["error"]["hint"] != "") != (1, code, True):
            wrong.append((name, code, ran.code, ran.json))
    assert wrong == []
    assert left_behind(database) == {}
    assert list((tmp_path / ".traceability" / "spool").rglob("*/*")) == []


@pytest.fixture
def capture(
    app: FastAPI, engine: Engine, client: httpx.Client, bearer: Callable[..., dict[str, str]]
) -> Iterator[Callable[..., tuple[httpx.Response, dict[str, Any]]]]:
    """Send a document to a server that runs its jobs; give the answer, and the job as it ended."""
    key = bearer("dairy.example", Scope.CAPTURE)

    def capture(content: bytes, behaviour: str) -> tuple[httpx.Response, dict[str, Any]]:
        headers = {**key, "GS1-Capture-Error-Behaviour": behaviour}
        answer = client.post("/epcis/capture", content=content, headers=headers)
        job = answer.json()
        while answer.status_code == 202 and job["running"]:
            time.sleep(0.005)
            job = client.get(answer.headers["Location"], headers=key).json()
        return answer, job

    with capturing(engine) as runner:
        app.state.capture_runner = runner
        yield capture


@pytest.mark.parametrize("behaviour", ["rollback", "proceed"])
def test_a_capture_of_bad_input(
    capture: Callable[..., tuple[httpx.Response, dict[str, Any]]], database: Database, engine: Engine, behaviour: str
) -> None:
    wrong: list[tuple[object, ...]] = []
    for name, content, code in documents(proceed=behaviour == "proceed"):
        answer, job = capture(content, behaviour)
        first = job["errors"][0]
        if (answer.status_code, job["success"], first["code"], is_sentence(first["detail"])) != (
            202,
            False,
            code,
            True,
        ):
            wrong.append((name, code, answer.status_code, first))
    for name, (content, code) in BAD_ARCHIVES.items():
        answer, problem = capture(content, behaviour)
        if (answer.status_code, problem["code"]) != (422, code):
            wrong.append((name, code, answer.status_code, problem))
    assert wrong == []
    assert left_behind(database) == {}
    assert spooled(engine) == []


def test_what_looks_bad_and_is_not(dairy: Run, database: Database) -> None:
    for name, content in GOOD_DOCUMENTS.items():
        ran = dairy("feed", "import", "-", "--json", stdin=content)
        assert (ran.code, ran.json["success"]) == (0, True), name
    with psycopg.connect(database.owner_url) as connection:
        kept = connection.execute("SELECT more, source FROM ledger.record WHERE position = 2").fetchone()
    assert kept is not None
    for part in kept:
        assert KEPT in part
        assert json.loads(part)["https://x.example/numbers"]["big"] == 9_007_199_254_740_993


def test_the_good_events_of_a_bad_document_go_in_when_told(dairy: Run, tmp_path: Path) -> None:
    """Whatever stands beside them, as long as its brackets tell where the next event begins."""
    good = b"".join(GOOD_DOCUMENTS["one event"].split(b"\n"))
    beside = [b'{"a" 1}', b'{"type":NaN}', b'{"eventID":"\xff"}', b"{}", b"7", b'"x"', b"nonsense", b"[[],[]]"]
    events = b",".join([one for bad in beside for one in (bad, good.replace(b"1001", b"%d" % len(bad)))])
    (tmp_path / "feed.json").write_bytes(b"[" + events + b"]")
    ran = dairy("feed", "import", "--proceed", "--json", "feed.json")
    assert (ran.code, ran.json["malformed"]) == (1, len(beside))
    assert ran.json["recorded"] + ran.json["duplicates"] == len(beside)
