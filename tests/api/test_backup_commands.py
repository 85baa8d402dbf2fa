"""`traceability db backup` and `db restore` as processes, over a private server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from adapters.postgres.embedded import embedded_server, stop
from tests.support.epcis_events import document, event

ROOT = Path(__file__).parents[2]
SECRET = "A. Muster"


class Done(NamedTuple):
    code: int
    out: Any
    talk: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return runner(tmp_path)


def runner(folder: Path) -> Run:
    def command(*arguments: str, data: Path = folder / "data", text: str = "", **settings: str) -> Done:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRACEABILITY_")}
        done = subprocess.run(
            [sys.executable, "-c", "from api.cli import main; main()", *arguments, "--json"],
            cwd=folder,
            env={**inherited, "PYTHONPATH": str(ROOT), "TRACEABILITY_DATA": str(data), **settings},
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        return Done(done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr)

    return command


def packs(first: int, count: int) -> str:
    numbers = range(first, first + count)
    return document(
        *(
            event(
                eventID=f"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-{number:012}",
                epcList=[f"https://id.gs1.org/01/09521234000013/21/{number}"],
                **{"https://dairy.example/ns#packer": f"{SECRET} {number}"},
            )
            for number in numbers
        )
    ).decode()


def recorded(run: Run, first: int, count: int) -> None:
    done = run("feed", "import", "-", text=packs(first, count))
    assert (done.code, done.out["recorded"]) == (0, count), done.talk


def history(run: Run, number: int, **where: Path) -> Any:
    done = run("item", f"https://id.gs1.org/01/09521234000013/21/{number}", **where)
    assert done.code == 0, done.talk
    return done.out["history"]


def test_a_backup_made_while_events_come_in_is_restored_elsewhere(run: Run, tmp_path: Path) -> None:
    with embedded_server(tmp_path / "data" / "postgres"):
        recorded(run, 1, 300)
        assert run("log", "integrate").code == 0
        recorded(run, 301, 20)
        before = history(run, 310)
    evidence = tmp_path / "data" / "evidence"
    evidence.mkdir()
    for name in ("kept.age", ".being-written.age.new"):
        (evidence / name).write_bytes(b"x")
    with subprocess.Popen(
        [sys.executable, "-c", "from api.cli import main; main()", "feed", "import", "-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TRACEABILITY_DATA": str(tmp_path / "data")},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as importing:
        assert importing.stdin is not None
        importing.stdin.write(packs(1000, 3000).encode())
        importing.stdin.close()
        made = run("db", "backup", "backup")
    assert importing.returncode == 0
    assert made.code == 0, made.talk
    (ledger,) = made.out["backup"]["ledgers"]
    assert (ledger["name"], ledger["published"]) == ("main", 300)
    (checked,) = made.out["checked"]
    assert (checked["erased"], checked["ahead"], checked["findings"]) == ([], None, [])
    assert not (tmp_path / "backup.verifying").exists()
    assert not list((tmp_path / "backup").rglob("*key*"))
    assert "It holds no key. Keep copies of them elsewhere" in made.talk
    assert [path.name for path in (tmp_path / "backup" / "evidence").iterdir()] == ["kept.age"]

    elsewhere = tmp_path / "elsewhere"
    restored = run("db", "restore", "backup", data=elsewhere)
    assert restored.code == 0, restored.talk
    assert restored.out["ledgers"][0]["position"] >= 320
    with embedded_server(elsewhere / "postgres"):
        assert history(run, 310, data=elsewhere) == before
        # Without its key the log is read; with it, it goes on where it was.
        assert run("log", "integrate", data=elsewhere).out["error"]["code"] == "log.key_file"
        shutil.copytree(tmp_path / "data" / "keys", elsewhere / "keys")
        assert run("log", "integrate", data=elsewhere).out["size"] == restored.out["ledgers"][0]["position"]
        assert run("log", "fsck", data=elsewhere).out["clean"] is True
    assert run("db", "restore", "backup", data=elsewhere).out["error"]["code"] == "postgres.data_folder"


@pytest.mark.parametrize("published", [True, False])
def test_what_was_erased_after_the_backup_is_erased_again_and_the_log_that_went_on_is_not_signed(
    run: Run, tmp_path: Path, *, published: bool
) -> None:
    with embedded_server(tmp_path / "data" / "postgres"):  # one for all of these commands
        assert run("ledger", "personal", "https://dairy.example/ns#packer").code == 0
        recorded(run, 1, 3)
        assert not published or run("log", "integrate").code == 0
        assert run("db", "backup", "backup", "--no-check").code == 0
        assert run("ledger", "erase", "2", "--reason", "asked for", "--authority", "officer").code == 0
        assert run("log", "integrate").out["size"] == 4
    stop(tmp_path / "data" / "postgres")
    shutil.rmtree(tmp_path / "data" / "postgres" / "cluster")

    if not published:
        killed_restore(tmp_path)
        unfinished = run("item", "https://id.gs1.org/01/09521234000013/21/2")
        assert (unfinished.code, unfinished.out["error"]["code"]) == (3, "backup.unfinished")
    restored = run("db", "restore", "backup")
    (ledger,) = restored.out["ledgers"]
    assert (restored.code, ledger["erased"], ledger["findings"]) == (0, [2], [])
    assert ("has size 4" if published else "published first after the backup") in ledger["ahead"]
    with embedded_server(tmp_path / "data" / "postgres"):
        refused = run("log", "integrate")
        assert (refused.code, refused.out["error"]["code"]) == (1, "log.rolled_back")
        assert run("ledger", "purge", "2").code == 0
    files = [
        path.read_bytes() for path in (tmp_path / "data" / "postgres" / "cluster" / "base").rglob("*") if path.is_file()
    ]
    assert [any(f"{SECRET} {number}".encode() in file for file in files) for number in (1, 2, 3)] == [True, False, True]


def killed_restore(folder: Path) -> None:
    """Begin to restore, and die as soon as the database is there."""
    with subprocess.Popen(
        [sys.executable, "-c", "from api.cli import main; main()", "db", "restore", "backup"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TRACEABILITY_DATA": str(folder / "data")},
        stderr=subprocess.DEVNULL,
    ) as restoring:
        while not (folder / "data" / "postgres" / "cluster").exists():
            assert restoring.poll() is None
            time.sleep(0.001)
        restoring.kill()


def test_a_backup_that_is_not_whole_is_refused_before_anything_is_made(run: Run, tmp_path: Path) -> None:
    with embedded_server(tmp_path / "data" / "postgres"):
        recorded(run, 1, 3)
        assert run("db", "backup", "backup", "--no-check").code == 0
    assert run("db", "backup", "backup").out["error"]["code"] == "backup.exists"
    elsewhere = tmp_path / "elsewhere"
    file = max((tmp_path / "backup" / "postgres" / "base").rglob("*"), key=lambda path: path.stat().st_size)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes((whole[-1] ^ 1,)))
    assert run("db", "restore", "backup", data=elsewhere).out["error"]["code"] == "backup.damaged"
    file.write_bytes(whole)
    said = tmp_path / "backup" / "backup.json"
    kept = said.read_bytes()
    for damage in (b"", b"{}", kept.replace(b'"format": 1', b'"format": 2')):
        said.write_bytes(damage)
        assert run("db", "restore", "backup", data=elsewhere).out["error"]["code"] == "backup.damaged"
    said.unlink()
    assert run("db", "restore", "backup", data=elsewhere).out["error"]["code"] == "backup.damaged"
    said.write_bytes(kept)
    for other in (
        run("db", "restore", "backup", "--server", "back", data=elsewhere),
        run("db", "restore", "backup", data=elsewhere, TRACEABILITY_DATABASE_URL="postgresql://a@db.example/b"),
    ):
        assert other.out["error"]["code"] == "backup.private"
    assert not (elsewhere / "postgres" / "cluster").exists()
    assert run("db", "restore", "backup", data=elsewhere).code == 0


def test_a_record_that_was_changed_before_the_backup_is_named(run: Run, tmp_path: Path) -> None:
    recorded(run, 1, 3)
    assert run("log", "integrate").code == 0
    with (
        embedded_server(tmp_path / "data" / "postgres") as server,
        psycopg.connect(server.url(role=None), autocommit=True) as superuser,
    ):
        superuser.execute("UPDATE ledger.record SET why = '{}' WHERE position = 2")
    made = run("db", "backup", "backup")
    assert made.code == 1
    assert [finding["leaf"] for finding in made.out["checked"][0]["findings"]] == [1]
    assert "leaf 1" in made.talk
