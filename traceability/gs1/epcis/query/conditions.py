"""Conditions of a query about the event itself, its things, places, parties and declaration (EPCIS 2.0 §8.2.7.1).

Every condition knows the part that it is about, so that what a reader may not see is not found by it. It may know tags
of which an event that meets it has at least one, and texts of which one stands in the bytes of that part, so that a
store need not read every event.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal, Protocol, TypeAlias

from traceability.gs1.epcis.hash.recorded import is_event_hash
from traceability.gs1.epcis.query.tags import DECLARED, corrective_tag, persistent_tag, quantity_tag, reason_tag
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.view import EpcisView
from traceability.gs1.identifiers import parse_identifier, party_tag, place_tag
from traceability.gs1.patterns import Pattern
from traceability.gs1.units import unit
from traceability.ledger.event import microseconds
from traceability.ledger.index import event_id_tag

PartName = Literal["head", "what", "where", "why", "how", "more"]
Comparison = Literal["EQ", "GT", "GE", "LT", "LE"]
Number: TypeAlias = Fraction | int

NOTHING: Final[frozenset[str]] = frozenset()
COUNTED: Final = frozenset({"quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"})
COMPARISONS: Final[Mapping[Comparison, Callable[[Number, Number], bool]]] = {
    "EQ": operator.eq,
    "GT": operator.gt,
    "GE": operator.ge,
    "LT": operator.lt,
    "LE": operator.le,
}
_OUR_ID: Final = "urn:uuid:"
_CACHED: Final = 64


class Condition(Protocol):
    """One parameter of a query."""

    @property
    def part(self) -> PartName:
        """The part of an event that decides."""

    @property
    def tags(self) -> frozenset[str]:
        """Tags of which an event that meets the condition has one; empty when any event may meet it."""

    @property
    def texts(self) -> frozenset[str]:
        """Texts of which one stands in the part's bytes when the condition is met; empty when any bytes may do."""

    def holds(self, view: EpcisView) -> bool:
        """Tell whether an event meets the condition; a part that is hidden from the view meets none."""


@dataclass(frozen=True, slots=True)
class Span:
    """Microseconds UTC from `since` to before `until`, open where None."""

    since: int | None = None
    until: int | None = None

    def holds(self, time: int) -> bool:
        """Tell whether a time lies in the span."""
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


EVER: Final = Span()


