"""Conditions of a query about extensions (EPCIS 2.0 §8.2.7.1): as `EQ_ILMD_…`, `EXISTS_INNER_…` or `GE_…`.

A field is named by its full IRI. Extensions have no declared type, and XML writes all of them as text, so it is the
value asked for that says how to compare: a number with whatever is written as a number, a time or date with a time or
date, a text with the characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal

from traceability.gs1.epcis.query.conditions import COMPARISONS, NOTHING, Comparison, PartName
from traceability.gs1.epcis.query.field_values import number_of, scalars, text_of, time_of
from traceability.gs1.epcis.query.tags import ELEMENT_FIELDS, METADATA_FIELDS, REPORT_FIELDS, field_tag, ilmd_tag
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.view import EpcisView


class Area(StrEnum):
    """Where a field stands; the value is the word in a parameter's name."""

    EVENT = ""
    ILMD = "ILMD"
    ERROR_DECLARATION = "ERROR_DECLARATION"
    SENSOR_ELEMENT = "SENSORELEMENT"
    SENSOR_METADATA = "SENSORMETADATA"
    SENSOR_REPORT = "SENSORREPORT"
    READ_POINT = "readPoint"
    BIZ_LOCATION = "bizLocation"


@dataclass(frozen=True, slots=True)
class Asked:
    """A value to compare with, as each of the things that it may be read as; times in microseconds UTC."""

    given: str
    text: str | None = None
    number: Fraction | None = None
    time: int | None = None

    @classmethod
    def of(cls, given: str, *, numeric: bool, textual: bool) -> Asked:
        """Read a value that may be a number, or a text, or either."""
        return cls(
            given,
            given if textual else None,
            number_of(given) if numeric else None,
            time_of(given) if textual else None,
        )

    @property
    def has_order(self) -> bool:
        """Whether something can be greater or less: a number, a time or a date."""
        return self.number is not None or self.time is not None


@dataclass(frozen=True, slots=True)
class HasField:
    """An extension of this name, under any of the names that it may go by, and what its value compares to.

    `inner` looks inside the extensions of the area, at every depth, and not at these themselves.
    """

    area: Area
    inner: bool
    names: frozenset[str]
    comparison: Comparison | Literal["EXISTS"]
    values: frozenset[Asked] = frozenset()

    @property
    def part(self) -> PartName:
        """The part of an event that decides."""
        return _PART_OF[self.area]

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the field, in master data those of its values; inside an extension there are none."""
        if self.inner:
            return NOTHING
        if self.area is Area.ILMD and self.comparison == "EQ":
            return frozenset(ilmd_tag(name, value.given) for name in self.names for value in self.values)
        return frozenset(map(field_tag, self.names))

    @property
    def texts(self) -> frozenset[str]:
        """Return the values if they are nothing but texts, else the names."""
        if self.comparison == "EQ" and not any(value.has_order for value in self.values):
            return frozenset(value.text for value in self.values if value.text is not None)
        return self.names

    def holds(self, view: EpcisView) -> bool:
        """Tell whether such a field has such a value somewhere."""
        found = (value for holder, standard in _holders(view, self.area) for value in self._values(holder, standard))
        if self.comparison == "EXISTS":
            return next((True for _ in found), False)
        return any(self._compares(scalar) for value in found for scalar in scalars(value))

    def _values(self, holder: Mapping[str, JSON], standard: frozenset[str]) -> Iterator[JSON]:
        if not self.inner:
            yield from [holder[name] for name in self.names if name in holder]
            return
        pending = [value for name, value in holder.items() if name not in standard]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                yield from [value[name] for name in self.names if name in value]
                pending += value.values()
            elif isinstance(value, list):
                pending += value

    def _compares(self, scalar: JSON) -> bool:
        if self.comparison == "EQ":
            return any(_equals(scalar, value) for value in self.values)
        assert self.comparison != "EXISTS", "nothing to compare with"
        compare = COMPARISONS[self.comparison]
        for value in self.values:
            left = number_of(scalar) if value.number is not None else time_of(scalar)
            right = value.number if value.number is not None else value.time
            if left is not None and right is not None and compare(left, right):
                return True
        return False


def _equals(scalar: JSON, value: Asked) -> bool:
    if value.text is not None and value.text == text_of(scalar):
        return True
    if value.number is not None and value.number == number_of(scalar):
        return True
    return value.time is not None and value.time == time_of(scalar)


def _holders(view: EpcisView, area: Area) -> Iterator[tuple[Mapping[str, JSON], frozenset[str]]]:
    """Yield the objects of an area, and which of their members are no extensions."""
    match area:
        case Area.EVENT:
            yield view.extensions or {}, NOTHING
        case Area.ILMD:
            yield view.ilmd or {}, NOTHING
        case Area.ERROR_DECLARATION:
            yield (view.declaration and view.declaration.extensions) or {}, NOTHING
        case Area.READ_POINT:
            yield view.read_point_fields or {}, NOTHING
        case Area.BIZ_LOCATION:
            yield view.biz_location_fields or {}, NOTHING
        case _:
            for element in view.sensor_elements:
                yield from _in_element(element, area)


def _in_element(element: Mapping[str, JSON], area: Area) -> Iterator[tuple[Mapping[str, JSON], frozenset[str]]]:
    if area is Area.SENSOR_ELEMENT:
        yield element, ELEMENT_FIELDS
    elif area is Area.SENSOR_METADATA:
        yield element.get("sensorMetadata") or {}, METADATA_FIELDS
    else:
        for report in element.get("sensorReport", ()):
            yield report, REPORT_FIELDS


_PART_OF: Final[Mapping[Area, PartName]] = {
    Area.EVENT: "more",
    Area.ILMD: "how",
    Area.ERROR_DECLARATION: "more",
    Area.SENSOR_ELEMENT: "how",
    Area.SENSOR_METADATA: "how",
    Area.SENSOR_REPORT: "how",
    Area.READ_POINT: "where",
    Area.BIZ_LOCATION: "where",
}
