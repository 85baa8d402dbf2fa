"""An event as one reader sees it, what it says about things, and the order in which folds read events."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar, overload
from uuid import UUID

from traceability.gs1.epcis import EpcisView, Item, content_digest, lot_numbers, view_of
from traceability.gs1.epcis.view import read_event_id, read_head, read_ilmd, read_items
from traceability.ledger.access import ITEM, SHAREABLE_PARTS, open_item_indices
from traceability.ledger.event import microseconds
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record
from traceability.supply_chain.things import (
    ROLES,
    Mention,
    Role,
    identify,
    is_class,
    is_lot,
    lot_of,
    mentions_in,
    thing_of,
)

__all__ = [
    "AGGREGATION_EVENT",
    "ASSOCIATION_EVENT",
    "EPCIS_TYPES",
    "FEW",
    "OBJECT_EVENT",
    "TRANSACTION_EVENT",
    "TRANSFORMATION_EVENT",
    "FoldOrder",
    "Mention",
    "Role",
    "Row",
    "SeenEvent",
    "counting",
    "identify",
    "is_class",
    "is_lot",
    "lot_of",
    "ordered",
    "retractions",
    "see",
    "see_row",
    "standing",
    "thing_of",
    "things_named",
    "with_declarations",
]

OBJECT_EVENT: Final = "epcis.object_event.v2"
AGGREGATION_EVENT: Final = "epcis.aggregation_event.v2"
TRANSFORMATION_EVENT: Final = "epcis.transformation_event.v2"
ASSOCIATION_EVENT: Final = "epcis.association_event.v2"
TRANSACTION_EVENT: Final = "epcis.transaction_event.v2"


EPCIS_TYPES: Final = frozenset(
    {OBJECT_EVENT, AGGREGATION_EVENT, TRANSFORMATION_EVENT, ASSOCIATION_EVENT, TRANSACTION_EVENT}
)


_PARENT_LIST: Final = "parentID"
_MADE: Final = frozenset({Role.OBJECT, Role.OUTPUT})
_CHILD_LISTS: Final = frozenset(name for name, (role, _) in ROLES.items() if role is Role.CHILD)

FEW: Final = 50
"""Items up to which all that an event says is read at once."""

_KIND_RANKS: Final[Mapping[tuple[str, str | None], int]] = {
    (OBJECT_EVENT, "ADD"): 0,
    (AGGREGATION_EVENT, "DELETE"): 2,
    (ASSOCIATION_EVENT, "DELETE"): 2,
    (AGGREGATION_EVENT, "ADD"): 3,
    (ASSOCIATION_EVENT, "ADD"): 3,
    (OBJECT_EVENT, "DELETE"): 5,
}
_SEARCHES: Final = 8  # of one thing each, before all are named
# However an identifier writes a thing that is no class, it ends as the thing's name does.
_ENDING: Final = re.compile(r"/[^/]*/[^/]*$").search

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


class Row(NamedTuple):
    """What the ledger keeps of an event, as far as folds read it; `what` is its items joined by newlines."""

    position: int
    event_id: UUID
    recorded_at: int
    head: bytes
    what: bytes
    where: bytes
    why: bytes
    how: bytes
    more: bytes


class SeenEvent:
    """A recorded EPCIS event, cut down to what its reader may see.

    `type`, `action`, `occurred_at` (µs UTC) and `declares` (it is an error declaration) are in the head, which is
    always open. The rest is read when it is asked for: a trace asks few events for more than their items. `whole` is
    false when items are hidden from the reader.
    """

    def __init__(self, row: Row, visible: Row, *, whole: bool) -> None:
        head = read_head(visible.head)
        self.position = visible.position
        self.event_id = visible.event_id
        self.recorded_at = visible.recorded_at
        self.type = head.type
        self.action = head.action
        self.occurred_at = head.occurred_at
        self.declares = head.errorDeclaration is not None
        self.captured_by = head.captured_by
        self.whole = whole
        self._visible = visible
        self._more = row.more
        self._searches = 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SeenEvent):
            return NotImplemented
        return (self._visible, self.whole, self.joined) == (other._visible, other.whole, other.joined)

    def __hash__(self) -> int:
        return hash(self.event_id)

    def __repr__(self) -> str:
        return (
            f"SeenEvent(position={self.position}, event_id={self.event_id}, recorded_at={self.recorded_at},"
            f" whole={self.whole}, view={self.view}, items={self.items})"
        )

    @_once
    def joined(self) -> tuple[str, str] | None:
        """Return what ties an error declaration to the event of the same organisation and eventID that it retracts.

        None without eventID. It may hold hidden values and is never shown.
        """
        event_id = read_event_id(self._more)
        return None if event_id is None else (self.captured_by, event_id)

    @_once
    def parts(self) -> Parts:
        """Return the visible parts."""
        row = self._visible
        what = tuple(row.what.split(b"\n")) if row.what else ()
        return Parts(row.head, what, row.where, row.why, row.how, row.more)

    @_once
    def view(self) -> EpcisView:
        """Return all that is visible."""
        return view_of(self.parts)

    @property
    def order(self) -> FoldOrder:
        """Return the key by which folds sort; not kept, for it holds the event, and the two would never be freed."""
        return FoldOrder(self)

    @_once
    def digest(self) -> bytes:
        """Return the content digest of what is visible; never shown, it only breaks ties."""
        return content_digest(self.parts)

    @_once
    def items(self) -> tuple[Item, ...]:
        """Return the visible items."""
        return read_items(self._visible.what)

    @_once
    def tags(self) -> frozenset[str]:
        """Return the tags of what is visible, as far as folds ask for events by them."""
        tags = {f"item:{thing}" for thing in self.things}
        tags.update(f"lot:{mention.lot}" for mention in self.mentions if mention.lot is not None)
        tags.update(f"lot:{lot}" for lot in self.memberships.values())
        if self.transformation is not None:
            tags.add(self.transformation)
        return frozenset(tags)

    @_once
    def transformation(self) -> str | None:
        """Return the tag of the transformationID, which joins events to one transformation."""
        joined = next((item.id for item in self.items if item.list == "transformationID"), None)
        return None if joined is None else f"transformation:{thing_of(joined)}"

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

    @_once
    def empties(self) -> bool:
        """Tell whether the event closes everything that is in (or attached to) its parent; a declaration never does.

        Hidden children are not no children: only an event that is seen whole can mean "all of them".
        """
        if self.declares or not self.whole:
            return False
        if self.type not in (AGGREGATION_EVENT, ASSOCIATION_EVENT) or self.action != "DELETE":
            return False
        return all(item.list not in _CHILD_LISTS for item in self.items)

    @_once
    def parents(self) -> tuple[str, ...]:
        """Return the parent as a thing, if there is one."""
        return tuple([thing_of(item.id) for item in self.items if item.list == _PARENT_LIST])

    @_once
    def memberships(self) -> Mapping[str, str]:
        """Return the lot of each thing whose lot the event tells."""
        told = [mention for mention in self.mentions if mention.lot is not None or mention.role in _MADE]
        return {mention.thing: lot for mention in told if (lot := self._lot_in(mention)) is not None}

    @_once
    def small(self) -> bool:
        """Tell whether it is cheap to read all that the event says."""
        return len(self.items) <= FEW

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
        lots = [lot for mention in self.of(thing) if (lot := self._lot_in(mention)) is not None]
        return lots[-1] if lots else None

    def carries(self, tag: str) -> bool:
        """Tell whether one of the event's `tags` is this one."""
        kind, _, name = tag.partition(":")
        if kind == "item":
            return name in self.things if self.small else bool(self.of(name))
        if kind == "lot":
            return name in self.memberships.values() or any(mention.lot == name for mention in self.mentions)
        return tag == self.transformation

    @_once
    def ties(self) -> bool:
        """Tell whether the event may tie things together; one that only observes them may still tell their lots."""
        if self.type in (OBJECT_EVENT, TRANSACTION_EVENT):
            made_or_ended = self.type == OBJECT_EVENT and self.action != "OBSERVE"
            what = self._visible.what
            return made_or_ended or (b"/10/" in what and (b"/21/" in what or b"/8006/" in what))
        return True

    @_once
    def _made_with(self) -> str | None:
        """Return the lot number in the ILMD of an event that makes things.

        ILMD describes what an ObjectEvent ADD commissions and what a transformation puts out (EPCIS 2.0 §7.3.8).
        """
        makes = self.type == TRANSFORMATION_EVENT or (self.type == OBJECT_EVENT and self.action == "ADD")
        if not makes or not self._visible.how:
            return None
        return next(iter(lot_numbers(read_ilmd(self._visible.how))), None)

    def _lot_in(self, mention: Mention) -> str | None:
        """Return the lot that a thing is of: beside its serial, else in the ILMD it is made with."""
        lot = mention.lot
        if lot is None and mention.role in _MADE and (number := self._made_with) is not None:
            lot = None if is_lot(mention.thing) else lot_of(mention.thing, number)
        return None if lot == mention.thing else lot


