"""The index of millions of stored events, for a check that wants hashes and no names.

`hashed_rows` says of an event in the form that our writer gives it what `index_rows` says, ten times as fast: what
comes again and again (heads but for the time, places, things) is looked at once, and nothing is made that a sum of
hashes does without. Of any other form it says nothing. That both agree is tested, since nobody reads them side by side.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from types import NoneType
from typing import Final, NamedTuple

import orjson

from traceability.gs1.epcis.digest import content_digest
from traceability.gs1.epcis.hash.recorded import hash_of_parts
from traceability.gs1.epcis.index import (
    CHILD_LISTS,
    EPCIS_TYPES,
    MARKS,
    OUTPUT_LISTS,
    TRANSFORMATION,
    tag_business,
    tag_how,
    tag_places,
    via_tag,
)
from traceability.gs1.epcis.query.tags import quantity_tag, query_tags
from traceability.gs1.epcis.strict_json import plain_loads
from traceability.gs1.identifiers import Identifier, item_tag, parse_identifier
from traceability.gs1.patterns import prefix_tag
from traceability.ledger.index import (
    HashedEdges,
    HashedMarks,
    HashedRows,
    MarkKind,
    StoredParts,
    Visibility,
    tag_digest,
)
from traceability.ledger.parts import Parts

_HEADS: Final = 8_192
_NAMES: Final = 4_096
_PLACES: Final = 4_096
_CLASSES: Final = 8_192
_DAYS: Final = 8_192
_THINGS: Final = 32_768
_SHORT: Final = 512  # bytes of heads and places that are remembered; no identifier has more than 2,048
_NOTHING: Final = bytes(8)
_HEAD: Final = re.compile(
    rb'(\{"type":"[^"\\]*","captured_by":"[^"\\]*"),"occurred_at":"'
    rb'([12]\d{3}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6})Z"(.*)\}',
    re.DOTALL,
).fullmatch
_ITEMS: Final = re.compile(
    rb'^\{"list":"([A-Za-z]+)","id":"([^"\\\x00-\x1f]*)"'
    rb'(?:,"quantity":(?:0|[1-9]\d{0,15})(?:\.\d{1,15})?)?(?:,"uom":"([A-Z0-9]+)")?\}$',
    re.MULTILINE,
).findall
_CHILD_LISTS: Final = frozenset(name.encode() for name in CHILD_LISTS)
_OUTPUT_LISTS: Final = frozenset(name.encode() for name in OUTPUT_LISTS)


class _Head(NamedTuple):
    """What a head says apart from its time."""

    type: str
    captured_by: str
    hashes: tuple[bytes, ...]
    visibility: Visibility
    """As it is when no party is named."""
    marks: MarkKind | None
    action: str | None
    disposition: str | None


class _Thing(NamedTuple):
    """An identifier, the hash of its item tag, and those of all its tags."""

    identifier: Identifier
    item: bytes
    hashes: tuple[bytes, ...]


def hashed_rows(parts: StoredParts) -> HashedRows | None:
    """Return an event's rows, None for one that is not EPCIS, is an error declaration, or was written by others."""
    head, what, where, why, how, more = parts
    found = _HEAD(head)
    if found is None:
        return None
    start, occurred_at, rest = found.groups()
    said = _head(start, rest) if len(rest) <= _SHORT else None
    items: list[tuple[bytes, bytes, bytes]] = _ITEMS(what)
    if said is None or len(items) != (what.count(b"\n") + 1 if what else 0) or not _is_day(occurred_at[:10]):
        return None
    hashes = [*said.hashes, *(_where(where) if len(where) <= _SHORT else _where.__wrapped__(where))]
    named = []
    vias = []
    for field, text, unit in items:
        thing = _thing(text)
        if unit:
            hashes.append(_recurring(quantity_tag(unit.decode())))
        if field == b"transformationID":
            vias.append(tag_digest(via_tag(thing.identifier)))
        else:
            hashes += thing.hashes
            named.append((field, thing))
    hashes += vias
    tags: list[str] = []
    parties = tag_business(orjson.loads(why), tags) if why else ()
    if how:
        # Numbers of master data become tags, by their digits.
        measured = plain_loads(how) if b'"ilmd"' in how else orjson.loads(how)
        tag_how(measured, said.type, [(field.decode(), thing.identifier) for field, thing in named], tags)
        hashes += map(_recurring, query_tags({}, (), {}, measured, {}))
    stated = orjson.loads(more) if more else {}
    if len(more) <= _SHORT and "errorDeclaration" not in stated:
        hashes += _named(tuple(stated))
    else:
        hashes += map(_recurring, query_tags({}, (), {}, {}, stated))
    event_id = stated.get("eventID")
    event = _NOTHING
    if event_id is None:
        tags += _unnamed(said.captured_by, parts)
    else:
        event = tag_digest(f"event:{event_id}")
        hashes.append(event)
        tags.append(f"identity:{said.captured_by}\x00{event_id}\x00")
    hashes += map(tag_digest, tags)
    visibility = said.visibility
    if parties:
        visibility = Visibility(said.captured_by, tuple(sorted(set(parties))), visibility.biz_step)
    marks = None if said.marks is None else _marks(said.marks, said.action, named)
    edges = _edges(named, vias) if said.type == TRANSFORMATION else None
    return HashedRows(set(hashes), visibility, occurred_at, event, said.disposition, marks, edges)


