"""SimpleEventQuery as a value (EPCIS 2.0 §8.2.7.1): conditions that an event meets or not, and the order of the answer.

All conditions of a query hold together; the values of one condition are alternatives. `matches` is what a query means,
for a store and for whoever looks at events one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from traceability.errors import NotFoundError, TooLargeError
from traceability.gs1.epcis.hash.recorded import HASHED_PARTS, hash_of_parts
from traceability.gs1.epcis.query.conditions import (
    COUNTED,
    EVER,
    Amounts,
    Condition,
    IsCalled,
    Joins,
    Moves,
    Names,
    OneOf,
    Span,
)
from traceability.gs1.epcis.query.master_data_conditions import IsAmong
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.view import EpcisView, read_event_id, view_of
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import ITEM, MASTER_DATA, Reader, redact
from traceability.ledger.index import Visibility
from traceability.ledger.parts import Parts

MOST_COUNTED: Final = 10_000
"""Events that a store counts for a maximum; more are too many for whoever named one (§8.2.3 leaves it to a store)."""


class NoSuchEventError(NotFoundError):
    """No event of this eventID, or none that the reader may see."""

    code = "query.no_such_event"


class QueryTooLargeError(TooLargeError):
    """More events meet the query than `maxEventCount` allows, which EPCIS 2.0 calls QueryTooLargeException (§8.2.3)."""

    code = "query.too_large"

    def __init__(self) -> None:
        super().__init__(
            "More events meet the query than maxEventCount allows.",
            hint=f"Ask for less, or page through the answer without it; {MOST_COUNTED:,} are counted at most.",
        )


class QueryTooComplexError(TooLargeError):
    """The answer would take too much work, which EPCIS 2.0 calls QueryTooComplexException (§8.2.3)."""

    code = "query.too_complex"


class Order(StrEnum):
    """What the answer is sorted by; positions are in the order of recordTime, and decide between equal eventTimes."""

    EVENT_TIME = "eventTime"
    RECORD_TIME = "recordTime"


@dataclass(frozen=True, slots=True)
class EventQuery:
    """A question for events.

    `limit` is `eventCountLimit`: so many events, over all pages; `maximum` is `maxEventCount`: no answer beyond it.
    `sorted_by` has the names of an extension field by which the answer is sorted instead of by `order`.
    """

    conditions: tuple[Condition, ...] = ()
    event_time: Span = EVER
    record_time: Span = EVER
    order: Order = Order.EVENT_TIME
    descending: bool = True
    limit: int | None = None
    maximum: int | None = None
    sorted_by: frozenset[str] | None = None

    @property
    def most(self) -> int | None:
        """How many events there may be; a store counts no more than `MOST_COUNTED`."""
        return None if self.maximum is None else min(self.maximum, MOST_COUNTED)

    @property
    def asked(self) -> frozenset[str]:
        """The things that are asked for by name, which opens them under the extent `ITEM`."""
        patterns = (p for condition in self.conditions if isinstance(condition, Names) for p in condition.patterns)
        return frozenset(pattern.subject for pattern in patterns if pattern.subject is not None)

    @property
    def deciding(self) -> frozenset[str]:
        """The names of the parts of which an event needs to be read to know whether, and where, it is in the answer."""
        parts = {"head", *(condition.part for condition in self.conditions)}
        if self.sorted_by is not None:
            parts.add("more")
        return HASHED_PARTS.union(parts) if self.asks_hash else frozenset(parts)

    @property
    def asks_hash(self) -> bool:
        """Tell whether it may ask for the CBV event hash of an event."""
        return any(isinstance(condition, IsCalled) and condition.asks_hash for condition in self.conditions)

    def may_find(self, visibility: Visibility, extent: frozenset[str]) -> bool:
        """Tell whether an event of this visibility can be found at all by a reader of this extent.

        A condition on a part that the extent hides finds nothing; the business step, owners and possessors are known
        beforehand, and so is what states master data, which is no event of EPCIS.
        """
        return visibility.biz_step != MASTER_DATA and all(
            _may_hold(condition, visibility, extent) for condition in self.conditions
        )


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
    """An event of an answer: the parts that its reader may see; `event_id` is ours."""

    position: int
    event_id: UUID
    recorded_at: int
    parts: Parts

    @property
    def called(self) -> str:
        """Return what the event is called if its parts say no eventID."""
        return called(self.event_id)


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

        No event beyond position `known_at` is looked at. Raises `QueryTooLargeError` at the start when there are more
        than the query's maximum, or more than a store counts, and `QueryTooComplexError` when it would have to look at
        too many events to know.
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


def seen(parts: Parts, extent: frozenset[str], event_id: UUID, query: EventQuery) -> EpcisView:
    """Return as much of an event, of the parts that the extent opens, as decides whether it meets the query."""
    name = asked_hash(parts, extent, query)
    return view_of(deciding_parts(parts, query), called=called(event_id), event_hash=name, whole_as_int=True)


def asked_hash(parts: Parts, extent: frozenset[str], query: EventQuery) -> str | None:
    """Return the CBV event hash of an event without an eventID, None if the query asks for none.

    None too for whoever does not see all that is hashed: who knows the rest could try what is hidden until an answer
    says that it is right.
    """
    if not query.asks_hash or not extent >= HASHED_PARTS or read_event_id(parts.more) is not None:
        return None
    return hash_of_parts(parts)


def called(event_id: UUID) -> str:
    """Return what an event is called that says no eventID: EPCIS 2.0 lets the repository name it (§7.4.1)."""
    return f"urn:uuid:{event_id}"


def deciding_parts(parts: Parts, query: EventQuery) -> Parts:
    """Return as much of an event's parts as decides whether it meets the query: the rest need not be decoded.

    A condition on items asks whether there is one, so of ten thousand the first that it means is enough.
    """
    needed = {condition.part for condition in query.conditions}
    items: list[bytes] = []
    for condition in query.conditions:
        if isinstance(condition, Amounts | IsAmong):
            items += [item for item in parts.what if _name_and_uri(item)[0] in COUNTED]
        elif isinstance(condition, Names | Joins):
            first = next((item for item in parts.what if condition.decides(*_name_and_uri(item))), None)
            items += () if first is None else (first,)
    return Parts(
        head=parts.head,
        what=tuple(items),
        where=parts.where if "where" in needed else b"",
        why=parts.why if "why" in needed else b"",
        how=parts.how if "how" in needed else b"",
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
        case Names():
            # Under ITEM a thing is shown to who names it, and a pattern of many names none.
            named = any(pattern.subject is not None for pattern in condition.patterns)
            return "what" in extent or (ITEM in extent and named)
        case Amounts():
            return "what" in extent or ITEM in extent
        case Moves(type="owning_party" | "possessing_party") if condition.tags.isdisjoint(visibility.parties):
            return False
        case IsCalled() if condition.ours:
            return True
    return condition.part == "head" or condition.part in extent
