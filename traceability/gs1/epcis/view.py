"""An EPCIS event as its readers want it: folds, traces and pages.

A view is made of whatever parts are open; a closed part reads as if the event said nothing in that dimension. A trace
reads hundreds of thousands of events, so what it needs is decoded straight into typed objects: `read_head` and
`read_items` are that much, `view_of` is all of an event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final, TypeAlias

import msgspec

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.query.tags import DECLARATION_FIELDS, EVENT_FIELDS, PLACE_FIELDS
from traceability.gs1.epcis.strict_json import JSON, loads, plain_loads
from traceability.ledger.event import EPOCH
from traceability.ledger.parts import Parts

EPCIS_TYPES: Final = frozenset(TYPE_NAMES.values())
_NUMBER: Final = re.compile(rb'(?:":|[\[,])-?[0-9]').search
_MICROSECOND: Final = timedelta(microseconds=1)


class Item(msgspec.Struct, frozen=True, gc=False):
    """One entry of the what dimension: the field it stands in, its canonical URI, and how much of a class or lot."""

    list: str
    id: str
    quantity: Decimal | None = None
    uom: str | None = None


class _Persistent(msgspec.Struct, frozen=True, gc=False):
    set: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()


class _Declared(msgspec.Struct, frozen=True, gc=False):
    declarationTime: str  # noqa: N815  # the standard's
    reason: str | None = None


class Head(msgspec.Struct, frozen=True, gc=False, rename={"offset": "eventTimeZoneOffset", "time": "occurred_at"}):
    """The part `head` of any event, as far as EPCIS gives it; see `EpcisView`."""

    type: str
    captured_by: str
    time: datetime | None = None
    offset: str = ""
    action: str | None = None
    bizStep: str | None = None  # noqa: N815
    disposition: str | None = None
    persistentDisposition: _Persistent = _Persistent()  # noqa: N815
    errorDeclaration: _Declared | None = None  # noqa: N815

    @property
    def occurred_at(self) -> int:
        """Return the event time in microseconds UTC."""
        assert self.time is not None, "an event of EPCIS has a time"
        return (self.time - EPOCH) // _MICROSECOND


class _More(msgspec.Struct):
    eventID: str | None = None  # noqa: N815


class _Place(msgspec.Struct):
    id: str | None = None


class _Where(msgspec.Struct):
    bizLocation: _Place | None = None  # noqa: N815
    readPoint: _Place | None = None  # noqa: N815


class _End(msgspec.Struct):
    type: str | None = None
    source: str | None = None
    destination: str | None = None


class _Why(msgspec.Struct):
    sourceList: tuple[_End, ...] = ()  # noqa: N815
    destinationList: tuple[_End, ...] = ()  # noqa: N815


class _How(msgspec.Struct):
    ilmd: dict[str, msgspec.Raw] | None = None


read_head: Final = msgspec.json.Decoder(Head).decode
_decode_items: Final = msgspec.json.Decoder(tuple[Item, ...]).decode
_decode_where: Final = msgspec.json.Decoder(_Where).decode
_decode_why: Final = msgspec.json.Decoder(_Why).decode
_decode_how: Final = msgspec.json.Decoder(_How).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_decode_more: Final = msgspec.json.Decoder(_More).decode


def read_items(what: bytes) -> tuple[Item, ...]:
    """Return the items of a part `what` that is written as the ledger keeps it: joined by newlines."""
    # Canonical JSON holds no newline, so this makes an array of it, which is decoded in one go.
    return _decode_items(b"[%b]" % what.replace(b"\n", b","))


def read_event_id(more: bytes) -> str | None:
    """Return the eventID in a part `more`."""
    return _decode_more(more).eventID if more else None


def read_place(where: bytes) -> str | None:
    """Return the business location in a part `where`, else its read point."""
    if not where:
        return None
    said = _decode_where(where)
    return (said.bizLocation and said.bizLocation.id) or (said.readPoint and said.readPoint.id) or None


def read_places(where: bytes) -> tuple[str | None, str | None]:
    """Return the read point and the business location in a part `where`."""
    said = _decode_where(where) if where else _Where()
    read_point, biz_location = (None if place is None else place.id for place in (said.readPoint, said.bizLocation))
    return read_point, biz_location


Ends: TypeAlias = tuple[tuple[str | None, str], ...]
"""Sources or destinations as pairs of type and URI, like those of `EpcisView`."""


def read_ends(why: bytes) -> tuple[Ends, Ends]:
    """Return the sources and the destinations in a part `why`."""
    if b'List":[{' not in why:
        return (), ()
    said = _decode_why(why)
    return (
        tuple([(end.type, end.source) for end in said.sourceList if end.source is not None]),
        tuple([(end.type, end.destination) for end in said.destinationList if end.destination is not None]),
    )


def read_sensor_elements(how: bytes) -> tuple[Mapping[str, JSON], ...]:
    """Return the sensor elements in a part `how`."""
    return tuple(_opened(how).get("sensorElementList", ())) if b'"sensorElementList"' in how else ()


def read_ilmd(how: bytes) -> dict[str, str]:
    """Return the texts in the instance/lot master data of a part `how`, by name."""
    if not how:
        return {}
    ilmd = _decode_how(how).ilmd or {}
    return {name: _decode_text(value) for name, value in ilmd.items() if bytes(value)[:1] == b'"'}


@dataclass(frozen=True, slots=True)
class ErrorDeclaration:
    """The event's maker takes it back: when and why, which events stand in its place, and extensions."""

    time: str
    reason: str | None
    corrective_event_ids: tuple[str, ...]
    extensions: Mapping[str, JSON] | None = None


