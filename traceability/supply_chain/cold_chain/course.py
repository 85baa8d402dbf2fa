"""A course of temperature, judged by a profile: how long it was where, and what that breaks.

A reading stands until the next one of its device, or for `stands` at most: what is after that nobody knows, and it is
a gap. The last reading stands until the end that is asked for, and what was read before the beginning into it. The same
series gives the same result whatever the order of its readings; readings of one instant that differ are told, and the
one farthest outside of the band counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from traceability.errors import InvalidInputError
from traceability.supply_chain.cold_chain.kinetic import (
    MILLIONTHS,
    Ints,
    Window,
    mean_kinetic_temperature,
    worst_window,
)
from traceability.supply_chain.cold_chain.profile import Allowance, Counting, Direction, Profile

Bools = npt.NDArray[np.bool_]

LONGEST: Final = 100 * 366 * 86_400_000_000
"""µs of a course, so that temperature times seconds is less than 2⁶³."""
_MINUTE: Final = 60_000_000  # µs
_SUMMED: Final = 4_096  # of less than 2·10⁹ by 10⁶ each, so that the sum is below 2⁶³


class Verdict(StrEnum):
    """What can be said of a course, the better first."""

    WITHIN = "within"
    """Always in the band."""
    ALLOWED = "allowed"
    """Outside of it no more than the profile allows."""
    INCOMPLETE = "incomplete"
    """Nothing that is known is too much; of some of the time nothing is known."""
    OUT = "out"
    """Something was too much."""


class Excursion(NamedTuple):
    """A stretch outside of the band, from `since` until before `until` (µs UTC); `peak` is in 10⁻⁶ °C.

    `first` and `last` count the readings that make it.
    """

    direction: Direction
    since: int
    until: int
    peak: int
    first: int
    last: int


class Spent(NamedTuple):
    """How long a course was beyond the limit of an allowance (µs): the longest time, and all together."""

    allowance: Allowance
    longest: int
    together: int

    @property
    def kept(self) -> bool:
        """Tell whether that is no more than is allowed; where nothing is, no reading may be beyond it at all."""
        counted = self.longest if self.allowance.counting is Counting.SINGLE else self.together
        return counted <= self.allowance.minutes * _MINUTE if self.allowance.minutes else counted < 0


class Course(NamedTuple):
    """What a course adds up to. Temperatures are in 10⁻⁶ °C, durations in µs; `mean` is by time, rounded.

    `worst` is the window with the highest mean kinetic temperature, None where the profile tells no length of it.
    `gaps` are stretches of which nothing is known; `contradictions` instants with readings that differ.
    """

    readings: int
    since: int
    until: int
    lowest: int
    highest: int
    mean: int | None
    kinetic: float | None
    worst: Window | None
    below: int
    within: int
    above: int
    excursions: tuple[Excursion, ...]
    spent: tuple[Spent, ...]
    gaps: tuple[tuple[int, int], ...]
    contradictions: tuple[int, ...]
    kinetic_kept: bool
    verdict: Verdict


def millionths(celsius: Decimal) -> int:
    """Return a temperature in 10⁻⁶ °C; what is finer is rounded to even."""
    return int((celsius * MILLIONTHS).to_integral_value())


def judge(
    at: Ints,
    temperatures: Ints,
    profile: Profile,
    *,
    since: int | None = None,
    until: int | None = None,
    stands: int | None = None,
) -> Course | None:
    """Judge readings at instants (µs UTC), in any order, from `since` to `until`; `stands` (µs) as the module tells.

    A reading before `since` stands on into that time. Without `until` the course ends with the last reading. Returns
    None where none is known in that time. Raises `InvalidInputError` (`cold_chain.too_long`).
    """
    low, high = millionths(profile.low), millionths(profile.high)
    at, temperatures, contradictions = _once(at, temperatures, low, high)
    end = max(int(at[-1]), until or 0) if len(at) else 0
    begin = int(at[0]) if since is None and len(at) else since or 0
    known = np.diff(at, append=end) if stands is None else np.minimum(np.diff(at, append=end), stands)
    stays = (at >= begin) | (at + known > begin)
    at, temperatures, known = at[stays], temperatures[stays], known[stays]
    if not len(at):
        return None
    if end - begin > LONGEST:
        raise InvalidInputError(
            "A course lasts a hundred years at most", code="cold_chain.too_long", hint="Give `since` and `until`."
        )
    known = at + known - np.maximum(at, begin)
    at = np.maximum(at, begin)
    below, above = temperatures < low, temperatures > high
    excursions = [*_excursions(Direction.BELOW, below, at, known, temperatures)]
    excursions += _excursions(Direction.ABOVE, above, at, known, temperatures)
    excursions.sort(key=lambda one: one.since)
    spent = tuple(_spent(allowance, at, known, temperatures) for allowance in profile.allowances)
    kinetic = mean_kinetic_temperature(temperatures, known)
    worst, judged = None, kinetic
    if profile.kinetic is not None and profile.kinetic.window_minutes is not None:
        length = profile.kinetic.window_minutes * _MINUTE
        worst = worst_window(at, temperatures, known, begin=begin, end=end, length=length)
        judged = None if worst is None else worst.kinetic
    kinetic_kept = profile.kinetic is None or judged is None or _is_kept(judged, profile.kinetic.limit)
    gaps = _gaps(begin, end, at, known)
    return Course(
        readings=len(at),
        since=begin,
        until=end,
        lowest=int(temperatures.min()),
        highest=int(temperatures.max()),
        mean=_mean(temperatures, known),
        kinetic=kinetic,
        worst=worst,
        below=int(known[below].sum()),
        within=int(known[~(below | above)].sum()),
        above=int(known[above].sum()),
        excursions=tuple(excursions),
        spent=spent,
        gaps=gaps,
        contradictions=tuple(instant for instant in contradictions if instant >= begin),
        kinetic_kept=kinetic_kept,
        verdict=_verdict(profile, spent, excursions, kinetic_kept=kinetic_kept, gaps=bool(gaps)),
    )


def momentary(profile: Profile, extremes: Iterable[int]) -> Verdict:
    """Return what minima and maxima say, in 10⁻⁶ °C, which were there for a moment and nobody knows how long."""
    verdict = Verdict.WITHIN
    for value in extremes:
        for limit, direction in ((profile.low, Direction.BELOW), (profile.high, Direction.ABOVE)):
            if not _is_beyond(value, limit, direction):
                continue
            allowances = [one for one in profile.allowances if one.direction is direction]
            if not allowances or any(not o.minutes and _is_beyond(value, o.limit, direction) for o in allowances):
                return Verdict.OUT
            verdict = Verdict.ALLOWED
    return verdict


def _is_beyond(value: int, limit: Decimal, direction: Direction) -> bool:
    return value > millionths(limit) if direction is Direction.ABOVE else value < millionths(limit)


def _is_kept(kinetic: float, limit: Decimal) -> bool:
    # Rounded: the logarithm of an exponential is not always what went in.
    return round(kinetic * MILLIONTHS) <= millionths(limit)


def _gaps(begin: int, end: int, at: Ints, known: Ints) -> tuple[tuple[int, int], ...]:
    """Return the stretches between begin and end in which no reading stands."""
    starts, ends = np.concatenate(([begin], at + known)), np.concatenate((at, [end]))
    torn = np.flatnonzero(starts < ends)
    return tuple(zip(starts[torn].tolist(), ends[torn].tolist(), strict=True))


def _once(at: Ints, temperatures: Ints, low: int, high: int) -> tuple[Ints, Ints, tuple[int, ...]]:
    """Return readings by time, one an instant: the farthest outside of the band, then the highest."""
    if (at[1:] > at[:-1]).all():
        return at, temperatures, ()
    outside = np.maximum(np.maximum(low - temperatures, temperatures - high), 0)
    order = np.lexsort((temperatures, outside, at))
    at, temperatures = at[order], temperatures[order]
    last = np.append(at[1:] != at[:-1], True)
    differs = (at[1:] == at[:-1]) & (temperatures[1:] != temperatures[:-1])
    return at[last], temperatures[last], tuple(np.unique(at[1:][differs]).tolist())


def _runs(beyond: Bools, at: Ints, known: Ints) -> tuple[Ints, Ints]:
    """Return the first and the last of each run of readings that are beyond a limit; a gap ends one."""
    goes_on = beyond[:-1] & beyond[1:] & (at[:-1] + known[:-1] >= at[1:])
    return np.flatnonzero(beyond & ~np.append(False, goes_on)), np.flatnonzero(beyond & ~np.append(goes_on, False))


def _excursions(direction: Direction, beyond: Bools, at: Ints, known: Ints, temperatures: Ints) -> Iterator[Excursion]:
    first, last = _runs(beyond, at, known)
    if not len(first):
        return
    worst = np.maximum if direction is Direction.ABOVE else np.minimum
    # Between two runs stands what is not beyond, which is never the worst.
    peaks = worst.reduceat(temperatures, first)
    columns = (at[first], at[last] + known[last], peaks, first, last)
    for row in zip(*(column.tolist() for column in columns), strict=True):
        yield Excursion(direction, *row)


def _spent(allowance: Allowance, at: Ints, known: Ints, temperatures: Ints) -> Spent:
    limit = millionths(allowance.limit)
    beyond = temperatures > limit if allowance.direction is Direction.ABOVE else temperatures < limit
    first, last = _runs(beyond, at, known)
    if not len(first):
        return Spent(allowance, -1, -1)
    return Spent(allowance, int((at[last] + known[last] - at[first]).max()), int(known[beyond].sum()))


def _mean(temperatures: Ints, known: Ints) -> int | None:
    total = int(known.sum())
    if not total:
        return None
    # Temperature times time needs more than 64 bits: seconds and the rest are summed apart, the rest bit by bit.
    seconds, rest = np.divmod(known, 1_000_000)
    parts = np.add.reduceat(temperatures * rest, np.arange(0, len(rest), _SUMMED))
    return round(Fraction(int((temperatures * seconds).sum()) * 1_000_000 + sum(parts.tolist()), total))


def _verdict(
    profile: Profile, spent: Sequence[Spent], excursions: Sequence[Excursion], *, kinetic_kept: bool, gaps: bool
) -> Verdict:
    sides = {allowance.direction for allowance in profile.allowances}
    if not kinetic_kept or not all(one.kept for one in spent) or any(one.direction not in sides for one in excursions):
        return Verdict.OUT
    if gaps:
        return Verdict.INCOMPLETE
    return Verdict.ALLOWED if excursions else Verdict.WITHIN
