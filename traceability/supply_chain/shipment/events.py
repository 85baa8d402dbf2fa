"""What is said of a shipment, each an event of the ledger: its despatch advice, its receipt, and its exceptions.

What moved is told by EPCIS events that name the despatch advice as a business transaction. These events say what no
EPCIS event can: what was to come, that all that will come has come, and what is to be done about the difference.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from traceability.ledger.event import PARTY_PREFIX, DecisionPayload, LedgerEvent
from traceability.ledger.parts import Parts
from traceability.supply_chain.balance import in_reference, kind_of_unit
from traceability.supply_chain.said import SaidBy, read_said
from traceability.supply_chain.things import is_class, is_lot

SHIPMENTS: Final = "shipment:all"
"""The tag of every despatch advice."""
MOST_LINES: Final = 10_000

Line = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=2_048, pattern=r"^\S+$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S+$")]
# As much as an event can hold (64 digits, exponents to ±200): sums of it stay exact.
Amount = Annotated[Decimal, Field(gt=0, max_digits=500, decimal_places=300, allow_inf_nan=False)]


class Mode(StrEnum):
    """How a leg is travelled."""

    ROAD = "road"
    SEA = "sea"
    AIR = "air"
    RAIL = "rail"
    INLAND_WATER = "inland_water"


class Difference(StrEnum):
    """What is wrong with a thing in a receipt; the first two are words of the PDG's exceptions, the last is not."""

    UNDERAGES = "underages"
    OVERAGES = "overages"
    DAMAGED = "damaged"


class Resolution(StrEnum):
    """What the consignee asks for, in the PDG's words."""

    SEND_NEW_DATA = "Send new data"
    SEND_PRODUCT = "Send product"
    RETURN_PRODUCT = "Return product"
    SEND_BACK_PRODUCT = "Send back product"
    CREDIT_ACCOUNT = "Credit account"
    DEBIT_ACCOUNT = "Debit account"


class _Member(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AdvisedLine(_Member):
    """A thing that is to come: itself, or so much of a lot or class (`uom` of UN/ECE Rec. 20; without: pieces).

    `within` is the container that it was in when it was advised.
    """

    thing: str
    quantity: Amount | None = None
    uom: str | None = None
    within: str | None = None

    @property
    def is_unstated(self) -> bool:
        """Tell whether nobody knew how much of a lot or class it is."""
        return self.quantity is None and (is_lot(self.thing) or is_class(self.thing))


class Leg(_Member):
    """A part of the way, from a place to a place (URIs); the times (µs UTC) are estimates."""

    mode: Mode
    from_place: Uri
    to_place: Uri
    carrier: Line | None = None
    departure: int | None = None
    arrival: int | None = None


class Report(_Member):
    """What an exception case says of a thing: how much was advised, how much came, and by how much it differs."""

    thing: str
    difference: Difference
    uom: str | None = None
    advised: Decimal
    received: Decimal
    quantity: Decimal

    @property
    def named(self) -> tuple[str, Difference, str, Decimal]:
        """Return what it says, whatever unit it is told in."""
        return self.thing, self.difference, kind_of_unit(self.uom), in_reference(self.quantity, self.uom)


class ShipmentPayload(DecisionPayload):
    """Something that is said of the shipment of this name."""

    shipment: str

    def event(self, *, captured_by: str, occurred_at: int, to: str | None = None) -> LedgerEvent:
        """Return the event at an instant (µs UTC), seen by who makes it and by the organisation `to`."""
        tags = [f"shipment:{self.shipment}"]
        match self:
            case ShipmentAdvised():
                tags += [SHIPMENTS, f"transaction:{self.advice}"]
                tags += [f"item:{line.thing}" for line in self.lines if line.within is None]
            case ExceptionOpened():
                tags += [f"case:{self.case}", *(f"item:{report.thing}" for report in self.reports)]
            case ExceptionAnswered() | ExceptionClosed():
                tags.append(f"case:{self.case}")
        tags += [] if to is None else [f"{PARTY_PREFIX}{to}"]
        return self.to_event(captured_by=captured_by, occurred_at=occurred_at, tags=tags)


class ShipmentAdvised(ShipmentPayload):
    """The despatch advice `advice`, a URI, says what is sent to the organisation `consignee`."""

    type_name = "supply_chain.shipment_advised.v1"
    advice: Uri
    consignee: Name
    lines: tuple[AdvisedLine, ...]
    legs: tuple[Leg, ...] = ()
    note: Line | None = None


class ReceiptCompleted(ShipmentPayload):
    """The consignee says that all that will come has come.

    `receipts` is how many receiving events it had recorded: who sees fewer does not see what is short. `exception` is
    the case that it opened with it, None when all is as advised.
    """

    type_name = "supply_chain.receipt_completed.v1"
    receipts: int = Field(ge=0)
    exception: str | None = None
    note: Line | None = None


class ExceptionOpened(ShipmentPayload):
    """What came differs from what was advised, in this and in nothing else."""

    type_name = "supply_chain.exception_opened.v1"
    case: str
    reports: tuple[Report, ...]
    resolution: Resolution | None = None
    note: Line | None = None


class ExceptionAnswered(ShipmentPayload):
    """The shipper accepts the case or rejects it; `alternative` is another resolution that it offers."""

    type_name = "supply_chain.exception_answered.v1"
    case: str
    accepted: bool
    alternative: Resolution | None = None
    note: Line | None = None


class ExceptionClosed(ShipmentPayload):
    """The consignee has what it wants, or wants nothing more."""

    type_name = "supply_chain.exception_closed.v1"
    case: str
    note: Line | None = None


Payload: TypeAlias = ShipmentAdvised | ExceptionOpened | ReceiptCompleted | ExceptionAnswered | ExceptionClosed
PAYLOADS: Final[dict[str, type[Payload]]] = {
    payload.type_name: payload
    for payload in (ShipmentAdvised, ExceptionOpened, ReceiptCompleted, ExceptionAnswered, ExceptionClosed)
}
"""Every kind by its type name, in the order in which they count where they have one time."""
_RANK: Final = {name: rank for rank, name in enumerate(PAYLOADS)}


class Said(SaidBy[Payload]):
    """What is said of a shipment, as it is recorded at a position."""

    __slots__ = ()

    @property
    def turn(self) -> tuple[int, int, bytes]:
        """Return what orders it among the rest: event time, kind, content, and never when it arrived."""
        return self.occurred_at, _RANK[self.payload.type_name], self.digest


def said_of(parts: Parts, position: int, event_id: UUID, recorded_at: int) -> Said | None:
    """Read what an event says; None for other types, and for what only others can have written and nobody can read."""
    return read_said(Said, PAYLOADS, parts, position=position, event_id=event_id, recorded_at=recorded_at)
