"""What the values of Application Identifiers must be beyond length and characters: GS1's linters.

Each is a function of the text of one component. It returns None, or the fault with the name that GS1's Barcode Syntax
Tests give it and the span that offends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from traceability.gs1.check_digits import LONGEST_PAIRED, check_digit, check_pair
from traceability.gs1.code_lists import COUNTRIES, COUNTRIES_ALPHA_2, CURRENCIES, MEDIA_TYPES, PACKAGE_TYPES

CSET82: Final = "[!\"%&'()*+,\\-./0-9:;<=>?A-Z_a-z]"
CSET39: Final = "[#\\-/0-9A-Z]"
CSET64: Final = "[\\-0-9A-Z_a-z]"

_DIGITS: Final = re.compile("[0-9]*").match
_IN_CSET82: Final = re.compile(f"{CSET82}*").match
_IN_CSET39: Final = re.compile(f"{CSET39}*").match
_IN_CSET64: Final = re.compile(f"{CSET64}*").match
_ALPHANUMERIC: Final = re.compile("[0-9A-Z]*").match
_BROKEN_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL).search
_SEQUENCE: Final = re.compile("([0-9]+)/([0-9]+)").fullmatch
_PREFIX_LEAST: Final = 4
_PREFIXED: Final = re.compile(f"[0-9]{{{_PREFIX_LEAST}}}").match
_IBAN_SHORTEST: Final = 5
_IBAN_LONGEST: Final = 34
_IBAN_MODULUS: Final = 97
_PADDING_MOST: Final = 2
_PADDED_UNIT: Final = 3
_COORDINATE_DIGITS: Final = 10
_LATITUDES: Final = 180 * 10**7
_LONGITUDES: Final = 360 * 10**7
_DAYS: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2
_MONTHS: Final = 12


class Fault(NamedTuple):
    """What is wrong with a text: GS1's name for it, and where: from `start` to before `stop`."""

    error: str
    start: int
    stop: int


Linter: TypeAlias = Callable[[str], Fault | None]


def _whole(error: str, text: str) -> Fault:
    return Fault(error, 0, len(text))


def _one(error: str, at: int) -> Fault:
    return Fault(error, at, at + 1)


def _outside(matched: re.Match[str] | None, text: str, error: str) -> Fault | None:
    end = matched.end() if matched else 0
    return None if end == len(text) else _one(error, end)


def csetnumeric(text: str) -> Fault | None:
    """Ask for digits only."""
    return _outside(_DIGITS(text), text, "NON_DIGIT_CHARACTER")


def cset82(text: str) -> Fault | None:
    """Ask for the invariant subset of ISO 646 (General Specifications figure 7.11-1)."""
    return _outside(_IN_CSET82(text), text, "INVALID_CSET82_CHARACTER")


def cset39(text: str) -> Fault | None:
    """Ask for capital letters, digits and three signs (figure 7.11-2)."""
    return _outside(_IN_CSET39(text), text, "INVALID_CSET39_CHARACTER")


def cset64(text: str) -> Fault | None:
    """Ask for file-safe base 64 (figure 7.11-3), padded or not."""
    body = text.rstrip("=")
    fault = _outside(_IN_CSET64(body), body, "INVALID_CSET64_CHARACTER")
    padding = len(text) - len(body)
    if fault is None and padding and (padding > _PADDING_MOST or len(text) % _PADDED_UNIT):
        return Fault("INVALID_CSET64_PADDING", len(body), len(text))
    return fault


def csum(text: str) -> Fault | None:
    """Ask for a last digit that is the check digit of those before it."""
    # Digits come first: of all that a link or an event says, this is asked most often.
    if not (text.isdigit() and text.isascii()):
        return csetnumeric(text) or _whole("TOO_SHORT_FOR_CHECK_DIGIT", text)
    if len(text) == 1 or check_digit(text[:-1]) != text[-1]:
        return _one("INCORRECT_CHECK_DIGIT", len(text) - 1)
    return None


def csumalpha(text: str) -> Fault | None:
    """Ask for two last characters that are the check pair of those before them (§7.9.5)."""
    body = text[:-2]
    if len(text) < 2:  # noqa: PLR2004 - the pair itself
        return _whole("TOO_SHORT_FOR_CHECK_PAIR", text)
    if len(body) > LONGEST_PAIRED:
        return _whole("TOO_LONG_FOR_CHECK_PAIR_IMPLEMENTATION", text)
    fault = cset82(body)
    if fault is None and check_pair(body) != text[-2:]:
        return Fault("INCORRECT_CHECK_PAIR", len(body), len(text))
    return fault


def gcppos1(text: str) -> Fault | None:
    """Ask for a GS1 company prefix at the beginning; whether anybody holds it is not asked, as no list is complete."""
    if len(text) < _PREFIX_LEAST:
        return _whole("TOO_SHORT_FOR_KEY", text)
    return None if _PREFIXED(text) else _whole("INVALID_GCP_PREFIX", text)


