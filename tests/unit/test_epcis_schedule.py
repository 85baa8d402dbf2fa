"""Schedules of subscriptions, against a search that looks at every second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.gs1.epcis.subscriptions.schedule import FIELDS, ScheduleError, read_schedule

ORDER = ("second", "minute", "hour", "dayOfMonth", "month")
NOW = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)


def micro(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000


def next_of(schedule: dict[str, str], now: datetime) -> datetime:
    found = read_schedule(schedule, now_us=micro(now)).next_after(micro(now))
    return datetime.fromtimestamp(found / 1_000_000, tz=UTC)


@pytest.mark.parametrize(
    ("schedule", "instants"),
    [
        ({"hour": "1", "minute": "5"}, ["2026-03-02T01:05:00", "2026-03-03T01:05:00"]),
        ({"hour": "1"}, ["2026-03-02T01:00:00", "2026-03-03T01:00:00"]),
        ({"minute": "0,30"}, ["2026-03-01T10:30:00", "2026-03-01T11:00:00"]),
        ({"second": "[0-1],30"}, ["2026-03-01T10:00:01", "2026-03-01T10:00:30", "2026-03-01T10:01:00"]),
        ({"dayOfWeek": "1"}, ["2026-03-02T00:00:00", "2026-03-09T00:00:00"]),
        ({"dayOfWeek": "7", "hour": "[8-9]"}, ["2026-03-08T08:00:00", "2026-03-08T09:00:00"]),
        ({"dayOfMonth": "31"}, ["2026-03-31T00:00:00", "2026-05-31T00:00:00"]),
        ({"month": "2", "dayOfMonth": "29"}, ["2028-02-29T00:00:00", "2032-02-29T00:00:00"]),
        ({"month": "1"}, ["2027-01-01T00:00:00", "2028-01-01T00:00:00"]),
        ({"month": "2", "dayOfMonth": "29", "dayOfWeek": "7"}, ["2032-02-29T00:00:00", "2060-02-29T00:00:00"]),
    ],
)
def test_examples(schedule: dict[str, str], instants: list[str]) -> None:
    now = NOW
    for instant in instants:
        now = next_of(schedule, now)
        assert now.isoformat() == f"{instant}+00:00"


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, str]:
    """Draw schedules that mean some second of every day or two."""
    found: dict[str, str] = {}
    for name in draw(st.lists(st.sampled_from(["second", "minute", "hour"]), min_size=1, unique=True)):
        least, most = FIELDS[name]
        elements = []
        for first, last in draw(
            st.lists(st.tuples(st.integers(least, most), st.integers(least, most)), min_size=1, max_size=3)
        ):
            low, high = sorted((first, last))
            elements.append(f"[{low}-{high}]" if low < high else str(low))
        found[name] = ",".join(elements)
    return found


def meant(schedule: dict[str, str], name: str, value: int, finest: int) -> bool:
    if name not in schedule:
        return ORDER.index(name) > finest or value == FIELDS[name][0]
    for element in schedule[name].split(","):
        low, _, high = element.strip("[]").partition("-")
        if int(low) <= value <= int(high or low):
            return True
    return False


@given(schedules(), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001
def test_the_next_instant_is_the_first_that_is_meant(schedule: dict[str, str], naive: datetime) -> None:
    now = naive.replace(tzinfo=UTC, microsecond=0)
    found = next_of(schedule, now)
    finest = min(ORDER.index(name) for name in schedule)

    def is_meant(time: datetime) -> bool:
        values = {"second": time.second, "minute": time.minute, "hour": time.hour}
        return all(meant(schedule, name, value, finest) for name, value in values.items())

    assert is_meant(found)
    assert now < found <= now + timedelta(days=1)
    # Every second between would be slow to look at: those of which the coarser fields change suffice.
    between = now + timedelta(seconds=1)
    for _ in range(4_000):
        if between >= found:
            break
        assert not is_meant(between)
        between += timedelta(seconds=1)


@pytest.mark.parametrize(
    "schedule",
    [
        {}, {"second": "60"}, {"second": "-1"}, {"second": ""}, {"second": "1,"}, {"second": "[5-1]"},
        {"second": "1-5"}, {"second": "[1-5"}, {"second": "*"}, {"second": "0/30"}, {"second": "\u0663"},
        {"second": "1" * 300}, {"second": 1.0}, {"second": None}, {"dayOfWeek": "0"}, {"dayOfWeek": "8"},
        {"dayOfMonth": "0"}, {"month": "13"}, {"hour": "24"}, {"year": "2026"},
        {"month": "2", "dayOfMonth": "30"}, {"month": "4,6", "dayOfMonth": "31"},
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(schedule: dict[str, object]) -> None:
    with pytest.raises(ScheduleError):
        read_schedule(schedule, now_us=micro(NOW))
