"""EPCIS capture (EPCIS 2.0 §12.6.1): documents in, a job out that tells what became of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import contextmanager_in_threadpool, run_in_threadpool
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from adapters.feeds.spool import Upload
from api.capture.published import PublishedJob, Receipt, Watches, receipts, until_published
from api.capture.receive import admit, new_job_id, receiving
from api.capture.runner import CaptureRunner
from api.epcis_headers import VERSIONS, capture_limits
from api.epcis_negotiation import VersionsDep, check_captured
from api.findings import findings_of
from api.keeping_up import KeepingUp
from api.page_tokens import next_page, place_of
from api.published import integrator_wake
from api.receipts import receipt_address
from api.routers.epcis_answers import WishDep, link_headers
from api.security import CaptureDep, EngineDep
from api.web.negotiation import JSON
from api.wiring import Engine
from traceability.errors import InvalidInputError, TooLargeError
from traceability.ledger.capture import CaptureJob, ErrorBehaviour, Phase
from traceability.ledger.event import utc_text
from traceability.ledger.findings import Finding, FindingFilter
from traceability.ledger.store import Outcome

router = APIRouter(prefix="/epcis", tags=["capture"])

PATH: Final = "/epcis/capture"
_ERRORS_SHOWN: Final = 100
_MOST_A_PAGE: Final = 100
_KEY_LENGTH: Final = 255
_NAME: Final = "document"
_TOO_MANY_EVENTS: Final = "capture.too_many_events"


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=_KEY_LENGTH,
        description="The same key with the same body again is the same request, answered as it was.",
    ),
]


class ErrorOut(BaseModel):
    """What is wrong with an event or the document, as problem details; `finding` is its address."""

    type: str = Field(examples=["epcisException:ValidationException"])
    title: str = Field(examples=["epcis.naive_time"])
    status: int = 400
    detail: str
    code: str = Field(examples=["epcis.naive_time"])
    document: str
    path: str = Field(description="JSONPath (RFC 9535)", examples=["$.epcisBody.eventList[1].eventTime"])
    finding: str = Field(examples=["/findings/019ca877-0c1b-7000-8000-000000000001"])


class ElementsOut(BaseModel):
    """Elements of master data in the headers: recorded, said before by the organisation, left out for what is wrong."""

    recorded: int
    unchanged: int
    malformed: int


class CaptureJobOut(BaseModel):
    """A capture job: `running` and `success` together say how it stands (EPCIS 2.0 §12.6.1).

    Running and successful: nothing is wrong so far. Ended and successful: every event is recorded, or was before. Not
    successful: under `rollback` nothing was captured, under `proceed` the good events were. An event in conflict with a
    recorded one makes a job unsuccessful, since it is not captured.
    """

    capture_id: UUID = Field(serialization_alias="captureID")
    created_at: str = Field(serialization_alias="createdAt")
    finished_at: str | None = Field(serialization_alias="finishedAt")
    running: bool
    success: bool
    capture_error_behaviour: ErrorBehaviour = Field(serialization_alias="captureErrorBehaviour")
    phase: Phase
    documents: list[str]
    bytes: int
    recorded: int
    duplicates: int
    conflicts: int
    malformed: int
    master_data: ElementsOut = Field(serialization_alias="masterData")
    errors: list[ErrorOut] | None = Field(default=None, description="The first hundred; all of them are at /findings.")

    @classmethod
    def of(cls, job: CaptureJob, errors: list[Finding] | None) -> CaptureJobOut:
        """Describe a job."""
        return cls(
            capture_id=job.job_id,
            created_at=utc_text(job.created_at),
            finished_at=None if job.finished_at is None else utc_text(job.finished_at),
            running=job.running,
            success=job.success,
            capture_error_behaviour=job.behaviour,
            phase=job.phase,
            documents=list(job.documents),
            bytes=job.size,
            recorded=job.counts.recorded,
            duplicates=job.counts.duplicates,
            conflicts=job.counts.conflicts,
            malformed=job.counts.malformed,
            master_data=ElementsOut(**asdict(job.elements)),
            errors=None if errors is None else [_error(finding) for finding in errors],
        )


class ReceiptOut(BaseModel):
    """An event of a job, recorded now or before, with its receipt (C2SP tlog-proof)."""

    document: str
    path: str = Field(description="JSONPath (RFC 9535)", examples=["$.epcisBody.eventList[1]"])
    outcome: Outcome
    position: int
    event_id: UUID = Field(description="Ours, not EPCIS's eventID.")
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])
    proof: str | None = Field(description="The receipt itself; null in a job of more than a hundred events.")


class PublishedJobOut(CaptureJobOut):
    """A job that has ended and whose events are published, with the first thousand of them.

    `receipts` is null when the job is that of an earlier request that did not wait.
    """

    receipts: list[ReceiptOut] | None


@router.post(
    "/capture",
    status_code=202,
    summary="Send a document of events",
    response_model=CaptureJobOut,
    responses={200: {"model": PublishedJobOut, "description": "With `wait=published`: all is recorded and published."}},
)
async def capture(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: CaptureDep,
    _: KeepingUp,
    __: VersionsDep,
    behaviour: Annotated[
        ErrorBehaviour,
        Header(alias="GS1-Capture-Error-Behaviour", description="What one malformed event does to the others."),
    ] = ErrorBehaviour.ROLLBACK,
    key: IdempotencyKey = None,
    wait: Annotated[
        Literal["published"] | None,
        Query(description="Answer when the job has ended and its events are published, with their receipts."),
    ] = None,
) -> CaptureJobOut | Response:
    """Take an EPCISDocument or EPCISQueryDocument of any length in JSON or XML, plain, gzip or a zip of several.

    It is on disk when this answers 202; `Location` is the job. Validation and recording follow. 429 with `Retry-After`
    when too many of your documents, or too many bytes of anybody's, are waiting; 503 with `Retry-After` and the code
    `log.behind` while the log cannot keep up.

    With `wait=published` it answers 200 once the job has ended and its events are in a published checkpoint, with their
    receipts; after ten seconds without that 202 as usual.
    """
    check_captured(request.headers)
    length = request.headers.get("content-length", "")
    announced = int(length) if length.isdecimal() else 0
    if announced > engine.settings.capture_max_bytes:
        raise TooLargeError(
            f"A document or archive has at most {engine.settings.capture_max_bytes} bytes", code="capture.too_long"
        )
    await run_in_threadpool(admit, engine, caller.organisation)
    job_id = new_job_id(engine)
    received = receiving(
        engine,
        caller.organisation,
        behaviour,
        request_key=key,
        announced=announced,
        job_id=job_id,
        listing=wait is not None,
    )
    runner: CaptureRunner | None = getattr(request.app.state, "capture_runner", None)
    # Before there is the job: its runner may be done with it before this comes back.
    with (Watches() if runner is None else runner.watches).watch(job_id) if wait else nullcontext() as ended:
        job = await _receive(request, received)
        if runner is not None:
            runner.wake()
        response.headers["Location"] = f"{PATH}/{job.job_id}"
        _tell_limits(response, engine)
        if ended is None or (done := await until_published(engine, job, ended, integrator_wake(request))) is None:
            return CaptureJobOut.of(job, None)
        return await run_in_threadpool(_published, engine, done, dict(response.headers))


async def _receive(
    request: Request, received: AbstractContextManager[tuple[Upload, Callable[[], CaptureJob]]]
) -> CaptureJob:
    async with contextmanager_in_threadpool(received) as (upload, make):
        async with contextmanager_in_threadpool(upload.file(_NAME)) as out:
            try:
                async for chunk in request.stream():
                    await run_in_threadpool(out.write, chunk)
            except ClientDisconnect as error:
                raise InvalidInputError("The upload broke off", code="capture.broken_off") from error
        return await run_in_threadpool(make)


def _published(engine: Engine, published: PublishedJob, headers: dict[str, str]) -> Response:
    job = published.job
    found = receipts(engine, engine.organisations.reader(job.organisation), published)
    told = CaptureJobOut.of(job, _errors(engine, job)).model_dump()
    body = PublishedJobOut(**told, receipts=None if found is None else [_receipt(one) for one in found])
    return Response(body.model_dump_json(by_alias=True), media_type=JSON, headers=headers)


def _receipt(one: Receipt) -> ReceiptOut:
    captured = one.captured
    return ReceiptOut(
        document=captured.document,
        path=captured.path,
        outcome=captured.outcome,
        position=captured.position,
        event_id=captured.event_id,
        receipt=receipt_address(captured.event_id),
        proof=one.proof,
    )


@router.get("/capture", summary="What became of what was sent")
def jobs(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: CaptureDep,
    _: WishDep,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=_MOST_A_PAGE)] = 30,
    token: Annotated[str | None, Query(alias="nextPageToken", description="From the Link of the page before.")] = None,
) -> list[CaptureJobOut]:
    """Return your organisation's jobs, the newest first; `Link` with rel="next" leads to older ones."""
    before = None if token is None else place_of(engine, PATH, token, UUID)
    found = engine.jobs.list(caller.organisation, before=before, limit=per_page + 1)
    shown = found[:per_page]
    if len(found) > len(shown):
        following = next_page(engine, PATH, shown[-1].job_id)
        response.headers.update(link_headers(engine, request, following))
    _tell_limits(response, engine)
    return [CaptureJobOut.of(job, None) for job in shown]


