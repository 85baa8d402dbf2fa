"""What is irregular about things, as HTTP, the command line and pages tell it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.codes import read_code
from api.provenance import ask
from api.published import receipt_address
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.ledger.findings import Severity
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


class IrregularityOut(BaseModel):
    """An event that breaks a rule for a thing, and what it goes against, where that is an event."""

    thing: str = Field(examples=[_PACK])
    code: str = Field(examples=["ended"])
    severity: Severity
    rule: str = Field(examples=["Nothing happens to a thing after its life has ended."])
    told: str = Field(description="Who recorded what, in a sentence.")
    event: CitedOut
    against: CitedOut | None


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
    return evaluation_out(things, evaluate(index, engine.parties(reader, index.known_at), things))


def evaluation_out(things: list[str], found: Evaluation) -> EvaluationOut:
    """Return an evaluation as an answer has it."""
    irregularities = [
        IrregularityOut(
            thing=one.thing,
            code=one.rule.value,
            severity=one.severity,
            rule=SENTENCES[one.rule],
            told=one.told,
            event=_cited(found, one.position),
            against=None if one.against is None else _cited(found, one.against),
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


def _cited(found: Evaluation, position: int) -> CitedOut:
    event_id = found.events[position].event_id
    return CitedOut(position=position, event_id=event_id, receipt=receipt_address(event_id))
