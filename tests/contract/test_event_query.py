"""Queries for events: PostgreSQL answers as the evaluator in memory, which looks at every record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.memory.event_query import MemoryEventQueries
from adapters.postgres import event_query, sorted_answers
from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.ledger import PostgresLedger
from tests.conftest import Database, fresh_database
from tests.ledgers import epcis_ledger, event_queries
from tests.support import epcis_queries as some
from tests.support.epcis_events import typed
from traceability.gs1.epcis import index_rows
from traceability.gs1.epcis.hash.recorded import hash_of_parts
from traceability.gs1.epcis.query import field_order
from traceability.gs1.epcis.query.event_query import (
    EventQueries,
    EventQuery,
    FoundEvent,
    Page,
    Place,
    QueryTooComplexError,
    QueryTooLargeError,
)
from traceability.gs1.epcis.query.parameters import read_query
from traceability.ledger.access import PUBLIC, SHAREABLE_PARTS, Grant, Reader
from traceability.ledger.event import LedgerEvent, utc_text
from traceability.ledger.index import tag_hash

OWNER = Reader(some.MAKER)
READERS = [
    OWNER,
    Reader(some.RIVAL),
    Reader("store.example", frozenset({some.PARTIES[0].removeprefix("https://id.gs1.org/417/"), some.PARTIES[0]})),
    Reader(PUBLIC),
    Reader(PUBLIC, grants=(Grant(some.MAKER, PUBLIC, None, frozenset({"item"})),)),
    Reader(PUBLIC, grants=(Grant(some.MAKER, PUBLIC, frozenset({"shipping"}), frozenset({"where", "item"})),)),
    Reader("a.example", grants=(Grant(some.MAKER, "a.example", None, frozenset({"what"})),)),
    Reader("a.example", grants=(Grant(some.MAKER, "a.example", None, frozenset({"why", "more"})),)),
    Reader("a.example", grants=(Grant(some.MAKER, "a.example", None, frozenset()),)),
]


class Books:
    """A ledger, and both ways to ask it."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self.ledger = ledger
        self.numbers = count(1)
        self.postgres = event_queries(ledger)
        self.memory = MemoryEventQueries(lambda: ledger.records(range(1, ledger.head() + 1)), indexer=index_rows)

    def record(self, *events: LedgerEvent) -> None:
        for batch in self.ledger.append_all(events):
            assert all(one.outcome != "conflict" for one in batch)


def _two_hashes(tag: str) -> int:
    return tag_hash(tag) % 2 + 1


@pytest.fixture(scope="module", params=[tag_hash, _two_hashes], ids=["hashes", "only two hashes"])
def shared(
    request: pytest.FixtureRequest, postgres: EmbeddedServer, admin: psycopg.Connection, template: str
) -> Iterator[Books]:
    for database in fresh_database(postgres, admin, template):
        with epcis_ledger(database.runtime_url, request.param, organisation=some.MAKER) as ledger:
            yield Books(ledger)


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with epcis_ledger(database.runtime_url, organisation=some.MAKER) as ledger:
        yield Books(ledger)


def everything(
    queries: EventQueries, query: EventQuery, reader: Reader, size: int, known_at: int | None = None
) -> list[FoundEvent]:
    """Follow the pages to the last."""
    found: list[FoundEvent] = []
    place: Place | None = None
    while True:
        page = queries.page(query, reader=reader, size=size, after=place, known_at=known_at)
        assert len(page.events) <= size
        found += page.events
        if page.next is None:
            return found
        assert page.next != place
        place = page.next


