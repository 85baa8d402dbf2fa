from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    GTIN,
    OTHER_PALLET,
    PALLET,
    PLANT,
    STORE,
    STRANGERS,
    TOTE,
    Happening,
    attach,
    commission,
    end,
    hours,
    index_of,
    lot,
    observe,
    pack,
    put,
    take,
    transform,
)
from tests.support.worlds import CONTAINERS, COUNTED, THINGS, worlds
from traceability.errors import NotFoundError
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.item import ItemState, Lifecycle
from traceability.supply_chain.seen import Role, thing_of

A, B, C = pack("A"), pack("B"), pack("C")


def history(*happenings: Happening, thing: str = A, as_of: float | None = None, **view: object) -> ItemHistory:
    return item_history(index_of(happenings, **view), thing, STRANGERS, None if as_of is None else hours(as_of))  # type: ignore[arg-type]


def state(*happenings: Happening, thing: str = A, as_of: float | None = None, **view: object) -> ItemState:
    return history(*happenings, thing=thing, as_of=as_of, **view).state


def report(value: str, **more: object) -> dict[str, object]:
    reports = [{"type": "Temperature", "value": float(value), "uom": "CEL", **more}]
    return {"sensorElementList": [{"sensorReport": reports}]}


def test_a_thing_lives_from_commissioning_to_its_end() -> None:
    happenings = commission(1, A, number="L1"), observe(2, A, place=STORE, step="receiving"), end(5, A)
    assert state(*happenings[:1]).lifecycle is Lifecycle.ACTIVE
    last = state(*happenings)
    assert last.lifecycle is Lifecycle.DECOMMISSIONED
    assert (last.commissioned_at, last.last_seen_at, last.place, last.place_since) == (
        hours(1),
        hours(5),
        STORE,
        hours(2),
    )
    assert (last.lot, last.disposition, last.last_step) == (lot("L1"), "active", "decommissioning")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (observe(5, A, step="dispensing"), Lifecycle.SUPPLIED),
        (observe(5, A, step="dispensing", disposition="partially_dispensed"), Lifecycle.ACTIVE),
        (end(5, A, step="retail_selling"), Lifecycle.SUPPLIED),
        (end(5, A, step="destroying"), Lifecycle.DESTROYED),
        (observe(5, A, disposition="stolen"), Lifecycle.LOST_OR_STOLEN),
        (end(5, A, step="holding"), Lifecycle.DECOMMISSIONED),
        (transform(5, [A], [B]), Lifecycle.CONSUMED),
        (transform(5, [B], [A]), Lifecycle.ACTIVE),
        (put(5, A, B), Lifecycle.ACTIVE),
    ],
)
def test_events_move_the_lifecycle(last: Happening, expected: Lifecycle) -> None:
    assert state(commission(1, A), last).lifecycle is expected


def test_what_ended_is_not_alive_again_because_it_was_seen_but_because_it_was_made_or_found() -> None:
    gone = commission(1, A), end(2, A)
    assert state(*gone, observe(3, A)).lifecycle is Lifecycle.DECOMMISSIONED
    assert state(*gone, commission(3, A)).lifecycle is Lifecycle.ACTIVE
    assert state(observe(1, A, disposition="stolen"), observe(2, A)).lifecycle is Lifecycle.ACTIVE


def test_a_late_older_event_does_not_rewind_the_state() -> None:
    newer = observe(9, A, place=STORE, disposition="in_progress")
    older = observe(3, A, place=PLANT, disposition="damaged")
    assert state(newer, older) == state(older, newer)
    assert (state(newer, older).disposition, state(newer, older).place) == ("in_progress", STORE)


def test_what_happens_to_a_pallet_happens_to_its_packs_while_they_are_on_it() -> None:
    shipped = observe(3, PALLET, place=PLANT, step="shipping", disposition="in_transit", how=report("4.5"))
    happenings = commission(1, A), put(2, PALLET, A), put(2, TOTE, PALLET), shipped
    inside = history(*happenings, take(4, PALLET), observe(5, PALLET, place=STORE))
    assert (inside.state.disposition, inside.state.place, inside.state.last_seen_at) == ("in_transit", PLANT, hours(4))
    assert [reading.value for reading in inside.readings] == [Decimal("4.5")]
    assert [(entry.event.position, entry.via) for entry in inside.entries] == [
        (1, None),
        (2, None),
        (3, PALLET),
        (4, PALLET),
        (5, PALLET),
    ]
    assert state(*happenings, observe(5, TOTE, place=STORE)).place == STORE


