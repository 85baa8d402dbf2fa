"""The thread of a server that runs capture jobs: its own and those of servers that are gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from adapters.postgres.capture_jobs import LostLeaseError
from api.background import Background
from api.backlog import Backlog
from api.capture.blocks import BlockWorkers
from api.capture.published import Watches
from api.capture.receive import take_job, tidy
from api.capture.run import CaptureRun
from api.wiring import Engine
from traceability.errors import UnavailableError
from traceability.ledger.capture import CaptureJob, Phase

POLL_SECONDS: Final = 1.0
REST_SECONDS: Final = 60.0
"""Idleness after which the processes that read documents are ended."""
TIDY_SECONDS: Final = 3600.0
_log: Final = structlog.stdlib.get_logger("api.capture")


class CaptureRunner:
    """Runs one job at a time; any number of processes may have one.

    A job that fails for want of a database, a disk or memory is left, and taken up again when its lease has run out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._backlog = Backlog(engine)
        self.background = Background("capture", self._run)
        """Ends after the batch in progress; the job is left for the next runner."""
        self.watches = Watches()

    def wake(self) -> None:
        """Look for a job now, not at the next poll."""
        self.background.woken.set()

    def _run(self) -> None:
        tidied = -TIDY_SECONDS
        with BlockWorkers(self._engine.settings.capture_workers) as workers:
            busy = time.monotonic()
            while not self.background.stops:
                try:
                    if time.monotonic() - tidied > TIDY_SECONDS:
                        tidied = time.monotonic()
                        tidy(self._engine)
                    job = take_job(self._engine)
                    if job is not None:
                        self._run_job(job, workers)
                        busy = time.monotonic()
                        continue
                except UnavailableError as error:
                    _log.warning("no capture job can be taken", code=error.code, reason=error.message)
                except Exception:  # noqa: BLE001 - a runner that ended without a word would look like one that is idle
                    _log.exception("no capture job can be taken")
                if time.monotonic() - busy > REST_SECONDS:
                    workers.rest()
                self.background.rest(POLL_SECONDS)

    def _run_job(self, job: CaptureJob, workers: BlockWorkers) -> None:
        log = _log.bind(job=str(job.job_id))
        try:
            ended = CaptureRun(self._engine, workers, job, progress=self._go_on).run()
        except _StoppedError:
            self._engine.jobs.release(job)
        except LostLeaseError:
            log.warning("capture job taken over")
        except (psycopg.Error, PoolTimeout, UnavailableError, OSError) as error:
            log.warning("capture job interrupted", reason=str(error))
        except Exception:
            log.exception("capture job failed")
        else:
            log.info("capture job ended", phase=ended.phase, recorded=ended.counts.recorded)
            self.watches.end(job.job_id)

    def _go_on(self, phase: Phase, *_: object) -> None:
        if phase is Phase.APPENDING:
            self._backlog.pause(self.background.stopping)
        if self.background.stops:
            raise _StoppedError


class _StoppedError(BaseException):
    """The server is to end: nothing that went wrong."""


@contextmanager
def capturing(engine: Engine) -> Iterator[CaptureRunner]:
    """Run jobs in the background for as long as the context lasts."""
    runner = CaptureRunner(engine)
    with runner.background:
        yield runner
