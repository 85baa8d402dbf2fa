"""Stretches of event time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

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


def hulls(stretches: Iterable[tuple[str, int, int]]) -> dict[str, Window]:
    """Return for each thing, given with first and last instants, one window that covers all of them."""
    found: dict[str, tuple[int, int]] = {}
    for thing, first, last in stretches:
        known = found.get(thing)
        found[thing] = (first, last) if known is None else (min(first, known[0]), max(last, known[1]))
    return {thing: Window(*bounds) for thing, bounds in found.items()}
