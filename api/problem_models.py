"""What is wrong with an event, a query or a command, as HTTP and the command line tell it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from traceability.ledger.findings import Severity
from traceability.supply_chain.commands.refusal import MEANINGS, BrokenRule, Rule


class EventProblem(BaseModel):
    """A broken rule in an event or a query that was sent; `path` is a JSONPath (RFC 9535) from it."""

    path: str = Field(examples=["$.eventTime"])
    code: str = Field(examples=["epcis.time"])
    severity: Severity
    message: str


class FactOut(BaseModel):
    """What a rule stumbled over: an event at a position, or without one the command itself."""

    position: int | None
    sentence: str = Field(examples=["dairy.example recorded packing at 2026-03-01T08:15:00.000000Z."])


class RuleOut(BaseModel):
    """A rule that a command would break for `count` things, of which the first hundred are named."""

    rule: Rule
    requires: str
    things: list[str]
    count: int
    facts: list[FactOut]
    remedy: str

    @classmethod
    def of(cls, broken: BrokenRule) -> RuleOut:
        """Describe a broken rule."""
        return cls(
            rule=broken.rule,
            requires=MEANINGS[broken.rule][0],
            things=list(broken.things),
            count=broken.count,
            facts=[FactOut(position=fact.position, sentence=fact.sentence) for fact in broken.facts],
            remedy=broken.remedy,
        )
