"""Where a thing came from, drawn as SVG.

A layered layout with one node a layer, as commit graphs are drawn: origins on top, every edge running down in a lane
of its own. Each label then has the full width beside the lanes, so that the picture can be read on a phone, and a
lane that runs past a node is never the node's own lane, so that nothing overlaps however the graph is shaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import heapify, heappop, heappush
from html import escape
from typing import Final

from api.web.drawing import Caption, framed

WIDTH: Final = 344
"""Of the drawing in user units: one unit is about a CSS pixel on a phone."""

ROW: Final = 58
LANE: Final = 22
MARGIN: Final = 16
_LABEL_GAP: Final = 14
# Widths of an average glyph of a label, of an event's lighter label and of the detail, in the widest of the usual
# system fonts.
_GLYPH: Final = 8.8
_PLAIN_GLYPH: Final = 8.2
_SMALL_GLYPH: Final = 7.0


class NodeKind(StrEnum):
    """Decides the shape of a node."""

    THING = "thing"
    LOT = "lot"
    UNIT = "unit"
    EVENT = "event"
    GROUP = "group"


class EdgeKind(StrEnum):
    """Decides the stroke of an edge."""

    MADE = "made"
    PACKED = "packed"
    INSTALLED = "installed"


@dataclass(frozen=True, slots=True)
class Node:
    """A thing, or an event that made things; `href` makes it a link, `current` is the one that the page is about."""

    key: str
    label: str
    detail: str
    kind: NodeKind
    href: str | None = None
    current: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` is upstream of `target`; both are keys of nodes."""

    source: str
    target: str
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Placed:
    """A node's row, counted from the top, and its lane, counted from the left."""

    node: Node
    row: int
    lane: int


