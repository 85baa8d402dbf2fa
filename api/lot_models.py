"""Lots as HTTP and the command line give them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from api.provenance_models import HoldOut, RecallName, Time
from traceability.ledger.findings import Severity
from traceability.supply_chain.item import Lifecycle
from traceability.supply_chain.lot.key_data import Element, Tracked
from traceability.supply_chain.lot.terms import Code, Lack, Stage

LOT: Final = "https://id.gs1.org/01/09521234000013/10/A7"
PLACE: Final = "https://id.gs1.org/414/9521234000006"


class LotEventOut(BaseModel):
    """An event, and where its receipt is."""

    position: int
    event_id: UUID
    by: str = Field(examples=["dairy.example"])
    at: Time
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class PassedOut(BaseModel):
    """An event that brought the lot, or some of it, to a stage; `documents` are those that it names."""

    stage: Stage
    documents: list[str]
    event: LotEventOut


class AssignedOut(BaseModel):
    """The event that assigned the lot code; `source` is the place where it did."""

    source: str | None = Field(examples=[PLACE])
    event: LotEventOut


class LotSumOut(BaseModel):
    """What is added up in one kind of unit: made + brought_in + short = used + sold + destroyed + lost +
    decommissioned + left.
    """  # noqa: D205 - one sentence

    uom: str | None = Field(description="UN/ECE Rec. 20; null counts pieces.", examples=["KGM"])
    made: Decimal
    brought_in: Decimal = Field(description="Received, shipped or packed without being seen to come from anywhere.")
    shipped: Decimal
    received: Decimal
    used: Decimal
    sold: Decimal
    destroyed: Decimal
    lost: Decimal
    decommissioned: Decimal
    short: Decimal = Field(description="Of what went, the part that was not there.")
    left: Decimal


class LotAmountOut(BaseModel):
    """So much is with a holder, at a place, perhaps in a container, perhaps under way."""

    holder: str = Field(examples=["dairy.example"])
    place: str | None = Field(description="Of what is under way: where it was seen last.", examples=[PLACE])
    container: str | None
    under_way: bool
    to: str | None = Field(description="To whom it is under way; null: to nobody in particular.")
    uom: str | None
    quantity: Decimal


class LotMembersAtOut(BaseModel):
    """How many members were last seen at a place; null: no event tells where."""

    place: str | None
    items: int


class LotMembersOut(BaseModel):
    """The things with serials that are of the lot; of more than 10,000 it is only told how many they are."""

    items: int
    ended: dict[Lifecycle, int] | None
    in_transit: int | None
    places: list[LotMembersAtOut] | None


class LotDatesOut(BaseModel):
    """The days that master data of what made the lot tells; of several the first."""

    expiry: date | None
    best_before: date | None
    produced: date | None
    harvested: date | None


class LotRecalledOut(BaseModel):
    """All of the lot is recalled by its maker, for good."""

    since: Time
    by: str
    reason: str
    event: LotEventOut | None


class LotCertificateOut(BaseModel):
    """A certification that an event of the lot carries; `valid` at the time asked for."""

    kinds: list[str] = Field(examples=[["phytosanitary"]])
    identification: str | None
    status: str | None
    value: str | None
    first: date | None
    last: date | None
    valid: bool
    adverse: bool
    event: LotEventOut | None


class ObstacleOut(BaseModel):
    """What keeps the lot from being released: the kind of hold or certificate, and the event that tells."""

    lack: Lack
    kind: str | None
    event: LotEventOut | None


class ReleaseOut(BaseModel):
    """Whether the lot may be released; `required` are the kinds of certificates that were asked for."""

    may_be_released: bool
    required: list[str]
    obstacles: list[ObstacleOut]


class KeyDataOut(BaseModel):
    """A critical tracking event: what is told of each element, and what is missing."""

    tracked: Tracked
    told: dict[Element, list[str]]
    missing: list[Element]
    event: LotEventOut | None


class LotFindingOut(BaseModel):
    """A rule that an event breaks, because of what the event `against` says, where there is one."""

    code: Code
    severity: Severity
    rule: str
    note: str
    event: LotEventOut | None
    against: LotEventOut | None


class LotOut(BaseModel):
    """A lot as of a time and as known at a position, by the events that you may see."""

    id: str = Field(examples=[LOT])
    as_of: Time
    known_at: int
    description: str | None
    stage: Stage
    passed: list[PassedOut]
    made: bool = Field(description="Whether somebody is seen to have made it.")
    assigned: AssignedOut | None
    dates: LotDatesOut
    expired: bool
    quantities_complete: bool = Field(description="False when an event moves some without saying how much.")
    sums: list[LotSumOut]
    amounts: list[LotAmountOut]
    members: LotMembersOut | None
    holds: list[HoldOut]
    recalled: LotRecalledOut | None
    recalls: list[RecallName] = Field(description="Recall cases that are open on it.")
    certificates: list[LotCertificateOut]
    release: ReleaseOut
    key_data: list[KeyDataOut]
    findings: list[LotFindingOut]
