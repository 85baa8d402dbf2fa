"""The command line as scripts meet it: exit codes, what goes to stdout and what to stderr, `--json`."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from adapters.postgres.embedded import RUNTIME_ROLE
from api.cli import main
from api.findings import findings_of
from tests.conftest import Database
from tests.support.capture_runs import PROCEED, HandClock, capture_engine, captured, found_about
from tests.support.epcis_events import DAIRY

DAIRY_GLN = "9521234000006"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run the console script's function with these arguments on a fresh database."""
    for name in [name for name in os.environ if name.startswith("TRACEABILITY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", database.runtime_url)
    monkeypatch.setenv("TRACEABILITY_DATABASE_OWNER_URL", database.owner_url)
    monkeypatch.setenv("TRACEABILITY_ORGANISATION", "dairy.example")
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, stdin: bytes = b"") -> Ran:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["traceability", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        return Ran(int(left.value.code or 0), out, err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def dairy(run: Run) -> Run:
    """Give `run` on a database with the organisation that the settings name."""
    assert run("organisation", "add", "dairy.example", "--gln", DAIRY_GLN).code == 0
    return run


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "eventID": f"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f{number:04}",
        "eventTime": "2026-03-01T09:15:00+01:00",
        "eventTimeZoneOffset": "+01:00",
        "action": "OBSERVE",
        "bizStep": "shipping",
        "epcList": [f"https://id.gs1.org/01/09521234000013/21/{number}"],
        **changes,
    }


def document(*events: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-03-01T10:00:00Z",
            "epcisBody": {"eventList": list(events)},
        }
    ).encode()


def test_a_terminal_sees_a_progress_bar_and_a_pipe_does_not(tmp_path: Path) -> None:
    (tmp_path / "feed.json").write_bytes(document(event(1)))
    command = [sys.executable, "-c", "from api.cli import main; main()", "feed", "check", "feed.json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRACEABILITY_")}
    piped = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert b"Checking files" not in piped.stderr
    leader, follower = os.openpty()
    subprocess.run(command, cwd=tmp_path, env={**environment, "TERM": "xterm"}, stderr=follower, check=True)
    os.close(follower)
    with os.fdopen(leader, "rb") as terminal:
        assert b"Checking files" in os.read(terminal.fileno(), 65_536)


def test_usage_is_2_and_goes_to_stderr(run: Run) -> None:
    for arguments in (("nonsense",), ("organisation",), ("key", "create"), ("key", "create", "--scope", "everything")):
        ran = run(*arguments)
        assert (ran.code, ran.err != "" or arguments == ("organisation",)) == (2, True)
    assert run("--help").code == 0
    assert run("--version").out.strip() == "0.1.0"


