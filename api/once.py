"""Events that a request records once, however often it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, TypeAlias
from uuid import UUID

import psycopg
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from pydantic import BaseModel, Field

from adapters.postgres.event_requests import EventRequest, PostgresEventRequests
from api.receipts import Proof
from api.wiring import Engine
from traceability.errors import ConflictError, TraceabilityError
from traceability.ledger.event import LedgerEvent
from traceability.ledger.identifiers import event_id
from traceability.ledger.store import AppendConflictError

_ATTEMPTS: Final = 4
_RANDOM_BYTES: Final = 10
Drafted: TypeAlias = tuple[Sequence[LedgerEvent], DCBAppendCondition]
"""Events to record, and what may not have changed when they are."""


class Recorded(BaseModel):
    """What a request recorded: its last event, and with `wait=published` the receipt itself."""

    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])
    proof: Proof = None


def request_for(organisation: str, key: str | None, action: str, body: bytes) -> EventRequest | None:
    """Return what makes a request the same as another, None without an Idempotency-Key."""
    return None if key is None else EventRequest(organisation, key, sha256(action.encode() + b"\0" + body).digest())


def recorded_before(engine: Engine, request: EventRequest | None) -> int | None:
    """Return where the last event of the same request is; raises `ConflictError` (`capture.request_key`)."""
    if request is None:
        return None
    return PostgresEventRequests(engine.pool, engine.ledger.ledger_id).position_of(request)


def append_once(
    engine: Engine, events: Sequence[LedgerEvent], condition: DCBAppendCondition, request: EventRequest | None
) -> int:
    """Record events unless the condition fails, or the same request did meanwhile; return where the last is.

    Raises `AppendConflictError`, and `ConflictError` (`capture.request_key`) when the key came with something else.
    """
    requests = PostgresEventRequests(engine.pool, engine.ledger.ledger_id)

    def settle(connection: psycopg.Connection, position: int) -> None:
        if request is not None:
            requests.add(connection, request, position, now=engine.clock.now_us())

    prepared = [engine.ledger.prepare(event) for event in events]
    try:
        return engine.ledger.append_prepared(prepared, condition, settle)
    except AppendConflictError:
        raise
    except ConflictError:
        # The same request, sent again before the first was answered.
        if (before := recorded_before(engine, request)) is not None:
            return before
        raise


def append_drafted(engine: Engine, draft: Callable[[int], Drafted], request: EventRequest | None) -> int:
    """Record what `draft` makes of what is known at a position, again when something changed; return where the last is.

    Raises what `draft` raises, `ConflictError` (`capture.request_key`), and `AppendConflictError` in the end.
    """
    for attempt in range(_ATTEMPTS):
        if (before := recorded_before(engine, request)) is not None:
            return before
        try:
            events, condition = draft(engine.ledger.head())
        except TraceabilityError:
            # What stands in the way may be this very request, sent again before the first was answered.
            if (before := recorded_before(engine, request)) is not None:
                return before
            raise
        try:
            return append_once(engine, events, condition, request)
        except AppendConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def unchanged(tags: Iterable[str], after: int) -> DCBAppendCondition:
    """Return the condition that nothing came under any of these tags after a position."""
    return DCBAppendCondition(DCBQuery(items=[DCBQueryItem(tags=[tag]) for tag in tags]), after=after)


def new_name(engine: Engine) -> str:
    """Return a name that nothing has yet, for a case or the like."""
    return str(event_id(engine.clock.now_us(), engine.entropy.token(_RANDOM_BYTES)))
