"""The search for refused events: which of a delivery are set aside, and what it costs."""

from __future__ import annotations

from math import log2

from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1.epcis.subscriptions.halving import Halving


def search(events: int, refused: set[int]) -> tuple[list[int], list[int], int]:
    """Search as a delivery does; return what was taken, what was set aside, and how many posts it took."""
    halving = Halving(end=events, events=events, began=0)
    cursor, posts, taken, aside = 0, 0, list[int](), list[int]()
    while cursor < events:
        sent = range(cursor, min(cursor + halving.size, events))
        posts += 1
        if refused.isdisjoint(sent):
            taken += sent
            halving.taken(len(sent))
        elif halving.refused(len(sent)):
            aside += sent
        else:
            continue
        cursor = sent.stop
    return taken, aside, posts


@given(st.integers(2, 100), st.data())
def test_exactly_what_is_refused_is_set_aside_and_the_rest_is_in_order(events: int, data: st.DataObject) -> None:
    refused = data.draw(st.sets(st.integers(0, events - 1), min_size=1, max_size=100))
    taken, aside, posts = search(events, refused)
    assert taken == [number for number in range(events) if number not in refused]
    assert aside == sorted(refused)
    assert posts <= (len(refused) + 1) * (2 * log2(events) + 3)


def test_one_of_a_hundred_takes_few_posts() -> None:
    assert max(search(100, {number})[2] for number in range(100)) <= 10


def test_a_receiver_that_refuses_everything_is_asked_for_each_event_about_once() -> None:
    taken, aside, posts = search(100, set(range(100)))
    assert (taken, aside) == ([], list(range(100)))
    assert posts < 120