class FoldOrder:
    """The place of an event in a fold: by event time, then kind rank, then content digest; never by arrival.

    The digest, which reads every item, is only computed for events that agree in time and kind.
    """

    __slots__ = ("_event", "at", "rank")

    def __init__(self, event: SeenEvent) -> None:
        self.at = event.occurred_at
        self.rank = _kind_rank(event)
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
    event, parts = record.event, record.event.parts
    if event.type not in EPCIS_TYPES or event.event_id is None or event.recorded_at is None:
        return None
    what = b"\n".join(parts.what)
    rest = (parts.where, parts.why, parts.how, parts.more)
    return see_row(Row(record.position, event.event_id, event.recorded_at, parts.head, what, *rest), extent, asked)


def see_row(row: Row, extent: frozenset[str], asked: Collection[str]) -> SeenEvent:
    """Return what a reader of this extent sees of an EPCIS event; `asked` as for `see`."""
    if extent >= SHAREABLE_PARTS:
        return SeenEvent(row, row, whole=True)
    what = row.what if "what" in extent else _open_items(row.what, extent, asked)
    where = row.where if "where" in extent else b""
    why = row.why if "why" in extent else b""
    how = row.how if "how" in extent else b""
    more = row.more if "more" in extent else b""
    visible = Row(row.position, row.event_id, row.recorded_at, row.head, what, where, why, how, more)
    return SeenEvent(row, visible, whole=what == row.what)


