"""What is judged as it comes, a window at a time, stands as if all had been judged at once, whatever the order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.ledgers import add_ledger
from api.evaluator import Evaluator, judging_of
from api.provenance import ask
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database, fresh_database
from tests.support.dealings import dealings
from tests.support.happenings import MAKER, records
from tests.support.holders import EVERYTHING, GLNS, SHOP, Told
from tests.support.worlds import worlds
from traceability.ledger.access import ALL_PARTS, Grant
from traceability.ledger.event import LedgerEvent
from traceability.supply_chain.decisions import DECISION_TYPES, see_decision
from traceability.supply_chain.evaluation import evaluate
from traceability.supply_chain.seen import row_of, see

_HOW_OFTEN = 0.4
Row = tuple[str, str, str, str, str]
_STANDING = """
SELECT thing, code, position, against, told
  FROM work.irregularity WHERE ledger_id = %s AND organisation = %s AND ended_at IS NULL
"""


class Worlds:
    """Ledgers of one database, each with the organisations of the worlds and a grant among them."""

    def __init__(self, database: Database, data: Path) -> None:
        self._database, self._data = database, data
        self._numbers = count(1)

    @contextmanager
    def ledger(self) -> Iterator[Engine]:
        name = f"world-{next(self._numbers)}"
        add_ledger(self._database.owner_url, name, ())
        url = SecretStr(self._database.runtime_url)
        with open_engine(Settings(database_url=url, data=self._data, ledger=name, pool_size=2)) as engine:
            for gln, organisation in GLNS.items():
                engine.organisations.add(organisation, glns=[gln])
            engine.organisations.set_grant(Grant(MAKER, SHOP, None, EVERYTHING))
            yield engine


@pytest.fixture(scope="module")
def ledgers(
    postgres: EmbeddedServer, admin: psycopg.Connection, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worlds]:
    for database in fresh_database(postgres, admin, template):
        yield Worlds(database, tmp_path_factory.mktemp("data"))


def events_of(world: list[Told]) -> list[LedgerEvent]:
    return [record.event for record in records(world)]


def judge_all(evaluator: Evaluator) -> None:
    while evaluator.round() is not None:
        pass


def standing(engine: Engine, organisation: str) -> list[Row]:
    with engine.pool.connection() as connection:
        rows = connection.execute(_STANDING, [engine.ledger.ledger_id, organisation]).fetchall()
    return named(engine, rows)


def named(engine: Engine, rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Name events by what is always open of them: their positions differ from order to order."""
    heads = {
        record.position: record.event.parts.head.decode()
        for record in engine.ledger.records(range(1, engine.ledger.head() + 1))
    }
    return sorted(
        (thing, code, heads[position], "" if against is None else heads[against], told)
        for thing, code, position, against, told in rows
    )


def own_things(engine: Engine, organisation: str) -> set[str]:
    things: set[str] = set()
    for record in engine.ledger.records(range(1, engine.ledger.head() + 1)):
        if record.event.captured_by != organisation:
            continue
        seen = see(record, ALL_PARTS, ())
        if seen is not None:
            things |= seen.things
        elif record.event.type in DECISION_TYPES:
            row = row_of(record)
            decision = None if row is None else see_decision(row, ALL_PARTS)
            things |= set() if decision is None else decision.decided_about
    return things


def at_once(engine: Engine, organisation: str) -> list[Row]:
    reader = engine.organisations.reader(organisation)
    index = ask(engine, reader)
    found = evaluate(index, engine.parties(reader, index.known_at), own_things(engine, organisation))
    return named(engine, ((one.thing, one.rule.value, *one[2:]) for one in found.irregularities))


@settings(max_examples=30, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.one_of(dealings(), worlds()), st.randoms(use_true_random=False))
def test_what_stands_is_what_judging_all_at_once_finds(
    ledgers: Worlds, world: list[Told], choose: random.Random
) -> None:
    answers = []
    for order in (range(len(world)), choose.sample(range(len(world)), len(world))):
        events = events_of(world)
        with ledgers.ledger() as engine:
            evaluator = Evaluator(engine, window=choose.randint(1, 4))
            for place in order:
                engine.ledger.append([events[place]])
                if choose.random() < _HOW_OFTEN:
                    judge_all(evaluator)
            if choose.random() < _HOW_OFTEN:
                judging_of(engine).again(choose.randint(0, len(world)))
                evaluator = Evaluator(engine, window=choose.randint(1, 4))
            judge_all(evaluator)
            answer = {name: standing(engine, name) for name in GLNS.values()}
            assert answer == {name: at_once(engine, name) for name in GLNS.values()}
            answers.append(answer)
    assert answers[0] == answers[1]
