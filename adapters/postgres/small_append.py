"""The arguments of the SQL function `ledger.append`, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.postgres.group_commit import SmallAppend
from adapters.postgres.rows import Rows, visibility_columns
from traceability.ledger.index import TagHash, Visibility

_TYPES: Final = (
    "integer bigint[] integer[] integer[] integer[] bigint[] integer[] uuid[] bigint[] text[]"
    + " bytea[]" * 11
    + " integer[] bigint[]"
    " integer[] bigint[] bigint[] text[] boolean[] bigint[]"
    " integer[] bigint[] bigint[] boolean[] bigint[]"
    " integer[] bigint[] bigint[] boolean[] text[] text[]"
    " bigint[] text[] text[] text[]"
).split()
APPEND: Final = f"SELECT * FROM ledger.append({', '.join(f'%b::{type_}' for type_ in _TYPES)})"


def append_arguments(
    ledger_id: int,
    group: Sequence[SmallAppend],
    rows: Rows,
    known_visibilities: Mapping[int, Visibility],
    hash_of: TagHash,
) -> list[Any]:
    """Return the arguments for a group; `rows` holds the events of all its members, one after the other."""
    parts = [prepared.event.parts for prepared in rows.events]
    postings = sorted(zip((ordinal + 1 for ordinal in rows.tagged), rows.tags, strict=True))
    return [
        ledger_id,
        [member.after for member in group],
        *_columns(_condition_rows(group, hash_of), 4),
        [number for number, member in enumerate(group, 1) for _ in member.events],
        [prepared.event_id for prepared in rows.events],
        rows.visibilities,
        [prepared.event.type for prepared in rows.events],
        [prepared.commitment for prepared in rows.events],
        [prepared.salt for prepared in rows.events],
        [prepared.personal_salt for prepared in rows.events],
        [p.head for p in parts],
        [b"\n".join(p.what) for p in parts],
        [p.where for p in parts],
        [p.why for p in parts],
        [p.how for p in parts],
        [p.more for p in parts],
        [p.personal for p in parts],
        [p.source for p in parts],
        *_columns(postings, 2),
        *_columns([(o + 1, *rest) for o, *rest in rows.marks], 6),
        *_columns([(o + 1, node, via, is_in, at) for o, node, via, is_in, at in rows.edges], 5),
        *_columns([(o + 1, *rest) for o, *rest in rows.sightings], 6),
        *visibility_columns(rows, known_visibilities)[1:],
    ]


def _condition_rows(group: Sequence[SmallAppend], hash_of: TagHash) -> list[tuple[int, int, int, int | None]]:
    rows: list[tuple[int, int, int, int | None]] = []
    for number, member in enumerate(group, 1):
        if member.query is None:
            continue
        if not member.query.items:
            rows.append((number, 0, 0, None))
        for i, item in enumerate(member.query.items):
            tags = {hash_of(tag) for tag in item.tags}
            rows.extend((number, i, len(tags), tag) for tag in tags)
            if not tags:
                rows.append((number, i, 0, None))
    return rows


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