def test_packing_something_else_beside_it_is_no_event_of_a_pack() -> None:
    answer = history(put(1, PALLET, A), put(2, PALLET, B), take(3, PALLET, B))
    assert [entry.event.position for entry in answer.entries] == [1]


def test_a_pallets_end_and_lid_are_not_those_of_its_packs() -> None:
    happenings = commission(1, A), put(2, PALLET, A), observe(3, PALLET, disposition="container_closed")
    assert state(*happenings).disposition == "active"
    assert state(*happenings, end(4, PALLET)).lifecycle is Lifecycle.ACTIVE


def test_containers_and_contents_are_those_of_the_time_asked() -> None:
    happenings = put(1, PALLET, A, B), put(2, TOTE, PALLET), take(5, PALLET, A), put(6, OTHER_PALLET, A)
    assert state(*happenings, as_of=4).contained_in == (PALLET, TOTE)
    assert state(*happenings).contained_in == (OTHER_PALLET,)
    assert state(*happenings, thing=PALLET, as_of=4).contents == (A, B)
    assert state(*happenings, thing=PALLET).contents == (B,)
    assert state(*happenings, thing=TOTE).contents == (PALLET,)
    answer = history(*happenings)
    assert [(i.parent, i.opened_at, i.closed_at) for i in answer.containers] == [
        (PALLET, hours(1), hours(5)),
        (OTHER_PALLET, hours(6), None),
    ]


def test_contents_leave_when_they_are_packed_elsewhere() -> None:
    assert state(put(1, PALLET, A), put(3, OTHER_PALLET, A), thing=PALLET).contents == ()


def test_of_two_events_that_end_a_stay_at_one_instant_the_first_is_named() -> None:
    closed = set()
    for other in (put(3, TOTE, A), end(3, A), transform(3, [A], [B])):
        told = index_of([put(1, PALLET, A), take(3, PALLET, A), other])
        (stay,) = item_history(told, PALLET, STRANGERS).contents
        of_all = Containment()
        of_all.add(told.all())
        assert [stay] == list(of_all.of_parent(PALLET))
        closed.add(stay.closed_by)
    assert closed == {2, 3}


def test_containers_in_a_circle_end() -> None:
    happenings = put(1, PALLET, TOTE), put(1, TOTE, PALLET), put(2, PALLET, A), put(2, A, A)
    assert state(*happenings, thing=PALLET).contained_in == (TOTE,)
    assert state(*happenings).lifecycle is Lifecycle.ACTIVE


def test_association_is_not_containment() -> None:
    happenings = attach(1, PALLET, A), attach(2, PALLET, B), attach(3, PALLET, B, action="DELETE")
    assert (state(*happenings).attached_to, state(*happenings).contained_in) == ((PALLET,), ())
    assert state(*happenings, thing=PALLET).attachments == (A,)
    assert state(*happenings, attach(4, PALLET, action="DELETE")).attached_to == ()


def test_transformations_name_their_far_ends_over_all_joined_events() -> None:
    batch = "https://maker.example/batch/1"
    happenings = transform(1, [A], joined=batch), transform(2, [B], joined=batch), transform(3, [], [C], joined=batch)
    assert state(*happenings).transformed_into == (C,)
    assert state(*happenings, thing=C).transformed_from == (A, B)
    assert state(*happenings, thing=C).transformed_into == ()
    assert state(*happenings, transform(0, [], [pack("early")], joined=batch)).transformed_into == (C,)


def test_a_counted_lot_is_not_used_up_and_keeps_its_quantities() -> None:
    quantity = lot("L1")
    made = transform(1, [A], counted_outputs=[quantity])
    used = transform(3, counted_inputs=[quantity], outputs=[B])
    lot_state = state(made, used, thing=quantity)
    assert lot_state.lifecycle is Lifecycle.ACTIVE
    assert [(f.at, f.role, f.quantity, f.uom) for f in lot_state.quantities] == [
        (hours(1), Role.OUTPUT, Decimal(10), "KGM"),
        (hours(3), Role.INPUT, Decimal(10), "KGM"),
    ]
    assert (lot_state.transformed_from, lot_state.transformed_into) == ((A,), (B,))


