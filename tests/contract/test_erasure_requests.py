"""Requests for erasures, against the ledger in PostgreSQL and the one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.postgres.erasure import erase
from adapters.postgres.ledger import PostgresLedger
from adapters.system import SystemClock
from tests.conftest import Database
from tests.ledgers import event, postgres_ledger, rules
from traceability.errors import ConflictError
from traceability.ledger.erasure import ErasureRequest, ErasureRequested, erasure_requests, request_erasure
from traceability.ledger.store import Ledger

ORGANISATION = "tests.example"


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger(rules(), organisation=ORGANISATION)
        return
    database: Database = request.getfixturevalue("database")
    with postgres_ledger(database.runtime_url) as ledger:
        yield ledger


def ask(ledger: Ledger, position: int, reason: str = "asked for") -> tuple[ErasureRequest, bool]:
    (record,) = ledger.records([position])
    payload = ErasureRequested(position=position, reason=reason, authority="officer")
    return request_erasure(ledger, record, payload, organisation=ORGANISATION, clock=SystemClock())


def test_a_request_is_recorded_once_and_listed(ledger: Ledger) -> None:
    ledger.append([event("a"), event("b")])
    assert list(erasure_requests(ledger)) == []
    first, new = ask(ledger, 2)
    assert (first.position, first.reason, first.requested_by, first.erased, new) == (2, "asked for", 3, False, True)
    assert first.event_id == ledger.records([2])[0].event.event_id
    assert ask(ledger, 2, "another reason") == (first, False)
    second, _ = ask(ledger, 1)
    assert list(erasure_requests(ledger)) == [first, second]
    assert ledger.head() == 4


def test_of_several_at_once_one_is_recorded(ledger: Ledger) -> None:
    ledger.append([event("a")])
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ask(ledger, 1), range(8)))
    assert len({request.requested_by for request, _ in answers}) == 1
    assert [new for _, new in answers].count(True) == 1
    assert ledger.head() == 2


def test_what_is_erased_is_told_and_not_asked_for_anew(database: Database) -> None:
    with postgres_ledger(database.runtime_url) as ledger:
        ledger.append([event("a"), event("b")])
        asked, _ = ask(ledger, 1)
        for position in (1, 2):
            erased(database, ledger, position)
        assert list(erasure_requests(ledger)) == [replace(asked, erased=True)]
        assert ask(ledger, 1) == (replace(asked, erased=True), False)
        with pytest.raises(ConflictError) as refused:
            ask(ledger, 2)
        assert refused.value.code == "ledger.already_erased"


def erased(database: Database, ledger: PostgresLedger, position: int) -> None:
    erase(database.owner_url, ledger, position, reason="r", authority="a")
