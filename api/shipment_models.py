"""Shipments as HTTP and the command line take and give them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.once import Recorded
from traceability.supply_chain.commands.body import PALLET, PLACE, PlaceId, Quantity, Thing, Uri
from traceability.supply_chain.shipment.events import Difference, Line, Mode, Name, Resolution
from traceability.supply_chain.shipment.shipment import ClaimReason, Moved, Stage

SHIPMENT = "019ca877-0c1b-7000-8000-000000000001"
ADVICE = "urn:epcglobal:cbv:bt:9521234000006:DA1"
_TIME = "2026-03-01T08:15:00.000000Z"
_RECEIPT = "/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"
_MOST = 10_000


class LegIn(BaseModel):
    """A part of the way; the times are estimates, with an offset."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    mode: Mode
    from_: PlaceId = Field(alias="from", description="A place, by GLN or URI.", examples=[PLACE])
    to: PlaceId = Field(examples=["https://id.gs1.org/414/9521234000013"])
    carrier: Name | None = Field(
        default=None, description="By its permanent name, or as it is called.", examples=["hauler.example"]
    )
    departure: AwareDatetime | None = Field(default=None, examples=["2026-03-01T08:15:00+01:00"])
    arrival: AwareDatetime | None = Field(default=None, examples=["2026-03-02T08:15:00+01:00"])


class AdviseIn(BaseModel):
    """A despatch advice: what is sent to whom, and how it goes there.

    Of a container what you see in it now is advised too.
    """

    model_config = ConfigDict(extra="forbid")
    advice: Uri = Field(description="The despatch advice, or a GSIN, as events name it.", examples=[ADVICE])
    consignee: Name = Field(description="Who is to have it, by its permanent name.", examples=["store.example"])
    things: list[Thing] = Field(default=[], max_length=_MOST, examples=[[PALLET]])
    quantities: list[Quantity] = Field(default=[], max_length=_MOST, description="Of lots and classes.")
    legs: list[LegIn] = Field(default=[], max_length=100)
    note: Line | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.things and not self.quantities:
            raise ValueError("give things or quantities")
        return self


class CompleteIn(BaseModel):
    """All that will come has come; what is asked for where it differs."""

    model_config = ConfigDict(extra="forbid")
    resolution: Resolution | None = None
    note: Line | None = None


class AnswerIn(BaseModel):
    """The shipper's answer to an exception case, with another resolution that it offers."""

    model_config = ConfigDict(extra="forbid")
    accepted: bool
    alternative: Resolution | None = None
    note: Line | None = None


class CloseIn(BaseModel):
    """The consignee wants nothing more."""

    model_config = ConfigDict(extra="forbid")
    note: Line | None = None


class RowOut(BaseModel):
    """A thing, in one kind of unit; null where you cannot tell, because you do not see all that was received."""

    thing: str
    uom: str | None = Field(description="UN/ECE Rec. 20; null counts pieces.")
    advised: Decimal
    shipped: Decimal
    received: Decimal
    damaged: Decimal
    over: Decimal | None
    short: Decimal | None = Field(description="Once the receipt is complete.")
    outstanding: Decimal | None = Field(description="Until then.")


class ReportOut(BaseModel):
    """How a thing differs from what was advised."""

    thing: str
    difference: Difference
    uom: str | None = None
    advised: Decimal
    received: Decimal
    quantity: Decimal


class LegOut(BaseModel):
    """A leg with estimated and actual times."""

    mode: Mode
    from_place: str
    to_place: str
    carrier: str | None
    departure: str | None = Field(description="Estimated.", examples=[_TIME])
    arrival: str | None = Field(description="Estimated.", examples=[_TIME])
    departed: str | None = Field(examples=[_TIME])
    arrived: str | None = Field(examples=[_TIME])
    positions: list[int] = Field(description="The events that tell the actual times.")


class HandoverOut(BaseModel):
    """Where one carrier hands over to the next."""

    place: str
    from_carrier: str | None
    to_carrier: str | None
    arrived: str | None
    departed: str | None


class MovementOut(BaseModel):
    """An EPCIS event that tells of the shipment; `claim` says why it counts for nothing."""

    told: list[Moved]
    by: str
    at: str = Field(examples=[_TIME])
    position: int
    event_id: UUID
    receipt: str = Field(examples=[_RECEIPT])
    claim: ClaimReason | None = None


class ShipmentSaidOut(BaseModel):
    """Something said of a shipment: an event of the ledger with its receipt."""

    type: str = Field(examples=["shipment_advised"])
    said: dict[str, Any]
    said_by: str
    said_at: str = Field(examples=[_TIME])
    recorded_at: str = Field(examples=[_TIME])
    position: int
    event_id: UUID
    receipt: str = Field(examples=[_RECEIPT])
    claim: ClaimReason | None = Field(default=None, description="Why it counts for nothing; null for what counts.")


class ExceptionOut(BaseModel):
    """An exception case, which names exactly what differed when it was opened."""

    case: str
    opened_at: str = Field(examples=[_TIME])
    reports: list[ReportOut]
    resolution: Resolution | None
    accepted: bool | None = Field(description="The shipper's last answer; null before there is one.")
    alternative: Resolution | None
    closed_at: str | None


class ShipmentLine(BaseModel):
    """A shipment in a list."""

    shipment: str = Field(examples=[SHIPMENT])
    advice: str = Field(examples=[ADVICE])
    stage: Stage
    shipper: str
    consignee: str
    advised_at: str = Field(examples=[_TIME])
    exceptions: int = Field(description="Cases that are open.")


class ShipmentList(BaseModel):
    """Shipments, the last advised first."""

    known_at: int
    shipments: list[ShipmentLine]


class ShipmentOut(ShipmentLine):
    """A shipment as you see it, as of a time and as known at a position."""

    as_of: str
    known_at: int
    sees_all: bool = Field(description="False when the consignee counted receipts that you do not see.")
    rows: list[RowOut]
    unnamed: list[ReportOut] = Field(description="What differs and no case names.")
    legs: list[LegOut]
    handovers: list[HandoverOut]
    completed_at: str | None
    cases: list[ExceptionOut]
    movements: list[MovementOut]
    said: list[ShipmentSaidOut]


class ShipmentDone(Recorded):
    """What a request recorded; `case` is the exception case that it opened or spoke of."""

    shipment: str = Field(examples=[SHIPMENT])
    stage: Stage
    case: str | None
