"""Python's collector of cycles: most of what answers are made of is in none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final


def settle() -> None:
    """Leave alone what is there for good, and look less often: by default every 700 objects."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


_IN_A_ROW: Final = 50
"""Pauses after which the next ones do without until the collector was on: else on a busy server it never is."""


class _Pauses:
    def __init__(self) -> None:
        self._lock = Lock()
        self._begun = 0
        self._under_way = 0

    def begin(self) -> bool:
        """Turn the collector off, and tell whether it is this pause that keeps it off."""
        with self._lock:
            if self._begun == _IN_A_ROW:
                return False
            self._begun += 1
            self._under_way += 1
            gc.disable()
            return True

    def end(self) -> None:
        with self._lock:
            self._under_way -= 1
            if not self._under_way:
                self._begun = 0
                gc.enable()


_pauses: Final = _Pauses()


@contextmanager
def paused() -> Iterator[None]:
    """Look for no cycles, in all threads, until this ends: for seconds in which a million objects are made."""
    keeps_off = _pauses.begin()
    try:
        yield
    finally:
        if keeps_off:
            _pauses.end()
