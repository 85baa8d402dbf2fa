"""How many digits of a key are its company prefix, which a URN shows and nothing else does.

Company prefixes are licensed with 4 to 12 digits; only GS1's list of lengths, or the company, knows how many.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Protocol

from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.epc_urn import urn_of
from traceability.gs1.errors import IdentifierError
from traceability.gs1.percent import decode

# An indicator or extension digit, or a filler, stands before the company prefix of these keys.
FROM_SECOND: Final = frozenset({"00", "01", "8003", "8006"})

_LONGEST: Final = 12
_LEADING: Final = re.compile(f"[0-9]{{0,{_LONGEST}}}").match
_FROM_PREFIX: Final = re.compile(
    rf"{re.escape(RESOLVER)}/(?:(?:{'|'.join(sorted(FROM_SECOND))})/[0-9]|[0-9]{{2,4}}/)([0-9]{{1,{_LONGEST}}})"
).match
_GTIN_8: Final = "00000"
_GTIN_8_PREFIX: Final = 8
_SHORTEST_IN_URN: Final = 6


class CompanyPrefixes(Protocol):
    """A list of the lengths of company prefixes."""

    def length_of(self, digits: str) -> int | None:
        """Return how many of `digits`, which begin with a company prefix, are that prefix; None when unknown."""


class ListedPrefixes:
    """Lengths of company prefixes by their leading digits; what is not listed is asked of the list behind it."""

    def __init__(self, lengths: Mapping[str, int], behind: CompanyPrefixes | None = None) -> None:
        self._lengths = lengths
        self._behind = behind

    def length_of(self, digits: str) -> int | None:
        """Return what the longest entry says that `digits` begin with."""
        for count in range(min(_LONGEST, len(digits)), 0, -1):
            length = self._lengths.get(digits[:count])
            if length is not None:
                return length
        return None if self._behind is None else self._behind.length_of(digits)


def digits_from_prefix(subject: str) -> str:
    """Return the digits with which the key of a canonical link goes on from its company prefix, at most twelve.

    Of another URI there are none.
    """
    match = _FROM_PREFIX(subject)
    return "" if match is None else match[1]


def company_prefix_length(key: str, value: str, prefixes: CompanyPrefixes) -> int:
    """Return the length of the company prefix in the value of a primary key.

    Of a GTIN-8 it is the prefix of three digits that GS1 keeps, behind five zeros (TDS §7.3.4). Raises
    `IdentifierError` (`gs1.company_prefix`) when the list does not tell.
    """
    leading = _LEADING(value, int(key in FROM_SECOND))
    digits = leading[0] if leading else ""
    if key == "01" and digits.startswith(_GTIN_8):
        return _GTIN_8_PREFIX
    length = prefixes.length_of(digits)
    if length is None:
        raise IdentifierError(
            f"The length of the company prefix in ({key}) {value} is not known.",
            code="gs1.company_prefix",
            hint="Give a file of lengths, with lines such as 9521234,7 (--prefixes, TRACEABILITY_COMPANY_PREFIXES).",
        )
    return length


def urn_of_link(link: str, prefixes: CompanyPrefixes) -> str:
    """Return the EPC URN of a canonical link, as `urn_of` does, with the length of the company prefix from a list.

    Raises `IdentifierError`: `gs1.no_urn` when no URN says it, `gs1.company_prefix` when the length is not known.
    """
    key, _, rest = link.removeprefix(f"{RESOLVER}/").partition("/")
    try:
        length = company_prefix_length(key, decode(rest.partition("/")[0]), prefixes)
    except IdentifierError:
        urn_of(link, _SHORTEST_IN_URN)  # that there is no URN at all is the plainer reason
        raise
    return urn_of(link, length)