def gcppos2(text: str) -> Fault | None:
    """Ask for a GS1 company prefix behind an indicator or extension digit."""
    fault = gcppos1(text[1:])
    return None if fault is None else Fault(fault.error, min(1, len(text)), len(text))


def hasnondigit(text: str) -> Fault | None:
    """Ask for a character that is no digit."""
    return _whole("REQUIRES_NON_DIGIT_CHARACTER", text) if csetnumeric(text) is None else None


def hyphen(text: str) -> Fault | None:
    """Ask for hyphens, which stand for minus."""
    return _whole("NOT_HYPHEN", text) if text.strip("-") else None


def zero(text: str) -> Fault | None:
    """Ask for zeros only."""
    return _whole("NOT_ZERO", text) if text.strip("0") or not text else None


def nonzero(text: str) -> Fault | None:
    """Ask for a number that is not zero."""
    return csetnumeric(text) or (None if text.strip("0") else _whole("ILLEGAL_ZERO_VALUE", text))


def nozeroprefix(text: str) -> Fault | None:
    """Ask for a number without leading zeros."""
    return csetnumeric(text) or (_one("ILLEGAL_ZERO_PREFIX", 0) if text.startswith("0") else None)


def yesno(text: str) -> Fault | None:
    """Ask for 0, which is no, or 1, which is yes."""
    return None if text in ("0", "1") else _whole("NOT_ZERO_OR_ONE", text)


def winding(text: str) -> Fault | None:
    """Ask for the winding direction of a roll: face out, face in, undefined."""
    return None if text in ("0", "1", "9") else _whole("INVALID_WINDING_DIRECTION", text)


def iso5218(text: str) -> Fault | None:
    """Ask for the code of a sex (ISO/IEC 5218)."""
    return None if text in ("0", "1", "2", "9") else _whole("INVALID_BIOLOGICAL_SEX_CODE", text)


def iso3166(text: str) -> Fault | None:
    """Ask for a country, by three digits."""
    return None if text in COUNTRIES else _whole("NOT_ISO3166", text)


def iso3166999(text: str) -> Fault | None:
    """Ask for a country, or 999 for more than one."""
    return None if text in COUNTRIES or text == "999" else _whole("NOT_ISO3166_OR_999", text)


def iso3166alpha2(text: str) -> Fault | None:
    """Ask for a country, by two letters."""
    return None if text in COUNTRIES_ALPHA_2 else _whole("NOT_ISO3166_ALPHA2", text)


def iso4217(text: str) -> Fault | None:
    """Ask for a currency, by three digits."""
    return None if text in CURRENCIES else _whole("NOT_ISO4217", text)


def mediatype(text: str) -> Fault | None:
    """Ask for what carries the number of a person, AI (7241)."""
    return None if text in MEDIA_TYPES else _whole("INVALID_MEDIA_TYPE", text)


def packagetype(text: str) -> Fault | None:
    """Ask for a kind of package."""
    return None if text in PACKAGE_TYPES else _whole("INVALID_PACKAGE_TYPE", text)


def importeridx(text: str) -> Fault | None:
    """Ask for one character of file-safe base 64."""
    if len(text) != 1:
        return _whole("IMPORTER_IDX_MUST_BE_ONE_CHARACTER", text)
    return _outside(_IN_CSET64(text), text, "INVALID_IMPORT_IDX_CHARACTER")


def pcenc(text: str) -> Fault | None:
    """Ask for percent-encoded text: behind each percent sign two hexadecimal digits."""
    broken = _BROKEN_ESCAPE(text)
    return None if broken is None else Fault("INVALID_PERCENT_SEQUENCE", *broken.span())


def pieceoftotal(text: str) -> Fault | None:
    """Ask for a piece and the number of pieces, in two halves."""
    half, odd = divmod(len(text), 2)
    if odd or not text:
        return _whole("INVALID_LENGTH_FOR_PIECE_OF_TOTAL", text)
    if fault := csetnumeric(text):
        return fault
    piece, total = text[:half], text[half:]
    if not piece.strip("0"):
        return Fault("ZERO_PIECE_NUMBER", 0, half)
    if not total.strip("0"):
        return Fault("ZERO_TOTAL_PIECES", half, len(text))
    return _whole("PIECE_NUMBER_EXCEEDS_TOTAL", text) if piece > total else None


def posinseqslash(text: str) -> Fault | None:
    """Ask for a place in a sequence and its end: `2/3`."""
    parts = _SEQUENCE(text)
    if parts is None:
        return _whole("POSITION_IN_SEQUENCE_MALFORMED", text)
    for group in (1, 2):
        if parts[group].startswith("0"):
            return Fault("ILLEGAL_ZERO_PREFIX", *parts.span(group))
    # Compared as texts: without leading zeros the longer number is the larger, and no length is too long for it.
    place, end = ((len(parts[group]), parts[group]) for group in (1, 2))
    return _whole("POSITION_EXCEEDS_END", text) if place > end else None


