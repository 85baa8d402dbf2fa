"""On which days people work, country by country: the table of the package `holidays`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import holidays

from traceability.errors import InvalidInputError
from traceability.supply_chain.clocks.term import IsBusinessDay


def working_days(country: str, closed: Collection[date] = ()) -> IsBusinessDay:
    """Return which days are working days in a country (ISO 3166-1 alpha-2), apart from those `closed`.

    Raises `InvalidInputError` (`clock.calendar`) for a country whose holidays are not known.
    """
    try:
        known = holidays.country_holidays(country)
    except NotImplementedError as error:
        raise InvalidInputError(
            f"No holidays are known of {country!r}", code="clock.calendar", hint="Give the code of a country, as US."
        ) from error
    return lambda day: day not in closed and known.is_working_day(day)
