"""What a bar code reader sends: a symbology identifier (ISO/IEC 15424) and the message, and how that is written.

A message is written as text here: an element string (`^01…^10…`), the digits of an EAN/UPC or ITF-14 symbol, or
anything else. A composite symbol's two components have `|` between them. A text whose first character would be taken
for FNC1 has a backslash before it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS, check
from traceability.gs1.check_digits import check_digit
from traceability.gs1.element_strings import FNC1, GROUP_SEPARATOR, add, read_element_string, read_message
from traceability.gs1.errors import IdentifierError
from traceability.gs1.links import read_link
from traceability.gs1.linters import csetnumeric

COMPONENTS: Final = "|"
"""Between the linear and the two-dimensional component of a composite symbol."""


class Symbology(StrEnum):
    """A kind of bar code that GS1 uses."""

    GS1_128 = "gs1-128"
    DATABAR = "databar"
    DATABAR_LIMITED = "databar-limited"
    DATABAR_EXPANDED = "databar-expanded"
    DATA_MATRIX = "data-matrix"
    QR = "qr"
    DOTCODE = "dotcode"
    EAN_13 = "ean-13"
    EAN_8 = "ean-8"
    UPC_A = "upc-a"
    UPC_E = "upc-e"
    ITF_14 = "itf-14"


@dataclass(frozen=True, slots=True)
class Scan:
    """What was scanned: the message as text, and values by Application Identifier, none when it is not GS1's."""

    symbology: Symbology
    message: str
    ais: dict[str, str]


_ELEMENTS: Final = {
    "]C1": Symbology.GS1_128,
    "]e0": Symbology.DATABAR_EXPANDED,
    "]d2": Symbology.DATA_MATRIX,
    "]Q3": Symbology.QR,
    "]J1": Symbology.DOTCODE,
}
_ANYTHING: Final = {"]d1": Symbology.DATA_MATRIX, "]Q1": Symbology.QR, "]J0": Symbology.DOTCODE}
_GTINS: Final = {
    "]E0": (Symbology.EAN_13, 13),
    "]E4": (Symbology.EAN_8, 8),
    "]I1": (Symbology.ITF_14, 14),
    "]I0": (Symbology.ITF_14, 14),
}
_IDENTIFIER: Final = 3
_LINK: Final = re.compile("https?://|HTTPS?://").match
_ESCAPED: Final = re.compile(r"\\+\^").match
_TO_ESCAPE: Final = re.compile(r"\\*\^").match
# Symbols that hold a GTIN alone: the digits that the symbol shows, and those that a reader sends.
_SHOWN: Final = {
    Symbology.EAN_13: (13, 13),
    Symbology.EAN_8: (8, 8),
    Symbology.UPC_A: (12, 13),
    Symbology.UPC_E: (12, 13),
    Symbology.ITF_14: (14, 14),
    Symbology.DATABAR: (14, 14),
    Symbology.DATABAR_LIMITED: (14, 14),
}
_SENT_AS: Final = {
    Symbology.EAN_13: "]E0",
    Symbology.EAN_8: "]E4",
    Symbology.UPC_A: "]E0",
    Symbology.UPC_E: "]E0",
    Symbology.ITF_14: "]I1",
    Symbology.DATABAR: "]e001",
    Symbology.DATABAR_LIMITED: "]e001",
}
_TWO_DIMENSIONAL: Final = {
    Symbology.QR: ("]Q3", "]Q1"),
    Symbology.DATA_MATRIX: ("]d2", "]d1"),
    Symbology.DOTCODE: ("]J1", "]J0"),
}


def read_scan(text: str, *, strict: bool = False) -> Scan:
    """Read what a reader sends: `]C10109521234000013…`, `]Q1https://…`, `]E09521234000013|]e0…`.

    `strict` is that of `read_link`. Raises `IdentifierError`: `gs1.symbology` for a symbology that is not read here,
    `gs1.length` and `gs1.check_digit` for digits that are no GTIN, or as the message's reader does.
    """
    identifier = text[:_IDENTIFIER]
    if identifier in _ELEMENTS:
        ais = read_message(text, _IDENTIFIER, GROUP_SEPARATOR)
        return Scan(_ELEMENTS[identifier], FNC1 + text[_IDENTIFIER:].replace(GROUP_SEPARATOR, FNC1), ais)
    if identifier in _GTINS:
        return _scanned_gtin(*_GTINS[identifier], text)
    if identifier in _ANYTHING:
        data = text[_IDENTIFIER:]
        if _LINK(data) is None:
            return Scan(_ANYTHING[identifier], "\\" + data if _TO_ESCAPE(data) else data, {})
        try:
            return Scan(_ANYTHING[identifier], data, read_link(data, strict=strict))
        except IdentifierError as error:
            raise error.moved(_IDENTIFIER) from None
    raise IdentifierError(
        f"{identifier!r} is no symbology identifier of a bar code that GS1 uses.",
        code="gs1.symbology",
        hint=f"Those are {', '.join(sorted({*_ELEMENTS, *_ANYTHING, *_GTINS}))}.",
    )


