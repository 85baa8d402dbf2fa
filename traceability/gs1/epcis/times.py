"""Points in time of EPCIS: xsd:dateTimeStamp, so always with an offset (EPCIS 2.0 §7.3.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

# An hour 24, which XML Schema knows, was never taken: newer versions of Python read it, and what is recorded must not
# depend on that.
_HOUR_24: Final = re.compile(r"(?:\d{4}-?\d\d-?\d\d|\d{4}-?W\d\d(?:-?\d)?).24", re.ASCII | re.DOTALL).match
_STAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d)(?:\.(\d{1,32}))?"
    r"(?:Z|[+-]00:00|([+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00)))",
    re.ASCII,
).fullmatch
_NAIVE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII).fullmatch
_OFFSETS: Final = {
    f"{sign}{minutes // 60:02}:{minutes % 60:02}": timedelta(minutes=int(f"{sign}{minutes}"))
    for sign in "+-"
    for minutes in range(14 * 60 + 1)
}
_BEFORE_OFFSET: Final = len("2026-03-01T08:15:00.000")


def read_time(text: str) -> datetime:
    """Read a time of people and programs, in any form of ISO 8601; raises ValueError, for an hour 24 too."""
    if _HOUR_24(text) is not None:
        raise ValueError(text)
    return datetime.fromisoformat(text)


def utc(text: str) -> str | None:
    """Return the time in UTC with six decimals, cut, and `Z`; None when `text` is no date, time and offset."""
    match = _STAMP(text)
    if match is None:
        return None
    seconds, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(text)
        if offset is not None:
            # Offsets are whole minutes, so the fraction of a second stays what it is.
            seconds = moment.astimezone(UTC).isoformat()[:19]
    except (ValueError, OverflowError):
        return None
    return f"{seconds}.{(fraction + '00000')[:6]}Z" if fraction else f"{seconds}.000000Z"


def milliseconds(text: str) -> str | None:
    """Return the time in UTC with three decimals, rounded half up, and `Z` (CBV 2.0 §8.9); None like `utc`."""
    offset = text[_BEFORE_OFFSET:]
    shift = _OFFSETS.get(offset)
    if (shift is not None or offset == "Z") and text[4:20:3] == "--T::." and text[11:13] != "24":
        try:
            moment = datetime.fromisoformat(text[:_BEFORE_OFFSET])
            if moment.tzinfo is None:  # else there is an offset among the decimals
                return text if shift is None else f"{(moment - shift).isoformat(timespec='milliseconds')}Z"
        except (ValueError, OverflowError):
            return None
    exact = utc(text)
    if exact is None or exact[23] < "5":
        return None if exact is None else f"{exact[:23]}Z"
    try:
        rounded = datetime.fromisoformat(exact[:23] + "Z") + timedelta(milliseconds=1)
    except OverflowError:
        return None
    return f"{rounded.isoformat(timespec='milliseconds')[:23]}Z"


def lacks_offset(text: str) -> bool:
    """Tell whether only the offset is missing, which deserves its own sentence."""
    return _NAIVE(text) is not None


def is_offset(text: str) -> bool:
    """Tell whether `text` is an offset from UTC between -14:00 and +14:00."""
    return text in _OFFSETS
