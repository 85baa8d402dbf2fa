"""The JSON of `/provenance`: its models, which are also what `--json` prints.

Times are UTC with six decimals, quantities are strings, things are canonical identifiers, events are named by their
position and by the `event_id` that receipts go by.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from traceability.gs1.identifiers import Kind
from traceability.supply_chain.decisions import HoldingRole
from traceability.supply_chain.entry import Authority, ClaimReason
from traceability.supply_chain.item import Lifecycle
from traceability.supply_chain.seen import Role

MAX_HISTORY: Final = 10_000
USUAL_HISTORY: Final = 1_000
_CASE: Final = "019ca877-0c1b-7000-8000-000000000001"
_PACK: Final = "https://id.gs1.org/01/09521234000013/21/1001"
_PALLET: Final = "https://id.gs1.org/00/095212340000000013"
_TIME: Final = "2026-03-01T08:15:00.000000Z"

Text = Annotated[str, Field(min_length=1, max_length=2048)]
Time = Annotated[str, Field(examples=[_TIME])]


class TreeOut(BaseModel):
    """The published tree of the log: the event at a position p is leaf p − `first_position` of `size`."""

    name: str = Field(examples=["main"])
    origin: str = Field(examples=["dairy.example/main"])
    vkey: str
    first_position: int
    size: int

    def leaf_index(self, position: int) -> int | None:
        """Return where an event is in the tree, None when it is not in it yet."""
        leaf = position - self.first_position
        return leaf if 0 <= leaf < self.size else None


@dataclass(frozen=True, slots=True)
class Trees:
    """The published trees of the ledger's logs, in the order of their positions."""

    chain: tuple[TreeOut, ...]

    @property
    def newest(self) -> TreeOut | None:
        """The tree of the log that is added to, None while there is none."""
        return self.chain[-1] if self.chain else None

    @property
    def published(self) -> int:
        """The last position that any of them has as a leaf; 0 while there is none."""
        return max((tree.first_position + tree.size - 1 for tree in self.chain), default=0)

    def holding(self, position: int) -> TreeOut | None:
        """Return the tree that has an event as a leaf, None when it is not in it yet."""
        tree = next((tree for tree in reversed(self.chain) if tree.first_position <= position), None)
        return None if tree is None or tree.leaf_index(position) is None else tree


class DeclarationOut(BaseModel):
    """The event is an error declaration: it takes back the event of the same organisation and eventID."""

    time: str
    reason: str | None


class EventOut(BaseModel):
    """An event as far as you may see it.

    `log` is the log whose leaf it is and `leaf_index` its place in the published tree, both null while it is not in it.
    `whole` is false when it names items
    that you may not see.
    """

    position: int = Field(examples=[12])
    event_id: UUID
    log: str | None = Field(examples=["main"])
    leaf_index: int | None
    recorded_at: Time
    type: str = Field(examples=["epcis.aggregation_event.v2"])
    captured_by: str = Field(examples=["dairy.example"])
    occurred_at: Time
    time_zone_offset: str = Field(examples=["+01:00"])
    action: str | None = Field(examples=["ADD"])
    biz_step: str | None = Field(examples=["packing"])
    step: str = Field(description="The business step in words.", examples=["Packed"])
    disposition: str | None
    read_point: str | None
    biz_location: str | None
    declaration: DeclarationOut | None
    whole: bool


class EntryOut(EventOut):
    """An event in the life of the thing: in its own `roles`, or `via` a container that it was in.

    `authority` is by what right it was said, null for what counts for nothing anyway. An event that is retracted, the
    declaration itself and a claim, for its `reason`, do not move the state.
    """

    roles: list[Role]
    via: str | None
    retracted_by: UUID | None
    authority: Authority | None = Field(examples=["custodian"])
    reason: ClaimReason | None


class HoldingOut(BaseModel):
    """Who had custody or ownership, by permanent name or party URI, from `since` until before `until`.

    `opened_by` and `closed_by` are positions.
    """

    holder: str = Field(examples=["dairy.example"])
    since: Time
    until: Time | None
    opened_by: int
    closed_by: int | None