@dataclass(frozen=True, slots=True)
class OneOf:
    """`eventType` (by the ledger's names), `EQ_action`, `EQ_bizStep`, `EQ_disposition`."""

    member: Literal["type", "action", "biz_step", "disposition"]
    values: frozenset[str]
    part: PartName = field(default="head", init=False)
    tags: frozenset[str] = field(default=NOTHING, init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the member has one of the values."""
        return getattr(view, self.member) in self.values


@dataclass(frozen=True, slots=True)
class Persists:
    """`EQ_persistentDisposition_set`, `EQ_persistentDisposition_unset`."""

    member: Literal["set", "unset"]
    values: frozenset[str]
    part: PartName = field(default="head", init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the dispositions."""
        return frozenset(persistent_tag(self.member, word) for word in self.values)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether one of the dispositions is set, or unset."""
        words = view.persistent_set if self.member == "set" else view.persistent_unset
        return not self.values.isdisjoint(words)


@dataclass(frozen=True, slots=True)
class Declares:
    """`EXISTS_errorDeclaration`, `EQ_errorReason`, `GE_errorDeclarationTime`, `LT_errorDeclarationTime`."""

    reasons: frozenset[str] | None = None
    declared: Span = EVER
    part: PartName = field(default="head", init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tag of every declaration, or those of the reasons."""
        return frozenset({DECLARED}) if self.reasons is None else frozenset(map(reason_tag, self.reasons))

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event is an error declaration, of one of the reasons, and made in the span."""
        declaration = view.declaration
        if declaration is None or (self.reasons is not None and declaration.reason not in self.reasons):
            return False
        if self.declared == EVER:
            return True
        time = utc(declaration.time)
        return time is not None and self.declared.holds(microseconds(time))


@dataclass(frozen=True, slots=True)
class Corrects:
    """`EQ_correctiveEventID`: the declaration names one of these as an event that corrects."""

    event_ids: frozenset[str]
    part: PartName = field(default="more", init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the corrective events."""
        return frozenset(map(corrective_tag, self.event_ids))

    def holds(self, view: EpcisView) -> bool:
        """Tell whether one of the events is named."""
        return view.declaration is not None and not self.event_ids.isdisjoint(view.declaration.corrective_event_ids)


@dataclass(frozen=True, slots=True)
class Names:
    """The `MATCH_` parameters: one of the lists names something that one of the patterns means."""

    lists: frozenset[str]
    patterns: tuple[Pattern, ...]
    part: PartName = field(default="what", init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

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
    texts: frozenset[str] = field(default=NOTHING, init=False)

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
    """`EQ_quantity`, `GE_quantity_KGM` …: an element counts a class in such a quantity.

    With a unit, quantities of its kind are compared, whichever unit they are given in; without, the numbers alone.
    """

    comparison: Comparison
    amounts: frozenset[Fraction]
    uom: str | None = None
    part: PartName = field(default="what", init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tag of the kind of unit."""
        return NOTHING if self.uom is None else frozenset({quantity_tag(self.uom)})

    def holds(self, view: EpcisView) -> bool:
        """Tell whether one of the quantities compares as asked."""
        return any(
            compares(self.comparison, Fraction(item.quantity), item.uom, self.amounts, self.uom)
            for item in view.items
            if item.quantity is not None and item.list in COUNTED
        )


@dataclass(frozen=True, slots=True)
class IsAt:
    """`EQ_readPoint`, `EQ_bizLocation`, by subject."""

    member: Literal["read_point", "biz_location"]
    subjects: frozenset[str]
    part: PartName = field(default="where", init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

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
    texts: frozenset[str] = field(default=NOTHING, init=False)

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
    texts: frozenset[str] = field(default=NOTHING, init=False)

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
    """`EQ_eventID`. An event and the declaration that takes it back share one.

    An event without an eventID is called `urn:uuid:` and our own id of it, and by its CBV event hash.
    """

    event_ids: frozenset[str]
    part: PartName = field(default="more", init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the events."""
        ours = [event_id_tag(name.removeprefix(_OUR_ID).replace("-", "")) for name in self.ours]
        return frozenset({f"event:{event_id}" for event_id in self.event_ids}.union(ours))

    @property
    def ours(self) -> list[str]:
        """Return those that may be ids of our own, which no part has to be open for."""
        return [name for name in self.event_ids if name.startswith(_OUR_ID)]

    @property
    def asks_hash(self) -> bool:
        """Tell whether one of them may be a hash that an event without an eventID has."""
        return any(map(is_event_hash, self.event_ids))

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event has one of the eventIDs."""
        return view.event_id in self.event_ids or view.event_hash in self.event_ids


def compares(
    comparison: Comparison,
    amount: Fraction,
    uom: str | None,
    asked: frozenset[Fraction],
    asked_uom: str | None,
    *,
    difference: bool = False,
) -> bool:
    """Tell whether an amount in a unit compares to one of those asked for in a unit; without one, numbers compare."""
    compare = COMPARISONS[comparison]
    if asked_uom is None:
        return any(compare(amount, one) for one in asked)
    if uom is None:
        return False
    given = unit(uom)
    if given.kind != unit(asked_uom).kind:
        return False
    found = given.reference(amount, difference=difference)
    return any(compare(found, one) for one in _in_reference(asked, asked_uom, difference))


@lru_cache(maxsize=_CACHED)
def _in_reference(amounts: frozenset[Fraction], uom: str, difference: bool) -> tuple[Fraction, ...]:  # noqa: FBT001
    # Of one question for every event that is looked at.
    return tuple([unit(uom).reference(amount, difference=difference) for amount in amounts])
