"""A capture that is answered when its events are published: `POST /epcis/capture?wait=published`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from api.capture.run import Dealt
from api.notary import log_holding, receipt_of
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.capture import CaptureJob
from traceability.ledger.store import Outcome

WAIT_SECONDS: Final = 10.0
LISTED: Final = 1_000
"""Events of a job that are told of, and"""
PROVEN: Final = 100
"""how many a job may have for their receipts to come along."""
_LOOK_SECONDS: Final = 0.01
_ASK_SECONDS: Final = 0.2  # of the database, about a job that another process runs


@dataclass(slots=True)
class Watch:
    """A job that somebody waits for: the first of its events, and whether the runner here is done with it."""

    dealt: list[Dealt] = field(default_factory=list)
    events: int = 0
    last: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def take(self, dealt: Sequence[Dealt]) -> None:
        """Take in what became of a batch."""
        found = [one for one in dealt if one.appended.outcome is not Outcome.CONFLICT]
        self.dealt += found[: LISTED - len(self.dealt)]
        self.events += len(found)
        self.last = max([self.last, *(one.appended.position for one in found)])


class Watches:
    """The jobs that requests of this process wait for."""

    def __init__(self) -> None:
        self._watches: dict[UUID, Watch] = {}

    def get(self, job_id: UUID) -> Watch | None:
        """Return the watch of a job, None when nobody waits for it."""
        return self._watches.get(job_id)

    @contextmanager
    def watch(self, job_id: UUID) -> Iterator[Watch]:
        """Watch a job, which does not exist yet, for as long as the context lasts."""
        watch = self._watches[job_id] = Watch()
        try:
            yield watch
        finally:
            del self._watches[job_id]


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event of a job with its proof, None when the job has more events than proofs are sent of."""

    dealt: Dealt
    proof: str | None


async def until_published(engine: Engine, job: CaptureJob, watch: Watch, wake: threading.Event) -> CaptureJob | None:
    """Return the job when it has ended and the last of its events is published, None after `WAIT_SECONDS`.

    `wake` is set when there is something to integrate. A job that another process runs is waited for too, and all that
    is recorded when it is found to have ended.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    ended = await _until_ended(engine, job, watch, deadline)
    if ended is None:
        return None
    here = watch.ended.is_set()
    if here and not watch.events:
        return ended
    goal = watch.last if here else await run_in_threadpool(engine.ledger.head)
    wake.set()
    while not await run_in_threadpool(_is_published, engine, goal):
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(_LOOK_SECONDS)
    return ended


async def _until_ended(engine: Engine, job: CaptureJob, watch: Watch, deadline: float) -> CaptureJob | None:
    asked = time.monotonic()
    while True:
        now = time.monotonic()
        if watch.ended.is_set() or now - asked > _ASK_SECONDS:
            job = await run_in_threadpool(engine.jobs.get, job.organisation, job.job_id)
            asked = now
            if not job.running:
                return job
        if now > deadline:
            return None
        await asyncio.sleep(_LOOK_SECONDS)


def _is_published(engine: Engine, position: int) -> bool:
    try:
        log = log_holding(engine, position)
    except NotFoundError:
        return False
    served = log.served()
    return served is not None and position < log.database.identity.first_position + served[0].size


def receipts(engine: Engine, reader: Reader, watch: Watch) -> list[Receipt] | None:
    """Return the receipts of a watched job's published events; None when another process ran it."""
    if not watch.ended.is_set():
        return None
    proofs: dict[int, str] = {}
    if watch.events <= PROVEN:
        positions = sorted({one.appended.position for one in watch.dealt})
        for record in engine.ledger.records(positions):
            proofs[record.position] = receipt_of(engine, record, reader).text()
    return [Receipt(one, proofs.get(one.appended.position)) for one in watch.dealt]
