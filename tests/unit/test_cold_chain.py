"""Temperatures over time: as a plain loop tells it, whatever the order of readings."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from math import exp, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from traceability.errors import InvalidInputError
from traceability.supply_chain.cold_chain.course import Course, Verdict, judge, millionths, momentary
from traceability.supply_chain.cold_chain.kinetic import (
    KELVIN,
    Ints,
    life_consumed,
    mean_kinetic_temperature,
    worst_window,
)
from traceability.supply_chain.cold_chain.profile import (
    PROFILES,
    Allowance,
    Counting,
    Direction,
    KineticLimit,
    Profile,
)

MINUTE = 60_000_000
COLD = Profile(name="cold", low=Decimal(2), high=Decimal(8))
CONTROLLED = PROFILES["usp.controlled_cold"]


def ints(numbers: Any) -> Ints:
    return np.array(list(numbers), np.int64)


def course(*readings: tuple[float, float], profile: Profile = COLD, **more: Any) -> Course:
    """Judge readings as (minutes, °C); `until` and `stands` in minutes."""
    at = ints(round(minutes * MINUTE) for minutes, _ in readings)
    temperatures = ints(millionths(Decimal(str(celsius))) for _, celsius in readings)
    found = judge(at, temperatures, profile, **{name: round(value * MINUTE) for name, value in more.items()})
    assert found is not None
    return found


def allowed(direction: str, limit: int, minutes: int, counting: str = "single") -> Profile:
    allowance = Allowance(
        direction=Direction(direction), limit=Decimal(limit), minutes=minutes, counting=Counting(counting)
    )
    return COLD.model_copy(update={"allowances": (allowance,)})


def test_the_readings_of_an_hour_do_not_outweigh_a_day() -> None:
    often, seldom = [(minute, 5.0) for minute in range(60)], [(60.0, 15.0)]
    found = course(*often, *seldom, until=24 * 60)
    assert found.kinetic == pytest.approx(14.74987, abs=1e-5)
    assert found.mean == round(Fraction(5 * 1 + 15 * 23, 24) * 1_000_000)


def test_extreme_temperatures_do_not_underflow() -> None:
    durations = ints([1, 1])
    assert mean_kinetic_temperature(ints([-272_000_000, -272_000_000]), durations) == pytest.approx(-272, abs=1e-6)
    assert mean_kinetic_temperature(ints([5_000_000]), ints([0])) is None
    with pytest.raises(ValueError, match="absolute zero"):
        mean_kinetic_temperature(ints([-273_150_000]), ints([1]))


def test_life_is_consumed_by_time_and_temperature() -> None:
    assert life_consumed(ints([4_000_000]), ints([24]), q10=3, reference=4) == pytest.approx(24)
    assert life_consumed(ints([14_000_000, 4_000_000]), ints([1, 2]), q10=3, reference=4) == pytest.approx(5)


@pytest.mark.parametrize(
    ("profile", "readings", "verdict"),
    [
        (COLD, [(0, 2), (60, 8)], Verdict.WITHIN),
        (COLD, [(0, 5), (60, 8.1), (61, 5)], Verdict.OUT),
        (allowed("above", 8, 60), [(0, 5), (60, 9), (120, 5)], Verdict.ALLOWED),
        (allowed("above", 8, 60), [(0, 5), (60, 9), (121, 5)], Verdict.OUT),
        # Twice an hour is two times an hour, or two hours in all.
        (allowed("above", 8, 60), [(0, 9), (60, 5), (90, 9), (150, 5)], Verdict.ALLOWED),
        (allowed("above", 8, 60, "cumulative"), [(0, 9), (60, 5), (90, 9), (150, 5)], Verdict.OUT),
        (allowed("above", 8, 60), [(0, 5), (60, 1), (61, 5)], Verdict.OUT),  # nothing is allowed below
        (CONTROLLED, [(0, 5), (60, 14), (120, 5), (1_440, 5)], Verdict.ALLOWED),
        (CONTROLLED, [(0, 5), (60, 15.1), (61, 5)], Verdict.OUT),
        (CONTROLLED, [(0, 5), (60, 14), (60 + 24 * 60, 5)], Verdict.OUT),
        (CONTROLLED, [(0, 8.5), (60, 8.5)], Verdict.OUT),  # by its mean kinetic temperature
        (PROFILES["who.refrigerator"], [(0, 5), (60, -0.5), (121, 5)], Verdict.OUT),
        (PROFILES["who.refrigerator"], [(0, 5), (60, -0.5), (120, 5)], Verdict.ALLOWED),
        (PROFILES["who.refrigerator"], [(0, 5), (60, -0.4), (1_000, 5)], Verdict.ALLOWED),
    ],
)
def test_the_verdict(profile: Profile, readings: list[tuple[float, float]], verdict: Verdict) -> None:
    assert course(*readings, profile=profile).verdict is verdict


def test_a_gap_is_no_evidence() -> None:
    found = course((0, 5), (10, 5), (100, 9), (110, 9), (200, 5), stands=15, until=230, profile=allowed("above", 8, 60))
    assert found.gaps == tuple((a * MINUTE, b * MINUTE) for a, b in ((25, 100), (125, 200), (215, 230)))
    assert found.verdict is Verdict.INCOMPLETE
    assert [(one.since // MINUTE, one.until // MINUTE) for one in found.excursions] == [(100, 125)]
    assert (found.within // MINUTE, found.above // MINUTE) == (40, 25)
    # What is known is too much whatever else was.
    assert course((0, 9), (100, 9), stands=15).verdict is Verdict.OUT


def test_an_excursion_ends_where_nothing_is_known() -> None:
    found = course((0, 9), (10, 10), (100, 11), (105, 5), stands=15)
    told = [(one.since // MINUTE, one.until // MINUTE, one.peak, one.first, one.last) for one in found.excursions]
    assert told == [(0, 25, 10_000_000, 0, 1), (100, 105, 11_000_000, 2, 2)]


def test_readings_of_one_instant_that_differ_are_told() -> None:
    found = course((0, 5), (10, 5), (10, 9), (10, 5), (20, 5))
    assert (found.readings, found.contradictions) == (3, (10 * MINUTE,))
    assert found.highest == 9_000_000
    assert course((0, 5), (0, 5)).contradictions == ()


def test_what_was_read_before_stands_into_the_time_that_is_asked_for() -> None:
    readings = (0, 20), (540, 5), (600, 5)
    found = course(*readings, since=60)
    assert (found.since // MINUTE, found.above // MINUTE, found.verdict) == (60, 480, Verdict.OUT)
    found = course(*readings, since=60, stands=120)
    assert (found.above // MINUTE, found.gaps[0]) == (60, (120 * MINUTE, 540 * MINUTE))
    found = course(*readings, since=200, stands=120)
    assert (found.readings, found.above, found.gaps[0]) == (2, 0, (200 * MINUTE, 540 * MINUTE))
    assert judge(ints([0]), ints([5_000_000]), COLD, since=9, stands=5) is None
    assert judge(ints([]), ints([]), COLD) is None


def test_a_moment_beyond_the_band_is_not_within_it() -> None:
    told = {50: Verdict.OUT, 15: Verdict.ALLOWED, 9: Verdict.ALLOWED, 8: Verdict.WITHIN, 1: Verdict.OUT}
    assert {one: momentary(CONTROLLED, [millionths(Decimal(one)), 5_000_000]) for one in told} == told
    assert momentary(COLD, [9_000_000]) is Verdict.OUT
    assert momentary(COLD, []) is Verdict.WITHIN


def test_a_constant_temperature_keeps_to_its_own_limit() -> None:
    for degrees in range(-40, 61):
        limit = KineticLimit(limit=Decimal(degrees))
        kept = COLD.model_copy(update={"low": Decimal(-99), "high": Decimal(99), "kinetic": limit})
        assert course((0, degrees), (60, degrees), profile=kept).verdict is Verdict.WITHIN
    above = COLD.model_copy(update={"kinetic": KineticLimit(limit=Decimal("4.999999"))})
    assert course((0, 5), (60, 5), profile=above).verdict is Verdict.OUT


def test_a_warm_day_is_not_hidden_by_a_cold_month() -> None:
    day, warm = 24 * 60, CONTROLLED.model_copy(update={"allowances": allowed("above", 8, 10 * 24 * 60).allowances})
    found = course((0, 5), (20 * day, 8.5), (21 * day, 5), until=30 * day, profile=warm)
    assert found.worst is not None
    assert found.kinetic is not None
    assert (found.worst.since, found.worst.until) == (20 * day * MINUTE, 21 * day * MINUTE)
    assert found.worst.kinetic == pytest.approx(8.5)
    assert (found.kinetic < 8, found.kinetic_kept, found.verdict) == (True, False, Verdict.OUT)
    # Half a day of it is made up for by the other half.
    assert course((0, 5), (20 * day, 8.5), (20.5 * day, 5), until=30 * day, profile=warm).verdict is Verdict.ALLOWED
    # Without a length it is the whole that counts.
    whole = warm.model_copy(update={"kinetic": KineticLimit(limit=Decimal(8))})
    assert course((0, 5), (20 * day, 8.5), (21 * day, 5), until=30 * day, profile=whole).worst is None


def test_a_course_ends_within_a_hundred_years() -> None:
    century = 100 * 366 * 24 * 60
    assert course((0, -80), until=century, profile=allowed("below", 2, 1)).mean == -80_000_000
    with pytest.raises(InvalidInputError):
        course((0, 5), until=century + 1)


def test_profiles_that_cannot_be() -> None:
    for broken in ({"low": 9, "high": 8}, {"low": "NaN", "high": 8}, {"low": -300, "high": 8}, {"low": 2}):
        with pytest.raises(ValidationError):
            Profile.model_validate({"name": "x", **broken})


_celsius = st.sampled_from([-20, -1, 1, 2, 2.000001, 5, 8, 8.000001, 9, 14, 20, 41])
_series = st.lists(st.tuples(st.integers(0, 40), _celsius), min_size=1, max_size=14)
_profiles = st.sampled_from(
    [
        COLD,
        CONTROLLED,
        PROFILES["who.transport"],
        allowed("above", 8, 5),
        allowed("below", 2, 7, "cumulative"),
        COLD.model_copy(update={"kinetic": KineticLimit(limit=Decimal(5))}),
    ]
)


@settings(max_examples=400, deadline=None)
@given(_series, _profiles, st.one_of(st.none(), st.integers(0, 60)), st.one_of(st.none(), st.integers(1, 20)))
def test_a_plain_loop_tells_the_same(
    series: list[tuple[int, float]], profile: Profile, until: int | None, stands: int | None
) -> None:
    given_ = {name: value for name, value in (("until", until), ("stands", stands)) if value is not None}
    found = course(*series, profile=profile, **given_)
    low, high = float(profile.low), float(profile.high)
    once: dict[int, float] = {}
    for at, celsius in series:
        outside = max(low - celsius, celsius - high, 0)
        known = once.get(at)
        if known is None or (outside, celsius) > (max(low - known, known - high, 0), known):
            once[at] = celsius
    times = sorted(once)
    end = max(times[-1], until or 0)
    stretches = []
    for at, following in zip(times, [*times[1:], end], strict=True):
        lasts = following - at if stands is None else min(following - at, stands)
        stretches.append((at, at + lasts, following, once[at]))
    total = sum(b - a for a, b, _, _ in stretches)
    assert found.within + found.below + found.above == total * MINUTE
    assert found.above == sum(b - a for a, b, _, c in stretches if c > high) * MINUTE
    assert [gap[0] // MINUTE for gap in found.gaps] == [b for _, b, following, _ in stretches if b < following]
    runs: list[list[Any]] = []
    for a, b, _, c in stretches:
        side = "above" if c > high else "below" if c < low else None
        if side is not None:
            if runs and runs[-1][0] == side and runs[-1][2] == a:
                runs[-1][2] = b
                runs[-1][3].append(c)
            else:
                runs.append([side, a, b, [c]])
    told = [(one.direction.value, one.since // MINUTE, one.until // MINUTE) for one in found.excursions]
    assert told == [(side, a, b) for side, a, b, _ in runs]
    peaks = [max(values) if side == "above" else min(values) for side, _, _, values in runs]
    assert [one.peak for one in found.excursions] == [round(peak * 1_000_000) for peak in peaks]
    if total:
        kinetic = 10_000 / -log(sum((b - a) / total * exp(-10_000 / (c + KELVIN)) for a, b, _, c in stretches)) - KELVIN
        assert found.kinetic == pytest.approx(kinetic, abs=1e-6)
        mean = Fraction(sum((b - a) * round(c * 1_000_000) for a, b, _, c in stretches), total)
        assert found.mean == round(mean)


@settings(max_examples=200, deadline=None)
@given(_series, st.integers(1, 60), st.integers(0, 60), st.one_of(st.none(), st.integers(1, 20)))
def test_no_window_is_worse_than_the_worst(
    series: list[tuple[int, float]], length: int, until: int, stands: int | None
) -> None:
    once = dict(sorted(dict(series).items()))
    times = list(once)
    end = max(times[-1], until)
    lasting = [
        (at, min(following - at, stands or 99), celsius)
        for (at, celsius), following in zip(once.items(), [*times[1:], end], strict=True)
    ]
    begin, kelvin = times[0], {celsius: celsius + KELVIN for celsius in once.values()}
    found = worst_window(
        ints(at for at, _, _ in lasting),
        ints(round(celsius * 1_000_000) for _, _, celsius in lasting),
        ints(lasts for _, lasts, _ in lasting),
        begin=begin,
        end=end,
        length=length,
    )
    # Every whole number is looked at, and so all the places where a temperature begins or ends.
    told = []
    for since in range(begin, max(begin, end - length) + 1):
        within = [
            (min(at + lasts, since + length) - max(at, since), celsius)
            for at, lasts, celsius in lasting
            if min(at + lasts, since + length) > max(at, since)
        ]
        if within:
            total = sum(lasts for lasts, _ in within)
            rates = sum(lasts / total * exp(-10_000 / kelvin[celsius]) for lasts, celsius in within)
            told.append((10_000 / -log(rates) - KELVIN, since))
    assert (found is None) == (not told)
    if found is not None and stands is None:
        assert found.kinetic == pytest.approx(max(told)[0], abs=1e-6)
        assert {since: kinetic for kinetic, since in told}[found.since] == pytest.approx(found.kinetic, abs=1e-6)
    elif found is not None:
        edges = {place for at, lasts, _ in lasting if lasts for place in (at, at + lasts)}
        edges |= {edge - length for edge in edges} | {begin}
        looked = [kinetic for kinetic, since in told if since in edges or since == max(begin, end - length)]
        assert found.kinetic == pytest.approx(max(looked), abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(_series, _profiles, st.randoms(use_true_random=False))
def test_any_order_of_readings_gives_the_same(
    series: list[tuple[int, float]], profile: Profile, choose: random.Random
) -> None:
    assert course(*choose.sample(series, len(series)), profile=profile) == course(*series, profile=profile)
    assert course(*series, *series, profile=profile) == course(*series, profile=profile)
