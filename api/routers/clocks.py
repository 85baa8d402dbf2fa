"""Regulatory clocks over HTTP: what has to be answered by when, and what answered it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from api.clock_models import CLOCK, AnswerIn, ClockDone, ClockList, ClockOut, RuleList, StartIn, StopIn
from api.clocks import MOST_LISTED, PATH, Place, answer, describe_clock, list_clocks, list_rules, start, stop
from api.page_tokens import next_page, place_of
from api.parameters import only_declared
from api.provenance import microseconds_of
from api.routers.epcis_answers import link_headers
from api.routers.writing import Writing
from api.security import EngineDep, ReaderDep
from api.web.clock_pages import clock_page, clocks_page
from api.web.negotiation import HTML, wants_page
from api.web.sign_in import CLOCKS, VARY, VisitorDep, page_for
from traceability.supply_chain.clocks.clock import ClockState

router: Final = APIRouter(prefix=PATH, tags=["clocks"], dependencies=[Depends(only_declared)])

Name = Annotated[str, Path(alias="clock", max_length=200, examples=[CLOCK])]
_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {HTML: {}}}}


@router.get("/rules", summary="List the clocks that laws set going")
def show_rules() -> RuleList:
    """Give each rule with its source, its term, and whose working days and time zone count."""
    return list_rules()


@router.get("", summary="List clocks that you may see", response_model=ClockList, responses=_PAGE)
def show_clocks(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    state: ClockState | None = None,
    rule: Annotated[str | None, Query(max_length=200)] = None,
    thing: Annotated[str | None, Query(max_length=2048, description="About this thing.")] = None,
    case: Annotated[str | None, Query(max_length=200, description="Of this case.")] = None,
    due_before: Annotated[AwareDatetime | None, Query(description="Due before this time; with an offset.")] = None,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=MOST_LISTED)] = 50,
    token: Annotated[str | None, Query(alias="nextPageToken", description="From the Link of the page before.")] = None,
) -> ClockList | Response:
    """Give the clocks that you started or have to answer: those that run by their due time, overdue ones first.

    `Link` with rel="next" leads to the next page. A page is for people, by `Accept`.
    """
    before = None if due_before is None else microseconds_of(due_before)
    after = None if token is None else place_of(engine, PATH, token, Place)
    ask = partial(
        list_clocks,
        engine,
        state=state,
        rule=rule,
        thing=thing,
        case=case,
        due_before=before,
        after=after,
        limit=per_page,
    )
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, CLOCKS, partial(clocks_page, engine, request, ask, state))
    response.headers["Vary"] = VARY
    found, following = ask(reader)
    if following is not None:
        response.headers.update(link_headers(engine, request, next_page(engine, PATH, following)))
    return found


@router.post("", summary="Start a clock", status_code=201)
async def start_clock(writing: Writing, body: StartIn) -> ClockDone:
    """Start a clock by a rule or by a term of your own; who has to answer sees it too."""
    return await writing.carry_out("clock start", _address, start, body)


@router.get("/{clock}", summary="Show a clock", response_model=ClockOut, responses=_PAGE)
def show_clock(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    reader: ReaderDep,
    visitor: VisitorDep,
    clock: Name,
    as_of: Annotated[AwareDatetime | None, Query(description="At this time; with an offset.")] = None,
    known_at: Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")] = None,
) -> ClockOut | Response:
    """Give all that was said of a clock, and the event that answered it, each with its receipt.

    A page is for people, by `Accept`.
    """
    at = None if as_of is None else microseconds_of(as_of)
    if wants_page(request.headers.get("accept")):
        return clock_page(engine, request, visitor, clock, as_of=at, known_at=known_at)
    response.headers["Vary"] = VARY
    return describe_clock(engine, reader, clock, as_of=at, known_at=known_at)


@router.post("/{clock}/answer", summary="Answer a clock", status_code=201)
async def answer_clock(writing: Writing, clock: Name, body: AnswerIn) -> ClockDone:
    """Say which recorded event is the answer: whoever has to answer, or started the clock."""
    return await writing.carry_out(f"clock answer {clock}", _address, answer, clock, body)


@router.post("/{clock}/stop", summary="Stop a clock", status_code=201)
async def stop_clock(writing: Writing, clock: Name, body: StopIn) -> ClockDone:
    """Say that nobody has to answer any more, as whoever started the clock."""
    return await writing.carry_out(f"clock stop {clock}", _address, stop, clock, body)


def _address(done: ClockDone) -> str:
    return f"{PATH}/{done.clock}"
