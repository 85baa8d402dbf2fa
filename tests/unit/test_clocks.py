"""When something is due, and what becomes of a clock, whatever the order of arrival."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.working_days import working_days
from traceability.errors import InvalidInputError
from traceability.ledger.event import EPOCH
from traceability.supply_chain.clocks.clock import ClaimReason, ClockState, clock_of
from traceability.supply_chain.clocks.events import ClockAnswered, ClockPayload, ClockStarted, ClockStopped, Said
from traceability.supply_chain.clocks.rules import RULES
from traceability.supply_chain.clocks.term import Term, Unit, due

NEW_YORK = ZoneInfo("America/New_York")
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia", "America/Havana", "Africa/Cairo"]


INSTANTS = st.integers(1_325_376_000, 3_786_912_000).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
"""From 2012 to 2089: in Apia, 2011 had a day that never was."""


def micros(time: datetime) -> int:
    return (time.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def local(text: str, zone: ZoneInfo = NEW_YORK) -> int:
    return micros(datetime.fromisoformat(text).replace(tzinfo=zone))


def weekdays(day: date) -> bool:
    return day.weekday() < 5


def is_due(start: int, term: Term, zone: ZoneInfo = NEW_YORK, works: Callable[[date], bool] = weekdays) -> str:
    return (EPOCH + timedelta(microseconds=due(start, term, zone, works))).astimezone(zone).isoformat()


def days(amount: int, unit: Unit = Unit.BUSINESS_DAYS, within: int | None = None) -> Term:
    return Term(amount=amount, unit=unit, within_hours=within)


@pytest.mark.parametrize(
    ("start", "term", "expected"),
    [
        ("2026-11-02T10:00", days(24, Unit.HOURS), "2026-11-03T10:00:00-05:00"),
        # Twenty-four hours are elapsed time also where the clocks are put back, or forward.
        ("2026-10-31T12:00", days(24, Unit.HOURS), "2026-11-01T11:00:00-05:00"),
        ("2026-03-07T12:00", days(24, Unit.HOURS), "2026-03-08T13:00:00-04:00"),
        # Friday evening: Monday is the first working day, to its end.
        ("2026-11-06T17:00", days(1), "2026-11-10T00:00:00-05:00"),
        ("2026-11-06T17:00", days(1, within=48), "2026-11-08T17:00:00-05:00"),
        ("2026-11-02T23:59", days(1, within=48), "2026-11-04T00:00:00-05:00"),
        # From a day on which nobody works.
        ("2026-11-07T09:00", days(2), "2026-11-11T00:00:00-05:00"),
        ("2026-01-31T09:00", days(10, Unit.CALENDAR_DAYS), "2026-02-11T00:00:00-05:00"),
        ("2024-02-29T09:00", days(1, Unit.YEARS), "2025-03-01T00:00:00-05:00"),
        ("2024-02-29T09:00", days(4, Unit.YEARS), "2028-03-01T00:00:00-05:00"),
        ("2024-02-28T09:00", days(2, Unit.YEARS), "2026-03-01T00:00:00-05:00"),
    ],
)
def test_when_it_is_due(start: str, term: Term, expected: str) -> None:
    assert is_due(local(start), term) == expected


def test_the_day_is_that_of_the_place_and_not_of_utc() -> None:
    late = micros(datetime(2026, 11, 3, 3, 0, tzinfo=UTC))  # still Monday in New York
    assert is_due(late, days(1)) == "2026-11-04T00:00:00-05:00"
    assert is_due(late, days(1), ZoneInfo("UTC")) == "2026-11-05T00:00:00+00:00"


def test_a_midnight_that_is_skipped_or_comes_twice() -> None:
    cairo, havana = ZoneInfo("Africa/Cairo"), ZoneInfo("America/Havana")
    # 24 April 2026 begins at 01:00 in Cairo; 1 November 2026 begins twice in Havana.
    skipped = is_due(local("2026-04-22T12:00", cairo), days(1, Unit.CALENDAR_DAYS), cairo)
    assert skipped == "2026-04-24T01:00:00+03:00"
    assert is_due(local("2026-10-30T12:00", havana), days(1, Unit.CALENDAR_DAYS), havana) == "2026-11-01T00:00:00-04:00"


def test_a_day_that_never_was_is_over_as_it_begins() -> None:
    apia = ZoneInfo("Pacific/Apia")  # from 29 December 2011 to the 31st, by skipping a day of the calendar
    start = local("2011-12-29T12:00", apia)
    assert is_due(start, days(1, Unit.CALENDAR_DAYS), apia) == "2011-12-31T00:00:00+14:00"
    assert is_due(start, days(2, Unit.CALENDAR_DAYS), apia) == "2012-01-01T00:00:00+14:00"


def test_holidays_of_a_country_and_days_of_ones_own() -> None:
    thanksgiving = local("2026-11-25T12:00")
    assert is_due(thanksgiving, days(1), works=working_days("US")) == "2026-11-28T00:00:00-05:00"
    friday = frozenset({date(2026, 11, 27)})
    assert is_due(thanksgiving, days(1), works=working_days("US", friday)) == "2026-12-01T00:00:00-05:00"
    # Where people work on Sunday.
    assert is_due(local("2026-11-05T12:00"), days(1), works=working_days("IL")) == "2026-11-09T00:00:00-05:00"
    with pytest.raises(InvalidInputError):
        working_days("XX")


@settings(max_examples=300, deadline=None)
@given(
    INSTANTS,
    st.integers(1, 400),
    st.sampled_from(ZONES),
    st.frozensets(st.dates(date(2000, 1, 1), date(2092, 1, 1)), max_size=40),
)
def test_business_days_are_those_that_numpy_counts(
    start: datetime, amount: int, zone: str, closed: frozenset[date]
) -> None:
    at, there = start, ZoneInfo(zone)
    first = at.astimezone(there).date()
    last = np.busday_offset(
        np.busday_offset(first, 0, "backward", holidays=list(closed)), amount, holidays=list(closed)
    ).astype(date)
    found = EPOCH + timedelta(
        microseconds=due(micros(at), days(amount), there, lambda day: weekdays(day) and day not in closed)
    )
    assert (found - timedelta(microseconds=1)).astimezone(there).date() == last
    assert found.astimezone(there).date() > last


@settings(max_examples=200, deadline=None)
@given(INSTANTS, st.sampled_from(ZONES), st.integers(1, 60))
def test_more_is_never_due_earlier(start: datetime, zone: str, amount: int) -> None:
    at, there = micros(start), ZoneInfo(zone)
    for unit in Unit:
        less, more = (due(at, days(many, unit), there, weekdays) for many in (amount, amount + 1))
        assert at < less < more
        assert due(at, days(amount, unit, within=1), there, weekdays) <= at + 3_600_000_000


def test_what_is_never_due_is_refused() -> None:
    for start, works, code in (
        ("9999-12-31T09:00", weekdays, "clock.time"),
        ("2026-01-01T09:00", lambda _: False, "clock.calendar"),
    ):
        with pytest.raises(InvalidInputError) as refused:
            due(local(start), days(1), NEW_YORK, works)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("unit", "most"),
    [(Unit.HOURS, 878_400), (Unit.BUSINESS_DAYS, 36_600), (Unit.CALENDAR_DAYS, 36_600), (Unit.YEARS, 100)],
)
def test_a_term_is_a_hundred_years_at_most(unit: Unit, most: int) -> None:
    assert is_due(local("2026-01-05T09:00"), days(most, unit)) > "2126"
    with pytest.raises(ValidationError):
        days(most + 1, unit)


def test_rules_have_a_zone_where_days_count() -> None:
    for rule in RULES.values():
        assert (rule.term.unit is Unit.HOURS) == (rule.zone is None)
        assert (rule.term.unit is Unit.BUSINESS_DAYS) == (rule.calendar is not None)


# ── What becomes of a clock ─────────────────────────────────────────────────────────────────────────────────────────

ASKER, OURS, RIVAL = "agency.example", "dairy.example", "rival.example"
STARTED = ClockStarted(clock="C1", title="Answer", responsible=OURS, due=100, term=days(1), zone="UTC")
ANSWER = ClockAnswered(clock="C1", position=1, event_id=UUID(int=1))
STOP = ClockStopped(clock="C1", reason="withdrawn")


def said(payload: ClockPayload, by: str, at: int, position: int = 1) -> Said:
    assert isinstance(payload, ClockStarted | ClockAnswered | ClockStopped)
    digest = f"{payload.model_dump_json()}{by}{at}".encode()
    return Said(payload, by, at, position, UUID(int=position), at, digest)


BEGAN = said(STARTED, ASKER, 10)


@pytest.mark.parametrize(
    ("more", "at", "state", "reasons"),
    [
        ([], 99, ClockState.RUNNING, []),
        ([], 100, ClockState.OVERDUE, []),
        ([said(ANSWER, OURS, 99)], 500, ClockState.ANSWERED_IN_TIME, []),
        ([said(ANSWER, OURS, 100)], 500, ClockState.ANSWERED_LATE, []),
        ([said(ANSWER, ASKER, 50)], 500, ClockState.ANSWERED_IN_TIME, []),
        ([said(ANSWER, RIVAL, 50)], 500, ClockState.OVERDUE, [ClaimReason.NOT_RESPONSIBLE]),
        ([said(ANSWER, OURS, 5)], 500, ClockState.OVERDUE, [ClaimReason.NOT_STARTED]),
        ([said(STOP, ASKER, 50), said(ANSWER, OURS, 60)], 500, ClockState.STOPPED, [ClaimReason.OVER]),
        ([said(STOP, OURS, 50)], 60, ClockState.RUNNING, [ClaimReason.NOT_ITS_STARTER]),
        ([said(ANSWER, OURS, 90), said(ANSWER, ASKER, 80)], 500, ClockState.ANSWERED_IN_TIME, [ClaimReason.OVER]),
        ([said(STARTED, RIVAL, 20)], 50, ClockState.RUNNING, [ClaimReason.STARTED_BEFORE]),
    ],
)
def test_what_becomes_of_a_clock(more: list[Said], at: int, state: ClockState, reasons: list[ClaimReason]) -> None:
    for arrival in ([BEGAN, *more], [*reversed(more), BEGAN]):
        clock = clock_of(arrival)
        assert clock is not None
        assert clock.state(at) is state
        assert [claim.reason for claim in clock.claims] == reasons


def test_what_is_kept_is_never_overdue() -> None:
    kept = said(STARTED.model_copy(update={"retention": True}), ASKER, 10)
    clock = clock_of([kept, said(ANSWER, OURS, 50)])
    assert clock is not None
    assert [claim.reason for claim in clock.claims] == [ClaimReason.NOTHING_TO_ANSWER]
    assert (clock.state(99), clock.state(100)) == (ClockState.RUNNING, ClockState.ELAPSED)
    clock = clock_of([kept, said(STOP, ASKER, 50)])
    assert clock is not None
    assert clock.state(200) is ClockState.STOPPED


def test_what_is_not_seen_to_begin_is_no_clock() -> None:
    assert clock_of([said(ANSWER, OURS, 50)]) is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.builds(
            said,
            st.sampled_from([STARTED, STARTED.model_copy(update={"retention": True}), ANSWER, STOP]),
            st.sampled_from([ASKER, OURS, RIVAL]),
            st.integers(0, 6).map(lambda n: n * 25),
        ),
        max_size=7,
    ),
    st.randoms(use_true_random=False),
)
def test_any_order_of_arrival_gives_the_same(world: list[Said], choose: random.Random) -> None:
    assert clock_of(choose.sample(world, len(world))) == clock_of(world)
