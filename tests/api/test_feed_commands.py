"""`traceability feed …` as partners' scripts meet it: every way in, what is printed, exit codes, resume."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres import bulk
from api.cli import feed
from tests.api.test_cli import Run, dairy, document, event, run
from tests.conftest import Database

__all__ = ["dairy", "run"]  # fixtures

BAD = event(9, eventTime="yesterday")


def zipped(**documents: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in documents.items():
            archive.writestr(f"day/{name}.json", content)
    return out.getvalue()


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """A folder with a document of every form, an event each, and something else."""
    folder = tmp_path / "feeds"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.json").write_bytes(document(event(1)))
    (folder / "b.json.gz").write_bytes(gzip.compress(document(event(2))))
    (folder / "c.zip").write_bytes(zipped(one=document(event(3)), two=document(event(4))))
    (folder / "inner" / "d.jsonld").write_bytes(document(event(5)))
    (folder / "readme.txt").write_text("no document")
    return folder


NAMES = ["feeds/a.json", "feeds/b.json", "day/one.json", "day/two.json", "feeds/inner/d.jsonld"]


def test_a_folder_is_every_document_in_it(dairy: Run, feeds: Path) -> None:
    checked = dairy("feed", "check", "feeds", "--json")
    assert (checked.code, checked.json["valid"]) == (0, True)
    assert [(file["events"], file["problems"]) for file in checked.json["files"]] == [(1, [])] * 5
    imported = dairy("feed", "import", "feeds", "--json")
    assert (imported.code, imported.json["recorded"]) == (0, 5)
    assert [file["file"] for file in imported.json["files"]] == NAMES
    assert [(one["file"], one["position"]) for one in imported.json["events"]] == [
        (name, n) for n, name in enumerate(NAMES, 1)
    ]
    assert feeds.exists()
    assert (feeds / "c.zip").read_bytes()[:2] == b"PK"


@pytest.mark.usefixtures("feeds")
def test_files_archives_and_a_pipe_beside_each_other(dairy: Run) -> None:
    ran = dairy("feed", "import", "feeds/c.zip", "-", "feeds/a.json", stdin=gzip.compress(document(event(7))))
    assert (ran.code, ran.out, ran.err) == (
        0,
        "recorded positions 1 to 4\n",
        "4 recorded, 0 duplicates, 0 conflicts.\n",
    )


def test_what_json_tells_of_an_import(dairy: Run, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(document(event(1), BAD, event(1), event(1, bizStep="receiving")))
    ran = dairy("feed", "import", "one.json", "--proceed", "--json")
    told = ran.json
    assert ran.code == 1
    assert told.keys() == {
        "job_id", "success", "recorded", "duplicates", "conflicts", "malformed", "files", "events", "events_not_listed",
        "master_data",
    }  # fmt: skip
    counts = {name: told[name] for name in ("success", "recorded", "duplicates", "conflicts", "malformed")}
    assert counts == {"success": False, "recorded": 1, "duplicates": 1, "conflicts": 1, "malformed": 1}
    assert told["events_not_listed"] == 0
    assert [(one["outcome"], one["path"], one["position"]) for one in told["events"]] == [
        ("recorded", "$.epcisBody.eventList[0]", 1),
        ("duplicate", "$.epcisBody.eventList[2]", 1),
        ("conflict", "$.epcisBody.eventList[3]", 1),
    ]
    ((file,),) = (told["files"],)
    assert [(one["index"], one["code"], one["severity"], one["position"]) for one in file["problems"]] == [
        (1, "epcis.time", "error", None),
        (2, "capture.duplicate", "warning", 1),
        (3, "capture.conflict", "error", 1),
    ]
    assert dairy("finding", "show", file["problems"][0]["finding_id"], "--json").json["job_id"] == told["job_id"]


def test_what_is_printed_of_an_import(dairy: Run, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(document(event(1), BAD, event(1)))
    refused = dairy("feed", "import", "one.json")
    assert refused.code == 1
    assert refused.out.startswith("one.json: $.epcisBody.eventList[1].eventTime: error epcis.time: ")
    assert refused.err.startswith("Nothing was recorded.")
    ran = dairy("feed", "import", "one.json", "--proceed")
    assert (ran.code, ran.out.splitlines()[1:]) == (1, ["recorded positions 1 to 1"])
    assert ran.err == "1 recorded, 1 duplicate, 0 conflicts, 1 malformed.\n"


def test_what_json_lists_has_an_end_and_the_counts_have_none(
    dairy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_SHOWN", 3)
    (tmp_path / "one.json").write_bytes(document(*[event(n) for n in range(5)], *[BAD] * 5))
    checked = dairy("feed", "check", "one.json", "--json").json["files"][0]
    assert (checked["events"], len(checked["problems"]), checked["problems_not_listed"]) == (5, 3, 2)
    told = dairy("feed", "import", "one.json", "--proceed", "--json").json
    assert (told["recorded"], len(told["events"]), told["events_not_listed"]) == (5, 3, 2)
    assert (told["malformed"], len(told["files"][0]["problems"])) == (5, 3)


def test_what_is_not_there_is_4_and_nothing_is_begun(dairy: Run, tmp_path: Path, database: Database) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.json").write_bytes(document(event(1)))
    for command in ("check", "import"):
        for arguments in (("none.json",), ("empty",), ("a.json", "none.json")):
            ran = dairy("feed", command, *arguments, "--json")
            assert (ran.code, ran.json["error"]["code"]) == (4, "feed.file")
        assert dairy("feed", command).code == 2
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute("SELECT count(*) FROM work.capture_job").fetchone() == (0,)
    assert list((tmp_path / ".traceability" / "spool" / "main").iterdir()) == []


def test_a_check_needs_no_database(dairy: Run, feeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    (feeds / "bad.json").write_bytes(document(BAD, event(1)))
    ran = dairy("feed", "check", "feeds", "feeds/bad.json")
    assert (ran.code, ran.err) == (1, "Checked 7 files: 7 good events, 2 errors, 0 warnings.\n")
    assert ran.out.count("feeds/bad.json: $.epcisBody.eventList[0].eventTime: error epcis.time: ") == 2
    assert dairy("feed", "import", "feeds").code == 3


def killed_import(dairy: Run, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run an import that ends, as if it were killed, after its first batch of two events or so."""

    class Ended(SystemExit):
        pass

    with monkeypatch.context() as patch:
        for name in ("FIRST_BATCH_ROWS", "MOST_BATCH_ROWS", "LEAST_BATCH_ROWS"):
            patch.setattr(bulk, name, 8)

        def die(*_: Any) -> None:
            raise Ended(137)

        patch.setattr(feed._Recorded, "__call__", die)
        assert dairy("feed", "import", *arguments).code == 137


