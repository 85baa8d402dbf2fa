"""The provenance index in PostgreSQL answers as the one in memory, which looks at every record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.memory.provenance import MemoryProvenance
from adapters.postgres import provenance
from adapters.postgres.connection import open_pool
from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.provenance import PostgresProvenance
from adapters.postgres.visibility import PostgresVisibility
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import Database, fresh_database
from tests.support.dealings import ASKED, dealings
from tests.support.happenings import (
    MAKER,
    PALLET,
    READER,
    STORE,
    STRANGERS,
    TOTE,
    Decided,
    Happening,
    attach,
    commission,
    hours,
    lot,
    observe,
    pack,
    put,
    records,
    take,
    transform,
)
from tests.support.holders import PARTIES, PARTY, SEES_ALL, SHOP, Told
from tests.support.worlds import COUNTED, JOINED, THINGS, worlds
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.index import MarkKind, TagHash, tag_hash
from traceability.ledger.store import LedgerRules
from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.decisions import HoldPlaced, HoldReleased
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.provenance import TraceQuery, trace, walked
from traceability.supply_chain.recall.scope import scope_of
from traceability.supply_chain.seen import SeenEvent, Subjects, thing_of
from traceability.supply_chain.windows import ALWAYS, BEGIN, END, Window, Windows

NAMED = [thing_of(uri) for uri in (*THINGS, *COUNTED)]
BATCH = str(JOINED[1])
SUBJECTS = [
    *(Subjects(things={thing}) for thing in NAMED),
    *(Subjects(lots={lot}) for lot in COUNTED[:2]),
    Subjects(transformations={BATCH}),
]
READERS = [
    READER,
    Reader("store.example", frozenset({STORE})),
    Reader("rival.example"),
    Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, None, frozenset({"item", "how"})),)),
    Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, frozenset({"packing", "unpacking"}), frozenset({"what"})),)),
]
A, B = pack("A"), pack("B")


@dataclass(frozen=True)
class Question:
    reader: Reader
    asked: list[list[Subjects]]
    during: dict[str, Windows]
    instants: set[tuple[str, int]]
    thing: str
    share: float


class Books:
    """A ledger in PostgreSQL, and both indexes over it."""

    def __init__(self, ledger: PostgresLedger, owner_url: str) -> None:
        self._ledger = ledger
        self._owner_url = owner_url
        self._visibility = PostgresVisibility(ledger.pool, ledger.ledger_id)
        self.numbers = count(1)

    def another(self) -> Books:
        """Return those of a new ledger in the same database."""
        name = add_ledger(self._owner_url, f"another-{next(self.numbers)}", ()).name
        ledger = PostgresLedger(self._ledger.pool, self._ledger.rules, name=name, organisation=MAKER)
        return Books(ledger, self._owner_url)

    def record(self, *happenings: Told) -> None:
        events = [record.event for record in records(happenings)]
        outcomes = [outcome for batch in self._ledger.append_all(events) for outcome in batch]
        assert {outcome.outcome for outcome in outcomes} == {"recorded"}

    def head(self) -> int:
        return self._ledger.head()

    def ask(self, reader: Reader, known_at: int | None = None) -> tuple[PostgresProvenance, MemoryProvenance]:
        known = self._ledger.records(range(1, self.head() + 1))
        return (
            PostgresProvenance(self._ledger, self._visibility, reader=reader, known_at=known_at),
            MemoryProvenance(known, reader=reader, indexer=index_rows, known_at=known_at),
        )


def _two_hashes(tag: str) -> int:
    return tag_hash(tag) % 2 + 1


@pytest.fixture(
    scope="module",
    params=[(tag_hash, None), (_two_hashes, None), (tag_hash, 2)],
    ids=["hashes", "only two hashes", "always in halves"],
)
def shared(
    request: pytest.FixtureRequest, postgres: EmbeddedServer, admin: psycopg.Connection, template: str
) -> Iterator[Books]:
    hash_of, many = request.param
    with pytest.MonkeyPatch.context() as patch:
        if many is not None:
            patch.setattr(provenance, "_MANY", many)
        for database in fresh_database(postgres, admin, template):
            yield from _books(database, hash_of)


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    yield from _books(database, tag_hash)


def _books(database: Database, hash_of: TagHash) -> Iterator[Books]:
    rules = LedgerRules(
        indexer=index_rows,
        content_digest=content_digest,
        clock=SystemClock(),
        entropy=SystemEntropy(),
        tag_hash=hash_of,
    )
    pool = open_pool(database.runtime_url, max_size=2)
    try:
        yield Books(PostgresLedger(pool, rules, organisation=MAKER), database.owner_url)
    finally:
        pool.close()


# The ledger grows from one example to the next, so a failing one cannot be made smaller.
@settings(max_examples=40, deadline=None, phases=[Phase.generate])
@given(
    worlds(max_size=4),
    st.lists(st.sampled_from([(), (STORE,)]), min_size=6, max_size=6),
    st.builds(
        Question,
        st.sampled_from(READERS),
        st.lists(st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=3), min_size=1, max_size=3),
        st.dictionaries(st.sampled_from(NAMED), st.just([ALWAYS]), max_size=2),
        st.sets(st.tuples(st.sampled_from(NAMED), st.integers(-1, 6).map(hours)), max_size=4),
        st.sampled_from(NAMED),
        st.floats(0.5, 1),
    ),
)
def test_both_indexes_find_the_same(
    shared: Books,
    world: list[Happening],
    parties: list[tuple[str, ...]],
    question: Question,
) -> None:
    run = next(shared.numbers)
    shared.record(
        *(
            replace(happening, event_id=f"{happening.event_id}:{run}", parties=parties[n % len(parties)])
            for n, happening in enumerate(world)
        )
    )
    known_at = int(shared.head() * question.share)
    postgres, memory = shared.ask(question.reader, known_at)
    assert postgres.known_at == memory.known_at == known_at
    for several in question.asked:
        asked = Subjects(*(frozenset[str]().union(*named) for named in zip(*several, strict=True)))
        assert _content(postgres.events(asked)) == _content(memory.events(asked))
        assert _content(postgres.events(asked, question.during)) == _content(memory.events(asked, question.during))
        for kind in MarkKind:
            emptied = postgres.emptyings(kind, question.instants), memory.emptyings(kind, question.instants)
            assert _content(emptied[0]) == _content(emptied[1])
        assert postgres.known(asked.things) == memory.known(asked.things)
        ties = _content(memory.ties(asked))
        assert _content(postgres.ties(asked)) == ties
        assert _content(postgres.deeds(asked)) == _content(memory.deeds(asked))
        within = {position for position, *_ in _content(postgres.deeds(asked, question.during))}
        assert within >= {position for position, *_ in _content(memory.deeds(asked, question.during))}
        known = [position for position, *_ in ties[::2]]
        for during in ({}, question.during):
            others = postgres.ties(asked, during, known), memory.ties(asked, during, known)
            assert not set(known).intersection(event.position for event in others[0])
            if not during:
                assert _content(others[0]) == _content(others[1])
        depths = [index.surrounding([*question.during], 5) for index in (postgres, memory)]
        assert all(depths[0][thing] >= depth for thing, depth in depths[1].items())
        assert _content(postgres.leavings(question.during)) == _content(memory.leavings(question.during))
    folds: list[Callable[[ProvenanceIndex], object]] = [
        lambda index: item_history(index, question.thing, STRANGERS),
        lambda index: trace(index, TraceQuery((question.thing,))),
        # A page asks one index for both, so that what was found for the first is there for the second.
        lambda index: (item_history(index, question.thing, STRANGERS), trace(index, TraceQuery((question.thing,)))),
    ]
    for fold in folds:
        answers = [_answer(fold, index) for index in shared.ask(question.reader, known_at)]
        assert answers[0] == answers[1]


@settings(max_examples=100, deadline=None, phases=[Phase.generate])
@given(dealings(), st.sampled_from(ASKED))
def test_with_both_indexes_the_same_is_told_and_decided(shared: Books, world: list[Told], thing: str) -> None:
    books = shared.another()
    books.record(
        *(
            replace(told, event_id=f"urn:uuid:{n}") if isinstance(told, Happening) else told
            for n, told in enumerate(world)
        )
    )
    folds: list[Callable[[ProvenanceIndex], object]] = [
        lambda index: item_history(index, thing, PARTIES),
        lambda index: scope_of(walked(index, TraceQuery((thing,)), deeds=True), index, PARTIES).affected,
        lambda index: _judged(index, thing),
    ]
    for fold in folds:
        answers = [_answer(fold, index) for index in books.ask(SEES_ALL)]
        assert answers[0] == answers[1]


def _judged(index: ProvenanceIndex, thing: str) -> object:
    around = Surroundings(index, PARTIES)
    around.name({thing})
    picture = around.picture(END)
    return picture.entries[picture.stands_for(thing)], picture.custody_last(picture.stands_for(thing))


def _content(events: list[SeenEvent]) -> list[tuple[int, object, bool]]:
    assert len({event.position for event in events}) == len(events)
    return sorted(((e.position, e.parts, e.whole) for e in events), key=lambda found: found[0])


def _answer(fold: Callable[[ProvenanceIndex], object], index: ProvenanceIndex) -> object:
    try:
        return repr(fold(index))
    except NotFoundError:
        return None


def test_a_position_yet_to_come_is_refused(books: Books) -> None:
    books.record(commission(1, A))
    for known_at in (-1, 2):
        with pytest.raises(InvalidInputError):
            books.ask(READER, known_at)
    postgres, _ = books.ask(READER, 0)
    assert postgres.events(Subjects({A})) == []


def test_an_answer_stays_as_of_its_question(books: Books) -> None:
    books.record(commission(1, A))
    postgres, _ = books.ask(READER)
    books.record(put(2, PALLET, A))
    assert [event.position for event in postgres.events(Subjects({A}))] == [1]


def test_a_declaration_that_names_no_event_retracts_nothing_and_counts_for_nothing(books: Books) -> None:
    books.record(put(1, PALLET, A).retracted(), commission(2, B))
    for index in books.ask(READER):
        assert [event.position for event in index.events(Subjects({A, B}))] == [1, 2]
        assert [event.position for event in index.ties(Subjects({A, B}))] == [2]
        assert index.known([A, B]) == {B}


def test_a_reader_who_may_see_nothing_finds_nothing(books: Books) -> None:
    books.record(commission(1, A), put(2, PALLET, A), take(3, PALLET))
    postgres, _ = books.ask(Reader(PUBLIC))
    assert postgres.events(Subjects({A, PALLET})) == []
    assert postgres.emptyings(MarkKind.CONTAINMENT, {(PALLET, 0)}) == []


def test_deeds_are_what_ties_moves_or_ends_things(books: Books) -> None:
    to_shop = {"possessing_party": PARTY[SHOP]}
    deeds = [
        commission(1, A),
        observe(2, A, step="shipping"),
        observe(3, A, step="https://ns.example/steps/returning"),
        observe(4, A, step="urn:x:rejecting"),
        observe(5, A, disposition="in_transit", destinations=to_shop),
        observe(6, A, disposition="stolen"),
        observe(7, A, step="decommissioning"),
        observe(8, A, step="void_shipping"),
    ]
    others = [
        observe(9, A, step="storing", disposition="in_transit"),
        observe(10, A, step="urn:x:returning:inspected"),
        observe(11, A),
        observe(12, B, step="shipping"),
    ]
    books.record(*deeds, *others)
    for index in books.ask(READER):
        found = index.deeds(Subjects({A}), but=[2])
        assert sorted(event.position for event in found) == [1, *range(3, len(deeds) + 1)]
        assert sorted(event.position for event in index.deeds(Subjects(), {A: [ALWAYS]})) == [*range(1, len(deeds) + 1)]


def test_of_what_never_was_inside_only_what_happens_in_the_windows_is_read(books: Books) -> None:
    books.record(*(observe(hour, PALLET, step="shipping") for hour in range(1, 10)))
    books.record(*(transform(hour, [PALLET], [B]) for hour in range(11, 20)))
    times = [Window(BEGIN, hours(2)), Window(hours(4), hours(5)), Window(hours(7), hours(12)), Window(hours(14), END)]
    postgres, _ = books.ask(READER)
    found = postgres.deeds(Subjects(), {PALLET: times, B: times[1:2]})
    assert sorted(event.occurred_at for event in found) == [*map(hours, (1, 2, 4, 5, 7, 8, 9, 11, 12, *range(14, 20)))]
    assert [event.occurred_at for event in postgres.leavings({PALLET: times[2:3]})] == [hours(11), hours(12)]
    ties = postgres.ties(Subjects(), {PALLET: times[:1], B: times[2:]})
    assert sorted(event.occurred_at for event in ties) == [*map(hours, (11, 12, *range(14, 20)))]
    # What was put into another may leave it at any time.
    books.record(put(21, "urn:x:lorry", PALLET))
    postgres, _ = books.ask(READER)
    assert len(postgres.deeds(Subjects(), {PALLET: times[:1]})) == 19


@pytest.mark.parametrize("back", [(), (put(6, PALLET, A),)])
def test_a_hold_on_a_pallet_that_was_released_when_a_pack_had_left_is_released(
    books: Books, back: tuple[Happening, ...]
) -> None:
    hold = HoldPlaced(things=(PALLET,), hold="H1", kind="quality", reason="a warm lorry")
    released = Decided(5, HoldReleased(things=(PALLET,), hold="H1"))
    books.record(commission(1, A), put(1, PALLET, A), Decided(2, hold), take(3, PALLET, A), released, *back)
    for index in books.ask(READER):
        told = item_history(index, A, STRANGERS)
        assert [entry.event.position for entry in told.entries] == [1, 2, 3, 4, 5, *(6 for _ in back)]
        assert told.custody.holds == ()


def test_as_many_containers_are_around_a_thing_as_it_was_ever_put_into(books: Books) -> None:
    books.record(commission(1, A, B), put(2, PALLET, A), put(3, "urn:x:lorry", PALLET), put(4, "urn:x:ferry", PALLET))
    books.record(put(5, "urn:x:train", "urn:x:lorry"), put(6, TOTE, TOTE), attach(7, A, B))
    things = ["urn:x:train", A, TOTE, B, PALLET]
    for index in books.ask(READER):
        assert index.surrounding(things, 5) == {"urn:x:train": 0, A: 3, TOTE: 5, B: 0, PALLET: 2}
        assert index.surrounding(things, 2) == {"urn:x:train": 0, A: 2, TOTE: 2, B: 0, PALLET: 2}
        assert set(index.surrounding([A, PALLET], 4).values()) <= {2, 3}
        assert index.surrounding([], 5) == {}


def test_decisions_about_what_was_read_in_a_window_are_there(books: Books) -> None:
    books.record(Decided(2, HoldPlaced(things=(PALLET,), hold="H1", kind="quality", reason="a warm lorry")))
    for index in books.ask(READER):
        index.ties(Subjects(), {PALLET: [Window(hours(5), hours(6))]})
        assert [one.occurred_at for one in index.decisions([PALLET])] == [hours(2)]


def test_who_comes_to_see_all_of_an_event_by_its_names_is_told_of_it(books: Books) -> None:
    books.record(put(0, PALLET, A), commission(3, PALLET, by=STORE), put(5, PALLET, A, by=STORE))
    everything = frozenset({"what", "where", "why", "how", "more"})
    grants = (
        Grant(MAKER, "auditor.example", None, frozenset({"item"})),
        Grant(STORE, "auditor.example", None, everything),
    )
    reader = Reader("auditor.example", grants=grants)
    answers = [item_history(index, PALLET, STRANGERS).contents for index in books.ask(reader)]
    assert answers[0] == answers[1]
    assert [stay.opened_at for stay in answers[0]] == [hours(0)]


def test_a_tag_of_a_hidden_part_finds_nothing(books: Books) -> None:
    books.record(commission(1, A, B, number="L1"), transform(2, [A], [B], joined=JOINED[1]))
    reader = Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, None, frozenset({"item"})),))
    postgres, _ = books.ask(reader)
    assert postgres.events(Subjects(lots={lot("L1")}, transformations={BATCH})) == []
    first = postgres.events(Subjects({A}))
    assert [[m.thing for m in event.mentions] for event in first] == [[A], [A]]
    second = postgres.events(Subjects({B}))
    assert [[m.thing for m in event.mentions] for event in second] == [[A, B], [A, B]]


def test_who_may_see_named_items_sees_how_they_left_a_container_that_was_emptied(books: Books) -> None:
    books.record(put(1, PALLET, A), take(2, PALLET))
    reader = Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, None, frozenset({"item"})),))
    for index in books.ask(reader):
        assert [event.position for event in index.ties(Subjects({A}))] == [1]
        assert [event.position for event in index.emptyings(MarkKind.CONTAINMENT, {(PALLET, hours(1))})] == [2]
