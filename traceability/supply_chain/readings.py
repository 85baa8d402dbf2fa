"""Sensor readings of events, as numbers that were sent, never rounded (EPCIS 2.0 §7.3.7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from traceability.errors import InvalidInputError
from traceability.ledger.event import microseconds
from traceability.supply_chain.seen import SeenEvent

TEMPERATURE: Final = "Temperature"


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A quantity that a sensor reported: `kind` is GS1's measurement type, `uom` the UN/CEFACT Rec 20 code.

    `at` (µs UTC) is the report's time, else the sensor's, else the event's; `component` tells mean, minimum, maximum.
    """

    at: int
    kind: str
    value: Decimal
    uom: str | None
    component: str | None
    device: str | None
    position: int


def readings(events: Iterable[SeenEvent]) -> list[Reading]:
    """Return the numeric reports of events by time; a report without type or number is no reading."""
    found = [reading for event in events for element in event.sensor_elements for reading in _of(element, event)]
    return sorted(found, key=lambda r: (r.at, r.kind, r.component or "", r.value, r.uom or "", r.device or ""))


def _of(element: Mapping[str, Any], event: SeenEvent) -> Iterable[Reading]:
    metadata = element.get("sensorMetadata") or {}
    for report in element.get("sensorReport") or ():
        kind = report.get("type")
        if not isinstance(kind, str):
            continue
        # minValue and maxValue are reports of their own, for a chart as for a limit.
        for member, component in (("value", report.get("component")), ("minValue", "minimum"), ("maxValue", "maximum")):
            value = _number(report.get(member))
            if value is not None:
                yield Reading(
                    at=_time(report.get("time"), metadata.get("time"), default=event.occurred_at),
                    kind=kind.removeprefix("gs1:"),
                    value=value,
                    uom=report.get("uom"),
                    component=component,
                    device=report.get("deviceID") or metadata.get("deviceID"),
                    position=event.position,
                )


def _number(value: object) -> Decimal | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _time(*texts: object, default: int) -> int:
    for text in texts:
        if isinstance(text, str):
            try:
                return microseconds(text)
            except (ValueError, TypeError, OverflowError, InvalidInputError):
                continue  # an unreadable time in a sensor's own report is its claim, the event's time stands
    return default
