"""Any text that may be a GS1 identifier, read as what it is: link, URN, element string, scan or the bare digits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from traceability.gs1.application_identifiers import check
from traceability.gs1.company_prefixes import CompanyPrefixes, urn_of_link
from traceability.gs1.element_strings import FNC1, GROUP_SEPARATOR, read_bracketed, read_element_string
from traceability.gs1.epc_patterns import check_other_urn, check_pattern, is_pattern
from traceability.gs1.epc_urn import URN, read_urn, urn_of
from traceability.gs1.errors import IdentifierError
from traceability.gs1.links import link_of, read_link
from traceability.gs1.scan_data import COMPONENTS, Symbology, gtin, read_composite, read_scan

MAX_LENGTH: Final = 8192
"""Characters of the longest text that is read."""

_DIGITS: Final = re.compile("[0-9]+").fullmatch
_SSCC_DIGITS: Final = 18
_GTIN_DIGITS: Final = frozenset({8, 12, 13, 14})
_IS_LINK: Final = re.compile("https?://", re.IGNORECASE).match
_IS_URN: Final = re.compile("urn:epc:", re.IGNORECASE).match


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text was read as.

    `kind` is `digital_link`, `epc_urn`, `epc_class`, `epc_pattern`, `element_string`, `bracketed`, `composite`, `scan`,
    `gtin` or `sscc`. `ais` are values by Application Identifier in the order of the text; a URN without a Digital Link,
    and a scan of something else, have none. Of a scan `symbology` and `message` are given, of a URN its text.
    """

    kind: str
    ais: dict[str, str] = field(default_factory=dict)
    symbology: Symbology | None = None
    message: str | None = None
    urn: str | None = None


def read_value(text: str, *, strict: bool = False) -> Reading:
    """Read a text of any kind; `strict` is that of `links.read_link`.

    Raises `IdentifierError`: `gs1.unrecognised` for what looks like none of them, else what its reader says.
    """
    # str.strip would also take the group separator, which is data.
    value = text.strip(" \t\r\n")
    try:
        return _read(value, strict=strict)
    except IdentifierError as error:
        raise error.moved(text.index(value) if value else 0) from None


def _read(value: str, *, strict: bool) -> Reading:
    if len(value) > MAX_LENGTH:
        raise IdentifierError(f"A value has at most {MAX_LENGTH} characters.", code="gs1.length", at=MAX_LENGTH)
    if value.startswith("]"):
        scan = read_scan(value, strict=strict)
        return Reading("scan", scan.ais, scan.symbology, scan.message)
    if _IS_LINK(value):
        return Reading("digital_link", read_link(value, strict=strict))
    if _IS_URN(value):
        return _read_urn(value)
    return _read_elements(value)


def _read_elements(value: str) -> Reading:
    if COMPONENTS in value:
        return Reading("composite", read_composite(value))
    if value.startswith((FNC1, GROUP_SEPARATOR)):
        return Reading("element_string", read_element_string(value))
    if value.startswith("("):
        return Reading("bracketed", read_bracketed(value))
    if _DIGITS(value):
        return _read_digits(value)
    raise IdentifierError(
        "This looks like no GS1 identifier." if value else "There is no value.",
        code="gs1.unrecognised",
        hint="Those are Digital Links, EPC URNs, element strings (^01… or (01)…), scans (]C1…), and the digits of a "
        "GTIN or SSCC.",
    )


def _read_digits(digits: str) -> Reading:
    if len(digits) == _SSCC_DIGITS:
        check("00", digits)
        return Reading("sscc", {"00": digits})
    if len(digits) not in _GTIN_DIGITS:
        raise IdentifierError(
            f"A GTIN has 8, 12, 13 or 14 digits and an SSCC 18; these are {len(digits)}.",
            code="gs1.length",
            hint="An element string begins with ^, which stands for FNC1, or has its numbers in brackets: (01)….",
        )
    return Reading("gtin", {"01": gtin(digits)})


def _read_urn(text: str) -> Reading:
    if is_pattern(text):
        check_pattern(text)
        try:
            elements = read_urn(text)
        except IdentifierError:
            elements = None  # of more than one class
        return Reading("epc_pattern", dict(elements or ()), urn=text)
    elements = read_urn(text)
    if elements is None:
        check_other_urn(text)
        return Reading("epc_urn", urn=text)
    match = URN(text)
    assert match is not None
    prefix = match[3].partition(".")[0]
    kind = "epc_class" if match[1] == "class" else "epc_urn"
    return Reading(kind, dict(elements), urn=urn_of(link_of(dict(elements)), len(prefix)))


def urn(reading: Reading, prefixes: CompanyPrefixes) -> str:
    """Return the EPC URN of what was read, lots beside a serial, variants and attributes left out.

    Raises `IdentifierError`: `gs1.no_urn` when there is none, `gs1.company_prefix` when the length of the prefix is not
    known.
    """
    if reading.urn is not None:
        return reading.urn
    return urn_of_link(link_of(reading.ais).partition("?")[0], prefixes)
