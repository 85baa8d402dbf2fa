"""EPC URNs that no Digital Link says: schemes of other bodies (TDS §6.3), and patterns of many things (TDS §8)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from traceability.gs1.epc_urn import IDENTITIES, PRIVATE_SCHEMES, URN, broken, is_company_prefix, read_urn
from traceability.gs1.percent import decode

_NUMBER: Final = re.compile("0|[1-9][0-9]*").fullmatch
_CAGE: Final = re.compile("[A-HJ-NP-Z0-9]{5,6}").fullmatch
_ADI_PART: Final = re.compile("[A-Z0-9/-]{0,32}").fullmatch
_ADI_SERIAL: Final = re.compile("#?[A-Z0-9/-]{1,29}|[A-Z0-9/-]{30}").fullmatch
_CONTAINER: Final = re.compile("[A-Z]{3}[JUZR][0-9]{7}").fullmatch
_VESSEL: Final = re.compile("[0-9]{7}").fullmatch
_ALPHABET: Final = "0123456789A?BCDEFGHIJK?LMNOPQRSTU?VWXYZ"
"""Values of characters in a container's number (ISO 6346): 11, 22 and 33 are nobody's."""
_ANY: Final = "*"
_PIECE_OF_TOTAL: Final = ("01", "99")


def _below(bits: int) -> Callable[[str], bool]:
    return lambda text: _NUMBER(text) is not None and len(text) <= len(str(1 << bits)) and int(text) < 1 << bits


def _container(text: str) -> bool:
    if _CONTAINER(text) is None:
        return False
    total = sum(_ALPHABET.index(character) << place for place, character in enumerate(text[:10]))
    return total % 11 % 10 == int(text[10])


def _vessel(text: str) -> bool:
    if _VESSEL(text) is None:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text[:6], range(7, 1, -1), strict=True))
    return total % 10 == int(text[6])


def _matching(match: Callable[[str], object]) -> Callable[[str], bool]:
    return lambda text: match(decode(text)) is not None


_OTHERS: Final[Mapping[str, tuple[Callable[[str], bool], ...]]] = {
    "gid": (_below(28), _below(24), _below(36)),
    "usdod": (_matching(_CAGE), _below(36)),
    "adi": (_matching(_CAGE), _matching(_ADI_PART), _matching(_ADI_SERIAL)),
    "bic": (_container,),
    "imovn": (_vessel,),
}
assert _OTHERS.keys() == PRIVATE_SCHEMES


def check_other_urn(text: str) -> None:
    """Raise `IdentifierError` (`gs1.urn_syntax`) unless `text` is an identity of a scheme without a Digital Link."""
    match = URN(text)
    if match is None or match[1] != "id" or match[2] not in _OTHERS:
        raise broken(text, "it has no scheme of another body")
    _check_parts(text, _OTHERS[match[2]], match[3].split("."))


def is_pattern(text: str) -> bool:
    """Tell whether `text` claims to be a pattern."""
    match = URN(text)
    return match is not None and match[1] == "idpat"


@dataclass(frozen=True, slots=True)
class ManyThings:
    """All things of one scheme whose first components are these: `urn:epc:idpat:sgtin:9521234.*.*` (TDS §8).

    `key` is the primary key's Application Identifier, None for a scheme of another body; `tail` is the qualifier or ""
    that a serial of the scheme becomes. An empty `company` is a pattern for every company. What is meant `begins` so:
    the key's value, or the URN of another body's scheme.
    """

    key: str | None
    tail: str | None
    company: str
    begins: str


def read_pattern(text: str) -> ManyThings | None:
    """Return a pattern that names many things, None for a text that is none, or names one class.

    Components as in an identity, then stars. Raises `IdentifierError` (`gs1.urn_syntax`, or the broken rule of a
    component).
    """
    if not is_pattern(text):
        return None
    match = URN(text)
    assert match is not None
    name, parts = match[2], match[3].split(".")
    given = parts[: parts.index(_ANY)] if _ANY in parts else parts
    if any(part != _ANY for part in parts[len(given) :]):
        raise broken(text, "behind a star come stars only")
    if name in _OTHERS:
        _check_parts(text, _OTHERS[name], given, open_parts=len(parts) - len(given))
        more = "." if given and len(given) < len(parts) else ""
        return ManyThings(None, None, "", f"urn:epc:id:{name}:{'.'.join(given)}{more}")
    scheme = IDENTITIES.get(name)
    if scheme is None:
        raise broken(text, f"there is no scheme {name!r}")
    if _ANY not in parts:
        read_urn(f"urn:epc:id:{name}:{match[3]}")
        return None
    if len(parts) != scheme.components:
        raise broken(text, f"a pattern of {name} has {scheme.components} components")
    company, *more_given = given or [""]
    if given and not is_company_prefix(company):
        raise broken(text, "the company prefix has 6 to 12 digits")
    begins = _key_begins(name, scheme.extra, given, serial=scheme.tail is not None) if more_given else ""
    if scheme.pattern and len(given) == scheme.components - 1:
        return None  # a class, which is an identifier
    return ManyThings(scheme.key, scheme.tail, company, begins)


def _key_begins(name: str, extra: int, given: list[str], *, serial: bool) -> str:
    """Return how the value of a key begins whose company and reference are given, perhaps with a piece of how many."""
    filled = [*given, *_PIECE_OF_TOTAL[len(given) - 2 :]] if extra else given
    elements = read_urn(f"urn:epc:id:{name}:{'.'.join(filled)}{'.1' if serial else ''}")
    assert elements is not None
    value = elements[0][1]
    return value[: len(value) - sum(map(len, filled[len(given) :]))]


def check_pattern(text: str) -> None:
    """Raise `IdentifierError` unless `text` is a pattern: components as in an identity, then stars.

    A pattern without a star matches one thing; one of stars alone, all of its scheme.
    """
    if not is_pattern(text):
        raise broken(text, "it is no pattern")
    read_pattern(text)


def _check_parts(text: str, rules: tuple[Callable[[str], bool], ...], parts: list[str], *, open_parts: int = 0) -> None:
    if len(parts) + open_parts != len(rules):
        raise broken(text, f"it has {len(rules)} components, {len(parts) + open_parts} were given")
    for position, (part, rule) in enumerate(zip(parts, rules, strict=False), start=1):
        if not rule(part):
            raise broken(text, f"component {position} breaks the rules of its scheme")
