"""Questions that ask master data: PostgreSQL, the store in memory, and what the guide says, event by event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NoReturn

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.memory.event_query import MemoryEventQueries
from adapters.memory.vocabularies import MemoryVocabularies
from adapters.postgres import event_query, resolved, vocabularies
from adapters.postgres.embedded import EmbeddedServer
from adapters.postgres.event_query import PostgresEventQueries
from adapters.postgres.event_query_sql import Statements
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.organisations import PostgresOrganisations
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import fresh_database
from tests.ledgers import epcis_ledger, event_queries
from tests.support.epcis_events import event
from tests.support.epcis_queries import MAKER, ORDERS, PARTIES, PLACES, RIVAL, captured, members
from traceability.gs1.epcis import index_rows, view_of
from traceability.gs1.epcis import vocabularies as module
from traceability.gs1.epcis.master_data import CBV_ATTRIBUTE, VocabularyElement, texts_of, vocabulary_type
from traceability.gs1.epcis.query.event_query import EventQueries, EventQuery, FoundEvent, QueryTooComplexError
from traceability.gs1.epcis.query.parameters import read_json_query, read_query
from traceability.gs1.epcis.view import EPCIS_TYPES, EpcisView
from traceability.gs1.epcis.vocabularies import master_data
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import MASTER_DATA, PUBLIC, Grant, Reader, redact
from traceability.ledger.event import microseconds

NAME, CITY = f"{CBV_ATTRIBUTE}name", f"{CBV_ATTRIBUTE}city"
GLNS = {"9521234000006": MAKER}
THINGS = [*PLACES, *PARTIES, *ORDERS, "https://id.gs1.org/01/09521234000013", "https://id.gs1.org/01/09521234000020"]
ALL = frozenset({"what", "where", "why", "how", "more", MASTER_DATA})
READERS = [
    Reader(MAKER),
    Reader(RIVAL),
    Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, None, ALL),)),
    Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, None, ALL - {MASTER_DATA}),)),
    Reader("a.example", grants=(Grant(MAKER, "a.example", None, frozenset({"where", MASTER_DATA})),
                                Grant(RIVAL, "a.example", None, ALL))),
]  # fmt: skip
HOURS = [None, *(microseconds(f"2026-03-01T0{hour}:00:00Z") for hour in (1, 2, 3))]
FIELDS = ["readPoint", "bizLocation", "epcClass", "bizTransaction", "source", "destination"]

SORTED = [[], [("orderBy", "recordTime")], [("orderDirection", "ASC")]]

stated = st.tuples(
    st.builds(
        VocabularyElement,
        st.sampled_from([vocabulary_type("BusinessLocation"), vocabulary_type("ReadPoint")]),
        st.sampled_from(THINGS).map(lambda uri: parse_identifier(uri).uri),
        st.dictionaries(st.sampled_from([NAME, CITY]), st.sampled_from(["Gate", ["Yard", "Hof"], None]), max_size=2),
        st.lists(st.sampled_from([parse_identifier(uri).uri for uri in PLACES]), max_size=2, unique=True).map(tuple),
        valid_from=st.sampled_from(HOURS),
        valid_until=st.sampled_from([None, None, HOURS[3]]),
        withdrawn=st.sampled_from([False, False, False, True]),
    ),
    st.sampled_from([MAKER, RIVAL]),
    st.integers(0, 2),
)
parameters = st.one_of(
    st.tuples(
        st.sampled_from(["WD_readPoint", "WD_bizLocation"]),
        st.lists(st.sampled_from(PLACES), min_size=1, max_size=2, unique=True).map("|".join),
    ),
    st.tuples(st.sampled_from([f"HASATTR_{field}" for field in FIELDS]), st.sampled_from([NAME, "city", "name|city"])),
    st.tuples(
        st.sampled_from([f"{how}_{field}_{NAME}" for field in FIELDS for how in ("EQATTR", "EQ_ATTR")]),
        st.sampled_from(["Gate", "Hof", "Nowhere", "Gate|Yard"]),
    ),
)


@pytest.fixture(scope="module")
def ledger(postgres: EmbeddedServer, admin: psycopg.Connection, template: str) -> Iterator[PostgresLedger]:
    for database in fresh_database(postgres, admin, template):
        with epcis_ledger(database.runtime_url, organisation=MAKER) as ledger:
            organisations = PostgresOrganisations(
                ledger.pool, ledger.ledger_id, clock=SystemClock(), entropy=SystemEntropy()
            )
            for name in (MAKER, RIVAL):
                organisations.add(name, glns=[gln for gln, holder in GLNS.items() if holder == name])
            yield ledger


@pytest.fixture(scope="module", params=[event_query.WIDE, 0], ids=["probed", "wide"])
def postgres_queries(request: pytest.FixtureRequest, ledger: PostgresLedger) -> Iterator[PostgresEventQueries]:
    """Give a store that keeps what it resolved, from one example to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_query, "WIDE", request.param)
        patch.setattr(vocabularies, "_MANY", request.param)
        yield store_of(ledger)


