"""What a course of temperature did to a thing, as one number: mean kinetic temperature, and shelf life consumed.

Both weigh a temperature by how long it lasted; a mean over readings would make a logger that was read more often in the
cold look colder. Temperatures come as millionths of a degree Celsius, exactly; only the exponentials are floats.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

MILLIONTHS: Final = 1_000_000
KELVIN: Final = 273.15
ACTIVATION: Final = 10_000.0
"""ΔH/R in kelvin: 83.144 kJ/mol over the gas constant, as the USP takes it where nothing else is known."""

Ints = npt.NDArray[np.int64]


def mean_kinetic_temperature(temperatures: Ints, durations: Ints, activation: float = ACTIVATION) -> float | None:
    """Return the mean kinetic temperature in °C of temperatures (10⁻⁶ °C) that lasted so long each; None for no time.

    T = (ΔH/R) / −ln(Σ wᵢ·exp(−ΔH/(R·Tᵢ))) (USP <1079.2>), with the largest exponent taken out so that nothing
    underflows. Raises `ValueError` for a temperature that is not above absolute zero.
    """
    lasting = durations > 0
    if not lasting.any():
        return None
    kelvin = temperatures[lasting] / MILLIONTHS + KELVIN
    if not (kelvin > 0).all():
        raise ValueError("a temperature is above absolute zero")
    exponents = -activation / kelvin
    most = exponents.max()
    weights = durations[lasting] / durations[lasting].sum()
    return float(activation / -(most + np.log(np.sum(weights * np.exp(exponents - most)))) - KELVIN)


class Window(NamedTuple):
    """A stretch from `since` until before `until` (µs UTC) and the mean kinetic temperature (°C) of what it holds."""

    since: int
    until: int
    kinetic: float


def worst_window(at: Ints, temperatures: Ints, durations: Ints, *, begin: int, end: int, length: int) -> Window | None:
    """Return the stretch of `length` µs between `begin` and `end` with the highest mean kinetic temperature.

    The temperatures (10⁻⁶ °C) last from `at` (µs UTC, rising) for so long each and do not overlap; of a stretch that is
    known in part the known part counts. What lies between `begin` and `end` is one stretch if it is shorter. Of equals
    the first is told. None where nothing lasted.

    The stretches looked at begin or end where a temperature does: where all is known no other one is worse, as the sum
    of the weights changes evenly between two such places.
    """
    lasting = durations > 0
    if not lasting.any():
        return None
    at, temperatures, durations = at[lasting], temperatures[lasting], durations[lasting]
    if end - begin <= length:
        kinetic = mean_kinetic_temperature(temperatures, durations)
        assert kinetic is not None
        return Window(begin, end, kinetic)
    edges = np.unique(np.concatenate((at, at + durations)))
    starts = np.unique(np.clip(np.concatenate((edges, edges - length, [begin])), begin, end - length))
    exponents = -ACTIVATION / (temperatures / MILLIONTHS + KELVIN)
    rates = np.exp(exponents - exponents.max())
    # Up to each edge: how long something was known, and the sum of its weights. A gap adds nothing.
    ends = np.searchsorted(edges, at + durations)
    known, weights = np.zeros(len(edges)), np.zeros(len(edges))
    known[ends], weights[ends] = durations, rates * durations
    known, weights = known.cumsum(), weights.cumsum()
    since, until = (starts - begin).astype(float), (starts - begin + length).astype(float)
    edge = (edges - begin).astype(float)
    spans = np.interp(until, edge, known) - np.interp(since, edge, known)
    sums = np.interp(until, edge, weights) - np.interp(since, edge, weights)
    means = np.where(spans >= 1, sums / np.maximum(spans, 1), -1.0)
    # The cumulated sums have lost some digits: what is told is worked out again from what the window holds.
    first = int(starts[np.argmax(means)])
    kinetic = mean_kinetic_temperature(temperatures, _inside(at, durations, first, first + length))
    return None if kinetic is None else Window(first, first + length, kinetic)


def _inside(at: Ints, durations: Ints, since: int, until: int) -> Ints:
    """Return how much of each duration is in a stretch."""
    inside: Ints = np.maximum(np.minimum(at + durations, until) - np.maximum(at, since), 0)
    return inside


def life_consumed(temperatures: Ints, durations: Ints, *, q10: float, reference: float) -> float:
    """Return how much life at `reference` (°C) was consumed, in the unit of the durations.

    First order with the factor `q10` for ten degrees: Σ tᵢ·Q10^((Tᵢ − Tref)/10).
    """
    return float(np.sum(durations * np.power(q10, (temperatures / MILLIONTHS - reference) / 10)))
