"""Which things are judged otherwise once an event is known; whole worlds are in test_judged_in_any_order."""

from __future__ import annotations

import pytest

from tests.support.happenings import (
    OTHER_PALLET,
    PALLET,
    TOTE,
    Happening,
    commission,
    index_of,
    observe,
    pack,
    put,
    take,
    transform,
)
from traceability.supply_chain.concerned import concerned
from traceability.supply_chain.seen import Subjects

A, B, C, D = map(pack, "ABCD")
RUN = "https://maker.example/batch/1"
BEFORE = [
    commission(1, A, B, C, D),
    put(2, PALLET, A),
    take(3, PALLET, A),
    put(4, PALLET, B),
    put(5, TOTE, PALLET),
    transform(6, [C], [D], joined=RUN),
]


def reached(*told: Happening) -> set[str]:
    index = index_of([*BEFORE, *told])
    said = index.events(Subjects(frozenset({A, B, C, D, PALLET, OTHER_PALLET, TOTE})))
    return concerned(index, [event for event in said if event.position > len(BEFORE)])


@pytest.mark.parametrize(
    ("told", "found"),
    [
        pytest.param(observe(7, A), {A}, id="what is seen alone concerns itself alone"),
        pytest.param(observe(7, PALLET), {PALLET, B}, id="a pallet what is in it now"),
        pytest.param(observe(2.5, PALLET), {PALLET, A, B}, id="and what is put in later"),
        pytest.param(observe(7, TOTE), {TOTE, PALLET, B}, id="what is inside of that too"),
        pytest.param(take(7, PALLET, B), {PALLET, B, TOTE}, id="what leaves concerns what that was in"),
        pytest.param(take(7, TOTE), {TOTE, PALLET, B}, id="who is emptied what was inside until then"),
        pytest.param(transform(7, [A], [OTHER_PALLET], joined=RUN), {A, PALLET, TOTE, OTHER_PALLET, C, D}, id="a run"),
    ],
)
def test_an_event_concerns_what_hangs_on_its_things(told: Happening, found: set[str]) -> None:
    assert reached(told) == found
