"""A trace as GraphML, Mermaid and JSON-LD, whatever things are called."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec import structs

from api.trace_exports import GRAPHML, JSON_LD, MERMAID, exported
from tests.support.happenings import PALLET, Happening, commission, index_of, lot, pack, put, take, transform
from traceability.supply_chain.provenance import EdgeKind, Trace, TraceQuery, trace

A, B = pack("A"), pack("B")
HOSTILE = [
    'urn:x:"]; click n0 href "javascript:1"',
    "urn:x:<script>&amp;]]>\x07\n--> n0",
    "urn:x:`end` #quot;|{}%%",
    "urn:x:ü☃",
]
NS = {"g": "http://graphml.graphdrawing.org/xmlns"}


def traced(*told: Happening, root: str = A) -> Trace:
    return trace(index_of(told), TraceQuery((root,), edge_kinds=frozenset(EdgeKind)))


STORY = (
    commission(0, A, number="L1"),
    put(1, PALLET, A),
    take(2, PALLET),
    transform(3, [A, pack("C"), pack("D"), pack("E"), pack("F")], [B], joined="https://maker.example/batch/1"),
)


def renamed(found: Trace, names: list[str]) -> Trace:
    """Return the trace with other names for some of its things: a capture refuses these, a form must not rely on it."""
    new = dict(zip([pack(letter) for letter in "CDEF"], names, strict=False))
    columns = found.columns
    return replace(
        found,
        nodes={
            new.get(name, name): structs.replace(node, id=new.get(name, name)) for name, node in found.nodes.items()
        },
        columns=columns._replace(
            sources=[new.get(name, name) for name in columns.sources],
            targets=[new.get(name, name) for name in columns.targets],
        ),
    )


def test_graphml_holds_nodes_and_edges() -> None:
    found = renamed(traced(*STORY, root=B), HOSTILE)
    graph = etree.fromstring(exported(found, GRAPHML)).find("g:graph", NS)
    assert graph is not None

    def data(element: Any) -> dict[str, str]:
        return {one.get("key").partition("_")[2]: one.text or "" for one in element.findall("g:data", NS)}

    nodes = {node.get("id"): data(node) for node in graph.findall("g:node", NS)}
    clean = {name: name.replace("\x07", "\ufffd") for name in found.nodes}
    assert [node["id"] for node in nodes.values()] == [*clean.values()]
    edges = [(nodes[e.get("source")]["id"], nodes[e.get("target")]["id"], data(e)) for e in graph.findall("g:edge", NS)]
    assert [edge[:2] for edge in edges] == [(clean[edge.source], clean[edge.target]) for edge in found.edges]
    assert [edge[2]["kind"] for edge in edges] == [edge.kind for edge in found.edges]
    assert [edge[2]["positions"] for edge in edges] == [" ".join(map(str, edge.positions)) for edge in found.edges]
    keys = {key.get("id") for key in graph.itersiblings("{*}key", preceding=True)}
    assert {one.get("key") for one in graph.iter("{*}data")} <= keys


LINES = re.compile(
    r'flowchart LR|  n\d+(?:\["[A-Za-z0-9 ./:()_#;-]+"\]|\{"transformation"\})'
    r'|  n\d+ (?:-->|-\.->|---|-\.-)(?:\|"[0-9T: to-]+"\|)? n\d+'
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4, unique=True))
def test_a_mermaid_flowchart_has_only_lines_of_three_kinds(names: list[str]) -> None:
    found = renamed(traced(*STORY, root=B), [f"urn:x:{name}" for name in names])
    lines = exported(found, MERMAID).decode().split("\n")
    assert lines.pop() == ""
    assert all(map(LINES.fullmatch, lines)), [line for line in lines if not LINES.fullmatch(line)]
    assert len(lines) == 1 + len(found.nodes) + len(found.edges)


def test_a_flowchart_reads_like_the_trace() -> None:
    told = exported(traced(put(1, PALLET, A), take(2, PALLET)), MERMAID).decode()
    assert told == (
        "flowchart LR\n"
        '  n0["00/095212340000000013"]\n'
        '  n1["01/09521234000013/21/A"]\n'
        '  n1 -.->|"2026-03-01T01:00 to 2026-03-01T02:00"| n0\n'
    )


def test_json_ld_tells_activities_and_entities_of_prov() -> None:
    told = json.loads(exported(renamed(traced(*STORY, root=B), HOSTILE), JSON_LD))
    nodes = {node["@id"]: node for node in told["@graph"]}
    made = nodes["https://maker.example/batch/1"]
    assert (made["@type"], made["startedAtTime"]) == ("prov:Activity", "2026-03-01T03:00:00.000000Z")
    assert A in made["used"]
    assert nodes[B]["wasGeneratedBy"] == [made["@id"]]
    assert nodes[lot("L1")]["hadMember"] == [A]
    assert nodes[A]["isPartOf"] == [
        {
            "@type": "schema:Role",
            "isPartOf": PALLET,
            "startDate": "2026-03-01T01:00:00.000000Z",
            "endDate": "2026-03-01T02:00:00.000000Z",
        }
    ]
    for name in nodes:
        assert not re.search(r'[\x00-\x20<>"{}|\\^`]', name), name
    used = {one for node in nodes.values() for one in node.get("used", [])}
    assert used <= nodes.keys()


@pytest.mark.parametrize("media_type", [GRAPHML, MERMAID, JSON_LD])
def test_each_form_takes_every_edge_kind(media_type: str) -> None:
    told = Happening("association", 4, [("parentID", PALLET), ("childEPCs", A)], "ADD", "installing")
    found = traced(*STORY, told)
    assert {edge.kind for edge in found.edges} == set(EdgeKind)
    assert exported(found, media_type)
