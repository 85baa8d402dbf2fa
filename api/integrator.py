"""The thread that integrates a server's log: what was committed is in a signed, published tree within moments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from api.background import Background
from api.meta_log import MetaLog
from api.notary import published_log, published_logs, writable_log
from api.wiring import Engine
from traceability.errors import TraceabilityError, UnavailableError
from traceability.notary.cosigning import UnmetQuorumError
from traceability.notary.errors import StaleCheckpointError
from traceability.notary.log import Log
from traceability.notary.ports import LogDatabase

POLL_SECONDS: Final = 0.2
FOLLOW_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 30.0
"""How often at most it is looked whether an idle log needs new cosignatures."""
QUORUM_SECONDS: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_log: Final = structlog.stdlib.get_logger("api.integrator")


class Integrator:
    """Leads when no other process does, else stands by.

    A database or disk that fails is tried again, and so are witnesses, after longer and longer pauses. A log that was
    rolled back or damaged is not, nor after an error that nobody expected: nothing is signed, and `problem` says why
    until the server is started again. `leads` tells others in this process whether it is the one of all that
    integrates.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        name = engine.settings.log_meta_ledger
        self._meta = None if name is None else MetaLog(engine, name)
        self._unmet = 0
        self._look_again = 0.0
        self.background = Background("integrator", self._run)
        """Finishes the round in progress; what it leaves undone the next leader does."""
        self.wake = self.background.woken
        """To be set when something was recorded, so that it is integrated now and not at the next poll."""
        self.problem: TraceabilityError | None = None
        self.leads = False

    def _run(self) -> None:
        while not self.background.stops:
            try:
                self._lead()
            except UnmetQuorumError as error:
                self.problem = error
                _log.warning("checkpoint not cosigned", code=error.code, reason=error.message)
                self.background.pause(QUORUM_SECONDS[min(self._unmet, len(QUORUM_SECONDS) - 1)])
                self._unmet += 1
            except (psycopg.Error, PoolTimeout, UnavailableError, StaleCheckpointError, OSError) as error:
                self.problem = _unavailable(error)
                _log.warning("log not integrated", code=self.problem.code, reason=self.problem.message)
                self.background.pause(RETRY_SECONDS)
            except TraceabilityError as error:
                self.problem = error
                _log.critical("log stopped", code=error.code, reason=error.message)
                return
            except Exception:  # noqa: BLE001
                # A thread that ended without a word would look like one that has nothing to do.
                self.problem = TraceabilityError("The log stopped: something went wrong here", code="log.stopped")
                _log.exception("log stopped")
                return

    def _lead(self) -> None:
        database, log = writable_log(self._engine)
        with database.leadership() as leads:
            if leads:
                self.leads = True
                try:
                    self._record_all()
                    self._integrate(database, log)
                finally:
                    self.leads = False
                return
            self.problem = None
        self.background.pause(FOLLOW_SECONDS)

    def _integrate(self, database: LogDatabase, log: Log) -> None:
        published = published_log(self._engine, database.identity.name)
        while not self.background.stops:
            checkpoint = log.integrate()
            self.problem, self._unmet = None, 0
            ended = checkpoint is None and database.identity.last_position is not None
            if self._meta is not None:
                self._meta.record(published, now=ended)
            if ended:
                return  # closed, and published to its end: the next log is this ledger's now
            if checkpoint is None:
                self._refresh(log)
                self.background.rest(POLL_SECONDS)

    def _refresh(self, log: Log) -> None:
        seconds = self._engine.settings.log_publish_interval
        if not seconds or time.monotonic() < self._look_again:
            return
        # The old cosignatures stay served, and stay true: it is no problem of this server that there are no new ones.
        if not log.refresh(seconds * 1_000_000):
            _log.warning("checkpoint not cosigned anew", reason="a quorum of the witnesses did not answer")
        self._look_again = time.monotonic() + min(seconds, REFRESH_SECONDS)

    def _record_all(self) -> None:
        """Record what a leader published that died before it was recorded: of a closed log nobody would again."""
        if self._meta is not None:
            for log in published_logs(self._engine):
                self._meta.record(log, now=True)


@contextmanager
def integrating(engine: Engine) -> Iterator[Integrator]:
    """Integrate the engine's log in the background for as long as the context lasts.

    Raises `RolledBackError` before anything is served when what is published is ahead of the database, or contradicts
    it, and `UnavailableError` (`log.key_file`) when the key cannot be used.
    """
    writable_log(engine)[1].check()
    integrator = Integrator(engine)
    with integrator.background:
        yield integrator


def _unavailable(error: Exception) -> TraceabilityError:
    if isinstance(error, TraceabilityError):
        return error
    return UnavailableError(f"The log cannot be integrated: {error}", code="log.interrupted")
