"""`traceability serve` as a process of its own: readiness, stopping, the private server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql

from adapters.postgres.embedded import RUNTIME_ROLE
from api.cli.serve import listen
from tests.conftest import Database

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from api.cli import main; main()"]


def inherited() -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("TRACEABILITY_")}
    return {**others, "PYTHONPATH": str(ROOT)}


def command(folder: Path, *arguments: str) -> str:
    """Run another command in the folder and return what it prints."""
    done = subprocess.run([*PROGRAM, *arguments], cwd=folder, env=inherited(), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


@dataclass(frozen=True)
class Serving:
    process: subprocess.Popen[str]
    client: httpx.Client


@contextmanager
def served(folder: Path, **environment: str) -> Iterator[Serving]:
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [*PROGRAM, "serve", "--port", "0", "--json"],
            cwd=folder,
            env={**inherited(), **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            lines = "".join(iter(process.stdout.readline, "}\n")) + "}"
            with httpx.Client(base_url=json.loads(lines)["url"], timeout=30) as client:
                yield Serving(process, client)
        finally:
            process.kill()


def on(database: Database) -> dict[str, str]:
    return {"TRACEABILITY_DATABASE_URL": database.runtime_url}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly(database: Database, tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path, **on(database)) as serving:
        assert serving.client.get("/healthz").json() == {"status": "ok"}
        ready = serving.client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
        serving.process.send_signal(number)
        assert serving.process.wait(timeout=60) == 0
    log = (tmp_path / "log").read_text()
    assert "Stopped." in log
    assert "Traceback" not in log
    requests = [json.loads(line) for line in log.splitlines() if '"request"' in line]
    assert [(line["route"], line["status"]) for line in requests] == [("/healthz", 200), ("/readyz", 200)]


def test_a_private_server_goes_with_it(tmp_path: Path) -> None:
    with served(tmp_path) as serving:
        assert serving.client.get("/readyz").json()["ready"] is True
        cluster = tmp_path / ".traceability/postgres/cluster"
        assert (cluster / "postmaster.pid").exists()
        # A command beside it works on the same server, as the organisation that a fresh ledger begins with.
        assert [found["name"] for found in json.loads(command(tmp_path, "organisation", "list", "--json"))] == ["local"]
        key = command(tmp_path, "key", "create", "--scope", "admin").strip()
        answer = serving.client.get("/organisations/local", headers={"Authorization": f"Bearer {key}"})
        assert answer.json()["name"] == "local"
        serving.process.terminate()
        assert serving.process.wait(timeout=60) == 0
    # The next user waits for the stop of the one before, and finds what it wrote.
    with served(tmp_path) as serving:
        assert serving.client.get("/readyz").json()["ready"] is True


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT DELETE ON ledger.record TO {role}",
        "GRANT UPDATE (what) ON ledger.record TO {role}",
        "GRANT TRUNCATE ON ledger.posting TO {role}",
    ],
)
def test_it_is_not_ready_when_its_role_could_change_records(database: Database, tmp_path: Path, statement: str) -> None:
    with served(tmp_path, **on(database)) as serving:
        assert serving.client.get("/readyz").status_code == 200
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute(sql.SQL(statement).format(role=sql.Identifier(RUNTIME_ROLE)))
        refused = serving.client.get("/readyz")
        assert refused.status_code == 503
        (reason,) = refused.json()["reasons"]
        assert reason["code"] == "ready.privileges"
        assert serving.client.get("/healthz").status_code == 200


def test_it_is_not_ready_as_the_owner(database: Database, tmp_path: Path) -> None:
    with served(tmp_path, TRACEABILITY_DATABASE_URL=database.owner_url) as serving:
        codes = [reason["code"] for reason in serving.client.get("/readyz").json()["reasons"]]
        assert codes == ["ready.privileges"]
    assert "ready.privileges" in (tmp_path / "log").read_text()


def test_it_is_not_ready_with_a_migration_pending(database: Database, tmp_path: Path) -> None:
    with served(tmp_path, **on(database)) as serving:
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("DELETE FROM work.migration WHERE number = (SELECT max(number) FROM work.migration)")
        codes = [reason["code"] for reason in serving.client.get("/readyz").json()["reasons"]]
        assert codes == ["ready.migrations"]


def test_it_is_not_ready_when_partitions_run_out(database: Database, tmp_path: Path) -> None:
    with served(tmp_path, **on(database)) as serving:
        with psycopg.connect(database.owner_url, autocommit=True) as owner:
            owner.execute("UPDATE ledger.head SET position = 4 * 4194304 - 1000 WHERE name = 'main'")
        codes = [reason["code"] for reason in serving.client.get("/readyz").json()["reasons"]]
        assert "ready.partitions" in codes  # and the log misses the events that this head claims


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with closing(listen("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_said_and_is_3(database: Database, tmp_path: Path) -> None:
    with served(tmp_path, **on(database)) as serving:
        port = str(serving.client.base_url.port)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TRACEABILITY_")}
        second = subprocess.run(
            [sys.executable, "-c", "from api.cli import main; main()", "serve", "--port", port],
            cwd=tmp_path,
            env={**inherited, "PYTHONPATH": str(ROOT), **on(database)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert second.returncode == 3
    assert "serve.address" in second.stderr
