"""The register of a ledger: PostgreSQL gives what the one in memory gives, for every reader, at every position."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.memory.register import MemoryRegister
from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.organisations import PostgresOrganisations
from adapters.postgres.register import PostgresRegister
from adapters.postgres.visibility import PostgresVisibility
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import fresh_database
from tests.ledgers import epcis_ledger
from tests.support.register import (
    ACTIONS,
    DIGITS,
    IMPORTER,
    OPERATOR,
    ORGANISATIONS,
    STORE,
    TIMES,
    speakers,
    statements,
)
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.index import tag_hash
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import FOR_ALL, RegisterStatement

READERS = [
    Reader(PUBLIC),
    Reader(OPERATOR, frozenset({OPERATOR})),
    Reader(IMPORTER, frozenset({IMPORTER})),
    Reader(STORE, frozenset({STORE}), (Grant(OPERATOR, STORE, None, frozenset({"more"})),)),
]


def _two_hashes(tag: str) -> int:
    return tag_hash(tag) % 2 + 1


@pytest.fixture(scope="module", params=[tag_hash, _two_hashes], ids=["hashes", "only two hashes"])
def ledger(
    request: pytest.FixtureRequest, postgres: EmbeddedServer, admin: psycopg.Connection, template: str
) -> Iterator[PostgresLedger]:
    for database in fresh_database(postgres, admin, template):
        with epcis_ledger(database.runtime_url, request.param, organisation=OPERATOR) as ledger:
            organisations = PostgresOrganisations(
                ledger.pool, ledger.ledger_id, clock=SystemClock(), entropy=SystemEntropy()
            )
            for name in ORGANISATIONS:
                organisations.add(name)
            yield ledger


@pytest.fixture(scope="module")
def register(ledger: PostgresLedger) -> PostgresRegister:
    """Give one that goes on reading from where it was."""
    return PostgresRegister(ledger, PostgresVisibility(ledger.pool, ledger.ledger_id), OPERATOR)


def _told(found: Register) -> object:
    return (
        found.statements,
        found.claims,
        [found.prefix_holder(digits, at) for digits in DIGITS for at in TIMES],
        [found.authorised(IMPORTER, action, at, STORE) for action in ACTIONS for at in TIMES],
    )


# The ledger grows from one example to the next, so a failing one cannot be made smaller.
@settings(max_examples=30, deadline=None, phases=[Phase.generate])
@given(
    st.lists(st.tuples(statements, speakers, st.integers(0, 40), st.booleans()), min_size=1, max_size=6),
    st.tuples(st.sampled_from(READERS), st.sets(st.sampled_from([IMPORTER, STORE]), min_size=1), st.floats(0, 1)),
)
def test_both_give_the_same_register(
    ledger: PostgresLedger,
    register: PostgresRegister,
    said: list[tuple[RegisterStatement, str, int, bool]],
    asked: tuple[Reader, set[str], float],
) -> None:
    reader, organisations, share = asked
    for statement, speaker, at, hide in said:
        hidden = hide and set(statement.tags).isdisjoint(FOR_ALL)
        ledger.append([statement.event(captured_by=speaker, stated_at=at, hidden=hidden)])
    head = ledger.head()
    memory = MemoryRegister(lambda: ledger.records(range(1, head + 1)), index_rows, OPERATOR)
    for known_at in (None, int(share * head)):
        assert _told(register.for_all(known_at)) == _told(memory.for_all(known_at))
        one, other = (both.about(organisations, reader, known_at) for both in (register, memory))
        assert _told(one) == _told(other)
