"""Recall cases over HTTP: opened, scoped, notices sent and answered, added up, ended."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from api.parameters import only_declared
from api.provenance import microseconds_of
from api.recall_exports import MEDIA_TYPES, TableFormat, table_of
from api.recall_models import (
    CASE,
    AcknowledgeIn,
    AffectedList,
    CancelIn,
    CloseIn,
    DoneOut,
    NotifyIn,
    OpenIn,
    RecallList,
    RecallOut,
    ReconcileIn,
    ScopeIn,
)
from api.recall_writes import (
    acknowledge,
    cancel,
    close,
    notify_holders,
    open_recall,
    reconcile,
    scope_recall,
)
from api.recalls import MOST_ON_A_PAGE, PATH, describe_affected, describe_recall, list_recalls
from api.routers.writing import Writing
from api.security import EngineDep, ReaderDep
from api.web.negotiation import HTML, JSON, preferred, wants_page
from api.web.recall_pages import recall_page, recalls_page
from api.web.sign_in import RECALLS, VARY, FileReaderDep, VisitorDep, page_for

router: Final = APIRouter(prefix=PATH, tags=["recalls"], dependencies=[Depends(only_declared)])

Case = Annotated[str, Path(max_length=100, examples=[CASE])]
AsOf = Annotated[AwareDatetime | None, Query(description="What was said up to this time; with an offset.")]
KnownAt = Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")]
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {HTML: {}}}}


@router.get("", summary="List recall cases that you may see", response_model=RecallList, responses=_PAGE)
def show_recalls(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    before: Annotated[int | None, Query(ge=1, description="Go on before this position.")] = None,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=MOST_ON_A_PAGE)] = 50,
) -> RecallList | Response:
    """Give your cases and those that you were notified in, the newest first; `Link` leads to the next page.

    A page is for people, by `Accept`.
    """
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, RECALLS, partial(recalls_page, engine, before, per_page))
    response.headers["Vary"] = VARY
    lines, following = list_recalls(engine, reader, before=before, limit=per_page)
    if following is not None:
        address = request.url.include_query_params(before=following)
        response.headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
    return RecallList(recalls=lines)


@router.post("", summary="Open a recall case", status_code=201)
async def open_case(writing: Writing, body: OpenIn) -> DoneOut:
    """Open a case about things or lots that you may speak of, or as a registrar or the operator.

    Nobody sees it but you, and who sees your decisions by a grant, until you notify.
    """
    return await writing.carry_out("recall open", _address, open_recall, body)


@router.get("/{case}", summary="Show a recall case", response_model=RecallOut, responses=_PAGE)
def show_recall(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    case: Case,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> RecallOut | Response:
    """Give all that is said in a case, and what entered its scope since it was scoped last.

    Who was notified sees its own notices and answers, and nobody else's. A page is for people, by `Accept`.
    """
    at = None if as_of is None else microseconds_of(as_of)
    if wants_page(request.headers.get("accept")):
        return recall_page(engine, request, visitor, case, as_of=at, known_at=known_at)
    response.headers["Vary"] = VARY
    return describe_recall(engine, reader, case, as_of=at, known_at=known_at)


@router.get(
    "/{case}/affected",
    summary="List the things of a recall case",
    response_model=AffectedList,
    responses={200: {"content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}}},
)
def show_affected(
    *,
    engine: EngineDep,
    reader: FileReaderDep,
    case: Case,
    form: Annotated[
        TableFormat | None, Query(alias="format", description="A file, whatever `Accept` says.", examples=["xlsx"])
    ] = None,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Give the things in the last scope with who has them, whether it was notified, and what became of them.

    By `Accept` or `format` as CSV or XLSX, in which every cell is text.
    """
    found = describe_affected(engine, reader, case)
    if form is None:
        wanted = preferred(accept, (JSON, *MEDIA_TYPES.values()))
        form = next((one for one, media_type in MEDIA_TYPES.items() if media_type == wanted), None)
    headers = {"Vary": VARY}
    if form is None:
        return Response(found.model_dump_json(), media_type=JSON, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="affected.{form}"'
    return StreamingResponse(table_of(found, form), media_type=MEDIA_TYPES[form], headers=headers)


@router.post("/{case}/scope", summary="Record what is affected", status_code=201)
async def scope_case(writing: Writing, case: Case, body: ScopeIn) -> DoneOut:
    """Trace forward from the roots as known now, and record the question, the digest of the answer and the holders.

    Done again it takes in what was recorded since.
    """
    return await writing.carry_out(f"recall scope {case}", _address, scope_recall, case, body)


@router.post("/{case}/notices", summary="Notify holders", status_code=201)
async def notify(writing: Writing, case: Case, body: NotifyIn) -> DoneOut:
    """Tell each holder in the last scope, or those named, of its own things, as far as it was not told before."""
    return await writing.carry_out(f"recall notify {case}", _address, notify_holders, case, body)


@router.post("/{case}/acknowledgements", summary="Answer a notice", status_code=201)
async def acknowledge_notice(writing: Writing, case: Case, body: AcknowledgeIn) -> DoneOut:
    """Say that your organisation has the notice, and what it did about the things; again when there is more to tell."""
    return await writing.carry_out(f"recall acknowledge {case}", _address, acknowledge, case, body)


@router.post("/{case}/reconciliation", summary="Add up what became of the things", status_code=201)
async def reconcile_case(writing: Writing, case: Case, body: ReconcileIn) -> DoneOut:
    """Record how many were recovered, destroyed and not found, and name what is missing in the sum."""
    return await writing.carry_out(f"recall reconcile {case}", _address, reconcile, case, body)


@router.post("/{case}/close", summary="Close a recall case", status_code=201)
async def close_case(writing: Writing, case: Case, body: CloseIn) -> DoneOut:
    """End it, when it was reconciled or for a reason; whoever was notified is told."""
    return await writing.carry_out(f"recall close {case}", _address, close, case, body)


@router.post("/{case}/cancel", summary="Cancel a recall case", status_code=201)
async def cancel_case(writing: Writing, case: Case, body: CancelIn) -> DoneOut:
    """End a case that should not have been opened; whoever was notified is told."""
    return await writing.carry_out(f"recall cancel {case}", _address, cancel, case, body)


def _address(done: DoneOut) -> str:
    return done.receipt
