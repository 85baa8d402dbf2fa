"""Where a thing came from, or what became of it: a trace as a drawing and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from markupsafe import Markup

from api.web import graph, words
from api.web.drawing import Caption
from api.web.names import Names, kind_of, path_of, short_number
from api.web.page import LegendLine, Named, Origin, OriginRow
from traceability.supply_chain.provenance import EdgeKind, Reach, Trace, TraceEdge
from traceability.supply_chain.seen import is_lot

MAX_NODES: Final = 24
"""Rows of the drawing; like things are drawn as one before the rest is left to the table."""

MAX_ROWS: Final = 200
_GROUP: Final = 4

_KINDS: Final[Mapping[EdgeKind, graph.EdgeKind]] = {
    EdgeKind.TRANSFORMATION: graph.EdgeKind.MADE,
    EdgeKind.LOT: graph.EdgeKind.MADE,
    EdgeKind.CONTAINMENT: graph.EdgeKind.PACKED,
    EdgeKind.ASSOCIATION: graph.EdgeKind.INSTALLED,
}
_LEGEND: Final = {
    graph.EdgeKind.MADE: "made into",
    graph.EdgeKind.PACKED: "packed into",
    graph.EdgeKind.INSTALLED: "installed on",
}
_HOW: Final = {
    EdgeKind.LOT: "is the lot of",
    EdgeKind.CONTAINMENT: "was in",
    EdgeKind.ASSOCIATION: "was on",
}


def origin(thing: str, trace: Trace, names: Names, *, forward: bool) -> Origin | None:
    """Return the section, or None when there is nothing but the thing itself."""
    edges = _telling(thing, trace.edges)
    if not edges:
        return None
    heading = _heading(edges, forward=forward)
    nodes, drawn = _drawing(thing, trace, edges, names)
    left_out = len(nodes) - MAX_NODES
    nodes = nodes[:MAX_NODES]
    summary = _summary(thing, trace, edges, names, forward=forward)
    if left_out > 0:
        summary += f" {left_out} more are only in the table."
    if not trace.complete:
        summary += " There is more than a page can show; ask for a trace to have all of it."
    caption = Caption("origin-graph", heading, f"{summary} The same is in the table below.")
    used = {edge.kind for edge in drawn}
    return Origin(
        heading=heading,
        summary=summary,
        svg=Markup(graph.svg(graph.lay_out(nodes, drawn), caption)),  # noqa: S704 - the drawing escapes its texts
        legend=tuple(LegendLine(kind.value, label) for kind, label in _LEGEND.items() if kind in used),
        rows=tuple(_row(edge, trace, names) for edge in edges[:MAX_ROWS]),
    )


def _heading(edges: Iterable[TraceEdge], *, forward: bool) -> str:
    kinds = {edge.kind for edge in edges}
    if EdgeKind.TRANSFORMATION in kinds:
        return "What became of it" if forward else "Where it came from"
    return "What it travelled with" if EdgeKind.CONTAINMENT in kinds else "What it was connected with"


def _telling(thing: str, edges: Iterable[TraceEdge]) -> list[TraceEdge]:
    """Order by time, and leave out lots that only say what they are the lot of and lead nowhere else."""
    edges = list(edges)
    led_to = {edge.target for edge in edges}
    kept = [e for e in edges if e.kind is not EdgeKind.LOT or e.source == thing or e.source in led_to]
    return sorted(kept, key=lambda edge: (edge.begin or 0, edge.source, edge.target))


def _drawing(
    thing: str, trace: Trace, edges: list[TraceEdge], names: Names
) -> tuple[list[graph.Node], list[graph.Edge]]:
    keys = list(dict.fromkeys(key for edge in edges for key in (edge.source, edge.target)))
    member_of = _groups(thing, keys, edges, trace)
    members: dict[str, list[str]] = {}
    for key in keys:
        members.setdefault(member_of.get(key, key), []).append(key)
    nodes = [
        _group_node(key, inside, names) if key in member_of.values() else _node(key, thing, trace, edges, names)
        for key, inside in members.items()
    ]
    drawn = [
        graph.Edge(member_of.get(edge.source, edge.source), member_of.get(edge.target, edge.target), _KINDS[edge.kind])
        for edge in edges
    ]
    return nodes, list(dict.fromkeys(drawn))


def _groups(thing: str, keys: list[str], edges: list[TraceEdge], trace: Trace) -> dict[str, str]:
    """Map things that are tied to the same neighbours in the same ways, four or more, to a group of theirs."""
    ties: dict[str, set[tuple[str, str, str]]] = {key: set() for key in keys}
    for edge in edges:
        ties[edge.source].add((edge.kind, "to", edge.target))
        ties[edge.target].add((edge.kind, "from", edge.source))
    alike: dict[object, list[str]] = {}
    for key in keys:
        if key != thing and trace.nodes[key].reach is not None:
            alike.setdefault((kind_of(key), frozenset(ties[key])), []).append(key)
    return {key: f"group:{members[0]}" for members in alike.values() if len(members) >= _GROUP for key in members}


def _group_node(key: str, members: list[str], names: Names) -> graph.Node:
    described = {names.description(member) for member in members}
    what = described.pop() if len(described) == 1 else None
    label = f"{len(members)} × {what or kind_of(members[0]).lower()}"
    ends = f"{short_number(members[0])} to {short_number(members[-1])}"
    return graph.Node(key, label, ends, graph.NodeKind.GROUP)


def _node(key: str, thing: str, trace: Trace, edges: list[TraceEdge], names: Names) -> graph.Node:
    if trace.nodes[key].reach is None:
        return _event_node(key, trace, edges, names)
    number = short_number(key)
    description = names.description(key)
    kind = graph.NodeKind.THING
    if is_lot(key):
        kind = graph.NodeKind.LOT
    elif "/00/" in key:
        kind = graph.NodeKind.UNIT
    label, detail = (description, number) if description else (kind_of(key), number.rpartition(" ")[2])
    return graph.Node(key, label, detail, kind, href=path_of(key), current=key == thing)


def _event_node(key: str, trace: Trace, edges: list[TraceEdge], names: Names) -> graph.Node:
    """Draw a transformation: where it was, and when."""
    event = trace.events[next(edge for edge in edges if key in (edge.source, edge.target)).positions[0]]
    place = event.view.biz_location or event.view.read_point
    where = names.place(place).value if place else names.organisation(event.view.captured_by)
    return graph.Node(key, where, f"made on {words.moment(event.view.occurred_at)} UTC", graph.NodeKind.EVENT)


def _row(edge: TraceEdge, trace: Trace, names: Names) -> OriginRow:
    if edge.kind is EdgeKind.TRANSFORMATION:
        how = "went into" if trace.nodes[edge.source].reach is not None else "made"
    else:
        how = _HOW[edge.kind]
    begin = "" if edge.begin is None else words.moment(edge.begin)
    if edge.kind in (EdgeKind.CONTAINMENT, EdgeKind.ASSOCIATION):
        begin += " to " + ("now" if edge.end is None else words.moment(edge.end))
    return OriginRow(_named(edge.source, trace, edge, names), how, _named(edge.target, trace, edge, names), begin)


def _named(key: str, trace: Trace, edge: TraceEdge, names: Names) -> Named:
    if trace.nodes[key].reach is None:
        return Named(_event_node(key, trace, [edge], names).label)
    return names.thing(key)


def _summary(thing: str, trace: Trace, edges: list[TraceEdge], names: Names, *, forward: bool) -> str:
    """Say in a sentence what the drawing shows, for those who do not see it too."""
    near = {edge.source if not forward else edge.target for edge in edges if edge.kind is not EdgeKind.CONTAINMENT}
    shown = {key for edge in edges for key in (edge.source, edge.target)} - {thing}
    reached = {reach: sorted(key for key in shown if trace.nodes[key].reach is reach) for reach in Reach}
    made = [key for key in reached[Reach.TRACED] + reached[Reach.LOT] if key in near]
    parts = []
    if made:
        parts.append(f"{'It became' if forward else 'Made from'} {names.several(made)}.")
    if carriers := reached[Reach.CARRIER]:
        parts.append(f"It travelled in {names.several(carriers)}.")
    if attached := reached[Reach.ATTACHED]:
        parts.append(f"It was connected with {names.several(attached)}.")
    return " ".join(parts) or f"{len(edges)} connections are known."
