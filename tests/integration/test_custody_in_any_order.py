"""What several organisations tell, recorded in PostgreSQL in any order: who has what is the same, and as in memory."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters.memory.provenance import MemoryProvenance
from adapters.postgres.connection import open_pool
from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.ledger import Pool, PostgresLedger
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.provenance import PostgresProvenance
from adapters.postgres.visibility import PostgresVisibility
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import Database, fresh_database
from tests.support.dealings import ASKED, dealings
from tests.support.happenings import MAKER, records
from tests.support.holders import PARTIES, SEES_ALL, SHOP, Told
from tests.unit.test_custody_of_any_world import content
from traceability.errors import NotFoundError
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.access import Reader
from traceability.ledger.store import LedgerRules
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex

RULES = LedgerRules(indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy())
READERS = [SEES_ALL, Reader(SHOP, frozenset({SHOP})), Reader(MAKER)]


class Ledgers:
    """Worlds in PostgreSQL, each in a ledger of its own."""

    def __init__(self, database: Database, pool: Pool) -> None:
        self._database, self._pool = database, pool
        self._numbers = count(1)

    def record(self, world: list[Told]) -> PostgresLedger:
        name = f"world-{next(self._numbers)}"
        add_ledger(self._database.owner_url, name, ())
        ledger = PostgresLedger(self._pool, RULES, name=name, organisation=MAKER)
        outcomes = [one for batch in ledger.append_all(r.event for r in records(world)) for one in batch]
        assert {outcome.outcome for outcome in outcomes} == {"recorded"}
        return ledger


@pytest.fixture(scope="module")
def ledgers(postgres: EmbeddedServer, admin: psycopg.Connection, template: str) -> Iterator[Ledgers]:
    for database in fresh_database(postgres, admin, template):
        pool = open_pool(database.runtime_url, max_size=2)
        try:
            yield Ledgers(database, pool)
        finally:
            pool.close()


@settings(max_examples=25, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(dealings(), st.randoms(use_true_random=False), st.sampled_from(READERS))
def test_any_order_of_arrival_gives_the_same_custody(
    ledgers: Ledgers, world: list[Told], choose: random.Random, reader: Reader
) -> None:
    recorded = [ledgers.record(world), ledgers.record(choose.sample(world, len(world)))]
    for thing in ASKED:
        answers = []
        for ledger in recorded:
            visibility = PostgresVisibility(ledger.pool, ledger.ledger_id)
            known = ledger.records(range(1, ledger.head() + 1))
            answers += [
                _answer(PostgresProvenance(ledger, visibility, reader=reader), thing),
                _answer(MemoryProvenance(known, reader=reader, indexer=index_rows), thing),
            ]
        assert answers == answers[:1] * len(answers)


def _answer(index: ProvenanceIndex, thing: str) -> object:
    try:
        return content(item_history(index, thing, PARTIES))
    except NotFoundError:
        return None
