"""An EPCIS event as its readers want it: folds, traces and pages.

A view is made of whatever parts are open; a closed part reads as if the event said nothing in that dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.strict_json import JSON, loads
from traceability.ledger.event import microseconds
from traceability.ledger.parts import Parts

EPCIS_TYPES: Final = frozenset(TYPE_NAMES.values())
_FIELDS_OF_MORE: Final = frozenset({"eventID", "errorDeclaration", "recordTime"})


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the what dimension: the field it stands in, its canonical URI, and how much of a class or lot."""

    list: str
    id: str
    quantity: Decimal | None = None
    uom: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorDeclaration:
    """The event's maker takes it back: when and why, and which events stand in its place."""

    time: str
    reason: str | None
    corrective_event_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EpcisView:
    """An event's members in canonical form; `occurred_at` is in microseconds UTC.

    Terms are bare CBV words or private URIs, pairs are (type or None, URI), numbers inside `sensor_elements`, `ilmd`
    and `extensions` are `Number`, a str that `Decimal` reads exactly. `read_point` and `biz_location` are URIs, and
    `places` gives the extensions of each of them that has any.
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
    items: tuple[Item, ...] = ()
    read_point: str | None = None
    biz_location: str | None = None
    places: Mapping[str, Mapping[str, JSON]] | None = None
    biz_transactions: tuple[tuple[str | None, str], ...] = ()
    sources: tuple[tuple[str | None, str], ...] = ()
    destinations: tuple[tuple[str | None, str], ...] = ()
    sensor_elements: tuple[Mapping[str, JSON], ...] = ()
    ilmd: Mapping[str, JSON] | None = None
    certification: JSON = None
    event_id: str | None = None
    record_time: str | None = None
    extensions: Mapping[str, JSON] | None = None

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


def view_of(parts: Parts) -> EpcisView:
    """Read an event of EPCIS; raises `InvalidInputError` (`epcis.event_type`) for an event of another kind."""
    head = loads(parts.head)
    if head["type"] not in EPCIS_TYPES:
        raise InvalidInputError(f"{head['type']} is not an event of EPCIS", code="epcis.event_type")
    where, why, how, more = _opened(parts.where), _opened(parts.why), _opened(parts.how), _opened(parts.more)
    persistent = head.get("persistentDisposition") or {}
    return EpcisView(
        type=head["type"],
        captured_by=head["captured_by"],
        occurred_at=microseconds(head["occurred_at"]),
        offset=head["eventTimeZoneOffset"],
        action=head.get("action"),
        biz_step=head.get("bizStep"),
        disposition=head.get("disposition"),
        persistent_set=tuple(persistent.get("set", ())),
        persistent_unset=tuple(persistent.get("unset", ())),
        declaration=_declaration(head.get("errorDeclaration"), more.get("errorDeclaration") or {}),
        items=tuple([_item(item) for item in parts.what]),
        read_point=_id(where.get("readPoint")),
        biz_location=_id(where.get("bizLocation")),
        places=_places(where),
        biz_transactions=_pairs(why.get("bizTransactionList", ()), "bizTransaction"),
        sources=_pairs(why.get("sourceList", ()), "source"),
        destinations=_pairs(why.get("destinationList", ()), "destination"),
        sensor_elements=tuple(how.get("sensorElementList", ())),
        ilmd=how.get("ilmd"),
        certification=how.get("certificationInfo"),
        event_id=more.get("eventID"),
        record_time=more.get("recordTime"),
        extensions={name: value for name, value in more.items() if name not in _FIELDS_OF_MORE} or None,
    )


def _opened(part: bytes) -> dict[str, JSON]:
    return loads(part) if part else {}


def _item(item: bytes) -> Item:
    value = loads(item)
    quantity = value.get("quantity")
    return Item(value["list"], value["id"], None if quantity is None else Decimal(quantity), value.get("uom"))


def _id(place: JSON) -> str | None:
    return place.get("id") if place else None


def _places(where: Mapping[str, JSON]) -> Mapping[str, Mapping[str, JSON]] | None:
    found = {
        place["id"]: {name: value for name, value in place.items() if name != "id"}
        for place in (where.get("readPoint"), where.get("bizLocation"))
        if place and len(place) > 1 and "id" in place
    }
    return found or None


def _pairs(elements: Iterable[JSON], target: str) -> tuple[tuple[str | None, str], ...]:
    # An element whose identifier is personal has none here.
    return tuple([(element.get("type"), element[target]) for element in elements if target in element])


def _declaration(head: JSON, more: Mapping[str, JSON]) -> ErrorDeclaration | None:
    if head is None:
        return None
    return ErrorDeclaration(head["declarationTime"], head.get("reason"), tuple(more.get("correctiveEventIDs", ())))
