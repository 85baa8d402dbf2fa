"""Two servers that integrate one ledger, killed at any moment while its logs are closed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from api.notary import close_log, integrate_all, published_logs
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database
from tests.ledgers import event
from traceability.merkle import root_of
from traceability.notary.fsck import check_database, check_files

ROOT = Path(__file__).parents[2]
INTEGRATOR = """
import time
from api import integrator
from api.settings import read_settings
from api.wiring import open_engine

integrator.POLL_SECONDS, integrator.FOLLOW_SECONDS, integrator.RETRY_SECONDS = 0.01, 0.05, 0.05
with open_engine(read_settings()) as engine, integrator.integrating(engine) as running:
    print("ready", flush=True)
    while running.problem is None or running.problem.code == "log.stale_checkpoint":
        time.sleep(0.01)
    print(running.problem.code, flush=True)
"""


@contextmanager
def integrator(database: Database, data: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "TRACEABILITY_DATABASE_URL": database.runtime_url,
        "TRACEABILITY_DATA": str(data),
    }
    command = [sys.executable, "-c", INTEGRATOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    with open_engine(Settings(database_url=SecretStr(database.runtime_url), data=tmp_path / "data")) as engine:
        yield engine


def append(engine: Engine, size: int) -> None:
    for number in range(size):
        engine.ledger.append([event("item:a", text=str(number))])


def test_the_chain_is_whole_after_kills_at_any_moment(engine: Engine, database: Database) -> None:
    integrate_all(engine)
    delays = (0.0, 0.004, 0.03, 0.1)
    with ExitStack() as stack:
        survivor = stack.enter_context(integrator(database, engine.settings.data))
        for number, delay in enumerate(delays, start=2):
            with integrator(database, engine.settings.data):
                append(engine, 30)
                close_log(engine, name=f"main-{number}", origin=f"dairy.example/{number}")
                append(engine, 10)
                time.sleep(delay)
                # The one that has led so far goes, and the other takes over.
                survivor.kill()
            survivor = stack.enter_context(integrator(database, engine.settings.data))
        integrate_all(engine)
        assert survivor.poll() is None
    logs = published_logs(engine)
    assert [log.state() for log in logs] == ["closed"] * len(delays) + ["open"]
    position = 1
    for log in logs:
        identity, served = log.database.identity, log.served()
        assert served is not None
        assert identity.first_position == position
        last = engine.ledger.head() if identity.last_position is None else identity.last_position
        hashes = [record.leaf_hash for record in engine.ledger.records(range(position, last + 1))]
        assert (served[0].size, served[0].root) == (len(hashes), root_of(hashes))
        for report in (check_database(log.database), check_files(log.database, log.tiles)):
            assert report.clean, report.findings
        position = last + 1
    assert position == engine.ledger.head() + 1 == 40 * len(delays) + 1
