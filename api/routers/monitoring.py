"""Monitoring sessions over HTTP: a device that watches things, its calibration, the verdict, and what is decided."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from api.calibrations import describe_device
from api.monitoring import MOST_LISTED, PATH, describe_session, list_sessions
from api.monitoring_models import (
    DEVICE,
    SESSION,
    CalibrationDone,
    CertifyIn,
    DeviceOut,
    DispositionIn,
    EvaluateIn,
    OpenIn,
    SealIn,
    SessionDone,
    SessionList,
    SessionOut,
)
from api.monitoring_writes import certify, disposition, evaluate, open_session, seal
from api.parameters import only_declared
from api.provenance import microseconds_of
from api.routers.writing import Writing
from api.security import EngineDep, ReaderDep
from api.web.monitoring_pages import session_page, sessions_page
from api.web.negotiation import HTML, wants_page
from api.web.sign_in import MONITORING, VARY, VisitorDep, page_for

router: Final = APIRouter(prefix="/cold-chain", tags=["cold chain"], dependencies=[Depends(only_declared)])

Name = Annotated[str, Path(alias="session", max_length=200, examples=[SESSION])]
AsOf = Annotated[AwareDatetime | None, Query(description="At this time; with an offset.")]
KnownAt = Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")]
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {HTML: {}}}}
_CALIBRATIONS: Final = "/cold-chain/calibrations"


@router.get("/sessions", summary="List monitoring sessions", response_model=SessionList, responses=_PAGE)
def show_sessions(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    device: Annotated[str | None, Query(max_length=2048, description="Of this device.", examples=[DEVICE])] = None,
    thing: Annotated[str | None, Query(max_length=2048, description="That watch this thing.")] = None,
    before: Annotated[int | None, Query(ge=1, description="Go on before this position.")] = None,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=MOST_LISTED)] = 50,
) -> SessionList | Response:
    """Give the sessions that you opened or decide about, the last opened first; `Link` leads to the next page.

    A page is for people, by `Accept`.
    """
    ask = partial(list_sessions, engine, device=device, thing=thing, before=before, limit=per_page)
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, MONITORING, partial(sessions_page, engine, request, ask))
    response.headers["Vary"] = VARY
    lines, following = ask(reader)
    if following is not None:
        address = request.url.include_query_params(before=following)
        response.headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
    return SessionList(known_at=engine.ledger.head(), sessions=lines)


@router.post("/sessions", summary="Open a monitoring session", status_code=201)
async def open_monitoring(writing: Writing, body: OpenIn) -> SessionDone:
    """Say which device watches which things under which limits; the device has to be in calibration then."""
    return await writing.carry_out("monitoring open", _address, open_session, body)


@router.get("/sessions/{session}", summary="Show a monitoring session", response_model=SessionOut, responses=_PAGE)
def show_session(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    session: Name,
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> SessionOut | Response:
    """Give the course of the temperatures, what was found, the verdict and the decision, and all that was said.

    A page is for people, by `Accept`.
    """
    at = None if as_of is None else microseconds_of(as_of)
    if wants_page(request.headers.get("accept")):
        return session_page(engine, request, visitor, session, as_of=at, known_at=known_at)
    response.headers["Vary"] = VARY
    return describe_session(engine, reader, session, as_of=at, known_at=known_at)


@router.post("/sessions/{session}/seal", summary="Seal a monitoring session", status_code=201)
async def seal_session(writing: Writing, session: Name, body: SealIn) -> SessionDone:
    """Fix which events its readings are; what comes later is told and does not count."""
    return await writing.carry_out(f"monitoring seal {session}", _address, seal, session, body)


@router.post("/sessions/{session}/evaluation", summary="Evaluate a monitoring session", status_code=201)
async def evaluate_session(writing: Writing, session: Name, body: EvaluateIn) -> SessionDone:
    """Record how the sealed readings are judged by the limits of the session."""
    return await writing.carry_out(f"monitoring evaluate {session}", _address, evaluate, session, body)


@router.post("/sessions/{session}/disposition", summary="Decide about the things of a session", status_code=201)
async def decide(writing: Writing, session: Name, body: DispositionIn) -> SessionDone:
    """Release them, quarantine them or have them destroyed, as quality assurance; the answer has the command."""
    return await writing.carry_out(f"monitoring disposition {session}", _address, disposition, session, body)


@router.get("/calibrations", summary="Show the calibration of a device")
def show_calibration(
    *,
    engine: EngineDep,
    reader: ReaderDep,
    device: Annotated[str, Query(max_length=2048, examples=[DEVICE])],
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> DeviceOut:
    """Give its certificates, and since when it may have been wrong, with the sessions that it was used in then."""
    at = None if as_of is None else microseconds_of(as_of)
    return describe_device(engine, reader, device, as_of=at, known_at=known_at)


@router.post("/calibrations", summary="Record a certificate of calibration", status_code=201)
async def record_calibration(writing: Writing, body: CertifyIn) -> CalibrationDone:
    """Say what a calibration found: the device passed, or is out of tolerance."""
    return await writing.carry_out("monitoring certify", lambda _: _CALIBRATIONS, certify, body)


def _address(done: SessionDone) -> str:
    return f"{PATH}/{done.session}"
