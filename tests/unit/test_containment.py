from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    OTHER_PALLET,
    PALLET,
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
    records,
    take,
    transform,
)
from tests.support.naive import naive_intervals
from tests.support.worlds import worlds
from traceability.ledger.access import ALL_PARTS
from traceability.ledger.index import MarkKind
from traceability.supply_chain.containment import Containment, Interval
from traceability.supply_chain.seen import SeenEvent, Subjects, see
from traceability.supply_chain.standing import standing
from traceability.supply_chain.windows import Window

A, B = pack("A"), pack("B")


def seen(happenings: Sequence[Happening]) -> list[SeenEvent]:
    events = (see(record, ALL_PARTS, ()) for record in records(happenings))
    return [event for event in events if event is not None]


def stays(child: str, *happenings: Happening) -> list[tuple[str, float, float | None]]:
    intervals = Containment(standing(seen(happenings))).of_child(child)
    return [(i.parent, _hour(i.opened_at), None if i.closed_at is None else _hour(i.closed_at)) for i in intervals]


def _hour(at: int) -> float:
    return (at - hours(0)) / 3_600_000_000


def test_packing_opens_and_unpacking_closes() -> None:
    assert stays(A, put(1, PALLET, A), take(5, PALLET, A)) == [(PALLET, 1, 5)]
    assert stays(A, put(1, PALLET, A)) == [(PALLET, 1, None)]


def test_an_unpacking_that_arrives_before_its_packing_closes_it() -> None:
    assert stays(A, take(5, PALLET, A), put(1, PALLET, A)) == [(PALLET, 1, 5)]


def test_an_unpacking_without_children_closes_all_of_the_parent() -> None:
    happenings = put(1, PALLET, A, B), take(5, PALLET), put(6, PALLET, B)
    assert stays(A, *happenings) == [(PALLET, 1, 5)]
    assert stays(B, *happenings) == [(PALLET, 1, 5), (PALLET, 6, None)]


def test_an_emptying_leaves_other_parents_and_later_loads_alone() -> None:
    assert stays(A, put(3, PALLET, A), take(2, PALLET), take(4, OTHER_PALLET)) == [(PALLET, 3, None)]


def test_a_reused_pallet_has_one_interval_a_load() -> None:
    happenings = put(1, PALLET, A), take(2, PALLET, A), put(7, PALLET, A), take(9, PALLET, A)
    assert stays(A, *happenings) == [(PALLET, 1, 2), (PALLET, 7, 9)]


def test_packing_elsewhere_without_unpacking_ends_the_first_stay() -> None:
    happenings = put(1, PALLET, A), put(4, OTHER_PALLET, A), take(9, PALLET)
    assert stays(A, *happenings) == [(PALLET, 1, 4), (OTHER_PALLET, 4, None)]
    (first, _) = Containment(standing(seen(happenings))).of_child(A)
    assert first.implied
    assert first.closed_by == 2


def test_at_one_instant_things_leave_before_they_enter() -> None:
    assert stays(A, put(1, PALLET, A), put(3, OTHER_PALLET, A), take(3, PALLET, A)) == [
        (PALLET, 1, 3),
        (OTHER_PALLET, 3, None),
    ]
    assert stays(A, put(3, PALLET, A), take(3, PALLET, A)) == [(PALLET, 3, None)]
    assert stays(A, put(3, PALLET, A), take(3, PALLET)) == [(PALLET, 3, None)]


def test_a_repeated_packing_and_an_unpacking_of_what_is_not_inside_change_nothing() -> None:
    assert stays(A, put(1, PALLET, A), put(2, PALLET, A), take(5, PALLET, A)) == [(PALLET, 1, 5)]
    assert stays(A, take(1, PALLET, A), take(2, PALLET)) == []


def test_a_counted_lot_is_in_several_containers_at_once() -> None:
    quantity = lot("L1")
    happenings = put(1, PALLET, counted=[quantity]), put(2, OTHER_PALLET, counted=[quantity]), take(5, PALLET)
    assert stays(quantity, *happenings) == [(PALLET, 1, 5), (OTHER_PALLET, 2, None)]


@pytest.mark.parametrize("happening", [transform(4, [A], [B]), end(4, A)])
def test_what_is_consumed_or_ends_leaves_its_container(happening: Happening) -> None:
    assert stays(A, put(1, PALLET, A), happening) == [(PALLET, 1, 4)]


def test_a_thing_made_observed_or_counted_stays_where_it_is() -> None:
    quantity = lot("L1")
    assert stays(A, put(1, PALLET, A), observe(4, A), commission(5, A)) == [(PALLET, 1, None)]
    assert stays(quantity, put(1, PALLET, counted=[quantity]), transform(4, counted_inputs=[quantity])) == [
        (PALLET, 1, None)
    ]


