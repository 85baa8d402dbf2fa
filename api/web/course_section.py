"""The temperatures of a monitoring session: a chart with its excursions and gaps, tables of these and the readings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from markupsafe import Markup

from api.cold_chain import CourseOut, ExcursionOut, GapOut, degrees
from api.monitoring import Watched
from api.monitoring_models import SessionOut
from api.web import chart, words
from api.web.chart import Band, Shade
from api.web.drawing import Caption
from traceability.ledger.event import microseconds
from traceability.supply_chain.cold_chain.kinetic import MILLIONTHS
from traceability.supply_chain.cold_chain.profile import Direction, Profile
from traceability.supply_chain.cold_chain.temperatures import STANDING, celsius

_SHOWN: Final = 200
"""Readings and stretches that the page shows; the JSON has all."""
_DRAWN: Final = 2_000
"""Readings that are drawn, spread evenly, with the lowest and the highest of each stretch."""
_MINUTE: Final = 60  # seconds
_SECOND: Final = 1_000_000  # µs
_OUTSIDE: Final = {Direction.ABOVE: "Too warm", Direction.BELOW: "Too cold"}
_KEYS: Final = {Shade.OUT: "outside of the limits", Shade.GAP: "nothing is known"}


@dataclass(frozen=True, slots=True)
class StretchLine:
    """A stretch outside of the limits, or of which nothing is known, in the table."""

    out: bool
    what: str
    since: str
    until: str
    lasted: str
    peak: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading in the table."""

    moment: str
    value: str
    out: bool


@dataclass(frozen=True, slots=True)
class Key:
    """What a shade of the drawing means."""

    drawing: Markup
    label: str


@dataclass(frozen=True, slots=True)
class CourseSection:
    """The drawing, what it says in a sentence, and all of it as tables; what these leave out is counted."""

    svg: Markup
    summary: str
    band: str
    keys: tuple[Key, ...]
    stretches: tuple[StretchLine, ...]
    more_stretches: int
    rows: tuple[Measured, ...]
    more_rows: int


class _Torn(NamedTuple):
    drawn: chart.Stretch
    told: ExcursionOut | GapOut


def course_section(found: SessionOut, seen: Watched) -> CourseSection | None:
    """Return the section, or None when the device told no temperature."""
    measured = [(one.at, celsius(one)) for one in seen.series.counting if one.component in STANDING]
    if not measured or found.course is None:
        return None
    stretches = _stretches(found.course)
    summary = _summary(found.course)
    shades = {one.drawn.shade for one in stretches}
    return CourseSection(
        svg=_drawing(found.limits, measured, [one.drawn for one in stretches], summary),
        summary=summary,
        band=f"{found.limits.low:f} to {found.limits.high:f} °C",
        keys=tuple(
            Key(Markup(chart.shade_key(shade)), label)  # noqa: S704 - nothing in it is from elsewhere
            for shade, label in _KEYS.items()
            if shade in shades
        ),
        stretches=tuple(_stretch_line(one) for one in stretches[:_SHOWN]),
        more_stretches=max(0, found.course.excursion_count + len(found.course.gaps) - _SHOWN),
        rows=tuple(_row(found.limits, at, value) for at, value in measured[:_SHOWN]),
        more_rows=max(0, len(measured) - _SHOWN),
    )


def lasted(seconds: int) -> str:
    """Return a duration in words: `1 minute`, `3 h 20 min`, `2 days 4 h`."""
    minutes = seconds // _MINUTE
    hours, days = minutes // 60, minutes // (24 * 60)
    if not minutes:
        return "less than a minute" if seconds else "a moment"
    if minutes < 2 * 60:
        return f"{minutes} minutes" if minutes != 1 else "1 minute"
    if days < 2:  # noqa: PLR2004 - below that hours say more
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} days {hours % 24} h" if hours % 24 else f"{days} days"


def _stretches(course: CourseOut) -> list[_Torn]:
    told = [(Shade.OUT, one) for one in course.excursions]
    torn: list[tuple[Shade, ExcursionOut | GapOut]] = [*told, *((Shade.GAP, one) for one in course.gaps)]
    found = [_Torn(chart.Stretch(shade, microseconds(one.since), microseconds(one.until)), one) for shade, one in torn]
    return sorted(found, key=lambda one: one.drawn.since)


def _summary(course: CourseOut) -> str:
    readings = "1 reading" if course.readings == 1 else f"{course.readings} readings"
    span = f"{course.lowest:f} °C"
    if course.lowest != course.highest:
        span = f"{course.lowest:f} to {course.highest:f} °C"
    return " ".join([f"{readings}, {span}.", *_torn_told(course)])


def _torn_told(course: CourseOut) -> Iterator[str]:
    if not course.excursion_count:
        yield "Never outside of the limits."
    else:
        times = "Once" if course.excursion_count == 1 else f"{course.excursion_count} times"
        outside = lasted(course.seconds_above + course.seconds_below)
        yield f"{times} outside of the limits, {outside}{'' if course.excursion_count == 1 else ' in all'}."
    if course.gaps:
        together = sum(microseconds(one.until) - microseconds(one.since) for one in course.gaps) // _SECOND
        gaps = "1 gap" if len(course.gaps) == 1 else f"{len(course.gaps)} gaps"
        yield f"{gaps} in which nothing is known, {lasted(together)}{'' if len(course.gaps) == 1 else ' in all'}."


def _drawing(
    limits: Profile, measured: list[tuple[int, int]], stretches: Sequence[chart.Stretch], summary: str
) -> Markup:
    step = -(-len(measured) // (_DRAWN // 2))
    drawn: dict[int, int] = {}
    for first in range(0, len(measured), step):
        some = measured[first : first + step]
        drawn |= dict([min(some, key=_value), max(some, key=_value)])
    points = [chart.Reading(at, value / MILLIONTHS, alarm=False) for at, value in drawn.items()]
    tables = "The tables below have " + ("excursions, gaps and " if stretches else "") + "the readings."
    caption = Caption("temperature-chart", "Temperature over time", f"{summary} {tables}")
    band = Band(float(limits.low), float(limits.high))
    return Markup(chart.svg(points, band, caption, unit="°C", stretches=stretches))  # noqa: S704 - it escapes its texts


def _value(one: tuple[int, int]) -> int:
    return one[1]


def _stretch_line(one: _Torn) -> StretchLine:
    told, drawn = one.told, one.drawn
    excursion = told if isinstance(told, ExcursionOut) else None
    return StretchLine(
        out=excursion is not None,
        what="Nothing is known" if excursion is None else _OUTSIDE[excursion.direction],
        since=words.short_moment(drawn.since),
        until=words.short_moment(drawn.until),
        lasted=lasted((drawn.until - drawn.since) // _SECOND),
        peak="" if excursion is None else f"{excursion.peak:f}",
    )


def _row(limits: Profile, at: int, value: int) -> Measured:
    told = degrees(value)
    return Measured(_moment(at), f"{told:f}", out=not limits.low <= told <= limits.high)


def _moment(at: int) -> str:
    return f"{words.moment(at)} UTC"
