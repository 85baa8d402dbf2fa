"""Days as people, bar codes and master data write them."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from traceability.ledger.event import EPOCH

_SIX: Final = len("YYMMDD")
_CENTURY: Final = 2_000


def read_day(text: str) -> date | None:
    """Read a day as ISO 8601 or GS1's YYMMDD, whose day 00 is the last of the month; None for anything else."""
    try:
        if len(text) != _SIX or not text.isdecimal():
            return date.fromisoformat(text[:10])
        year, month, day = _CENTURY + int(text[:2]), int(text[2:4]), int(text[4:])
        return date(year, month, day or calendar.monthrange(year, month)[1])
    except (ValueError, calendar.IllegalMonthError):
        return None


def end_of(day: date) -> int:
    """Return the instant (µs UTC) at which a day of UTC is over."""
    return ((day - EPOCH.date()) + timedelta(days=1)) // timedelta(microseconds=1)


def day_at(at: int) -> date:
    """Return the day of UTC that an instant (µs UTC) is in; the last or first that there is for one beyond."""
    days = at // (24 * 3_600_000_000)
    first, last = date.min.toordinal(), date.max.toordinal()
    return date.fromordinal(min(max(EPOCH.date().toordinal() + days, first), last))


def first_day(told: Mapping[str, str], names: tuple[str, ...]) -> date | None:
    """Return the first day that master data gives under one of these names."""
    return next((day for name in names if (day := read_day(told.get(name, ""))) is not None), None)