def _unnamed(captured_by: str, stored: StoredParts) -> list[str]:
    """Return the tags of an event without an eventID, which its content names."""
    head, what, *rest = stored
    parts = Parts(head, tuple(what.split(b"\n")) if what else (), *rest)
    name = hash_of_parts(parts)
    tags = [] if name is None else [f"event:{name}"]
    return [*tags, f"content:{captured_by}\x00{content_digest(parts).hex()}"]


@lru_cache(maxsize=_HEADS)
def _head(start: bytes, rest: bytes) -> _Head | None:
    head = orjson.loads(start + rest + b"}")
    name, captured_by = head["type"], head["captured_by"]
    action, biz_step, disposition = head.get("action"), head.get("bizStep"), head.get("disposition")
    known = name in EPCIS_TYPES and not head.keys() & {"occurred_at", "errorDeclaration"}
    if not known or any(type(text) not in (str, NoneType) for text in (captured_by, action, biz_step, disposition)):
        return None
    visibility = Visibility(captured_by, (), biz_step)
    hashes = tuple(map(tag_digest, (f"org:{captured_by}", *query_tags(head, (), {}, {}, {}))))
    return _Head(name, captured_by, hashes, visibility, MARKS.get(name), action, disposition)


@lru_cache(maxsize=_NAMES)
def _named(members: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the hashes of the tags that members of `more` have by their names alone."""
    return tuple(map(tag_digest, query_tags({}, (), {}, {}, dict.fromkeys(members))))


def _recurring(tag: str) -> bytes:
    """Return the hash of a tag of few, if it is short enough to be remembered."""
    return _remembered(tag) if len(tag) <= _SHORT else tag_digest(tag)


_remembered: Final = lru_cache(maxsize=_NAMES)(tag_digest)


@lru_cache(maxsize=_DAYS)
def _is_day(text: bytes) -> bool:
    try:
        date.fromisoformat(text.decode())
    except ValueError:
        return False
    return True


@lru_cache(maxsize=_PLACES)
def _where(where: bytes) -> tuple[bytes, ...]:
    tags: list[str] = []
    places = orjson.loads(where) if where else {}
    tag_places(places, tags)
    tags += query_tags({}, (), places, {}, {})
    return tuple(map(tag_digest, tags))


@lru_cache(maxsize=_THINGS)
def _thing(text: bytes) -> _Thing:
    identifier = parse_identifier(text.decode())
    item = tag_digest(item_tag(identifier))
    if identifier.class_uri is None:
        prefix = prefix_tag(identifier)
        return _Thing(identifier, item, (item,) if prefix is None else (item, tag_digest(prefix)))
    return _Thing(identifier, item, (item, *_shared(identifier.lot_uri, identifier.class_uri)))


@lru_cache(maxsize=_CLASSES)
def _shared(lot_uri: str | None, class_uri: str) -> tuple[bytes, ...]:
    """Return the hashes of the tags that all things of a lot or class have: its key holds the company's prefix."""
    tags = [f"class:{class_uri}", prefix_tag(parse_identifier(class_uri))]
    if lot_uri is not None:
        tags.append(f"lot:{lot_uri}")
    return tuple([tag_digest(tag) for tag in tags if tag is not None])


def _marks(kind: MarkKind, action: str | None, named: list[tuple[bytes, _Thing]]) -> HashedMarks | None:
    if action == "OBSERVE":
        return None
    parent = next((thing.item for field, thing in named if field == b"parentID"), None)
    children = list(dict.fromkeys([thing.item for field, thing in named if field in _CHILD_LISTS]))
    opens = action == "ADD"
    if not children and action == "DELETE":
        children = [_NOTHING]  # every child of the parent
    return None if parent is None or not children else HashedMarks(kind, parent, opens, children)


def _edges(named: list[tuple[bytes, _Thing]], vias: list[bytes]) -> HashedEdges | None:
    ends = dict.fromkeys([(thing.item, field not in _OUTPUT_LISTS) for field, thing in named])
    if not ends:
        return None
    nodes, inputs = zip(*ends, strict=True)
    return HashedEdges(vias[0] if vias else _NOTHING, nodes, inputs)
