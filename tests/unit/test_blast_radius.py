"""What a trace forward tells of the things that may be affected: the same as one history for each of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.happenings import (
    OTHER_GTIN,
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
from tests.support.naive import naive_intervals, naive_trace
from tests.support.worlds import CONTAINERS, COUNTED, THINGS, worlds
from traceability.errors import NotFoundError
from traceability.ledger.index import MarkKind
from traceability.supply_chain.affected import Amount, BlastRadius, LotSum, PlaceCount
from traceability.supply_chain.history import ItemHistory, item_history
from traceability.supply_chain.item import ENDED, Lifecycle, lifecycle_after
from traceability.supply_chain.provenance import Direction, EdgeKind, TraceQuery, trace
from traceability.supply_chain.seen import Role, SeenEvent, is_class, is_lot, thing_of
from traceability.supply_chain.standing import standing

MILK, CHEESE = lot("M1", OTHER_GTIN), lot("C1", OTHER_GTIN)
A, B, C, D = (pack(letter) for letter in "ABCD")


def radius(*happenings: Happening, root: str = MILK, **query: object) -> BlastRadius:
    answer = trace(index_of(happenings), TraceQuery((root,), Direction.FORWARD, whereabouts=True, **query))  # type: ignore[arg-type]
    assert answer.blast_radius is not None
    return answer.blast_radius


def made_of(at: float, quantity: float, *packs: str) -> Happening:
    items = [("inputQuantityList", MILK, quantity, "KGM"), *[("outputEPCList", one) for one in packs]]
    return Happening("transformation", at, items, step="creating_class_instance")


def there(found: BlastRadius) -> dict[str, str | None]:
    assert found.whereabouts is not None
    return {one.id: one.place for one in found.whereabouts}


def test_what_of_a_lot_went_in_a_bin_before_the_trace_came_to_the_lot_is_used() -> None:
    bin_, made, other = "urn:x:bin", lot("M1"), pack("X")
    world = [
        *(commission(0, other), put(0, bin_, other), take(1, bin_, other), transform(2, counted_outputs=[made])),
        *(put(3, bin_, counted=[made]), transform(4, [bin_], [pack("C")])),
        transform(11, [PALLET], counted_outputs=[made]),
    ]
    for roots in ((PALLET, other), (PALLET,)):
        found = trace(index_of(world), TraceQuery(roots, Direction.FORWARD)).blast_radius
        assert found is not None
        assert [one.sums for one in found.lots if one.id == made] == [
            (LotSum("KGM", Decimal(20), Decimal(10), Decimal(10)),)
        ]


def test_what_is_out_there_is_told_with_where_it_was_last_seen() -> None:
    found = radius(
        made_of(1, 10, A, B, C, D),
        observe(2, A, B, place=PLANT),
        end(3, A, step="retail_selling"),
        observe(4, C, place=STORE, disposition="in_transit"),
        observe(5, D, place=STORE, step="destroying"),
    )
    assert (found.items, found.out_there, found.in_transit) == (4, 2, 1)
    assert found.ended == {Lifecycle.SUPPLIED: 1, Lifecycle.DESTROYED: 1}
    assert there(found) == {B: PLANT, C: STORE, MILK: None}
    assert found.places == [
        PlaceCount(PLANT, 1, 0, hours(2)),
        PlaceCount(STORE, 1, 0, hours(4)),
        PlaceCount(None, 0, 1, hours(1)),
    ]


def test_what_is_on_a_pallet_is_where_the_pallet_was_seen() -> None:
    found = radius(
        made_of(1, 10, A, B),
        put(2, PALLET, A, where={"readPoint": {"id": PLANT}}),
        put(3, TOTE, PALLET),
        observe(4, TOTE, place=STORE, disposition="in_transit"),
        take(6, TOTE),
        observe(8, TOTE, place=PLANT, disposition="available"),
    )
    assert there(found)[A] == STORE
    assert found.in_transit == 1


def test_a_late_older_event_does_not_move_what_was_seen_since() -> None:
    told = made_of(1, 10, A), observe(5, A, place=STORE), observe(3, A, place=PLANT)
    assert there(radius(*told))[A] == STORE


ENDS = [end(3, A), end(3, A, step="destroying"), transform(4, [A], [B])]


@pytest.mark.parametrize("arrival", [*permutations(ENDS)], ids=[*map(str, permutations(range(3)))])
def test_what_was_ended_twice_at_once_was_used_later_whatever_came_first(arrival: tuple[Happening, ...]) -> None:
    found = trace(index_of((made_of(1, 10, A), *arrival)), TraceQuery((MILK,), Direction.FORWARD)).blast_radius
    assert found is not None
    assert (found.items, found.ended) == (2, {Lifecycle.CONSUMED: 1})


def test_what_was_in_a_container_that_was_used_is_used_with_it() -> None:
    told = made_of(1, 10, A, B), put(2, PALLET, A, B), put(3, TOTE, PALLET), transform(4, [TOTE], [D])
    found = radius(*told)
    assert (found.items, found.out_there, found.ended) == (3, 1, {Lifecycle.CONSUMED: 2})
    assert there(radius(*told, observe(5, B, place=STORE))) == {B: STORE, D: None, MILK: None}


def test_a_pallet_that_is_packed_again_leads_to_its_own_load_only() -> None:
    found = radius(
        made_of(1, 10, A),
        put(2, PALLET, A),
        take(3, PALLET),
        put(4, PALLET, B),
        observe(5, PALLET, place=STORE),
        transform(6, [PALLET], [C]),
    )
    assert (found.items, there(found)) == (1, {A: None, MILK: None})


def test_of_a_lot_is_left_what_was_made_less_what_was_used() -> None:
    items = [("quantityList", MILK, 100, "KGM")]
    found = radius(
        Happening("object", 0, items, "ADD", "creating_class_instance"),
        made_of(1, 10.5, A),
        put(2, TOTE, counted=[MILK]),
        transform(3, [TOTE], [B]),
        Happening("object", 4, [("quantityList", MILK, 500, "GRM")], "DELETE", "destroying"),
    )
    assert [(one.id, one.sums) for one in found.lots] == [
        (MILK, (LotSum("KGM", Decimal(100), Decimal("21.0"), Decimal("79.0")),))
    ]
    assert found.quantities == [Amount("KGM", Decimal("79.0"))]


def test_a_lot_that_is_used_up_is_not_out_there() -> None:
    told = transform(1, [A], counted_outputs=[CHEESE]), transform(2, [], [B], counted_inputs=[CHEESE])
    found = radius(*told, root=A)
    assert there(found) == {B: None}
    assert found.lots[0].sums == (LotSum("KGM", Decimal(10), Decimal(10), Decimal(0)),)
    assert found.quantities == []


def test_of_a_lot_of_which_nobody_tells_how_much_was_made_some_may_be_left() -> None:
    found = radius(made_of(1, 10, A))
    assert found.lots[0].sums == (LotSum("KGM", None, Decimal(10), None),)
    assert MILK in there(found)


def test_without_whereabouts_only_what_ties_things_together_is_read() -> None:
    told = made_of(1, 10, A, B, C, D), end(2, A), put(3, PALLET, B), transform(4, [PALLET], []), observe(5, B, C)
    query = TraceQuery((MILK,), Direction.FORWARD)
    found = trace(index_of([*told, observe(6, C, step="destroying")]), query).blast_radius
    assert found is not None
    assert (found.items, found.out_there) == (4, 2)
    assert found.ended == {Lifecycle.CONSUMED: 1, Lifecycle.DECOMMISSIONED: 1}
    assert (found.in_transit, found.places, found.whereabouts) == (None, None, None)
    assert radius(*told).ended == {Lifecycle.DECOMMISSIONED: 1}


def test_the_packs_of_a_recalled_lot_are_affected_and_their_lot_mates_elsewhere_too() -> None:
    told = (
        commission(1, A, B, number="L1"),
        put(2, PALLET, A),
        observe(3, PALLET, place=STORE),
        observe(4, B, place=PLANT),
    )
    found = radius(*told, root=lot("L1"))
    assert (found.items, [one.id for one in found.lots]) == (2, [lot("L1")])
    assert there(found) == {A: STORE, B: PLANT, lot("L1"): None}


def test_what_an_empty_unpack_took_off_a_pallet_is_no_longer_where_that_goes() -> None:
    told = made_of(1, 10, A), put(2, PALLET, A), take(3, PALLET, where={"readPoint": {"id": PLANT}})
    assert there(radius(*told, observe(5, PALLET, place=STORE)))[A] == PLANT


def test_what_is_attached_is_not_affected() -> None:
    found = radius(made_of(1, 10, A), attach(2, PALLET, A), edge_kinds=frozenset(EdgeKind))
    assert (found.items, there(found)) == (1, {A: None, MILK: None})


def test_a_bare_class_is_no_lot_and_no_item() -> None:
    found = radius(
        Happening("transformation", 1, [("inputQuantityList", MILK, 1, "KGM"), ("outputQuantityList", OTHER_GTIN, 9)])
    )
    assert (found.items, [one.id for one in found.lots]) == (0, [MILK])


def test_rework_goes_round_once() -> None:
    told = made_of(1, 10, A), transform(2, [A], [B]), transform(3, [B], [A]), observe(4, A, place=STORE)
    found = radius(*told)
    assert (found.items, found.ended, there(found)) == (2, {Lifecycle.CONSUMED: 1}, {A: STORE, MILK: None})


def test_a_trace_back_has_no_blast_radius() -> None:
    assert trace(index_of([made_of(1, 10, A)]), TraceQuery((A,), Direction.BACK)).blast_radius is None


def test_of_a_trace_both_ways_only_the_way_forward_counts() -> None:
    answer = trace(index_of([made_of(1, 10, A, B), transform(2, [A], [C])]), TraceQuery((A,), whereabouts=True))
    assert answer.blast_radius is not None
    assert answer.blast_radius.lots == []
    assert there(answer.blast_radius) == {C: None}


@st.composite
def happenings(draw: st.DrawFn) -> list[Happening]:
    """Draw worlds in which events tell where, at what step, and in what state things are."""
    words = (
        st.sampled_from([None, PLANT, STORE]),
        st.sampled_from([None, "shipping", "retail_selling", "stocking"]),
        st.sampled_from([None, "in_transit", "destroyed", "stolen", "container_closed", "available"]),
    )
    told: dict[str, tuple[str | None, ...]] = {}
    happened = []
    for one in draw(worlds()):
        place, step, disposition = told.setdefault(one.event_id or "", tuple(map(draw, words)))
        where = {"readPoint": {"id": place}} if place else {}
        happened.append(replace(one, where=where, step=step, disposition=disposition))
    return happened


@settings(max_examples=200, deadline=None)
@given(
    happenings(),
    st.sampled_from([*CONTAINERS, *COUNTED, *map(thing_of, THINGS)]),
    st.sampled_from([None, hours(3)]),
)
def test_the_blast_radius_is_that_of_one_history_each(world: list[Happening], root: str, as_of: int | None) -> None:
    index = index_of(world)
    try:
        answer = trace(index, TraceQuery((root,), Direction.FORWARD, as_of=as_of, max_depth=1000, whereabouts=True))
    except NotFoundError:
        return
    found = answer.blast_radius
    assert found is not None
    events = [event for event in standing(index.all()) if as_of is None or event.occurred_at <= as_of]
    reached = {thing for thing, reach in naive_trace(events, [root], back=False)[0] if reach != "carrier"}
    items = {thing for thing in reached if not is_lot(thing) and not is_class(thing)}
    histories = {thing: item_history(index, thing, STRANGERS, as_of) for thing in reached if not is_class(thing)}
    states = {thing: history.state for thing, history in histories.items()}
    ended: Counter[Lifecycle] = Counter()
    for thing in items:
        how = _ended(events, thing, states[thing].lifecycle)
        if how is not None:
            ended[how] += 1
            del states[thing]
    used_up = {one.id for one in found.lots if not one.is_left}
    assert {one.id for one in found.lots} == {thing for thing in reached if is_lot(thing)}
    assert found.items == len(items)
    assert found.ended == ended
    expected = {
        thing: (_last_seen(histories[thing]), state.last_step, state.place, state.disposition)
        for thing, state in states.items()
        if thing not in used_up
    }
    assert found.whereabouts is not None
    assert found.places is not None
    assert {w.id: (w.last_seen, w.step, w.place, w.disposition) for w in found.whereabouts} == expected
    assert found.in_transit == sum(states[one].disposition == "in_transit" for one in items & states.keys())
    assert sum(place.items for place in found.places) == found.out_there
    assert sum(place.lots for place in found.places) == len(found.lots) - len(used_up)


@settings(max_examples=100, deadline=None)
@given(happenings(), happenings(), st.sampled_from([*CONTAINERS, *map(thing_of, THINGS)]))
def test_what_is_hidden_changes_nothing(world: list[Happening], more: list[Happening], root: str) -> None:
    hidden = [replace(one, by="rival.example") for one in more]
    query = TraceQuery((root,), Direction.FORWARD, whereabouts=True, shares=True)
    try:
        alone = trace(index_of(world), query)
    except NotFoundError:
        return
    shown = trace(index_of([*world, *hidden]), query)
    assert (shown.balance, shown.blast_radius) == (alone.balance, alone.blast_radius)


def _last_seen(history: ItemHistory) -> int | None:
    """Return when a thing was seen last; that a member was says nothing about the lot."""
    seen = [entry.event.occurred_at for entry in history.entries if entry.counts and (entry.mentions or entry.via)]
    return max(seen, default=None)


def _ended(events: list[SeenEvent], thing: str, lifecycle: Lifecycle) -> Lifecycle | None:
    own = [(event, event.of(thing)) for event in events if thing in event.things]
    life = Lifecycle.UNKNOWN
    for event, mentions in own:
        named = {mention.role for mention in mentions if not mention.class_level}
        changes = event.type.startswith(("epcis.transformation", "epcis.object")) and event.action != "OBSERVE"
        if named and changes:
            life = lifecycle_after(life, event, named)
    if life in ENDED and life is not Lifecycle.LOST_OR_STOLEN:
        return life
    if lifecycle in ENDED:
        return lifecycle
    last = own[-1][0].occurred_at
    return Lifecycle.CONSUMED if any(last <= at for at in _used_within(events, thing)) else None


def _used_within(events: list[SeenEvent], thing: str) -> set[int]:
    stays = [i for i in naive_intervals(events) if i[0] is MarkKind.CONTAINMENT]
    found = set()
    for event in events:
        if event.type == "epcis.transformation_event.v2":
            at, inside, before = event.occurred_at, {thing}, set[str]()
            while inside - before:
                before |= inside
                inside |= {
                    p for _, c, p, opened, closed in stays if c in before and opened <= at and (closed or at + 1) > at
                }
            inputs = {m.thing for m in event.mentions if m.role is Role.INPUT}
            if inputs & (inside - {thing}):
                found.add(at)
    return found


@pytest.mark.parametrize("pallet", [PALLET, OTHER_PALLET])
def test_a_circle_of_containers_has_an_end(pallet: str) -> None:
    told = put(1, PALLET, A, OTHER_PALLET), put(1, OTHER_PALLET, PALLET), transform(2, [pallet], [C])
    found = radius(*told, root=A)
    assert found.ended == {Lifecycle.CONSUMED: 1}