def store_of(ledger: PostgresLedger) -> PostgresEventQueries:
    return event_queries(ledger)


def field_of(view: EpcisView, field: str) -> list[str]:
    fields: dict[str, list[str | None]] = {
        "readPoint": [view.read_point],
        "bizLocation": [view.biz_location],
        "epcClass": [item.id for item in view.items if item.list.endswith("uantityList")],
        "bizTransaction": [uri for _, uri in view.biz_transactions],
        "source": [uri for _, uri in view.sources],
        "destination": [uri for _, uri in view.destinations],
    }
    return [uri for uri in fields[field] if uri is not None]


def answers(view: EpcisView, name: str, text: str, said: MemoryVocabularies) -> bool:
    """Tell whether an event answers one parameter, by the words of the standard and of our guide."""
    data = master_data(said, {parse_identifier(uri).subject for uri in THINGS})
    at, values = view.occurred_at, text.split("|")
    family, _, rest = name.replace("EQ_ATTR", "EQATTR").partition("_")
    field, _, attribute = rest.partition("_")
    for uri in field_of(view, field):
        thing = parse_identifier(uri)
        if family == "WD":
            below: set[str] = set()
            ahead = [parse_identifier(value).subject for value in values]
            while ahead:
                here = ahead.pop()
                if here not in below:
                    below.add(here)
                    ahead += data.children(here, at)
            if thing.subject in below:
                return True
            continue
        names = [attribute] if family == "EQATTR" else [v if ":" in v else CBV_ATTRIBUTE + v for v in values]
        for subject in {thing.subject, thing.lot_uri, thing.class_uri} - {None}:
            for element in data.elements(subject or "", at):
                found = [element.attributes[known] for known in names if element.attributes.get(known) is not None]
                if found and (family == "HASATTR" or set(texts_of(found[0])) & set(values)):
                    return True
    return False


def _whole(queries: EventQueries, query: EventQuery, reader: Reader, known_at: int) -> list[FoundEvent]:
    found, page = [], queries.page(query, reader=reader, size=1_000, known_at=known_at)
    while page.next is not None:
        found += page.events
        page = queries.page(query, reader=reader, size=1_000, after=page.next, known_at=known_at)
    return [*found, *page.events]


# The ledger grows from one example to the next, so a failing one cannot be made smaller.
@settings(max_examples=40, deadline=None, phases=[Phase.generate])
@given(
    st.tuples(
        st.lists(st.tuples(members(), st.sampled_from([MAKER, MAKER, RIVAL])), min_size=1, max_size=3),
        st.lists(stated, max_size=3),
    ),
    st.sampled_from(READERS),
    st.tuples(parameters, st.sampled_from(SORTED), st.floats(0, 1)),
)
def test_every_way_of_asking_finds_the_same(
    ledger: PostgresLedger,
    postgres_queries: PostgresEventQueries,
    recorded: tuple[list[tuple[dict[str, Any], str]], list[tuple[VocabularyElement, str, int]]],
    reader: Reader,
    asking: tuple[tuple[str, str], list[tuple[str, str]], float],
) -> None:
    (events, statements), (asked, order, share) = recorded, asking
    for element, organisation, at in statements:
        ledger.append([element.event(organisation, at)])
    list(ledger.append_all([captured(event, captor) for event, captor in events]))
    assert read_query([asked]) == read_json_query({asked[0]: asked[1].split("|")})
    query = read_query([asked, *order])
    records = ledger.records(range(1, ledger.head() + 1))
    postgres = postgres_queries
    memory = MemoryEventQueries(lambda: records, indexer=index_rows, glns=GLNS)
    said = MemoryVocabularies(records, indexer=index_rows, reader=reader, glns=GLNS, known_at=ledger.head())
    expected = []
    for record in records:
        extent = reader.extent(index_rows(record.event.parts).visibility)
        if extent is None or record.event.type not in EPCIS_TYPES:
            continue
        if answers(view_of(redact(record.event.parts, extent, ())), *asked, said):
            expected.append(record.position)
    found = _whole(postgres, query, reader, ledger.head())
    assert sorted(event.position for event in found) == expected
    assert found == _whole(memory, query, reader, ledger.head())
    before = int(share * ledger.head())
    assert _whole(postgres, query, reader, before) == _whole(memory, query, reader, before)