def test_a_setting_that_cannot_be_is_usage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_PORT", "http")
    ran = run("serve", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (2, "settings.invalid")


def test_an_unreachable_database_is_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    for arguments in (("organisation", "list"), ("db", "check"), ("serve", "--port", "0")):
        ran = run(*arguments)
        assert (ran.code, ran.out) == (3, "")
        assert "postgres.unreachable" in ran.err


def test_a_database_lost_or_closed_to_us_is_3(run: Run, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEABILITY_DATABASE_OWNER_URL", "postgresql://nobody@127.0.0.1:1/none")
    lost = run("db", "reindex", "--json")
    assert (lost.code, lost.json["error"]["code"]) == (3, "postgres.unreachable")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("REVOKE ALL ON SCHEMA access FROM {}").format(sql.Identifier(RUNTIME_ROLE)))
    closed = run("organisation", "list", "--json")
    assert (closed.code, closed.json["error"]["code"]) == (3, "postgres.privileges")


def test_what_does_not_exist_is_4(dairy: Run) -> None:
    assert dairy("key", "list", "--as", "nobody.example").code == 4
    assert dairy("organisation", "list", "--ledger", "nothing").code == 4
    assert dairy("feed", "check", "no-such-file.json").code == 4
    assert dairy("ledger", "erase", "7", "--reason", "r", "--authority", "a").code == 4
    unknown = dairy("key", "revoke", "000000000000", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (4, "access.no_such_key")


def test_organisations_and_their_grants(dairy: Run) -> None:
    added = dairy(
        "organisation", "add", "store.example", "--display-name", "Store [1]", "--domain", "store.example", "--json"
    )
    assert added.json["domain"] == "store.example"
    assert dairy("organisation", "add", "store.example").code == 1
    assert [o["name"] for o in dairy("organisation", "list", "--json").json] == ["dairy.example", "store.example"]
    assert dairy("organisation", "list").out == (
        f"dairy.example\tdairy.example\t{DAIRY_GLN}\t\nstore.example\tStore [1]\t\tstore.example\n"
    )
    assert dairy("organisation", "profile", "--json").json == []
    profile = {"grantee": "public", "parts": ["item", "where"], "steps": None}
    assert dairy("organisation", "profile", "--parts", "item,where", "--json").json == [profile]
    grant = {"grantee": "store.example", "parts": ["what"], "steps": ["receiving", "shipping"]}
    made = ("--parts", "what", "--step", "shipping", "--step", "urn:epcglobal:cbv:bizstep:receiving", "--json")
    assert dairy("organisation", "grant", "store.example", *made).json == [grant]
    assert dairy("organisation", "grant", "--json").json == [profile, grant]
    assert dairy("organisation", "grant", "store.example", "--end", "--json").json == []
    assert dairy("organisation", "profile", "--close").code == 0
    assert dairy("organisation", "profile", "--close").code == 4
    assert dairy("organisation", "profile", "--parts", "personal").code == 1
    assert dairy("organisation", "profile", "--step", "shipping").code == 2
    misspelt = dairy("organisation", "profile", "--parts", "item", "--step", "shippin", "--json")
    assert (misspelt.code, misspelt.json["error"]["code"]) == (1, "access.steps")
    own = "https://dairy.example/steps/churning"
    assert dairy("organisation", "profile", "--parts", "item", "--step", own, "--json").json[0]["steps"] == [own]


def test_a_key_is_printed_once_and_revoked(dairy: Run) -> None:
    created = dairy("key", "create", "--scope", "query", "--scope", "admin")
    assert created.out.startswith("trace_")
    assert created.out.strip() not in created.err
    (listed,) = dairy("key", "list", "--json").json
    assert (listed["key_id"], listed["scopes"]) == (created.out.split("_")[1], ["admin", "query"])
    assert listed["revoked_at"] is None
    revoked = dairy("key", "revoke", listed["key_id"], "--json").json
    assert revoked["revoked_at"] is not None
    assert created.out.strip() not in dairy("key", "list").out


def test_one_bad_event_keeps_everything_out_unless_told(dairy: Run, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(document(event(1)))
    (tmp_path / "mixed.json").write_bytes(document(event(2), event(3, eventTime="yesterday"), event(4)))
    checked = dairy("feed", "check", "good.json", "mixed.json")
    assert checked.code == 1
    assert checked.out.startswith("mixed.json: $.epcisBody.eventList[1].eventTime: error epcis.")
    refused = dairy("feed", "import", "good.json", "mixed.json", "--json")
    assert (refused.code, refused.json["recorded"], refused.json["events"]) == (1, 0, [])
    assert dairy("ledger", "list").out.split("\t")[1] == "0"
    proceeded = dairy("feed", "import", "good.json", "mixed.json", "--proceed", "--json")
    assert (proceeded.code, proceeded.json["recorded"]) == (1, 3)
    assert [e["position"] for e in proceeded.json["events"]] == [1, 2, 3]
    (problem,) = proceeded.json["files"][1]["problems"]
    assert (problem["index"], problem["path"], problem["severity"]) == (
        1,
        "$.epcisBody.eventList[1].eventTime",
        "error",
    )
    assert UUID(proceeded.json["events"][0]["event_id"]).version == 7


def test_an_import_again_is_duplicates_and_other_content_a_conflict(dairy: Run) -> None:
    first = dairy("feed", "import", "-", stdin=document(event(1), event(2)))
    assert (first.code, first.out) == (0, "recorded positions 1 to 2\n")
    again = dairy("feed", "import", "-", "--json", stdin=document(event(1), event(3)))
    assert (again.code, again.json["recorded"], again.json["duplicates"]) == (0, 1, 1)
    assert [(e["outcome"], e["position"]) for e in again.json["events"]] == [("duplicate", 1), ("recorded", 3)]
    other = dairy("feed", "import", "-", stdin=document(event(2, bizStep="receiving")))
    assert (other.code, "position 2" in other.out, "1 conflict." in other.err) == (1, True, True)
    assert dairy("organisation", "add", "store.example").code == 0
    by_another = dairy("feed", "import", "-", "--as", "store.example", "--json", stdin=document(event(1)))
    assert by_another.json["recorded"] == 1


def test_an_empty_or_foreign_document_is_false(dairy: Run) -> None:
    for text in (b"", b"{", b"1", b'{"type": "Invoice"}', b"\xff\xfe"):
        ran = dairy("feed", "check", "-", "--json", stdin=text)
        assert (ran.code, ran.json["valid"], len(ran.json["files"][0]["problems"])) == (1, False, 1)


def test_the_index_is_checked_and_an_event_erased(dairy: Run) -> None:
    private = {"https://dairy.example/ns#packer": "A. Muster"}
    assert dairy("ledger", "personal", "https://dairy.example/ns#packer").code == 0
    assert dairy("ledger", "personal", "no iri").code == 1
    assert dairy("feed", "import", "-", stdin=document(event(1, **private))).code == 0
    assert dairy("db", "reindex", "--verify", "--json").json["clean"] is True
    erased = dairy("ledger", "erase", "1", "--reason", "asked for", "--authority", "officer", "--json")
    assert erased.json == {"position": 1, "redacted_by": 2, "purged": True}
    assert dairy("ledger", "erase", "1", "--reason", "r", "--authority", "a").code == 1
    assert dairy("ledger", "purge", "1", "--json").json == {"purged": [1]}
    assert dairy("db", "reindex", "--verify").code == 0


def test_ledgers_are_apart(dairy: Run) -> None:
    assert dairy("ledger", "add", "drugs").code == 0
    assert dairy("ledger", "add", "drugs").code == 1
    assert dairy("ledger", "add", "No Name").code == 1
    # Nothing of one ledger is known in another, not even its organisations.
    assert dairy("feed", "import", "-", "--ledger", "drugs", stdin=document(event(1))).code == 4
    assert dairy("organisation", "list", "--ledger", "drugs", "--json").json == []


def test_the_database_is_said_to_be_in_order(dairy: Run, database: Database) -> None:
    ran = dairy("db", "check", "--json")
    assert (ran.code, ran.json["pending"], ran.json["excess_privileges"]) == (0, [], [])
    assert dairy("db", "migrate", "--json").json == {"applied": []}
    assert dairy("db", "url").out.strip() == database.runtime_url
    assert dairy("db", "url", "--owner", "--json").json == {"url": database.owner_url}
    assert dairy("db", "maintain", "--json").json["positions_left"] > 1_000_000


def test_what_is_long_finished_is_removed_and_what_is_open_stays(
    run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = HandClock()
    clock.now = 1_583_049_600_000_000  # 2020-03-01
    bad = event(2, eventTime="yesterday"), event(3, eventTime="tomorrow")
    with capture_engine(database, Path(".traceability"), clock) as engine:
        job = captured(engine, document(event(1), *bad), behaviour=PROCEED)
        first, second = found_about(engine, job)
        findings_of(engine).dismiss(DAIRY, first.finding_id, forget=False)
    remains = Path(".traceability/spool/main") / str(job.job_id)
    remains.mkdir()

    nothing = {"captures_removed": 0, "findings_removed": 0}
    monkeypatch.setenv("TRACEABILITY_CAPTURE_KEEP_DAYS", "36500")
    assert run("db", "maintain", "--json").json.items() >= nothing.items()
    assert remains.exists()
    monkeypatch.delenv("TRACEABILITY_CAPTURE_KEEP_DAYS")
    ran = run("db", "maintain", "--json")
    assert (ran.json["captures_removed"], ran.json["findings_removed"]) == (1, 1)
    assert "Removed 1 capture and 1 settled finding of more than 90 days ago." in ran.err
    assert not remains.exists()
    assert run("db", "maintain", "--json").json.items() >= nothing.items()
    (left,) = run("finding", "list", "--json").json
    assert left["id"] == str(second.finding_id)
    assert run("finding", "show", left["id"], "--event").out == json.dumps(bad[1])
    assert run("ledger", "list", "--json").json[0]["position"] == 1

    monkeypatch.delenv("TRACEABILITY_DATABASE_OWNER_URL")
    assert run("db", "maintain", "--json").json["error"]["code"] == "postgres.no_owner_url"


def test_a_database_without_migrations_is_not_touched(
    run: Run, empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEABILITY_DATABASE_URL", empty_database.runtime_url)
    monkeypatch.setenv("TRACEABILITY_DATABASE_OWNER_URL", empty_database.owner_url)
    ran = run("organisation", "list", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "migrate.pending")
    assert run("db", "check").code == 1
    assert len(run("db", "migrate", "--json").json["applied"]) >= 3
    assert run("db", "check").code == 0


def test_no_colour_where_there_is_no_terminal(dairy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    ran = dairy("organisation", "add", "[bold]")
    assert ran.code == 1
    assert "\x1b" not in ran.err
    assert "'[bold]'" in ran.err
