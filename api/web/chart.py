"""Readings of a sensor over time, drawn as SVG: a line, the band that was agreed and marks where it was left.

Stretches of time may be shaded and numbered; each kind has a pattern of its own, for who does not see its colour.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
from statistics import median
from typing import Final

from api.web.drawing import Caption, framed

WIDTH: Final = 344
HEIGHT: Final = 216
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 14, 30

_MINUTE: Final = 60_000_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_TIME_STEPS: Final = (
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 30, 90, 180, 365)),
)
_MOST_TIME_LABELS: Final = 5
_VALUE_LABELS: Final = 5
_GAP: Final = 4
"""A pause of so many usual intervals interrupts the line: nothing is known of it."""
_LEAST_SHADE: Final = 3.0
"""Pixels of the shortest stretch, so that it can be seen."""
_HATCH: Final = 7
"""Pixels from line to line."""
_NUMBER: Final = 12.0
"""Pixels between two numbers of stretches."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value at a time (µs UTC); `alarm` when the sensor said so itself."""

    time: int
    value: float
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """The values that were agreed, ends included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether a value is within."""
        return self.low <= value <= self.high


class Shade(StrEnum):
    """What is told of a stretch of time; also the class of its drawing."""

    OUT = "out"
    """The band was left."""
    GAP = "gap"
    """Nothing is known."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time from `since` until before `until` (µs UTC)."""

    shade: Shade
    since: int
    until: int


def outside(reading: Reading, band: Band | None) -> bool:
    """Tell whether a reading is an excursion: an alarm of the sensor, or a value outside the band."""
    return reading.alarm or (band is not None and not band.holds(reading.value))


def svg(
    readings: Sequence[Reading],
    band: Band | None,
    caption: Caption,
    *,
    unit: str,
    stretches: Sequence[Stretch] | None = None,
) -> str:
    """Return the drawing of at least one reading; readings may come in any order.

    `stretches` are in the order of time and are numbered from 1; their gaps interrupt the line. Where they are not told
    (None), a pause does that is long for these readings.
    """
    ordered = sorted(readings, key=lambda reading: reading.time)
    scale = _Scale.of(ordered, band, stretches or ())
    under = (*_values(scale, unit), *_times(scale), *_band(scale, band), *_shades(scale, stretches or ()))
    body = "".join((*under, _line(scale, ordered, stretches)))
    marks = "".join(_mark(scale, reading, excursion=outside(reading, band)) for reading in ordered)
    return framed(body + marks, caption, css_class="chart", role="img", width=WIDTH, height=HEIGHT)