def read_composite(text: str) -> dict[str, str]:
    """Read the linear component and the one above it: `9521234000013|^10L1`; raises as `read_scan` does."""
    linear, _, upper = text.partition(COMPONENTS)
    ais = read_element_string(linear) if linear.startswith(FNC1) else {"01": gtin(linear)}
    _add_upper(ais, upper, FNC1, len(linear) + 1)
    return ais


def gtin(digits: str, *, lengths: Collection[int] = (8, 12, 13, 14)) -> str:
    """Return a GTIN of one of `lengths` digits as fourteen; raises `gs1.length`, `gs1.character`, `gs1.check_digit`."""
    if len(digits) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise IdentifierError(f"{digits!r} has {len(digits)} digits, not {wanted}.", code="gs1.length")
    whole = digits.rjust(14, "0")  # zfill would take a hyphen for a sign
    try:
        check("01", whole)
    except IdentifierError as error:
        raise error.moved(len(digits) - len(whole)) from None
    return whole


def scan_data(symbology: Symbology, message: str) -> str:
    """Return what a reader sends of a symbol that holds `message`.

    Raises `IdentifierError` as the readers do, and `gs1.length` or `gs1.value` for what the symbol cannot hold. The
    check digit of a GTIN may be left out where the symbol's length is fixed.
    """
    if symbology in _TWO_DIMENSIONAL:
        elements, anything = _TWO_DIMENSIONAL[symbology]
        if message.startswith(FNC1):
            return elements + _sent(message)
        if _LINK(message):
            read_link(message)
        return anything + (message[1:] if _ESCAPED(message) else message)
    linear, composite, upper = message.partition(COMPONENTS)
    if symbology in _SENT_AS:
        sent = _SENT_AS[symbology] + _sent_digits(symbology, linear)
        above = ("" if sent.startswith("]e0") else f"{COMPONENTS}]e0") + _sent(upper) if composite else ""
        return sent + above
    body = _sent(linear)
    if not composite:
        return ("]C1" if symbology is Symbology.GS1_128 else "]e0") + body
    last = next(reversed(read_element_string(linear)))
    between = GROUP_SEPARATOR if APPLICATION_IDENTIFIERS[last].fnc1 and not body.endswith(GROUP_SEPARATOR) else ""
    return f"]e0{body}{between}{_sent(upper)}"


def _scanned_gtin(symbology: Symbology, length: int, text: str) -> Scan:
    digits, composite, upper = text[_IDENTIFIER:].partition(COMPONENTS)
    try:
        ais = {"01": gtin(digits, lengths=(length,))}
    except IdentifierError as error:
        raise error.moved(_IDENTIFIER) from None
    if composite:
        at = _IDENTIFIER + len(digits) + 1
        if not upper.startswith("]e0"):
            raise IdentifierError("The upper component of a composite is sent as ]e0.", code="gs1.symbology", at=at)
        _add_upper(ais, GROUP_SEPARATOR + upper[_IDENTIFIER:], GROUP_SEPARATOR, at + _IDENTIFIER - 1)
        return Scan(symbology, f"{digits}{COMPONENTS}{FNC1}{upper[_IDENTIFIER:].replace(GROUP_SEPARATOR, FNC1)}", ais)
    return Scan(symbology, digits, ais)


def _add_upper(ais: dict[str, str], upper: str, separator: str, at: int) -> None:
    if not upper.startswith(separator):
        raise IdentifierError("The upper component begins with FNC1.", code="gs1.element_string", at=at)
    try:
        found = read_message(upper, 1, separator)
    except IdentifierError as error:
        raise error.moved(at) from None
    for code, value in found.items():
        add(ais, code, value, at)


def _sent(message: str) -> str:
    read_element_string(message)
    return message[1:].replace(FNC1, GROUP_SEPARATOR)


def _sent_digits(symbology: Symbology, text: str) -> str:
    shown, sent = _SHOWN[symbology]
    if text.startswith(f"{FNC1}01"):
        whole = gtin(text[3:], lengths=(14,))
        if whole.strip("0") and len(whole.lstrip("0")) > shown:
            raise IdentifierError(f"{symbology} cannot hold the GTIN {whole}.", code="gs1.length")
    else:
        digits = text + check_digit(text) if len(text) == shown - 1 and csetnumeric(text) is None else text
        whole = gtin(digits, lengths=(shown,))
    if symbology is Symbology.DATABAR_LIMITED and whole[0] > "1":
        raise IdentifierError(f"{symbology} holds GTINs that begin with 0 or 1.", code="gs1.value")
    return whole[14 - sent :]
