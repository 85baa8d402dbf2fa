"""The log as C2SP tlog-tiles wants it served, and receipts out of it.

What is under `/logs` is the same for everybody: entries tell when something was recorded, and nothing of what. It can
as well be served by any web server from the folder of static files.
"""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from adapters.tiles import FileTileStore
from api.cose import cose_key, cose_receipt
from api.notary import MEDIA_TYPE, published_log, receipt, tiles_of
from api.security import EngineDep, ReaderDep
from api.web.negotiation import preferred
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.notary.cose import MEDIA_TYPE as COSE_RECEIPT
from traceability.notary.errors import NotPublishedError, VerificationError
from traceability.notary.log import tile_reader
from traceability.notary.tiles import Tile

router = APIRouter(tags=["logs"])

COSE: Final = "application/cose"
_RECEIPTS: Final = ("text/plain", COSE_RECEIPT, COSE)
_OPEN: Final = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
_CHECKPOINT_HEADERS: Final = {**_OPEN, "Cache-Control": "public, max-age=2"}
_TILE_HEADERS: Final = {**_OPEN, "Cache-Control": "public, max-age=31536000, immutable"}


class LogOut(BaseModel):
    """A log: `size` leaves are published, `vkey` is what a verifier needs."""

    name: str = Field(examples=["main"])
    origin: str = Field(examples=["dairy.example/main"])
    vkey: str
    size: int


@router.get("/logs", summary="List the logs with their keys")
def logs(engine: EngineDep) -> list[LogOut]:
    """List the logs of this server's ledger."""
    try:
        log = published_log(engine)
    except NotFoundError:
        return []
    served = log.served()
    identity = log.database.identity
    return [LogOut(name=log.name, origin=identity.origin, vkey=identity.vkey, size=served[0].size if served else 0)]


@router.head("/logs/{name}/checkpoint", include_in_schema=False)
@router.get("/logs/{name}/checkpoint", summary="The signed checkpoint", response_class=PlainTextResponse)
def checkpoint(engine: EngineDep, name: str) -> Response:
    """Return the signed checkpoint of the published tree (C2SP tlog-checkpoint)."""
    served = _tiles(engine, name).checkpoint()
    if served is None:
        raise NotPublishedError("nothing of this log is published yet")
    return Response(served, media_type=MEDIA_TYPE, headers=_CHECKPOINT_HEADERS)


@router.head("/logs/{name}/tile/{path:path}", include_in_schema=False)
@router.get("/logs/{name}/tile/{path:path}", summary="A tile or an entry bundle", response_class=Response)
def tile(engine: EngineDep, name: str, path: str) -> Response:
    """Return a tile `{level}/{index}[.p/{width}]` or an entry bundle `entries/…` (C2SP tlog-tiles)."""
    try:
        wanted = Tile.parse(f"tile/{path}")
    except VerificationError as error:
        raise NotFoundError("This is not the path of a tile", code="log.no_such_tile") from error
    content = tile_reader(_tiles(engine, name))(wanted)
    if content is None:
        raise NotFoundError("This tile is not published", code="log.no_such_tile")
    return Response(content, media_type="application/octet-stream", headers=_TILE_HEADERS)


@router.get("/logs/{name}/cose-key", summary="The key of its COSE receipts", response_class=Response)
def receipt_key(engine: EngineDep, name: str) -> Response:
    """Return the public key of the log's COSE receipts as a COSE_Key (RFC 9052 §7); it is not the log's own key."""
    _tiles(engine, name)
    return Response(cose_key(engine).cose_key(), media_type="application/cose-key", headers=_CHECKPOINT_HEADERS)


@router.get(
    "/provenance/events/{event_id}/receipt",
    summary="Prove that an event is in the log",
    response_class=PlainTextResponse,
    responses={200: {"content": {COSE_RECEIPT: {"schema": {"type": "string", "format": "binary"}}}}},
    tags=["provenance"],
)
def event_receipt(
    engine: EngineDep,
    reader: ReaderDep,
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
        return Response(content, media_type=kind, headers={"Content-Disposition": name})
    text = receipt(engine, event_id, reader, item or ()).text()
    name = f'attachment; filename="{event_id}.tlog-proof"'
    return Response(text, media_type=MEDIA_TYPE, headers={"Content-Disposition": name})


def _tiles(engine: Engine, name: str) -> FileTileStore:
    # No question to the database: a crowd that reads the log must not take its connections from those who write.
    if name != engine.ledger.name:
        raise NotFoundError("There is no such log", code="log.unknown")
    return tiles_of(engine.settings, name)
