"""Stretches of event time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

BEGIN: Final = -(1 << 63)
END: Final = (1 << 63) - 1


# A trace makes them by the hundred thousand; none is part of a cycle, so the collector need not follow them.
class Window(msgspec.Struct, frozen=True, order=True, gc=False):
    """The instants (µs UTC) from `first` to `last`, both included."""

    first: int
    last: int

    def meet(self, other: Window) -> Window | None:
        """Return the instants in both windows, None when there are none."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Window(first, last) if first <= last else None

    def join(self, other: Window) -> Window:
        """Return the instants in either window and between them."""
        return Window(min(self.first, other.first), max(self.last, other.last))

    def covers(self, other: Window) -> bool:
        """Tell whether every instant of `other` is in this window."""
        return self.first <= other.first and other.last <= self.last


ALWAYS: Final = Window(BEGIN, END)
Windows: TypeAlias = Sequence[Window]
"""Windows in order that neither meet nor touch."""
Stretch: TypeAlias = tuple[str, int, int]
"""The time of a thing from a first to a last instant (µs UTC), both included."""


def merged(windows: Iterable[Window]) -> list[Window]:
    """Return the same instants in windows that neither meet nor touch, in order."""
    found: list[Window] = []
    for window in sorted(windows):
        if found and window.first <= found[-1].last + 1:
            found[-1] = found[-1].join(window)
        else:
            found.append(window)
    return found


def are_covering(windows: Windows, window: Window) -> bool:
    """Tell whether one of these windows has all of another."""
    place = bisect_right(windows, window.first, key=lambda one: one.first)
    return place > 0 and windows[place - 1].covers(window)


def by_thing(stretches: Iterable[Stretch]) -> dict[str, Windows]:
    """Return the time of each thing."""
    found: dict[str, list[Window]] = {}
    for thing, first, last in stretches:
        found.setdefault(thing, []).append(Window(first, last))
    return {thing: merged(windows) for thing, windows in found.items()}


class WindowsRead:
    """In which time what happens to things was read."""

    def __init__(self) -> None:
        self._read: dict[str, Windows] = {}

    def unread(self, stretches: Iterable[Stretch]) -> dict[str, Windows]:
        """Return the stretches that were not read as a whole, by thing; from now on they were."""
        unread = by_thing(one for one in stretches if not self._covers(*one))
        for thing, windows in unread.items():
            self._read[thing] = merged((*self._read.get(thing, ()), *windows))
        return unread

    def _covers(self, thing: str, first: int, last: int) -> bool:
        read = self._read.get(thing)
        return read is not None and are_covering(read, Window(first, last))