def test_a_lot_knows_its_members_and_is_not_where_one_of_them_is() -> None:
    happenings = commission(1, A, B, number="L1"), observe(2, f"{GTIN}/10/L1/21/C", place=STORE)
    answer = history(*happenings, thing=lot("L1"))
    assert answer.members == (A, B, C)
    assert (answer.state.lifecycle, answer.state.commissioned_at) == (Lifecycle.ACTIVE, hours(1))
    assert (answer.state.place, answer.state.last_seen_at) == (None, hours(2))


def test_persistent_dispositions_stay_until_they_are_unset() -> None:
    mark = observe(1, A, head={"persistentDisposition": {"set": ["completeness_verified", "conformant"]}})
    clear = observe(2, A, head={"persistentDisposition": {"unset": ["conformant"]}})
    assert state(clear, mark).persistent_dispositions == {"completeness_verified"}


def test_readings_come_in_order_of_their_own_time_as_the_numbers_sent() -> None:
    element = {
        "sensorMetadata": {"time": "2026-03-01T02:00:00.000Z", "deviceID": "https://id.gs1.org/8004/4000001111"},
        "sensorReport": [
            {"type": "gs1:Temperature", "value": 4.10, "uom": "CEL", "time": "2026-03-01T01:00:00.000Z"},
            {"type": "Temperature", "minValue": 3, "maxValue": 5, "uom": "CEL"},
            {"type": "Humidity", "value": 60, "uom": "A93"},
            {"type": "Temperature", "stringValue": "cold"},
            {"type": "Temperature", "value": 9, "time": "yesterday"},
        ],
    }
    answer = history(observe(5, A, how={"sensorElementList": [element]}))
    assert [(r.at, r.kind, str(r.value), r.component) for r in answer.readings] == [
        (hours(1), "Temperature", "4.1", None),
        (hours(2), "Humidity", "60", None),
        (hours(2), "Temperature", "9", None),
        (hours(2), "Temperature", "5", "maximum"),
        (hours(2), "Temperature", "3", "minimum"),
    ]
    assert {r.device for r in answer.readings} == {"https://id.gs1.org/8004/4000001111"}
    assert answer.state.temperatures[-1].value == 3


def test_a_retracted_event_is_shown_and_moves_nothing() -> None:
    wrong = end(5, A, event_id="urn:uuid:1")
    happenings = commission(1, A), wrong, wrong.retracted()
    answer = history(*happenings)
    assert answer.state.lifecycle is Lifecycle.ACTIVE
    assert [(e.event.position, e.retracted_by and e.retracted_by.position, e.counts) for e in answer.entries] == [
        (1, None, True),
        (2, 3, False),
        (3, None, False),
    ]
    assert state(*happenings, known_at=2).lifecycle is Lifecycle.DECOMMISSIONED
    assert state(commission(1, A), wrong, wrong.retracted(by="rival.example")).lifecycle is Lifecycle.DECOMMISSIONED


def test_a_declaration_that_arrives_first_retracts_all_the_same() -> None:
    wrong = end(5, A, event_id="urn:uuid:1")
    assert state(wrong.retracted(), commission(1, A), wrong).lifecycle is Lifecycle.ACTIVE


def test_of_several_declarations_the_one_declared_first_is_named() -> None:
    wrong = end(5, A, event_id="urn:uuid:1")
    later, first = wrong.retracted(hour=90), wrong.retracted(hour=89)
    # Where clocks are 14 hours ahead the earlier instant is a later text.
    first.head["errorDeclaration"]["declarationTime"] = utc_text(hours(89 + 14)).replace("Z", "+14:00")
    for declarations in ((later, first), (first, later)):
        entries = history(commission(1, A), wrong, *declarations).entries
        (named,) = {e.retracted_by.position for e in entries if e.retracted_by}
        assert named == 3 + declarations.index(first)