def forget_leases(database: Database) -> None:
    """Let half a minute pass for whoever asks for a job."""
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("UPDATE work.capture_job SET leased_until = 1")


def test_what_a_killed_import_left_is_resumed(
    dairy: Run, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = dairy("feed", "resume")
    assert (nothing.code, nothing.err) == (0, "Nothing is unfinished.\n")
    (tmp_path / "good.json").write_bytes(document(*[event(n) for n in range(9)]))
    (tmp_path / "mixed.json").write_bytes(document(event(20), BAD, *[event(n) for n in range(21, 26)]))
    killed_import(dairy, monkeypatch, "good.json")
    killed_import(dairy, monkeypatch, "--proceed", "mixed.json")
    (tmp_path / "good.json").unlink()  # the spool has it
    assert dairy("feed", "resume", "--json").json == []  # whoever holds them may be at work still
    forget_leases(database)
    resumed = dairy("feed", "resume", "--json")
    assert resumed.code == 1
    told = [{name: job[name] for name in ("success", "recorded", "malformed")} for job in resumed.json]
    assert told == [
        {"success": True, "recorded": 9, "malformed": 0},
        {"success": False, "recorded": 6, "malformed": 1},
    ]
    assert [file["file"] for job in resumed.json for file in job["files"]] == ["good.json", "mixed.json"]
    assert dairy("ledger", "list").out.split("\t")[1] == "15"
    assert dairy("feed", "resume", "--json").json == []
    assert list((tmp_path / ".traceability" / "spool" / "main").iterdir()) == []


def test_a_terminal_sees_how_far_an_import_is(dairy: Run, tmp_path: Path) -> None:
    """Both bars, one after the other, and nothing of them in what is piped on."""
    (tmp_path / "feed.json").write_bytes(document(*[event(n) for n in range(50)]))
    command = [sys.executable, "-c", "from api.cli import main; main()", "feed", "import", "feed.json", "--json"]
    leader, follower = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, stderr=follower, stdout=subprocess.PIPE, check=False)
    os.close(follower)
    assert done.returncode == 0, done.stdout
    with os.fdopen(leader, "rb") as terminal:
        seen = os.read(terminal.fileno(), 65_536)
    assert json.loads(done.stdout)["recorded"] == 50
    assert b"Recording events" in seen
    assert dairy("ledger", "list").out.split("\t")[1] == "50"


def test_a_word_that_nobody_knows_is_said_once(dairy: Run, tmp_path: Path) -> None:
    odd = {"bizStep": "urn:epcglobal:cbv:bizstep:transforming"}
    (tmp_path / "days").mkdir()
    for day in range(3):
        events = [event(n, **odd) for n in range(3 * day, 3 * day + 3)]
        (tmp_path / "days" / f"{day}.json").write_bytes(document(*events))
    (tmp_path / "days" / "4.json").write_bytes(document(event(10, disposition="cbv:Disp-lost"), BAD))
    word = "warning epcis.unknown_word: "
    for command in (["check"], ["import", "--proceed"]):
        ran = dairy("feed", *command, "days")
        lines = ran.out.splitlines()
        assert ran.code == 1
        assert [line for line in lines if "transforming" in line] == [
            line for line in lines if line.startswith("days/0.json: $.epcisBody.eventList[0].bizStep: " + word)
        ]
        assert sum(word in line for line in lines) == 2
        assert [line.endswith(" (9 times; this is the first)") for line in lines if word in line] == [True, False]
        assert "epcis.time" in lines[0], "errors come first"
    assert "10 warnings" in dairy("feed", "check", "days").err
    shown = dairy("feed", "check", "days", "--json").json
    assert [len(file["problems"]) for file in shown["files"]] == [3, 3, 3, 2]
