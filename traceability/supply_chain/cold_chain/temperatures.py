"""Readings as temperatures: in one unit, and whether a thermometer may give them."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from traceability.gs1.units import unit
from traceability.supply_chain.cold_chain.kinetic import MILLIONTHS
from traceability.supply_chain.readings import Reading

STANDING: Final = (None, "mean")
"""The components of a reading that stand for a time; a minimum or maximum was there for a moment."""

_ZERO_CELSIUS: Final = Fraction("273.15")
_COLDEST: Final = -273_150_000
_HOTTEST: Final = 1_600_000_000


def celsius(reading: Reading) -> int:
    """Return a temperature in 10⁻⁶ °C."""
    kelvin = unit(reading.uom or "").reference(Fraction(reading.value))
    return round((kelvin - _ZERO_CELSIUS) * MILLIONTHS)


def is_temperature(reading: Reading) -> bool:
    """Tell whether a thermometer may give this: no cold chain is below absolute zero, or hotter than molten iron."""
    return unit(reading.uom or "").kind == "temperature" and _COLDEST < celsius(reading) <= _HOTTEST
