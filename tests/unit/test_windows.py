"""Windows of event time: which instants are in them, and which of them were read before."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from traceability.supply_chain.windows import BEGIN, END, Stretch, Window, WindowsRead, by_thing, merged

_INSTANTS = st.integers(0, 12)
_STRETCHES = st.lists(st.tuples(st.sampled_from("AB"), _INSTANTS, _INSTANTS).map(lambda s: (s[0], *sorted(s[1:]))))


def _instants(thing: str, stretches: list[Stretch]) -> set[int]:
    return {instant for name, first, last in stretches if name == thing for instant in range(first, last + 1)}


@given(_STRETCHES)
def test_windows_that_meet_or_touch_are_one(stretches: list[Stretch]) -> None:
    found = by_thing(stretches)
    assert found.keys() == {thing for thing, _, _ in stretches}
    for thing, windows in found.items():
        assert _instants(thing, [(thing, one.first, one.last) for one in windows]) == _instants(thing, stretches)
        assert all(here.last + 1 < there.first for here, there in pairwise(windows))


def test_all_time_has_room_for_nothing_else() -> None:
    assert merged([Window(5, END), Window(BEGIN, 7), Window(6, 6)]) == [Window(BEGIN, END)]


@given(st.lists(_STRETCHES))
def test_what_is_read_is_all_that_was_wanted_and_no_stretch_twice(wanted: list[list[Stretch]]) -> None:
    read = WindowsRead()
    before: list[Stretch] = []
    for stretches in wanted:
        unread = [(t, one.first, one.last) for t, windows in read.unread(stretches).items() for one in windows]
        for thing in "AB":
            missing = _instants(thing, stretches) - _instants(thing, before)
            assert missing <= _instants(thing, unread) <= _instants(thing, stretches)
        before += unread
        assert read.unread(stretches) == {}
