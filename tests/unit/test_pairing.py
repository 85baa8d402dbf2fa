"""Children paired side by side, and alone, have the intervals of `Containment`."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.happenings import OTHER_PALLET, PALLET, TOTE, Happening, end, index_of, lot, pack, put, take
from tests.support.worlds import worlds
from traceability.supply_chain import pairing
from traceability.supply_chain.containment import Containment
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.pairing import Intervals, intervals
from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.standing import standing
from traceability.supply_chain.tables import NONE, NOTHING, ints
from traceability.supply_chain.windows import END

A, B = pack("A"), pack("B")

Stay = tuple[str, str, int, int, int, int, bool]


def facts_of(events: list[SeenEvent]) -> Facts:
    facts = Facts()
    for event in events:
        facts.add(event)
    facts.settle()
    return facts


def paired(events: list[SeenEvent], long: int) -> list[Stay]:
    """Pair all children at once; those of more than `long` ties alone."""
    # Not in the order of folds, which nothing but the pairing has to bring about.
    facts = facts_of(events[::-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairing, "_LONG", long)
        found = intervals(facts, ints(range(len(facts.things))))
    assert found.child.tolist() == sorted(found.child.tolist())
    assert found.last.tolist() == [END if at == END else at - 1 for at in found.closed_at.tolist()]
    return stays(facts, found)


def stays(facts: Facts, found: Intervals) -> list[Stay]:
    rest = zip(*(column.tolist() for column in found[2:6]), strict=True)
    names = zip(facts.things.of(found.child), facts.things.of(found.parent), strict=True)
    counted = map(bool, found.counted.tolist())
    return sorted((*ends, *numbers, many) for ends, numbers, many in zip(names, rest, counted, strict=True))


def one_by_one(events: list[SeenEvent]) -> list[Stay]:
    containment = Containment(events)
    return sorted(
        (
            i.child,
            i.parent,
            i.opened_at,
            END if i.closed_at is None else i.closed_at,
            i.opened_by,
            NOTHING if i.closed_by is None else i.closed_by,
            i.counted,
        )
        for child in {thing for event in events for thing in event.things}
        for i in containment.of_child(child)
    )


@settings(max_examples=400, deadline=None)
@given(worlds(max_size=16))
@example([put(1, PALLET, A), put(1, OTHER_PALLET, A), take(1, PALLET), put(2, PALLET, A), take(2, OTHER_PALLET)])
@example([put(1, PALLET, A), take(3, PALLET, disposition="damaged"), take(3, PALLET), put(4, TOTE, A)])
@example([put(1, PALLET, A), take(3, PALLET), take(3, PALLET, disposition="damaged"), put(4, TOTE, A)])
@example([put(1, TOTE, PALLET), put(1, PALLET, TOTE), take(3, PALLET), put(3, PALLET, TOTE), end(4, TOTE)])
@example([put(1, PALLET, counted=[lot("L1")]), put(2, TOTE, counted=[lot("L1")]), take(3, PALLET), end(4, lot("L1"))])
@example([put(n, pallet, counted=[lot("L1")]) for n, pallet in enumerate([PALLET, TOTE, OTHER_PALLET])])
@example([put(1, PALLET, counted=[lot("L1")]), put(2, TOTE, lot("L1")), put(3, PALLET, A), put(4, TOTE, A)])
def test_children_at_once_have_the_intervals_of_each(world: list[Happening]) -> None:
    events = standing(index_of(world).all())
    expected = one_by_one(events)
    assert paired(events, pairing._LONG) == expected
    assert paired(events, 0) == expected
    assert paired(events, 1_000) == expected


@settings(max_examples=200, deadline=None)
@given(worlds(max_size=16), st.integers(0, 16), st.sampled_from([0, pairing._LONG]))
def test_what_is_learnt_later_is_paired_with_what_was_known(world: list[Happening], first: int, long: int) -> None:
    events = standing(index_of(world).all())
    facts = facts_of(events[first:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairing, "_LONG", long)
        intervals(facts, ints(range(len(facts.things))))
        for event in events[:first]:
            facts.add(event)
        facts.settle()
        found = intervals(facts, ints(range(len(facts.things))))
    assert stays(facts, found) == one_by_one(events)


# In a random world few things have many ties: here all are about two children.
_CALM = st.lists(
    st.tuples(
        st.sampled_from([put, put, take, take, end]),
        st.sampled_from([PALLET, OTHER_PALLET, TOTE]),
        st.sets(st.sampled_from([A, B])),
    ),
    min_size=9,
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(_CALM)
def test_long_lives_are_paired_the_same_in_both_ways(said: list[tuple[object, str, set[str]]]) -> None:
    world: list[Happening] = []
    for at, (how, parent, children) in enumerate(said):
        if how is end:
            world.append(end(at, *sorted(children)))
        else:
            world.append((put if how is put else take)(at, parent, *sorted(children)))
    events = standing(index_of(world).all())
    expected = one_by_one(events)
    assert [paired(events, long) for long in (0, pairing._LONG, 1_000)] == [expected] * 3


def test_only_the_children_asked_for_are_paired() -> None:
    facts = facts_of(standing(index_of([put(1, PALLET, A, B), put(2, TOTE, PALLET)]).all()))
    found = intervals(facts, ints([facts.things[B]]))
    assert facts.things.of(found.child) == [B]
    assert len(intervals(facts, NONE).child) == 0
    assert len(intervals(Facts(), NONE).child) == 0
