"""Time zones by their IANA names, those of the package `tzdata`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from traceability.errors import InvalidInputError


def time_zone(name: str) -> ZoneInfo:
    """Return a time zone; raises `InvalidInputError` (`clock.zone`).

    `ZoneInfo` alone takes any file below the zones of the system: `localtime`, which is another on each machine, and
    `right/…`, where seconds are counted otherwise.
    """
    try:
        if name in _names():
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):  # a broken installation
        pass
    raise InvalidInputError(
        "There is no such time zone", code="clock.zone", hint="Give an IANA name, as America/New_York."
    )


@cache
def _names() -> frozenset[str]:
    return frozenset((files("tzdata") / "zones").read_text().split())
