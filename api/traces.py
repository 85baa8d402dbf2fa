"""Answers about traces, as HTTP and the command line give them (models: `api.provenance_models`).

A trace may have two hundred thousand nodes, so its JSON is made of plain objects that the encoder takes as they are;
`TraceOut` is their description, and tests hold the one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np

from adapters.postgres.provenance import PostgresProvenance
from api import collector
from api.codes import read_code
from api.provenance import ask, event_members, microseconds_of, names_of, published_trees
from api.provenance_models import Trees
from api.trace_exports import TRANSFORMATION, exported
from api.trace_holders import Holders, holders_of
from api.trace_models import Include, TraceIn, TraceOut
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.affected import BlastRadius
from traceability.supply_chain.provenance import (
    EdgeKind,
    FrontierNode,
    Progress,
    Reach,
    Stop,
    Trace,
    TraceEdge,
    TraceNode,
    TraceQuery,
    trace,
    walk,
)
from traceability.supply_chain.seen import SeenEvent, thing_of
from traceability.supply_chain.traced import EdgeColumns, Seen

NDJSON: Final = "application/x-ndjson"
NAMED: Final = 1_000
"""Things of a trace whose names are told, those found first."""

_VERSION: Final = version("traceability")
_LINES_AT_ONCE: Final = 1_000
"""Lines that are handed on together: enough that handing on costs nothing, and few enough to come soon."""

_Members = dict[str, Any]


# Of these there are a hundred thousand in an answer.
class _Edge(msgspec.Struct, frozen=True, gc=False):
    kind: EdgeKind
    source: str
    target: str
    since: str | None
    until: str | None
    positions: tuple[int, ...]


class _Whereabouts(msgspec.Struct, frozen=True, gc=False):
    id: str
    last_seen: str | None
    step: str | None
    place: str | None
    disposition: str | None


class _EventName(msgspec.Struct, frozen=True, gc=False):
    position: int
    event_id: UUID


_encoder: Final = msgspec.json.Encoder()


def describe_trace(engine: Engine, reader: Reader, question: TraceIn) -> TraceOut:
    """Trace; raises as `trace` does, and `IdentifierError` for what is no identifier."""
    return TraceOut.model_validate_json(trace_json(engine, reader, question))


def trace_json(engine: Engine, reader: Reader, question: TraceIn) -> bytes:
    """Trace, as `describe_trace` does; return the JSON of a `TraceOut`."""
    with collector.paused():
        return AskedTrace.of(engine, reader, question).json()


@dataclass(frozen=True)
class AskedTrace:
    """A question for a trace, and the state of the ledger that it is asked of.

    Whoever asks for a trace as a whole pauses the collector until the question is let go, and with it all that was read
    for the answer: else the collector would look through that.
    """

    engine: Engine
    reader: Reader
    question: TraceIn
    query: TraceQuery
    index: PostgresProvenance
    trees: Trees

    @classmethod
    def of(cls, engine: Engine, reader: Reader, question: TraceIn) -> AskedTrace:
        """Ask; raises `IdentifierError` for what is no identifier, and as `ask` does."""
        query = query_of(question)
        return cls(engine, reader, question, query, ask(engine, reader, question.known_at), published_trees(engine))

    def etag(self, media_type: str) -> str:
        """Return the entity tag of the answer (RFC 9110 §8.8.3), a weak one: order may differ.

        It is that of the position that the answer is as known at, of all that decides what the reader sees there, of
        whose the parties and places are, of the question and of the published trees. Nothing else goes into an answer
        of this version.
        """
        told = (
            _VERSION,
            self.engine.ledger.name,
            self.index.known_at,
            self.reader.organisation,
            sorted(self.reader.parties),
            sorted(
                (grant.grantor, grant.grantee, sorted(grant.steps or ()), grant.steps is None, sorted(grant.parts))
                for grant in self.reader.grants
            ),
            [(one.name, one.glns) for one in self.engine.organisations.all()],
            sorted((name, str(told)) for name, told in _asked(self.question).items()),
            [tree.model_dump() for tree in self.trees.chain],
            media_type,
        )
        return f'W/"{sha256(_encoder.encode(told)).hexdigest()[:32]}"'

    def json(self) -> bytes:
        """Trace; return the JSON of a `TraceOut`. Raises as `trace` does."""
        found = trace(self.index, self.query)
        names = _names(self.engine, self.reader, self.question, found.known_at, found.nodes)
        return written_trace(self.question, found, self.trees, holders=self._holders, names=names)

    def lines(self) -> Iterator[bytes]:
        """Trace, and give the answer as lines of JSON while it is found, many at a time (docs/guide/provenance.md).

        Raises as `trace` does, before the iterator is returned.
        """
        return self._lines(walk(self.index, self.query), self._holders)

    def _lines(self, walked: Iterable[Progress], holders: Holders) -> Iterator[bytes]:
        time_of, event_of = _Times(), _event_of(self.question, self.trees)
        nodes: dict[str, TraceNode] = {}  # in the order in which they were found
        edges = frontier = events = 0
        complete = True
        for found in walked:
            nodes.update((node.id, node) for node in found.nodes)
            events += len(found.events)
            edges += len(found.edges)
            frontier += len(found.frontier)
            complete = complete and not any(node.reason in (Stop.DEPTH, Stop.LIMIT) for node in found.frontier)
            yield from _written("node", ({"id": node.id, **_node(node)} for node in found.nodes))
            yield from _written("event", map(event_of, found.events))
            yield from _written("edge", (_edge(edge, time_of) for edge in found.edges))
            yield from _written("frontier", map(_frontier, found.frontier))
            if (balance := found.balance) is not None:
                yield from _written("custody", holders.custody(nodes.values()))
                yield from _written("balance", balance.transformations)
                yield from _written("share", balance.shares)
                yield from _written("breach", balance.breaches)
            if (radius := found.blast_radius) is not None:
                yield from _written("blast_radius", [_radius(radius, time_of, holders)])
        end = {
            "roots": self.query.roots,
            "direction": self.query.direction.value,
            "as_of": time_of(self.query.as_of),
            "known_at": self.index.known_at,
            "complete": complete,
            "nodes": len(nodes),
            "edges": edges,
            "frontier": frontier,
            "events": events,
            "names": _names(self.engine, self.reader, self.question, self.index.known_at, nodes),
            "log": self.trees.newest and self.trees.newest.model_dump(),
        }
        yield from _written("end", [end])

    @property
    def _holders(self) -> Holders:
        return holders_of(self.index, self.engine.parties(self.reader, self.index.known_at), self.question, self.query)

    def graph(self, media_type: str) -> bytes:
        """Trace; return the graph in one of the forms of `trace_exports`. Raises as `trace` does."""
        return exported(trace(self.index, self.query), media_type)


def _asked(question: TraceIn) -> dict[str, Any]:
    told = question.model_dump(mode="json")
    return {name: sorted(value) if name in ("edge_kinds", "include") else value for name, value in told.items()}


def _names(engine: Engine, reader: Reader, question: TraceIn, known_at: int, nodes: Iterable[str]) -> dict[str, str]:
    if Include.NAMES not in question.include:
        return {}
    as_of = None if question.as_of is None else microseconds_of(question.as_of)
    return names_of(engine, reader, list(islice(nodes, NAMED)), as_of=as_of, known_at=known_at)


def written_trace(
    question: TraceIn, found: Trace, trees: Trees, *, holders: Holders, names: Mapping[str, str]
) -> bytes:
    """Return the JSON of the answer that a trace is, wherever it was found; `names` are those of its nodes."""
    query = found.query
    time_of, event_of = _Times(), _event_of(question, trees)
    return _encoder.encode(
        {
            "roots": query.roots,
            "direction": query.direction.value,
            "as_of": time_of(query.as_of),
            "known_at": found.known_at,
            "complete": found.complete,
            "nodes": {name: _node(node) for name, node in found.nodes.items()},
            "edges": _edges(found.columns),
            "frontier": [_frontier(node) for node in found.frontier],
            "events": [event_of(event) for event in found.events.values()],
            "custody": holders.custody(found.nodes.values()),
            "balance": found.balance._asdict(),
            "blast_radius": None if found.blast_radius is None else _radius(found.blast_radius, time_of, holders),
            "names": dict(names),
            "log": trees.newest and trees.newest.model_dump(),
        }
    )


def trace_lines(engine: Engine, reader: Reader, question: TraceIn) -> Iterator[bytes]:
    """Trace, and give the answer as lines of JSON while it is being found; raises as `describe_trace` does."""
    return AskedTrace.of(engine, reader, question).lines()


def trace_graph(engine: Engine, reader: Reader, question: TraceIn, media_type: str) -> bytes:
    """Trace, and give the graph in one of the forms of `trace_exports`; raises as `describe_trace` does."""
    with collector.paused():
        return AskedTrace.of(engine, reader, question).graph(media_type)


def _written(kind: str, told: Iterable[_Members | msgspec.Struct]) -> Iterator[bytes]:
    told = iter(told)
    while lines := [{kind: one} for one in islice(told, _LINES_AT_ONCE)]:
        yield _encoder.encode_lines(lines)


def query_of(question: TraceIn) -> TraceQuery:
    """Return what is to be traced; raises `IdentifierError` for what is no identifier."""
    return TraceQuery(
        roots=tuple(dict.fromkeys(thing_of(read_code(root).uri) for root in question.roots)),
        direction=question.direction,
        as_of=None if question.as_of is None else microseconds_of(question.as_of),
        max_depth=question.max_depth,
        max_nodes=question.max_nodes,
        edge_kinds=question.edge_kinds,
        tolerance=question.tolerance,
        shares=Include.SHARES in question.include,
        whereabouts=Include.WHEREABOUTS in question.include,
        chain_of_custody=question.chain_of_custody,
        seen=_seen(question),
    )


def _seen(question: TraceIn) -> Seen | None:
    if not (question.at or question.since or question.until):
        return None
    places = frozenset(thing_of(read_code(place).uri) for place in question.at)
    since, until = (None if time is None else microseconds_of(time) for time in (question.since, question.until))
    return Seen(places, since, until)


class _Times(dict[int | None, str | None]):
    """Times as text: the edges of a trace share few."""

    def __missing__(self, time: int | None) -> str | None:
        self[time] = text = None if time is None else utc_text(time)
        return text

    def __call__(self, time: int | None) -> str | None:
        return self[time]


def _event_of(question: TraceIn, trees: Trees) -> Callable[[SeenEvent], _Members | _EventName]:
    if Include.EVENTS not in question.include:
        return lambda event: _EventName(event.position, event.event_id)
    return lambda event: event_members(event, trees)


def _node(node: TraceNode) -> _Members:
    return _node_members(node.kind or TRANSFORMATION, node.reach, node.depth)


# Nodes differ by their names: of a hundred thousand, few have other members than the rest. Only read them.
@lru_cache(maxsize=1024)
def _node_members(kind: str, reach: Reach | None, depth: int) -> _Members:
    return {"kind": kind, "reach": reach, "depth": depth}


def _edge(edge: TraceEdge, time_of: _Times) -> _Edge:
    return _Edge(edge.kind, edge.source, edge.target, time_of[edge.begin], time_of[edge.end], edge.positions)


def _edges(columns: EdgeColumns) -> list[_Edge]:
    instants = list({*columns.begins, *columns.ends} - {None})
    times = np.datetime_as_string(np.array(instants, "datetime64[us]"), timezone="UTC").tolist()
    time_of = {None: None, **dict(zip(instants, times, strict=True))}.__getitem__
    since, until = map(time_of, columns.begins), map(time_of, columns.ends)
    return list(map(_Edge, columns.kinds, columns.sources, columns.targets, since, until, columns.positions))


def _radius(radius: BlastRadius, time_of: _Times, holders: Holders) -> _Members:
    return {
        "items": radius.items,
        "out_there": radius.out_there,
        "ended": radius.ended,
        "lots": radius.lots,
        "quantities": radius.quantities,
        "in_transit": radius.in_transit,
        "places": radius.places
        and [
            {
                "id": place.id,
                "organisation": holders.organisation_at(place.id),
                "items": place.items,
                "lots": place.lots,
                "last_seen": time_of(place.last_seen),
            }
            for place in radius.places
        ],
        "whereabouts": radius.whereabouts
        and [
            _Whereabouts(one.id, time_of(one.last_seen), one.step, one.place, one.disposition)
            for one in radius.whereabouts
        ],
    }


def _frontier(node: FrontierNode) -> _Members:
    return {"id": node.id, "direction": node.direction, "reason": node.reason}
