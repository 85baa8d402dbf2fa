"""Percent-encoding of identifier values in Digital Links and EPC URNs (RFC 3986 §2.1)."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile("%([0-9A-Fa-f]{2})")
_RESERVED: Final = re.compile("[^A-Za-z0-9._~-]")
# TDS §6.3: what a URN writes as an escape; `#` stands in component and part references only.
_URN_RESERVED: Final = re.compile('["#%&/<>?]')


def decode(text: str) -> str:
    """Return `text` with its escapes resolved, one character for each octet.

    A percent sign that begins no escape stands for itself, as in GS1's syntax engine; it is written `%25` again
    on the way out, so nothing becomes ambiguous.
    """
    if "%" not in text:
        return text
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def decode_query(text: str) -> str:
    """Return a name or value of a query with its escapes resolved, where `+` is a space."""
    return decode(text.replace("+", " ")) if "+" in text or "%" in text else text


def encode(value: str) -> str:
    """Return an ASCII `value` as a path segment: all but RFC 3986's unreserved characters escaped, upper case."""
    if value.isalnum():
        return value
    return _RESERVED.sub(_escape, value)


def encode_urn(value: str) -> str:
    """Return an ASCII `value` as a component of an EPC URN."""
    return _URN_RESERVED.sub(_escape, value)


def _escape(match: re.Match[str]) -> str:
    return f"%{ord(match[0]):02X}"
