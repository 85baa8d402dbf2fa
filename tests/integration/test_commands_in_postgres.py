"""Random commands of three organisations over PostgreSQL: what the model expects of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from adapters.postgres.connection import open_pool
from adapters.postgres.ledger import Pool, PostgresLedger
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.provenance import PostgresProvenance
from adapters.postgres.visibility import PostgresVisibility
from tests.conftest import Database
from tests.support.desks import OPENED, World
from tests.unit.test_commands_of_many import Organisations
from traceability.ledger.store import Ledger, LedgerRules
from traceability.supply_chain.index import ProvenanceIndex


@pytest.fixture
def pool(database: Database) -> Iterator[Pool]:
    pool = open_pool(database.runtime_url, max_size=2)
    yield pool
    pool.close()


def test_random_commands_of_three_organisations(database: Database, pool: Pool) -> None:
    numbers = count()

    class PostgresWorld(World):
        def opened_ledger(self, rules: LedgerRules) -> Ledger:
            name = f"world{next(numbers)}"
            add_ledger(database.owner_url, name, ())
            self.kept = PostgresLedger(pool, rules, name=name, organisation="maker.example")
            self.visibility = PostgresVisibility(pool, self.kept.ledger_id)
            return self.kept

        def view(self, organisation: str) -> ProvenanceIndex:
            return PostgresProvenance(self.kept, self.visibility, reader=self.reader(organisation))

    class InPostgres(Organisations):
        def made(self, secretive: tuple[str, ...]) -> World:
            return PostgresWorld(secretive=secretive, opened=OPENED | {"more"})

    chosen = settings(max_examples=25, stateful_step_count=30, deadline=None, phases=[Phase.generate])
    run_state_machine_as_test(InPostgres, settings=chosen)
