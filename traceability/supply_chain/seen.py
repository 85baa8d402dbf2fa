"""An event as one reader sees it, what it says about things, and the order in which folds read events.

A *thing* is anything that moves or is counted: one item, a lot, a logistic unit, a class. Its name is the canonical
URI of its identity, so that a serial with and without its lot beside it is one thing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Final
from uuid import UUID

from traceability.gs1.epcis import EpcisView, content_digest, lot_numbers, view_of
from traceability.gs1.identifiers import Identifier, IdentifierError, Kind, digital_link, parse_identifier
from traceability.ledger.access import ITEM, redact
from traceability.ledger.event import microseconds
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record

OBJECT_EVENT: Final = "epcis.object_event.v2"
AGGREGATION_EVENT: Final = "epcis.aggregation_event.v2"
TRANSFORMATION_EVENT: Final = "epcis.transformation_event.v2"
ASSOCIATION_EVENT: Final = "epcis.association_event.v2"
TRANSACTION_EVENT: Final = "epcis.transaction_event.v2"


_EPCIS_TYPES: Final = frozenset(
    {OBJECT_EVENT, AGGREGATION_EVENT, TRANSFORMATION_EVENT, ASSOCIATION_EVENT, TRANSACTION_EVENT}
)


class Role(StrEnum):
    """The part that a thing plays in an event."""

    OBJECT = "object"
    PARENT = "parent"
    CHILD = "child"
    INPUT = "input"
    OUTPUT = "output"


_LOT_LENGTH: Final = 20  # characters that AI (10) may have
_MADE: Final = frozenset({Role.OBJECT, Role.OUTPUT})
_ROLES: Final[Mapping[str, tuple[Role, bool]]] = {
    "epcList": (Role.OBJECT, False),
    "quantityList": (Role.OBJECT, True),
    "parentID": (Role.PARENT, False),
    "childEPCs": (Role.CHILD, False),
    "childQuantityList": (Role.CHILD, True),
    "inputEPCList": (Role.INPUT, False),
    "inputQuantityList": (Role.INPUT, True),
    "outputEPCList": (Role.OUTPUT, False),
    "outputQuantityList": (Role.OUTPUT, True),
}


@dataclass(frozen=True, slots=True)
class Mention:
    """One item of an event: `thing` in its role; `class_level` when the event counts it instead of naming each.

    `lot` is the lot's URI when the item names it beside its serial.
    """

    thing: str
    role: Role
    class_level: bool
    lot: str | None
    quantity: Decimal | None
    uom: str | None


@dataclass(frozen=True)
class SeenEvent:
    """A recorded EPCIS event, cut down to what its reader may see.

    `whole` is false when items are hidden from the reader. `joined` ties an error declaration to the event of the
    same organisation and eventID that it retracts, None without eventID; it may hold hidden values and is never
    shown. `parts` are the visible ones.
    """

    position: int
    event_id: UUID
    recorded_at: int
    view: EpcisView
    whole: bool
    joined: tuple[str, str] | None
    parts: Parts = field(repr=False)

    @cached_property
    def order(self) -> FoldOrder:
        """Return the key by which folds sort."""
        return FoldOrder(self)

    @cached_property
    def digest(self) -> bytes:
        """Return the content digest of what is visible; never shown, it only breaks ties."""
        return content_digest(self.parts)

    @cached_property
    def tags(self) -> frozenset[str]:
        """Return the tags of what is visible, as far as folds ask for events by them."""
        tags = {f"item:{thing}" for thing in self.mentions_of}
        tags.update(f"lot:{mention.lot}" for mention in self.mentions if mention.lot is not None)
        tags.update(f"lot:{lot}" for lot in self.memberships.values())
        if self.transformation is not None:
            tags.add(self.transformation)
        return frozenset(tags)

    @cached_property
    def transformation(self) -> str | None:
        """Return the tag of the transformationID, which joins events to one transformation."""
        joined = self.view.transformation_id
        return None if joined is None else f"transformation:{thing_of(joined)}"

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        """Return what the event says of each thing, in the order of its lists."""
        return tuple(
            _mention(item.id, *_ROLES[item.list], item.quantity, item.uom)
            for item in self.view.items
            if item.list in _ROLES
        )

    @property
    def empties(self) -> bool:
        """Tell whether the event closes everything that is in (or attached to) its parent.

        Hidden children are not no children: only an event that is seen whole can mean "all of them".
        """
        view = self.view
        empties = view.type in (AGGREGATION_EVENT, ASSOCIATION_EVENT) and view.action == "DELETE" and self.whole
        return empties and all(mention.role is not Role.CHILD for mention in self.mentions)

    @cached_property
    def mentions_of(self) -> Mapping[str, tuple[Mention, ...]]:
        """Return the mentions by thing."""
        found: dict[str, tuple[Mention, ...]] = {}
        for mention in self.mentions:
            found[mention.thing] = (*found.get(mention.thing, ()), mention)
        return found

    @cached_property
    def memberships(self) -> Mapping[str, str]:
        """Return the lot of each thing whose lot the event tells: beside its serial, else in the ILMD it is made with.

        ILMD describes what an ObjectEvent ADD commissions and what a transformation puts out (EPCIS 2.0 §7.3.8).
        """
        view = self.view
        makes = view.type == TRANSFORMATION_EVENT or (view.type == OBJECT_EVENT and view.action == "ADD")
        number = next(iter(lot_numbers(view.ilmd)), None) if makes and view.ilmd else None
        found: dict[str, str] = {}
        for mention in self.mentions:
            lot = mention.lot
            if lot is None and number is not None and mention.role in _MADE and not is_lot(mention.thing):
                lot = lot_of(mention.thing, number)
            if lot is not None and lot != mention.thing:
                found[mention.thing] = lot
        return found


class FoldOrder:
    """The place of an event in a fold: by event time, then kind rank, then content digest; never by arrival.

    The digest, which reads every item, is only computed for events that agree in time and kind.
    """

    __slots__ = ("_event", "at", "rank")

    def __init__(self, event: SeenEvent) -> None:
        self.at = event.view.occurred_at
        self.rank = _kind_rank(event.view)
        self._event = event

    def __lt__(self, other: FoldOrder) -> bool:
        if (self.at, self.rank) != (other.at, other.rank):
            return (self.at, self.rank) < (other.at, other.rank)
        return self._event is not other._event and self._event.digest < other._event.digest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FoldOrder) or (self.at, self.rank) != (other.at, other.rank):
            return False
        return self._event is other._event or self._event.digest == other._event.digest

    def __hash__(self) -> int:
        return hash((self.at, self.rank))


def see(record: Record, extent: frozenset[str], asked: Collection[str]) -> SeenEvent | None:
    """Return what a reader of this extent sees of a record; None when it is no EPCIS event.

    `asked` are the names of the things that the reader named or was led to; they open items under the extent `ITEM`.
    """
    parts = record.event.parts
    if record.event.type not in _EPCIS_TYPES:
        return None
    full = view_of(parts)
    items = (item for item in full.items if item.list in _ROLES) if ITEM in extent else ()
    visible = redact(parts, extent, {item.id for item in items if thing_of(item.id) in asked})
    event_id, recorded_at = record.event.event_id, record.event.recorded_at
    if event_id is None or recorded_at is None:
        return None
    return SeenEvent(
        position=record.position,
        event_id=event_id,
        recorded_at=recorded_at,
        view=full if visible == parts else view_of(visible),
        whole=len(visible.what) == len(parts.what),
        joined=None if full.event_id is None else (full.captured_by, full.event_id),
        parts=visible,
    )


def things_named(tags: Iterable[str]) -> set[str]:
    """Return the things that a question by these tags names; a transformation or an event is none."""
    return {tag.partition(":")[2] for tag in tags if tag.startswith(("item:", "lot:"))}


def identify(uri: str) -> Identifier | None:
    """Read an identifier that an event holds; None for one that was recorded although it breaks GS1's rules."""
    try:
        return parse_identifier(uri)
    except IdentifierError:
        return None


