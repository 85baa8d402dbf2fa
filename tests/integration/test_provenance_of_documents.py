"""From EPCIS documents of several organisations, in PostgreSQL, to what each of them is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.postgres.connection import open_pool
from adapters.postgres.erasure import erase
from adapters.postgres.ledger import Pool, PostgresLedger
from adapters.postgres.ledgers import add_ledger
from adapters.postgres.provenance import PostgresProvenance
from adapters.postgres.visibility import PostgresVisibility
from adapters.system import SystemClock, SystemEntropy
from tests.conftest import Database
from tests.support.epcis_events import document, event, typed
from traceability.errors import NotFoundError
from traceability.gs1.epcis import content_digest, index_rows, read_document
from traceability.ledger.access import Reader
from traceability.ledger.store import LedgerRules
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.item import Lifecycle
from traceability.supply_chain.parties import ListedParties
from traceability.supply_chain.provenance import Direction, Reach, Trace, TraceQuery, trace

FARM, DAIRY, STORE = "farm.example", "dairy.example", "store.example"
STORE_GLN = "9521234000013"
STORE_PARTIES = frozenset({STORE_GLN, f"https://id.gs1.org/417/{STORE_GLN}"})
TO_STORE = [{"type": "owning_party", "destination": f"https://id.gs1.org/417/{STORE_GLN}"}]
MILK = "https://id.gs1.org/01/09521234000020/10/M1"
PACK = "https://id.gs1.org/01/09521234000013/21/1"
SIBLING = "https://id.gs1.org/01/09521234000013/21/2"
LATER = "https://id.gs1.org/01/09521234000013/21/3"
LOT = "https://id.gs1.org/01/09521234000013/10/L1"
PALLET = "https://id.gs1.org/00/095212340000000013"
WRONG = "urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0009"
RULES = LedgerRules(indexer=index_rows, content_digest=content_digest, clock=SystemClock(), entropy=SystemEntropy())

PARTIES = ListedParties({STORE_GLN: STORE})
Told = tuple[str, list[dict[str, Any]]]


def day(number: int) -> str:
    return f"2026-03-{number:02}T10:00:00+01:00"


PRODUCED: Told = (
    DAIRY,
    [
        typed(
            "TransformationEvent",
            eventTime=day(1),
            action=None,
            bizStep="creating_class_instance",
            inputQuantityList=[{"epcClass": "urn:epc:class:lgtin:9521234.000002.M1", "quantity": 10, "uom": "LTR"}],
            outputEPCList=["urn:epc:id:sgtin:9521234.000001.1", SIBLING],
            ilmd={"cbvmda:lotNumber": "L1"},
        ),
        typed(
            "AggregationEvent",
            eventTime=day(2),
            action="ADD",
            bizStep="packing",
            parentID=PALLET,
            childEPCs=[PACK, SIBLING],
            destinationList=TO_STORE,
        ),
    ],
)
SHIPPED: Told = (
    DAIRY,
    [
        event(
            eventTime=day(3),
            bizStep="shipping",
            disposition="in_transit",
            epcList=["urn:epc:id:sscc:9521234.0000000001"],
            destinationList=TO_STORE,
        )
    ],
)
RECEIVED: Told = (
    STORE,
    [
        event(eventTime=day(4), bizStep="receiving", disposition="in_progress", epcList=[PALLET]),
        typed("AggregationEvent", eventTime=day(5), action="DELETE", bizStep="unpacking", parentID=PALLET),
        typed("AggregationEvent", eventTime=day(9), action="ADD", parentID=PALLET, childEPCs=[LATER]),
    ],
)


class Desk:
    """A ledger that organisations put documents into, and that tells each of them what it may know."""

    def __init__(self, pool: Pool, name: str, *told: Told) -> None:
        self._pool, self._name = pool, name
        for organisation, events in told:
            self.put(organisation, *events)

    def put(self, organisation: str, *events: dict[str, Any]) -> None:
        read = read_document(document(*events), captured_by=organisation)
        assert read.valid, read.problems
        ledger = PostgresLedger(self._pool, RULES, name=self._name, organisation=organisation)
        outcomes = [done for batch in ledger.append_all(one.event for one in read.events) for done in batch]
        assert {done.outcome for done in outcomes} == {"recorded"}

    def ask(self, organisation: str, known_at: int | None = None) -> PostgresProvenance:
        ledger = PostgresLedger(self._pool, RULES, name=self._name, organisation=organisation)
        reader = Reader(organisation, STORE_PARTIES if organisation == STORE else frozenset())
        return PostgresProvenance(
            ledger, PostgresVisibility(self._pool, ledger.ledger_id), reader=reader, known_at=known_at
        )

    def item(self, thing: str, organisation: str = STORE, known_at: int | None = None) -> ItemHistory:
        return item_history(self.ask(organisation, known_at), thing, PARTIES)

    def trace(self, root: str, organisation: str = STORE, direction: Direction = Direction.BOTH) -> Trace:
        return trace(self.ask(organisation), TraceQuery((root,), direction))


@pytest.fixture
def pool(database: Database) -> Iterator[Pool]:
    add_ledger(database.owner_url, "other", ())
    pool = open_pool(database.runtime_url, max_size=2)
    try:
        yield pool
    finally:
        pool.close()


def things(answer: Trace, reach: Reach = Reach.TRACED) -> set[str]:
    return {node.id for node in answer.nodes.values() if node.reach is reach}


def moments(item: ItemHistory) -> list[tuple[str | None, str | None]]:
    return [(entry.event.view.biz_step, entry.via) for entry in item.entries]


def test_each_organisation_is_told_the_part_that_it_may_see(pool: Pool) -> None:
    desk = Desk(pool, "main", PRODUCED, SHIPPED, RECEIVED)
    at_store = desk.item(PACK)
    assert moments(at_store) == [
        ("packing", None),
        ("shipping", PALLET),
        ("receiving", PALLET),
        ("unpacking", PALLET),
    ]
    assert (at_store.state.disposition, at_store.state.contained_in, at_store.state.lot) == ("in_progress", (), None)
    at_dairy = desk.item(PACK, DAIRY)
    assert moments(at_dairy) == [("creating_class_instance", None), ("packing", None), ("shipping", PALLET)]
    assert (at_dairy.state.contained_in, at_dairy.state.lot) == ((PALLET,), LOT)
    with pytest.raises(NotFoundError):
        desk.item(PACK, FARM)
    assert things(desk.trace(PACK)) == {PACK}
    assert things(desk.trace(PACK, DAIRY)) == {PACK, MILK}
    with pytest.raises(NotFoundError):
        desk.trace(MILK)


def test_a_lot_leads_to_its_packs_and_their_pallet_and_not_to_its_next_load(pool: Pool) -> None:
    desk = Desk(pool, "main", RECEIVED, PRODUCED)
    desk.put(DAIRY, typed("AggregationEvent", eventTime=day(5), action="DELETE", parentID=PALLET))
    desk.put(DAIRY, typed("AggregationEvent", eventTime=day(9), action="ADD", parentID=PALLET, childEPCs=[LATER]))
    answer = desk.trace(LOT, DAIRY, Direction.FORWARD)
    assert things(answer) == {LOT, PACK, SIBLING}
    assert things(answer, Reach.CARRIER) == {PALLET}
    assert things(desk.trace(MILK, DAIRY, Direction.FORWARD)) == {MILK, PACK, SIBLING}
    assert things(desk.trace(PACK, DAIRY, Direction.BACK)) == {PACK, MILK}


@pytest.mark.parametrize("reverse", [False, True])
def test_arrival_does_not_matter(pool: Pool, *, reverse: bool) -> None:
    told = [PRODUCED, SHIPPED, RECEIVED]
    desk = Desk(pool, "main", *(reversed(told) if reverse else told))
    item = desk.item(PACK)
    assert (item.state.disposition, item.state.contained_in) == ("in_progress", ())
    assert [interval.closed_at for interval in item.containers] == [1_772_701_200_000_000]


def test_an_erasure_changes_no_answer(pool: Pool, database: Database) -> None:
    desk = Desk(pool, "main", PRODUCED, SHIPPED)
    ledger = PostgresLedger(pool, RULES, name="main", organisation=DAIRY)
    recorded = ledger.head()
    item, answer = desk.item(PACK, DAIRY), desk.trace(MILK, DAIRY)
    assert item.containers
    assert answer.edges
    for position in range(1, recorded + 1):
        erase(database.owner_url, ledger, position, reason="asked to", authority="GDPR Art. 17")
    assert not any(record.event.parts.source for record in ledger.records(range(1, recorded + 1)))
    assert desk.item(PACK, DAIRY, known_at=recorded) == item
    after = desk.trace(MILK, DAIRY)
    assert (after.nodes, after.edges, after.frontier) == (answer.nodes, answer.edges, answer.frontier)


def test_hidden_events_make_no_difference(pool: Pool) -> None:
    hidden: Told = (
        DAIRY,
        [
            event(eventTime=day(4), epcList=[PALLET], disposition="damaged"),
            event(eventTime=day(6), epcList=[PACK], action="DELETE", bizStep="destroying"),
            typed("TransformationEvent", eventTime=day(6), action=None, inputEPCList=[PACK], outputEPCList=[LATER]),
        ],
    )
    plain = Desk(pool, "main", PRODUCED, SHIPPED, RECEIVED)
    more = Desk(pool, "other", PRODUCED, SHIPPED, RECEIVED, hidden)
    for thing in (PACK, PALLET, SIBLING):
        one, other = plain.item(thing), more.item(thing)
        assert one.state == other.state
        assert moments(one) == moments(other)
        assert plain.trace(thing).nodes == more.trace(thing).nodes
    assert more.item(PACK, DAIRY).state.lifecycle is Lifecycle.DESTROYED


def test_a_retraction_counts_for_its_maker_from_the_position_on_at_which_it_was_told(pool: Pool) -> None:
    desk = Desk(pool, "main", PRODUCED)
    wrong = event(eventTime=day(6), eventID=WRONG, epcList=[PACK], action="DELETE", bizStep="destroying")
    declared = {**wrong, "errorDeclaration": {"declarationTime": day(7), "reason": "incorrect_data"}}
    desk.put(DAIRY, wrong)
    before = desk.ask(DAIRY).known_at
    desk.put(STORE, declared)
    assert desk.item(PACK, DAIRY).state.lifecycle is Lifecycle.DESTROYED
    desk.put(DAIRY, declared)
    after = desk.item(PACK, DAIRY)
    assert after.state.lifecycle is Lifecycle.ACTIVE
    assert [entry.event.view.event_id for entry in after.entries if entry.retracted_by is not None] == [WRONG]
    assert desk.item(PACK, DAIRY, before).state.lifecycle is Lifecycle.DESTROYED
