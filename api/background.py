"""A thread of a server: it looks for something to do, rests, is woken before its time, and ends when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Background:
    """Runs `work` in a thread of its own for as long as the context lasts; the end of the context waits for its end.

    `work` returns soon after `stopping` is set. An error that it raises ends the thread.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.stopping = threading.Event()
        self.woken = threading.Event()
        """To be set when there is something to do, so that it is done now and not at the next look."""
        self._thread = threading.Thread(target=work, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stopping.set()
        self.woken.set()
        self._thread.join()

    @property
    def stops(self) -> bool:
        """Tell whether the work is to end."""
        return self.stopping.is_set()

    def rest(self, seconds: float | None) -> None:
        """Wait, in `work`, until it is woken or the time is over, None: until it is woken.

        What woke it is forgotten: whoever looks for something to do looks after this, and not before.
        """
        self.woken.wait(seconds)
        self.woken.clear()

    def pause(self, seconds: float) -> None:
        """Wait, in `work`, whatever wakes it meanwhile: after an error; only the end cuts it short."""
        self.stopping.wait(seconds)
