"""Which logs a server serves, known without asking the database for every tile."""

from __future__ import annotations

import time
from threading import Lock
from typing import Final

from adapters.postgres.notary import find_logs
from api.wiring import Engine
from traceability.errors import NotFoundError

LOOK_SECONDS: Final = 1.0


class LogNames:
    """The names of the ledger's logs. Logs are only added, so a known name stays known.

    For an unknown one the database is asked, at most once in LOOK_SECONDS: a crowd that reads the log, or makes up
    names, must not take its connections from those who write.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known = {engine.ledger.name}  # the first, whether it is there yet or not
        self._look_at = 0.0
        self._lock = Lock()

    def check(self, name: str) -> None:
        """Raise `NotFoundError` (`log.unknown`) unless the ledger has this log."""
        if name not in self._known:
            with self._lock:
                if time.monotonic() >= self._look_at:
                    logs = find_logs(self._engine.pool, self._engine.ledger.ledger_id)
                    self._known.update(log.identity.name for log in logs)
                    self._look_at = time.monotonic() + LOOK_SECONDS
        if name not in self._known:
            raise NotFoundError("There is no such log", code="log.unknown")
