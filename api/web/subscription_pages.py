"""The pages of subscriptions: how each is doing, and what could not be delivered, to be replayed or dropped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Form
from starlette.responses import HTMLResponse, Response

from adapters.postgres.subscriptions import DeadDelivery, Subscription
from api.security import Caller, EngineDep, require
from api.subscriptions.dead_letters import dead_delivery, refused_events, replay
from api.subscriptions.manage import MOST
from api.web import words
from api.web.page import Named
from api.web.rendering import render
from api.web.sign_in import DEAD_LETTERS, PAGE_HEADERS, SUBSCRIPTIONS, VisitorDep, from_our_page, go_to
from api.web.words import Moment
from api.wiring import Engine
from traceability.errors import UnavailableError
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.epcis.strict_json import JSON, loads
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.ledger.event import microseconds
from traceability.ledger.organisations import Scope

router: Final = APIRouter(prefix=DEAD_LETTERS.path, include_in_schema=False, dependencies=[Depends(from_our_page)])

_LETTERS_BESIDE: Final = 20
_EVENTS_SHOWN: Final = 20
_THINGS_SHOWN: Final = 3
_THINGS: Final = ("parentID", "epcList", "childEPCs", "inputEPCList", "outputEPCList")


class Action(StrEnum):
    """What the buttons of a dead letter do."""

    REPLAY = "replay"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Line:
    """A subscription in the list; `attempts` in a row have failed, 0: the last one did not."""

    query: str
    dest: str
    when: str
    created: Moment
    last: Moment | None
    next: Moment | None
    attempts: int
    since: Moment | None
    reason: str | None
    letters: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter in the list."""

    href: str
    query: str
    dest: str
    events: int
    after: int
    up_to: int
    attempts: int
    since: Moment
    given_up: Moment
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An event of a dead letter, in words and in JSON."""

    what: str
    when: Moment | None
    things: Sequence[Named]
    more: int
    text: str


def subscriptions_page(engine: Engine, after: UUID | None, limit: int, visitor: Caller) -> Response:
    """Answer an organisation's subscriptions, the oldest first, and the first of its dead letters."""
    store = engine.subscriptions
    found = store.page(visitor.organisation, after=after, limit=limit + 1)
    counts = store.dead_counts(visitor.organisation)
    letters = [] if not counts else _letters(engine, visitor, None, None, _LETTERS_BESIDE + 1)
    shown, more = found[:limit], len(found) > limit
    return _answer(
        "subscriptions.html",
        organisation=visitor.organisation,
        lines=[_line(one, counts.get(one.subscription_id, 0)) for one in shown],
        following=f"{SUBSCRIPTIONS.path}?after={shown[-1].subscription_id}&limit={limit}" if more else None,
        letters=letters[:_LETTERS_BESIDE],
        more_letters=len(letters) > _LETTERS_BESIDE,
    )


def dead_letters_page(
    engine: Engine, subscription_id: UUID | None, after: UUID | None, limit: int, visitor: Caller
) -> Response:
    """Answer what an organisation's subscriptions, or one of them, gave up, the oldest first."""
    found = _letters(engine, visitor, subscription_id, after, limit + 1)
    following = None
    if len(found) > limit:
        only = "" if subscription_id is None else f"&subscription_id={subscription_id}"
        following = f"{DEAD_LETTERS.path}?after={found[limit - 1].href.rpartition('/')[2]}&limit={limit}{only}"
    return _answer(
        "dead_letters.html",
        organisation=visitor.organisation,
        letters=found[:limit],
        following=following,
        only=subscription_id is not None,
    )


@router.post("/{dead_letter_id}")
def act(
    *, engine: EngineDep, visitor: VisitorDep, dead_letter_id: UUID, do: Annotated[Action, Form()] = Action.REPLAY
) -> Response:
    """Replay or drop a dead letter; a replay that is not taken shows it again with the reason."""
    if visitor is None:
        return go_to(f"{DEAD_LETTERS.path}/{dead_letter_id}")
    require(visitor, Scope.QUERY)
    if do is Action.DROP:
        engine.subscriptions.bury(dead_delivery(engine, visitor.organisation, dead_letter_id).delivery_id)
        return go_to(SUBSCRIPTIONS.path)
    try:
        replay(engine, visitor.organisation, dead_letter_id)
    except UnavailableError as error:
        return dead_letter_page(engine, dead_letter_id, visitor, error.message, HTTPStatus.SERVICE_UNAVAILABLE)
    except NotInXmlError as error:
        return dead_letter_page(engine, dead_letter_id, visitor, error.message, HTTPStatus.UNPROCESSABLE_ENTITY)
    return go_to(SUBSCRIPTIONS.path)


