"""An event as one reader sees it, what it says about things, and the order in which folds read events."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, Generic, TypeAlias, TypeVar, overload
from uuid import UUID

from traceability.gs1.epcis import EpcisView, Item, content_digest, lot_numbers, view_of
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.view import (
    Ends,
    read_ends,
    read_event_id,
    read_head,
    read_ilmd,
    read_items,
    read_place,
    read_places,
    read_sensor_elements,
)
from traceability.ledger.access import ITEM, SHAREABLE_PARTS, open_item_indices
from traceability.ledger.index import MarkKind
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record
from traceability.supply_chain.things import (
    ROLES,
    Mention,
    Role,
    Subjects,
    identify,
    is_class,
    is_lot,
    lot_of,
    mentions_in,
    thing_of,
    things_of,
)

__all__ = [
    "AGGREGATION_EVENT",
    "ASSOCIATION_EVENT",
    "EPCIS_TYPES",
    "FEW",
    "OBJECT_EVENT",
    "TRANSACTION_EVENT",
    "TRANSFORMATION_EVENT",
    "Mention",
    "Role",
    "Row",
    "SeenEvent",
    "Subjects",
    "identify",
    "is_class",
    "is_lot",
    "lot_of",
    "see",
    "see_row",
    "thing_of",
]

OBJECT_EVENT: Final = "epcis.object_event.v2"
AGGREGATION_EVENT: Final = "epcis.aggregation_event.v2"
TRANSFORMATION_EVENT: Final = "epcis.transformation_event.v2"
ASSOCIATION_EVENT: Final = "epcis.association_event.v2"
TRANSACTION_EVENT: Final = "epcis.transaction_event.v2"


EPCIS_TYPES: Final = frozenset(
    {OBJECT_EVENT, AGGREGATION_EVENT, TRANSFORMATION_EVENT, ASSOCIATION_EVENT, TRANSACTION_EVENT}
)


MARK_KINDS: Final = {AGGREGATION_EVENT: MarkKind.CONTAINMENT, ASSOCIATION_EVENT: MarkKind.ASSOCIATION}
"""How an event of this type ties a child to a parent."""

_PARENT_LIST: Final = "parentID"
_MADE: Final = frozenset({Role.OBJECT, Role.OUTPUT})
_NO_LOTS: Final[Mapping[str, str]] = {}
_CHILD_LISTS: Final = frozenset(name for name, (role, _) in ROLES.items() if role is Role.CHILD)

FEW: Final = 50
"""Items up to which all that an event says is read at once."""

_SHORT: Final = 512  # bytes that are remembered
_SEARCHES: Final = 8  # of one thing each, before all are named
# However an identifier writes a thing that is no class, it ends as the thing's name does.
_ENDING: Final = re.compile(r"/[^/]*/[^/]*$").search

# A piece of a trade item (AI 8006) may be of a lot without having a serial.
_LOT_BESIDE_SERIAL: Final = re.compile(rb"/10/[^/\"]+/21/|/8006/").search

_Value = TypeVar("_Value")


class _once(Generic[_Value]):  # noqa: N801  # reads like `property`
    """A property that is computed when it is first read.

    `functools.cached_property` takes a lock for it, and a trace reads a million of them.
    """

    def __init__(self, compute: Callable[[SeenEvent], _Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, event: None, owner: type[SeenEvent]) -> _once[_Value]: ...
    @overload
    def __get__(self, event: SeenEvent, owner: type[SeenEvent]) -> _Value: ...
    def __get__(self, event: SeenEvent | None, owner: type[SeenEvent]) -> _once[_Value] | _Value:
        if event is None:
            return self
        value = event.__dict__[self._name] = self._compute(event)
        return value


class Column(IntEnum):
    """What the ledger keeps of an event, as far as folds read it: the place of each in a row.

    WHAT is the event's items joined by newlines.
    """

    POSITION = 0
    EVENT_ID = 1
    RECORDED_AT = 2
    HEAD = 3
    WHAT = 4
    WHERE = 5
    WHY = 6
    HOW = 7
    MORE = 8


# Members of an enumeration take long to look up.
_POSITION, _EVENT_ID, _RECORDED_AT, _HEAD, _WHAT, _WHERE, _WHY, _HOW, _MORE = map(int, Column)
Row: TypeAlias = Sequence[Any]
"""An event by `Column`; what stands after these is not looked at."""


class SeenEvent:
    """A recorded EPCIS event, cut down to what its reader may see.

    `type`, `action`, `occurred_at` (µs UTC) and `declares` (it is an error declaration) are in the `head`, which is
    always open. The rest is read when it is asked for: a trace asks few events for more than their items. `whole` is
    false when items are hidden from the reader.
    """

    def __init__(self, row: Row, what: bytes, open_parts: frozenset[int], *, whole: bool) -> None:
        head = read_head(row[_HEAD])
        self.head = head
        self.position: int = row[_POSITION]
        self.type = head.type
        self.action = head.action
        self.occurred_at = head.occurred_at
        self.declares = head.errorDeclaration is not None
        self.captured_by = head.captured_by
        self.whole = whole
        self._row = row
        self._open = open_parts
        self._what = what
        self._searches = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SeenEvent):
            return NotImplemented
        mine, theirs = ((e.position, e.event_id, e.recorded_at, e.parts, e.whole, e.joined) for e in (self, other))
        return mine == theirs

    def __hash__(self) -> int:
        return hash(self.event_id)

    def __repr__(self) -> str:
        return (
            f"SeenEvent(position={self.position}, event_id={self.event_id}, recorded_at={self.recorded_at},"
            f" whole={self.whole}, view={self.view}, items={self.items})"
        )

    @property
    def event_id(self) -> UUID:
        """Return the ledger's own name of the event."""
        event_id: UUID = self._row[_EVENT_ID]
        return event_id

    @property
    def recorded_at(self) -> int:
        """Return when it was recorded (µs UTC)."""
        recorded_at: int = self._row[_RECORDED_AT]
        return recorded_at

    @_once
    def joined(self) -> tuple[str, str] | None:
        """Return what ties an error declaration to the event of the same organisation and eventID that it retracts.

        None without eventID. It may hold hidden values and is never shown.
        """
        event_id = read_event_id(self._row[_MORE])
        return None if event_id is None else (self.captured_by, event_id)

    @_once
    def parts(self) -> Parts:
        """Return the visible parts."""
        what = tuple(self._what.split(b"\n")) if self._what else ()
        return Parts(self._row[_HEAD], what, *map(self._part, (_WHERE, _WHY, _HOW, _MORE)))

    @_once
    def view(self) -> EpcisView:
        """Return all that is visible."""
        return view_of(self.parts)

    @_once
    def place(self) -> str | None:
        """Return the business location, else the read point."""
        return read_place(self._part(_WHERE))

    @property
    def places(self) -> tuple[str | None, str | None]:
        """Return the read point and the business location."""
        return read_places(self._part(_WHERE))

    @property
    def ends(self) -> tuple[Ends, Ends]:
        """Return the sources and the destinations of the business transfer that the event is part of."""
        return read_ends(self._part(_WHY))

    @_once
    def sensor_elements(self) -> tuple[Mapping[str, JSON], ...]:
        """Return what sensors reported."""
        return read_sensor_elements(self._part(_HOW))

    @_once
    def digest(self) -> bytes:
        """Return the content digest of what is visible; never shown, it only breaks ties."""
        return content_digest(self.parts)

    @property
    def what(self) -> bytes:
        """Return the visible items as they are written, joined by newlines."""
        return self._what

    @_once
    def items(self) -> tuple[Item, ...]:
        """Return the visible items."""
        return read_items(self._what)

    @_once
    def lots(self) -> frozenset[str]:
        """Return the lots that the event names, beside a serial or as that of what it makes."""
        return frozenset([m.lot for m in self.mentions if m.lot is not None]).union(self.memberships.values())

    @_once
    def transformation(self) -> str | None:
        """Return the transformationID, which joins events to one transformation."""
        if b'"transformationID"' not in self._what:
            return None
        joined = next((item.id for item in self.items if item.list == "transformationID"), None)
        return None if joined is None else thing_of(joined)

    @_once
    def mentions(self) -> tuple[Mention, ...]:
        """Return what the event says of each thing, in the order of its lists."""
        return tuple(mentions_in(self.items))

    @_once
    def things(self) -> frozenset[str]:
        """Return the things that the event mentions."""
        return frozenset([mention.thing for mention in self.mentions])

    @_once
    def mentions_of(self) -> Mapping[str, tuple[Mention, ...]]:
        """Return the mentions by thing."""
        found: dict[str, tuple[Mention, ...]] = {}
        for mention in self.mentions:
            known = found.get(mention.thing)
            found[mention.thing] = (mention,) if known is None else (*known, mention)
        return found

    @property
    def empties(self) -> bool:
        """Tell whether the event closes everything that is in (or attached to) its parent; a declaration never does.

        Hidden children are not no children: only an event that is seen whole can mean "all of them".
        """
        if self.declares or not self.whole:
            return False
        if self.type not in MARK_KINDS or self.action != "DELETE":
            return False
        return all(item.list not in _CHILD_LISTS for item in self.items)

    @_once
    def parents(self) -> tuple[str, ...]:
        """Return the parent as a thing, if there is one."""
        return tuple([thing_of(item.id) for item in self.items if item.list == _PARENT_LIST])

    @_once
    def memberships(self) -> Mapping[str, str]:
        """Return the lot of each thing whose lot the event tells."""
        if b"/10/" not in self._what and self.made_with is None:
            return _NO_LOTS
        return {mention.thing: lot for mention in self.mentions if (lot := self._lot_in(mention)) is not None}

    @_once
    def members(self) -> Mapping[str, Sequence[str]]:
        """Return the things of each lot, as far as the event tells them."""
        found: dict[str, list[str]] = {}
        for thing, lot in self.memberships.items():
            found.setdefault(lot, []).append(thing)
        return found

    @_once
    def small(self) -> bool:
        """Tell whether it is cheap to read all that the event says."""
        return len(self.items) <= FEW

    def _part(self, column: int) -> bytes:
        return self._row[column] if column in self._open else b""

    def of(self, thing: str) -> tuple[Mention, ...]:
        """Return what the event says of one thing.

        To look for one among a thousand items costs less than to name them all, until it was done a few times.
        """
        if self.small:
            return tuple([mention for mention in self.mentions if mention.thing == thing])
        if "mentions_of" not in self.__dict__:
            self._searches += 1
            if self._searches <= _SEARCHES and not is_class(thing):
                ending = _ENDING(thing)
                tail = thing if ending is None else ending[0]
                likely = mentions_in([item for item in self.items if item.id.endswith(tail)])
                return tuple([mention for mention in likely if mention.thing == thing])
        return self.mentions_of.get(thing, ())

    def lot_of(self, thing: str) -> str | None:
        """Return the lot of one thing, if the event tells it."""
        if b"/10/" not in self._what and self.made_with is None:
            return None
        lots = [lot for mention in self.of(thing) if (lot := self._lot_in(mention)) is not None]
        return lots[-1] if lots else None

    def among(self, things: AbstractSet[str]) -> AbstractSet[str]:
        """Return those of these things that the event mentions."""
        if self.small or len(things) > _SEARCHES:
            return self.things & things
        return {thing for thing in things if self.of(thing)}

    def concerns(self, asked: Subjects) -> bool:
        """Tell whether the event names any of these things, a member of these lots, or these transformations."""
        if self.small:
            # Most items are in themselves the names of things, and one of the first is nearly always asked for.
            for item in self.items:
                if item.id in asked.things and item.list in ROLES:
                    return True
            if not asked.things.isdisjoint(things_of([item.id for item in self.items if item.list in ROLES])):
                return True
        elif self.among(asked.things):
            return True
        if asked.lots and not self.lots.isdisjoint(asked.lots):
            return True
        return bool(asked.transformations) and self.transformation in asked.transformations

    @property
    def names_lots_beside_serials(self) -> bool:
        """Tell whether the event may name the lot of a thing with it; a canonical link is written in one way."""
        return b"/10/" in self._what and _LOT_BESIDE_SERIAL(self._what) is not None

    @property
    def ties(self) -> bool:
        """Tell whether the event may tie things together; one that only observes them may still tell their lots."""
        if self.type in (OBJECT_EVENT, TRANSACTION_EVENT):
            made_or_ended = self.type == OBJECT_EVENT and self.action != "OBSERVE"
            return made_or_ended or self.names_lots_beside_serials
        return True

    @_once
    def made_with(self) -> str | None:
        """Return the lot number in the ILMD of an event that makes things.

        ILMD describes what an ObjectEvent ADD commissions and what a transformation puts out (EPCIS 2.0 §7.3.8).
        """
        makes = self.type == TRANSFORMATION_EVENT or (self.type == OBJECT_EVENT and self.action == "ADD")
        how = self._part(_HOW) if makes else b""
        if b'"ilmd"' not in how:
            return None
        return _remembered_lot(how) if len(how) <= _SHORT else _lot_made(how)

    def _lot_in(self, mention: Mention) -> str | None:
        """Return the lot that a thing is of: beside its serial, else in the ILMD it is made with."""
        lot = mention.lot
        if lot is None:
            number = self.made_with
            if number is None or mention.role not in _MADE or is_lot(mention.thing):
                return None
            lot = lot_of(mention.thing, number)
        return None if lot == mention.thing else lot


