"""GS1 identifiers as the reference implementation of the CBV event hash normalises them, which is not by GS1's rules.

No check digit is looked at, percent-encoding is kept, and a link is told by its path alone. What it accepts, and where
it counts characters instead of parts, are the facts here (RalphTro/epcis-event-hash-generator, commit 5d2f1c3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from traceability.gs1.check_digits import check_digit

_RESOLVER: Final = "https://id.gs1.org"
_LONGEST_PREFIX: Final = 12
_SERIAL: Final = (
    r"(?:%2[125-9A-Fa-f]|%3[0-9A-Fa-f]|%4[1-9A-Fa-f]|%5[0-9AaFf]|%6[1-9A-Fa-f]|%7[0-9Aa]|[!')(*+,.0-9:;=A-Za-z_-])"
)
_PART: Final = r"(?:%2[3dfDF]|%3[0-9]|%4[1-9A-Fa-f]|%5[0-9Aa]|[0-9A-Z-])"
_ENCODED: Final = str.maketrans({character: f"%{ord(character):02X}" for character in "!()*+,:"})
_SCHEME: Final = re.compile(r"urn:epc:((?:id|class|idpat):[a-z]+):").match


@dataclass(frozen=True, slots=True)
class _Scheme:
    """A scheme of EPC URNs.

    Company prefix and reference have `digits` together, with a dot between; behind a prefix of twelve that leaves no
    room for a reference stands `full`. `rest` is an expression for what follows. The key is that of `ai`: `lead`, the
    digits and their check digit, with the first digit of the reference moved to the `front`; then `between` and the
    URN's characters from `tail` on, counted from the prefix.
    """

    ai: str
    digits: int
    rest: str = ""
    tail: int | None = None
    full: str = ""
    lead: str = ""
    between: str = ""
    front: bool = False

    @property
    def expression(self) -> str:
        """The expression that a URN has to match behind the name of its scheme."""
        ways = [rf"\d{{{n}}}\.\d{{{self.digits - n}}}" for n in range(6, min(self.digits, _LONGEST_PREFIX + 1))]
        return f"(?:{'|'.join([*ways, *self._full()])}){self.rest}"

    def _full(self) -> Iterator[str]:
        if self.digits == _LONGEST_PREFIX:
            yield rf"\d{{{_LONGEST_PREFIX}}}{self.full}"


@dataclass(frozen=True, slots=True)
class _Variable:
    """A scheme whose reference has any length: `most` characters together with the prefix, of one expression."""

    ai: str
    character: str
    most: int = 30
    rest: str = ""

    @property
    def expression(self) -> str:
        """The expression that a URN has to match behind the name of its scheme."""
        ways = [rf"\d{{{n}}}\.{self.character}{{1,{self.most - n}}}" for n in range(6, _LONGEST_PREFIX + 1)]
        return f"(?:{'|'.join(ways)}){self.rest}"


def _serial(most: int) -> str:
    return rf"\.{_SERIAL}{{1,{most}}}"


_ANY: Final = r"\.\*"
_PIECES: Final = r"\.\d\d\.\d\d"
_SCHEMES: Final[dict[str, _Scheme | _Variable]] = {
    "id:sgtin": _Scheme("01", 13, _serial(20), 15, between="/21/", front=True),
    "id:sscc": _Scheme("00", 17, front=True),
    "id:sgln": _Scheme("414", 12, _serial(20), 14, r"\.", between="/254/"),
    "id:grai": _Scheme("8003", 12, _serial(16), 14, r"\.\.", lead="0"),
    "id:giai": _Variable("8004", _SERIAL),
    "id:gsrn": _Scheme("8018", 17),
    "id:gsrnp": _Scheme("8017", 17),
    "id:gdti": _Scheme("253", 12, rf"{_SERIAL}{{1,20}}", 14, r"\.\."),
    "id:cpi": _Variable("8010", _PART, rest=r"\.\d{1,12}"),
    "id:sgcn": _Scheme("255", 12, r"\.\d{1,12}", 14, r"\."),
    "id:ginc": _Variable("401", _SERIAL),
    "id:gsin": _Scheme("402", 16),
    "id:itip": _Scheme("8006", 13, _PIECES + _serial(20), 21, between="/21/", front=True),
    "id:upui": _Scheme("01", 13, _serial(28), 15, between="/235/", front=True),
    "id:pgln": _Scheme("417", 12, full=r"\."),
    "class:lgtin": _Scheme("01", 13, _serial(20), 15, between="/10/", front=True),
    "idpat:sgtin": _Scheme("01", 13, _ANY, front=True),
    "idpat:grai": _Scheme("8003", 12, _ANY, full=r"\.\.", lead="0"),
    "idpat:gdti": _Scheme("253", 12, _ANY, full=r"\.\."),
    "idpat:sgcn": _Scheme("255", 12, _ANY, full=r"\.\."),
    "idpat:cpi": _Variable("8010", _PART, rest=_ANY),
    "idpat:itip": _Scheme("8006", 13, _PIECES + _ANY, front=True),
    "idpat:upui": _Scheme("01", 13, _ANY, front=True),
}


@cache
def _expression(scheme: str) -> re.Pattern[str]:
    return re.compile(_SCHEMES[scheme].expression, re.ASCII)


def normalised(uri: str) -> str | None:
    """Return the link that stands for an EPC URN or a Digital Link, None when `uri` is neither."""
    if "." not in uri:
        return None
    scheme = _SCHEME(uri)
    if scheme is not None:
        return _of_urn(scheme[1], uri[scheme.end() :])
    return _of_link(uri) if uri.startswith("http") else None


def _of_urn(name: str, body: str) -> str | None:
    scheme = _SCHEMES.get(name)
    if scheme is None or _expression(name).fullmatch(body) is None:
        return None
    prefix, _, rest = body.partition(".")
    if isinstance(scheme, _Variable):
        reference, qualifier = rest, ""
        if scheme.rest:
            reference, _, serial = rest.rpartition(".")
            qualifier = "" if serial == "*" else f"/8011/{serial}"
        return f"{_RESOLVER}/{scheme.ai}/{(prefix + reference).translate(_ENCODED)}{qualifier}"
    reference = rest[: scheme.digits - len(prefix)]
    digits = scheme.lead + (reference[:1] + prefix + reference[1:] if scheme.front else prefix + reference)
    link = f"{_RESOLVER}/{scheme.ai}/{digits}{check_digit(digits)}"
    if scheme.ai == "8006":
        at = scheme.digits + 2
        link += body[at : at + 2] + body[at + 3 : at + 5]
    tail = "" if scheme.tail is None else body[scheme.tail :]
    if scheme.tail is None or (name == "id:sgln" and tail == "0"):
        return link
    return link + scheme.between + tail.translate(_ENCODED)


# Links. The expressions have no end where the reference's have none.

_LONG_NAMES: Final = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017", "gsrn": "8018",
    "gcn": "255", "sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003", "giai": "8004",
    "cpv": "22", "lot": "10", "ser": "21",
}  # fmt: skip
_KEYS: Final = ("00", "01", "253", "255", "401", "402", "414", "417", "8003", "8004", "8006", "8010", "8017", "8018")
_NAMES: Final = "|".join([*_KEYS, *[name for name, ai in _LONG_NAMES.items() if ai in _KEYS]])
_IS_LINK: Final = re.compile(rf"https?:[^?#]*/(?:{_NAMES})/[0-9]{{4}}[^/]").match
_AT_RESOLVER: Final = re.compile(rf"https://id.gs1.org/(?:{'|'.join(_KEYS)})/[0-9]{{4}}[^/]").match
_GTIN: Final = re.compile(r"https://id.gs1.org/01/([0-9]{8,14})").match
_PADDING: Final = {13: "0", 12: "00", 11: "000000", 10: "000000", 9: "000000", 8: "000000"}
_OF_LINK: Final = r"[\"'\-.0-9;<=>?A-Z_a-z]"
_VARIANT: Final = re.compile(
    rf"(https://id.gs1.org/(?:8006/[0-9]{{18}}|01/[0-9]{{14}}))/22/((?:{_OF_LINK}|/){{0,20}})"
).fullmatch
_LOT_AND_SERIAL: Final = re.compile(
    rf"(https://id.gs1.org/(?:8006/[0-9]{{18}}|01/[0-9]{{14}}))/10/{_OF_LINK}{{0,20}}(/21/{_OF_LINK}{{0,20}})"
).fullmatch
_IS_CANONICAL: Final = re.compile(
    "https://id.gs1.org/(?:"
    + "|".join(
        [
            r"00/\d{18}",
            rf"01/\d{{14}}(?:/(?:21|10)/{_OF_LINK}{{0,20}}|/235/{_OF_LINK}{{0,28}})?",
            rf"253/\d{{13}}{_OF_LINK}{{0,17}}",
            r"255/\d{13,25}",
            rf"401/{_OF_LINK}{{0,30}}",
            r"402/\d{17}",
            rf"414/\d{{13}}(?:/254/{_OF_LINK}{{0,20}})?",
            r"417/\d{13}",
            rf"8003/\d{{14}}{_OF_LINK}{{0,16}}",
            rf"8004/{_OF_LINK}{{0,30}}",
            rf"8006/\d{{18}}(?:/(?:21|10)/{_OF_LINK}{{0,20}})?",
            r"8010/[#\-/0-9A-Z]{0,30}(?:/8011/\d{0,12})?",
            r"801[78]/\d{18}",
        ]
    )
    + ")",
    re.ASCII,
).fullmatch


def _of_link(uri: str) -> str | None:
    if _IS_LINK(uri) is None:
        return None
    uri = uri.partition("?")[0]
    for name, ai in _LONG_NAMES.items():
        uri = uri.replace(f"/{name}/", f"/{ai}/")
    if _AT_RESOLVER(uri) is None:
        key = next((key for key in _KEYS if f"/{key}/" in uri), None)
        if key is not None:
            uri = _RESOLVER + uri[uri.index(f"/{key}/") :]
    gtin = _GTIN(uri)
    if gtin is not None and (zeros := _PADDING.get(len(gtin[1]))):
        uri = uri.replace("/01/", f"/01/{zeros}")
    if (variant := _VARIANT(uri)) is not None:
        _, slash, rest = variant[2].partition("/")
        uri = variant[1] + slash + rest
    if (both := _LOT_AND_SERIAL(uri)) is not None:
        uri = both[1] + both[2]
    return uri if _IS_CANONICAL(uri) else None
