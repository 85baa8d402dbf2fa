"""Documents of several organisations, captured in any order: what each of them is told is the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import structs
from pydantic import SecretStr

from adapters.postgres.ledgers import add_ledger
from adapters.postgres.provenance import PostgresProvenance
from api.settings import Settings
from api.wiring import Engine, open_engine
from tests.conftest import Database
from tests.integration.test_provenance_of_documents import (
    DAIRY,
    FARM,
    LATER,
    LOT,
    MILK,
    PACK,
    PALLET,
    PARTIES,
    PRODUCED,
    RECEIVED,
    SHIPPED,
    SIBLING,
    STORE,
    STORE_PARTIES,
    TO_STORE,
    WRONG,
    Told,
    day,
)
from tests.support.captures import put, run_all
from tests.support.epcis_events import document, event, typed
from traceability.errors import NotFoundError
from traceability.ledger.access import SHAREABLE_PARTS, Grant, Reader
from traceability.ledger.capture import Counts, ErrorBehaviour, Phase
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.history import item_history
from traceability.supply_chain.item import Lifecycle
from traceability.supply_chain.provenance import TraceQuery, trace

ORDERS = 30
THINGS = [MILK, LOT, PACK, SIBLING, LATER, PALLET]
AUDITOR = "auditor.example"
READERS = {
    "all": Reader(AUDITOR, grants=tuple(Grant(one, AUDITOR, None, SHAREABLE_PARTS) for one in (FARM, DAIRY, STORE))),
    "store": Reader(STORE, STORE_PARTIES),
    "farm": Reader(FARM),
}
DESTROYED = event(eventTime=day(6), eventID=WRONG, epcList=[PACK], action="DELETE", bizStep="destroying")
TAKEN_BACK = {**DESTROYED, "errorDeclaration": {"declarationTime": day(7), "reason": "incorrect_data"}}

# Each event is told once, but for the repeats, whose recorded twin is the one that came first.
REPEATED = 2
DOCUMENTS: list[Told] = [
    PRODUCED,
    SHIPPED,
    RECEIVED,
    # At one instant: seen in two ways, unpacked by one and packed by the other. And late, whatever the order.
    (
        DAIRY,
        [
            event(eventTime=day(4), epcList=[PACK], disposition="damaged"),
            event(eventTime=day(4), epcList=[PACK], disposition="in_transit", destinationList=TO_STORE),
            typed("AggregationEvent", eventTime=day(5), action="ADD", parentID=PALLET, childEPCs=[SIBLING]),
            event(eventTime=day(1), action="ADD", bizStep="commissioning", epcList=[LATER]),
        ],
    ),
    # A mistake, which the next document takes back, and somebody else in vain.
    (DAIRY, [DESTROYED, *PRODUCED[1][1:], event(eventTime=day(8), epcList=[SIBLING], bizStep="inspecting")]),
    (DAIRY, [TAKEN_BACK, *SHIPPED[1]]),
    (STORE, [{**event(eventTime=day(8), epcList=[SIBLING]), "eventID": WRONG}, {**TAKEN_BACK, "bizStep": "other"}]),
    (FARM, [event(eventTime=day(1), epcList=None, quantityList=[{"epcClass": MILK, "quantity": 10, "uom": "LTR"}])]),
]


def capture(engine: Engine, told: Told, folder: Path) -> Counts:
    organisation, events = told
    path = folder / "document.jsonld"
    path.write_bytes(document(*events))
    put(engine, [path], ErrorBehaviour.ROLLBACK, organisation)
    (job,) = run_all(engine)
    assert (job.phase, job.failed) == (Phase.CAPTURED, False)
    return job.counts


def answers(engine: Engine, reader: Reader) -> dict[str, Any]:
    """Return all that a reader is told about every thing, with events named by what they say."""
    records = engine.ledger.records(range(1, engine.ledger.head() + 1))
    named = {record.position: f"{record.event.captured_by} {record.event.parts!r}" for record in records}
    ids = {f"event:{record.event.event_id}": named[record.position] for record in records}
    found: dict[str, Any] = {}
    for thing in THINGS:
        index = PostgresProvenance(engine.ledger, engine.visibility, reader=reader)
        try:
            found[thing] = (_history(index, thing, named), _trace(index, thing, named, ids))
        except NotFoundError:
            found[thing] = None
    return found


def _history(index: PostgresProvenance, thing: str, named: Mapping[int, str]) -> tuple[Any, ...]:
    item = item_history(index, thing, PARTIES)
    entries = [
        (named[one.event.position], one.mentions, one.via, one.retracted_by and named[one.retracted_by.position])
        for one in item.entries
    ]
    quantities = [(structs.replace(one, position=0), named[one.position]) for one in item.state.quantities]
    intervals = [_intervals(some, named) for some in (item.containers, item.contents, item.associations)]
    return structs.replace(item.state, quantities=()), quantities, entries, intervals, item.members


def _intervals(intervals: Sequence[Interval], named: Mapping[int, str]) -> list[Any]:
    return [
        (
            structs.replace(one, opened_by=0, closed_by=None),
            named[one.opened_by],
            one.closed_by and named[one.closed_by],
        )
        for one in intervals
    ]


def _trace(index: PostgresProvenance, thing: str, named: Mapping[int, str], ids: Mapping[str, str]) -> tuple[Any, ...]:
    answer = trace(index, TraceQuery((thing,)))
    nodes = {ids.get(node.id, node.id): structs.replace(node, id="") for node in answer.nodes.values()}
    edges = {
        (structs.replace(edge, source="", target="", positions=()), ids.get(edge.source, edge.source),
         ids.get(edge.target, edge.target), frozenset(named[position] for position in edge.positions))
        for edge in answer.edges
    }  # fmt: skip
    frontier = {(ids.get(node.id, node.id), node.direction, node.reason) for node in answer.frontier}
    return nodes, edges, frontier


def test_any_order_of_documents_gives_the_same_answers(database: Database, tmp_path: Path) -> None:
    choose = random.Random(20_260_301)
    orders = [DOCUMENTS, DOCUMENTS[::-1]]
    orders += [choose.sample(DOCUMENTS, len(DOCUMENTS)) for _ in range(ORDERS)]
    first: dict[str, dict[str, Any]] = {}
    events = sum(len(events) for _, events in DOCUMENTS)
    for number, order in enumerate(orders):
        ledger = f"order-{number}"
        add_ledger(database.owner_url, ledger, ())
        url = SecretStr(database.runtime_url)
        with open_engine(Settings(database_url=url, data=tmp_path / "data", ledger=ledger)) as engine:
            for organisation in (FARM, DAIRY, STORE):
                engine.organisations.add(organisation)
            whole = Counts()
            for told in order:
                whole = whole.plus(capture(engine, told, tmp_path))
            assert whole == Counts(recorded=events - REPEATED, duplicates=REPEATED)
            told_now = {name: answers(engine, reader) for name, reader in READERS.items()}
        first = first or told_now
        for name, answer in told_now.items():
            for thing, about in answer.items():
                assert about == first[name][thing], (number, name, thing)
    _check_that_it_is_worth_comparing(first)


def _check_that_it_is_worth_comparing(told: dict[str, dict[str, Any]]) -> None:
    """Check that there are retractions, ties, intervals and hidden events in what was compared."""
    (state, _, entries, (containers, _, _), _), _ = told["all"][PACK]
    assert state.lifecycle is Lifecycle.ACTIVE
    assert [one for one in entries if one[3] is not None]
    assert [interval for interval, _, closed in containers if closed]
    (at_store, _, seen, _, _), _ = told["store"][PACK]
    assert 0 < len(seen) < len(entries)
    assert at_store != state
    assert told["farm"][PACK] is None
    assert told["farm"][MILK] is not None
    (_, _, _, (_, contents, _), _), _ = told["all"][PALLET]
    assert {interval.child for interval, _, _ in contents} >= {PACK, SIBLING, LATER}