def _lot_made(how: bytes) -> str | None:
    """Return the lot number in the ILMD of a part `how`."""
    return next(iter(lot_numbers(read_ilmd(how))), None)


# A lot is that of many packs.
_remembered_lot: Final = lru_cache(maxsize=4096)(_lot_made)


def see(record: Record, extent: frozenset[str], asked: Collection[str]) -> SeenEvent | None:
    """Return what a reader of this extent sees of a record; None when it is no EPCIS event.

    `asked` are the names of the things that the reader named or was led to; they open items under the extent `ITEM`.
    """
    row = row_of(record) if record.event.type in EPCIS_TYPES else None
    return None if row is None else see_row(row, extent, asked)


def row_of(record: Record) -> Row | None:
    """Return a record as the ledger keeps it; None when it has no name and time yet."""
    event, parts = record.event, record.event.parts
    if event.event_id is None or event.recorded_at is None:
        return None
    rest = (parts.where, parts.why, parts.how, parts.more)
    return record.position, event.event_id, event.recorded_at, parts.head, b"\n".join(parts.what), *rest


def see_row(row: Row, extent: frozenset[str], asked: Collection[str]) -> SeenEvent:
    """Return what a reader of this extent sees of an EPCIS event; `asked` as for `see`."""
    what: bytes = row[_WHAT]
    if "what" in extent:
        return SeenEvent(row, what, _opened(extent), whole=True)
    seen = _open_items(what, extent, asked)
    return SeenEvent(row, seen, _opened(extent), whole=seen == what)


@lru_cache(maxsize=256)
def _opened(extent: frozenset[str]) -> frozenset[int]:
    """Return the columns that an extent opens."""
    return frozenset(int(Column[part.upper()]) for part in extent & SHAREABLE_PARTS)


def _open_items(what: bytes, extent: frozenset[str], asked: Collection[str]) -> bytes:
    if ITEM not in extent or not what:
        return b""
    named = {item.id for item in read_items(what) if item.list in ROLES and thing_of(item.id) in asked}
    items = what.split(b"\n")
    return b"\n".join(items[j] for j in open_item_indices(items, extent, named))
