"""The temperature of a thing: a chart, a sentence and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from markupsafe import Markup

from api.web import chart, words
from api.web.chart import Band
from api.web.drawing import Caption
from api.web.names import master_data
from api.web.page import ReadingRow, Temperature
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.readings import TEMPERATURE, Reading

_AGREED: Final = "storageTemperature"
_CELSIUS: Final = "CEL"
# UN/CEFACT Recommendation 20: to degrees Celsius, as factor and offset.
_TO_CELSIUS: Final[Mapping[str, tuple[Decimal, Decimal]]] = {
    _CELSIUS: (Decimal(1), Decimal(0)),
    "KEL": (Decimal(1), Decimal("-273.15")),
    "FAH": (Decimal(5) / Decimal(9), Decimal(-160) / Decimal(9)),
}


def temperature(entries: Iterable[HistoryEntry], readings: Iterable[Reading]) -> Temperature | None:
    """Return the section, or None when nothing was measured."""
    entries = list(entries)
    alarms = _alarms(entries)
    offsets = {entry.event.position: entry.event.view.offset for entry in entries}
    measured = [r for r in readings if r.kind == TEMPERATURE and r.uom in _TO_CELSIUS]
    if not measured:
        return None
    band = _agreed(entries)
    points = [chart.Reading(r.at, float(_celsius(r)), alarm=(r.position, r.at) in alarms) for r in measured]
    out = [chart.outside(point, band) for point in points]
    summary = _summary(points, out)
    caption = Caption("temperature-chart", "Temperature over time", f"{summary} The readings are in the table below.")
    return Temperature(
        svg=Markup(chart.svg(points, band, caption, unit="°C")),  # noqa: S704 - the drawing escapes its texts
        summary=summary,
        unit="°C",
        band=None if band is None else f"{band.low:g} to {band.high:g} °C",
        excursions=sum(out),
        rows=tuple(
            ReadingRow(
                utc=words.short_moment(reading.at),
                local=words.local_clock(reading.at, offsets.get(reading.position), short=True) or "",
                value=f"{_celsius(reading):.1f}",
                note="outside" if excursion else "",
            )
            for reading, excursion in zip(measured, out, strict=True)
        ),
    )


def _summary(points: list[chart.Reading], out: list[bool]) -> str:
    lowest, highest = min(p.value for p in points), max(p.value for p in points)
    span = f"{lowest:.1f} °C" if lowest == highest else f"{lowest:.1f} to {highest:.1f} °C"
    if not any(out):
        return f"{len(points)} readings, {span}." if len(points) > 1 else f"One reading, {span}."
    outside = [point for point, excursion in zip(points, out, strict=True) if excursion]
    worst = max(outside, key=lambda point: point.value)
    count = "1 was" if len(outside) == 1 else f"{len(outside)} were"
    return (
        f"{len(points)} readings, {span}. {count} outside what was agreed, the warmest of them"
        f" {worst.value:.1f} °C on {words.moment(worst.time)} UTC."
    )


def _celsius(reading: Reading) -> Decimal:
    factor, offset = _TO_CELSIUS[reading.uom or _CELSIUS]
    return reading.value * factor + offset


def _alarms(entries: Iterable[HistoryEntry]) -> set[tuple[int, int]]:
    """Return the position and time of each report that its sensor marked as an alarm (EPCIS 2.0 §7.3.7.2)."""
    found: set[tuple[int, int]] = set()
    for entry in entries:
        view = entry.event.view
        for element in view.sensor_elements:
            metadata = element.get("sensorMetadata") or {}
            for report in element.get("sensorReport") or ():
                if report.get("exception") == "ALARM_CONDITION":
                    text = report.get("time") or metadata.get("time")
                    found.add((entry.event.position, words.instant(text, default=view.occurred_at)))
    return found


def _agreed(entries: Iterable[HistoryEntry]) -> Band | None:
    """Return the limits that a thing was made with: an ILMD extension `storageTemperature` of minimum, maximum, uom.

    CBV has no such attribute, so any namespace's will do; the names inside are compared by their last segment too.
    """
    for ilmd in master_data(entries):
        for name, value in ilmd.items():
            if _local(name) == _AGREED and isinstance(value, Mapping):
                limits = {_local(inner): limit for inner, limit in value.items()}
                band = _band(limits)
                if band is not None:
                    return band
    return None


def _band(limits: Mapping[str, Any]) -> Band | None:
    uom = limits.get("uom", _CELSIUS)
    try:
        factor, offset = _TO_CELSIUS[str(uom)]
        low, high = (float(Decimal(str(limits[end])) * factor + offset) for end in ("minimum", "maximum"))
    except (KeyError, ArithmeticError):
        return None
    return Band(low, high) if low <= high else None


def _local(name: str) -> str:
    return name.rpartition("#")[2].rpartition("/")[2].rpartition(":")[2]
