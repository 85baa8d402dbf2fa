"""Integrators that are killed at any system call, and databases under them, over a real ledger and real files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from adapters.postgres.embedded import embedded_server
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.log_chain import create_log
from adapters.postgres.notary import PostgresLog
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.conftest import Database, database_of
from tests.faults.test_killed_imports import kill_database, own_server
from tests.faults.test_log_on_faulty_disks import COUNT, FEW, SEED, hits
from tests.ledgers import event, postgres_ledger
from tests.support.captures import wait_until
from tests.support.disks import WatchedDisk
from tests.support.logs import KEY
from tests.support.readers import Reader
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import Log

ROOT = Path(__file__).parents[2]
CALLS = 60  # of the file layer in the life of one integrator here, about


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


def log_of(ledger: PostgresLedger) -> PostgresLog:
    key = KEY.verifier.text
    return create_log(ledger.pool, 1, name="main", origin=KEY.name, vkey=key, clock=SystemClock())


def append(ledger: PostgresLedger, size: int) -> None:
    base = ledger.head()
    ledger.append([event("item:a", text=f"{base}:{n}") for n in range(size)])


def assert_good(log: PostgresLog, tiles: FileTileStore) -> None:
    for report in (check_database(log), check_files(log, tiles)):
        assert report.clean, report.findings


def integrate(log: PostgresLog, tiles: FileTileStore, most: int = 16_384) -> None:
    writer = Log(log, tiles, KEY, SystemClock())
    while writer.integrate(most):
        pass


@contextmanager
def integrators(url: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.mortal_integrator", url, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def order(process: subprocess.Popen[str], at: int, most: int) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{at} {most}\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_log_goes_on_after_a_kill_at_any_system_call(database: Database, folder: Path) -> None:
    chance = Random(SEED)
    tiles = FileTileStore(folder)
    reader = Reader(tiles)
    ends = []
    with postgres_ledger(database.runtime_url) as ledger, integrators(database.runtime_url, folder) as process:
        log = log_of(ledger)
        for at in hits(CALLS, COUNT, "kill"):
            append(ledger, chance.choice([1, 3, 120, 255, 256, 257]))
            order(process, at, chance.choice([50, 256, 1_000]))
            assert said(process).startswith("leads")
            ends.append(said(process))
            report = check_files(log, tiles)
            assert report.clean, report.findings
            reader.look()
        assert ends.count("killed") > len(ends) / 2
        assert "failed" not in ends
        integrate(log, tiles)
        reader.check(log)
        assert reader.size() == ledger.head()
        assert_good(log, tiles)


def test_the_next_integrator_takes_over_from_one_that_is_killed_while_it_leads(
    database: Database, folder: Path
) -> None:
    chance = Random(SEED)
    tiles = FileTileStore(folder)
    reader = Reader(tiles)
    url = database.runtime_url
    with postgres_ledger(url) as ledger, integrators(url, folder) as first, integrators(url, folder) as second:
        log = log_of(ledger)
        append(ledger, 600)
        leading, waiting = first, second
        order(leading, 0, 2)
        for _ in range(FEW or 20):
            leader = int(said(leading).removeprefix("leads "))
            order(waiting, 0, 2)
            size = reader.size() + chance.randrange(1, 30)
            wait_until(lambda: reader.size() >= size)  # noqa: B023
            os.kill(leader, signal.SIGKILL)
            assert said(leading) == "killed"
            leading, waiting = waiting, leading
        assert said(leading).startswith("leads")
        assert said(leading) == "done"
        reader.check(log)
        assert reader.size() == ledger.head()
        assert_good(log, tiles)


def test_a_log_goes_on_after_its_database_was_killed_between_any_two_steps(tmp_path: Path) -> None:
    """Between signing and tiles, between tiles and checkpoint, and between any two files."""
    with own_server(tmp_path / "postgres") as postgres:
        url = database_of(postgres, "mortal").runtime_url
        tiles = FileTileStore(tmp_path / "log")
        reader = Reader(tiles)
        with postgres_ledger(url) as ledger:
            append(ledger, 300)
            integrate(log_of(ledger), tiles)
        for at in hits(CALLS // 2, FEW, "database"):
            with postgres_ledger(url) as ledger:
                append(ledger, 100)
                log = log_of(ledger)

                def strike(_name: str, number: int, at: int = at) -> None:
                    if number == at:
                        kill_database(postgres)

                disk = WatchedDisk(strike)
                with suppress(psycopg.Error, PoolTimeout), log.leadership() as leads:
                    assert leads
                    integrate(log, FileTileStore(tiles.folder, disk), 60)
                assert len(disk.calls) >= at
                reader.look()
            with embedded_server(postgres.data):  # recovers it
                pass
        with postgres_ledger(url) as ledger:
            log = log_of(ledger)
            integrate(log, tiles)
            reader.check(log)
            assert reader.size() == ledger.head()
            assert_good(log, tiles)
