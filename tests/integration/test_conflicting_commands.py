"""Eight processes that give commands which cannot all be carried out: exactly one of each is."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from pydantic import SecretStr

from api.evaluations import EvaluationIn, describe_evaluation
from api.provenance import ask
from api.settings import Settings
from api.wiring import open_engine
from tests.conftest import Database
from tests.support.command_giver import MAKER, loose, pallet, serials
from tests.support.happenings import pack
from traceability.supply_chain.history import item_history

ROOT = Path(__file__).parents[2]
PROCESSES, ROUNDS = 8, 5


def told_by(command: list[str]) -> list[list[tuple[int, ...]]]:
    """Let the processes begin together; return what each notes, a line a round."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(n), str(ROUNDS)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for n in range(PROCESSES)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        told = [process.communicate()[0].splitlines() for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES
    return [[tuple(map(int, line.split())) for line in lines] for lines in told]


def test_of_eight_processes_that_want_the_same_one_gets_it(database: Database, tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings(database_url=SecretStr(database.runtime_url), data=data)
    with open_engine(settings) as engine:
        engine.organisations.add(MAKER)
        outcomes = told_by(
            [sys.executable, "-m", "tests.support.command_giver", database.runtime_url, str(data)],
        )
        reader = engine.organisations.reader(MAKER)
        for number in range(ROUNDS):
            made = [n for n, rounds in enumerate(outcomes) if rounds[number][1]]
            packed = [n for n, rounds in enumerate(outcomes) if rounds[number][2]]
            gone = [n for n, rounds in enumerate(outcomes) if rounds[number][3]]
            assert (len(made), len(packed), len(gone)) == (1, 1, 1), (number, outcomes)
            for serial in serials(number):
                history = item_history(ask(engine, reader), pack(serial), engine.parties(reader))
                assert history.state.contained_in == (pallet(packed[0]),)
                assert [entry.event.head.bizStep for entry in history.entries] == ["commissioning", "packing"]
            # What is shipped is not destroyed, and what is destroyed is not shipped.
            history = item_history(ask(engine, reader), loose(number), engine.parties(reader))
            step = "shipping" if gone[0] % 2 else "destroying"
            assert [entry.event.head.bizStep for entry in history.entries] == ["commissioning", step]
            things = [loose(number), *map(pack, serials(number))]
            assert describe_evaluation(engine, reader, EvaluationIn(things=things)).irregularities == []
        assert engine.ledger.head() == 3 * ROUNDS
