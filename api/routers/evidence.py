"""Evidence over HTTP: register a file or its digest, and get the certificate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from hashlib import sha256
from typing import Annotated, Final
from uuid import UUID

from anyio import from_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from api.bundles import evidence_bundle
from api.evidence import EvidenceOut, certificate, describe, find, receipt_of, register, store, stored_file
from api.keeping_up import KeepingUp
from api.notary import MEDIA_TYPE
from api.published import Wait, proof_of
from api.receipts import Proof
from api.routers.zipped import ZIP_CONTENT, zipped
from api.security import CaptureDep, EngineDep, QueryDep, ReaderDep
from api.wiring import Engine
from traceability.errors import InvalidInputError, TooLargeError
from traceability.ledger.evidence import MAX_STATEMENT, EvidenceRegistered, read_sha256

router = APIRouter(prefix="/notary", tags=["evidence"])

PATH: Final = "/notary/evidence"
PDF: Final = "application/pdf"
_JSON: Final = "application/json"
_LONGEST_JSON: Final = 8_192

Key = Annotated[
    str | None,
    Query(max_length=64, description="What the certificate's link has; who registered does without."),
]


class EvidenceIn(BaseModel):
    """A digest to register."""

    model_config = ConfigDict(extra="forbid")
    sha256: str = Field(max_length=80, description="64 hexadecimal digits.")
    size: int | None = Field(default=None, ge=0, le=2**53, description="Bytes.")
    statement: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_STATEMENT,
        description="For the certificate; name no person.",
    )


class RegisteredOut(EvidenceOut):
    """A piece of evidence that was registered now or before."""

    proof: Proof = None


@router.post(
    "/evidence",
    summary="Register evidence",
    status_code=201,
    response_model=RegisteredOut,
    responses={200: {"model": RegisteredOut, "description": "It was registered before, at the time that it tells."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {"schema": EvidenceIn.model_json_schema()},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def register_evidence(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: CaptureDep,
    _: KeepingUp,
    statement: Annotated[str | None, Query(min_length=1, max_length=MAX_STATEMENT)] = None,
    keep: Annotated[bool, Query(description="Keep the file, encrypted, for your organisation alone.")] = False,
    wait: Wait = None,
) -> RegisteredOut:
    """Take a digest as JSON, or any other file as it is: it is hashed while it arrives, and kept only if you say so.

    201 for what is new; 200 for what your organisation registered before, with the time that it was.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON:
        evidence = _from_json(await _body(request, _LONGEST_JSON))
        record, new = await run_in_threadpool(register, engine, caller.organisation, evidence)
    elif keep:
        file = _pieces(_limited(request, engine))
        record, new = await run_in_threadpool(store, engine, caller.organisation, file, statement)
    else:
        evidence = await _from_file(request, engine, statement)
        record, new = await run_in_threadpool(register, engine, caller.organisation, evidence)
    if not new:
        response.status_code = 200
    shown = await run_in_threadpool(describe, engine, record, _base(engine, request))
    response.headers["Location"] = f"{PATH}/{shown.event_id}"
    proof = await proof_of(engine, request, wait, shown.position, partial(receipt_of, engine, record))
    return RegisteredOut(**shown.model_dump(), proof=proof)


@router.get("/evidence/{event_id}", summary="Show evidence")
def show_evidence(
    request: Request, engine: EngineDep, reader: ReaderDep, event_id: UUID, key: Key = None
) -> EvidenceOut:
    """Tell who registered which digest, and when."""
    return describe(engine, find(engine, event_id, reader, key), _base(engine, request))


@router.get("/evidence/{event_id}/file", summary="Get a kept file back", response_class=StreamingResponse)
def evidence_file(engine: EngineDep, caller: QueryDep, event_id: UUID) -> StreamingResponse:
    """Return the file that your organisation had kept; its bytes are those that were registered."""
    record = find(engine, event_id, engine.organisations.reader(caller.organisation))
    plain, file = stored_file(engine, record, caller.organisation)
    return StreamingResponse(
        plain,
        media_type="application/octet-stream",
        headers={**_attached(str(event_id)), "Content-Length": str(plain.size)},
        background=BackgroundTask(file.close),
    )


@router.get("/evidence/{event_id}/receipt", summary="Prove evidence", response_class=Response)
def evidence_receipt(engine: EngineDep, reader: ReaderDep, event_id: UUID, key: Key = None) -> Response:
    """Return the receipt that opens the digest (C2SP tlog-proof); 503 with `Retry-After` until it is published."""
    text = receipt_of(engine, find(engine, event_id, reader, key)).text()
    return Response(text, media_type=MEDIA_TYPE, headers=_attached(f"{event_id}.tlog-proof"))


@router.get(
    "/evidence/{event_id}/bundle",
    summary="Prove evidence, with what is said of it",
    response_class=StreamingResponse,
    responses={200: {"content": ZIP_CONTENT}},
)
def evidence_zip(
    request: Request, engine: EngineDep, reader: ReaderDep, event_id: UUID, key: Key = None
) -> StreamingResponse:
    """Return a bundle that verifies offline: what is shown of the evidence, and its proof (docs/guide/bundles.md)."""
    record = find(engine, event_id, reader, key)
    return zipped(evidence_bundle(engine, reader, record, _base(engine, request)), str(event_id))


@router.get(
    "/evidence/{event_id}/certificate",
    summary="Certify evidence",
    response_class=Response,
    responses={200: {"content": {PDF: {}}}},
)
def evidence_certificate(
    request: Request, engine: EngineDep, reader: ReaderDep, event_id: UUID, key: Key = None
) -> Response:
    """Return a certificate as PDF/A, with the receipt attached; 503 with `Retry-After` until it is published."""
    pdf = certificate(engine, find(engine, event_id, reader, key), _base(engine, request))
    return Response(pdf, media_type=PDF, headers=_attached(f"{event_id}.pdf"))


def _from_json(body: bytes) -> EvidenceRegistered:
    try:
        given = EvidenceIn.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise InvalidInputError(
            f"{'.'.join(map(str, first['loc'])) or 'The body'}: {first['msg']}", code="evidence.malformed"
        ) from error
    return EvidenceRegistered(sha256=read_sha256(given.sha256), size=given.size, statement=given.statement)


async def _from_file(request: Request, engine: Engine, statement: str | None) -> EvidenceRegistered:
    digest, size = sha256(), 0
    async for chunk in _limited(request, engine):
        digest.update(chunk)
        size += len(chunk)
    return EvidenceRegistered(sha256=digest.hexdigest(), size=size, statement=statement)


async def _limited(request: Request, engine: Engine) -> AsyncIterator[bytes]:
    size, most = 0, engine.settings.capture_max_bytes
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise TooLargeError(f"A file has at most {most} bytes", code="evidence.too_long", hint="Send its digest.")
        yield chunk
    if not size:
        raise InvalidInputError("There is no file in the request", code="evidence.malformed")


def _pieces(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """Give what comes to the event loop to a thread of it."""

    async def following() -> bytes | None:
        return await anext(chunks, None)

    while (piece := from_thread.run(following)) is not None:
        yield piece


async def _body(request: Request, most: int) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise TooLargeError(f"This JSON has at most {most} bytes", code="evidence.too_long")
    return body


def _base(engine: Engine, request: Request) -> str:
    return engine.settings.public_url or str(request.base_url)


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
