"""What is asked of a trace and what it answers: nodes, edges, and where the walk ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from traceability.errors import InvalidInputError
from traceability.gs1.identifiers import Kind
from traceability.supply_chain.affected import BlastRadius
from traceability.supply_chain.balance import TransformationBalance
from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.shares import Breach, ChainOfCustody, Share

MAX_ROOTS: Final = 1_000


class Direction(StrEnum):
    """Towards origins, towards consequences, or each from the roots."""

    BACK = "back"
    FORWARD = "forward"
    BOTH = "both"


class EdgeKind(StrEnum):
    """What ties two nodes of a trace."""

    TRANSFORMATION = "transformation"
    CONTAINMENT = "containment"
    LOT = "lot"
    ASSOCIATION = "association"


PROPAGATING: Final = frozenset(EdgeKind) - {EdgeKind.ASSOCIATION}


class Reach(StrEnum):
    """In what way the walk reached a thing (see `provenance`), the strongest first."""

    TRACED = "traced"
    LOT = "lot"
    CARRIER = "carrier"
    ATTACHED = "attached"


class Stop(StrEnum):
    """Why the walk ended at a thing."""

    NO_FURTHER = "no_further"
    """Nothing that the reader may see leads on."""
    CLASS_LEVEL = "class_level"
    """Only the class of goods was recorded, no lot or serial."""
    DEPTH = "depth"
    LIMIT = "limit"


CUT_SHORT: Final = frozenset({Stop.DEPTH, Stop.LIMIT})


@dataclass(frozen=True, slots=True)
class Seen:
    """Things that were seen at one of these places, by name (`thing_of`; none: anywhere), from `since` to `until`
    (µs UTC, both included; None: without end).
    """  # noqa: D205 - one sentence

    places: frozenset[str] = frozenset()
    since: int | None = None
    until: int | None = None

    def __contains__(self, at: int) -> bool:
        """Tell whether an instant is in the time asked for."""
        return (self.since is None or self.since <= at) and (self.until is None or at <= self.until)


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """What to trace: things by name (`thing_of`), `as_of` in microseconds UTC; limits count steps and nodes.

    `tolerance` is the part of what goes into a transformation that may be lost or gained. `shares`, of the roots in
    what was made of them, and breaches of a model of `chain_of_custody` are only worked out when they are asked for,
    and so are the `whereabouts` of what may be affected.
    With `seen` the answer has of the things that the walk comes to only those, and the roots.
    """

    roots: tuple[str, ...]
    direction: Direction = Direction.BOTH
    as_of: int | None = None
    max_depth: int = 100
    max_nodes: int = 10_000
    edge_kinds: frozenset[EdgeKind] = PROPAGATING
    tolerance: Decimal = Decimal(0)
    shares: bool = False
    whereabouts: bool = False
    seen: Seen | None = None
    chain_of_custody: ChainOfCustody | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.roots) <= MAX_ROOTS:
            raise InvalidInputError(f"A trace has 1 to {MAX_ROOTS} roots.", code="trace.roots")
        if self.max_depth < 0 or self.max_nodes < len(self.roots):
            raise InvalidInputError("A trace cannot have fewer nodes than roots.", code="trace.limits")
        if not 0 <= self.tolerance <= 1:
            raise InvalidInputError("A tolerance is a part of the whole, from 0 to 1.", code="trace.tolerance")


class TraceNode(msgspec.Struct, frozen=True, gc=False):
    """A thing, or a transformation (`kind` and `reach` None). `depth` counts steps from the nearest root."""

    id: str
    kind: Kind | None
    reach: Reach | None
    depth: int


class TraceEdge(msgspec.Struct, frozen=True, gc=False):
    """A tie in the direction of the goods: input → transformation → output, child → parent, lot → member.

    It holds from `begin` to before `end` (µs UTC); a transformation has its instant as `begin` and no `end`, lot
    membership neither. `positions` are the events that say so.
    """

    kind: EdgeKind
    source: str
    target: str
    begin: int | None
    end: int | None
    positions: tuple[int, ...]


class FrontierNode(msgspec.Struct, frozen=True, gc=False):
    """Where and why the walk in one direction ended."""

    id: str
    direction: Direction
    reason: Stop


class EdgeColumns(NamedTuple):
    """Edges in order, as the columns of `TraceEdge`: an answer has hundreds of thousands."""

    kinds: Sequence[EdgeKind]
    sources: Sequence[str]
    targets: Sequence[str]
    begins: Sequence[int | None]
    ends: Sequence[int | None]
    positions: Sequence[tuple[int, ...]]


class Balance(NamedTuple):
    """The balance of each transformation of a trace, and, when asked for, shares and breaches; all by id."""

    transformations: Sequence[TransformationBalance]
    shares: Sequence[Share] = ()
    breaches: Sequence[Breach] = ()


@dataclass(frozen=True)
class Trace:
    """The answer: nodes by id, edges and frontier sorted, and the events behind the edges by position."""

    query: TraceQuery
    known_at: int
    nodes: dict[str, TraceNode]
    columns: EdgeColumns = field(repr=False)
    frontier: tuple[FrontierNode, ...]
    events: dict[int, SeenEvent] = field(repr=False)
    balance: Balance
    blast_radius: BlastRadius | None

    @cached_property
    def edges(self) -> tuple[TraceEdge, ...]:
        """Return the edges."""
        return tuple(map(TraceEdge, *self.columns))

    @property
    def complete(self) -> bool:
        """Tell whether no limit cut the walk short."""
        return not any(node.reason in CUT_SHORT for node in self.frontier)


class Progress(NamedTuple):
    """What a walk found since it last told: nodes, edges, frontier, and the events behind these edges, each once.

    A node that was told may be told again, nearer to the roots or reached in a stronger way; the last word counts.
    What a trace adds up to is only told at its end.
    """

    nodes: list[TraceNode]
    edges: list[TraceEdge]
    frontier: list[FrontierNode]
    events: list[SeenEvent]
    balance: Balance | None = None
    blast_radius: BlastRadius | None = None
