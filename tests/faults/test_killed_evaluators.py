"""Evaluators killed between any two statements: nothing is left out and nothing is told twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from api.evaluator import judge, judging_of
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database
from tests.support.happenings import MAKER, OTHER_PALLET, PALLET, commission, end, observe, pack, put, records

ROOT = Path(__file__).parents[2]
EVALUATOR = """
import os, signal
import psycopg
from adapters.postgres import judging
from api.evaluator import Evaluator
from api.settings import read_settings
from api.wiring import open_engine

left, execute = int(os.environ["DIES_AT"]), psycopg.Connection.execute

def dying(self, query, *more, **others):
    global left
    if query in (judging._END, judging._FIND):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    return execute(self, query, *more, **others)

psycopg.Connection.execute = dying
with open_engine(read_settings()) as engine:
    evaluator = Evaluator(engine, window=7)
    while evaluator.round() is not None:
        pass
print("done", flush=True)
"""
ROWS = """
SELECT organisation, position, digest, event_id, thing, code, severity, against, against_id, told, ended_at
  FROM work.irregularity ORDER BY organisation, position, digest
"""


@pytest.fixture
def engine(database: Database, tmp_path: Path) -> Iterator[Engine]:
    with open_engine(Settings(database_url=SecretStr(database.runtime_url), data=tmp_path / "data")) as engine:
        for name in (MAKER, "other.example"):
            engine.organisations.add(name)
        world = []
        for number in range(30):
            one = pack(number)
            by = MAKER if number % 3 else "other.example"
            world += [commission(1, one, by=by), put(2, PALLET, one, by=by), put(3, OTHER_PALLET, one, by=by)]
            world += [end(4, one, by=by), observe(5 + number % 2, one, by=by)]
        list(engine.ledger.append_all(record.event for record in records(world)))
        yield engine


def evaluator(database: Database, data: Path, *, dies_at: int = 0) -> subprocess.Popen[bytes]:
    """Start one that kills itself before it writes for the n-th time what it found or that it ended (0: never)."""
    urls = {"TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(data)}
    environment = {**os.environ, **urls, "DIES_AT": str(dies_at)}
    return subprocess.Popen([sys.executable, "-c", EVALUATOR], stdout=subprocess.PIPE, cwd=ROOT, env=environment)


def rows(engine: Engine) -> list[Any]:
    with engine.pool.connection() as connection:
        return connection.execute(ROWS).fetchall()


def test_whoever_goes_on_finds_the_same(engine: Engine, database: Database, tmp_path: Path) -> None:
    judge(engine, once=True)
    expected = rows(engine)
    assert len(expected) > 40
    with engine.pool.connection() as connection:
        connection.execute("DELETE FROM work.irregularity")
        connection.execute("DELETE FROM work.judged")
    came = 0
    for dies_at in (1, 2, 3, 4, 7):
        with evaluator(database, tmp_path / "data", dies_at=dies_at) as process:
            assert process.wait() == -signal.SIGKILL
        positions = [cursor.position for cursor in judging_of(engine).cursors().values()]
        assert came <= min(positions) < engine.ledger.head()
        came = min(positions)
    assert came > 0
    # Two that believe to be the only one, which the lead prevents, do no harm either.
    with evaluator(database, tmp_path / "data") as one, evaluator(database, tmp_path / "data") as two:
        assert [process.communicate()[0] for process in (one, two)] == [b"done\n", b"done\n"]
    assert rows(engine) == expected
