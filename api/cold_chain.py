"""The temperatures of a thing judged by a profile of limits, as HTTP and the command line tell it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Self
from uuid import UUID

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from api.codes import read_code
from api.provenance import history_of, microseconds_of
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.cold_chain.course import Course, Excursion, Spent, Verdict, judge, momentary
from traceability.supply_chain.cold_chain.kinetic import MILLIONTHS, Window
from traceability.supply_chain.cold_chain.profile import PROFILES, Allowance, Direction, Profile
from traceability.supply_chain.cold_chain.temperatures import STANDING, celsius, is_temperature
from traceability.supply_chain.readings import TEMPERATURE, Reading

_PACK: Final = "https://id.gs1.org/01/09521234000013/21/1001"
_TIME: Final = "2026-03-01T08:15:00.000000Z"
_MINUTE: Final = 60_000_000  # µs
_SECOND: Final = 1_000_000  # µs
_CITED: Final = 100
"""Events that are cited of an excursion."""
_EXCURSIONS: Final = 1_000
"""Excursions of a course that are told one by one."""
Code = Annotated[str, StringConstraints(min_length=1, max_length=2048)]


class CourseIn(BaseModel):
    """Whose temperatures to judge, by a known `profile` or `limits` of your own, and what a reading stands for."""

    model_config = ConfigDict(extra="forbid")

    thing: Code = Field(examples=[_PACK])
    profile: str | None = Field(default=None, max_length=200, examples=["usp.controlled_cold"])
    limits: Profile | None = Field(default=None, examples=[None])
    since: AwareDatetime | None = Field(default=None, description="From here on.", examples=[None])
    until: AwareDatetime | None = Field(default=None, description="Up to here; the last reading.", examples=[None])
    gap_after_minutes: int | None = Field(
        default=None, ge=1, le=60 * 24 * 366, description="A reading stands for so long at most.", examples=[30]
    )
    as_of: AwareDatetime | None = Field(default=None, description="Events up to this time.", examples=[None])
    known_at: int | None = Field(default=None, ge=0, description="As known at this position.", examples=[None])

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.profile is None) == (self.limits is None):
            raise ValueError("give a profile, or limits of your own")
        return self


class CitedReading(BaseModel):
    """The event that holds a reading."""

    position: int
    event_id: UUID
    receipt: str = Field(examples=["/provenance/events/019ca877-0c1b-7000-8000-000000000001/receipt"])


class ExcursionOut(BaseModel):
    """A stretch outside of the band."""

    direction: Direction
    since: str = Field(examples=[_TIME])
    until: str = Field(examples=[_TIME])
    seconds: int
    peak: Decimal = Field(examples=["9.4"])
    readings: int
    events: list[CitedReading]


class SpentOut(BaseModel):
    """How long the course was beyond the limit of an allowance."""

    allowance: Allowance
    longest_seconds: int
    seconds: int
    kept: bool


class GapOut(BaseModel):
    """A stretch of which nothing is known."""

    since: str = Field(examples=[_TIME])
    until: str = Field(examples=[_TIME])


class WindowOut(BaseModel):
    """A stretch of the course, and its mean kinetic temperature."""

    since: str = Field(examples=[_TIME])
    until: str = Field(examples=[_TIME])
    mean_kinetic_temperature: Decimal


class CourseOut(BaseModel):
    """What the readings of one device add up to. Temperatures are in °C."""

    device: str | None
    verdict: Verdict
    readings: int
    since: str = Field(examples=[_TIME])
    until: str = Field(examples=[_TIME])
    lowest: Decimal
    highest: Decimal
    mean: Decimal | None = Field(description="By time.")
    mean_kinetic_temperature: Decimal | None = Field(description="ΔH/R is 10,000 K.")
    worst_window: WindowOut | None = Field(description="With the highest, where the profile tells a length.")
    mean_kinetic_temperature_kept: bool
    seconds_below: int
    seconds_within: int
    seconds_above: int
    excursions: list[ExcursionOut] = Field(description="The first thousand.")
    excursion_count: int
    allowances: list[SpentOut]
    gaps: list[GapOut]
    contradictions: list[str] = Field(description="Instants at which readings differ.")
    momentary_lowest: Decimal | None = Field(description="The least minimum that a report tells.")
    momentary_highest: Decimal | None


class ColdChainOut(BaseModel):
    """How a thing kept to a profile: the worst verdict of its devices."""

    thing: str
    profile: Profile
    known_at: int
    verdict: Verdict
    courses: list[CourseOut]
    unusable: list[int] = Field(description="Positions of events with a reading that no thermometer gives.")


class ProfileList(BaseModel):
    """The profiles that are known."""

    profiles: list[Profile]


def list_profiles() -> ProfileList:
    """Tell the profiles that are known."""
    return ProfileList(profiles=list(PROFILES.values()))


def describe_cold_chain(engine: Engine, reader: Reader, asked: CourseIn) -> ColdChainOut:
    """Judge the temperatures of a thing, in its own events and those of what it was in.

    Raises `IdentifierError`, and `NotFoundError`: `not_found` for a thing of which nothing is seen,
    `cold_chain.profile`, `cold_chain.no_readings`; and as `judge` does.
    """
    profile = asked.limits or PROFILES.get(asked.profile or "")
    if profile is None:
        raise NotFoundError(
            "There is no such profile", code="cold_chain.profile", hint=f"Choose from: {', '.join(PROFILES)}."
        )
    item = history_of(engine, reader, read_code(asked.thing), as_of=asked.as_of, known_at=asked.known_at)
    since, until = _bounds(asked.since, asked.until)
    told = [one for one in item.readings if one.kind == TEMPERATURE and (until is None or one.at <= until)]
    measured = [one for one in told if is_temperature(one)]
    now = [one for one in told if since is None or one.at >= since]
    extremes = [one for one in measured if one.component not in STANDING and (since is None or one.at >= since)]
    standing: dict[str | None, list[Reading]] = {}
    for one in measured:
        if one.component in STANDING:
            standing.setdefault(one.device, []).append(one)
    stands = None if asked.gap_after_minutes is None else asked.gap_after_minutes * _MINUTE
    ids = {entry.event.position: entry.event.event_id for entry in item.entries}
    courses = []
    for device, those in sorted(standing.items(), key=lambda of: of[0] or ""):
        at, values = np.array([one.at for one in those], np.int64), np.array([*map(celsius, those)], np.int64)
        course = judge(at, values, profile, since=since, until=until, stands=stands)
        if course is not None:
            own = [celsius(one) for one in extremes if one.device == device]
            courses.append(course_out(device, course, those, own, ids))
    if not courses:
        raise NotFoundError(
            "No temperature of this thing is known in that time",
            code="cold_chain.no_readings",
            hint="Or none that you may see, or none but minima and maxima.",
        )
    unusable = sorted({one.position for one in now if not is_temperature(one)})
    verdicts = [course.verdict for course in courses] + ([Verdict.INCOMPLETE] if unusable else [])
    verdicts.append(momentary(profile, map(celsius, extremes)))
    return ColdChainOut(
        thing=item.thing,
        profile=profile,
        known_at=item.known_at,
        verdict=max(verdicts, key=list(Verdict).index),
        courses=courses,
        unusable=unusable,
    )


def _bounds(since: datetime | None, until: datetime | None) -> tuple[int | None, int | None]:
    return (None if since is None else microseconds_of(since)), (None if until is None else microseconds_of(until))


def course_out(
    device: str | None, course: Course, those: Iterable[Reading], momentary: Sequence[int], ids: Mapping[int, UUID]
) -> CourseOut:
    """Tell a course: `those` are its readings, `momentary` minima and maxima (10⁻⁶ °C), `ids` names events."""
    by_time: dict[int, list[int]] = {}
    for one in those:
        by_time.setdefault(one.at, []).append(one.position)
    times = sorted(by_time)
    return CourseOut(
        device=device,
        verdict=course.verdict,
        readings=course.readings,
        since=utc_text(course.since),
        until=utc_text(course.until),
        lowest=degrees(course.lowest),
        highest=degrees(course.highest),
        mean=None if course.mean is None else degrees(course.mean),
        mean_kinetic_temperature=None if course.kinetic is None else rounded(course.kinetic),
        worst_window=None if course.worst is None else _window_out(course.worst),
        mean_kinetic_temperature_kept=course.kinetic_kept,
        seconds_below=course.below // _SECOND,
        seconds_within=course.within // _SECOND,
        seconds_above=course.above // _SECOND,
        excursions=[_excursion_out(one, by_time, times, ids) for one in course.excursions[:_EXCURSIONS]],
        excursion_count=len(course.excursions),
        allowances=[_spent_out(one) for one in course.spent],
        gaps=[GapOut(since=utc_text(since), until=utc_text(until)) for since, until in course.gaps],
        contradictions=[utc_text(at) for at in course.contradictions],
        momentary_lowest=degrees(min(momentary)) if momentary else None,
        momentary_highest=degrees(max(momentary)) if momentary else None,
    )


def _excursion_out(
    one: Excursion, by_time: Mapping[int, list[int]], times: Sequence[int], ids: Mapping[int, UUID]
) -> ExcursionOut:
    # What stood already when it began is the last reading up to then.
    first = max(bisect_right(times, one.since) - 1, 0)
    during = times[first : max(bisect_left(times, one.until), first + 1)][:_CITED]
    positions = sorted({position for at in during for position in by_time[at]})
    return ExcursionOut(
        direction=one.direction,
        since=utc_text(one.since),
        until=utc_text(one.until),
        seconds=(one.until - one.since) // _SECOND,
        peak=degrees(one.peak),
        readings=one.last - one.first + 1,
        events=[
            CitedReading(position=position, event_id=ids[position], receipt=receipt_address(ids[position]))
            for position in positions[:_CITED]
        ],
    )


def _spent_out(one: Spent) -> SpentOut:
    return SpentOut(
        allowance=one.allowance,
        longest_seconds=max(one.longest, 0) // _SECOND,
        seconds=max(one.together, 0) // _SECOND,
        kept=one.kept,
    )


def _window_out(one: Window) -> WindowOut:
    return WindowOut(
        since=utc_text(one.since), until=utc_text(one.until), mean_kinetic_temperature=rounded(one.kinetic)
    )


def rounded(temperature: float) -> Decimal:
    """Return a temperature in °C to a millionth."""
    return degrees(round(temperature * MILLIONTHS))


def degrees(temperature: int) -> Decimal:
    """Return a temperature of 10⁻⁶ °C in °C."""
    return (Decimal(temperature) / MILLIONTHS).normalize() + 0