# The ledger grows from one example to the next, so a failing one cannot be made smaller.
@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(
    st.lists(
        st.tuples(some.members(), st.sampled_from([some.MAKER, some.MAKER, some.RIVAL]), st.booleans()),
        min_size=1,
        max_size=4,
    ),
    st.tuples(st.sampled_from(READERS), st.integers(1, 12), st.none() | st.integers(0, 9)),
    some.PARAMETERS,
    st.tuples(st.none() | st.floats(0, 1), st.none() | st.floats(0, 1), st.none() | st.floats(0, 1)),
)
def test_both_find_the_same_in_the_same_order(
    shared: Books,
    events: list[tuple[dict[str, Any], str, bool]],
    asking: tuple[Reader, int, int | None],
    parameters: list[tuple[str, str]],
    shares: tuple[float | None, float | None, float | None],
) -> None:
    reader, size, unknown = asking
    for event, captor, named in events:
        event_id = f"urn:uuid:event-{next(shared.numbers)}"
        shared.record(some.captured(event | ({"eventID": event_id} if named else {}), captor))
    # Times and eventIDs of the ledger as it has become.
    at = [None if share is None else 1 + int(share * (shared.ledger.head() - 1)) for share in shares]
    for name, position in zip(("GE_recordTime", "LT_recordTime"), at, strict=False):
        if position is not None:
            (record,) = shared.ledger.records([position])
            parameters = [*parameters, (name, utc_text(record.event.recorded_at or 0))]
    if at[2] is not None and at[2] % 2:
        parameters = [*parameters, ("EQ_eventID", f"urn:uuid:event-{at[2]}")]
    query = read_query(parameters)
    known_at = None if unknown is None else max(0, shared.ledger.head() - unknown)
    found = everything(shared.postgres, query, reader, size, known_at)
    assert found == everything(shared.memory, query, reader, size, known_at)
    assert known_at is None or all(event.position <= known_at for event in found)


