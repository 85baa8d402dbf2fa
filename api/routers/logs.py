"""The log as C2SP tlog-tiles wants it served, and receipts out of it.

What is under `/logs` is the same for everybody: entries tell when something was recorded, and nothing of what. It can
as well be served by any web server from the folder of static files.
"""

from __future__ import annotations

import gzip
import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from adapters.tiles import FileTileStore
from api.cose import cose_key, cose_receipt
from api.log_names import LogNames
from api.notary import MEDIA_TYPE, LogState, PublishedLog, published_log, published_logs, receipt, tiles_of
from api.policy import verifiers_policy
from api.security import EngineDep
from api.web.negotiation import preferred
from api.web.sign_in import VARY, FileReaderDep
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.notary.chain import abandoned_size
from traceability.notary.cose import MEDIA_TYPE as COSE_RECEIPT
from traceability.notary.errors import NotPublishedError, VerificationError
from traceability.notary.log import tile_reader
from traceability.notary.tiles import ENTRIES, Tile

router = APIRouter(tags=["logs"])

COSE: Final = "application/cose"
_RECEIPTS: Final = ("text/plain", COSE_RECEIPT, COSE)
_OPEN: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_CHECKPOINT_HEADERS: Final = {**_OPEN, "Cache-Control": "public, max-age=2"}
_TILE_HEADERS: Final = {**_OPEN, "Cache-Control": "public, max-age=31536000, immutable"}


class LogOut(BaseModel):
    """A log: the events from `first_position` to `last_position` of its ledger, of which `size` are published.

    `vkey` is what a verifier needs; `additional_vkeys` belong to signatures beside that one. `last_position` is null
    while the log is open. A log is `closing` until all of it is published, and `abandoned` when its database was
    restored from an older state: of the `abandoned_size` leaves that others have seen, the ledger does not know those
    beyond `last_position`.
    """

    name: str = Field(examples=["main"])
    origin: str = Field(examples=["dairy.example/main"])
    vkey: str
    additional_vkeys: list[str] = []
    first_position: int = Field(examples=[1])
    last_position: int | None
    state: LogState
    size: int
    abandoned_size: int | None = None


@router.get("/logs", summary="List the logs with their keys")
def logs(engine: EngineDep) -> list[LogOut]:
    """List the logs of this server's ledger in the order of their positions; the last is the one that is added to."""
    return [_told(log) for log in published_logs(engine)]


@router.head("/logs/{name}/checkpoint", include_in_schema=False)
@router.get("/logs/{name}/checkpoint", summary="The signed checkpoint", response_class=PlainTextResponse)
def checkpoint(request: Request, engine: EngineDep, name: str) -> Response:
    """Return the signed checkpoint of the published tree (C2SP tlog-checkpoint)."""
    served = _tiles(request, engine, name).checkpoint()
    if served is None:
        raise NotPublishedError("nothing of this log is published yet")
    return Response(served, media_type=MEDIA_TYPE, headers=_CHECKPOINT_HEADERS)


@router.get("/logs/{name}/policy", summary="What verifies the log's receipts", response_class=PlainTextResponse)
def policy(engine: EngineDep, name: str) -> Response:
    """Return a trust policy (C2SP tlog-policy): the log's key, its witnesses, and how many of them must have signed.

    Take it from somebody whom you trust: it is no proof of itself.
    """
    log = published_log(engine, name)
    text = verifiers_policy(engine.settings, name, log.key).encode()
    return Response(text, media_type=MEDIA_TYPE, headers=_CHECKPOINT_HEADERS)


