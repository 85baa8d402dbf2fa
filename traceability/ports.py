"""Time and randomness, the two things that the domain may only be given."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall-clock time."""

    def now_us(self) -> int:
        """Return microseconds since 1970-01-01T00:00:00Z, leap seconds not counted."""
        ...


class Entropy(Protocol):
    """Cryptographic randomness."""

    def token(self, size: int) -> bytes:
        """Return `size` unpredictable bytes."""
        ...
