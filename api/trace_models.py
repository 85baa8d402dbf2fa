"""The JSON of `POST /provenance/traces`: its models, which are also what `traceability trace --json` prints."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.provenance_models import EventOut, HoldingOut, HoldOut, ShipmentOut, Text, Time, TreeOut
from traceability.supply_chain.balance import Verdict
from traceability.supply_chain.item import Lifecycle
from traceability.supply_chain.provenance import MAX_ROOTS, PROPAGATING, Direction, EdgeKind, Reach, Stop
from traceability.supply_chain.shares import ChainOfCustody, Rule

MAX_NODES: Final = 200_000
_PACK: Final = "https://id.gs1.org/01/09521234000013/21/1001"
_PLANT: Final = "https://id.gs1.org/414/9521234000006"
_TIME: Final = "2026-03-01T08:15:00.000000Z"


class Include(StrEnum):
    """What a trace may hold beside nodes, edges and frontier."""

    EVENTS = "events"
    NAMES = "names"
    CUSTODY = "custody"
    SHARES = "shares"
    WHEREABOUTS = "whereabouts"


_INCLUDED: Final = (
    "`events`: each event and not only its name; `names`: what you call the things; `custody`: who had the first 1,000"
    " things; `shares`: how much of the roots may"
    " be in what was made of them; `whereabouts`: where each affected thing was last seen."
)


class TraceIn(BaseModel):
    """What to trace. `as_of` needs an offset; `known_at` is a position of the ledger."""

    model_config = ConfigDict(extra="forbid")
    roots: list[Text] = Field(
        min_length=1, max_length=MAX_ROOTS, description="Digital Links, URNs or (01)…", examples=[[_PACK]]
    )
    direction: Direction = Direction.BOTH
    as_of: AwareDatetime | None = Field(default=None, examples=[_TIME])
    known_at: int | None = Field(default=None, ge=0)
    max_depth: int = Field(default=100, ge=0, le=MAX_NODES, description="Steps from thing to thing.")
    max_nodes: int = Field(default=10_000, ge=1, le=MAX_NODES)
    edge_kinds: frozenset[EdgeKind] = Field(default=PROPAGATING, description="Association is shown, never followed.")
    include: frozenset[Include] = Field(default=frozenset(), description=_INCLUDED)
    tolerance: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=1,
        max_digits=30,
        description="The part of what goes into a transformation that may be lost or gained.",
        examples=["0.02"],
    )
    chain_of_custody: ChainOfCustody | None = Field(
        default=None, description="The model of ISO 22095 that the way of the roots is held against."
    )
    at: list[Text] = Field(
        default=[],
        max_length=100,
        description="Places: the answer has, beside the roots, only what was seen at one of them.",
        examples=[[_PLANT]],
    )
    since: AwareDatetime | None = Field(
        default=None, description="The answer has only what was seen from this event time on.", examples=[_TIME]
    )
    until: AwareDatetime | None = Field(default=None, description="And up to this one.", examples=[_TIME])


class NodeOut(BaseModel):
    """A thing, or a transformation (`reach` null)."""

    kind: str = Field(examples=["item", "lot", "class", "transformation"])
    reach: Reach | None
    depth: int


class EdgeOut(BaseModel):
    """A tie in the direction of the goods: input → transformation → output, child → parent, lot → member.

    It holds from `since` until before `until`; a transformation is an instant, lot membership has no time.
    """

    kind: EdgeKind
    source: str
    target: str
    since: Time | None
    until: Time | None
    positions: list[int]


class FrontierOut(BaseModel):
    """Where the walk in one direction ended, and why."""

    id: str
    direction: Direction
    reason: Stop


class CustodyOut(BaseModel):
    """Who had a thing, whose it was, where it is under way to and what holds it; of a lot several may have some."""

    id: str
    custody: list[HoldingOut]
    ownership: list[HoldingOut]
    shipments: list[ShipmentOut]
    holds: list[HoldOut]


class SumOut(BaseModel):
    """What went into a transformation and came out, in one unit (UN/ECE Rec. 20); without `uom` it counts pieces.

    `loss` is what went in less what came out, negative for a gain; null where the two are not compared.
    """

    uom: str | None = Field(examples=["KGM"])
    inputs: Decimal = Field(examples=["1025"])
    outputs: Decimal = Field(examples=["1020"])
    loss: Decimal | None = Field(examples=["5"])


class TransformationBalanceOut(BaseModel):
    """The balance of a transformation; `id` is that of its node, `positions` are the events that tell it."""

    id: str
    verdict: Verdict
    sums: list[SumOut]
    positions: list[int]


class ShareOut(BaseModel):
    """What part of a thing the roots are: at `most`, and if all was mixed evenly (null: the events do not tell)."""

    id: str
    most: Decimal = Field(examples=["0.05"])
    proportional: Decimal | None = Field(examples=["0.024390243902"])


class BreachOut(BaseModel):
    """Where the model is broken or, not `certain`, may be: the transformation, and up to 100 `things` that went in."""

    id: str
    rule: Rule
    certain: bool
    things: list[str]
    positions: list[int]


class BalanceOut(BaseModel):
    """Mass balance: of each transformation, and along the way of the roots as far as the question asks for it."""

    transformations: list[TransformationBalanceOut]
    shares: list[ShareOut] = Field(description="With `shares`.")
    breaches: list[BreachOut] = Field(description="With `chain_of_custody`.")


class LotSumOut(BaseModel):
    """Of a lot, in one unit (null: pieces): what was made of it, what was used or ended, and what is left.

    `made` and `left` are null when no event tells how much was made.
    """

    uom: str | None = Field(examples=["KGM"])
    made: Decimal | None = Field(examples=["1020"])
    used: Decimal = Field(examples=["600"])
    left: Decimal | None = Field(examples=["420"])


class AffectedLotOut(BaseModel):
    """A lot that may be affected."""

    id: str
    sums: list[LotSumOut]


class AmountOut(BaseModel):
    """An amount in a unit; without `uom` it counts pieces."""

    uom: str | None = Field(examples=["KGM"])
    quantity: Decimal = Field(examples=["420"])


class PlaceCountOut(BaseModel):
    """How many items and lots that are out there were last seen at a place (null: none is told), and the last when.

    `organisation` is the one that the place belongs to, null for a stranger's.
    """

    id: str | None
    organisation: str | None
    items: int
    lots: int
    last_seen: Time | None


class WhereaboutsOut(BaseModel):
    """An item or lot that is out there, and how it was last seen."""

    id: str
    last_seen: Time | None
    step: str | None = Field(examples=["shipping"])
    place: str | None
    disposition: str | None = Field(examples=["in_transit"])


class BlastRadiusOut(BaseModel):
    """What the roots may have touched on the way forward: `items` are things named one by one, without lots.

    `ended` tells how many of them ended in which way; the rest is `out_there`. Without `whereabouts` observations are
    not read, and the last three members are null.
    """

    items: int
    out_there: int
    ended: dict[Lifecycle, int]
    lots: list[AffectedLotOut]
    quantities: list[AmountOut] = Field(description="What is left of the lots, in each unit.")
    in_transit: int | None = Field(description="Items out there whose last disposition is `in_transit`.")
    places: list[PlaceCountOut] | None
    whereabouts: list[WhereaboutsOut] | None = Field(description="Each item and lot that is out there.")


class EventName(BaseModel):
    """The names of an event."""

    position: int
    event_id: UUID


class TraceOut(BaseModel):
    """Nodes by id, the edges between them, where the walk ended, and the events that say so.

    `complete` is false when a limit cut it short.
    """

    roots: list[str]
    direction: Direction
    as_of: Time | None
    known_at: int
    complete: bool
    nodes: dict[str, NodeOut]
    edges: list[EdgeOut]
    frontier: list[FrontierOut]
    events: list[EventOut] | list[EventName]
    custody: list[CustodyOut] = Field(
        description="Of the roots that are single things, up to 100; with `custody` of the first 1,000 things of all."
    )
    balance: BalanceOut
    blast_radius: BlastRadiusOut | None = Field(description="Null for a trace back.")
    names: dict[str, str] = Field(
        default={}, description="With `names`, what you call the first 1,000 things.", examples=[{_PACK: "Cheese"}]
    )
    log: TreeOut | None


class NodeLine(NodeOut):
    """A node of an answer in lines; a later line about the same `id` replaces this one."""

    id: str


class EndOut(BaseModel):
    """The last line of an answer in lines: how much there was of each kind. An answer without it was cut off."""

    roots: list[str]
    direction: Direction
    as_of: Time | None
    known_at: int
    complete: bool
    nodes: int = Field(description="Different nodes.")
    edges: int
    frontier: int
    events: int
    names: dict[str, str] = {}
    log: TreeOut | None


class TraceLine(BaseModel):
    """One line of a trace as NDJSON: it has exactly one of these members."""

    node: NodeLine | None = None
    event: EventOut | EventName | None = None
    edge: EdgeOut | None = None
    frontier: FrontierOut | None = None
    custody: CustodyOut | None = None
    balance: TransformationBalanceOut | None = None
    share: ShareOut | None = None
    breach: BreachOut | None = None
    blast_radius: BlastRadiusOut | None = None
    end: EndOut | None = None
