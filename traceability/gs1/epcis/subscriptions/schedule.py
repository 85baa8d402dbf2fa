"""When a query is to be asked again: QuerySchedule of EPCIS 2.0 (§8.2.5.3, query-schedule.json), in UTC.

A field is a number, a range in brackets (`[1-5]`) or several of these by commas. An instant is meant when each field
that is given has its value. A field that is left out has its least value where it is finer than the finest that is
given (`hour` 1 is 01:00:00, and not each second of an hour), and any value where it is coarser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from traceability.errors import InvalidInputError
from traceability.ledger.event import EPOCH

FIELDS: Final[Mapping[str, tuple[int, int]]] = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "dayOfMonth": (1, 31),
    "month": (1, 12),
    "dayOfWeek": (1, 7),
}
"""What each field ranges over; of the week 1 is Monday."""

_LONGEST: Final = 256
# 29 February of a given day of the week comes at least every 40 years.
_MOST_DAYS: Final = 366 * 40
_ELEMENT: Final = re.compile(r"(\d{1,2})|\[(\d{1,2})-(\d{1,2})\]", re.ASCII).fullmatch
_DAYS: Final = ("dayOfMonth", "dayOfWeek")


class ScheduleError(InvalidInputError):
    """What is given is no schedule, which EPCIS 2.0 calls SubscriptionControlsException (HTTP 400)."""

    code = "subscription.schedule"


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values of each field that mean an instant, in order; of those left out as well."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, now_us: int) -> int:
        """Return the first instant after a time that is meant; both in microseconds UTC since 1970.

        Raises `ScheduleError` when there is none, such as on 30 February.
        """
        start = EPOCH + timedelta(seconds=now_us // 1_000_000 + 1)
        day = start.date()
        earliest = (start.hour, start.minute, start.second)
        for _ in range(_MOST_DAYS):
            if day.month in self.months and day.day in self.days and day.isoweekday() in self.weekdays:
                time = self._time_from(earliest)
                if time is not None:
                    found = datetime(day.year, day.month, day.day, *time, tzinfo=UTC)
                    return int((found - EPOCH).total_seconds()) * 1_000_000
            day += timedelta(days=1)
            earliest = (0, 0, 0)
        raise ScheduleError("No day is ever meant by the schedule")

    def _time_from(self, earliest: tuple[int, int, int]) -> tuple[int, int, int] | None:
        """Return the first time of a day that is meant and not before `earliest`."""
        times = (
            (hour, minute, second)
            for hour in self.hours
            if hour >= earliest[0]
            for minute in self.minutes
            if (hour, minute) >= earliest[:2]
            for second in self.seconds
        )
        return next((time for time in times if time >= earliest), None)


def read_schedule(members: Mapping[str, object], *, now_us: int) -> Schedule:
    """Read the fields of a schedule, texts by name; raises `ScheduleError`, also when no instant after now is meant."""
    if unknown := [name for name in members if name not in FIELDS]:
        raise ScheduleError(f"A schedule has no {unknown[0][:40]!a}", hint=f"Its fields: {', '.join(FIELDS)}.")
    given = {name: _values(name, members[name]) for name in members}
    if not given:
        raise ScheduleError("A schedule has at least one field", hint='Such as: {"hour": "1", "minute": "5"}')
    order = ["second", "minute", "hour", "dayOfMonth", "month"]
    ranks = [order.index("dayOfMonth" if name in _DAYS else name) for name in given]
    for name, (least, most) in FIELDS.items():
        rank = order.index("dayOfMonth" if name in _DAYS else name)
        # Of the two kinds of days, the one that is left out is any day when the other is given, and so is a weekday.
        any_value = rank > min(ranks) or name == "dayOfWeek" or (name == "dayOfMonth" and "dayOfWeek" in given)
        given.setdefault(name, tuple(range(least, most + 1)) if any_value else (least,))
    schedule = Schedule(
        given["second"], given["minute"], given["hour"],
        frozenset(given["dayOfMonth"]), frozenset(given["month"]), frozenset(given["dayOfWeek"]),
    )  # fmt: skip
    schedule.next_after(now_us)
    return schedule


def _values(name: str, text: object) -> tuple[int, ...]:
    least, most = FIELDS[name]
    wrong = ScheduleError(
        f"{name} is numbers from {least} to {most}, ranges of them in brackets, or both, as a text",
        hint=f'Such as: "{least}", "{least},{most}" or "[{least}-{most}]".',
    )
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise wrong
    found: set[int] = set()
    for element in text.split(","):
        read = _ELEMENT(element)
        if read is None:
            raise wrong
        first, last = int(read[1] or read[2]), int(read[1] or read[3])
        if not least <= first <= last <= most:
            raise wrong
        found.update(range(first, last + 1))
    return tuple(sorted(found))
