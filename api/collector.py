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


class _Pauses:
    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0

    def change(self, by: int) -> None:
        with self._lock:
            self._count += by
            if self._count:
                gc.disable()
            else:
                gc.enable()


_pauses: Final = _Pauses()


@contextmanager
def paused() -> Iterator[None]:
    """Look for no cycles, in all threads, until this ends: for seconds in which a million objects are made."""
    _pauses.change(1)
    try:
        yield
    finally:
        _pauses.change(-1)
