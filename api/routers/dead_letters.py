"""Deliveries to subscribers that were given up: for a person to see, and to send once more.

A browser gets the pages of `api.web.subscription_pages` at the same addresses.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from api.security import EngineDep, QueryDep
from api.subscriptions.dead_letters import dead_delivery, described_dead, refused_events, replay
from api.web.negotiation import wants_page
from api.web.sign_in import DEAD_LETTERS, VARY, VisitorDep, page_for
from api.web.subscription_pages import dead_letter_page, dead_letters_page

router = APIRouter(prefix="/dead-letters", tags=["subscriptions"])


class DeadLetterOut(BaseModel):
    """A delivery that was given up: the events that meet the query, recorded after one position and up to another."""

    id: UUID
    subscription_id: UUID
    events: int
    after_position: int
    up_to_position: int
    failing_since: datetime
    attempts: int
    given_up_at: datetime
    reason: str


class RefusedOut(DeadLetterOut):
    """The same with its events."""

    event_list: list[dict[str, Any]]


class ReplayedOut(BaseModel):
    """How many events were delivered."""

    events: int


@router.get("", summary="Deliveries that were given up", response_model=list[DeadLetterOut])
def dead_letters(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: QueryDep,
    visitor: VisitorDep,
    subscription_id: UUID | None = None,
    after: Annotated[UUID | None, Query(description="The id of the last one of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[DeadLetterOut] | Response:
    """Return what your organisation's subscriptions, or one of them, gave up, the oldest first."""
    if wants_page(request.headers.get("accept")):
        page = partial(dead_letters_page, engine, subscription_id, after, limit)
        return page_for(request, visitor, DEAD_LETTERS, page)
    response.headers["Vary"] = VARY
    found = engine.subscriptions.dead(caller.organisation, subscription_id=subscription_id, after=after, limit=limit)
    return [DeadLetterOut.model_validate(described_dead(one)) for one in found]


@router.get("/{dead_letter_id}", summary="A delivery that was given up, with its events", response_model=RefusedOut)
def dead_letter(
    *,
    request: Request,
    response: Response,
    engine: EngineDep,
    caller: QueryDep,
    visitor: VisitorDep,
    dead_letter_id: UUID,
) -> RefusedOut | Response:
    """Return what was given up, and the events of it that you may see by now, a hundred at most."""
    if wants_page(request.headers.get("accept")):
        return page_for(request, visitor, DEAD_LETTERS, partial(dead_letter_page, engine, dead_letter_id))
    response.headers["Vary"] = VARY
    dead = dead_delivery(engine, caller.organisation, dead_letter_id)
    events = refused_events(engine, caller.organisation, dead)
    return RefusedOut.model_validate({**described_dead(dead), "event_list": [orjson.loads(event) for event in events]})


@router.post("/{dead_letter_id}/replay", summary="Deliver it once more")
def replay_dead_letter(engine: EngineDep, caller: QueryDep, dead_letter_id: UUID) -> ReplayedOut:
    """Deliver now what was given up. What is not taken stays, each refused event alone, and the answer is 503."""
    return ReplayedOut(events=replay(engine, caller.organisation, dead_letter_id))


@router.delete("/{dead_letter_id}", summary="Give it up for good", status_code=204)
def forget_dead_letter(engine: EngineDep, caller: QueryDep, dead_letter_id: UUID) -> None:
    """Forget that something was not delivered."""
    engine.subscriptions.bury(dead_delivery(engine, caller.organisation, dead_letter_id).delivery_id)
