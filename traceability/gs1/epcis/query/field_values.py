"""What the value of an extension is compared as: a number, a moment, or a text. Extensions have no declared types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Final

from traceability.gs1.epcis.strict_json import JSON, MAX_EXPONENT, MAX_NUMBER_LENGTH
from traceability.gs1.epcis.times import utc
from traceability.ledger.event import microseconds

_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE]([+-]?\d{1,3}))?", re.ASCII).fullmatch
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch
_FIRST: Final = "-0123456789"  # what a number or a time begins with
_SHORT: Final = 32
_TYPED: Final = "@value"


def number_of(value: JSON) -> Fraction | None:
    """Return the value of a JSON number, or of a text that could be one, within the limits that events have."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    match = _NUMBER(text) if len(text) <= MAX_NUMBER_LENGTH else None
    return None if match is None or abs(int(match[1] or 0)) > MAX_EXPONENT else Fraction(text)


def time_of(value: JSON) -> int | None:
    """Return a time with an offset, or a date, which begins at midnight UTC, in microseconds UTC."""
    if not isinstance(value, str):
        return None
    text = utc(value)
    if text is None and _DATE(value) is not None:
        try:
            text = f"{date.fromisoformat(value)}T00:00:00.000000Z"
        except ValueError:  # the 30th of February
            return None
    return None if text is None else microseconds(text)


def text_of(scalar: JSON) -> str | None:
    """Return a value as it would be written in XML, None for null."""
    if isinstance(scalar, bool):
        return "true" if scalar else "false"
    return None if scalar is None else str(scalar)


def scalars(value: JSON) -> Iterator[JSON]:
    """Yield what a field says, in order: a value, each of several, or what is inside a typed value of JSON-LD."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, list):
            pending += reversed(one)
        elif isinstance(one, dict):
            if _TYPED in one:
                pending.append(one[_TYPED])
        else:
            yield one


def one_form(text: str) -> str:
    """Return one text for all that are the same number, the same moment, or the same text."""
    if text[:1] not in _FIRST:
        return f"text {text}"
    return _remembered_form(text) if len(text) <= _SHORT else _form(text)


def _form(text: str) -> str:
    number = number_of(text)
    if number is not None:
        return f"number {number}"
    time = time_of(text)
    return f"text {text}" if time is None else f"time {time}"


_remembered_form: Final = lru_cache(maxsize=4096)(_form)  # dates come again and again
