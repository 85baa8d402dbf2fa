"""A trace as a graph for other tools: GraphML, Mermaid and JSON-LD.

They hold the nodes and edges of the JSON answer and nothing else. Names of things may be anything that somebody wrote
into an event, so each form escapes them by its own rules.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import orjson

from traceability.ledger.event import utc_text
from traceability.supply_chain.provenance import EdgeKind, Trace, TraceEdge, TraceNode

GRAPHML: Final = "application/graphml+xml"
MERMAID: Final = "text/vnd.mermaid"
JSON_LD: Final = "application/ld+json"

TRANSFORMATION: Final = "transformation"
_EVENT: Final = "event:"


class TraceFormat(StrEnum):
    """The forms that a trace has as a file."""

    JSON = "json"
    NDJSON = "ndjson"
    GRAPHML = "graphml"
    MERMAID = "mermaid"
    JSONLD = "jsonld"
    ZIP = "zip"
    """A bundle."""

    @property
    def file(self) -> str:
        """Return what the file is called."""
        return f"trace.{'mmd' if self is TraceFormat.MERMAID else self}"


class GraphFormat(StrEnum):
    """The forms."""

    GRAPHML = "graphml"
    MERMAID = "mermaid"
    JSONLD = "jsonld"


def exported(found: Trace, media_type: str) -> bytes:
    """Return a trace in the form of a media type."""
    return _WRITERS[media_type](found)


MEDIA_TYPES: Final = {GraphFormat.GRAPHML: GRAPHML, GraphFormat.MERMAID: MERMAID, GraphFormat.JSONLD: JSON_LD}


def _kind(node: TraceNode) -> str:
    return node.kind or TRANSFORMATION


# GraphML

_GRAPHML_KEYS: Final = (
    ("node", "id", "string"),
    ("node", "kind", "string"),
    ("node", "reach", "string"),
    ("node", "depth", "int"),
    ("edge", "kind", "string"),
    ("edge", "since", "string"),
    ("edge", "until", "string"),
    ("edge", "positions", "string"),
)
# XML 1.0 §2.2 cannot hold these in any way.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


def _graphml(found: Trace) -> bytes:
    """Write GraphML 1.0: ids are `n0`, `n1` …, what a node is called is in its data."""
    number = {name: place for place, name in enumerate(found.nodes)}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    lines += [
        f'<key id="{about}_{name}" for="{about}" attr.name="{name}" attr.type="{kind}"/>'
        for about, name, kind in _GRAPHML_KEYS
    ]
    lines.append('<graph id="trace" edgedefault="directed">')
    for place, node in enumerate(found.nodes.values()):
        told = {"id": node.id, "kind": _kind(node), "reach": node.reach, "depth": str(node.depth)}
        lines.append(f'<node id="n{place}">{_data("node", told)}</node>')
    for edge in found.edges:
        told = {
            "kind": edge.kind,
            "since": _time(edge.begin),
            "until": _time(edge.end),
            "positions": " ".join(map(str, edge.positions)),
        }
        ends = f'source="n{number[edge.source]}" target="n{number[edge.target]}"'
        lines.append(f"<edge {ends}>{_data('edge', told)}</edge>")
    return "\n".join([*lines, "</graph>", "</graphml>", ""]).encode()


def _data(about: str, told: dict[str, str | None]) -> str:
    return "".join(
        f'<data key="{about}_{name}">{_xml_text(value)}</data>' for name, value in told.items() if value is not None
    )


def _xml_text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text).translate(_XML)


# Mermaid

_MERMAID_ARROWS: Final = {
    EdgeKind.TRANSFORMATION: "-->",
    EdgeKind.CONTAINMENT: "-.->",
    EdgeKind.LOT: "---",
    EdgeKind.ASSOCIATION: "-.-",
}
# In quotes Mermaid reads markdown, HTML and codes: what is not a letter, digit or plain sign is written as a code.
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ./:()_-]")


def _mermaid(found: Trace) -> bytes:
    """Write a flowchart from left to right; transformations are rhombs, and times stand on the arrows."""
    number = {name: place for place, name in enumerate(found.nodes)}
    lines = ["flowchart LR"]
    for place, node in enumerate(found.nodes.values()):
        if node.reach is None:
            lines.append(f'  n{place}{{"transformation"}}')
        else:
            lines.append(f'  n{place}["{_mermaid_text(_short(node.id))}"]')
    for edge in found.edges:
        arrow, ends = _MERMAID_ARROWS[edge.kind], (number[edge.source], number[edge.target])
        times = " to ".join(time[:16] for time in (_time(edge.begin), _time(edge.end)) if time is not None)
        label = f'|"{_mermaid_text(times)}"|' if times else ""
        lines.append(f"  n{ends[0]} {arrow}{label} n{ends[1]}")
    return "\n".join([*lines, ""]).encode()


def _short(name: str) -> str:
    return name.removeprefix("https://id.gs1.org/")


def _mermaid_text(text: str) -> str:
    return _NOT_PLAIN.sub(lambda found: f"#{ord(found[0])};", text)


# JSON-LD

_CONTEXT: Final = {
    "prov": "http://www.w3.org/ns/prov#",
    "schema": "https://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "used": {"@id": "prov:used", "@type": "@id"},
    "wasGeneratedBy": {"@id": "prov:wasGeneratedBy", "@type": "@id"},
    "hadMember": {"@id": "prov:hadMember", "@type": "@id"},
    "startedAtTime": {"@id": "prov:startedAtTime", "@type": "xsd:dateTime"},
    "endedAtTime": {"@id": "prov:endedAtTime", "@type": "xsd:dateTime"},
    "isPartOf": {"@id": "schema:isPartOf", "@type": "@id"},
    "isRelatedTo": {"@id": "schema:isRelatedTo", "@type": "@id"},
    "startDate": {"@id": "schema:startDate", "@type": "xsd:dateTime"},
    "endDate": {"@id": "schema:endDate", "@type": "xsd:dateTime"},
    "additionalType": "schema:additionalType",
}
_IRI_SAFE: Final = "!#$%&'()*+,-./:;=?@[]_~"


def _json_ld(found: Trace) -> bytes:
    """Write PROV-O: things are entities, transformations activities; stays in containers are roles of schema.org."""
    kinds = {name: _kind(node) for name, node in found.nodes.items()}
    nodes: dict[str, dict[str, Any]] = {}
    for name, kind in kinds.items():
        type_ = "prov:Activity" if kind == TRANSFORMATION else "prov:Entity"
        nodes[name] = {"@id": _iri(name, kind), "@type": type_, "additionalType": kind}
    lists: dict[tuple[str, str], list[Any]] = defaultdict(list)
    times: dict[str, list[int]] = defaultdict(list)
    for edge in found.edges:
        match edge.kind:
            case EdgeKind.TRANSFORMATION if kinds[edge.target] == TRANSFORMATION:
                lists[edge.target, "used"].append(nodes[edge.source]["@id"])
                times[edge.target].append(edge.begin or 0)
            case EdgeKind.TRANSFORMATION:
                lists[edge.target, "wasGeneratedBy"].append(nodes[edge.source]["@id"])
                times[edge.source].append(edge.begin or 0)
            case EdgeKind.LOT:
                lists[edge.source, "hadMember"].append(nodes[edge.target]["@id"])
            case _:
                name = "isPartOf" if edge.kind is EdgeKind.CONTAINMENT else "isRelatedTo"
                lists[edge.source, name].append(_role(edge, name, nodes[edge.target]["@id"]))
    for (name, member), told in lists.items():
        nodes[name][member] = told
    for name, instants in times.items():
        nodes[name] |= {"startedAtTime": utc_text(min(instants)), "endedAtTime": utc_text(max(instants))}
    return orjson.dumps({"@context": _CONTEXT, "@graph": list(nodes.values())})


def _role(edge: TraceEdge, name: str, target: str) -> dict[str, str]:
    told = {"@type": "schema:Role", name: target, "startDate": _time(edge.begin), "endDate": _time(edge.end)}
    return {member: value for member, value in told.items() if value is not None}


def _iri(name: str, kind: str) -> str:
    if kind == TRANSFORMATION:
        name = f"urn:uuid:{name.removeprefix(_EVENT)}" if name.startswith(_EVENT) else name.partition(":")[2]
    return quote(name, safe=_IRI_SAFE)


def _time(at: int | None) -> str | None:
    return None if at is None else utc_text(at)


_WRITERS: Final[dict[str, Callable[[Trace], bytes]]] = {GRAPHML: _graphml, MERMAID: _mermaid, JSON_LD: _json_ld}
