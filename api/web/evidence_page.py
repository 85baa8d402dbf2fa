"""The page behind the code on a certificate of evidence."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from api.evidence import PATH, describe, facts, find, in_words, receipt_of
from api.routers.evidence import PATH as API_PATH
from api.security import EngineDep, ReaderDep
from api.web.rendering import render
from traceability.notary.errors import NotPublishedError

router: Final = APIRouter(include_in_schema=False)


@router.api_route(f"{PATH}/{{event_id}}", methods=["GET", "HEAD"])
def evidence_page(
    request: Request,
    engine: EngineDep,
    reader: ReaderDep,
    event_id: UUID,
    key: Annotated[str | None, Query(max_length=64)] = None,
) -> HTMLResponse:
    """Show what the certificate says, from the ledger, and compare a file with it."""
    record = find(engine, event_id, reader, key)
    shown = describe(engine, record, engine.settings.public_url or str(request.base_url))
    try:
        proof = receipt_of(engine, record)
    except NotPublishedError:
        proof = None
    page = render(
        "evidence.html",
        shown=shown,
        when=in_words(shown.recorded_at),
        facts=list(facts(shown)),
        proof=proof,
        address=f"{API_PATH}/{event_id}",
        key="" if key is None else f"?key={key}",
    )
    return HTMLResponse(page)