def _open_items(what: bytes, extent: frozenset[str], asked: Collection[str]) -> bytes:
    if ITEM not in extent or not what:
        return b""
    named = {item.id for item in read_items(what) if item.list in ROLES and thing_of(item.id) in asked}
    items = what.split(b"\n")
    return b"\n".join(items[j] for j in open_item_indices(items, extent, named))


def things_named(tags: Iterable[str]) -> set[str]:
    """Return the things that a question by these tags names; a transformation or an event is none."""
    return {tag.partition(":")[2] for tag in tags if tag.startswith(("item:", "lot:"))}


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
    for event in sorted((event for event in events if event.declares), key=_declaration_order):
        if event.joined is not None:
            declared.setdefault(event.joined, event)
    if not declared:
        return {}
    return {
        event.position: declared[event.joined]
        for event in events
        if not event.declares and event.joined is not None and event.joined in declared
    }


def with_declarations(events: Iterable[SeenEvent], among: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return events and, from `among`, the error declarations that retract one of them; each once."""
    found = {event.position: event for event in events}
    declarations = [event for event in among if event.declares]
    if declarations:
        joined = {event.joined for event in found.values()} - {None}
        for event in declarations:
            if event.joined in joined:
                found.setdefault(event.position, event)
    return list(found.values())


def counting(events: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return, once each and in no order, the events that count: neither retracted nor themselves a retraction."""
    once = {event.position: event for event in events}.values()
    retracted = retractions(once)
    return [event for event in once if not event.declares and event.position not in retracted]


def standing(events: Iterable[SeenEvent]) -> list[SeenEvent]:
    """Return the events that count, in order."""
    return ordered(counting(events))


def _declaration_order(event: SeenEvent) -> tuple[int, FoldOrder, int]:
    declaration = event.view.declaration if event.declares else None
    return (0 if declaration is None else microseconds(declaration.time)), event.order, event.position


def _kind_rank(event: SeenEvent) -> int:
    """Rank events of one instant: things are made, then leave, then enter, then are seen, then end.

    With clocks that tick in minutes, "unpacked here, packed there" often has one time; leaving first makes it mean
    what was meant, whatever the digests are.
    """
    return _KIND_RANKS.get((event.type, event.action), 1 if event.type == TRANSFORMATION_EVENT else 4)
