"""Answers about traces, as HTTP and the command line give them (models: `api.provenance_models`).

A trace may have two hundred thousand nodes, so its JSON is made of plain objects that the encoder takes as they are;
`TraceOut` is their description, and tests hold the one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np

from api import collector
from api.codes import read_code
from api.provenance import ask, event_members, microseconds_of, names_of, published_trees
from api.provenance_models import Include, TraceIn, TraceOut, Trees
from api.wiring import Engine
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.index import ProvenanceIndex
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
from traceability.supply_chain.things import kind_of
from traceability.supply_chain.traced import EdgeColumns

NDJSON: Final = "application/x-ndjson"
NAMED: Final = 1_000
"""Things of a trace whose names are told, those found first."""

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
        return _json(engine, reader, question)


def _json(engine: Engine, reader: Reader, question: TraceIn) -> bytes:
    query = query_of(question)
    found = trace(ask(engine, reader, question.known_at), query)
    names = _names(engine, reader, question, found.known_at, found.nodes)
    return written_trace(question, query, found, published_trees(engine), names)


def _names(engine: Engine, reader: Reader, question: TraceIn, known_at: int, nodes: Iterable[str]) -> dict[str, str]:
    if Include.NAMES not in question.include:
        return {}
    as_of = None if question.as_of is None else microseconds_of(question.as_of)
    return names_of(engine, reader, list(islice(nodes, NAMED)), as_of=as_of, known_at=known_at)


def written_trace(question: TraceIn, query: TraceQuery, found: Trace, trees: Trees, names: Mapping[str, str]) -> bytes:
    """Return the JSON of the answer that a trace is, wherever it was found; `names` are those of its nodes."""
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
            "names": dict(names),
            "log": trees.newest and trees.newest.model_dump(),
        }
    )


def trace_lines(engine: Engine, reader: Reader, question: TraceIn) -> Iterator[bytes]:
    """Trace, and give the answer as lines of JSON while it is being found, many at a time (docs/guide/provenance.md).

    Raises as `describe_trace` does, before the iterator is returned.
    """
    query, index = query_of(question), ask(engine, reader, question.known_at)
    names_for = partial(_names, engine, reader, question, index.known_at)
    return _lines(walk(index, query), query, index, published_trees(engine), question, names_for=names_for)


def _lines(
    walked: Iterable[Progress],
    query: TraceQuery,
    index: ProvenanceIndex,
    trees: Trees,
    question: TraceIn,
    *,
    names_for: Callable[[Iterable[str]], Mapping[str, str]],
) -> Iterator[bytes]:
    time_of, event_of = _Times(), _event_of(question, trees)
    nodes: dict[str, None] = {}  # in the order in which they were found
    edges = frontier = events = 0
    complete = True
    for found in walked:
        nodes.update((node.id, None) for node in found.nodes)
        events += len(found.events)
        edges += len(found.edges)
        frontier += len(found.frontier)
        complete = complete and not any(node.reason in (Stop.DEPTH, Stop.LIMIT) for node in found.frontier)
        yield from _written("node", ({"id": node.id, **_node(node)} for node in found.nodes))
        yield from _written("event", map(event_of, found.events))
        yield from _written("edge", (_edge(edge, time_of) for edge in found.edges))
        yield from _written("frontier", map(_frontier, found.frontier))
    end = {
        "roots": query.roots,
        "direction": query.direction.value,
        "as_of": time_of(query.as_of),
        "known_at": index.known_at,
        "complete": complete,
        "nodes": len(nodes),
        "edges": edges,
        "frontier": frontier,
        "events": events,
        "names": names_for(nodes),
        "log": trees.newest and trees.newest.model_dump(),
    }
    yield from _written("end", [end])


def _written(kind: str, told: Iterable[_Members | _Edge | _EventName]) -> Iterator[bytes]:
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
    )


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
    if node.reach is None:
        return _node_members("transformation", None, node.depth)
    return _node_members(kind_of(node.id), node.reach, node.depth)


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


def _frontier(node: FrontierNode) -> _Members:
    return {"id": node.id, "direction": node.direction, "reason": node.reason}
