"""From prepared events to the rows of every ledger table, positions left open.

Everything that costs processor time is done here, before the head's lock is taken. An event is known by its ordinal
in the batch, from 0; its position is the head's plus what the lock grants.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from traceability.errors import ConflictError
from traceability.ledger.index import TagHash, Visibility, visibility_id
from traceability.ledger.store import Prepared

ALL_CHILDREN: Final = 0
NONE: Final = 0


def event_id_tag(event_id_hex: str) -> str:
    """Return the posting, never shown, under which a record is found by its id."""
    return f"event_id:{event_id_hex}"


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch: `postings` (tag, ordinal), `marks` (ordinal, child, parent, kind, opens, occurred_at), `edges` (ordinal,
    node, via, is_input, occurred_at), `sightings` (ordinal, occurred_at, event, retracts, step, disposition).
    """  # noqa: D205 - the shapes are one sentence

    events: Sequence[Prepared]
    visibilities: list[int]
    new_visibilities: dict[int, tuple[int, Visibility]]
    postings: list[tuple[int, int]]
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
    rows = Rows(events, [], {}, [], [], [], [])
    ids: dict[Visibility, int] = {}
    for ordinal, prepared in enumerate(events):
        index = prepared.index
        visibility = ids.get(index.visibility)
        if visibility is None:
            visibility = ids[index.visibility] = visibility_id(index.visibility)
            first = rows.new_visibilities.setdefault(visibility, (ordinal, index.visibility))
            _require_same(first[1], index.visibility)
        rows.visibilities.append(visibility)
        # A set: two tags of one event may share a hash, and a posting exists once.
        tags = set(map(tag_hash, index.tags))
        tags.add(tag_hash(event_id_tag(prepared.event_id.hex)))
        if index.identity is not None:
            tags.add(tag_hash(index.identity))
        rows.postings.extend([(tag, ordinal) for tag in tags])
        sighting = index.sighting
        if sighting is None:
            continue
        at = sighting.occurred_at
        event = tag_hash(index.event) if index.event else NONE
        rows.sightings.append((ordinal, at, event, index.retracts, sighting.biz_step, sighting.disposition))
        if not index.marks and not index.edges:
            continue
        marks = (
            (ordinal, tag_hash(m.child) if m.child else ALL_CHILDREN, tag_hash(m.parent), m.kind.value, m.opens, at)
            for m in index.marks
        )
        edges = ((ordinal, tag_hash(e.node), tag_hash(e.via) if e.via else NONE, e.is_input, at) for e in index.edges)
        # What an event names twice is one row, so that every table of the index is a set.
        rows.marks.extend(dict.fromkeys(marks))
        rows.edges.extend(dict.fromkeys(edges))
    rows.postings.sort()  # the posting index takes sorted batches 1.5 times faster
    return rows


# Binary COPY (PostgreSQL manual, COPY, "Binary Format"): a field is i32 length and bytes, -1 is NULL, a row begins
# with its field count. Every table's rows begin ledger_id, position, so what follows can be packed ahead of the lock.
SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_KEY: Final = struct.Struct(">iiiq")
_INT8: Final = struct.Struct(">iq")
_TWO: Final = struct.Struct(">iqiq")

COLUMNS: Final = {
    "record": "ledger_id, position, recorded_at, leaf_hash, event_id, visibility, type, commitment, salt, "
    'personal_salt, head, what, "where", why, how, more, personal, source',
    "posting": "ledger_id, position, tag, visibility",
    "mark": "ledger_id, position, child, parent, kind, opens, occurred_at, visibility",
    "edge": "ledger_id, position, node, via, is_input, occurred_at, visibility",
    "sighting": "ledger_id, position, occurred_at, visibility, event, retracts, biz_step, disposition",
}
_FIELD_COUNT: Final = {table: (columns.count(",") + 1).to_bytes(2, "big") for table, columns in COLUMNS.items()}


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch as binary COPY rows without their first two columns: table → (ordinal, rest of the row)."""

    rows: Rows
    records: list[bytes]
    tables: dict[str, list[tuple[int, bytes]]]

    def size(self) -> int:
        """Return the number of rows, which is what the lock's duration goes with."""
        return len(self.records) + sum(len(rows) for rows in self.tables.values())