def thing_of(uri: str) -> str:
    """Return the name of the thing that an identifier means: its subject."""
    identifier = identify(uri)
    return uri if identifier is None else identifier.subject


def lot_of(thing: str, number: str) -> str | None:
    """Return the URI of the lot `number` of a trade item; None when the thing has no GTIN."""
    identifier = identify(thing)
    if identifier is None or identifier.gtin is None or len(number) > _LOT_LENGTH:
        return None
    return _lot_link(identifier.gtin, number)


@lru_cache(maxsize=1024)
def _lot_link(gtin: str, number: str) -> str | None:
    # A thousand packs are commissioned with one lot: it is written and checked once.
    try:
        return digital_link((("01", gtin), ("10", number)))
    except IdentifierError:
        return None


def is_class(thing: str) -> bool:
    """Tell whether the thing is a mere class (a GTIN without lot or serial), which ties nothing together."""
    identifier = identify(thing)
    return identifier is not None and identifier.kind is Kind.CLASS


def is_lot(thing: str) -> bool:
    """Tell whether the thing is a batch of a trade item."""
    identifier = identify(thing)
    return identifier is not None and identifier.kind is Kind.LOT


def ordered(events: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return each event once, in the order of folds; position only separates events that say the same."""
    return sorted({event.position: event for event in events}.values(), key=lambda event: (event.order, event.position))


def retractions(events: Iterable[SeenEvent]) -> dict[int, SeenEvent]:
    """Map the position of each retracted event to the declaration that retracts it.

    A declaration works for the organisation that made the event and for nobody else. Of several, the one that
    declared first is given.
    """
    events = list(events)
    declared: dict[tuple[str, str], SeenEvent] = {}
    for event in sorted(events, key=_declaration_order):
        if event.view.declaration is not None and event.joined is not None:
            declared.setdefault(event.joined, event)
    return {
        event.position: declared[event.joined]
        for event in events
        if event.view.declaration is None and event.joined in declared
    }


def with_declarations(events: Iterable[SeenEvent], among: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return events and, from `among`, the error declarations that retract one of them; each once."""
    found = {event.position: event for event in events}
    joined = {event.joined for event in found.values()} - {None}
    for event in among:
        if event.view.declaration is not None and event.joined in joined:
            found.setdefault(event.position, event)
    return list(found.values())


def standing(events: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return, in order, the events that count: neither retracted nor themselves a retraction."""
    events = ordered(events)
    retracted = retractions(events)
    return [event for event in events if event.view.declaration is None and event.position not in retracted]


def _declaration_order(event: SeenEvent) -> tuple[int, FoldOrder, int]:
    declaration = event.view.declaration
    return (0 if declaration is None else microseconds(declaration.time)), event.order, event.position


def _mention(uri: str, role: Role, class_level: bool, quantity: Decimal | None, uom: str | None) -> Mention:  # noqa: FBT001
    identifier = identify(uri)
    if identifier is None:
        return Mention(uri, role, class_level, None, quantity, uom)
    # A lot of one variant of a product belongs to the lot; the lot itself to none.
    lot = None if identifier.lot_uri == identifier.subject else identifier.lot_uri
    return Mention(identifier.subject, role, class_level, lot, quantity, uom)


def _kind_rank(view: EpcisView) -> int:
    """Rank events of one instant: things are made, then leave, then enter, then are seen, then end.

    With clocks that tick in minutes, "unpacked here, packed there" often has one time; leaving first makes it mean
    what was meant, whatever the digests are.
    """
    if view.type == OBJECT_EVENT:
        return {"ADD": 0, "DELETE": 5}.get(view.action or "", 4)
    if view.type == TRANSFORMATION_EVENT:
        return 1
    if view.type in (AGGREGATION_EVENT, ASSOCIATION_EVENT):
        return {"DELETE": 2, "ADD": 3}.get(view.action or "", 4)
    return 4
