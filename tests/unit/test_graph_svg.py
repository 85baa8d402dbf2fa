from __future__ import annotations

from itertools import combinations
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from api.web.drawing import Caption
from api.web.graph import WIDTH, Edge, EdgeKind, Layout, Node, NodeKind, lay_out, svg

SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[Edge]]:
    """Graphs of any shape: with cycles, loops, repeated edges, islands and edges to nowhere."""
    size = draw(st.integers(1, 12))
    kinds = st.sampled_from(NodeKind)
    nodes = [Node(str(i), f"label {i}", draw(st.sampled_from(["", "detail"])), draw(kinds)) for i in range(size)]
    ends = st.integers(0, size).map(str)
    edges = draw(st.lists(st.builds(Edge, ends, ends, st.sampled_from(EdgeKind)), max_size=30))
    return nodes, edges


def drawn(layout: Layout) -> ET.Element:
    return ET.fromstring(svg(layout, Caption("g", "t", "d")))


@given(graphs())
def test_every_node_has_a_row_of_its_own_and_edges_run_down(graph: tuple[list[Node], list[Edge]]) -> None:
    nodes, edges = graph
    layout = lay_out(nodes, edges)
    assert [placed.row for placed in layout.nodes] == list(range(len(nodes)))
    assert {placed.node for placed in layout.nodes} == set(nodes)
    assert all(routed.start.row < routed.end.row for routed in layout.edges)


@given(graphs())
def test_no_edge_runs_through_a_node_and_no_two_edges_share_a_stretch(graph: tuple[list[Node], list[Edge]]) -> None:
    layout = lay_out(*graph)
    lane_at = {placed.row: placed.lane for placed in layout.nodes}
    for routed in layout.edges:
        for row in range(routed.start.row + 1, routed.end.row):
            assert lane_at[row] != routed.lane
    for one, other in combinations(layout.edges, 2):
        if one.lane == other.lane and (one.end, one.edge.kind) != (other.end, other.edge.kind):
            assert one.end.row <= other.start.row or other.end.row <= one.start.row


@given(graphs())
def test_an_acyclic_graph_keeps_every_edge(graph: tuple[list[Node], list[Edge]]) -> None:
    nodes, edges = graph
    keys = {node.key for node in nodes}
    forward = {edge for edge in edges if {edge.source, edge.target} <= keys and int(edge.source) < int(edge.target)}
    layout = lay_out(nodes, sorted(forward, key=repr))
    assert {routed.edge for routed in layout.edges} == forward


@given(graphs())
def test_the_drawing_is_well_formed_and_stays_inside(graph: tuple[list[Node], list[Edge]]) -> None:
    layout = lay_out(*graph)
    document = drawn(layout)
    height = int(document.attrib["viewBox"].split()[3])
    assert len([e for e in document.iter() if "node" in e.get("class", "").split()]) == len(layout.nodes)
    for text in document.iter(f"{SVG}text"):
        assert 0 < float(text.attrib["x"]) < WIDTH
        assert 0 < float(text.attrib["y"]) < height


def test_a_node_with_an_address_is_a_link_and_the_present_one_says_so() -> None:
    nodes = [
        Node("a", "trout", "lot", NodeKind.LOT, href="/01/1"),
        Node("b", "pack", "", NodeKind.THING, href="/01/2", current=True),
    ]
    document = drawn(lay_out(nodes, [Edge("a", "b", EdgeKind.MADE)]))
    links = list(document.iter(f"{SVG}a"))
    assert [link.attrib["href"] for link in links] == ["/01/1", "/01/2"]
    assert [link.get("aria-current") for link in links] == [None, "page"]


def test_hostile_text_stays_text() -> None:
    hostile = '"><script>alert(1)</script>'
    document = drawn(lay_out([Node("a", hostile, hostile, NodeKind.THING, href=f"/x{hostile}")], []))
    assert list(document.iter(f"{SVG}script")) == []
    assert document.find(f"{SVG}a").attrib["href"] == f"/x{hostile}"  # type: ignore[union-attr]


def test_a_long_label_is_cut_in_the_drawing_and_whole_in_the_title() -> None:
    document = drawn(lay_out([Node("a", "x" * 200, "", NodeKind.THING)], []))
    shown = "".join(text.text or "" for text in document.iter(f"{SVG}text"))
    assert shown.endswith("…")
    assert len(shown) < 60
    assert any(title.text == "x" * 200 for title in document.iter(f"{SVG}title"))
