"""Evaluators killed at any moment: nothing is left out and nothing is told twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
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
from api.evaluator import Evaluator
from api.settings import read_settings
from api.wiring import open_engine

with open_engine(read_settings()) as engine:
    evaluator = Evaluator(engine, window=7)
    while (judged := evaluator.round()) is not None:
        print(judged[0], flush=True)
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


@contextmanager
def evaluator(database: Database, data: Path) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "TRACEABILITY_DATABASE_URL": database.runtime_url, "TRACEABILITY_DATA": str(data)}
    command = [sys.executable, "-c", EVALUATOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


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
    chance, came = Random(3), 0
    for _ in range(4):
        with evaluator(database, tmp_path / "data") as process:
            assert process.stdout is not None
            for _ in range(chance.randint(1, 3)):
                assert process.stdout.readline() != "done\n"
            time.sleep(chance.random() / 50)
            process.kill()
        positions = [cursor.position for cursor in judging_of(engine).cursors().values()]
        assert came < min(positions) < engine.ledger.head()
        came = min(positions)
    # Two that believe to be the only one, which the lead prevents, do no harm either.
    with evaluator(database, tmp_path / "data") as one, evaluator(database, tmp_path / "data") as two:
        assert [process.stdout.read().endswith("done\n") for process in (one, two) if process.stdout] == [True, True]
    assert rows(engine) == expected
