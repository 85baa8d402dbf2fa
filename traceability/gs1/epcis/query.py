"""SimpleEventQuery as a value (EPCIS 2.0 §8.2.7.1): conditions that an event meets or not, and the order of the answer.

Every condition knows the part that it is about, so that what a reader may not see is not found by it, and most know
tags of which an event that meets it has at least one, so that a store need not look at every event. All conditions
of a query hold together; the values of one condition are alternatives.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, Protocol

from traceability.errors import NotFoundError
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.view import EpcisView
from traceability.gs1.identifiers import parse_identifier, party_tag, place_tag
from traceability.gs1.patterns import OfCompany, Pattern
from traceability.ledger.access import ITEM, Reader, redact
from traceability.ledger.index import Visibility
from traceability.ledger.parts import Parts


class NoSuchEventError(NotFoundError):
    """No event of this eventID, or none that the reader may see."""

    code = "query.no_such_event"


PartName = Literal["head", "what", "where", "why", "more"]


class Condition(Protocol):
    """One parameter of a query."""

    @property
    def part(self) -> PartName:
        """The part of an event that decides."""

    @property
    def tags(self) -> frozenset[str]:
        """Tags of which an event that meets the condition has one; empty when any event may meet it."""

    def holds(self, view: EpcisView) -> bool:
        """Tell whether an event meets the condition; a part that is hidden from the view meets none."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """`eventType` (by the ledger's names), `EQ_action`, `EQ_bizStep`, `EQ_disposition`."""

    member: Literal["type", "action", "biz_step", "disposition"]
    values: frozenset[str]
    part: PartName = field(default="head", init=False)
    tags: frozenset[str] = field(default=frozenset(), init=False)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the member has one of the values."""
        return getattr(view, self.member) in self.values


@dataclass(frozen=True, slots=True)
class IsDeclaration:
    """`EXISTS_errorDeclaration`."""

    wanted: bool
    part: PartName = field(default="head", init=False)
    tags: frozenset[str] = field(default=frozenset(), init=False)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event is an error declaration, or is none."""
        return (view.declaration is not None) is self.wanted


@dataclass(frozen=True, slots=True)
class Names:
    """The `MATCH_` parameters: one of the lists names something that one of the patterns means."""

    lists: frozenset[str]
    patterns: tuple[Pattern, ...]
    part: PartName = field(default="what", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of every pattern, none if one of them has none."""
        found = [pattern.tags for pattern in self.patterns]
        return frozenset().union(*found) if all(found) else frozenset()

    def holds(self, view: EpcisView) -> bool:
        """Tell whether an item of the lists is meant."""
        return any(self.decides(item.list, item.id) for item in view.items)

    def decides(self, name: str, uri: str) -> bool:
        """Tell whether an item is meant."""
        return name in self.lists and any(
            pattern.may_match(uri) and pattern.matches(parse_identifier(uri)) for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Joins:
    """`EQ_transformationID`, by subject."""

    subjects: frozenset[str]
    part: PartName = field(default="what", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the transformations."""
        return frozenset(f"transformation:{subject}" for subject in self.subjects)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event belongs to one of the transformations."""
        joined = view.transformation_id
        return joined is not None and parse_identifier(joined).subject in self.subjects

    def decides(self, name: str, _uri: str) -> bool:
        """Tell whether an item names the transformation."""
        return name == "transformationID"


@dataclass(frozen=True, slots=True)
class Amounts:
    """`EQ_quantity`, `GE_quantity` … : an element of the lists of objects and children has such a quantity."""

    comparison: Literal["EQ", "GT", "GE", "LT", "LE"]
    amount: Decimal
    part: PartName = field(default="what", init=False)
    tags: frozenset[str] = field(default=frozenset(), init=False)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether one of the quantities compares as asked."""
        compare = _COMPARISONS[self.comparison]
        return any(
            compare(item.quantity, self.amount)
            for item in view.items
            if item.quantity is not None and item.list in _COUNTED
        )


@dataclass(frozen=True, slots=True)
class IsAt:
    """`EQ_readPoint`, `EQ_bizLocation`, by subject."""

    member: Literal["read_point", "biz_location"]
    subjects: frozenset[str]
    part: PartName = field(default="where", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the places."""
        return frozenset(f"place:{subject}" for subject in self.subjects)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event was at one of the places."""
        place: str | None = getattr(view, self.member)
        return place is not None and parse_identifier(place).subject in self.subjects


@dataclass(frozen=True, slots=True)
class Refers:
    """`EQ_bizTransaction_<type>`."""

    type: str
    uris: frozenset[str]
    part: PartName = field(default="why", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the transactions."""
        return frozenset(f"transaction:{uri}" for uri in self.uris)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event refers to one of the transactions as one of this type."""
        return any(kind == self.type and uri in self.uris for kind, uri in view.biz_transactions)


@dataclass(frozen=True, slots=True)
class Moves:
    """`EQ_source_<type>`, `EQ_destination_<type>`, by subject."""

    member: Literal["sources", "destinations"]
    type: str
    subjects: frozenset[str]
    part: PartName = field(default="why", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the places or parties."""
        tag_of = place_tag if self.type == "location" else party_tag
        return frozenset(tag_of(parse_identifier(subject)) for subject in self.subjects)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether one of these is the source, or the destination, of this type."""
        ends: tuple[tuple[str | None, str], ...] = getattr(view, self.member)
        return any(kind == self.type and parse_identifier(uri).subject in self.subjects for kind, uri in ends)


@dataclass(frozen=True, slots=True)
class IsCalled:
    """`EQ_eventID`. An event and the declaration that takes it back share one."""

    event_ids: frozenset[str]
    part: PartName = field(default="more", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the events."""
        return frozenset(f"event:{event_id}" for event_id in self.event_ids)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event has one of the eventIDs."""
        return view.event_id in self.event_ids


class Order(StrEnum):
    """What the answer is sorted by; positions are in the order of recordTime, and decide between equal eventTimes."""

    EVENT_TIME = "eventTime"
    RECORD_TIME = "recordTime"


@dataclass(frozen=True, slots=True)
class Span:
    """Microseconds UTC from `since` to before `until`, open where None."""

    since: int | None = None
    until: int | None = None

    def holds(self, time: int) -> bool:
        """Tell whether a time lies in the span."""
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A question for events; `limit` is `eventCountLimit`: so many events, over all pages."""

    conditions: tuple[Condition, ...] = ()
    event_time: Span = Span()
    record_time: Span = Span()
    order: Order = Order.EVENT_TIME
    descending: bool = True
    limit: int | None = None

    @property
    def asked(self) -> frozenset[str]:
        """The things that are asked for by name, which opens them under the extent `ITEM`."""
        patterns = (p for condition in self.conditions if isinstance(condition, Names) for p in condition.patterns)
        return frozenset(pattern.subject for pattern in patterns if pattern.subject is not None)

    def may_find(self, visibility: Visibility, extent: frozenset[str]) -> bool:
        """Tell whether an event of this visibility can be found at all by a reader of this extent.

        A condition on a part that the extent hides finds nothing; the business step, owners and possessors are known
        beforehand.
        """
        return all(_may_hold(condition, visibility, extent) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer goes on: behind this event of the order, in the ledger as it was at `head`.

    `given` counts the events of the pages before. What is recorded meanwhile is behind `head`, so that no page repeats
    or misses an event.
    """

    head: int
    occurred_at: int
    position: int
    given: int = 0


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """An event of an answer: the parts that its reader may see."""

    position: int
    recorded_at: int
    parts: Parts


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of an answer, in order; `next` is None behind the last one. It may be short, or empty, before that."""

    events: list[FoundEvent]
    next: Place | None


class EventQueries(Protocol):
    """A store that answers queries: a port."""

    def page(
        self, query: EventQuery, *, reader: Reader, size: int, after: Place | None = None, known_at: int | None = None
    ) -> Page:
        """Return up to `size` events that meet the query as far as `reader` may see them, from the start or a place.

        No event beyond position `known_at` is looked at.
        """


def visible_parts(parts: Parts, extent: frozenset[str], query: EventQuery) -> Parts:
    """Return what a reader of this extent sees of an event, having named the things that the query names.

    The bytes as received are left out: an answer is written anew.
    """
    named: set[str] = set()
    if ITEM in extent and "what" not in extent and query.asked:
        items = (loads(item) for item in parts.what)
        things = {item["id"] for item in items if item["list"] != "transformationID"}
        named = {uri for uri in things if parse_identifier(uri).subject in query.asked}
    return redact(parts, extent - {"source"}, named)


def deciding_parts(parts: Parts, query: EventQuery) -> Parts:
    """Return as much of an event's parts as decides whether it meets the query: the rest need not be decoded.

    A condition on items asks whether there is one, so of ten thousand the first that it means is enough.
    """
    needed = {condition.part for condition in query.conditions}
    items: list[bytes] = []
    for condition in query.conditions:
        if isinstance(condition, Amounts):
            items += [item for item in parts.what if _name_and_uri(item)[0] in _COUNTED]
        elif isinstance(condition, Names | Joins):
            first = next((item for item in parts.what if condition.decides(*_name_and_uri(item))), None)
            items += () if first is None else (first,)
    return Parts(
        head=parts.head,
        what=tuple(items),
        where=parts.where if "where" in needed else b"",
        why=parts.why if "why" in needed else b"",
        more=parts.more if "more" in needed else b"",
    )


def matches(view: EpcisView, recorded_at: int, query: EventQuery) -> bool:
    """Tell whether an event, as far as its reader sees it, is an answer: the plain meaning of a query."""
    return (
        query.event_time.holds(view.occurred_at)
        and query.record_time.holds(recorded_at)
        and all(condition.holds(view) for condition in query.conditions)
    )


def _name_and_uri(item: bytes) -> tuple[str, str]:
    # {"list":"epcList","id":"https://…" and perhaps an amount; nothing in it is escaped.
    pieces = item.decode().split('"', 8)
    return pieces[3], pieces[7]


def _may_hold(condition: Condition, visibility: Visibility, extent: frozenset[str]) -> bool:
    match condition:
        case OneOf(member="biz_step"):
            return visibility.biz_step in condition.values
        case OneOf() | IsDeclaration():
            return True
        case Names():
            # Under ITEM a thing is shown to who names it, and a company's prefix names none.
            named = any(not isinstance(pattern, OfCompany) for pattern in condition.patterns)
            return "what" in extent or (ITEM in extent and named)
        case Amounts():
            return "what" in extent or ITEM in extent
        case Moves(type="owning_party" | "possessing_party") if condition.tags.isdisjoint(visibility.parties):
            return False
    return condition.part in extent


_COUNTED: Final = frozenset({"quantityList", "childQuantityList"})
_COMPARISONS: Final[Mapping[str, Callable[[Decimal, Decimal], bool]]] = {
    "EQ": operator.eq,
    "GT": operator.gt,
    "GE": operator.ge,
    "LT": operator.lt,
    "LE": operator.le,
}
