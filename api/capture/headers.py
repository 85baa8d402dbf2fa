"""The master data in the headers of a job's documents: read, stated before the events, and counted.

It never keeps an event out: what breaks a rule is left out and told of. The counts of a job are its cursor among the
elements. One that was recorded just before a crash is found said already by the next runner, and is counted as that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager

import psycopg

from api.capture.documents import MAX_HEADER_BYTES, JobDocument
from api.vocabularies import state
from api.wiring import Engine
from traceability.gs1.epcis.master_data import HEADER, ReadElements, read_header
from traceability.gs1.epcis.problems import Problem
from traceability.ledger.capture import CaptureJob, ElementCounts

_Transaction = Callable[[], AbstractContextManager[psycopg.Connection]]


def header_problems(documents: Iterable[JobDocument]) -> Iterator[tuple[int, Problem]]:
    """Yield what is wrong in the headers of a job's documents, with the number of the document."""
    for document in documents:
        if document.master_data is None:
            message = f"The headers of a job have at most {MAX_HEADER_BYTES} bytes together; this one is left out."
            yield document.number, Problem(None, HEADER, "epcis.master_data", "warning", message)
        for problem in _read(document).problems:
            yield document.number, problem


def state_headers(engine: Engine, job: CaptureJob, documents: Iterable[JobDocument], transaction: _Transaction) -> None:
    """State the elements that are not dealt with, each at the creation of its document, and count them on the job."""
    done = job.elements.dealt_with
    for document in documents:
        if document.is_broken:
            continue
        read = _read(document)
        if done >= len(read.elements) + read.malformed:
            done -= len(read.elements) + read.malformed
            continue
        if read.malformed and not done:
            with transaction() as connection:
                engine.jobs.count_elements(connection, job, ElementCounts(malformed=read.malformed))
        rest, done = read.elements[max(0, done - read.malformed) :], 0
        stated_at = document.created_at or job.created_at
        for stated in state(engine, job.organisation, rest, stated_at=stated_at):
            new = sum(one.new for one in stated)
            with transaction() as connection:
                engine.jobs.count_elements(connection, job, ElementCounts(new, len(stated) - new))


def _read(document: JobDocument) -> ReadElements:
    return read_header(document.master_data or b"", document.envelope.header_context)
