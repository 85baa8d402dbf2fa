"""Writers and servers that are killed: what was acknowledged is there, and nothing is there by halves."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.embedded import RUNTIME_ROLE, EmbeddedServer, create_database, embedded_server, stop
from adapters.postgres.migrate import migrate
from tests.conftest import Database, database_of
from tests.ledgers import event, postgres_ledger
from tests.support.ledger_history import check_ledger, check_notes, read_notes, writers
from traceability.errors import UnavailableError

WRITERS = 2
ROUNDS = int(os.environ.get("FAULT_KILLS", "3"))
SEED = 20_260_301


def wait_for_notes(notes: list[Path], processes: list[subprocess.Popen[bytes]], more: int) -> None:
    """Wait until each writer has noted something, and all together so many lines more."""
    begun = sum(map(lines_in, notes))
    while sum(map(lines_in, notes)) < begun + more or not all(map(lines_in, notes)):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.001)


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def check(database: Database, notes: list[Path]) -> None:
    with postgres_ledger(database.runtime_url) as ledger:
        check_notes(check_ledger(ledger, database.owner_url), [note for path in notes for note in read_notes(path)])
        # And it goes on.
        head = ledger.head()
        assert ledger.append([event("item:after", text=f"after {head}")]) == head + 1


def test_a_killed_writer_loses_nothing_that_it_acknowledged(database: Database, tmp_path: Path) -> None:
    choose = random.Random(SEED)
    notes: list[Path] = []
    for round_ in range(ROUNDS):
        paths = [tmp_path / f"{round_}-{n}" for n in range(WRITERS)]
        with writers(database.runtime_url, round_ * WRITERS, 0, paths) as processes:
            wait_for_notes(paths, processes, choose.randrange(5, 60))
            for process in processes:
                time.sleep(choose.random() / 100)  # somewhere in the middle of something
                process.kill()
        notes += paths
    check(database, notes)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """Give a server that this test may kill."""
    with embedded_server(tmp_path / "data") as server:
        with psycopg.connect(server.url(role=None, database="postgres"), autocommit=True) as admin:
            create_database(admin, "mortal")
        migrate(database_of(server, "mortal").owner_url, runtime_role=RUNTIME_ROLE)
        yield server
    stop(tmp_path / "data")


def a_backend(server: EmbeddedServer, choose: random.Random) -> int:
    """Return the process of a connection that a writer uses."""
    with psycopg.connect(server.url(role=None, database="mortal")) as admin:
        pids = admin.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [RUNTIME_ROLE]).fetchall()
    (pid,) = choose.choice(pids)
    return int(pid)


def the_postmaster(server: EmbeddedServer, _choose: random.Random) -> int:
    return int((server.data / "cluster" / "postmaster.pid").read_text().split("\n", 1)[0])


@pytest.mark.parametrize("victim", [a_backend, the_postmaster])
def test_a_killed_server_loses_nothing_that_was_acknowledged(
    own_server: EmbeddedServer, tmp_path: Path, victim: Callable[[EmbeddedServer, random.Random], int]
) -> None:
    choose = random.Random(SEED)
    database = database_of(own_server, "mortal")
    notes = [tmp_path / str(n) for n in range(WRITERS)]
    for round_ in range(2):
        with writers(database.runtime_url, round_ * WRITERS, 0, notes) as processes:
            wait_for_notes(notes, processes, choose.randrange(20, 100))
            with psycopg.connect(own_server.url(role=None, database="mortal"), autocommit=True) as canary:
                os.kill(victim(own_server, choose), signal.SIGKILL)
                with contextlib.suppress(psycopg.OperationalError):
                    while True:  # the server takes every connection with it
                        canary.execute("SELECT")
            with embedded_server(own_server.data):  # recovers it, or waits for that
                pass
        check(database, notes)


def test_an_append_whose_connection_breaks_has_an_unknown_outcome(database: Database) -> None:
    with postgres_ledger(database.runtime_url, connections=1) as ledger:
        ledger.append([event("x", text="before")])
        for size in (1, 1_000):  # one commit of its own, and one by COPY
            with ledger.pool.connection() as connection:
                pid = connection.info.backend_pid
            with psycopg.connect(database.admin_url, autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
            with pytest.raises(UnavailableError) as caught:
                ledger.append([event("x", text=f"lost {n}") for n in range(size)])
            assert caught.value.code == "ledger.outcome_unknown"
            # The broken connection was replaced: the next append is made.
            ledger.append([event("x", text=f"after {size}")])
        assert ledger.head() == 3
        check_ledger(ledger, database.owner_url)


def test_an_append_that_the_server_gives_up_was_not_made(database: Database) -> None:
    with (
        postgres_ledger(database.runtime_url, connections=1) as ledger,
        psycopg.connect(database.owner_url) as blocker,
    ):
        blocker.execute("SELECT FROM ledger.head WHERE ledger_id = 1 FOR UPDATE")
        with ledger.pool.connection() as connection:
            connection.execute("SET statement_timeout = '50ms'")
        for size in (1, 1_000):
            with pytest.raises(UnavailableError) as caught:
                ledger.append([event("x", text=str(n)) for n in range(size)])
            assert caught.value.code == "ledger.not_appended"
        blocker.rollback()
        assert ledger.append([event("x", text="made")]) == 1
        check_ledger(ledger, database.owner_url)


def test_an_append_that_finds_no_connection_was_not_made(database: Database) -> None:
    with postgres_ledger(database.runtime_url, connections=1) as ledger:
        ledger.pool.timeout = 0.05
        with ledger.pool.connection():
            for size in (1, 1_000):
                with pytest.raises(UnavailableError) as caught:
                    ledger.append([event("x", text=str(n)) for n in range(size)])
                assert caught.value.code == "ledger.not_appended"
        assert ledger.append([event("x", text="made")]) == 1
