"""EPCIS records for tests of folds: made straight from parts, so that a test says what happened and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson

from adapters.memory.provenance import MemoryProvenance
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import Reader
from traceability.ledger.event import LedgerEvent, utc_text
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record
from traceability.supply_chain.about_things import AboutThings
from traceability.supply_chain.parties import ListedParties

MAKER = "maker.example"
READER = Reader(MAKER)
STRANGERS = ListedParties({})
"""Nobody has a GLN."""

HOUR = 3_600_000_000
DAY_ZERO = 1_772_323_200_000_000
"""2026-03-01T00:00:00Z; times in tests are hours after it."""

GTIN = "https://id.gs1.org/01/09521234000013"
OTHER_GTIN = "https://id.gs1.org/01/09521234000020"
PALLET = "https://id.gs1.org/00/095212340000000013"
OTHER_PALLET = "https://id.gs1.org/00/095212340000000020"
TOTE = "https://id.gs1.org/8003/09521234000099T1"
PLANT = "https://id.gs1.org/414/9521234000006"
STORE = "https://id.gs1.org/414/9521234000013"
LOT_NUMBER = "urn:epcglobal:cbv:mda:lotNumber"


def pack(serial: str | int) -> str:
    return f"{GTIN}/21/{serial}"


def lot(number: str, gtin: str = GTIN) -> str:
    return f"{gtin}/10/{number}"


def hours(count: float) -> int:
    return DAY_ZERO + int(count * HOUR)


@dataclass(frozen=True)
class Happening:
    """One event: `items` are (list, id) or (list, id, quantity, uom)."""

    kind: str
    at: float
    items: Sequence[tuple[Any, ...]]
    action: str | None = None
    step: str | None = None
    disposition: str | None = None
    by: str = MAKER
    where: dict[str, Any] = field(default_factory=dict)
    how: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    event_id: str | None = None
    more: dict[str, Any] = field(default_factory=dict)
    parties: Sequence[str] = ()
    sources: dict[str, str] = field(default_factory=dict)
    destinations: dict[str, str] = field(default_factory=dict)
    transactions: Sequence[str] = ()

    def parts(self) -> Parts:
        members: dict[str, Any] = {
            "type": f"epcis.{self.kind}_event.v2",
            "captured_by": self.by,
            "occurred_at": utc_text(hours(self.at)),
            "eventTimeZoneOffset": "+00:00",
            "action": self.action,
            "bizStep": self.step,
            "disposition": self.disposition,
            **self.head,
        }
        sources = [("owning_party", party) for party in self.parties] + [*self.sources.items()]
        why = {"sourceList": [{"type": kind, "source": party} for kind, party in sources]}
        if self.transactions:
            why["bizTransactionList"] = [{"type": "desadv", "bizTransaction": one} for one in self.transactions]
        if self.destinations:
            ends = [{"type": kind, "destination": party} for kind, party in self.destinations.items()]
            why["destinationList"] = ends
        return Parts(
            head=orjson.dumps({name: value for name, value in members.items() if value is not None}),
            what=tuple(_item(*item) for item in self.items),
            where=_part(self.where),
            why=_part({name: ends for name, ends in why.items() if ends}),
            how=_part(self.how),
            more=_part(({"eventID": self.event_id} if self.event_id else {}) | self.more),
        )

    def retracted(self, *, by: str | None = None, hour: float = 90) -> Happening:
        """Return the error declaration of this event."""
        declaration = {"errorDeclaration": {"declarationTime": utc_text(hours(hour)), "reason": "incorrect_data"}}
        return replace(self, head={**self.head, **declaration}, by=by or self.by)


def _part(members: dict[str, Any]) -> bytes:
    return orjson.dumps(members) if members else b""


def _item(list_name: str, uri: str, quantity: float | None = None, uom: str | None = None) -> bytes:
    item = {"list": list_name, "id": uri, "quantity": quantity, "uom": uom}
    return orjson.dumps({name: value for name, value in item.items() if value is not None})


def commission(at: float, *things: str, number: str | None = None, **more: Any) -> Happening:
    how = {"ilmd": {LOT_NUMBER: number}} if number else {}
    items = [("epcList", thing) for thing in things]
    return Happening("object", at, items, "ADD", "commissioning", how=how, **{"disposition": "active", **more})


def observe(at: float, *things: str, place: str | None = None, **more: Any) -> Happening:
    where = {"readPoint": {"id": place}, "bizLocation": {"id": place}} if place else {}
    return Happening("object", at, [("epcList", thing) for thing in things], "OBSERVE", where=where, **more)


def end(at: float, *things: str, step: str = "decommissioning", **more: Any) -> Happening:
    return Happening("object", at, [("epcList", thing) for thing in things], "DELETE", step, **more)


def ship(at: float, *things: str, to: str | None = None, owner: str | None = None, **more: Any) -> Happening:
    return _moved(at, things, to, owner, {"step": "shipping", "disposition": "in_transit", **more})


def receive(at: float, *things: str, to: str | None = None, owner: str | None = None, **more: Any) -> Happening:
    return _moved(at, things, to, owner, {"step": "receiving", "disposition": "in_progress", **more})


def _moved(at: float, things: Sequence[str], to: str | None, owner: str | None, more: dict[str, Any]) -> Happening:
    ends = {"possessing_party": to, "owning_party": owner}
    return observe(at, *things, destinations={kind: party for kind, party in ends.items() if party}, **more)


def put(at: float, parent: str, *children: str, counted: Sequence[str] = (), **more: Any) -> Happening:
    return Happening("aggregation", at, _packed(parent, children, counted), "ADD", "packing", **more)


def take(at: float, parent: str, *children: str, counted: Sequence[str] = (), **more: Any) -> Happening:
    """Unpack these children; all of them when none is named."""
    return Happening("aggregation", at, _packed(parent, children, counted), "DELETE", "unpacking", **more)


def attach(at: float, parent: str, *children: str, action: str = "ADD", **more: Any) -> Happening:
    return Happening("association", at, _packed(parent, children, ()), action, "installing", **more)


def transform(
    at: float,
    inputs: Iterable[str] = (),
    outputs: Iterable[str] = (),
    *,
    joined: str | None = None,
    counted_inputs: Iterable[str] = (),
    counted_outputs: Iterable[str] = (),
    number: str | None = None,
    **more: Any,
) -> Happening:
    items: list[tuple[Any, ...]] = [("transformationID", joined)] if joined else []
    items += [("inputEPCList", thing) for thing in inputs]
    items += [("inputQuantityList", thing, 10, "KGM") for thing in counted_inputs]
    items += [("outputEPCList", thing) for thing in outputs]
    items += [("outputQuantityList", thing, 10, "KGM") for thing in counted_outputs]
    how = {"ilmd": {LOT_NUMBER: number}} if number else {}
    return Happening("transformation", at, items, step="creating_class_instance", how=how, **more)


@dataclass(frozen=True)
class Decided:
    """A decision about things; `to` are the parties that may see it too."""

    at: float
    payload: AboutThings
    by: str = MAKER
    to: Sequence[str] = ()

    def event(self) -> LedgerEvent:
        return self.payload.event(captured_by=self.by, occurred_at=hours(self.at), parties=self.to)


def records(happenings: Iterable[Happening | Decided], ids: Sequence[int] | None = None) -> list[Record]:
    """Record happenings in this order; `ids` keep an event's id when only its arrival changes."""
    return [
        Record(
            position=position,
            leaf_hash=b"",
            visibility=0,
            event=replace(
                _event(happening),
                event_id=UUID(int=position if ids is None else ids[position - 1]),
                recorded_at=hours(1000) + position,
            ),
        )
        for position, happening in enumerate(happenings, 1)
    ]


def _event(happening: Happening | Decided) -> LedgerEvent:
    if isinstance(happening, Decided):
        return happening.event()
    event_type, parts = f"epcis.{happening.kind}_event.v2", happening.parts()
    return LedgerEvent(type=event_type, data=b"", tags=[], captured_by=happening.by, parts=parts)


def index_of(
    happenings: Iterable[Happening | Decided],
    *,
    reader: Reader = READER,
    known_at: int | None = None,
    ids: Sequence[int] | None = None,
) -> MemoryProvenance:
    return MemoryProvenance(records(happenings, ids), reader=reader, indexer=index_rows, known_at=known_at)


def _packed(parent: str, children: Iterable[str], counted: Iterable[str]) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, ...]] = [("parentID", parent)]
    items += [("childEPCs", child) for child in children]
    return items + [("childQuantityList", child, 10, "KGM") for child in counted]
