"""What folds read out of an event is what the ledger indexed it under."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    GTIN,
    PALLET,
    Happening,
    commission,
    end,
    lot,
    observe,
    pack,
    put,
    records,
    take,
    transform,
)
from tests.support.worlds import worlds
from traceability.gs1.epcis import index_rows, read_document
from traceability.gs1.identifiers import Kind
from traceability.ledger.access import ALL_PARTS
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import Edge, MarkKind
from traceability.ledger.store import Record
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.seen import Role, SeenEvent, Subjects, identify, is_class, is_lot, see, thing_of
from traceability.supply_chain.standing import FoldOrder, ordered
from traceability.supply_chain.things import kind_of

FIXTURES = Path(os.environ.get("TRACEABILITY_FIXTURES") or Path(__file__).parents[2] / "../shared/fixtures") / "epcis"


def seen(record: Record) -> SeenEvent:
    event = see(record, ALL_PARTS, ())
    assert event is not None
    return event


def agree(record: Record) -> None:
    """Assert that an event's tags, marks and edges, as folds read them, are those of the index."""
    event, rows = seen(record), index_rows(record.event.parts)
    asked = ("item:", "lot:", "transformation:")
    joined = frozenset() if event.transformation is None else frozenset({event.transformation})
    tags = set(Subjects(event.things, event.lots, joined).tags)
    assert tags <= {tag for tag in rows.tags if tag.startswith(asked)}
    assert {tag for tag in rows.tags if tag.startswith(("item:", "transformation:"))} <= tags
    if event.view.declaration is not None:
        return
    marked = {(mark.child, mark.parent) for mark in rows.marks}
    if event.view.action == "DELETE":
        assert event.empties == any(child is None for child, _ in marked)
    parents = [f"item:{mention.thing}" for mention in event.mentions if mention.role is Role.PARENT]
    children = [f"item:{mention.thing}" for mention in event.mentions if mention.role is Role.CHILD]
    if children and event.view.action != "OBSERVE":
        assert marked == {(child, parent) for child in children for parent in parents}
    inside = Containment([event])
    for kind in MarkKind:
        opened = {(f"item:{c}", p) for p in parents for c in inside.children(p.removeprefix("item:"), kind)}
        assert opened == {(mark.child, mark.parent) for mark in rows.marks if mark.opens and mark.kind is kind}
    facts = Facts()
    facts.add(event)
    facts.settle()
    via = None if event.transformation is None else f"transformation:{event.transformation}"
    passages = zip(facts.things.of(facts.passages["thing"]), facts.passages["is_input"].tolist(), strict=True)
    edges = {Edge(f"item:{thing}", is_input=bool(is_input), via=via) for thing, is_input in passages}
    assert edges == set(rows.edges)


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_random_events_agree_with_their_index(world: list[Happening]) -> None:
    for record in records(world):
        agree(record)


def test_the_events_of_the_fixtures_agree_with_their_index() -> None:
    if not FIXTURES.is_dir():
        pytest.skip("shared fixtures absent")
    count = 0
    for file in sorted(FIXTURES.rglob("*.json*")):
        for event in _events(file.read_bytes()):
            record = records([commission(1, PALLET)])[0]
            event.event_id, event.recorded_at = record.event.event_id, record.event.recorded_at
            agree(Record(1, b"", 0, event))
            count += 1
    assert count > 100


def _events(data: bytes) -> list[LedgerEvent]:
    try:
        json.loads(data)
    except ValueError:
        return []
    return [captured.event for captured in read_document(data, captured_by="maker.example").events]


def test_pieces_of_a_trade_item_belong_to_its_lot() -> None:
    pieces = "https://id.gs1.org/8006/095212340000130102/10/L1"
    (event,) = (seen(record) for record in records([put(1, PALLET, counted=[pieces])]))
    assert event.memberships == {thing_of(pieces): lot("L1")}
    assert event.lots == {lot("L1")}


def test_the_members_of_each_lot_are_those_whose_lot_it_is() -> None:
    beside = f"{GTIN}/10/L2/21/C"
    (event,) = (seen(record) for record in records([commission(1, pack("A"), beside, pack("B"), number="L1")]))
    assert event.members == {lot("L1"): [pack("A"), pack("B")], lot("L2"): [pack("C")]}


