"""Limits that temperatures have to keep to, as data with a version: what an evaluation cites.

A profile says in which band a thing is kept, and by how much it may leave it. Whether one is right for a product is
for its maker and the law to say.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MOST_MINUTES: Final = 60 * 24 * 366 * 20


class Direction(StrEnum):
    """On which side of a limit it is too much."""

    ABOVE = "above"
    BELOW = "below"


class Counting(StrEnum):
    """Whether each time counts by itself, or all of them together."""

    SINGLE = "single"
    CUMULATIVE = "cumulative"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Celsius = Field(gt=-274, le=2_000, max_digits=10, decimal_places=6, examples=["8"])


class Allowance(_Part):
    """Above or below `limit` (°C) a thing may be for so many minutes; at the limit itself it is neither."""

    direction: Direction
    limit: Decimal = _Celsius
    minutes: int = Field(ge=0, le=_MOST_MINUTES, examples=[1_440])
    counting: Counting = Counting.SINGLE


class KineticLimit(_Part):
    """The mean kinetic temperature is not above `limit` (°C): of any `window_minutes`, or without them of the whole."""

    limit: Decimal = _Celsius
    window_minutes: int | None = Field(default=None, ge=1, le=_MOST_MINUTES, examples=[1_440])


class Profile(_Part):
    """A band in °C, its ends included, what may be outside of it, and a limit of the mean kinetic temperature."""

    name: str = Field(min_length=1, max_length=200, examples=["my-vaccine"])
    version: int = Field(default=1, ge=1)
    source: str = Field(default="", max_length=1_000)
    low: Decimal = _Celsius
    high: Decimal = _Celsius
    allowances: tuple[Allowance, ...] = Field(default=(), max_length=20)
    kinetic: KineticLimit | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high:
            raise ValueError("the band ends above where it begins")
        return self


def _may(direction: Direction, limit: str, minutes: int, counting: Counting = Counting.SINGLE) -> Allowance:
    return Allowance(direction=direction, limit=Decimal(limit), minutes=minutes, counting=counting)


_DAY: Final = 24 * 60

PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(
            name="usp.controlled_room",
            version=2,
            source="USP <659>: 20 to 25 °C, excursions 15 to 30 °C, to 40 °C for less than 24 h, MKT at most 25 °C"
            " over 30 days",
            low=Decimal(20),
            high=Decimal(25),
            allowances=(
                _may(Direction.BELOW, "15", 0),
                _may(Direction.ABOVE, "30", _DAY),
                _may(Direction.ABOVE, "40", 0),
            ),
            kinetic=KineticLimit(limit=Decimal(25), window_minutes=30 * _DAY),
        ),
        Profile(
            name="usp.controlled_cold",
            version=2,
            source="USP <659>: 2 to 8 °C, excursions up to 15 °C for at most 24 h, MKT at most 8 °C over 24 h",
            low=Decimal(2),
            high=Decimal(8),
            allowances=(
                _may(Direction.BELOW, "2", 0),
                _may(Direction.ABOVE, "8", _DAY),
                _may(Direction.ABOVE, "15", 0),
            ),
            kinetic=KineticLimit(limit=Decimal(8), window_minutes=_DAY),
        ),
        Profile(
            name="who.refrigerator",
            source="WHO 30-day recorders: alarms above +8 °C for 10 h and at or below -0.5 °C for 60 min",
            low=Decimal(2),
            high=Decimal(8),
            allowances=(_may(Direction.ABOVE, "8", 600), _may(Direction.BELOW, "-0.499999", 60)),
        ),
        Profile(
            name="who.transport",
            source="WHO shipping indicators, type I: 45 °C for 1 h, 30 °C for 10 h in all, -0.5 °C for 1 h",
            low=Decimal(2),
            high=Decimal(8),
            allowances=(
                _may(Direction.ABOVE, "44.999999", 60),
                _may(Direction.ABOVE, "29.999999", 600, Counting.CUMULATIVE),
                _may(Direction.BELOW, "-0.499999", 60),
            ),
        ),
    )
}
"""The profiles that are known, by name."""
