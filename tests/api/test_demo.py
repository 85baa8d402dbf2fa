"""`traceability demo` as a process in an empty folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from adapters.postgres.embedded import OWNER_ROLE, embedded_server
from api.demo.story import manifest
from tests.support.captures import PROGRAM, ROOT, wait_until
from tests.support.epcis_events import document, event
from tests.support.receivers import receiving

COMMAND = [*PROGRAM, "demo"]
STORY_EVENTS = 82
STORY_ELEMENTS = 45


def environment(**more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRACEABILITY_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **more}


def once(folder: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [*COMMAND, "--once", "--json", *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_once_tells_totals_keeps_what_is_there_and_starts_over_when_told(tmp_path: Path) -> None:
    first = once(tmp_path)
    recorded = STORY_EVENTS + STORY_ELEMENTS
    assert (first["events"], first["log_size"], first["verified"]) == (recorded, recorded, True)
    assert (first["recorded"], first["duplicates"]) == (STORY_EVENTS, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".traceability"]

    second = once(tmp_path)
    assert (second["recorded"], second["duplicates"]) == (0, STORY_EVENTS)
    assert {name: second[name] for name in ("events", "log_size", "verified", "root", "vkey")} == {
        name: first[name] for name in ("events", "log_size", "verified", "root", "vkey")
    }

    fresh = once(tmp_path, "--fresh")
    assert (fresh["events"], fresh["recorded"]) == (recorded, STORY_EVENTS)
    assert fresh["vkey"] != first["vkey"]
    assert fresh["root"] != first["root"]


def refused(folder: Path, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*COMMAND, "--once", "--json", *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    error = json.loads(done.stdout)["error"]
    return done.returncode, error["code"], error["hint"]


def test_data_of_another_version_are_told_and_removed_only_when_nobody_uses_them(tmp_path: Path) -> None:
    once(tmp_path)
    with embedded_server(tmp_path / ".traceability" / "postgres") as server:
        with psycopg.connect(server.url(role=OWNER_ROLE), autocommit=True) as connection:
            connection.execute("UPDATE work.migration SET checksum = 'of another version' WHERE number = 1")
        code, name, hint = refused(tmp_path)
        assert (code, name) == (3, "demo.other_version")
        assert "--fresh" in hint
        assert refused(tmp_path, "--fresh")[:2] == (1, "demo.in_use")
    assert once(tmp_path, "--fresh")["recorded"] == STORY_EVENTS


def test_it_serves_what_it_prints_and_does_what_every_server_does_until_it_is_interrupted(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [*COMMAND, "--port", "0"],
            cwd=tmp_path,
            env=environment(TRACEABILITY_OUTGOING_ALLOW="127.0.0.1"),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            printed: list[str] = []
            links = sum(len(story.links) for story in manifest().stories) + 1  # and the findings
            for line in process.stdout:
                printed += re.findall(r"http://127\.0\.0\.1:\d+/\S*", line)
                if len(printed) > links:
                    break
            for address in printed:
                answer = httpx.get(address, headers={"Accept": "text/html"}, timeout=60)
                assert answer.status_code == 200, address
                assert "<h1>" in answer.text
            told = re.search(r"sign in as (.+) with the key (\S+)", line)
            assert told is not None
            (sender,) = (one.name for one in manifest().organisations if one.display_name == told[1])
            headers = {"Authorization": f"Bearer {told[2]}"}
            with httpx.Client(base_url=printed[0], headers=headers, timeout=60) as client:
                assert all(story.title in client.get("/").text for story in manifest().stories)
                assert sorted(finding["code"] for finding in client.get("/findings").json()) == [
                    "capture.conflict",
                    "capture.duplicate",
                    "epcis.naive_time",
                ]
                what_comes_into_a_folder_goes_out_to_a_subscriber(client, tmp_path, sender)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            assert "uvicorn" not in (tmp_path / "log").read_text()
        finally:
            process.kill()


def what_comes_into_a_folder_goes_out_to_a_subscriber(client: httpx.Client, folder: Path, sender: str) -> None:
    """A partner is read, its file is captured, and the event that was in it is delivered, all by the one server."""
    inbox = folder / "inbox"
    inbox.mkdir()
    file = inbox / "from-partner.json"
    file.write_bytes(document(event(eventID="urn:uuid:of-the-partner", bizStep="shipping")))
    os.utime(file, (1_772_352_900, 1_772_352_900))  # else it may still be being written
    with receiving() as receiver:
        query = {"name": "shipped", "query": {"EQ_bizStep": ["shipping"]}}
        assert client.post("/epcis/queries", json=query).status_code == 201
        subscription = {"dest": f"{receiver.url}/hook", "signatureToken": "word", "stream": True}
        assert client.post("/epcis/queries/shipped/subscriptions", json=subscription).status_code == 201
        # A command beside the server: over HTTP nobody names folders.
        added = [*PROGRAM, "partner", "add", "partner", "--kind", "folder", "--path", "inbox", "--as", sender]
        subprocess.run(added, cwd=folder, env=environment(), check=True)
        wait_until(lambda: receiver.ids("/hook") == ["urn:uuid:of-the-partner"])


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("TRACEABILITY_DATABASE_URL", "postgresql://traceability@db.example/traceability", "demo.real_database"),
        ("TRACEABILITY_LOG_KEY", "log.key", "demo.real_key"),
    ],
)
def test_it_touches_neither_a_real_database_nor_a_real_key(tmp_path: Path, name: str, value: str, code: str) -> None:
    done = subprocess.run(
        [*COMMAND, "--once", "--json"],
        cwd=tmp_path,
        env=environment(**{name: value}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--port=70000", "--port=x"])
def test_a_bad_option_is_a_usage_error(tmp_path: Path, option: str) -> None:
    done = subprocess.run([*COMMAND, option], cwd=tmp_path, env=environment(), capture_output=True, check=False)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []
