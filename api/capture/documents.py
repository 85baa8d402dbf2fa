"""The documents of a job: what is around their events, and where these lie, found without reading them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from adapters.feeds.spool import Spool
from traceability.gs1.epcis.blocks import Readable
from traceability.gs1.epcis.envelope import Envelope, open_envelope
from traceability.gs1.epcis.strict_json import dumps
from traceability.ledger.capture import CaptureJob

MAX_HEADER_BYTES: Final = 1 << 26
"""Of master data in all headers of a job: it waits in memory while the events are checked."""


@dataclass(frozen=True, slots=True)
class JobDocument:
    """A document of a job: `context` is its @context as JSON, empty for none; its events begin with the job's `first`.

    Documents and events count from 0. `master_data` is that of its header, None when there was too much before it.
    """

    number: int
    envelope: Envelope
    context: bytes
    first: int
    master_data: bytes | None
    created_at: int | None

    @property
    def context_of_letters(self) -> bytes:
        """What is kept with an event that is not recorded: one in XML is kept with its namespaces."""
        return b"" if self.envelope.in_xml else self.context

    @property
    def is_broken(self) -> bool:
        """Whether something is wrong with the document itself."""
        return any(problem.severity == "error" for problem in self.envelope.problems)


def open_documents(spool: Spool, job: CaptureJob, seen: Callable[[int], None]) -> Iterator[JobDocument]:
    """Yield the documents of a job in order; `seen` is told how many bytes of all of them are read.

    Raises OSError, FileNotFoundError where one is no longer in the spool.
    """
    first = done = headers = 0
    for number in range(len(job.documents)):
        path = spool.document(job.job_id, number)
        with path.open("rb") as stream:
            envelope = open_envelope(_Watched(stream, seen, done))
        done += path.stat().st_size
        master_data: bytes | None = envelope.master_data
        if len(envelope.master_data) > MAX_HEADER_BYTES - headers:
            master_data = None
        headers += len(master_data or b"")
        context = b"" if envelope.context is None else dumps(envelope.context)
        # A document's other members may be long, and a job may have thousands.
        bare = replace(envelope, members={})
        yield JobDocument(number, bare, context, first, master_data, envelope.created_at)
        first += envelope.events


class _Watched:
    """A document that tells how far it was read."""

    def __init__(self, document: Readable, seen: Callable[[int], None], before: int) -> None:
        self._document = document
        self._seen = seen
        self._done = before

    def read(self, size: int, /) -> bytes:
        data = self._document.read(size)
        self._done += len(data)
        self._seen(self._done)
        return data
