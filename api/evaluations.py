"""What is irregular about things, as HTTP, the command line and pages tell it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Final
from uuid import UUID

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from adapters.postgres.decisions import records_under
from adapters.postgres.event_requests import EventRequest
from api.codes import read_code
from api.once import Recorded, append_once, recorded_before
from api.provenance import ask
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader, redact
from traceability.ledger.event import utc_text
from traceability.ledger.findings import Severity
from traceability.supply_chain.acknowledged import IrregularityAcknowledged, Line, acknowledgement_in, tag_of
from traceability.supply_chain.evaluation import MOST_THINGS, SENTENCES, Evaluation, evaluate
from traceability.supply_chain.seen import thing_of

_PACK = "https://id.gs1.org/01/09521234000013/21/1001"
_Code = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class EvaluationIn(BaseModel):
    """The things to judge: Digital Links, EPC URNs, bracketed element strings or other URIs."""

    model_config = ConfigDict(extra="forbid")

    things: list[_Code] = Field(min_length=1, max_length=MOST_THINGS, examples=[[_PACK]])
    known_at: int | None = Field(default=None, ge=0, description="As known at this position.", examples=[None])


class CitedOut(BaseModel):
    """An event, and where its receipt is."""

    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class AcknowledgementOut(BaseModel):
    """Somebody said that an irregularity is known."""

    by: str = Field(examples=["dairy.example"])
    at: str = Field(examples=["2026-03-01T08:15:00.000000Z"])
    note: str | None
    event: CitedOut


class IrregularityOut(BaseModel):
    """An event that breaks a rule for a thing, and what it goes against, where that is an event."""

    thing: str = Field(examples=[_PACK])
    code: str = Field(examples=["ended"])
    severity: Severity
    rule: str = Field(examples=["Nothing happens to a thing after its life has ended."])
    told: str = Field(description="Who recorded what, in a sentence.")
    event: CitedOut
    against: CitedOut | None
    acknowledged: list[AcknowledgementOut] = Field(description="Who said that it is known, the first first.")


class AcknowledgeIn(BaseModel):
    """The irregularity that is known: the `thing`, the `code`, and our id of the event that breaks the rule."""

    model_config = ConfigDict(extra="forbid")

    thing: _Code = Field(examples=[_PACK])
    code: str = Field(max_length=100, examples=["ended"])
    event_id: UUID
    note: Line | None = Field(default=None, description="What came of looking into it.", examples=["asked the carrier"])


class EvaluationOut(BaseModel):
    """What is irregular about things in the events that you may see: by thing, then by the time of the event."""

    known_at: int
    things: list[str]
    errors: int
    warnings: int
    irregularities: list[IrregularityOut]


def describe_evaluation(engine: Engine, reader: Reader, asked: EvaluationIn) -> EvaluationOut:
    """Judge what is said of things; of one that nobody has heard of nothing is irregular.

    Raises `IdentifierError` for what is no identifier, and `InvalidInputError` (`provenance.known_at`).
    """
    things = sorted({thing_of(read_code(code).uri) for code in asked.things})
    index = ask(engine, reader, asked.known_at)
    found = evaluate(index, engine.parties(reader, index.known_at), things)
    cited = {found.events[one.position].event_id for one in found.irregularities}
    known = acknowledged(engine, reader, cited, found.known_at)
    irregularities = [
        IrregularityOut(
            thing=one.thing,
            code=one.rule.value,
            severity=one.severity,
            rule=SENTENCES[one.rule],
            told=one.told,
            event=_cited(found, one.position),
            against=None if one.against is None else _cited(found, one.against),
            acknowledged=known.get((one.thing, one.rule.value, found.events[one.position].event_id), []),
        )
        for one in found.irregularities
    ]
    errors = sum(one.severity == "error" for one in irregularities)
    return EvaluationOut(
        known_at=found.known_at,
        things=things,
        errors=errors,
        warnings=len(irregularities) - errors,
        irregularities=irregularities,
    )


def acknowledge(
    engine: Engine, organisation: str, asked: AcknowledgeIn, *, request: EventRequest | None = None
) -> Recorded:
    """Record that an irregularity is known, which the organisation is told of now.

    Raises `IdentifierError`, `NotFoundError` (`evaluation.unknown`) when there is no such irregularity for it, and
    `ConflictError` (`capture.request_key`).
    """
    position = recorded_before(engine, request)
    if position is None:
        reader = engine.organisations.reader(organisation)
        thing = thing_of(read_code(asked.thing).uri)
        index = ask(engine, reader)
        found = evaluate(index, engine.parties(reader, index.known_at), [thing])
        there = {(one.thing, one.rule.value, found.events[one.position].event_id) for one in found.irregularities}
        if (thing, asked.code, asked.event_id) not in there:
            raise NotFoundError(
                "There is no such irregularity", code="evaluation.unknown", hint="Or none that you are told of now."
            )
        said = IrregularityAcknowledged(thing=thing, code=asked.code, event_id=asked.event_id, note=asked.note)
        event = said.event(captured_by=organisation, occurred_at=engine.clock.now_us())
        position = append_once(engine, [event], DCBAppendCondition(_NOTHING, after=0), request)
    (record,) = engine.ledger.records([position])
    assert record.event.event_id is not None
    event_id = record.event.event_id
    return Recorded(position=position, event_id=event_id, receipt=receipt_address(event_id))


_NOTHING: Final = DCBQuery(items=[DCBQueryItem(tags=["irregularity:"])])
"""What is known may be said again, by anybody, and depends on nothing."""

Named = tuple[str, str, UUID]
"""What an acknowledgement is of: the thing, the code, and our id of the event."""


def acknowledged(
    engine: Engine, reader: Reader, events: Collection[UUID], known_at: int
) -> dict[Named, list[AcknowledgementOut]]:
    """Return what a reader sees of acknowledgements of what these events break."""
    tags = set(map(tag_of, events))
    known: dict[Named, list[AcknowledgementOut]] = {}
    records = records_under(engine.ledger, tags, engine.visibility.allowed(reader), known_at) if tags else []
    for record in records:
        event = record.event
        extent = reader.extent(engine.rules.indexer(event.parts).visibility)
        if extent is None or event.event_id is None:
            continue
        one = acknowledgement_in(redact(event.parts, extent, ()), record.position, event.event_id)
        if one is not None:
            said = one.said
            known.setdefault((said.thing, said.code, said.event_id), []).append(
                AcknowledgementOut(
                    by=one.said_by,
                    at=utc_text(one.occurred_at),
                    note=said.note,
                    event=CitedOut(position=one.position, event_id=one.event_id, receipt=receipt_address(one.event_id)),
                )
            )
    return known


def _cited(found: Evaluation, position: int) -> CitedOut:
    event_id = found.events[position].event_id
    return CitedOut(position=position, event_id=event_id, receipt=receipt_address(event_id))
