"""Custody and authority in random worlds: as in the naive fold, whatever the arrival, and whatever is hidden."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.dealings import ASKED, ORGANISATIONS, dealings
from tests.support.happenings import Happening, hours, index_of
from tests.support.holders import EVERYTHING, PARTIES, SEES_ALL, Told
from tests.support.naive_custody import naive_custody
from traceability.errors import NotFoundError
from traceability.ledger.access import Grant, Reader
from traceability.supply_chain.history import ItemHistory, item_history

_thing = st.sampled_from(ASKED)


@settings(max_examples=400, deadline=None)
@given(dealings(), _thing)
def test_the_naive_fold_tells_the_same(world: list[Told], thing: str) -> None:
    try:
        fast = item_history(index_of(world, reader=SEES_ALL), thing, PARTIES)
    except NotFoundError:
        return
    naive = naive_custody(index_of(world, reader=SEES_ALL), thing, PARTIES)
    assume(naive.settled)
    said = {e.event.position: None if e.authority is None else str(e.reason or e.authority) for e in fast.entries}
    assert said == naive.said
    assert {(h.role, h.holder, h.since, h.until) for h in fast.custody.holdings} == naive.holdings
    assert [(s.to, s.owner, s.since) for s in fast.custody.shipments] == naive.shipments
    assert {(hold.hold, hold.placed_by) for hold in fast.custody.holds} == naive.holds
    assert {proposal.proposal for proposal in fast.custody.proposals} == naive.proposals


@settings(max_examples=200, deadline=None)
@given(dealings(), _thing, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same(world: list[Told], thing: str, choose: random.Random) -> None:
    assert _content(world, thing) == _content(choose.sample(world, len(world)), thing)


@settings(max_examples=200, deadline=None)
@given(dealings(), dealings(max_size=6), _thing, st.lists(st.sampled_from(ORGANISATIONS), max_size=2))
def test_what_is_hidden_makes_no_difference(world: list[Told], more: list[Told], thing: str, shown: list[str]) -> None:
    # The reader is nobody whom an event could name: it sees what some organisations show it, and the rest is not there.
    reader = Reader("auditor.example", grants=tuple(Grant(who, "auditor.example", None, EVERYTHING) for who in shown))
    hidden = [_with_id(one, f"urn:uuid:hidden-{n}") for n, one in enumerate(more) if one.by not in shown]
    assert _content([*world, *hidden], thing, reader) == _content(world, thing, reader)
    assert _content([*hidden, *world], thing, reader) == _content(world, thing, reader)


@settings(max_examples=100, deadline=None)
@given(dealings(), _thing)
def test_a_history_as_of_a_time_is_that_of_what_happened_until_then(world: list[Told], thing: str) -> None:
    for hour in (2, 5):
        until = [one for one in world if one.at <= hour]
        assert _content(world, thing, as_of=hour) == _content(until, thing)


def _with_id(told: Told, name: str) -> Told:
    return replace(told, event_id=name) if isinstance(told, Happening) else told


def _content(world: list[Told], thing: str, reader: Reader = SEES_ALL, as_of: float | None = None) -> Any:
    try:
        found = item_history(index_of(world, reader=reader), thing, PARTIES, None if as_of is None else hours(as_of))
    except NotFoundError:
        return None
    return content(found)


def content(found: ItemHistory) -> Any:
    """Return what a history tells, with events named by what they say."""
    named = {entry.event.position: entry.event.digest for entry in found.entries}
    custody = found.custody
    return (
        replace_positions(found.state),
        sorted(repr((e.event.digest, e.via, e.authority, e.reason, e.retracted_by is None)) for e in found.entries),
        [(h.role, h.holder, h.since, h.until, named[h.opened_by], h.closed_by and named[h.closed_by])
         for h in custody.holdings],
        [(s.shipper, s.to, s.owner, s.since, named[s.opened_by]) for s in custody.shipments],
        [(h.hold, h.placed_by, h.authority, h.since, h.via) for h in custody.holds],
        [(p.proposal, p.role, p.issuer, p.receiver, p.since) for p in custody.proposals],
        [(i.parent, i.opened_at, i.closed_at) for i in found.containers],
        [(i.child, i.opened_at, i.closed_at) for i in found.contents],
    )  # fmt: skip


def replace_positions(state: Any) -> Any:
    facts = [(f.at, f.role, f.action, f.quantity, f.uom) for f in state.quantities]
    return {**{n: getattr(state, n) for n in state.__struct_fields__ if n != "quantities"}, "facts": facts}