@router.head("/logs/{name}/tile/{path:path}", include_in_schema=False)
@router.get("/logs/{name}/tile/{path:path}", summary="A tile or an entry bundle", response_class=Response)
def tile(
    request: Request,
    engine: EngineDep,
    name: str,
    path: str,
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Return a tile `{level}/{index}[.p/{width}]` or an entry bundle `entries/…` (C2SP tlog-tiles).

    Bundles are compressed for those who take gzip; hashes would not get shorter.
    """
    try:
        wanted = Tile.parse(f"tile/{path}")
    except VerificationError as error:
        raise NotFoundError("This is not the path of a tile", code="log.no_such_tile") from error
    content = tile_reader(_tiles(request, engine, name))(wanted)
    if content is None:
        raise NotFoundError("This tile is not published", code="log.no_such_tile")
    headers = _TILE_HEADERS
    if wanted.level == ENTRIES:
        headers = headers | {"Vary": "Accept-Encoding"}
        if _takes_gzip(accept_encoding):
            # Without a time in it, so that the same bundle is the same bytes from every server.
            content, headers = gzip.compress(content, mtime=0), headers | {"Content-Encoding": "gzip"}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get("/logs/{name}/cose-key", summary="The key of its COSE receipts", response_class=Response)
def receipt_key(request: Request, engine: EngineDep, name: str) -> Response:
    """Return the public key of the log's COSE receipts as a COSE_Key (RFC 9052 §7); it is not the log's own key."""
    _tiles(request, engine, name)
    return Response(cose_key(engine, name).cose_key(), media_type="application/cose-key", headers=_CHECKPOINT_HEADERS)


@router.get(
    "/provenance/events/{event_id}/receipt",
    summary="Prove that an event is in the log",
    response_class=PlainTextResponse,
    responses={200: {"content": {COSE_RECEIPT: {"schema": {"type": "string", "format": "binary"}}}}},
    tags=["provenance"],
)
def event_receipt(
    *,
    engine: EngineDep,
    reader: FileReaderDep,
    event_id: UUID,
    item: Annotated[
        list[Annotated[str, Field(max_length=500)]] | None,
        Query(max_length=1000, description="Open of the event's items only these; GS1 Digital Link or URN."),
    ] = None,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Return a proof that the event is in the log, with the parts open that you may see (C2SP tlog-proof).

    It needs no server afterwards: `python -m traceability.notary.verify` checks it with the log's key. An event that
    was recorded a moment ago is not published yet: 503 with `Retry-After`.

    With `Accept: application/scitt-receipt+cose` (or `application/cose`) it is a COSE receipt (RFC 9942), which opens
    nothing of the event.
    """
    kind = preferred(accept, _RECEIPTS)
    if kind in (COSE_RECEIPT, COSE):
        name = f'attachment; filename="{event_id}.receipt"'
        content = cose_receipt(engine, event_id, reader)
        return Response(content, media_type=kind, headers={"Content-Disposition": name, "Vary": VARY})
    text = receipt(engine, event_id, reader, item or ()).text()
    name = f'attachment; filename="{event_id}.tlog-proof"'
    return Response(text, media_type=MEDIA_TYPE, headers={"Content-Disposition": name, "Vary": VARY})


def _tiles(request: Request, engine: Engine, name: str) -> FileTileStore:
    names: LogNames = request.app.state.log_names
    names.check(name)
    return tiles_of(engine.settings, name)


def _told(log: PublishedLog) -> LogOut:
    identity, served = log.database.identity, log.served()
    return LogOut(
        name=log.name,
        origin=identity.origin,
        vkey=identity.vkey,
        additional_vkeys=list(identity.additional_vkeys),
        first_position=identity.first_position,
        last_position=identity.last_position,
        state=log.state(),
        size=served[0].size if served else 0,
        abandoned_size=abandoned_size(identity),
    )


def _takes_gzip(accept_encoding: str) -> bool:
    """Tell whether gzip is named with a weight other than 0 (RFC 9110 §12.5.3)."""
    for choice in accept_encoding.lower().split(","):
        coding, _, weight = choice.partition(";")
        if coding.strip() == "gzip":
            return not re.fullmatch(r"q=0(\.0*)?", weight.strip())
    return False
