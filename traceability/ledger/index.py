"""What the index holds for an event: a pure function of its parts, so that it can be rebuilt exactly.

An *indexer* turns parts into `IndexRows`; EPCIS events have theirs in `traceability.gs1`, every other event carries
its tags in `more` (`traceability.ledger.event`). Names in these rows are tags; the store keeps only their 8-byte
hashes and checks every hit against the names again, so a collision costs time and never a wrong answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from traceability.ledger.parts import Parts


class MarkKind(StrEnum):
    """How a mark ties a child to a parent."""

    CONTAINMENT = "c"
    ASSOCIATION = "a"


class Mark(Struct, frozen=True):
    """At the event's time, `child` starts or stops being in (or attached to) `parent`.

    `child` None closes every open mark of the parent: an AggregationEvent DELETE without children.
    """

    kind: MarkKind
    child: str | None
    parent: str
    opens: bool


class Edge(Struct, frozen=True):
    """The event consumes (`is_input`) or produces `node`; `via` joins several events of one transformationID."""

    node: str
    is_input: bool
    via: str | None


class Sighting(Struct, frozen=True):
    """The narrow row for questions: when (µs UTC), and the CBV words of step and disposition."""

    occurred_at: int
    biz_step: str | None
    disposition: str | None


class Visibility(Struct, frozen=True):
    """Everything on which the right to see an event depends: who captured it, whom it names, which step it was."""

    captured_by: str
    parties: tuple[str, ...]
    biz_step: str | None


@dataclass(frozen=True, slots=True)
class IndexRows:
    """One event's rows.

    `tags` are shown and decide conditions; `identity` is what makes a second event a duplicate of the first, and is
    never shown; `event` is the `event:` tag that declarations join on; `retracts` is true for an error declaration.
    """

    tags: tuple[str, ...]
    visibility: Visibility
    identity: str | None = None
    event: str | None = None
    retracts: bool = False
    marks: tuple[Mark, ...] = ()
    edges: tuple[Edge, ...] = ()
    sighting: Sighting | None = None


class HashedMarks(Struct, frozen=True, gc=False):
    """An event's marks, which share all but the child; `children` and `parent` are hashes, 8 bytes each."""

    kind: MarkKind
    parent: bytes
    opens: bool
    children: Sequence[bytes]


class HashedEdges(Struct, frozen=True, gc=False):
    """An event's edges: the hashes of the nodes, each once for input and output, and of what joins several events."""

    via: bytes
    nodes: Sequence[bytes]
    inputs: Sequence[bool]


class HashedRows(Struct, frozen=True, gc=False):
    """One event's rows as the store keeps them, made without the names: hashes are 8 bytes, big-endian.

    `hashes` are those of the tags and of the identity; `occurred_at` is the time as the head has it, without the `Z`;
    `event` the hash of the `event:` tag, 0 if there is none; the step is in the visibility. The event retracts nothing.
    """

    hashes: set[bytes]
    visibility: Visibility
    occurred_at: bytes
    event: bytes
    disposition: str | None
    marks: HashedMarks | None
    edges: HashedEdges | None


Indexer = Callable[[Parts], IndexRows]
StoredParts = tuple[bytes, bytes, bytes, bytes, bytes, bytes]
"""Parts 0 to 5 as they are stored: the items of `what` are joined by line feeds."""

HashedIndexer = Callable[[StoredParts], HashedRows | None]
"""Says what an `Indexer` says, or None where it leaves that to it."""

ContentDigest = Callable[[Parts], bytes]
TagHash = Callable[[str], int]


def event_id_tag(event_id_hex: str) -> str:
    """Return the posting, never shown, under which a record is found by its id."""
    return f"event_id:{event_id_hex}"


def tag_hash(tag: str) -> int:
    """Return the signed 64-bit BLAKE2b hash under which the store keeps a tag: `tag_digest` as a number."""
    if tag.startswith(_RECURRING):
        return _remembered_hash(tag)
    number: int = _unpack(tag_digest(tag))[0]
    return number


# Of the tags of these kinds a feed has few, in most of its events.
_RECURRING: Final = ("class:", "org:", "party:", "place:", "prefix:")


def tag_digest(tag: str) -> bytes:
    """Return the BLAKE2b hash of a tag, 8 bytes."""
    state = _EMPTY.copy()
    state.update(tag.encode())
    return state.digest()


_EMPTY: Final = blake2b(digest_size=8)  # to copy it is faster than to make another


_unpack: Final = struct.Struct(">q").unpack


@lru_cache(maxsize=16_384)
def _remembered_hash(tag: str) -> int:
    number: int = _unpack(tag_digest(tag))[0]
    return number


def visibility_id(visibility: Visibility) -> int:
    """Return the signed 64-bit id of a visibility, the same wherever and whenever it is computed."""
    # NUL separates because no name, URI or JSON text of PostgreSQL may hold it.
    return tag_hash("\x00".join((visibility.captured_by, visibility.biz_step or "", *visibility.parties)))
