"""The search for the events that a receiver refuses for good, so that the others of their delivery are not held back.

A delivery that was refused is sent in halves: a half that is taken holds none of them, one that is refused is halved
again, and one of a single event has found one. So n events of which one is refused take about log2(n) posts more.
"""

from __future__ import annotations

from typing import Final

MOST_IN_A_ROW: Final = 3
"""Events refused one behind the other after which a receiver is believed to refuse whatever it is sent."""


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
        return max(1, self._suspects // 2 if self._suspects else self._left)

    def taken(self, events: int) -> None:
        """Note that the next events were taken."""
        self._in_a_row = 0
        self._left -= events
        self._suspects = max(0, self._suspects - events)

    def refused(self, events: int) -> bool:
        """Note that the next events were refused, and tell whether they are to be set aside."""
        if events > 1 and self._in_a_row < MOST_IN_A_ROW:
            self._suspects = events
            return False
        self._in_a_row += 1
        self._left -= events
        self._suspects = 0
        return True
