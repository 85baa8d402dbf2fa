"""What the ledger's index holds for an EPCIS event (docs/guide/tags.md): a pure function of its parts 0 to 5."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import orjson

from traceability.gs1.application_identifiers import validated
from traceability.gs1.digital_link import written
from traceability.gs1.epcis.digest import content_digest
from traceability.gs1.epcis.event import TYPE_NAMES, Cut
from traceability.gs1.epcis.hash.recorded import hash_of_cut
from traceability.gs1.epcis.master_data import ELEMENT_STATED, element_rows
from traceability.gs1.epcis.query.tags import query_tags
from traceability.gs1.epcis.strict_json import JSON, plain_loads
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.what import Named
from traceability.gs1.identifiers import (
    Identifier,
    IdentifierError,
    item_tag,
    item_tags,
    parse_identifier,
    party_tag,
    place_tag,
)
from traceability.gs1.patterns import prefix_tag
from traceability.ledger.event import microseconds, opaque_index
from traceability.ledger.index import Edge, IndexRows, Mark, MarkKind, Sighting, Visibility
from traceability.ledger.parts import Parts
from traceability.ledger.register.stated import statement_rows
from traceability.ledger.register.statements import STATEMENTS

EPCIS_TYPES: Final = frozenset(TYPE_NAMES.values())
TRANSFORMATION: Final = TYPE_NAMES["TransformationEvent"]
MARKS: Final = {
    TYPE_NAMES["AggregationEvent"]: MarkKind.CONTAINMENT,
    TYPE_NAMES["AssociationEvent"]: MarkKind.ASSOCIATION,
}
CHILD_LISTS: Final = frozenset({"childEPCs", "childQuantityList"})
OUTPUT_LISTS: Final = frozenset({"outputEPCList", "outputQuantityList"})
_PARTY_TYPES: Final = frozenset({"owning_party", "possessing_party"})
# No identifier has more than 2,048 characters, so these caches stay below 10 MB each, whatever a feed holds.
_CACHED: Final = 4096
_LOT_NAME: Final = re.compile(
    r"(?:urn:epcglobal:cbv:mda[:#/]?|https?://(?:ref|ns)\.gs1\.org/cbv/|https?://(?:www\.|ref\.)?gs1\.org/voc/)"
    r"(?:CBVMDA-|mda[/#-])?(?:lotNumber|hasBatchLotNumber|hasBatchLot|batchLotNumber)"
).fullmatch
_LONGEST_LOT_NAME: Final = 64  # more than the expression can match


def index_rows(parts: Parts) -> IndexRows:
    """Return the rows of any event: EPCIS events by the rules here, every other by the tags that it carries."""
    head = orjson.loads(parts.head)
    if head["type"] == ELEMENT_STATED:
        return element_rows(parts, f"content:{head['captured_by']}\x00{content_digest(parts).hex()}")
    if head["type"] in STATEMENTS:
        return statement_rows(parts)
    if head["type"] not in EPCIS_TYPES:
        return opaque_index(parts)
    named = [(entry["list"], parse_identifier(entry["id"])) for entry in map(orjson.loads, parts.what)]
    where, why, how, more = map(_opened, (parts.where, parts.why, parts.how, parts.more))
    return rows_of(Cut(head, parts.what, named, where, why, how, more), parts)


def rows_of(cut: Cut, parts: Parts) -> IndexRows:
    """Return the rows of an EPCIS event from what its `parts` were written from, without reading them again."""
    head = cut.head
    captured_by = head["captured_by"]
    event_id = cut.more.get("eventID")
    declaration = head.get("errorDeclaration")
    tags = [f"org:{captured_by}"]
    tags += [via_tag(thing) for field, thing in cut.named if field == "transformationID"]
    things = [thing for field, thing in cut.named if field != "transformationID"]
    tags += item_tags(things)
    # What has a class has its company prefix in the class.
    tags += [tag for thing in {t.class_uri or t.uri: t for t in things}.values() if (tag := prefix_tag(thing))]
    tag_places(cut.where, tags)
    parties = tag_business(cut.why, tags)
    tag_how(cut.how, head["type"], cut.named, tags)
    tags += query_tags(head, cut.what, cut.where, cut.how, cut.more)
    event_tag = None if event_id is None else f"event:{event_id}"
    if event_tag is not None:
        tags.append(event_tag)
    elif (name := hash_of_cut(cut)) is not None:
        tags.append(f"event:{name}")  # finds it, and is nothing that a declaration joins on
    return IndexRows(
        tags=tuple(dict.fromkeys(tags)),
        visibility=Visibility(captured_by, tuple(sorted(set(parties))), head.get("bizStep")),
        identity=_identity(parts, captured_by, event_id, declaration),
        event=event_tag,
        retracts=declaration is not None,
        marks=() if declaration is not None else _marks(head, cut.named),
        edges=() if declaration is not None else _edges(head, cut.named),
        sighting=Sighting(microseconds(head["occurred_at"]), head.get("bizStep"), head.get("disposition")),
    )


def _identity(parts: Parts, captured_by: str, event_id: str | None, declaration: JSON) -> str:
    """Return what a second capture of the same statement shares with the first (design §3)."""
    if event_id is None:
        return f"content:{captured_by}\x00{content_digest(parts).hex()}"
    if not declaration:
        return f"identity:{captured_by}\x00{event_id}\x00"
    declared = declaration.get("declarationTime", "")
    # One moment may be written with any offset.
    return f"identity:{captured_by}\x00{event_id}\x00{utc(declared) or declared}"


# Places, parties and devices are few and come again and again: their tags are remembered by their canonical URI.
@lru_cache(maxsize=_CACHED)
def _place(uri: str) -> str:
    return place_tag(parse_identifier(uri))


@lru_cache(maxsize=_CACHED)
def _party(uri: str) -> str:
    return party_tag(parse_identifier(uri))


@lru_cache(maxsize=_CACHED)
def _device(uri: str) -> str:
    return f"device:{parse_identifier(uri).subject}"


def tag_places(where: Mapping[str, JSON], tags: list[str]) -> None:
    """Tag read point and business location."""
    tags += [_place(place["id"]) for place in where.values() if "id" in place]


def tag_business(why: Mapping[str, JSON], tags: list[str]) -> list[str]:
    """Tag transactions, parties and places; return the tags of the owning and possessing parties."""
    parties = []
    transactions = why.get("bizTransactionList", ())
    tags += [f"transaction:{element['bizTransaction']}" for element in transactions if "bizTransaction" in element]
    for field, target in (("sourceList", "source"), ("destinationList", "destination")):
        for element in why.get(field, ()):
            if target not in element:
                continue
            kind = element.get("type")
            if kind == "location":
                tags.append(_place(element[target]))
                continue
            tag = _party(element[target])
            tags.append(tag)
            if kind in _PARTY_TYPES:
                parties.append(tag)
    return parties


def tag_how(how: Mapping[str, JSON], type_name: str, named: list[Named], tags: list[str]) -> None:
    """Tag devices, and the lots that ILMD names for what an event of this type made."""
    for element in how.get("sensorElementList", ()):
        holders = (element.get("sensorMetadata") or {}, *element.get("sensorReport", ()))
        tags += [_device(holder["deviceID"]) for holder in holders if "deviceID" in holder]
    ilmd = how.get("ilmd")
    if not ilmd:
        return
    numbers = lot_numbers(ilmd)
    if not numbers:
        return
    made = [i for field, i in named if field in OUTPUT_LISTS or type_name != TRANSFORMATION]
    gtins = dict.fromkeys(i.gtin for i in made if i.gtin is not None)
    for number in numbers:
        tags += [f"lot:{uri}" for gtin in gtins if (uri := _lot(gtin, number)) is not None]


def lot_numbers(ilmd: Mapping[str, JSON]) -> list[str]:
    """Return the lot or batch numbers in instance/lot master data, under whichever name they are given."""
    # A Number is a str that was no string in the document, and no lot number.
    return [
        value
        for name, value in ilmd.items()
        if type(value) is str and len(name) <= _LONGEST_LOT_NAME and _names_lot(name)
    ]


@lru_cache(maxsize=_CACHED)
def _names_lot(name: str) -> bool:
    return _LOT_NAME(name) is not None


def _lot(gtin: str, lot: str) -> str | None:
    try:
        return written((("01", gtin), ("10", validated("10", lot))))
    except IdentifierError:  # what the maker calls the lot need not fit GS1's character set
        return None


def _marks(head: Mapping[str, JSON], named: list[Named]) -> tuple[Mark, ...]:
    kind = MARKS.get(head["type"])
    action = head.get("action")
    if kind is None or action == "OBSERVE":
        return ()
    parent = next((item_tag(identifier) for field, identifier in named if field == "parentID"), None)
    if parent is None:
        return ()
    children = dict.fromkeys(item_tag(identifier) for field, identifier in named if field in CHILD_LISTS)
    if not children:
        # Only a DELETE without children means all of them; an ADD of none does nothing.
        return (Mark(kind, None, parent, opens=False),) if action == "DELETE" else ()
    return tuple([Mark(kind, child, parent, opens=action == "ADD") for child in children])


def _edges(head: Mapping[str, JSON], named: list[Named]) -> tuple[Edge, ...]:
    if head["type"] != TRANSFORMATION:
        return ()
    via = next((via_tag(identifier) for field, identifier in named if field == "transformationID"), None)
    ends = dict.fromkeys(
        (item_tag(identifier), field not in OUTPUT_LISTS) for field, identifier in named if field != "transformationID"
    )
    return tuple([Edge(node, is_input, via) for node, is_input in ends])


def via_tag(identifier: Identifier) -> str:
    """Return the tag of a transformationID."""
    return f"transformation:{identifier.subject}"


def _opened(part: bytes) -> dict[str, JSON]:
    # Numbers become tags, and are hashed, by their digits.
    members: dict[str, JSON] = plain_loads(part) if part else {}
    return members
