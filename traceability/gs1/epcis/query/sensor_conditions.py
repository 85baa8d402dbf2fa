"""Conditions of a query about sensors (EPCIS 2.0 §8.2.7.1): what was measured, by which device, when and how much.

Each is met by any one sensor element, metadata or report, so two conditions may be met by two reports. An attribute is
looked for in the metadata and in the reports alike (GS1's TCR-53, step 28). Readings are compared in every unit of the
kind that the question names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal

from traceability.gs1.epcis.query.conditions import NOTHING, Comparison, PartName, Span, compares
from traceability.gs1.epcis.query.field_values import number_of
from traceability.gs1.epcis.query.tags import SENSED, SENSOR_TERMS, reading_tag, sensor_tag
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.view import EpcisView
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.event import microseconds

SensorTime = Literal["time", "startTime", "endTime"]
Measure = Literal["value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue"]
_SPREAD: Final = "sDev"


@dataclass(frozen=True, slots=True)
class IsSensed:
    """`EXISTS_sensorElementList`."""

    part: PartName = field(default="how", init=False)
    tags: frozenset[str] = field(default=frozenset({SENSED}), init=False)
    texts: frozenset[str] = field(default=NOTHING, init=False)

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the event has a sensor element."""
        return bool(view.sensor_elements)


@dataclass(frozen=True, slots=True)
class Senses:
    """`EQ_type`, `EQ_dataProcessingMethod`, `EQ_uriValue` and the other attributes that are words, texts or booleans.

    Values are as `said` gives them: booleans as `true` and `false`, hex digits in upper case, devices by subject.
    """

    attribute: str
    values: frozenset[str]
    part: PartName = field(default="how", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tags of the words or devices, else that of every sensor element."""
        if self.attribute == "deviceID":
            return frozenset(f"device:{subject}" for subject in self.values)
        if self.attribute in SENSOR_TERMS:
            return frozenset(sensor_tag(self.attribute, value) for value in self.values)
        return frozenset({SENSED})

    @property
    def texts(self) -> frozenset[str]:
        """Return the values where they stand in an event as they are asked for, else the attribute's name."""
        if self.attribute in ("stringValue", "uriValue"):
            return self.values
        return frozenset({self.attribute}) if self.attribute in ("booleanValue", "hexBinaryValue") else NOTHING

    def holds(self, view: EpcisView) -> bool:
        """Tell whether the attribute has one of the values somewhere."""
        return any(
            said(self.attribute, holder[self.attribute]) in self.values
            for holder in _holders(view)
            if self.attribute in holder
        )


@dataclass(frozen=True, slots=True)
class SensedAt:
    """`GE_time`, `LT_time`, and the same of startTime and endTime: a moment since, or before."""

    attribute: SensorTime
    span: Span
    part: PartName = field(default="how", init=False)
    tags: frozenset[str] = field(default=frozenset({SENSED}), init=False)

    @property
    def texts(self) -> frozenset[str]:
        """Return the name of the attribute."""
        return frozenset({self.attribute})

    def holds(self, view: EpcisView) -> bool:
        """Tell whether one of the times lies in the span."""
        times = [utc(holder[self.attribute]) for holder in _holders(view) if self.attribute in holder]
        return any(time is not None and self.span.holds(microseconds(time)) for time in times)


@dataclass(frozen=True, slots=True)
class Measures:
    """`GE_value_CEL`, `LT_sDev`, `EQ_percRank` …: a reading compares as asked."""

    attribute: Measure
    comparison: Comparison
    amounts: frozenset[Fraction]
    uom: str | None = None
    part: PartName = field(default="how", init=False)

    @property
    def tags(self) -> frozenset[str]:
        """Return the tag of the kind of unit, else that of every sensor element."""
        return frozenset({SENSED if self.uom is None else reading_tag(self.uom)})

    @property
    def texts(self) -> frozenset[str]:
        """Return the name of the attribute."""
        return frozenset({self.attribute})

    def holds(self, view: EpcisView) -> bool:
        """Tell whether one of the readings compares as asked."""
        for holder in _holders(view):
            number = number_of(holder[self.attribute]) if self.attribute in holder else None
            uom = holder.get("uom")
            if number is not None and compares(
                self.comparison, number, uom, self.amounts, self.uom, difference=self.attribute == _SPREAD
            ):
                return True
        return False


def said(attribute: str, value: JSON) -> str:
    """Return what an attribute says, in the one form that is compared."""
    if attribute == "deviceID":
        return parse_identifier(value).subject
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).upper() if attribute == "hexBinaryValue" else str(value)


def _holders(view: EpcisView) -> Iterator[Mapping[str, JSON]]:
    for element in view.sensor_elements:
        yield element.get("sensorMetadata") or {}
        yield from element.get("sensorReport", ())
