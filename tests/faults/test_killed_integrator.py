"""An integrator that is killed at any moment, over a real ledger and real files."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.postgres.log_chain import create_log
from adapters.postgres.notary import PostgresLog
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.conftest import Database
from tests.ledgers import numbered, postgres_ledger
from tests.support.logs import KEY
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.fsck import check_database, check_files
from traceability.notary.log import Log

ROOT = Path(__file__).parents[2]
INTEGRATOR = """
import sys
from pathlib import Path
from adapters.postgres.connection import open_pool
from adapters.postgres.notary import find_log
from adapters.system import SystemClock
from adapters.tiles import FileTileStore
from tests.support.logs import KEY
from traceability.notary.log import Log

with open_pool(sys.argv[1], max_size=2) as pool:
    database = find_log(pool, 1)
    with database.leadership():
        log = Log(database, FileTileStore(Path(sys.argv[2])), KEY, SystemClock())
        print("ready", flush=True)
        while log.integrate(3):
            pass
print("done", flush=True)
"""


def assert_good(log: PostgresLog, tiles: FileTileStore) -> int:
    for report in (check_database(log), check_files(log, tiles)):
        assert report.clean, report.findings
    served = tiles.checkpoint()
    return open_checkpoint(served, KEY.verifier)[0].size if served else 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


def test_a_log_goes_on_after_kills_at_any_moment(database: Database, folder: Path) -> None:
    tiles = FileTileStore(folder)
    sizes = []
    with postgres_ledger(database.runtime_url) as ledger:
        for _ in ledger.append_all(numbered(["item:a"], 2_000)):
            pass
        key = KEY.verifier.text
        log = create_log(ledger.pool, 1, name="main", origin=KEY.name, vkey=key, clock=SystemClock())
        for delay in (0.0, 0.003, 0.02, 0.1, 0.25):
            process = subprocess.Popen(
                [sys.executable, "-c", INTEGRATOR, database.runtime_url, str(folder)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(delay)
            process.kill()
            process.wait()
            process.stdout.close()
            sizes.append(assert_good(log, tiles))
        assert sizes == sorted(sizes)
        assert 0 < sizes[-1] < 2_000
        with log.leadership() as leads:
            assert leads
            writer = Log(log, tiles, KEY, SystemClock())
            while writer.integrate():
                pass
        assert assert_good(log, tiles) == 2_000