@dataclass(frozen=True, slots=True)
class _Scale:
    start: int
    end: int
    low: float
    high: float
    step: float

    @classmethod
    def of(cls, readings: Sequence[Reading], band: Band | None, stretches: Sequence[Stretch]) -> _Scale:
        values = [reading.value for reading in readings]
        if band is not None:
            values += [band.low, band.high]
        step = _round_step((max(values) - min(values)) / _VALUE_LABELS)
        # Half a step of air, so that the line never lies on the frame.
        low = floor((min(values) - step / 2) / step) * step
        high = ceil((max(values) + step / 2) / step) * step
        start = min([readings[0].time, *(one.since for one in stretches)])
        end = max([readings[-1].time, *(one.until for one in stretches)])
        if start == end:
            start, end = start - _HOUR, end + _HOUR
        return cls(start, end, low, high, step)

    def x(self, time: int) -> float:
        return round(LEFT + (time - self.start) / (self.end - self.start) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM), 1)


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5 · 10ⁿ that is not below `least`."""
    power = 10.0 ** floor(log10(least)) if least > 0 else 1.0
    return next((factor * power for factor in (1, 2, 5) if factor * power >= least), 10 * power)


def _values(scale: _Scale, unit: str) -> Iterator[str]:
    yield f'<text class="tick" x="{LEFT - 6}" y="{TOP - 4}" text-anchor="end">{escape(unit)}</text>'
    for i in range(round((scale.high - scale.low) / scale.step)):
        value = scale.low + i * scale.step
        y = scale.y(value)
        yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        yield f'<text class="tick" x="{LEFT - 6}" y="{round(y + 4, 1)}" text-anchor="end">{value:g}</text>'


def _times(scale: _Scale) -> Iterator[str]:
    span = scale.end - scale.start
    step = next((step for step in _TIME_STEPS if span / step <= _MOST_TIME_LABELS), span)
    for time in range(-(-scale.start // step) * step, scale.end + 1, step):
        x = scale.x(time)
        yield f'<path class="grid" d="M{x} {TOP}V{HEIGHT - BOTTOM}"/>'
        moment = datetime.fromtimestamp(time / 1_000_000, UTC)
        text = f"{moment.day} {moment:%b}" if step >= _DAY or not time % _DAY else f"{moment:%H:%M}"
        # A label at the very edge would be cut off.
        anchor = "start" if x < LEFT + 16 else "end" if x > WIDTH - RIGHT - 16 else "middle"
        yield f'<text class="tick" x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="{anchor}">{text}</text>'


def _band(scale: _Scale, band: Band | None) -> Iterator[str]:
    if band is None:
        return
    top, bottom = scale.y(band.high), scale.y(band.low)
    width = WIDTH - LEFT - RIGHT
    yield f'<rect class="band" x="{LEFT}" y="{top}" width="{width}" height="{round(bottom - top, 1)}"/>'
    yield f'<path class="limit" d="M{LEFT} {top}h{width}M{LEFT} {bottom}h{width}"/>'


def shade_key(shade: Shade) -> str:
    """Return a small drawing of a shade, for a legend."""
    return (
        f'<svg class="chart key" viewBox="0 0 26 14" width="26" height="14" aria-hidden="true">'
        f"{_shade(shade, 0, 0, 26, 14)}</svg>"
    )


def _shades(scale: _Scale, stretches: Sequence[Stretch]) -> Iterator[str]:
    height = HEIGHT - TOP - BOTTOM
    drawn: dict[Shade, list[tuple[float, float]]] = {}
    for one in stretches:
        left, right = scale.x(one.since), scale.x(one.until)
        edges = drawn.setdefault(one.shade, [])
        right = max(right, left + _LEAST_SHADE)
        # However many there are, no more is drawn than there is room for.
        if edges and left <= edges[-1][1]:
            edges[-1] = edges[-1][0], max(edges[-1][1], right)
        else:
            edges.append((left, right))
    for shade, edges in drawn.items():
        for left, right in edges:
            yield _shade(shade, left, TOP, round(right - left, 1), height)
    last = -_NUMBER
    for number, one in enumerate(stretches, 1):
        x = round((scale.x(one.since) + scale.x(one.until)) / 2, 1)
        if x - last >= _NUMBER:
            last = x
            yield f'<text class="number" x="{x}" y="{TOP + 11}" text-anchor="middle">{number}</text>'


def _shade(shade: Shade, x: float, y: float, width: float, height: float) -> str:
    """Draw a stretch: excursions are bounded by lines at both sides, gaps hatched."""
    box = f'<rect class="shade {shade}" x="{x}" y="{y}" width="{width}" height="{height}"/>'
    if shade is Shade.OUT:
        return f'{box}<path class="shade-line {shade}" d="M{x} {y}v{height}M{round(x + width, 1)} {y}v{height}"/>'
    return f'{box}<path class="shade-line {shade}" d="{_hatch(x, y, width, height)}"/>'


def _hatch(x: float, y: float, width: float, height: float) -> str:
    """Return lines from the lower left to the upper right, cut off at the box."""
    lines = []
    for offset in range(_HATCH // 2, int(width + height), _HATCH):
        down, across = min(offset, height), max(0.0, offset - height)
        up, right = max(0.0, offset - width), min(offset, width)
        lines.append(f"M{round(x + across, 1)} {round(y + down, 1)}L{round(x + right, 1)} {round(y + up, 1)}")
    return "".join(lines)


def _line(scale: _Scale, readings: Sequence[Reading], stretches: Sequence[Stretch] | None) -> str:
    pauses = [later.time - earlier.time for earlier, later in pairwise(readings)]
    longest = _GAP * median(pauses) if pauses else 0
    begins = [one.since for one in stretches or () if one.shade is Shade.GAP]
    steps = [f"M{scale.x(readings[0].time)} {scale.y(readings[0].value)}"]
    for earlier, later in pairwise(readings):
        torn = later.time - earlier.time > longest
        if stretches is not None:
            torn = bisect_left(begins, earlier.time) < bisect_left(begins, later.time)
        steps.append(f"{'M' if torn else 'L'}{scale.x(later.time)} {scale.y(later.value)}")
    return f'<path class="line" d="{"".join(steps)}"/>'


def _mark(scale: _Scale, reading: Reading, *, excursion: bool) -> str:
    x, y = scale.x(reading.time), scale.y(reading.value)
    if excursion:
        return f'<path class="excursion" d="M{x} {round(y - 6, 1)}l5.5 10h-11z"/>'
    return f'<circle class="reading" cx="{x}" cy="{y}" r="2.2"/>'
