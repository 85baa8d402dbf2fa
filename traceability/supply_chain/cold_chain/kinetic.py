"""What a course of temperature did to a thing, as one number: mean kinetic temperature, and shelf life consumed.

Both weigh a temperature by how long it lasted; a mean over readings would make a logger that was read more often in the
cold look colder. Temperatures come as millionths of a degree Celsius, exactly; only the exponentials are floats.
"""

from __future__ import annotations

from typing import Final

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


def life_consumed(temperatures: Ints, durations: Ints, *, q10: float, reference: float) -> float:
    """Return how much life at `reference` (°C) was consumed, in the unit of the durations.

    First order with the factor `q10` for ten degrees: Σ tᵢ·Q10^((Tᵢ − Tref)/10).
    """
    return float(np.sum(durations * np.power(q10, (temperatures / MILLIONTHS - reference) / 10)))