def iban(text: str) -> Fault | None:
    """Ask for an international bank account number (ISO 13616), whose remainder by 97 is 1."""
    if len(text) < _IBAN_SHORTEST:
        return _whole("IBAN_TOO_SHORT", text)
    if len(text) > _IBAN_LONGEST:
        return _whole("IBAN_TOO_LONG", text)
    if fault := _outside(_ALPHANUMERIC(text), text, "INVALID_IBAN_CHARACTER"):
        return fault
    if text[:2] not in COUNTRIES_ALPHA_2:
        return Fault("ILLEGAL_IBAN_COUNTRY_CODE", 0, 2)
    digits = "".join([str(int(character, 36)) for character in text[4:] + text[:4]])
    return None if int(digits) % _IBAN_MODULUS == 1 else Fault("INCORRECT_IBAN_CHECKSUM", 2, 4)


def latitude(text: str) -> Fault | None:
    """Ask for degrees from the south pole in units of 10⁻⁷ (AI 4309)."""
    return _coordinate(text, "LATITUDE", _LATITUDES)


def longitude(text: str) -> Fault | None:
    """Ask for degrees east in units of 10⁻⁷ (AI 4309)."""
    return _coordinate(text, "LONGITUDE", _LONGITUDES)


def _coordinate(text: str, name: str, most: int) -> Fault | None:
    if len(text) != _COORDINATE_DIGITS:
        return _whole(f"{name}_INVALID_LENGTH", text)
    return csetnumeric(text) or (_whole(f"INVALID_{name}", text) if int(text) > most else None)


def yymmdd(text: str) -> Fault | None:
    """Ask for a date. The century does not matter: 00 is a leap year in the only one that is near."""
    return _date(text, 2, day_may_be_open=False)


def yymmd0(text: str) -> Fault | None:
    """Ask for a date, or with the day 00 a month."""
    return _date(text, 2, day_may_be_open=True)


def yyyymmdd(text: str) -> Fault | None:
    """Ask for a date with its century."""
    return _date(text, 4, day_may_be_open=False)


def yyyymmd0(text: str) -> Fault | None:
    """Ask for a date with its century, or with the day 00 a month."""
    return _date(text, 4, day_may_be_open=True)


def _date(text: str, width: int, *, day_may_be_open: bool) -> Fault | None:
    if len(text) != width + 4 or not (text.isdigit() and text.isascii()):
        return _two_digit_groups(text, width // 2 + 2, "DATE")
    year, month, day = int(text[:width]), int(text[width:-2]), int(text[-2:])
    if not 1 <= month <= _MONTHS:
        return Fault("ILLEGAL_MONTH", width, width + 2)
    if 0 < day <= 28:  # noqa: PLR2004 - which every month has
        return None
    # Of years in two digits the first is 2000, a leap year; of those in four the rule of centuries counts.
    leap = year % 4 == 0 and (width == 2 or year % 100 != 0 or year % 400 == 0)  # noqa: PLR2004
    longest = 28 if month == _FEBRUARY and not leap else _DAYS[month]
    if day > longest or (day == 0 and not day_may_be_open):
        return Fault("ILLEGAL_DAY", width + 2, width + 4)
    return None


def hh(text: str) -> Fault | None:
    """Ask for an hour."""
    return _two_digit_groups(text, 1, "HOUR") or (_whole("ILLEGAL_HOUR", text) if text > "23" else None)


def mi(text: str) -> Fault | None:
    """Ask for a minute."""
    return _two_digit_groups(text, 1, "MINUTE") or (_whole("ILLEGAL_MINUTE", text) if text > "59" else None)


def ss(text: str) -> Fault | None:
    """Ask for a second."""
    return _two_digit_groups(text, 1, "SECOND") or (_whole("ILLEGAL_SECOND", text) if text > "59" else None)


def hhmi(text: str) -> Fault | None:
    """Ask for an hour and a minute."""
    if fault := _two_digit_groups(text, 2, "HOUR_WITH_MINUTE"):
        return fault
    if text[:2] > "23":
        return Fault("ILLEGAL_HOUR", 0, 2)
    return Fault("ILLEGAL_MINUTE", 2, 4) if text[2:] > "59" else None


def _two_digit_groups(text: str, groups: int, name: str) -> Fault | None:
    if len(text) < 2 * groups:
        return _whole(f"{name}_TOO_SHORT", text)
    return _whole(f"{name}_TOO_LONG", text) if len(text) > 2 * groups else csetnumeric(text)
