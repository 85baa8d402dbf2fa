"""The state of things in random worlds is that of a naive reader, who asks all that counts for each member of it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.dealings import THINGS, dealings
from tests.support.happenings import LOT_NUMBER, Happening, hours, index_of
from tests.support.holders import PARTIES, SEES_ALL, Told
from tests.support.naive_state import NaiveState, naive_state
from traceability.errors import NotFoundError
from traceability.supply_chain.history import item_history
from traceability.supply_chain.things import thing_of

MEMBERS = NaiveState._fields[1:]
SAID = [None, "in_transit", "damaged", "container_closed", "partially_dispensed", "dispensed", "stolen", "active"]


@st.composite
def worlds(draw: st.DrawFn) -> list[Told]:
    """Draw what several tell, in more words, and of packs that are said to be of one lot and of another."""
    return [
        replace(
            one,
            disposition=one.disposition or draw(st.sampled_from(SAID)),
            how={"ilmd": {LOT_NUMBER: draw(st.sampled_from(["L1", "L2"]))}} if one.how else {},
        )
        if isinstance(one, Happening) and "errorDeclaration" not in one.head
        else one
        for one in draw(dealings())
    ]


@settings(max_examples=400, deadline=None)
@given(worlds(), st.sampled_from(THINGS), st.none() | st.integers(0, 8))
def test_a_naive_reader_tells_the_same(world: list[Told], named: str, as_of: int | None) -> None:
    thing = thing_of(named)
    until = None if as_of is None else hours(as_of)
    try:
        found = item_history(index_of(world, reader=SEES_ALL), thing, PARTIES, until).state
    except NotFoundError:
        return
    then = [one for one in world if as_of is None or one.at <= as_of]
    naive = naive_state(index_of(then, reader=SEES_ALL), thing, PARTIES)
    assume(naive.settled)
    assert {name: getattr(found, name) for name in MEMBERS} == {name: getattr(naive, name) for name in MEMBERS}