class ShipmentOut(BaseModel):
    """The thing is on its way: `to` is to have it, `owner` to own it, null where that was not told."""

    shipper: str | None = Field(examples=["dairy.example"])
    to: str | None = Field(examples=["store.example"])
    owner: str | None
    since: Time
    opened_by: int


class HoldOut(BaseModel):
    """The thing must stay where it is, or what it is in (`via`)."""

    hold: str
    kind: str = Field(examples=["quality"])
    reason: str
    placed_by: str
    authority: Authority
    since: Time
    position: int
    via: str | None


class ProposalOut(BaseModel):
    """A transfer that was offered and not answered."""

    proposal: str
    role: HoldingRole
    issuer: str
    receiver: str
    since: Time
    position: int


class IntervalOut(BaseModel):
    """`child` was in (or attached to) `parent` from `since` until before `until`, null while it is.

    `opened_by` and `closed_by` are positions; `implied`: the end was not stated but follows from where it was next.
    """

    kind: str = Field(examples=["containment"])
    child: str = Field(examples=[_PACK])
    parent: str = Field(examples=[_PALLET])
    since: Time
    until: Time | None
    opened_by: int
    closed_by: int | None
    implied: bool


class ReadingOut(BaseModel):
    """A number that a sensor reported, as it was sent; `uom` is the UN/CEFACT Rec. 20 code."""

    at: Time
    kind: str = Field(examples=["Temperature"])
    value: Decimal = Field(examples=["4.5"])
    uom: str | None = Field(examples=["CEL"])
    component: str | None
    device: str | None
    position: int


class QuantityOut(BaseModel):
    """An amount of a class or lot that an event states; without `uom` it counts pieces."""

    at: Time
    role: Role
    action: str | None
    quantity: Decimal | None = Field(examples=["250"])
    uom: str | None = Field(examples=["KGM"])
    position: int


class StateOut(BaseModel):
    """What is known of the thing after its events; `contained_in` goes outward, `contents` are direct."""

    lifecycle: Lifecycle
    commissioned_at: Time | None
    disposition: str | None
    persistent_dispositions: list[str]
    place: str | None
    place_since: Time | None
    last_step: str | None
    last_seen_at: Time | None
    lot: str | None
    contained_in: list[str]
    contents: list[str]
    attached_to: list[str]
    attachments: list[str]
    transformed_from: list[str]
    transformed_into: list[str]
    quantities: list[QuantityOut]
    temperatures: list[ReadingOut]


class RecallName(BaseModel):
    """A recall case; `/recalls/{case}` tells the rest."""

    case: str = Field(examples=[_CASE])
    name: str = Field(examples=["Listeria in soft cheese"])
    classification: str = Field(examples=["I"])
    opened_by: str = Field(examples=["dairy.example"])
    roots: list[str]


class StopOut(BaseModel):
    """What stops all packs of a lot (`batch_recalled`) or of a product (`product_withdrawn`) for good."""

    type: Literal["batch_recalled", "product_withdrawn"]
    reason: str = Field(examples=["particles were seen"])
    by: str = Field(examples=["maker.example"])
    since: Time
    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class ItemOut(BaseModel):
    """State, history and containment of one thing, as of an event time and as known at a position.

    `history` holds the last events in the order of their event times, `history_count` tells how many there are. Of a
    lot or class several may have some, and several shipments may be open.
    """

    id: str = Field(examples=[_PACK])
    kind: Kind
    as_of: Time | None
    known_at: int
    state: StateOut
    custody: list[HoldingOut]
    ownership: list[HoldingOut]
    shipments: list[ShipmentOut]
    holds: list[HoldOut]
    proposals: list[ProposalOut]
    history_count: int
    history: list[EntryOut]
    containers: list[IntervalOut]
    contents: list[IntervalOut]
    associations: list[IntervalOut]
    members: list[str]
    readings: list[ReadingOut]
    recalls: list[RecallName] | None = Field(
        default=None, description="The recalls that are open on it, its lot or what it is in. Null where nobody looked."
    )
    stops: list[StopOut] | None = Field(
        default=None, description="What recalls its lot or withdraws its product. Null where nobody looked."
    )
    names: dict[str, str] = Field(
        default={}, description="What you call these places and things by master data.", examples=[{_PACK: "Cheese"}]
    )
    log: TreeOut | None
