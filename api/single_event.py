"""One event captured at once (EPCIS 2.0 §12.6.2): recorded, or told why not, when the request is answered."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import psycopg

from adapters.postgres import bulk, findings
from adapters.postgres.event_requests import EventRequest, PostgresEventRequests
from adapters.postgres.ledgers import personal_members
from api.capture.found import finding_of
from api.wiring import Engine
from traceability.errors import ConflictError, InvalidInputError
from traceability.gs1.epcis import TYPE_NAMES, CapturedEvent, Problem, read_document, read_letter
from traceability.gs1.epcis.query.event_query import called
from traceability.gs1.epcis.strict_json import JsonTextError, read_value
from traceability.gs1.epcis.view import read_event_id
from traceability.gs1.epcis.writer import write_event
from traceability.ledger.findings import CONFLICT, DUPLICATE, Origin, conflict_sentence
from traceability.ledger.identifiers import ordered_ids
from traceability.ledger.store import Appended, Outcome

_DOCUMENT: Final = "event"
_RANDOM_BYTES: Final = 10


class RejectedEventError(InvalidInputError):
    """The event breaks rules, and was not recorded (HTTP 400)."""

    code = "capture.event"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("The event breaks rules of EPCIS, and was not recorded", hint="Correct it and send it again.")
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as it was recorded: its eventID, or what it is called for want of one, our id of it, and its JSON."""

    event_id: str
    record_id: str
    body: bytes


def capture_event(engine: Engine, organisation: str, body: bytes, *, key: str | None) -> Recorded:
    """Record the one event that `body` is, in XML, or in JSON with its @context inside.

    With a `key` the request may be repeated.

    Raises `RejectedEventError`, `ConflictError` (`capture.duplicate` for an event that is recorded already,
    `capture.conflict` for one whose eventID another has, `capture.request_key`).
    """
    request = None if key is None else EventRequest(organisation, key, sha256(body).digest())
    requests = PostgresEventRequests(engine.pool, engine.ledger.ledger_id)
    if request is not None and (before := requests.position_of(request)) is not None:
        return _recorded(engine, before)
    captured, warnings = _read(engine, organisation, body)
    now = engine.clock.now_us()

    def settle(connection: psycopg.Connection, outcomes: bulk.Outcomes) -> None:
        if outcomes.repeats:
            return
        position = outcomes.position(0)
        if request is not None:
            requests.add(connection, request, position, now=now)
        ids = ordered_ids(now, engine.entropy.token(_RANDOM_BYTES))
        origin = Origin(organisation, _DOCUMENT, None)
        told = [finding_of(problem, origin, next(ids), now, position=position) for problem in warnings]
        findings.add(connection, engine.ledger.ledger_id, told, [])

    appended = _append(engine, organisation, captured, settle)
    if appended.outcome is Outcome.RECORDED:
        return _recorded(engine, appended.position)
    # The same request, sent again before the first was answered.
    if request is not None and (before := requests.position_of(request)) is not None:
        return _recorded(engine, before)
    if appended.outcome is Outcome.DUPLICATE:
        raise ConflictError("This event is recorded already", code=DUPLICATE)
    raise ConflictError(
        conflict_sentence(appended.position).removesuffix("."),
        code=CONFLICT,
        hint="To correct a recorded event, declare it an error and send another.",
    )


def _read(engine: Engine, organisation: str, body: bytes) -> tuple[CapturedEvent, list[Problem]]:
    in_xml = body.removeprefix(BOM_UTF8).lstrip().startswith(b"<")
    if not in_xml:
        _check_type(body)
    with engine.pool.connection() as connection:
        personal = personal_members(connection, engine.ledger.ledger_id)
    if in_xml:
        read = read_letter(body, b"", captured_by=organisation, personal=personal)
    else:
        read = read_document(body, captured_by=organisation, personal=personal)
    if not read.valid or len(read.events) != 1:
        raise RejectedEventError(read.problems)
    return read.events[0], [replace(one, index=0) for one in read.problems]


def _check_type(body: bytes) -> None:
    """Refuse what is a document, or no JSON, which only the whole value tells."""
    try:
        value = read_value(body)
    except JsonTextError as error:
        raise RejectedEventError([Problem(None, "$", error.code, "error", error.message)]) from error
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in TYPE_NAMES:
        problem = Problem(None, "$.type", "epcis.event_type", "error", f"It is none of {', '.join(TYPE_NAMES)}.")
        raise RejectedEventError([problem])


def _append(engine: Engine, organisation: str, captured: CapturedEvent, settle: bulk.Settle) -> Appended:
    ledger = engine.ledger_of(organisation)
    packed = bulk.pack_all(ledger, [ledger.prepare(captured.event)])
    ((appended,),) = (outcomes.of_each() for outcomes in bulk.append_all(ledger, packed, settle))
    return appended


def _recorded(engine: Engine, position: int) -> Recorded:
    (record,) = engine.ledger.records([position])
    event = record.event
    assert event.event_id is not None
    assert event.recorded_at is not None
    name = called(event.event_id)
    return Recorded(
        read_event_id(event.parts.more) or name,
        str(event.event_id),
        write_event(event.parts, event.recorded_at, called=name),
    )
