"""Points in time of EPCIS: xsd:dateTimeStamp, so always with an offset (EPCIS 2.0 §7.3.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_STAMP: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,32})?(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))", re.ASCII
).fullmatch
_NAIVE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII).fullmatch
_OFFSET: Final = re.compile(r"[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00)", re.ASCII).fullmatch


def utc(text: str) -> str | None:
    """Return the time in UTC with six decimals, cut, and `Z`; None when `text` is no date, time and offset."""
    if _STAMP(text) is None:
        return None
    try:
        # fromisoformat cuts what is finer than microseconds.
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def lacks_offset(text: str) -> bool:
    """Tell whether only the offset is missing, which deserves its own sentence."""
    return _NAIVE(text) is not None


def is_offset(text: str) -> bool:
    """Tell whether `text` is an offset from UTC between -14:00 and +14:00."""
    return _OFFSET(text) is not None
