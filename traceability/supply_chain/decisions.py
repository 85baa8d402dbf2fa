"""Decisions about things that no EPCIS event can say: transfers, offered and answered, holds, and what is stated.

Decisions are ledger events under `item:` tags, so that who reads a thing's events finds them. They are seen whole or
not at all: by who made them, by the parties that they name, and by whoever was granted the part `more`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis import EpcisView
from traceability.ledger.event import UNREADABLE, opaque_data
from traceability.ledger.parts import Parts
from traceability.supply_chain.about_things import AboutThings
from traceability.supply_chain.aircraft_part.events import PartLimitSet, PartReleased, UtilisationStated
from traceability.supply_chain.drug_package.events import (
    BatchRecalled,
    PackDeactivated,
    PackReactivated,
    ProductWithdrawn,
)
from traceability.supply_chain.seen import Column, Row, SeenEvent
from traceability.supply_chain.things import thing_of


class HoldingRole(StrEnum):
    """What a party may have of a thing: the thing in its hands, or the right to it."""

    CUSTODY = "custody"
    OWNERSHIP = "ownership"


class TransferProposed(AboutThings):
    """Who holds a role offers it to `receiver`; both are organisations by their permanent names."""

    type_name = "supply_chain.transfer_proposed.v1"
    proposal: str
    role: HoldingRole
    issuer: str
    receiver: str


class TransferAccepted(AboutThings):
    """The receiver accepts a proposal, for these things: the role is its own from then on."""

    type_name = "supply_chain.transfer_accepted.v1"
    proposal: str


class TransferDeclined(AboutThings):
    """The receiver does not want these things."""

    type_name = "supply_chain.transfer_declined.v1"
    proposal: str
    reason: str | None = None


class TransferCancelled(AboutThings):
    """The issuer takes a proposal back that was not answered."""

    type_name = "supply_chain.transfer_cancelled.v1"
    proposal: str
    reason: str | None = None


class HoldPlaced(AboutThings):
    """These things must stay where they are: `kind` is a word such as `quality`, `customs` or `recall`."""

    type_name = "supply_chain.hold_placed.v1"
    hold: str
    kind: str
    reason: str


class HoldReleased(AboutThings):
    """Who placed a hold lets these things go."""

    type_name = "supply_chain.hold_released.v1"
    hold: str
    reason: str | None = None


Decided = (
    TransferProposed
    | TransferAccepted
    | TransferDeclined
    | TransferCancelled
    | HoldPlaced
    | HoldReleased
    | PartReleased
    | PartLimitSet
    | UtilisationStated
    | PackDeactivated
    | PackReactivated
    | BatchRecalled
    | ProductWithdrawn
)
_PAYLOADS: Final[dict[str, type[Decided]]] = {
    payload.type_name: payload
    for payload in (
        TransferProposed,
        TransferAccepted,
        TransferDeclined,
        TransferCancelled,
        HoldPlaced,
        HoldReleased,
        PartReleased,
        PartLimitSet,
        UtilisationStated,
        PackDeactivated,
        PackReactivated,
        BatchRecalled,
        ProductWithdrawn,
    )
}
DECISION_TYPES: Final = frozenset(_PAYLOADS)
ANSWERS: Final = frozenset(
    payload.type_name
    for payload in (TransferAccepted, TransferDeclined, TransferCancelled, HoldReleased, PackReactivated)
)
"""What answers another decision, and comes after it where both have one time."""


class SeenDecision(SeenEvent):
    """A recorded decision about `decided_about`, by the names of things. It says nothing in the dimensions of EPCIS."""

    def __init__(self, row: Row, payload: Decided) -> None:
        super().__init__(row, b"", frozenset({int(Column.MORE)}), whole=True)
        self.payload = payload
        self.decided_about = frozenset(map(thing_of, payload.things))

    @property
    def view(self) -> EpcisView:
        """Return what there is of it in the form of an event."""
        return EpcisView(self.type, self.captured_by, self.occurred_at, "")


def see_decision(row: Row, extent: frozenset[str]) -> SeenDecision | None:
    """Return the decision that a reader of this extent sees; None when it is hidden, or nothing that we can read."""
    if "more" not in extent:
        return None
    try:
        head, more = row[Column.HEAD], row[Column.MORE]
        data = opaque_data(Parts(head=head, more=more))
        bare = SeenEvent(row, b"", frozenset(), whole=True)
        payload = _PAYLOADS[bare.type].model_validate_json(data)
    except (InvalidInputError, AssertionError, *UNREADABLE):
        # The type may have been given to anything: what cannot be read is data, and decides nothing.
        return None
    return SeenDecision(row, payload)
