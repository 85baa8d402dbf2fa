"""From prepared events to the rows of every ledger table, positions left open.

An event is known by its ordinal in the batch, from 0; its position is the head's plus what the lock grants. The rows
go to the database as arrays (`small_append`) or packed for COPY (`packed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from traceability.errors import ConflictError
from traceability.ledger.index import IndexRows, TagHash, Visibility, event_id_tag, visibility_id
from traceability.ledger.store import Prepared

ALL_CHILDREN: Final = 0
NONE: Final = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch: `tags` and `tagged` are the postings, a hash and an ordinal each; `marks` (ordinal, child, parent, kind,
    opens, occurred_at), `edges` (ordinal, node, via, is_input, occurred_at), `sightings` (ordinal, occurred_at, event,
    retracts, step, disposition).
    """  # noqa: D205 - the shapes are one sentence

    events: Sequence[Prepared]
    visibilities: list[int]
    new_visibilities: dict[int, tuple[int, Visibility]]
    tags: list[int]
    tagged: list[int]
    marks: list[tuple[int, int, int, str, bool, int]]
    edges: list[tuple[int, int, int, bool, int]]
    sightings: list[tuple[int, int, int, bool, str | None, str | None]]


def visibilities_of(rows: Rows) -> dict[int, Visibility]:
    """Return what each visibility id of the batch stands for."""
    return {visibility: stands_for for visibility, (_, stands_for) in rows.new_visibilities.items()}


def row_count(prepared: Prepared) -> int:
    """Return about how many rows an event makes, which is what the lock's duration goes with."""
    index = prepared.index
    return 3 + len(index.tags) + len(index.marks) + len(index.edges)


def rows_of(events: Sequence[Prepared], tag_hash: TagHash) -> Rows:
    """Compute every index row of a batch."""
    rows = Rows(events, [], {}, [], [], [], [], [])
    ids: dict[Visibility, int] = {}
    for ordinal, prepared in enumerate(events):
        index = prepared.index
        visibility = ids.get(index.visibility)
        if visibility is None:
            visibility = ids[index.visibility] = visibility_id(index.visibility)
            first = rows.new_visibilities.setdefault(visibility, (ordinal, index.visibility))
            _require_same(first[1], index.visibility)
        rows.visibilities.append(visibility)
        hashes = {tag: tag_hash(tag) for tag in index.tags}
        # A set: two tags of one event may share a hash, and a posting exists once.
        tags = {*hashes.values(), tag_hash(event_id_tag(prepared.event_id.hex))}
        if index.identity is not None:
            tags.add(tag_hash(index.identity))
        rows.tags.extend(tags)
        rows.tagged.extend([ordinal] * len(tags))
        sighting = index.sighting
        if sighting is None:
            continue
        at = sighting.occurred_at
        event = (hashes.get(index.event) or tag_hash(index.event)) if index.event else NONE
        rows.sightings.append((ordinal, at, event, index.retracts, sighting.biz_step, sighting.disposition))
        if not index.marks and not index.edges:
            continue
        if not hashes.keys() >= (names := _names(index)):
            hashes.update({name: tag_hash(name) for name in names})
        marks = [
            (ordinal, hashes[m.child] if m.child else ALL_CHILDREN, hashes[m.parent], m.kind.value, m.opens, at)
            for m in index.marks
        ]
        edges = [(ordinal, hashes[e.node], hashes[e.via] if e.via else NONE, e.is_input, at) for e in index.edges]
        # What an event names twice is one row, so that every table of the index is a set.
        rows.marks.extend(marks if len({mark[1] for mark in marks}) == len(marks) else dict.fromkeys(marks))
        rows.edges.extend(edges if len({edge[1] for edge in edges}) == len(edges) else dict.fromkeys(edges))
    return rows


def _names(index: IndexRows) -> set[str]:
    """Return the tags in an event's marks and edges, which are hardly ever other ones than the event's own."""
    names = {mark.parent for mark in index.marks}
    names.update([mark.child for mark in index.marks if mark.child])
    names.update([edge.node for edge in index.edges])
    names.update([edge.via for edge in index.edges if edge.via])
    return names


def visibility_columns(rows: Rows, known: Mapping[int, Visibility]) -> list[list[Any]]:
    """Return `unknown_visibilities` of a batch."""
    return unknown_visibilities([(o + 1, v, x) for v, (o, x) in rows.new_visibilities.items()], known)


def unknown_visibilities(
    met: Iterable[tuple[int, int, Visibility]], known: Mapping[int, Visibility]
) -> list[list[Any]]:
    """Return what the database may not know yet: ordinals from 1, ids, capturers, parties (by line), steps.

    Raises `ConflictError` (`ledger.visibility_collision`) when an id is known to stand for something else.
    """
    new = []
    for ordinal, visibility, meaning in met:
        if visibility in known:
            _require_same(known[visibility], meaning)
        else:
            new.append((ordinal, visibility, meaning))
    return [
        [ordinal for ordinal, _, _ in new],
        [visibility for _, visibility, _ in new],
        [x.captured_by for _, _, x in new],
        ["\n".join(x.parties) for _, _, x in new],
        [x.biz_step for _, _, x in new],
    ]


def _require_same(known: Visibility, visibility: Visibility) -> None:
    if known != visibility:
        # Under one id the wrong people would see the event. The database refuses it too, but not what it is not told.
        raise ConflictError("two visibilities share one id", code="ledger.visibility_collision")
