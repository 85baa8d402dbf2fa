"""The parameters of a query that ask master data: `WD_`, `HASATTR_` and `EQATTR_` (EPCIS 2.0 §8.2.7.1).

They mean other things for each reader and at each position of the ledger, so a store first has them resolved
(`master_data_query.resolve`) to the things that are meant, each at the times at which master data says so.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NoReturn

from traceability.gs1.epcis.query.conditions import COUNTED
from traceability.gs1.epcis.view import EpcisView
from traceability.gs1.identifiers import item_tags, parse_identifier, party_tag, place_tag


class Field(StrEnum):
    """Fields of an event whose values are vocabulary elements."""

    READ_POINT = "readPoint"
    BIZ_LOCATION = "bizLocation"
    EPC_CLASS = "epcClass"
    BIZ_TRANSACTION = "bizTransaction"
    SOURCE = "source"
    DESTINATION = "destination"

    @property
    def part(self) -> Literal["what", "where", "why"]:
        """The part of an event that has the field."""
        if self in (Field.READ_POINT, Field.BIZ_LOCATION):
            return "where"
        return "what" if self is Field.EPC_CLASS else "why"


class _Unresolved:
    """What a condition is before it is known which things it means."""

    field: Field

    @property
    def part(self) -> Literal["what", "where", "why"]:
        """The part of an event that decides."""
        return self.field.part

    @property
    def tags(self) -> frozenset[str]:
        """Return no tags: they are not known yet."""
        return frozenset()

    @property
    def texts(self) -> frozenset[str]:
        """Return no texts: any bytes may do."""
        return frozenset()

    def holds(self, view: EpcisView) -> NoReturn:
        """Raise: nobody looks at events before the query is resolved."""
        raise NotImplementedError(f"{self} was not resolved before {view.type} was looked at")


@dataclass(frozen=True)
class Below(_Unresolved):
    """`WD_readPoint`, `WD_bizLocation`: one of these places, or what is below one of them."""

    field: Field
    subjects: frozenset[str]


@dataclass(frozen=True)
class Described(_Unresolved):
    """`HASATTR_<field>`, `EQATTR_<field>_<attribute>`: master data has one of these attributes, of one of these values.

    `values` None is any value but null.
    """

    field: Field
    names: frozenset[str]
    values: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class IsAmong:
    """A field names one of the subjects of the era in which the event happened.

    Each set of subjects holds from its time (µs UTC) on until the next; the first always did.
    """

    field: Field
    eras: tuple[tuple[int, frozenset[str]], ...]

    @property
    def part(self) -> Literal["what", "where", "why"]:
        """The part of an event that decides."""
        return self.field.part

    @property
    def subjects(self) -> frozenset[str]:
        """Return the subjects of any era."""
        return frozenset().union(*(subjects for _, subjects in self.eras))

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of all of them."""
        things = [parse_identifier(subject) for subject in self.subjects]
        match self.field:
            case Field.READ_POINT | Field.BIZ_LOCATION:
                return frozenset(map(place_tag, things))
            case Field.EPC_CLASS:
                return frozenset(item_tags(things))
            case Field.BIZ_TRANSACTION:
                return frozenset(f"transaction:{thing.uri}" for thing in things)
        return frozenset(tag(thing) for thing in things for tag in (place_tag, party_tag))

    @property
    def texts(self) -> frozenset[str]:
        """Return no texts: any bytes may do."""
        return frozenset()

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the field names one that is meant."""
        at = bisect_right(self.eras, view.occurred_at, key=lambda era: era[0]) - 1
        meant = self.eras[at][1]
        return any(not meant.isdisjoint(names) for names in self._named(view))

    def _named(self, view: EpcisView) -> list[tuple[str, ...]]:
        """Return what the field says, each value by every name that stands for it: a lot is of its class."""
        uris: list[str | None]
        match self.field:
            case Field.READ_POINT:
                uris = [view.read_point]
            case Field.BIZ_LOCATION:
                uris = [view.biz_location]
            case Field.EPC_CLASS:
                uris = [item.id for item in view.items if item.list in COUNTED]
            case Field.BIZ_TRANSACTION:
                return [(uri,) for _, uri in view.biz_transactions]
            case _:
                uris = [uri for _, uri in (view.sources if self.field is Field.SOURCE else view.destinations)]
        things = [parse_identifier(uri) for uri in uris if uri is not None]
        return [tuple(filter(None, (thing.subject, thing.lot_uri, thing.class_uri))) for thing in things]
