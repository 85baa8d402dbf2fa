"""The GS1 Application Identifiers that name things: primary keys and their qualifiers.

Formats, character sets and check digits are those of the GS1 General Specifications §3 and §7.11, the key
qualifiers and their order those of the GS1 Digital Link URI syntax standard. Identifiers that only describe
(dates, weights, prices) are not here: they never change what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from traceability.gs1.check_digits import check_digit, check_pair
from traceability.gs1.errors import IdentifierError

_CSET82: Final = "[!\"%&'()*+,\\-./0-9:;<=>?A-Z_a-z]"
_CSET39: Final = "[#\\-/0-9A-Z]"
_CSET64: Final = "[\\-0-9A-Z_a-z]"
_DIGIT: Final = "[0-9]"
_PREFIX_LEAST: Final = 4


@dataclass(frozen=True, slots=True)
class ApplicationIdentifier:
    """One Application Identifier: what its value may look like.

    `characters` is a regular-expression class, `least` and `most` bound the length. The last of the
    `checked` digits, a slice of the value, is a check digit. `qualifiers` is None for an identifier that is not
    a primary key; else each member is one permitted sequence of which any part may be left out, but not
    reordered. `serial_at` is where the serial begins in a key that carries it inside its value. `word` is the
    name that Digital Links of version 1.0 and 1.1 could use in place of the number.
    """

    code: str
    title: str
    characters: str
    least: int
    most: int
    checked: tuple[int, int] | None = None
    qualifiers: tuple[tuple[str, ...], ...] | None = None
    serial_at: int | None = None
    word: str = ""


_TABLE: Final = (
    ApplicationIdentifier("00", "SSCC", _DIGIT, 18, 18, (0, 18), ((),), word="sscc"),
    ApplicationIdentifier("01", "GTIN", _DIGIT, 14, 14, (0, 14), (("22", "10", "21"), ("235",)), word="gtin"),
    ApplicationIdentifier("10", "batch or lot number", _CSET82, 1, 20, word="lot"),
    ApplicationIdentifier("21", "serial number", _CSET82, 1, 20, word="ser"),
    ApplicationIdentifier("22", "consumer product variant", _CSET82, 1, 20, word="cpv"),
    ApplicationIdentifier("235", "third-party controlled serial", _CSET82, 1, 28),
    ApplicationIdentifier("253", "GDTI", _CSET82, 13, 30, (0, 13), ((),), 13, "gdti"),
    ApplicationIdentifier("254", "GLN extension", _CSET82, 1, 20, word="glnx"),
    ApplicationIdentifier("255", "GCN", _DIGIT, 13, 25, (0, 13), ((),), 13, "gcn"),
    ApplicationIdentifier("401", "GINC", _CSET82, _PREFIX_LEAST, 30, None, ((),), word="ginc"),
    ApplicationIdentifier("402", "GSIN", _DIGIT, 17, 17, (0, 17), ((),), word="gsin"),
    ApplicationIdentifier("414", "GLN of a place", _DIGIT, 13, 13, (0, 13), (("254",), ("7040",)), word="gln"),
    ApplicationIdentifier("415", "GLN of the invoicing party", _DIGIT, 13, 13, (0, 13), (("8020",),), word="payto"),
    ApplicationIdentifier("417", "GLN of a party", _DIGIT, 13, 13, (0, 13), (("7040",),), word="partygln"),
    ApplicationIdentifier("7040", "unique identification code with extensions", _CSET82, 4, 4),
    ApplicationIdentifier("8003", "GRAI", _CSET82, 14, 30, (1, 14), ((),), 14, "grai"),
    ApplicationIdentifier("8004", "GIAI", _CSET82, _PREFIX_LEAST, 30, None, (("7040",),), word="giai"),
    ApplicationIdentifier("8006", "ITIP", _DIGIT, 18, 18, (0, 14), (("22", "10", "21"),), word="itip"),
    ApplicationIdentifier("8010", "CPID", _CSET39, _PREFIX_LEAST, 30, None, (("8011",),), word="cpid"),
    ApplicationIdentifier("8011", "CPID serial number", _DIGIT, 1, 12, word="cpsn"),
    ApplicationIdentifier("8013", "GMN", _CSET82, _PREFIX_LEAST + 2, 25, None, ((),), word="gmn"),
    ApplicationIdentifier("8017", "GSRN of a provider", _DIGIT, 18, 18, (0, 18), (("8019",),), word="gsrnp"),
    ApplicationIdentifier("8018", "GSRN of a recipient", _DIGIT, 18, 18, (0, 18), (("8019",),), word="gsrn"),
    ApplicationIdentifier("8019", "service relation instance number", _DIGIT, 1, 10, word="srin"),
    ApplicationIdentifier("8020", "payment slip reference", _CSET82, 1, 25, word="refno"),
)
APPLICATION_IDENTIFIERS: Final[Mapping[str, ApplicationIdentifier]] = MappingProxyType({ai.code: ai for ai in _TABLE})
QUALIFIERS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {ai.code: ai.qualifiers for ai in _TABLE if ai.qualifiers is not None}
)
"""The primary keys, and for each the sequences of key qualifiers that may follow it."""
AI_OF_WORD: Final[Mapping[str, str]] = MappingProxyType({ai.word: ai.code for ai in _TABLE if ai.word})

# A value is tried against the whole shape first; only one that fails is looked at again to say why.
_LEADING: Final[Mapping[str, str]] = {
    "253": f"{_DIGIT}{{13}}",
    "401": f"{_DIGIT}{{4}}",
    "7040": f"{_DIGIT}{_CSET82}{{2}}{_CSET64}",
    "8003": f"0{_DIGIT}{{13}}",
    "8004": f"{_DIGIT}{{4}}",
    "8010": f"{_DIGIT}{{4}}",
    "8011": "[1-9]",
    "8013": f"{_DIGIT}{{4}}",
}
_SHAPES: Final = {
    ai.code: re.compile(f"(?={_LEADING.get(ai.code, '')}){ai.characters}{{{ai.least},{ai.most}}}").fullmatch
    for ai in _TABLE
}
_ALLOWED: Final = {ai.code: re.compile(f"{ai.characters}*").fullmatch for ai in _TABLE}
_CHECKED: Final = {ai.code: ai.checked for ai in _TABLE if ai.checked is not None}
_GTIN_LENGTHS: Final = frozenset({8, 12, 13})


def validated(code: str, value: str) -> str:
    """Return `value` as the Application Identifier `code` carries it, a GTIN padded to 14 digits.

    Raises `IdentifierError` with `gs1.length`, `gs1.character`, `gs1.check_digit`, `gs1.piece` or `gs1.prefix`.
    """
    if code == "01" and len(value) in _GTIN_LENGTHS:
        value = value.zfill(14)
    if _SHAPES[code](value) is None:
        raise _misshapen(APPLICATION_IDENTIFIERS[code], value)
    span = _CHECKED.get(code)
    if span is not None:
        start, stop = span
        expected = check_digit(value[start : stop - 1])
        if value[stop - 1] != expected:
            raise IdentifierError(
                f"The check digit of {APPLICATION_IDENTIFIERS[code].title} {value} should be {expected}.",
                code="gs1.check_digit",
            )
    if code == "8006" and not "00" < value[14:16] <= value[16:]:
        raise IdentifierError(
            f"Piece {value[14:16]} of {value[16:]} does not exist: pieces count from 01.", code="gs1.piece"
        )
    if code == "8013" and value[-2:] != check_pair(value[:-2]):
        raise IdentifierError(
            f"The check characters of GMN {value!r} should be {check_pair(value[:-2])}.", code="gs1.check_digit"
        )
    return value


def _misshapen(ai: ApplicationIdentifier, value: str) -> IdentifierError:
    if not ai.least <= len(value) <= ai.most:
        allowed = str(ai.most) if ai.least == ai.most else f"{ai.least} to {ai.most}"
        return IdentifierError(
            f"{ai.title} ({ai.code}) takes {allowed} characters, {len(value)} were given.", code="gs1.length"
        )
    if _ALLOWED[ai.code](value) is None:
        return IdentifierError(
            f"{ai.title} ({ai.code}) has a character outside its set in {value!r}.", code="gs1.character"
        )
    return IdentifierError(
        f"{ai.title} ({ai.code}) does not begin as it must: {value!r}.",
        code="gs1.prefix",
        hint="Keys of free length begin with the digits of a GS1 company prefix, a GRAI with 0, "
        "a CPID serial with a digit other than 0.",
    )