NEW: Final = "https://id.gs1.org/414/9529999000002"


def _found(store: PostgresEventQueries, parameter: str, value: str, *, reader: str = RIVAL) -> int:
    return len(store.page(read_query([(parameter, value)]), reader=Reader(reader), size=1_000).events)


def test_what_is_stated_or_registered_between_two_questions_counts(ledger: PostgresLedger) -> None:
    store = store_of(ledger)
    at_new = {**event(), "readPoint": {"id": NEW}}
    list(ledger.append_all([captured(at_new, RIVAL)]))
    asked = f"EQATTR_readPoint_{NAME}", "Harbour"
    assert _found(store, *asked) == 0
    said = VocabularyElement(vocabulary_type("ReadPoint"), NEW, {NAME: "Harbour"})
    ledger.append([said.event(RIVAL, 5)])
    assert (_found(store, *asked), _found(store, *asked, reader=MAKER)) == (1, 0)
    ledger.append([said.event(MAKER, 5)])  # not seen by the other
    assert _found(store, *asked) == 1
    organisations = PostgresOrganisations(ledger.pool, ledger.ledger_id, clock=SystemClock(), entropy=SystemEntropy())
    organisations.add("harbour.example", glns=["9529999000002"])
    other = VocabularyElement(vocabulary_type("ReadPoint"), NEW, {NAME: "Port"})
    ledger.append([other.event("harbour.example", 5)])
    opened = Reader(RIVAL, grants=(Grant("harbour.example", RIVAL, None, frozenset({MASTER_DATA})),))
    answer = store.page(read_query([asked]), reader=opened, size=1_000)
    assert answer.events == [], "the holder of the place says otherwise"