@dataclass(frozen=True, slots=True)
class Routed:
    """An edge from a row to a lower one, by way of a lane."""

    edge: Edge
    start: Placed
    end: Placed
    lane: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Every node and edge with its place; `lanes` is how many there are."""

    nodes: tuple[Placed, ...]
    edges: tuple[Routed, ...]
    lanes: int


def lay_out(nodes: Sequence[Node], edges: Sequence[Edge]) -> Layout:
    """Place a graph; edges that would run upwards, in a cycle, and edges to nodes not given are left out."""
    order = _downstream_order(nodes, edges)
    row_of = {key: row for row, key in enumerate(order)}
    by_key = {node.key: node for node in nodes}
    outgoing: dict[str, list[Edge]] = {key: [] for key in order}
    for edge in dict.fromkeys(edges):
        if edge.source in row_of and edge.target in row_of and row_of[edge.source] < row_of[edge.target]:
            outgoing[edge.source].append(edge)

    lanes: list[tuple[str, EdgeKind] | None] = []
    placed: dict[str, Placed] = {}
    open_edges: list[tuple[Edge, int]] = []
    for row, key in enumerate(order):
        arriving = [lane for lane, taken in enumerate(lanes) if taken is not None and taken[0] == key]
        own = arriving[0] if arriving else _free(lanes)
        for lane in arriving:
            lanes[lane] = None
        placed[key] = Placed(by_key[key], row, own)
        # The nearest target keeps the node's own lane: long edges move aside, short ones run straight.
        for edge in sorted(outgoing[key], key=lambda edge: row_of[edge.target]):
            want = (edge.target, edge.kind)
            lane = lanes.index(want) if want in lanes else own if lanes[own] is None else _free(lanes)
            lanes[lane] = want
            open_edges.append((edge, lane))
    routed = [Routed(edge, placed[edge.source], placed[edge.target], lane) for edge, lane in open_edges]
    return Layout(tuple(placed[key] for key in order), tuple(routed), max(len(lanes), 1))


def svg(layout: Layout, caption: Caption) -> str:
    """Return the drawing."""
    labels_at = MARGIN + (layout.lanes - 1) * LANE + _LABEL_GAP
    body = "".join(_edge(edge) for edge in layout.edges) + "".join(_node(node, labels_at) for node in layout.nodes)
    height = ROW * len(layout.nodes) + 8
    return framed(body, caption, css_class="graph", role="group", width=WIDTH, height=height)


def _downstream_order(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[str]:
    """Return the keys so that sources stand before targets, in the given order where the edges leave it open.

    What is on a cycle comes in the given order after everything that is not behind it.
    """
    rank = {node.key: i for i, node in enumerate(nodes)}
    keys = list(rank)
    targets: dict[str, set[str]] = {key: set() for key in keys}
    waiting = dict.fromkeys(keys, 0)
    for edge in edges:
        if edge.source in rank and edge.target in rank and edge.target not in targets[edge.source]:
            targets[edge.source].add(edge.target)
            waiting[edge.target] += 1
    ready = [rank[key] for key in keys if not waiting[key]]
    heapify(ready)
    order: list[str] = []
    done: set[str] = set()
    unplaced = iter(keys)
    while len(order) < len(keys):
        key = keys[heappop(ready)] if ready else next(key for key in unplaced if key not in done)
        if key in done:
            continue
        done.add(key)
        order.append(key)
        for target in targets[key]:
            waiting[target] -= 1
            if not waiting[target] and target not in done:
                heappush(ready, rank[target])
    return order


def _free(lanes: list[tuple[str, EdgeKind] | None]) -> int:
    """Return the leftmost lane that nothing runs in, a new one if need be."""
    for lane, taken in enumerate(lanes):
        if taken is None:
            return lane
    lanes.append(None)
    return len(lanes) - 1


def _x(lane: int) -> int:
    return MARGIN + lane * LANE


def _y(row: int) -> int:
    return ROW * row + ROW // 2


def _edge(routed: Routed) -> str:
    points = "".join(_steps(routed))
    return f'<path class="edge {routed.edge.kind}" d="{points}"/>'


def _steps(routed: Routed) -> Iterator[str]:
    """Leave the source towards the lane within one row, run down, and turn in to the target within the last."""
    start, end, lane = _x(routed.start.lane), _x(routed.end.lane), _x(routed.lane)
    top, bottom = _y(routed.start.row), _y(routed.end.row)
    yield f"M{start} {top}"
    if routed.end.row - routed.start.row == 1 and lane not in (start, end):
        # One row is too short for two turns: go straight from node to node.
        lane = end
    if lane != start:
        yield f"C{start} {top + ROW // 2} {lane} {top + ROW // 2} {lane} {top + ROW}"
    if lane != end:
        yield f"V{bottom - ROW}C{lane} {bottom - ROW // 2} {end} {bottom - ROW // 2} {end} {bottom}"
    else:
        yield f"V{bottom}"


def _node(placed: Placed, labels_at: int) -> str:
    node = placed.node
    x, y = _x(placed.lane), _y(placed.row)
    room = WIDTH - labels_at - 4
    whole = f"{node.label}, {node.detail}" if node.detail else node.label
    label = escape(_shortened(node.label, room, _PLAIN_GLYPH if node.kind is NodeKind.EVENT else _GLYPH))
    parts = [
        f"<title>{escape(whole)}</title>",
        f'<rect class="row" x="1" y="{y - ROW // 2 + 3}" width="{WIDTH - 2}" height="{ROW - 6}" rx="8"/>',
        _shape(node.kind, x, y),
        f'<text class="label" x="{labels_at}" y="{y - 3 if node.detail else y + 5}">{label}</text>',
    ]
    if node.detail:
        detail = escape(_shortened(node.detail, room, _SMALL_GLYPH))
        parts.append(f'<text class="detail" x="{labels_at}" y="{y + 15}">{detail}</text>')
    classes = f"node {node.kind}{' current' if node.current else ''}"
    if node.href is None:
        return f'<g class="{classes}">{"".join(parts)}</g>'
    current = ' aria-current="page"' if node.current else ""
    return f'<a class="{classes}" href="{escape(node.href)}"{current}>{"".join(parts)}</a>'


def _shape(kind: NodeKind, x: int, y: int) -> str:
    match kind:
        case NodeKind.EVENT:
            return f'<path class="mark" d="M{x} {y - 9}l9 9l-9 9l-9 -9z"/>'
        case NodeKind.LOT:
            return f'<rect class="mark" x="{x - 7}" y="{y - 7}" width="14" height="14" rx="2"/>'
        case NodeKind.UNIT:
            return f'<path class="mark" d="M{x - 8} {y - 5}l8 -4l8 4v10l-8 4l-8 -4z"/>'
        case NodeKind.GROUP:
            return f'<circle class="mark" cx="{x}" cy="{y}" r="7"/><circle class="mark" cx="{x + 4}" cy="{y}" r="7"/>'
        case NodeKind.THING:
            return f'<circle class="mark" cx="{x}" cy="{y}" r="7.5"/>'


def _shortened(text: str, room: float, glyph: float) -> str:
    """Cut a text that would run out of the drawing; the whole one is in the node's title and in the table."""
    most = int(room / glyph)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
