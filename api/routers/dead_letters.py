"""Deliveries to subscribers that were given up: for a person to see, and to send once more."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.security import EngineDep, QueryDep
from api.subscriptions.manage import dead_delivery, described_dead, replay

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


class ReplayedOut(BaseModel):
    """How many events were delivered."""

    events: int


@router.get("", summary="Deliveries that were given up")
def dead_letters(
    engine: EngineDep,
    caller: QueryDep,
    subscription_id: UUID | None = None,
    after: Annotated[UUID | None, Query(description="The id of the last one of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[DeadLetterOut]:
    """Return what your organisation's subscriptions, or one of them, gave up, the oldest first."""
    found = engine.subscriptions.dead(caller.organisation, subscription_id=subscription_id, after=after, limit=limit)
    return [DeadLetterOut.model_validate(described_dead(one)) for one in found]


@router.post("/{dead_letter_id}/replay", summary="Deliver it once more")
def replay_dead_letter(engine: EngineDep, caller: QueryDep, dead_letter_id: UUID) -> ReplayedOut:
    """Deliver now what was given up. When it is not taken it stays, and the answer is 503."""
    return ReplayedOut(events=replay(engine, caller.organisation, dead_letter_id))


@router.delete("/{dead_letter_id}", summary="Give it up for good", status_code=204)
def forget_dead_letter(engine: EngineDep, caller: QueryDep, dead_letter_id: UUID) -> None:
    """Forget that something was not delivered."""
    engine.subscriptions.bury(dead_delivery(engine, caller.organisation, dead_letter_id).delivery_id)
