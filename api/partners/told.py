"""A partner as it is told of, over HTTP and on the command line: what it is, how it stands, never its secret."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from adapters.postgres.partner_files import PostgresPartnerFiles
from api.partners.reading import partners_of
from api.wiring import Engine
from traceability.ledger.event import utc_text
from traceability.ledger.partners import Accept, Kind, Partner, Standing

_SHOWN: Final = 20


class FailureOut(BaseModel):
    """What went wrong the last time that something did; `failures` tells whether it still does."""

    at: str = Field(examples=["2026-03-01T08:15:00.000000Z"])
    code: str = Field(examples=["outgoing.unreachable"])
    message: str


class PartnerOut(BaseModel):
    """A partner, and how it stands.

    `received` events came, of which `known` were in the ledger and not captured again. `rate` is events a second of the
    last reading that brought any, `cursor` the recordTime up to which everything of a repository is here.
    """

    name: str
    organisation: str
    kind: Kind
    address: str = Field(examples=["https://dairy.example/epcis/events"])
    accept: Accept
    overlap_seconds: float
    csv: bool = Field(description="Whether a mapping says what the columns of its CSV are.")
    header: str | None = Field(
        description="The name of the header that carries its secret.", examples=["Authorization"]
    )
    created_at: str
    cursor: str | None
    received: int
    known: int
    rate: float | None
    working: bool = Field(description="Whether it is being read now.")
    failures: int = Field(description="In a row, since the last success.")
    last_success: str | None
    last_error: FailureOut | None
    next_attempt: str | None


class CaptureOut(BaseModel):
    """A capture of what a partner sent; its findings are at `findings`."""

    capture_id: UUID
    created_at: str
    running: bool
    documents: list[str]
    recorded: int
    duplicates: int
    conflicts: int
    malformed: int
    findings: str = Field(examples=["/findings?job=019ca877-0c1b-7000-8000-000000000001"])


class FileOut(BaseModel):
    """A file of which something is to be told: it could not be captured, or columns of it were left out."""

    name: str
    code: str
    message: str
    captured: bool


class StatusOut(PartnerOut):
    """A partner with what became of its events, as far as its captures are kept, and the newest of these."""

    recorded: int
    duplicates: int
    conflicts: int
    malformed: int
    open_findings: int
    captures: list[CaptureOut]
    files: list[FileOut]


def told(partner: Partner, standing: Standing) -> PartnerOut:
    """Describe a partner."""
    return PartnerOut(**_described(partner, standing))


def status(engine: Engine, name: str) -> StatusOut:
    """Describe a partner with its captures; raises `NotFoundError` (`partner.unknown`)."""
    partners = partners_of(engine)
    partner, standing = partners.get(name)
    totals = partners.totals(name)
    files = PostgresPartnerFiles(engine.pool, engine.ledger.ledger_id).noted(name, limit=_SHOWN)
    return StatusOut(
        **_described(partner, standing),
        recorded=totals.counts.recorded,
        duplicates=totals.counts.duplicates,
        conflicts=totals.counts.conflicts,
        malformed=totals.counts.malformed,
        open_findings=totals.open_findings,
        captures=[
            CaptureOut(
                capture_id=job.job_id,
                created_at=utc_text(job.created_at),
                running=job.running,
                documents=list(job.documents),
                recorded=job.counts.recorded,
                duplicates=job.counts.duplicates,
                conflicts=job.counts.conflicts,
                malformed=job.counts.malformed,
                findings=f"/findings?job={job.job_id}",
            )
            for job in engine.jobs.of_partner(name, limit=_SHOWN)
        ],
        files=[
            FileOut(name=file.name, code=file.code or "", message=file.error or "", captured=file.job_id is not None)
            for file in files
        ],
    )


def _described(partner: Partner, standing: Standing) -> dict[str, Any]:
    failure = standing.failure
    return {
        "name": partner.name,
        "organisation": partner.organisation,
        "kind": partner.kind,
        "address": partner.address,
        "accept": partner.accept,
        "overlap_seconds": partner.overlap_us / 1_000_000,
        "csv": partner.mapping is not None,
        "header": partner.header,
        "created_at": utc_text(partner.created_at),
        "cursor": _time(standing.progress.cursor),
        "received": standing.received,
        "known": standing.known,
        "rate": None if standing.rate is None else round(standing.rate, 1),
        "working": standing.working,
        "failures": standing.failures,
        "last_success": _time(standing.succeeded_at),
        "last_error": None
        if failure is None
        else FailureOut(at=utc_text(failure.at), code=failure.code, message=failure.message),
        "next_attempt": None if partner.kind is Kind.WEBHOOK else _time(standing.next_at),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else utc_text(at)
