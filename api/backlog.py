"""How far publishing is behind recording, and what is done about it: writers over HTTP come again, imports wait."""

from __future__ import annotations

import time
from threading import Event, Lock
from typing import Final

from api.notary import published_logs
from api.wiring import Engine
from traceability.notary.errors import DamagedLogError

LOOK_SECONDS: Final = 0.5
PAUSE_SECONDS: Final = 5.0
"""The longest that an import waits between two batches: it slows down, and goes on even when no log grows."""
_STEP_SECONDS: Final = 0.1


class Backlog:
    """The number of events that are sequenced and not published; the database is asked twice a second, if at all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._behind = 0
        self._look_at = 0.0
        self._looking = Lock()

    def behind(self) -> int:
        """Return how many events are not published, as it was at most a moment ago."""
        # Whoever comes while another asks takes the number from before.
        if time.monotonic() >= self._look_at and self._looking.acquire(blocking=False):
            try:
                self._behind = self._count()
            except (DamagedLogError, OSError):
                pass  # the integrator says so; how long the backlog is, nobody knows
            finally:
                self._look_at = time.monotonic() + LOOK_SECONDS
                self._looking.release()
        return self._behind

    @property
    def too_long(self) -> bool:
        """Whether more than TRACEABILITY_LOG_MAX_BEHIND events are not published."""
        return self.behind() > self._engine.settings.log_max_behind

    def pause(self, stopping: Event) -> None:
        """Wait while it is too long, for PAUSE_SECONDS at most or until `stopping`."""
        deadline = time.monotonic() + PAUSE_SECONDS
        while self.too_long and time.monotonic() < deadline and not stopping.wait(_STEP_SECONDS):
            pass

    def _count(self) -> int:
        head = self._engine.ledger.head()
        for log in reversed(published_logs(self._engine)):
            if (served := log.served()) is not None:
                identity = log.database.identity
                published = identity.first_position - 1 + served[0].size
                return head - min(published, head if identity.last_position is None else identity.last_position)
        return head
