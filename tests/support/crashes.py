"""A process that dies at a call which a test chooses."""

from __future__ import annotations

from typing import Any


class Crash(BaseException):
    """Stands for a kill: nothing may catch it."""


class Crashing:
    """Passes every call on, and dies before or after the one whose number is given."""

    def __init__(self, inner: object, calls: list[str], die_at: int, *, after: bool) -> None:
        self._inner, self._calls, self._die_at, self._after = inner, calls, die_at, after

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        if not callable(attribute):
            return attribute

        def call(*arguments: object) -> object:
            self._calls.append(name)
            dies = len(self._calls) == self._die_at
            if dies and not self._after:
                raise Crash
            result = attribute(*arguments)
            if dies:
                raise Crash
            return result

        return call
