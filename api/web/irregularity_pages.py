"""The page of what is irregular about an organisation's things, with a form for each to say that it is known."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import HTMLResponse, Response

from api.evaluations import AcknowledgeIn, acknowledge
from api.irregularities import IrregularitiesQuestion, KeptOut, list_irregularities
from api.keeping_up import keep_up
from api.security import Caller, EngineDep, QueryDep, require
from api.web.names import Names
from api.web.page import Named
from api.web.rendering import render
from api.web.sign_in import IRREGULARITIES, PAGE_HEADERS, VisitorDep, from_our_page, go_to, page_for
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.ledger.organisations import Scope
from traceability.supply_chain.evaluation import SENTENCES

router: Final = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Line:
    """An irregularity in the list."""

    one: KeptOut
    thing: Named
    known: list[str]


@router.get(IRREGULARITIES.path)
def irregularities(
    request: Request,
    engine: EngineDep,
    _: QueryDep,
    visitor: VisitorDep,
    question: Annotated[IrregularitiesQuestion, Query()],
) -> Response:
    """Answer the list, or ask for a key."""
    return page_for(request, visitor, IRREGULARITIES, lambda caller: _page(engine, caller, question))


@router.post(IRREGULARITIES.path, dependencies=[Depends(from_our_page)])
def say_that_it_is_known(
    *,
    request: Request,
    engine: EngineDep,
    visitor: VisitorDep,
    thing: Annotated[str, Form(max_length=2_048)] = "",
    code: Annotated[str, Form(max_length=100)] = "",
    event_id: Annotated[UUID, Form()],
    note: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Record that an irregularity is known; of one that has ended meanwhile the page says so."""
    if visitor is None:
        return go_to(IRREGULARITIES.path)
    require(visitor, Scope.CAPTURE)
    keep_up(request)
    said = AcknowledgeIn(thing=thing, code=code, event_id=event_id, note=note.strip() or None)
    try:
        acknowledge(engine, visitor.organisation, said)
    except NotFoundError:
        problem = "It is not irregular any more, so there is nothing to acknowledge."
        return _page(engine, visitor, IrregularitiesQuestion(), problem, HTTPStatus.NOT_FOUND)
    return go_to(IRREGULARITIES.path)


def _page(
    engine: Engine,
    visitor: Caller,
    question: IrregularitiesQuestion,
    problem: str | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    reader = engine.organisations.reader(visitor.organisation)
    answer, lines, following = None, list[Line](), None
    try:
        page = list_irregularities(engine, reader, question)
    except InvalidInputError as error:
        problem, status = f"{error.message}. {error.hint}", HTTPStatus.BAD_REQUEST
    else:
        answer, names = page.answer, Names(engine.organisations.all())
        lines = [_line(one, names) for one in answer.irregularities]
        following = None if page.following is None else question.following(page.following, IRREGULARITIES.path)
    shown = render(
        "irregularities.html",
        organisation=visitor.organisation,
        question=question,
        filtered=bool(question.model_dump(exclude_defaults=True, exclude={"per_page", "after"})),
        codes=sorted(rule.value for rule in SENTENCES),
        answer=answer,
        lines=lines,
        following=following,
        problem=problem,
        may_say=Scope.CAPTURE in visitor.scopes,
    )
    return HTMLResponse(shown, status, headers=PAGE_HEADERS)


def _line(one: KeptOut, names: Names) -> Line:
    known = [names.organisation(each.by) + (f": {each.note}" if each.note else "") for each in one.acknowledged]
    return Line(one, names.thing(one.thing), known)