def dead_letter_page(
    engine: Engine, delivery_id: UUID, visitor: Caller, problem: str | None = None, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """Answer one dead letter with its events, and what came of an attempt to replay it."""
    dead = dead_delivery(engine, visitor.organisation, delivery_id)
    subscription = engine.subscriptions.find(visitor.organisation, dead.subscription_id)
    events = refused_events(engine, visitor.organisation, dead)
    return _answer(
        "dead_letter.html",
        status,
        organisation=visitor.organisation,
        letter=_letter(dead, subscription),
        events=[_refused(event) for event in events[:_EVENTS_SHOWN]],
        more=max(0, dead.events - _EVENTS_SHOWN),
        problem=problem,
    )


def _answer(template: str, status: HTTPStatus = HTTPStatus.OK, **values: object) -> HTMLResponse:
    return HTMLResponse(render(template, **values), status, headers=PAGE_HEADERS)


def _letters(
    engine: Engine, visitor: Caller, subscription_id: UUID | None, after: UUID | None, limit: int
) -> list[Letter]:
    store = engine.subscriptions
    dead = store.dead(visitor.organisation, subscription_id=subscription_id, after=after, limit=limit)
    theirs = {one.subscription_id: one for one in store.page(visitor.organisation, limit=MOST)} if dead else {}
    # One that ended since takes its letters with it.
    return [_letter(one, theirs[one.subscription_id]) for one in dead if one.subscription_id in theirs]


def _line(one: Subscription, count: int) -> Line:
    return Line(
        query=one.query_name,
        dest=one.dest,
        when="each event at once" if one.schedule is None else f"at {_fields(one.schedule)}",
        created=Moment.of(one.created_at),
        last=Moment.of_any(one.last_notified_at),
        next=Moment.of(one.due_at) if one.due_at and (one.failures or one.schedule) else None,
        attempts=one.failures,
        since=Moment.of_any(one.failing_since),
        reason=one.last_error,
        letters=f"{DEAD_LETTERS.path}?subscription_id={one.subscription_id}" if count else None,
        count=count,
    )


def _letter(dead: DeadDelivery, subscription: Subscription) -> Letter:
    return Letter(
        href=f"{DEAD_LETTERS.path}/{dead.delivery_id}",
        query=subscription.query_name,
        dest=subscription.dest,
        events=dead.events,
        after=dead.after,
        up_to=dead.up_to,
        attempts=dead.attempts,
        since=Moment.of(dead.failing_since),
        given_up=Moment.of(dead.died_at),
        reason=dead.reason,
    )


def _fields(schedule: str) -> str:
    return ", ".join(f"{words.opened(name).lower()} {values}" for name, values in orjson.loads(schedule).items())


def _refused(event: bytes) -> Refused:
    members = loads(event)
    assert isinstance(members, dict), "a delivery holds events"
    step, time = members.get("bizStep"), members.get("eventTime")
    at = utc(time) if isinstance(time, str) else None
    things = list(_things(members))
    return Refused(
        what=words.step(step) if isinstance(step, str) else words.opened(str(members["type"])),
        when=None if at is None else Moment.of(microseconds(at)),
        things=things[:_THINGS_SHOWN],
        more=max(0, len(things) - _THINGS_SHOWN),
        text=event.decode(),
    )


def _things(members: dict[str, JSON]) -> Iterator[Named]:
    for name in _THINGS:
        value = members.get(name, [])
        for thing in map(str, value if isinstance(value, list) else [value]):
            yield Named(thing.removeprefix(RESOLVER), thing.removeprefix(RESOLVER) if _has_page(thing) else None)


def _has_page(thing: str) -> bool:
    return thing.startswith(f"{RESOLVER}/")
