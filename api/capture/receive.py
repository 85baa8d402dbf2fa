"""From what was sent to a job: on disk and synced before anybody is told that it was received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg

from adapters.feeds.spool import Upload
from api.wiring import Engine
from traceability.errors import BusyError, ConflictError, NotFoundError
from traceability.ledger.capture import CaptureJob, ErrorBehaviour
from traceability.ledger.identifiers import event_id

_SUFFIXES: Final = (".json", ".jsonld", ".xml", ".gz", ".zip")


def admit(engine: Engine, organisation: str) -> None:
    """Raise `BusyError` while the organisation has too many captures that are not finished."""
    jobs, _ = engine.jobs.open_jobs(organisation)
    if jobs >= engine.settings.capture_max_jobs:
        raise BusyError(
            f"{jobs} captures of yours are not finished",
            code="capture.busy",
            hint="Wait until one is: GET /epcis/capture lists them.",
        )


def new_job_id(engine: Engine) -> UUID:
    """Return the id of a job to be."""
    return event_id(engine.clock.now_us(), engine.entropy.token(10))


@contextmanager
def receiving(
    engine: Engine,
    organisation: str,
    behaviour: ErrorBehaviour,
    *,
    request_key: str | None = None,
    held: bool = False,
    announced: int = 0,
    job_id: UUID | None = None,
    listing: bool = False,
    partner: str | None = None,
    beside: Callable[[psycopg.Connection, UUID], None] | None = None,
) -> Iterator[tuple[Upload, Callable[[], CaptureJob]]]:
    """Give where to put documents, and a function that makes a job of them once they are all there.

    Without a call of the function nothing stays. `held`: the caller runs the job itself, and may fill the disk.
    `request_key` is the Idempotency-Key of a request: the same documents sent again with it are the job that they made
    the first time. `announced` bytes are to come, 0 when nobody knows. `job_id` is a `new_job_id`, for a caller that
    has to know it before there is the job, and `listing` has it keep which events it captured, for whom waits for it.
    `partner` and `beside` are as `PostgresCaptureJobs.create` takes them.
    Raises as `Spool.receiving`, `Upload.file` and `PostgresCaptureJobs.create` do.
    """
    job_id = job_id or new_job_id(engine)
    room = None if held else partial(_room, engine)
    with engine.spool.receiving(job_id, room=room, announced=announced) as upload:

        def make() -> CaptureJob:
            received = upload.done()
            # From here on there may be the job, even if nobody comes to know of it.
            upload.kept = True
            try:
                job = engine.jobs.create(
                    job_id,
                    organisation=organisation,
                    behaviour=behaviour,
                    documents=received.documents,
                    size=received.size,
                    request=None if request_key is None else (request_key, received.digest + behaviour.encode()),
                    held=held,
                    listing=listing,
                    partner=partner,
                    beside=beside,
                )
            except ConflictError:
                upload.kept = False
                raise
            upload.kept = job.job_id == job_id
            return job

        yield upload, make


def _room(engine: Engine) -> int:
    """Return how many bytes more the spool may take beside the documents of jobs and what is being uploaded."""
    here = engine.spool.jobs()
    jobs = engine.jobs.sizes(here)
    return engine.settings.spool_max_bytes - sum(jobs.values()) - sum(map(engine.spool.size, here - jobs.keys()))


def take_job(engine: Engine) -> CaptureJob | None:
    """Take the oldest job that nobody holds and whose documents are here, None when there is none."""
    return engine.jobs.claim(engine.spool.jobs())


def tidy(engine: Engine) -> None:
    """Remove from the spool what a crash left: the documents of finished jobs, and uploads that became none."""
    here = engine.spool.jobs()
    finished = engine.jobs.finished(here)
    for job_id in here:
        if job_id not in finished:
            engine.spool.remove_if_stray(job_id)
        elif finished[job_id]:
            engine.spool.remove(job_id)


def files_of(paths: list[Path]) -> list[Path]:
    """Return the files, and in place of a folder the documents and archives in it, by name.

    Raises `NotFoundError` (`feed.file`) for a path that is not there, and a folder without documents.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.name.endswith(_SUFFIXES) and file.is_file())
        if not inside:
            raise NotFoundError(
                f"No documents are in {path}", code="feed.file", hint=f"They end in {', '.join(_SUFFIXES)}."
            )
        found += inside
    return found
