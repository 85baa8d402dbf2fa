"""Commands as this process carries them out: over the ledger, for one organisation, each request once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Final
from uuid import UUID

import orjson
import psycopg
from eventsourcing.dcb.api import DCBAppendCondition

from adapters.postgres.event_requests import EventRequest, PostgresEventRequests
from adapters.postgres.ledgers import personal_members
from api.provenance import ask
from api.wiring import Engine
from traceability.errors import ConflictError
from traceability.gs1.epcis.view import read_event_id
from traceability.ledger.event import LedgerEvent, opaque_data
from traceability.supply_chain.commands.body import Command
from traceability.supply_chain.commands.carrying_out import Desk, carry_out
from traceability.supply_chain.decisions import DECISION_TYPES

LONGEST_BODY: Final = 16 * 1024 * 1024
"""Bytes of the longest command: a hundred thousand identifiers."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command recorded: its position, our id of it, and its eventID, or the `name` of a proposal or hold."""

    position: int
    record_id: UUID
    event_id: str | None
    name: str | None


def perform(engine: Engine, organisation: str, command: Command, *, request: EventRequest | None = None) -> Done:
    """Carry out a command of an organisation; one that came with the same request before is not carried out again.

    Raises as `carry_out` does, and `ConflictError` (`capture.request_key`) when the key came with something else.
    """
    requests = PostgresEventRequests(engine.pool, engine.ledger.ledger_id)
    if request is not None and (before := requests.position_of(request)) is not None:
        return _done_before(engine, before)
    done: list[Done] = []

    def append(event: LedgerEvent, condition: DCBAppendCondition) -> int:
        def settle(connection: psycopg.Connection, position: int) -> None:
            if request is not None:
                requests.add(connection, request, position, now=engine.clock.now_us())

        prepared = engine.ledger.prepare(event)
        position = engine.ledger.append_prepared([prepared], condition, settle)
        done[:] = [_done(position, prepared.event_id, event)]
        return position

    try:
        carry_out(command, desk_of(engine, organisation), append)
    except ConflictError:
        # The same request, sent again before the first was answered.
        if request is not None and (before := requests.position_of(request)) is not None:
            return _done_before(engine, before)
        raise
    return done[0]


def desk_of(engine: Engine, organisation: str) -> Desk:
    """Return where the commands of an organisation are dealt with."""
    reader = engine.organisations.reader(organisation)
    with engine.pool.connection() as connection:
        personal = personal_members(connection, engine.ledger.ledger_id)
    view, parties = partial(ask, engine, reader), partial(engine.parties, reader)
    return Desk(organisation, engine.ledger, view, parties, engine.clock, engine.entropy, personal)


def request_of(organisation: str, key: str | None, command: type[Command], body: bytes) -> EventRequest | None:
    """Return what makes a request the same as another, None without an Idempotency-Key."""
    digest = sha256(command.name.encode() + b"\0" + body).digest()
    return None if key is None else EventRequest(organisation, key, digest)


def _done_before(engine: Engine, position: int) -> Done:
    (record,) = engine.ledger.records([position])
    assert record.event.event_id is not None
    return _done(position, record.event.event_id, record.event)


def _done(position: int, record_id: UUID, event: LedgerEvent) -> Done:
    if event.type not in DECISION_TYPES:
        return Done(position, record_id, read_event_id(event.parts.more), None)
    payload = orjson.loads(opaque_data(event.parts))
    return Done(position, record_id, None, payload.get("proposal") or payload.get("hold"))