def test_a_late_event_is_known_from_its_position_on() -> None:
    happenings = commission(1, A), observe(9, A, place=STORE), end(5, A)
    assert state(*happenings, known_at=2).lifecycle is Lifecycle.ACTIVE
    assert history(*happenings, known_at=2).known_at == 2
    assert state(*happenings).lifecycle is Lifecycle.DECOMMISSIONED
    assert state(*happenings, as_of=4).lifecycle is Lifecycle.ACTIVE


def test_what_nobody_told_the_reader_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        history(commission(1, B))
    with pytest.raises(NotFoundError):
        history(commission(1, A), reader=Reader("rival.example"))
    with pytest.raises(NotFoundError):
        history(commission(3, A), as_of=2)
    with pytest.raises(NotFoundError):
        history(commission(3, A), known_at=0)


def test_hidden_events_do_not_move_a_state() -> None:
    reader = Reader("shop.example", frozenset({STORE}))
    shown = commission(1, A, parties=[STORE]), put(2, PALLET, A, parties=[STORE])
    hidden = observe(3, PALLET, place=PLANT, disposition="recalled"), take(4, PALLET), end(5, A), transform(6, [A], [B])
    seen = history(*shown, *hidden, reader=reader, known_at=9)
    assert seen == history(*shown, reader=reader, known_at=9)
    assert seen.state.contained_in == (PALLET,)


def test_a_reader_of_single_items_is_not_shown_siblings_or_hidden_parts() -> None:
    public = Reader(PUBLIC, grants=(Grant("maker.example", PUBLIC, None, frozenset({"item"})),))
    happenings = (
        commission(0, A, B, number="L1"),
        put(1, PALLET, A, B),
        observe(2, PALLET, OTHER_PALLET, place=PLANT),
        take(3, PALLET, B),
    )
    answer = history(*happenings, reader=public)
    assert (answer.state.contained_in, answer.state.place, answer.state.lot) == ((PALLET,), None, None)
    assert B not in repr(answer)
    assert OTHER_PALLET not in repr(answer)
    assert history(*happenings, thing=PALLET, reader=public).state.contents == ()
    with pytest.raises(NotFoundError):
        history(*happenings, thing=lot("L1"), reader=public)


def test_without_the_eventid_a_reader_still_knows_what_was_retracted() -> None:
    public = Reader(PUBLIC, grants=(Grant("maker.example", PUBLIC, None, frozenset({"item"})),))
    wrong = end(5, A, event_id="urn:uuid:1")
    answer = history(commission(1, A), wrong, wrong.retracted(), reader=public)
    assert answer.state.lifecycle is Lifecycle.ACTIVE
    assert all(entry.event.view.event_id is None for entry in answer.entries)


def test_of_two_emptyings_that_say_the_same_neither_is_the_first() -> None:
    packed, *emptied = put(1, PALLET, A), take(3, PALLET, event_id="urn:uuid:1"), take(3, PALLET, event_id="urn:uuid:2")
    assert _content([packed, *emptied], A) == _content([packed, *reversed(emptied)], A)
    assert len(history(packed, *emptied).entries) == 3


@settings(max_examples=300, deadline=None)
@given(worlds(), st.randoms(use_true_random=False), st.sampled_from([*CONTAINERS, *COUNTED, *map(thing_of, THINGS)]))
def test_any_order_of_arrival_gives_the_same_state(world: list[Happening], random: object, thing: str) -> None:
    shuffled = list(world)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _content(world, thing) == _content(shuffled, thing)


def _content(world: list[Happening], thing: str) -> object:
    try:
        answer = history(*world, thing=thing)
    except NotFoundError:
        return None
    digests = {entry.event.position: entry.event.digest for entry in answer.entries}
    state = answer.state
    return (
        {name: getattr(state, name) for name in ItemState.__struct_fields__ if name != "quantities"},
        [(fact.at, fact.role, fact.action, fact.quantity, digests[fact.position]) for fact in state.quantities],
        [entry.event.digest for entry in answer.entries],
        # Two events may say the same and only one be retracted: among themselves they have no order.
        sorted(repr((e.event.digest, e.via, e.counts, e.event.view.event_id)) for e in answer.entries),
        [(i.parent, i.opened_at, i.closed_at, i.implied) for i in answer.containers],
        [(i.child, i.opened_at, i.closed_at, i.implied) for i in answer.contents],
        answer.members,
    )