def test_association_has_intervals_of_its_own() -> None:
    happenings = attach(1, PALLET, A), attach(2, OTHER_PALLET, A), attach(5, PALLET, A, action="DELETE")
    containment = Containment(standing(seen(happenings)))
    assert containment.of_child(A) == []
    attached = [(i.parent, _hour(i.opened_at), i.closed_at) for i in containment.of_child(A, MarkKind.ASSOCIATION)]
    assert attached == [(PALLET, 1, hours(5)), (OTHER_PALLET, 2, None)]


def test_a_retracted_packing_never_happened() -> None:
    wrong = put(2, OTHER_PALLET, A, event_id="urn:uuid:1")
    assert stays(A, put(1, PALLET, A), wrong) == [(PALLET, 1, 2), (OTHER_PALLET, 2, None)]
    assert stays(A, wrong.retracted(), put(1, PALLET, A), wrong) == [(PALLET, 1, None)]
    assert stays(A, put(1, PALLET, A), wrong, wrong.retracted(by="rival.example"))[1:] == [(OTHER_PALLET, 2, None)]


def test_hidden_children_are_not_no_children() -> None:
    packing, unpacking = records([put(1, PALLET, A, B), take(5, PALLET, A)])
    events = [see(packing, frozenset({"item"}), {B}), see(unpacking, frozenset({"item"}), {B, PALLET})]
    containment = Containment(standing(event for event in events if event is not None))
    assert [(i.child, i.parent, i.closed_at) for i in containment.of_parent(PALLET)] == [(B, PALLET, None)]


def test_windows_are_closed_at_both_ends() -> None:
    assert Window(1, 5).meet(Window(5, 9)) == Window(5, 5)
    assert Window(1, 4).meet(Window(5, 9)) is None
    assert Window(1, 5).covers(Window(1, 5))
    assert not Window(1, 5).covers(Window(1, 6))


@settings(max_examples=300, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_pairing_on_demand_equals_one_pass_over_all_events(world: list[Happening], random: object) -> None:
    events = standing(seen(world))
    expected = naive_intervals(events)
    arrived = list(events)
    random.shuffle(arrived)  # type: ignore[attr-defined]
    containment = Containment()
    for event in arrived:
        containment.add([event])
    for kind in MarkKind:
        things = {thing for event in events for thing in event.mentions_of}
        by_child = {_bare(i) for thing in things for i in containment.of_child(thing, kind)}
        by_parent = {_bare(i) for thing in things for i in containment.of_parent(thing, kind)}
        assert by_child == by_parent == {bare for bare in expected if bare[0] is kind}


def _bare(i: Interval) -> tuple[MarkKind, str, str, int, int | None]:
    return i.kind, i.child, i.parent, i.opened_at, i.closed_at


def test_a_child_is_paired_without_the_events_of_its_siblings() -> None:
    index = index_of([put(1, PALLET, A, B), take(5, PALLET, A), put(6, OTHER_PALLET, B)])
    events = index.events(Subjects({A, PALLET}))
    assert [i.closed_at for i in Containment(standing(events)).of_child(A)] == [hours(5)]


@pytest.mark.parametrize("ways", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_of_two_emptyings_at_one_instant_the_same_closes_whichever_arrived_first(ways: tuple[int, ...]) -> None:
    said = [put(1, PALLET, A), take(3, PALLET, disposition="damaged"), take(3, PALLET)]
    events = standing(seen([said[way] for way in ways]))
    (stay,) = Containment(reversed(events)).of_child(A)
    first = next(event for event in events if event.empties)
    assert (stay.closed_at, stay.closed_by) == (hours(3), first.position)


def test_a_lot_counted_in_thousands_of_containers_stays_in_each_until_that_is_emptied() -> None:
    parents = [pack(n) for n in range(3_000)]
    said = [put(n, parent, counted=[lot("L1")]) for n, parent in enumerate(parents)]
    said += [take(5_000, parents[0]), put(6_000, parents[0], counted=[lot("L1")]), take(7_000, parents[1])]
    found = Containment(standing(seen(said))).of_child(lot("L1"))
    closed = [(i.parent, _hour(i.opened_at), _hour(i.closed_at)) for i in found if i.closed_at is not None]
    assert closed == [(parents[0], 0, 5_000), (parents[1], 1, 7_000)]
    assert [i.parent for i in found if i.closed_at is None] == [*parents[2:], parents[0]]