@router.get("/capture/{captureID}", summary="What became of one document")
def job(
    response: Response,
    engine: EngineDep,
    caller: CaptureDep,
    _: WishDep,
    capture_id: Annotated[UUID, Path(alias="captureID")],
) -> CaptureJobOut:
    """Return a job with the first of its errors."""
    found = engine.jobs.get(caller.organisation, capture_id)
    _tell_limits(response, engine)
    response.headers["Link"] = f'</findings?job={capture_id}>; rel="related"'
    return CaptureJobOut.of(found, _errors(engine, found))


def _errors(engine: Engine, job: CaptureJob) -> list[Finding]:
    wanted = FindingFilter(job_id=job.job_id, severity="error")
    return findings_of(engine).page(job.organisation, wanted, limit=_ERRORS_SHOWN, oldest_first=True)


def _tell_limits(response: Response, engine: Engine) -> None:
    response.headers.update(VERSIONS)
    response.headers.update(capture_limits(engine.settings))


def _error(finding: Finding) -> ErrorOut:
    limited = finding.code == _TOO_MANY_EVENTS
    return ErrorOut(
        type="epcisException:CaptureLimitExceededException" if limited else "epcisException:ValidationException",
        title=finding.code,
        detail=finding.message,
        code=finding.code,
        document=finding.origin.document,
        path=finding.path,
        finding=f"/findings/{finding.finding_id}",
    )