def visibility_columns(rows: Rows, known: Mapping[int, Visibility]) -> list[list[Any]]:
    """Return what the database may not know yet: ordinals from 1, ids, capturers, parties (by line), steps.

    Raises `ConflictError` (`ledger.visibility_collision`) when an id is known to stand for something else.
    """
    new = []
    for v, (o, x) in rows.new_visibilities.items():
        if v in known:
            _require_same(known[v], x)
        else:
            new.append((o + 1, v, x))
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


def pack(rows: Rows, *, records: bool = True) -> Packed:
    """Pack all that does not depend on position and time; a rebuilt index does without the records."""
    vis = [_INT8.pack(8, v) for v in rows.visibilities]
    tables = {
        "posting": [(o, _INT8.pack(8, tag) + vis[o]) for tag, o in rows.postings],
        "mark": [
            (o, _TWO.pack(8, child, 8, parent) + _text(kind) + _bool(opens) + _INT8.pack(8, at) + vis[o])
            for o, child, parent, kind, opens, at in rows.marks
        ],
        "edge": [
            (o, _TWO.pack(8, node, 8, via) + _bool(is_input) + _INT8.pack(8, at) + vis[o])
            for o, node, via, is_input, at in rows.edges
        ],
        "sighting": [
            (o, _INT8.pack(8, at) + vis[o] + _INT8.pack(8, event) + _bool(retracts) + _text(step) + _text(disposition))
            for o, at, event, retracts, step, disposition in rows.sightings
        ],
    }
    tails = [_record_tail(p, vis[i]) for i, p in enumerate(rows.events)] if records else []
    return Packed(rows, tails, {name: table for name, table in tables.items() if table})


def record_data(packed: Packed, ledger_id: int, head: int, recorded_at: int) -> bytes:
    """Return the records as binary COPY data; the batch's first event gets position head + 1. Runs under the lock."""
    time = _INT8.pack(8, recorded_at)
    entry_time = recorded_at.to_bytes(8, "big")
    count = _FIELD_COUNT["record"]
    pieces = [SIGNATURE]
    keys = _keys(packed, ledger_id, head)
    for key, prepared, tail in zip(keys, packed.rows.events, packed.records, strict=True):
        # The leaf of commitment.md, spelled out: this is the one hash that waits for recorded_at.
        leaf = sha256(b"\x00\x01" + prepared.event_id.bytes + entry_time + prepared.commitment).digest()
        pieces += (count, key, time, b"\x00\x00\x00\x20", leaf, tail)
    pieces.append(TRAILER)
    return b"".join(pieces)


def index_data(packed: Packed, ledger_id: int, head: int) -> Iterator[tuple[str, bytes]]:
    """Yield (table, binary COPY data) for every index table that the batch has rows for."""
    keys = _keys(packed, ledger_id, head)
    for table, rows in packed.tables.items():
        count = _FIELD_COUNT[table]
        yield table, SIGNATURE + b"".join([count + keys[o] + tail for o, tail in rows]) + TRAILER


def _keys(packed: Packed, ledger_id: int, head: int) -> list[bytes]:
    return [_KEY.pack(4, ledger_id, 8, head + 1 + i) for i in range(len(packed.rows.events))]


def _record_tail(prepared: Prepared, visibility: bytes) -> bytes:
    parts = prepared.event.parts
    fields = (
        prepared.commitment,
        prepared.salt,
        prepared.personal_salt,
        parts.head,
        b"\n".join(parts.what),
        parts.where,
        parts.why,
        parts.how,
        parts.more,
        parts.personal,
        parts.source,
    )
    event_id = b"\x00\x00\x00\x10" + prepared.event_id.bytes
    return event_id + visibility + _text(prepared.event.type) + b"".join([_bytes(field) for field in fields])


def _bytes(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _text(value: str | None) -> bytes:
    return _NULL if value is None else _bytes(value.encode())


def _bool(value: bool) -> bytes:  # noqa: FBT001 - a field's value
    return b"\x00\x00\x00\x01\x01" if value else b"\x00\x00\x00\x01\x00"
