"""Both ledgers keep the contract of the library's recorder, and our additions to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem
from eventsourcing.dcb.tests import DCBRecorderTestCase

from adapters.memory.ledger import MemoryLedger
from tests.ledgers import event, numbered, postgres_ledger, rules
from traceability.errors import InvalidInputError
from traceability.ledger.commitment import commit, entry_of, leaf_hash
from traceability.ledger.event import LedgerEvent, Redacted
from traceability.ledger.index import tag_hash
from traceability.ledger.store import AppendConflictError, Ledger, Outcome

LIBRARY = DCBRecorderTestCase()


def two_hashes(tag: str) -> int:
    """Make nearly every pair of tags collide."""
    return tag_hash(tag) & 1


@pytest.fixture(params=["memory", "postgres", "postgres with two tag hashes"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger(rules(), organisation="tests.example")
        return
    database = request.getfixturevalue("database")
    with postgres_ledger(database.runtime_url, two_hashes if "two" in request.param else tag_hash) as ledger:
        yield ledger


def test_append_and_read_on_an_empty_ledger(ledger: Ledger) -> None:
    LIBRARY._test_append_read(ledger)


def test_append_and_subscribe_on_an_empty_ledger(ledger: Ledger) -> None:
    LIBRARY._test_append_subscribe(ledger)


def fill(ledger: Ledger, size: int) -> None:
    for n in range(size):
        ledger.append([event("earlier", text=str(n), kind="test.earlier.v1")])


# The library's cases expect a condition with `after` 1 to fail on whatever they recorded themselves.
def test_append_and_read_on_a_ledger_that_holds_events(ledger: Ledger) -> None:
    fill(ledger, 3)
    LIBRARY._test_append_read(ledger, initial_position=3)


def test_append_and_subscribe_on_a_ledger_that_holds_events(ledger: Ledger) -> None:
    fill(ledger, 3)
    LIBRARY._test_append_subscribe(ledger, initial_position=3)


def test_a_large_append_is_one_append(ledger: Ledger) -> None:
    condition = DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=["big"])]))
    assert ledger.append([event("big", text=str(n)) for n in range(600)], condition) == 600
    with pytest.raises(AppendConflictError):
        ledger.append([event("big") for _ in range(600)], condition)
    assert ledger.head() == 600


@pytest.mark.parametrize("size", [0, 10_001])
def test_an_append_of_no_or_too_many_events_is_refused(ledger: Ledger, size: int) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ledger.append([DCBEvent(type="t", data=b"")] * size)
    assert caught.value.code == "ledger.too_many_events"


@pytest.mark.parametrize(
    "given",
    [
        event("party:a\nparty:b"),
        event("party:a\x00"),
        event("x", kind="nul\x00"),
        event("x", captured_by="tests.example\n"),
    ],
)
def test_a_name_that_could_be_read_back_as_another_is_refused(ledger: Ledger, given: LedgerEvent) -> None:
    for append in (ledger.append, lambda events: list(ledger.append_all(events))):
        with pytest.raises(InvalidInputError) as caught:
            append([event("x"), given])
        assert caught.value.code == "ledger.unprintable_name"
    assert ledger.head() <= 1  # memory appends one by one


def test_bulk_append_records_each_identity_once(ledger: Ledger) -> None:
    events = [
        *numbered(["a", "b"], 500),
        event("b", identity="identity:7", text="7"),
        event("a", identity="identity:8"),
    ]
    first = [outcome for batch in ledger.append_all(events) for outcome in batch]
    assert [o.index for o in first] == list(range(502))
    assert [o.outcome for o in first] == [Outcome.RECORDED] * 500 + [Outcome.DUPLICATE, Outcome.CONFLICT]
    assert [o.position for o in first] == [*range(1, 501), 8, 9]
    again = [outcome for batch in ledger.append_all(numbered(["a", "b"], 501)) for outcome in batch]
    assert [o.outcome for o in again] == [Outcome.DUPLICATE] * 500 + [Outcome.RECORDED]
    assert [o.position for o in again] == list(range(1, 502))
    assert [o.event_id for o in again[:500]] == [o.event_id for o in first[:500]]


def test_what_is_recorded_commits_to_what_was_given(ledger: Ledger) -> None:
    given = event("item:x", text="grüezi")
    ledger.append([given])
    (list(ledger.append_all([event("item:y", identity="i", text="bulk")])))
    for record in ledger.records([1, 2]):
        stored = record.event
        assert stored.event_id is not None
        assert stored.recorded_at is not None
        assert stored.salt is not None
        assert stored.personal_salt is not None
        commitment = commit(stored.parts, stored.salt, stored.personal_salt)
        assert stored.commitment == commitment
        assert record.leaf_hash == leaf_hash(entry_of(stored.event_id, stored.recorded_at, commitment))
        assert stored.event_id.version == 7
        assert ledger.record_of(stored.event_id) == record
    assert ledger.records([1])[0].event.parts == given.parts
    assert ledger.records([1])[0].event.data == given.data


def test_a_decision_reads_back(ledger: Ledger) -> None:
    redacted = Redacted(position=1, reason="asked to", authority="GDPR Art. 17")
    ledger.append([redacted.to_event(captured_by="tests.example", occurred_at=1_772_352_900_123_456, tags=["case:1"])])
    (found,) = ledger.read(DCBQuery(items=[DCBQueryItem(types=["ledger.redacted.v1"], tags=["case:1"])]))
    assert Redacted.of(found.event) == redacted
    with pytest.raises(InvalidInputError):
        Redacted.of(event("x"))


READERS: list[Callable[[Ledger], object]] = [
    lambda ledger: ledger.records([0, 1, 99]),
    lambda ledger: list(ledger.read()),
    lambda ledger: ledger.read(limit=1).head,
]


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_ledger_reads_as_empty(ledger: Ledger, reader: Callable[[Ledger], object]) -> None:
    assert not reader(ledger)