@dataclass(frozen=True)
class EpcisView:
    """An event's members in canonical form; `occurred_at` is in microseconds UTC.

    Terms are bare CBV words or private URIs, pairs are (type or None, URI), numbers inside `sensor_elements`, `ilmd`
    and `extensions` are `Number`, a str that `Decimal` reads exactly. `read_point` and `biz_location` are URIs, and
    `read_point_fields` and `biz_location_fields` their extensions.
    """

    type: str
    captured_by: str
    occurred_at: int
    offset: str
    action: str | None = None
    biz_step: str | None = None
    disposition: str | None = None
    persistent_set: tuple[str, ...] = ()
    persistent_unset: tuple[str, ...] = ()
    declaration: ErrorDeclaration | None = None
    what: Sequence[bytes] = field(default=(), repr=False)
    read_point: str | None = None
    biz_location: str | None = None
    read_point_fields: Mapping[str, JSON] | None = None
    biz_location_fields: Mapping[str, JSON] | None = None
    biz_transactions: tuple[tuple[str | None, str], ...] = ()
    sources: tuple[tuple[str | None, str], ...] = ()
    destinations: tuple[tuple[str | None, str], ...] = ()
    sensor_elements: tuple[Mapping[str, JSON], ...] = ()
    ilmd: Mapping[str, JSON] | None = None
    certification: JSON = None
    event_id: str | None = None
    event_hash: str | None = None
    record_time: str | None = None
    extensions: Mapping[str, JSON] | None = None

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Return the entries of the what dimension in order; read when somebody asks, for a pallet has a thousand."""
        return read_items(b"\n".join(self.what))

    def ids(self, *lists: str) -> tuple[str, ...]:
        """Return the URIs in these fields of the what dimension, in order."""
        return tuple([item.id for item in self.items if item.list in lists])

    @property
    def parent(self) -> str | None:
        """The parentID."""
        return next((item.id for item in self.items if item.list == "parentID"), None)

    @property
    def transformation_id(self) -> str | None:
        """The transformationID, which joins events to one transformation."""
        return next((item.id for item in self.items if item.list == "transformationID"), None)

    @property
    def places(self) -> Iterator[tuple[str, Mapping[str, JSON]]]:
        """The read point and the business location with their extensions, those that have any."""
        if self.read_point is not None and self.read_point_fields:
            yield self.read_point, self.read_point_fields
        if self.biz_location is not None and self.biz_location_fields:
            yield self.biz_location, self.biz_location_fields


def view_of(
    parts: Parts, *, called: str | None = None, event_hash: str | None = None, whole_as_int: bool = False
) -> EpcisView:
    """Read an event of EPCIS, which is `called` so if it says no eventID, and may have a second name, its `event_hash`.

    Whole numbers as `int` are read in a fraction of the time, and of them only -0 is not what was written. Raises
    `InvalidInputError` (`epcis.event_type`) for an event of another kind.
    """
    head = read_head(parts.head)
    if head.type not in EPCIS_TYPES:
        raise InvalidInputError(f"{head.type} is not an event of EPCIS", code="epcis.event_type")
    opened = _opened_plainly if whole_as_int else _opened
    where, why, how, more = opened(parts.where), opened(parts.why), opened(parts.how), opened(parts.more)
    return EpcisView(
        type=head.type,
        captured_by=head.captured_by,
        occurred_at=head.occurred_at,
        offset=head.offset,
        action=head.action,
        biz_step=head.bizStep,
        disposition=head.disposition,
        persistent_set=head.persistentDisposition.set,
        persistent_unset=head.persistentDisposition.unset,
        declaration=_declaration(head.errorDeclaration, more.get("errorDeclaration") or {}),
        what=parts.what,
        read_point=_id(where.get("readPoint")),
        biz_location=_id(where.get("bizLocation")),
        read_point_fields=_fields(where.get("readPoint")),
        biz_location_fields=_fields(where.get("bizLocation")),
        biz_transactions=_pairs(why.get("bizTransactionList", ()), "bizTransaction"),
        sources=_pairs(why.get("sourceList", ()), "source"),
        destinations=_pairs(why.get("destinationList", ()), "destination"),
        sensor_elements=tuple(how.get("sensorElementList", ())),
        ilmd=how.get("ilmd"),
        certification=how.get("certificationInfo"),
        event_id=more.get("eventID", called),
        event_hash=event_hash,
        record_time=more.get("recordTime"),
        extensions=_extensions(more, EVENT_FIELDS),
    )


def _opened(part: bytes) -> dict[str, JSON]:
    if not part:
        return {}
    # Numbers have to stay as they were written, and most parts hold none; a string that looks like one costs time only.
    members: dict[str, JSON] = loads(part) if _NUMBER(part) is not None else msgspec.json.decode(part)
    return members


def _opened_plainly(part: bytes) -> dict[str, JSON]:
    members: dict[str, JSON] = plain_loads(part) if part else {}
    return members


def _id(place: JSON) -> str | None:
    return place.get("id") if place else None


def _fields(place: JSON) -> Mapping[str, JSON] | None:
    return _extensions(place, PLACE_FIELDS) if place else None


def _extensions(members: Mapping[str, JSON], standard: frozenset[str]) -> Mapping[str, JSON] | None:
    if members.keys() <= standard:
        return None
    return {name: value for name, value in members.items() if name not in standard}


def _pairs(elements: Iterable[JSON], target: str) -> tuple[tuple[str | None, str], ...]:
    # An element whose identifier is personal has none here.
    return tuple([(element.get("type"), element[target]) for element in elements if target in element])


def _declaration(head: _Declared | None, more: Mapping[str, JSON]) -> ErrorDeclaration | None:
    if head is None:
        return None
    named = tuple(more.get("correctiveEventIDs", ()))
    return ErrorDeclaration(head.declarationTime, head.reason, named, _extensions(more, DECLARATION_FIELDS))
