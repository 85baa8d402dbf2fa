"""A partner being read by this process: its hold is renewed while that lasts, and its captures are run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from adapters.postgres.partners import Held, PostgresPartners, no_such_partner
from api.backlog import Backlog
from api.capture.blocks import BlockWorkers
from api.capture.run import CaptureRun
from api.wiring import Engine
from traceability.ledger.capture import CaptureJob, Counts, Phase
from traceability.ledger.partners import Partner, Progress, Standing, partner_name

_SECOND: Final = 1_000_000


class StoppedError(BaseException):
    """The process is to end: nothing that went wrong."""


class Reading:
    """A partner in the hands of this process; `told` is told how many events have come."""

    def __init__(
        self,
        engine: Engine,
        held: Held,
        workers: BlockWorkers,
        *,
        stopping: threading.Event,
        told: Callable[[int], None],
    ) -> None:
        self.engine = engine
        self.held = held
        self.partners = partners_of(engine)
        self.progress: Progress = held.progress
        self.events = 0
        self.captures = 0
        self.counts = Counts()
        self._workers = workers
        self._stopping = stopping
        self._told = told
        self._backlog = Backlog(engine)
        self._renewed = engine.clock.now_us()

    def beat(self) -> None:
        """Go on, with the hold renewed; raises `StoppedError`, and `LostPartnerError` when another has taken over."""
        if self._stopping.is_set():
            raise StoppedError
        now = self.engine.clock.now_us()
        if now - self._renewed > self.partners.lease_us // 6:
            self.partners.renew(self.held)
            self._renewed = now

    def run(self, job: CaptureJob) -> None:
        """Bring a capture to its end; should this be interrupted, whoever runs captures does."""
        try:
            ended = CaptureRun(self.engine, self._workers, job, progress=self._capturing).run()
        except (StoppedError, KeyboardInterrupt):
            self.engine.jobs.release(job)
            raise
        self.captures += 1
        self.counts = self.counts.plus(ended.counts)

    def count(self, events: int) -> None:
        """Note that events came."""
        self.events += events
        self._told(self.events)

    def captured(self, job: CaptureJob) -> None:
        """Bring a capture to its end, and count its events as those that came."""
        before = self.counts
        self.run(job)
        events = self.counts.events - before.events
        with self.engine.pool.connection() as connection:
            self.partners.advance(connection, self.held, self.progress, received=events, known=0)
        self.count(events)

    def _capturing(self, phase: Phase, *_: object) -> None:
        if phase is Phase.APPENDING:
            self._backlog.pause(self._stopping)
        self.beat()


def partners_of(engine: Engine) -> PostgresPartners:
    """Return the partners of the engine's ledger."""
    settings = engine.settings
    # Nothing is heard of a reading while its partner takes its time.
    lease_us = (settings.capture_lease_seconds + settings.partner_timeout_seconds) * _SECOND
    return PostgresPartners(engine.pool, engine.ledger.ledger_id, clock=engine.clock, lease_us=lease_us)


def administered(engine: Engine, organisation: str, name: str) -> tuple[Partner, Standing]:
    """Return a partner of an organisation, to the operator any; raises `NotFoundError` (`partner.unknown`).

    A partner of another organisation is as one that does not exist.
    """
    partner, standing = partners_of(engine).get(partner_name(name))
    if organisation not in (partner.organisation, engine.settings.operator):
        raise no_such_partner(name)
    return partner, standing
