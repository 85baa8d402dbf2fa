"""EPC pure identity URNs (GS1 Tag Data Standard §6.3, §7): read to element strings, and written back.

The dots of a URN say where the company prefix ends, so reading needs no table of prefixes; writing does, and the
caller gives its length. Class patterns (`urn:epc:idpat:…` whose last component is `*`) are read where they name a
GS1 key without its serial, which is how EPCIS writes a product; `epc_patterns` reads those that name many things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS, validated
from traceability.gs1.check_digits import check_digit
from traceability.gs1.digital_link import RESOLVER, ElementString, read_path
from traceability.gs1.errors import IdentifierError
from traceability.gs1.percent import decode, encode_urn

# Schemes without a Digital Link, most of them numbers of other bodies. They stay as they are.
PRIVATE_SCHEMES: Final = frozenset({"adi", "bic", "gid", "imovn", "usdod"})

URN: Final = re.compile(r"(?i:urn:epc):(id|class|idpat):([a-z]+):(.+)", re.DOTALL).fullmatch
_PREFIX: Final = re.compile("[0-9]{6,12}").fullmatch
_DIGITS: Final = re.compile("[0-9]*").fullmatch
_PREFIX_LEAST: Final = 6
_PREFIX_MOST: Final = 12


@dataclass(frozen=True, slots=True)
class _Scheme:
    """How a URN's components make a key.

    `digits` counts company prefix and reference together, without the check digit; None when the reference is
    free text. `leading` moves the reference's first digit (indicator, extension digit) to the front. `tail` is
    the qualifier that the last component becomes, "" when it is the serial inside the key, None when there is
    no such component. `extra` components stand between reference and tail.
    """

    name: str
    key: str
    digits: int | None
    tail: str | None = None
    leading: bool = False
    pattern: bool = False
    extra: int = 0

    @property
    def components(self) -> int:
        return 2 + self.extra + (self.tail is not None)


IDENTITIES: Final[Mapping[str, _Scheme]] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            _Scheme("sgtin", "01", 13, tail="21", leading=True, pattern=True),
            _Scheme("upui", "01", 13, tail="235", leading=True, pattern=True),
            _Scheme("itip", "8006", 13, tail="21", leading=True, pattern=True, extra=2),
            _Scheme("sscc", "00", 17, leading=True),
            _Scheme("sgln", "414", 12, tail="254"),
            _Scheme("pgln", "417", 12),
            _Scheme("grai", "8003", 12, tail="", pattern=True),
            _Scheme("gdti", "253", 12, tail="", pattern=True),
            _Scheme("sgcn", "255", 12, tail="", pattern=True),
            _Scheme("gsrn", "8018", 17),
            _Scheme("gsrnp", "8017", 17),
            _Scheme("gsin", "402", 16),
            _Scheme("ginc", "401", None),
            _Scheme("giai", "8004", None),
            _Scheme("cpi", "8010", None, tail="8011", pattern=True),
        )
    }
)
_LGTIN: Final = _Scheme("lgtin", "01", 13, tail="10", leading=True)
_CLASSES: Final[Mapping[str, _Scheme]] = MappingProxyType({"lgtin": _LGTIN})
_PATTERNS: Final[Mapping[str, _Scheme]] = MappingProxyType(
    {name: scheme for name, scheme in IDENTITIES.items() if scheme.pattern}
)
_NAMESPACES: Final[Mapping[str, Mapping[str, _Scheme]]] = MappingProxyType(
    {"id": IDENTITIES, "class": _CLASSES, "idpat": _PATTERNS}
)


def read_urn(text: str) -> tuple[ElementString, ...] | None:
    """Return the elements of an EPC URN, or None when its scheme has no Digital Link.

    Reserved characters that the sender left unescaped are accepted where the component can hold them. Raises
    `IdentifierError` (`gs1.urn_syntax`, or the broken rule of a component).
    """
    match = URN(text)
    if match is None:
        raise broken(text, "it is not urn:epc:id:…, urn:epc:class:… or urn:epc:idpat:…")
    namespace, name, body = match.groups()
    scheme = _NAMESPACES[namespace].get(name)
    if scheme is not None:
        return _elements(text, scheme, body, pattern=namespace == "idpat")
    if namespace == "id" and name in PRIVATE_SCHEMES:
        return None
    raise broken(text, f"urn:epc:{namespace} has no scheme {name!r} that names one thing or class")


def urn_of(link: str, company_prefix_length: int) -> str:
    """Return the EPC URN of a canonical link: a pure identity, `urn:epc:class:lgtin`, or a class pattern.

    `company_prefix_length` (6 to 12) is the licence's, which no identifier shows. A lot or variant beside a serial
    has no place in a URN and is left out. Raises `IdentifierError` (`gs1.no_urn`) when there is no URN for it.
    """
    if not _PREFIX_LEAST <= company_prefix_length <= _PREFIX_MOST:
        raise IdentifierError("A GS1 company prefix in a URN has 6 to 12 digits.", code="gs1.prefix")
    if not link.startswith(RESOLVER + "/"):
        raise IdentifierError(f"{link!r} is not a canonical Digital Link.", code="gs1.no_urn")
    elements = read_path(link.removeprefix(RESOLVER)) or ()
    scheme, tail = _scheme_of(link, elements)
    parts = _components(scheme, elements[0][1], company_prefix_length)
    namespace = "class" if scheme is _LGTIN else "id"
    if scheme.tail is None:
        return f"urn:epc:{namespace}:{scheme.name}:{'.'.join(parts)}"
    if not tail and scheme.tail == "254":
        tail = "0"
    if not tail:
        return f"urn:epc:idpat:{scheme.name}:{'.'.join(parts)}.*"
    return f"urn:epc:{namespace}:{scheme.name}:{'.'.join(parts)}.{encode_urn(tail)}"


def _elements(text: str, scheme: _Scheme, body: str, *, pattern: bool) -> tuple[ElementString, ...]:
    parts = body.split(".", scheme.components - 1)
    if len(parts) != scheme.components:
        raise broken(text, f"{scheme.name} has {scheme.components} components, {len(parts)} were given")
    if scheme.tail is None:
        return ((scheme.key, _key(text, scheme, parts)),)
    last = parts.pop()
    if pattern:
        if last != "*":
            raise broken(text, "a class pattern ends in .*")
        return ((scheme.key, _key(text, scheme, parts)),)
    tail = decode(last)
    if scheme.tail == "":
        if not tail:
            raise broken(text, "the serial is empty")
        return ((scheme.key, validated(scheme.key, _key(text, scheme, parts) + tail)),)
    key = (scheme.key, _key(text, scheme, parts))
    if scheme.tail == "254" and tail == "0":
        return (key,)
    return (key, (scheme.tail, validated(scheme.tail, tail)))


def _key(text: str, scheme: _Scheme, parts: Sequence[str]) -> str:
    prefix, reference, *pieces = parts
    if not is_company_prefix(prefix):
        raise broken(text, "the company prefix has 6 to 12 digits")
    if scheme.digits is None:
        if not reference:
            raise broken(text, "the reference is empty")
        return validated(scheme.key, prefix + decode(reference))
    if _DIGITS(reference) is None:
        raise broken(text, f"the reference {reference!r} is not digits")
    if len(prefix) + len(reference) != scheme.digits or (scheme.leading and not reference):
        raise broken(text, f"company prefix and reference of {scheme.name} have {scheme.digits} digits together")
    body = reference[0] + prefix + reference[1:] if scheme.leading else prefix + reference
    digits = body + check_digit(body)
    if scheme.key == "8003":
        return f"0{digits}"
    if pieces:
        return validated(scheme.key, digits + "".join([_two_digits(text, piece) for piece in pieces]))
    return digits


def _two_digits(text: str, part: str) -> str:
    if len(part) != 2 or _DIGITS(part) is None:  # noqa: PLR2004 - TDS writes piece and total as two digits each
        raise broken(text, "piece and total have two digits each")
    return part


def _scheme_of(link: str, elements: Sequence[ElementString]) -> tuple[_Scheme, str]:
    """Return the scheme for the elements of a link, and its last component ("" for a class)."""
    key, value = elements[0]
    qualifiers = dict(elements[1:])
    if key == "01" and "10" in qualifiers and "21" not in qualifiers:
        return _LGTIN, qualifiers["10"]
    if key == "01" and "235" in qualifiers:
        return IDENTITIES["upui"], qualifiers["235"]
    scheme = next((scheme for scheme in IDENTITIES.values() if scheme.key == key), None)
    unsayable = set(qualifiers) - {scheme.tail if scheme else None, "22", "10"}
    lot_alone = "10" in qualifiers and "21" not in qualifiers
    variant_alone = "22" in qualifiers and "21" not in qualifiers
    if scheme is None or unsayable or lot_alone or variant_alone:
        raise IdentifierError(f"No EPC URN says what {link} says.", code="gs1.no_urn")
    if scheme.tail == "":
        return scheme, value[APPLICATION_IDENTIFIERS[key].serial_at :]
    return scheme, qualifiers.get(scheme.tail or "", "")


def _components(scheme: _Scheme, value: str, prefix_length: int) -> list[str]:
    if scheme.digits is None:
        prefix, reference = value[:prefix_length], value[prefix_length:]
        if not is_company_prefix(prefix) or len(prefix) != prefix_length or not reference:
            raise IdentifierError(
                f"{value!r} does not begin with a company prefix of {prefix_length} digits.", code="gs1.prefix"
            )
        return [prefix, encode_urn(reference)]
    body = value[1:] if scheme.key == "8003" else value
    digits = body[: scheme.digits]
    if scheme.leading:
        digits = digits[1:] + digits[0]
        return [digits[:prefix_length], digits[-1] + digits[prefix_length:-1], *_pieces(scheme, value)]
    return [digits[:prefix_length], digits[prefix_length:]]


def _pieces(scheme: _Scheme, value: str) -> list[str]:
    return [value[14:16], value[16:18]] if scheme.extra else []


def is_company_prefix(text: str) -> bool:
    """Tell whether `text` can be the company prefix of a URN."""
    return _PREFIX(text) is not None


def broken(text: str, reason: str) -> IdentifierError:
    """Return the error of a text that is no EPC URN."""
    return IdentifierError(f"{text!r} is not an EPC URN: {reason}.", code="gs1.urn_syntax")
