"""A capture that is answered when its events are published: `POST /epcis/capture?wait=published`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from api.notary import receipt_of
from api.published import LOOK_SECONDS, WAIT_SECONDS, until_position
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.ledger.capture import Captured, CaptureJob

PROVEN: Final = 100
"""How many events a job may have for their receipts to come along."""
_ASK_SECONDS: Final = 0.2  # of the database, about a job that another process runs


class Watches:
    """The jobs that requests of this process wait for: each is told when the runner here is done with it."""

    def __init__(self) -> None:
        self._ended: dict[UUID, threading.Event] = {}

    def end(self, job_id: UUID) -> None:
        """Tell whoever waits for a job that it has ended."""
        if (ended := self._ended.get(job_id)) is not None:
            ended.set()

    @contextmanager
    def watch(self, job_id: UUID) -> Iterator[threading.Event]:
        """Watch a job, which does not exist yet, for as long as the context lasts."""
        ended = self._ended[job_id] = threading.Event()
        try:
            yield ended
        finally:
            del self._ended[job_id]


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event of a job with its proof, None when the job has more events than proofs are sent of."""

    captured: Captured
    proof: str | None


@dataclass(frozen=True, slots=True)
class PublishedJob:
    """A job that has ended, and its events, which are published; None when nobody waited for it when it was sent."""

    job: CaptureJob
    captured: Sequence[Captured] | None


async def until_published(
    engine: Engine, job: CaptureJob, ended: threading.Event, wake: threading.Event
) -> PublishedJob | None:
    """Return the job when it has ended and the last of its events is published, None after `WAIT_SECONDS`.

    `wake` is set when there is something to integrate. Whichever process runs the job, the database tells which events
    are its own; where it does not know all of them, all that is recorded by now is waited for.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    if (done := await _until_ended(engine, job, ended, deadline)) is None:
        return None
    captured = await run_in_threadpool(engine.jobs.captured, done)
    whole = captured is not None and len(captured) == done.counts.recorded + done.counts.duplicates
    if captured is not None and whole:
        goal = max((one.position for one in captured), default=0)
    else:
        goal = await run_in_threadpool(engine.ledger.head)
    if goal and not await until_position(engine, goal, wake, deadline):
        return None
    return PublishedJob(done, captured)


async def _until_ended(engine: Engine, job: CaptureJob, ended: threading.Event, deadline: float) -> CaptureJob | None:
    asked = time.monotonic()
    while True:
        now = time.monotonic()
        if ended.is_set() or now - asked > _ASK_SECONDS:
            job = await run_in_threadpool(engine.jobs.get, job.organisation, job.job_id)
            asked = now
            if not job.running:
                return job
        if now > deadline:
            return None
        await asyncio.sleep(LOOK_SECONDS)


def receipts(engine: Engine, reader: Reader, published: PublishedJob) -> list[Receipt] | None:
    """Return the receipts of a job's published events, None when it is not known which they are."""
    captured = published.captured
    if captured is None:
        return None
    proofs: dict[int, str] = {}
    counts = published.job.counts
    if counts.recorded + counts.duplicates <= PROVEN:
        for record in engine.ledger.records(sorted({one.position for one in captured})):
            proofs[record.position] = receipt_of(engine, record, reader).text()
    return [Receipt(one, proofs.get(one.position)) for one in captured]
