"""Values of GS1 Application Identifiers: which are right, and what is wrong with the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from traceability.gs1 import linters
from traceability.gs1.ai_table import AI_TABLE, APPLICATION_IDENTIFIERS, Sequences
from traceability.gs1.coupons import couponcode, couponposoffer
from traceability.gs1.errors import IdentifierError
from traceability.gs1.linters import CSET39, CSET64, CSET82, Fault, Linter

__all__ = [
    "AI_OF_WORD",
    "APPLICATION_IDENTIFIERS",
    "QUALIFIERS",
    "Association",
    "associations",
    "check",
    "code_at",
    "longest",
    "padded",
    "validated",
]

QUALIFIERS: Final[Mapping[str, Sequences]] = {ai.code: ai.qualifiers for ai in AI_TABLE if ai.qualifiers is not None}
"""The primary keys, and for each the sequences of key qualifiers that may follow it."""
AI_OF_WORD: Final[Mapping[str, str]] = {ai.word: ai.code for ai in AI_TABLE if ai.word}

_GTIN_LENGTHS: Final = frozenset({8, 12, 13})
_LENGTH_OF_CODE: Final[Mapping[str, int]] = {code[:2]: len(code) for code in APPLICATION_IDENTIFIERS}
_CHARACTERS: Final = {"N": "[0-9]", "X": CSET82, "Y": CSET39, "Z": f"(?:{CSET64}|=)"}
_CHARACTER_LINTERS: Final[Mapping[str, Linter]] = {
    "N": linters.csetnumeric,
    "X": linters.cset82,
    "Y": linters.cset39,
    "Z": linters.cset64,
}
# What each linter finds wrong: our code, and the end of a sentence that begins with the title.
_FINDINGS: Final[Mapping[Linter, tuple[str, str]]] = {
    linters.csum: ("gs1.check_digit", "has a wrong check digit"),
    linters.csumalpha: ("gs1.check_digit", "has wrong check characters"),
    linters.gcppos1: ("gs1.prefix", "does not begin with the digits of a company prefix"),
    linters.gcppos2: ("gs1.prefix", "has no company prefix behind its first digit"),
    linters.zero: ("gs1.prefix", "does not begin with 0"),
    linters.nozeroprefix: ("gs1.prefix", "begins with 0"),
    linters.pieceoftotal: ("gs1.piece", "names a piece that does not exist: pieces count from 01"),
    linters.cset64: ("gs1.character", "is no base 64"),
    linters.importeridx: ("gs1.character", "ends in a character outside its set"),
    linters.hasnondigit: ("gs1.character", "has digits alone"),
    linters.pcenc: ("gs1.percent", "has a percent sign without two hexadecimal digits"),
    linters.yymmdd: ("gs1.date", "has a date that is none"),
    linters.yymmd0: ("gs1.date", "has a date that is none"),
    linters.yyyymmdd: ("gs1.date", "has a date that is none"),
    linters.hh: ("gs1.time", "has an hour that is none"),
    linters.mi: ("gs1.time", "has a minute that is none"),
    linters.ss: ("gs1.time", "has a second that is none"),
    linters.hhmi: ("gs1.time", "has a time that is none"),
    linters.iso3166: ("gs1.country", "has a country that is none"),
    linters.iso3166999: ("gs1.country", "has a country that is none"),
    linters.iso3166alpha2: ("gs1.country", "has a country that is none"),
    linters.iso4217: ("gs1.currency", "has a currency that is none"),
    linters.iban: ("gs1.iban", "is no bank account number"),
    linters.latitude: ("gs1.coordinate", "has a latitude that is none"),
    linters.longitude: ("gs1.coordinate", "has a longitude that is none"),
    linters.posinseqslash: ("gs1.sequence", "is no place in a sequence"),
    couponcode: ("gs1.coupon", "is no coupon"),
    couponposoffer: ("gs1.coupon", "is no coupon"),
    linters.hyphen: ("gs1.value", "has a value that is not one of those permitted"),
    linters.nonzero: ("gs1.value", "has a zero where none may be"),
    linters.yesno: ("gs1.value", "has a value that is not one of those permitted"),
    linters.winding: ("gs1.value", "has a value that is not one of those permitted"),
    linters.iso5218: ("gs1.value", "has a value that is not one of those permitted"),
    linters.mediatype: ("gs1.value", "has a value that is not one of those permitted"),
    linters.packagetype: ("gs1.value", "has a value that is not one of those permitted"),
}
_LINTERS: Final[Mapping[str, Linter]] = {linter.__name__: linter for linter in _FINDINGS}
_COMPONENT: Final = re.compile(r"(\[?)([NXYZ])(\.\.)?([0-9]+)((?::[a-z0-9]+)*)\]?").fullmatch


@dataclass(frozen=True, slots=True)
class _Component:
    kind: str
    least: int
    most: int
    optional: bool
    linters: tuple[Linter, ...]


@dataclass(frozen=True, slots=True)
class _Format:
    """What a value may look like: `shape` matches lengths and characters, `linted` are spans that need more."""

    components: tuple[_Component, ...]
    least: int
    most: int
    shape: Callable[[str], object]
    linted: tuple[tuple[int, int, Linter], ...]


@cache
def _format(text: str) -> _Format:
    components = tuple([_component(part) for part in text.split(" ")])
    shape = "".join(
        [
            f"(?:{_CHARACTERS[part.kind]}{{{part.least},{part.most}}}){'?' if part.optional else ''}"
            for part in components
        ]
    )
    linted, at = [], 0
    for part in components:
        linted += [(at, at + part.most, linter) for linter in part.linters]
        at += part.most
    least = sum(part.least for part in components if not part.optional)
    return _Format(components, least, at, re.compile(shape).fullmatch, tuple(linted))


def _component(text: str) -> _Component:
    found = _COMPONENT(text)
    assert found is not None, text
    optional, kind, upto, length, names = found.groups()
    chosen = [_LINTERS[name] for name in names.split(":")[1:]]
    if kind == "N":  # digits alone begin with a company prefix in any case
        chosen = [linter for linter in chosen if linter not in (linters.gcppos1, linters.gcppos2)]
    if kind == "Z":
        chosen.append(linters.cset64)
    return _Component(kind, 1 if upto else int(length), int(length), bool(optional), tuple(chosen))


_FORMATS: Final = {ai.code: _format(ai.format) for ai in AI_TABLE}
_CHECKS: Final = {code: (form.shape, form.linted) for code, form in _FORMATS.items()}


def code_at(text: str, start: int) -> str | None:
    """Return the Application Identifier with which `text` goes on at `start`: its first two digits tell its length."""
    length = _LENGTH_OF_CODE.get(text[start : start + 2], 0)
    code = text[start : start + length]
    return code if code in APPLICATION_IDENTIFIERS else None


def longest(code: str) -> int:
    """Return how many characters a value of an Application Identifier has at most."""
    return _FORMATS[code].most


def validated(code: str, value: str) -> str:
    """Return `value` as the Application Identifier `code` carries it, a GTIN padded to 14 digits.

    Raises `IdentifierError` with `gs1.length`, `gs1.character` or the code of the rule that is broken.
    """
    if code == "01":
        value = padded(code, value)
    check(code, value)
    return value


def padded(code: str, value: str) -> str:
    """Return a GTIN of 8, 12 or 13 digits with its leading zeros, any other value as it is."""
    return value.rjust(14, "0") if code == "01" and len(value) in _GTIN_LENGTHS else value


def check(code: str, value: str) -> None:
    """Raise `IdentifierError`, as `validated` does, unless the value is right as it is."""
    shape, linted = _CHECKS[code]
    if shape(value) is None:
        raise _misshapen(code, _FORMATS[code], value)
    for start, stop, linter in linted:
        part = value[start:stop]
        if part and (fault := linter(part)) is not None:
            raise _broken(code, value, linter, fault, start)


def _broken(code: str, value: str, linter: Linter, fault: Fault, start: int) -> IdentifierError:
    ours, says = _FINDINGS[linter]
    return IdentifierError(
        f"{APPLICATION_IDENTIFIERS[code].title} ({code}) {says}: {value!r}.",
        code=ours,
        hint="Keys of free length begin with the digits of a GS1 company prefix." if ours == "gs1.prefix" else "",
        at=start + fault.start,
        fault=fault.error,
    )


def _misshapen(code: str, form: _Format, value: str) -> IdentifierError:
    title = APPLICATION_IDENTIFIERS[code].title
    start = 0
    for part in form.components:
        fault = _CHARACTER_LINTERS[part.kind](value[start : start + part.most])
        if fault is not None:
            return IdentifierError(
                f"{title} ({code}) has a character outside its set in {value!r}.",
                code="gs1.character",
                at=start + fault.start,
                fault=fault.error,
            )
        start += part.most
    allowed = str(form.most) if form.least == form.most else f"{form.least} to {form.most}"
    return IdentifierError(
        f"{title} ({code}) takes {allowed} characters, {len(value)} were given.",
        code="gs1.length",
        at=min(len(value), form.most),
    )


@dataclass(frozen=True, slots=True)
class Association:
    """A rule about what stands on one item that some Application Identifiers do not keep.

    `code` is the identifier that has the rule. Either it goes with none of `excluded`, which are there, or one of the
    alternatives of `needed`, which are patterns, must be there too.
    """

    code: str
    needed: Sequences = ()
    excluded: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def associations(codes: tuple[str, ...]) -> tuple[Association, ...]:
    """Return the broken rules of what goes with what, of everything that one physical item carries.

    One bar code of an item need not have all: the rest may stand in another.
    """
    broken = []
    for code in codes:
        ai = APPLICATION_IDENTIFIERS[code]
        found = tuple([other for other in codes if other != code and _any_like(other, ai.excludes)])
        if found:
            broken.append(Association(code, excluded=found))
        if ai.needs and not any(all(_is_there(wanted, codes) for wanted in group) for group in ai.needs):
            broken.append(Association(code, needed=ai.needs))
    return tuple(broken)


def _any_like(code: str, patterns: tuple[str, ...]) -> bool:
    return any(_like(code, pattern) for pattern in patterns)


def _is_there(pattern: str, codes: tuple[str, ...]) -> bool:
    return any(_like(code, pattern) for code in codes)


def _like(code: str, pattern: str) -> bool:
    return len(code) == len(pattern) and code.startswith(pattern.rstrip("n"))
