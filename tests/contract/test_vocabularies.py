"""Statements of master data: PostgreSQL finds those that the store in memory finds, for every reader."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.memory.vocabularies import MemoryVocabularies
from adapters.postgres import vocabularies
from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.organisations import PostgresOrganisations
from adapters.postgres.visibility import PostgresVisibility
from adapters.postgres.vocabularies import KeptStatements, PostgresVocabularies
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import fresh_database
from tests.ledgers import epcis_ledger, register_of
from tests.support.epcis_queries import captured, members
from tests.support.master_data import CITY, GLNS, HOLDER, MAKER, NAME, ORGANISATIONS, PLACES, RIVAL, elements, prefixes
from traceability.gs1.epcis import index_rows
from traceability.gs1.epcis.master_data import VocabularyElement, value_tag, vocabulary_type
from traceability.gs1.epcis.vocabularies import hierarchy
from traceability.ledger.access import MASTER_DATA, PUBLIC, Grant, Reader
from traceability.ledger.index import tag_hash
from traceability.ledger.organisations import LOCAL
from traceability.ledger.register.statements import PrefixHeld

OPEN = frozenset({MASTER_DATA})
READERS = [
    Reader(MAKER),
    Reader(RIVAL),
    Reader(PUBLIC),
    Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, frozenset({"shipping"}), OPEN),)),
    Reader(
        RIVAL, grants=(Grant(HOLDER, RIVAL, None, OPEN | {"where"}), Grant(MAKER, PUBLIC, None, frozenset({"more"})))
    ),
]
KINDS = [vocabulary_type("BusinessLocation"), vocabulary_type("ReadPoint")]
TAGS = [f"attribute:{NAME}", f"attribute:{CITY}", value_tag(NAME, "Gate"), value_tag(CITY, "Yard"), "attribute:none"]


def _two_hashes(tag: str) -> int:
    return tag_hash(tag) % 2 + 1


@pytest.fixture(scope="module", params=[tag_hash, _two_hashes], ids=["hashes", "only two hashes"])
def ledger(
    request: pytest.FixtureRequest, postgres: EmbeddedServer, admin: psycopg.Connection, template: str
) -> Iterator[PostgresLedger]:
    for database in fresh_database(postgres, admin, template):
        with epcis_ledger(database.runtime_url, request.param, organisation=MAKER) as ledger:
            organisations = PostgresOrganisations(
                ledger.pool, ledger.ledger_id, clock=SystemClock(), entropy=SystemEntropy()
            )
            for name in ORGANISATIONS:
                organisations.add(name, glns=[gln for gln, holder in GLNS.items() if holder == name])
            yield ledger


@pytest.fixture(scope="module")
def world(ledger: PostgresLedger) -> tuple[PostgresLedger, KeptStatements]:
    """Give a ledger, and what a process keeps of it from one example to the next."""
    return ledger, KeptStatements()


# The ledger grows from one example to the next, so a failing one cannot be made smaller.
@settings(max_examples=40, deadline=None, phases=[Phase.generate])
@given(
    st.lists(st.tuples(elements, st.sampled_from(ORGANISATIONS), st.integers(0, 2)), min_size=1, max_size=3),
    st.sampled_from(READERS),
    st.sets(st.sampled_from(PLACES), min_size=1),
    st.tuples(st.sets(st.sampled_from(TAGS), min_size=1), st.integers(1, 30), st.floats(0, 1), prefixes),
)
def test_both_find_the_same_statements(
    world: tuple[PostgresLedger, KeptStatements],
    stated: list[tuple[VocabularyElement, str, int]],
    reader: Reader,
    subjects: set[str],
    tagged: tuple[set[str], int, float, PrefixHeld],
) -> None:
    ledger, kept = world
    for element, organisation, at in stated:
        ledger.append([element.event(organisation, at, [CITY] if at else [])])
    tags, limit, share, held = tagged
    ledger.append([held.event(captured_by=LOCAL, stated_at=0)])
    head = ledger.head()
    known_at = int(share * head)
    visibility = PostgresVisibility(ledger.pool, ledger.ledger_id)
    records = ledger.records(range(1, head + 1))
    for store in (None, kept):
        postgres = PostgresVocabularies(
            ledger, visibility, register_of(ledger), reader=reader, known_at=known_at, kept=store
        )
        memory = MemoryVocabularies(
            records, indexer=index_rows, reader=reader, glns=GLNS, known_at=known_at, personal=store is None
        )
        assert (postgres.known_at, postgres.reader) == (memory.known_at, memory.reader)
        assert postgres.of(subjects) == memory.of(subjects)
        for many in (1_000, 0):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(vocabularies, "_MANY", many)
                assert postgres.of(subjects, KINDS[:1]) == memory.of(subjects, KINDS[:1])
                assert postgres.of(subjects, KINDS) == memory.of(subjects)
        assert postgres.tagged(tags, limit) == memory.tagged(tags, limit)
        assert postgres.tagged(tags, limit, head // 2) == memory.tagged(tags, limit, head // 2)
        for until in (head // 3, head * 2 // 3, head + 1):
            assert postgres.tagged(tags, limit, head // 2, up_to=until) == memory.tagged(
                tags, limit, head // 2, up_to=until
            )
        assert postgres.holders(set(GLNS)) == GLNS
        assert postgres.register.statements == memory.register.statements
        one, other = hierarchy(postgres, subjects), hierarchy(memory, subjects)
        assert [one.below(subjects, at) for at in (0, 15, 25)] == [other.below(subjects, at) for at in (0, 15, 25)]


def test_what_is_kept_of_statements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabularies, "MOST_KEPT", 10)
    kept = KeptStatements()
    for position in range(1, 5):
        kept.keep(position, None, 4)
    assert kept.at(range(9)) == {3: None, 4: None}
    kept.at([3])
    kept.keep(5, None, 4)
    assert kept.at(range(9)) == {3: None, 5: None}, "what was not asked for longest goes first"
    kept.keep(6, None, 11)
    assert kept.at(range(9)) == {}


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(members())
def test_events_are_no_statements(ledger: PostgresLedger, event: dict[str, object]) -> None:
    list(ledger.append_all([captured(event)]))
    visibility = PostgresVisibility(ledger.pool, ledger.ledger_id)
    found = PostgresVocabularies(ledger, visibility, register_of(ledger), reader=Reader(MAKER)).of(set(PLACES))
    assert all(statement.stated_by == MAKER for statement in found)