@pytest.mark.parametrize("order", ["eventTime", "recordTime"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_no_page_repeats_or_misses_what_is_appended_meanwhile(books: Books, order: str, direction: str) -> None:
    def one(number: int) -> LedgerEvent:
        return some.captured(typed("ObjectEvent", epcList=[some.EPCS[0]], eventID=f"urn:uuid:{number}",
                                        eventTime=some.TIMES[number % 5]))  # fmt: skip

    books.record(*map(one, range(20)))
    query = read_query([("orderBy", order), ("orderDirection", direction), ("MATCH_epc", some.EPCS[0])])
    expected = everything(books.memory, query, OWNER, 100)
    found: list[FoundEvent] = []
    place: Place | None = None
    for number in range(20, 100):
        page = books.postgres.page(query, reader=OWNER, size=3, after=place)
        found += page.events
        place = page.next
        if place is None:
            break
        books.record(one(number))
    assert found == expected


def test_a_count_holds_over_all_pages(books: Books) -> None:
    books.record(*(some.captured(typed("ObjectEvent", epcList=[epc])) for epc in some.EPCS))
    query = read_query([("orderBy", "eventTime"), ("eventCountLimit", "5")])
    for queries in (books.postgres, books.memory):
        assert len(everything(queries, query, OWNER, 2)) == 5
        assert queries.page(query, reader=OWNER, size=5).next is None


@pytest.mark.parametrize("order", ["eventTime", "recordTime"])
def test_a_maximum_is_for_all_pages_and_no_cut(books: Books, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    books.record(*(some.captured(typed("ObjectEvent", epcList=[epc])) for epc in some.EPCS))
    for queries in (books.postgres, books.memory):
        enough = read_query([("maxEventCount", "6"), ("orderBy", order)])
        assert len(everything(queries, enough, OWNER, 2)) == 6
        with pytest.raises(QueryTooLargeError):
            queries.page(read_query([("maxEventCount", "5"), ("orderBy", order)]), reader=OWNER, size=2)
        # What a reader does not see is not counted.
        assert queries.page(read_query([("maxEventCount", "1")]), reader=Reader(PUBLIC), size=2).events == []
        monkeypatch.setattr("traceability.gs1.epcis.query.event_query.MOST_COUNTED", 5)
        with pytest.raises(QueryTooLargeError):
            queries.page(read_query([("maxEventCount", "1000"), ("orderBy", order)]), reader=OWNER, size=2)
        monkeypatch.undo()


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_an_answer_is_sorted_by_a_field_of_the_event(books: Books, direction: str) -> None:
    name = "https://maker.example/rank"
    values: list[Any] = ["b", 10, "9.5", "a", None, "2026-03-01", [3, 99], "B", {"@value": "2026-02-01T00:00:00Z"}]
    books.record(*(some.captured(typed("ObjectEvent", epcList=[some.EPCS[0]], eventID=f"urn:x:{n}", **{name: value}))
                   for n, value in enumerate(values)))  # fmt: skip
    order = [6, 2, 1, 8, 5, 7, 3, 0]
    query = read_query([("orderBy", name), ("orderDirection", direction)])
    limited = read_query([("orderBy", name), ("orderDirection", direction), ("eventCountLimit", "4")])
    for queries in (books.postgres, books.memory):
        found = [one.position - 1 for one in everything(queries, query, OWNER, 2)]
        assert found == [*(order if direction == "ASC" else order[::-1]), 4]
        assert [one.position - 1 for one in everything(queries, limited, OWNER, 3)] == found[:4]


@pytest.mark.parametrize(("most", "many"), [("MOST_SORTED", 8), ("MOST_CHARACTERS", 3)])
def test_only_so_much_is_sorted_by_a_field(books: Books, monkeypatch: pytest.MonkeyPatch, most: str, many: int) -> None:
    name = "https://maker.example/rank"
    asked = [("orderBy", name)]
    books.record(*(some.captured(typed("ObjectEvent", epcList=[some.EPCS[0]], eventID=f"urn:x:{n}", **{name: "b"}))
                   for n in range(many)))  # fmt: skip
    monkeypatch.setattr(field_order, most, many)
    monkeypatch.setattr(event_query, "MOST_SORTED", field_order.MOST_SORTED)
    for queries in (books.postgres, books.memory):
        assert len(everything(queries, read_query(asked), OWNER, 5)) == many
    books.record(some.captured(typed("ObjectEvent", epcList=[some.EPCS[0]], **{name: "a"})))
    for queries in (books.postgres, books.memory):
        with pytest.raises(QueryTooComplexError, match="would have to be sorted"):
            queries.page(read_query(asked), reader=OWNER, size=2)
        # Whoever sees less of it has an answer.
        assert queries.page(read_query(asked), reader=Reader(PUBLIC), size=2).events == []


def test_the_pages_of_a_sorted_answer_are_found_once_or_again(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "https://maker.example/rank"
    for number in range(40):
        rank = Random(number).choice([1, 2, "x", "y", "2026-03-01"])
        books.record(some.captured(typed("ObjectEvent", epcList=[f"urn:x:{number}"], **{name: rank})))
    query = read_query([("orderBy", name)])
    monkeypatch.setattr(event_query, "_CHUNK", 4)
    expected = everything(books.memory, query, OWNER, 50)
    assert everything(books.postgres, query, OWNER, 7) == expected
    searches: list[int] = []
    further = event_query._Search.order

    def counted(search: event_query._Search) -> Any:
        searches.append(1)
        return further(search)

    monkeypatch.setattr(event_query._Search, "order", counted)
    first = books.postgres.page(query, reader=OWNER, size=7)
    assert (first.events, len(searches)) == (expected[:7], 0), "found already"
    books.record(some.captured(typed("ObjectEvent", epcList=[some.EPCS[0]], **{name: 3})))
    assert first.next is not None
    # Another process goes on as the first would have, whatever was recorded meanwhile; so does who has no room.
    fresh = event_queries(books.ledger)
    assert (fresh.page(query, reader=OWNER, size=7, after=first.next).events, len(searches)) == (expected[7:14], 1)
    monkeypatch.setattr(sorted_answers, "MOST_KEPT", 10)
    assert len(everything(fresh, query, OWNER, 7)) == 41
    assert len(searches) == 1 + 6


def test_a_count_that_would_take_too_long_is_given_up(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    books.record(*(some.captured(typed("ObjectEvent", epcList=[f"urn:x:{number}"])) for number in range(100)))
    monkeypatch.setattr(event_query, "MAX_ROUNDS", 1)
    monkeypatch.setattr(event_query, "ALL_CHECKED", 1)
    monkeypatch.setattr(event_query, "MAX_CHECKED", 1)
    with pytest.raises(QueryTooComplexError):
        books.postgres.page(read_query([("maxEventCount", "100"), ("EQ_action", "DELETE")]), reader=OWNER, size=2)


@pytest.mark.parametrize(
    "limits",
    [
        {"FEW": 0, "WALK": (2, 3), "SOME": 100},
        {"FEW": 0, "SOME": 0, "WALK": (1, 2), "MAX_CHECKED": 4, "_CHUNK": 3, "_BATCH": 2, "READING_WALK": (1, 2)},
        {
            "FEW": 0,
            "SOME": 0,
            "MANY": 0,
            "MAX_WALK": 10,
            "WALK": (4, 5),
            "WINDOWS": (1, 2, 3),
            "READING_WALK": (3, 3),
            "MANY_MERGED": 0,
        },
        {"MAX_BYTES": 1, "_ALL_CHUNK": 1},
    ],
)
@pytest.mark.parametrize("order", ["eventTime", "recordTime"])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_however_little_is_looked_at_the_answer_is_whole(
    books: Books, monkeypatch: pytest.MonkeyPatch, limits: dict[str, Any], order: str, direction: str
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(event_query, name, value)
    for number in range(30):
        step = some.STEPS[number % 3]
        epcs = [some.EPCS[number % 4]]
        books.record(
            some.captured(
                typed(
                    "ObjectEvent", epcList=epcs, bizStep=step, eventID=f"urn:uuid:{number}",
                    eventTime=some.TIMES[number * 7 % 5], readPoint={"id": some.PLACES[number % 2]},
                    disposition=some.DISPOSITIONS[number % 2], **{"https://maker.example/line": number % 3},
                )
            )
        )  # fmt: skip
    questions: Sequence[list[tuple[str, str]]] = [
        [],
        [("EQ_readPoint", some.PLACES[0])],
        [("MATCH_epc", some.EPCS[1]), ("EQ_readPoint", some.PLACES[1])],
        [("EQ_action", "OBSERVE")],
        [("EQ_disposition", "damaged"), ("EQ_bizStep", "shipping")],
        [("eventType", "AssociationEvent")],
        [("EQ_https://maker.example/line", "2")],
        [("GE_https://maker.example/line", "1"), ("EXISTS_https://maker.example/line", "true")],
        [("EQ_https://maker.example/line", "none")],
    ]
    for question in questions:
        query = read_query([*question, ("orderBy", order), ("orderDirection", direction)])
        assert everything(books.postgres, query, OWNER, 4) == everything(books.memory, query, OWNER, 4)


def _granted(*parts: str) -> Reader:
    return Reader("a.example", grants=(Grant(some.MAKER, "a.example", None, frozenset(parts)),))


NOTHING_OF_WHY_HOW_MORE = typed("ObjectEvent", epcList=[some.EPCS[0]], readPoint={"id": some.PLACES[0]})
PARTIAL = [_granted(*SHAREABLE_PARTS - {hidden}, "item") for hidden in sorted(SHAREABLE_PARTS)]


def test_an_event_without_an_event_id_is_found_by_its_hash(books: Books) -> None:
    hashed = some.captured(NOTHING_OF_WHY_HOW_MORE)
    name = hash_of_parts(hashed.parts)
    assert name is not None
    books.record(hashed, some.captured(typed("ObjectEvent", epcList=[some.EPCS[1]], eventID=name)))
    query = read_query([("EQ_eventID", name)])
    for reader in [*READERS, *PARTIAL, _granted(*SHAREABLE_PARTS)]:
        extent = reader.extent(index_rows(hashed.parts).visibility) or frozenset()
        expected = {1} if extent >= SHAREABLE_PARTS else set()
        expected |= {2} if "more" in extent else set()
        for queries in (books.postgres, books.memory):
            assert {event.position for event in everything(queries, query, reader, 5)} == expected


@pytest.mark.parametrize("limits", [{}, {"MAX_BYTES": 1, "MAX_CHECKED": 1, "ALL_CHECKED": 1}], ids=str)
def test_who_does_not_see_all_that_a_hash_covers_cannot_try_what_is_hidden(
    books: Books, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    """A right guess is answered as a wrong one: also where what is hidden is that there is nothing."""
    for name, value in limits.items():
        monkeypatch.setattr(event_query, name, value)
    hashed = some.captured(NOTHING_OF_WHY_HOW_MORE)
    books.record(hashed)
    right = hash_of_parts(hashed.parts) or ""
    for name in (right, right.replace("sha-256;", "sha-256;0")):
        for more in ([], [("MATCH_epc", some.EPCS[0])], [("maxEventCount", "1")]):
            query = read_query([("EQ_eventID", name), *more])
            for reader in PARTIAL:
                for queries in (books.postgres, books.memory):
                    assert queries.page(query, reader=reader, size=5) == Page([], None)
