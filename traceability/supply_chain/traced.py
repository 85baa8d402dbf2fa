"""What is asked of a trace and what it answers: nodes, edges, and where the walk ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from traceability.errors import InvalidInputError
from traceability.supply_chain.seen import SeenEvent

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


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """What to trace: things by name (`thing_of`), `as_of` in microseconds UTC; limits count steps and nodes."""

    roots: tuple[str, ...]
    direction: Direction = Direction.BOTH
    as_of: int | None = None
    max_depth: int = 100
    max_nodes: int = 10_000
    edge_kinds: frozenset[EdgeKind] = PROPAGATING

    def __post_init__(self) -> None:
        if not 1 <= len(self.roots) <= MAX_ROOTS:
            raise InvalidInputError(f"A trace has 1 to {MAX_ROOTS} roots.", code="trace.roots")
        if self.max_depth < 0 or self.max_nodes < len(self.roots):
            raise InvalidInputError("A trace cannot have fewer nodes than roots.", code="trace.limits")


class TraceNode(msgspec.Struct, frozen=True, gc=False):
    """A thing, or a transformation (`reach` None). `depth` counts steps from the nearest root."""

    id: str
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


@dataclass(frozen=True)
class Trace:
    """The answer: nodes by id, edges and frontier sorted, and the events behind the edges by position."""

    query: TraceQuery
    known_at: int
    nodes: dict[str, TraceNode]
    columns: EdgeColumns = field(repr=False)
    frontier: tuple[FrontierNode, ...]
    events: dict[int, SeenEvent] = field(repr=False)

    @cached_property
    def edges(self) -> tuple[TraceEdge, ...]:
        """Return the edges."""
        return tuple(map(TraceEdge, *self.columns))

    @property
    def complete(self) -> bool:
        """Tell whether no limit cut the walk short."""
        return all(node.reason not in (Stop.DEPTH, Stop.LIMIT) for node in self.frontier)


class Progress(NamedTuple):
    """What a walk found since it last told: nodes, edges, frontier, and the events behind these edges, each once.

    A node that was told may be told again, nearer to the roots or reached in a stronger way; the last word counts.
    """

    nodes: list[TraceNode]
    edges: list[TraceEdge]
    frontier: list[FrontierNode]
    events: list[SeenEvent]
