"""Time and randomness of the operating system."""

from __future__ import annotations

import os
import time


class SystemClock:
    """The machine's wall clock."""

    def now_us(self) -> int:
        """Return microseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1000


class SystemEntropy:
    """The kernel's random bytes."""

    def token(self, size: int) -> bytes:
        """Return `size` unpredictable bytes."""
        return os.urandom(size)
