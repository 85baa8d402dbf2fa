"""Events taken in at once say the same as one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings

from tests.support.happenings import PALLET, Happening, commission, lot, pack, put, records, take, transform
from tests.support.worlds import worlds
from traceability.ledger.access import ALL_PARTS
from traceability.ledger.index import MarkKind
from traceability.supply_chain.facts import Facts
from traceability.supply_chain.in_bulk import add_whole
from traceability.supply_chain.seen import SeenEvent, see
from traceability.supply_chain.standing import counting


def events_of(world: Iterable[Happening]) -> list[SeenEvent]:
    return counting(event for record in records(world) if (event := see(record, ALL_PARTS, ())) is not None)


def said(facts: Facts) -> list[object]:
    """Return all that facts hold, by name and in no order."""
    facts.settle()
    things, transformations = facts.things, facts.transformations
    thing, is_input, transformation, *when = (facts.passages[column].tolist() for column in facts.passages.columns)
    child, parent, *how = (facts.ties[column].tolist() for column in facts.ties.columns)
    member, of, told = (facts.members[column].tolist() for column in facts.members.columns)
    emptied, *since = (facts.emptied[column].tolist() for column in facts.emptied.columns)
    return [
        Counter(
            (things.names[t], i, transformations.names[n], *w)
            for t, i, n, *w in zip(thing, is_input, transformation, *when, strict=True)
        ),
        Counter(
            (things.names[c], None if p < 0 else things.names[p], *h)
            for c, p, *h in zip(child, parent, *how, strict=True)
        ),
        Counter((things.names[m], things.names[o], at) for m, o, at in zip(member, of, told, strict=True)),
        Counter((things.names[e], *s) for e, *s in zip(emptied, *since, strict=True)),
        {transformations.names[number]: joined for number, joined in facts.joined.items()},
        sorted(facts.events),
        [sorted(facts.newly_opened(kind)) for kind in MarkKind],
    ]


def agree(world: Iterable[Happening]) -> None:
    events = events_of(world)
    one_by_one, at_once = Facts(), Facts()
    for event in events:
        one_by_one.add(event)
    add_whole(at_once, events)
    assert said(at_once) == said(one_by_one)


@settings(max_examples=400, deadline=None)
@given(worlds())
def test_random_events_say_the_same_at_once(world: list[Happening]) -> None:
    agree(world)


def test_what_is_named_twice_is_said_once() -> None:
    one, other = pack("A"), pack("B")
    agree(
        [
            commission(1, one, other, one, number="L1"),
            put(2, PALLET, one, one, counted=[lot("L1"), lot("L1")]),
            put(3, PALLET, lot("L2"), counted=[lot("L2")]),
            take(4, PALLET),
            transform(5, [one, one], [other, other, one], number="L2", counted_inputs=[lot("L1"), lot("L1")]),
        ]
    )


def test_no_events_say_nothing() -> None:
    agree([])
    agree([take(1, PALLET)])