def test_following_pages_do_not_ask_master_data_again(ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    store, query = store_of(ledger), read_query([("WD_readPoint", PLACES[0])])
    list(ledger.append_all([captured({**event(), "readPoint": {"id": PLACES[0]}}) for _ in range(3)]))
    first = store.page(query, reader=Reader(MAKER), size=1)
    monkeypatch.setattr(resolved, "meant", _refuse)
    list(ledger.append_all([captured(event())]))
    assert first.next is not None
    assert store.page(query, reader=Reader(MAKER), size=1, after=first.next).events
    assert store.page(query, reader=Reader(MAKER), size=1).events == first.events
    with pytest.raises(AssertionError):
        store.page(query, reader=Reader(RIVAL), size=1)


@pytest.mark.parametrize("few", [0, 100_000])
def test_an_answer_goes_on_as_it_began_whatever_is_stated_meanwhile(
    ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(resolved, "_FEW", few)
    store, name = store_of(ledger), f"EQATTR_readPoint_{NAME}"
    place, query = "https://maker.example/quay", read_query([(name, "Quay"), ("orderDirection", "ASC")])
    list(ledger.append_all([captured({**event(), "eventID": f"urn:x:quay{few}{n}", "readPoint": {"id": place}})
                            for n in range(3)]))  # fmt: skip
    ledger.append([VocabularyElement(vocabulary_type("ReadPoint"), place, {NAME: "Quay"}).event(MAKER, 20 + 2 * few)])
    count = len(store.page(query, reader=Reader(MAKER), size=1_000).events)
    first = store.page(query, reader=Reader(MAKER), size=1)
    assert first.next is not None
    ledger.append([VocabularyElement(vocabulary_type("ReadPoint"), place, {NAME: "Pier"}).event(MAKER, 21 + 2 * few)])
    assert _found(store, name, "Quay", reader=MAKER) == 0
    for other in (store, store_of(ledger)):  # a process that knows nothing yet, too
        following = other.page(query, reader=Reader(MAKER), size=1_000, after=first.next)
        assert len(following.events) == count - 1
        assert _found(other, name, "Pier", reader=MAKER) == count
        assert _found(other, name, "Quay", reader=MAKER) == 0


def test_a_first_question_does_not_look_through_earlier_events(
    ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an organisation stated long ago has millions of its events after it."""
    scanned: list[tuple[int, int]] = []
    execute = psycopg.Connection.execute

    def noted(connection: Any, query: Any, params: Any = None, **options: Any) -> Any:
        if query == resolved._NEWEST:
            scanned.append((params["after"], params["known_at"]))
        return execute(connection, query, params, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", noted)
    store, head = store_of(ledger), ledger.head()
    _found(store, "WD_readPoint", PLACES[0], reader=MAKER)
    list(ledger.append_all([captured({**event(), "eventID": "urn:x:scanned"})]))
    _found(store, "WD_readPoint", PLACES[0], reader=MAKER)
    assert scanned == [(head, head), (head, head + 1)]


def test_which_of_many_places_occur_is_found_out_once(ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    yard, far = "https://maker.example/yard", "https://maker.example/yard/7"
    children = tuple(f"{yard}/{n}" for n in range(60))
    ledger.append([VocabularyElement(vocabulary_type("Location"), yard, children=children).event(MAKER, 50)])
    store, looked = store_of(ledger), []
    sizes = Statements.sizes

    def noted(statements: Statements, asked: Any) -> str:
        looked.append(list(asked))
        return sizes(statements, looked[-1])

    monkeypatch.setattr(Statements, "sizes", noted)
    assert [_found(store, "WD_readPoint", yard, reader=MAKER) for _ in range(3)] == [0, 0, 0]
    assert looked == [[0]]
    list(ledger.append_all([captured({**event(), "eventID": f"urn:x:yard{n}", "readPoint": {"id": far}})
                            for n in range(5)]))  # fmt: skip
    assert [_found(store, "WD_readPoint", yard, reader=MAKER) for _ in range(2)] == [5, 5]
    assert looked == [[0], [0]]
    # That there are too many to begin with is true for ever.
    for limit in ("FEW", "SOME", "MANY"):
        monkeypatch.setattr(event_query, limit, 4)
    assert _found(store, "WD_readPoint", yard, reader=MAKER) == 5
    list(ledger.append_all([captured({**event(), "eventID": "urn:x:yard", "readPoint": {"id": yard}})]))
    assert _found(store, "WD_readPoint", yard, reader=MAKER) == 6
    assert looked == [[0], [0]]


def test_what_is_kept_is_bounded(ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolved, "MOST_KEPT", 3)
    store = store_of(ledger)
    place = read_query([("WD_readPoint", PLACES[1])])
    for other in ("a", "b"):
        store.page(place, reader=Reader(MAKER), size=1)
        store.page(read_query([("WD_readPoint", f"https://maker.example/{other}")]), reader=Reader(MAKER), size=1)
    monkeypatch.setattr(resolved, "meant", _refuse)
    with pytest.raises(AssertionError):
        store.page(place, reader=Reader(MAKER), size=1)


def _refuse(*_: object) -> NoReturn:
    raise AssertionError


def test_a_question_that_leads_to_too_much_is_refused(ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    place = parse_identifier(PLACES[0]).uri
    children = tuple(f"{place}/254/gate{n}" for n in range(20))
    ledger.append([VocabularyElement(vocabulary_type("Location"), place, children=children).event(MAKER, 9)])
    postgres = store_of(ledger)
    monkeypatch.setattr(module, "MAX_SUBJECTS", 15)
    with pytest.raises(QueryTooComplexError):
        postgres.page(read_query([("WD_readPoint", place)]), reader=Reader(MAKER), size=1)