def test_one_thing_has_one_name_with_and_without_its_lot_or_variant() -> None:
    assert thing_of(f"{GTIN}/22/2A/10/L1") == lot("L1")
    assert {thing_of(f"{GTIN}/10/L1/21/A"), thing_of(pack("A"))} == {pack("A")}
    assert thing_of("https://id.gs1.org/01/09521234000014/21/A") == "https://id.gs1.org/01/09521234000014/21/A"


def test_a_lot_is_named_beside_a_serial_only_in_one_item() -> None:
    apart, together = f"{GTIN}/10/L1", f"{GTIN}/10/L1/21/A"
    events = [seen(record) for record in records([transform(1, [apart], [pack("A")]), observe(1, apart, together)])]
    assert [event.names_lots_beside_serials for event in events] == [False, True]
    assert [event.memberships for event in events] == [{}, {pack("A"): apart}]


_NAMES = st.one_of(
    st.builds(
        "https://id.gs1.org/01/{}/{}/{}".format,
        st.sampled_from(["09521234000013", "09521234000014", "9521234000013"]),
        st.sampled_from(["10", "21", "22", "11"]),
        st.text("A1.-_%2F/", max_size=22),
    ),
    st.builds("https://id.gs1.org/00/{}".format, st.text("0123456789", min_size=17, max_size=19)),
    st.sampled_from([GTIN, f"{GTIN}/10/L1/21/A", PALLET, "https://id.gs1.org/00/095212340000000014", "urn:x:10"]),
)


@settings(max_examples=1000, deadline=None)
@given(_NAMES)
def test_the_kind_of_a_thing_is_that_of_its_identifier(name: str) -> None:
    identifier = identify(name)
    kind = Kind.PRIVATE if identifier is None else identifier.kind
    assert kind_of(name) is kind
    assert is_lot(name) == (kind is Kind.LOT)
    assert is_class(name) == (kind is Kind.CLASS)
    assert thing_of(name) == (name if identifier is None else identifier.subject)


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_one_thing_is_found_among_many_as_in_the_table_of_all(world: list[Happening]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("traceability.supply_chain.seen.FEW", 0)
        for record in records(world):
            table = seen(record)
            for thing in (*table.mentions_of, PALLET, lot("L1")):
                assert seen(record).of(thing) == table.mentions_of.get(thing, ())
                assert seen(record).lot_of(thing) == table.memberships.get(thing)
                assert seen(record).among({thing}) == {thing} & table.things
                assert seen(record).concerns(Subjects({thing})) == (thing in table.things)
            for of in (*table.lots, lot("L1"), lot("L2")):
                assert seen(record).concerns(Subjects(lots={of})) == (of in table.lots)


def test_what_an_event_ties_is_told_by_its_bytes() -> None:
    named = f"{GTIN}/10/L1/21/A"
    idle = [observe(1, PALLET), observe(1, pack("A")), observe(1, lot("L1"))]
    tying = [observe(1, named), commission(1, PALLET), put(1, PALLET), end(1, PALLET)]
    assert [seen(record).ties for record in records([*idle, *tying])] == [False] * 3 + [True] * 4


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_what_ties_nothing_tells_nothing_but_that_things_were_there(world: list[Happening]) -> None:
    for record in records(world):
        event = seen(record)
        if not event.ties:
            assert event.memberships == {}
            assert not index_rows(record.event.parts).marks
            assert not index_rows(record.event.parts).edges


def test_fold_order_is_time_then_kind_then_content() -> None:
    at_once = [observe(1, pack("A")), put(1, PALLET, pack("A")), take(1, PALLET), commission(1, pack("A"))]
    events = [seen(record) for record in records([observe(2, pack("A")), *at_once])]
    assert [event.position for event in ordered(events)] == [5, 4, 3, 2, 1]
    same = [seen(record) for record in records([observe(1, pack("A")), observe(1, pack("B")), observe(1, pack("A"))])]
    assert [FoldOrder(event) == FoldOrder(same[0]) for event in same] == [True, False, True]
    assert ordered(same)[0].digest == min(event.digest for event in same)


def test_only_an_event_of_epcis_is_seen() -> None:
    (record,) = records([commission(1, PALLET)])
    record.event.type = "ledger.redacted.v1"
    assert see(record, ALL_PARTS, ()) is None
