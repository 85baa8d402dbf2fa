"""The search for the events that a receiver refuses for good, so that the others of their delivery are not held back.

A delivery that was refused is sent in halves: a half that is taken holds none of them, one that is refused is halved
again, and one of a single event has found one. So n events of which one is refused take about log2(n) posts more.
Behind a few that were refused in a row the next are sent one by one, until one is taken: n of which none is take about
n posts.
"""

from __future__ import annotations

from typing import Final

IN_A_ROW: Final = 3
"""Events refused one behind the other after which the next one is tried alone."""


class Halving:
    """The search among the events up to position `end`, `events` many, which were refused when they were sent at once.

    `began` is when that was, in microseconds UTC. The search is over when all of them are taken or set aside.
    """

    def __init__(self, end: int, events: int, began: int) -> None:
        self.end = end
        self.began = began
        self._left = events
        self._suspects = events  # the next so many hold one that is refused; 0: nothing is known of them
        self._in_a_row = 0

    @property
    def size(self) -> int:
        """How many events to send next."""
        if self._suspects:
            return max(1, self._suspects // 2)
        return 1 if self._in_a_row >= IN_A_ROW else max(1, self._left)

    def taken(self, events: int) -> None:
        """Note that the next events were taken."""
        self._in_a_row = 0
        self._left -= events
        self._suspects = max(0, self._suspects - events)

    def refused(self, events: int) -> bool:
        """Note that the next events were refused, and tell whether they are to be set aside."""
        if events > 1:
            self._suspects = events
            return False
        self._in_a_row += 1
        self._left -= events
        self._suspects = 0
        return True
