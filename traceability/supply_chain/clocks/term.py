"""How long there is: from a moment and a term to the instant at which it is over.

Hours are elapsed time. Days and years are those of a place: they are counted from the day of the start there, which
does not count itself, and end with the last of them, at its midnight. A midnight that the clocks skip is the instant at
which they do; of two, it is the first, so that a deadline is never later than it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from traceability.errors import InvalidInputError
from traceability.ledger.event import EPOCH

IsBusinessDay = Callable[[date], bool]
"""Tells whether people work on a day, at the place of the clock."""

MOST_HOURS: Final = 24 * 366 * 100
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_LONGEST_BREAK: Final = 366
"""Days in a row on which nobody works; a calendar that has more is broken."""


class Unit(StrEnum):
    """What a term is counted in."""

    HOURS = "hours"
    BUSINESS_DAYS = "business_days"
    CALENDAR_DAYS = "calendar_days"
    YEARS = "years"


_MOST: Final = {Unit.HOURS: MOST_HOURS, Unit.BUSINESS_DAYS: 36_600, Unit.CALENDAR_DAYS: 36_600, Unit.YEARS: 100}
"""A hundred years or so: working days are counted one by one."""


class Term(BaseModel):
    """So many hours, days or years, at most about a hundred years.

    With `within_hours` never more than that, whatever days there are between.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    amount: int = Field(gt=0, le=MOST_HOURS, examples=[24])
    unit: Unit
    within_hours: int | None = Field(default=None, gt=0, le=MOST_HOURS, examples=[None])

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.amount > _MOST[self.unit]:
            raise ValueError(f"at most {_MOST[self.unit]} {self.unit.value.replace('_', ' ')}")
        return self

    def __str__(self) -> str:
        """Say it in words: `1 business day, within 48 hours`."""
        within = "" if self.within_hours is None else f", within {_count(self.within_hours, Unit.HOURS)}"
        return _count(self.amount, self.unit) + within


def _count(amount: int, unit: Unit) -> str:
    noun = unit.value.replace("_", " ")
    return f"{amount} {noun if amount != 1 else noun[:-1]}"


def due(start: int, term: Term, zone: ZoneInfo, is_business_day: IsBusinessDay) -> int:
    """Return the instant (µs UTC) before which something that began at `start` has to be answered.

    Raises `InvalidInputError`: `clock.time` where that is beyond the year 9999, `clock.calendar` for a calendar on
    which nobody ever works.
    """
    try:
        began = EPOCH + timedelta(microseconds=start)
        if term.unit is Unit.HOURS:
            end = began + term.amount * _HOUR
        else:
            day = began.astimezone(zone).date()
            end = _midnight_after(_last_day(day, term, is_business_day), zone)
        if term.within_hours is not None:
            end = min(end, began + term.within_hours * _HOUR)
    except (OverflowError, ValueError) as error:
        raise InvalidInputError(
            "This is due after the year 9999", code="clock.time", hint="Give a shorter term."
        ) from error
    return (end - EPOCH) // timedelta(microseconds=1)


def _last_day(first: date, term: Term, is_business_day: IsBusinessDay) -> date:
    if term.unit is Unit.CALENDAR_DAYS:
        return first + term.amount * _DAY
    if term.unit is Unit.YEARS:
        try:
            return first.replace(year=first.year + term.amount)
        except ValueError:  # from a 29 February; its year ends with the 28th
            return first.replace(year=first.year + term.amount, day=28)
    day, left, idle = first, term.amount, 0
    while left:
        day += _DAY
        works = is_business_day(day)
        left, idle = left - works, 0 if works else idle + 1
        if idle > _LONGEST_BREAK:
            raise InvalidInputError("Nobody ever works by this calendar", code="clock.calendar")
    return day


def _midnight_after(day: date, zone: ZoneInfo) -> datetime:
    # `fold=0` reads a midnight that is skipped with the offset before, which is the instant of the change itself.
    return datetime.combine(day + _DAY, time(), zone).astimezone(EPOCH.tzinfo)
