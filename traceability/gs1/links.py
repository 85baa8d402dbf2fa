"""A Digital Link whole: what its path names and what its query adds, in either direction.

`traceability.gs1.digital_link` reads what a link names, which is all that events keep of it. Here the attributes are
read and written too, and held to their rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from traceability.gs1.application_identifiers import AI_OF_WORD, APPLICATION_IDENTIFIERS, QUALIFIERS, padded, validated
from traceability.gs1.digital_link import RESOLVER, no_key, path_order, path_pairs, read_path
from traceability.gs1.element_strings import add
from traceability.gs1.errors import IdentifierError
from traceability.gs1.percent import decode, decode_query, encode

_NEVER: Final = r"\x00-\x20\x7f\"<>\\^`{|}"
"""What no URI holds unescaped."""
_HOST: Final = rf"(?i:https?)://[^/?#!$&'()*+,;={_NEVER}]+"
_LINK: Final = re.compile(rf"{_HOST}((?:/[^?#{_NEVER}]*)?)(?:\?([^#{_NEVER}]*))?(?:#[^{_NEVER}]*)?").fullmatch
_AS_FAR: Final = re.compile(rf"{_HOST}(?:[/?#][^{_NEVER}]*)?").match
_NUMBER: Final = re.compile("[0-9]+").fullmatch
_ATTRIBUTES: Final = re.compile("[&;]*([^&;=]*)(?:=([^&;]*))?").finditer
_GTIN_DIGITS: Final = 14
_QUALIFIERS: Final = {
    key: frozenset([code for sequence in sequences for code in sequence]) for key, sequences in QUALIFIERS.items()
}


def read_link(text: str, *, strict: bool = False) -> dict[str, str]:
    """Read a link on any domain; return values by Application Identifier: key, qualifiers, attributes.

    Parameters of the query that are no numbers, or have no value, belong to others and are passed over. `strict`
    refuses what only versions 1.0 and 1.1 had, words for numbers and GTINs without their leading zeros, and
    spellings that the standard does not have: a scheme in mixed case, letters that are not ASCII. Raises
    `IdentifierError`.
    """
    web = _LINK(text)
    if web is None or not (text.isascii() or (text.isprintable() and not strict)):
        raise _no_link(text)
    try:
        elements = read_path(web[1], stem=True)
    except IdentifierError as error:
        raise _located(error, web[1]).moved(web.start(1)) from None
    if elements is None:
        raise no_key(web[1]).moved(web.start(1))
    if strict:
        _check_scheme(text)
        _check_spelling(web[1], web.start(1))
    ais = dict(elements)
    if web[2]:
        _read_query(ais, elements[0][0], web[2], web.start(2), strict=strict)
    return ais


def link_of(ais: Mapping[str, str], stem: str = RESOLVER) -> str:
    """Return the link on `stem` that says all of `ais`: the first primary key, its qualifiers, the rest as attributes.

    Raises `IdentifierError`: `gs1.unknown_key` without a primary key, `gs1.qualifier` or `gs1.attribute` for what no
    link with that key can say.
    """
    refused = None
    for key in ais:
        if key in QUALIFIERS:
            try:
                return stem.rstrip("/") + _written(key, ais)
            except IdentifierError as error:
                refused = refused or error
    raise refused or IdentifierError("A link needs a primary key, such as (01) or (00).", code="gs1.unknown_key")


def _written(key: str, ais: Mapping[str, str]) -> str:
    qualifiers = _QUALIFIERS[key]
    given, query = [], ""
    for code, value in ais.items():
        if code in qualifiers:
            given.append(code)
        elif code != key:
            if not APPLICATION_IDENTIFIERS[code].attribute:
                raise _no_attribute(code, 0)
            query += f"{'&' if query else '?'}{code}={encode(value)}"
    path = f"/{key}/{encode(ais[key])}"
    for code in path_order(key, given):
        if code != "254" or ais[code] != "0":  # which means that there is no extension (TDS §6.3.3)
            path += f"/{code}/{encode(ais[code])}"
    return path + query


def _read_query(ais: dict[str, str], key: str, query: str, start: int, *, strict: bool) -> None:
    qualifiers = _QUALIFIERS[key]
    for attribute in _ATTRIBUTES(query):
        name, raw = attribute.groups()
        code = name if name in APPLICATION_IDENTIFIERS else _number_meant(name, strict=strict)
        if not code or raw is None:
            continue
        at = start + attribute.start(1)
        if code == key or code in qualifiers:
            raise IdentifierError(f"({code}) belongs into the path, not the query.", code="gs1.qualifier", at=at)
        if code not in APPLICATION_IDENTIFIERS:
            raise IdentifierError(f"There is no Application Identifier {code!r}.", code="gs1.unknown_ai", at=at)
        if not APPLICATION_IDENTIFIERS[code].attribute:
            raise _no_attribute(code, at)
        value = decode_query(raw)
        try:
            add(ais, code, value if strict else padded(code, value), at + len(name) + 1)
        except IdentifierError:
            # A word that happens to be one of version 1.0 may be anybody's parameter.
            if decode_query(name) == code:
                raise


def _number_meant(name: str, *, strict: bool) -> str:
    """Return the number that a parameter's name is or stands for, "" for a parameter of somebody else."""
    word = decode_query(name)
    if _NUMBER(word):
        return word
    return "" if strict else AI_OF_WORD.get(word, "")


def _no_attribute(code: str, at: int) -> IdentifierError:
    title = APPLICATION_IDENTIFIERS[code].title
    return IdentifierError(f"{title} ({code}) is no attribute of this link.", code="gs1.attribute", at=at)


def _no_link(text: str) -> IdentifierError:
    begun = _AS_FAR(text)
    at = 0 if begun is None else begun.end()
    if at == len(text):  # what stands there can be no URI, for it cannot be seen or is not ASCII
        at = next((place for place, character in enumerate(text) if not character.isascii()), 0)
    return IdentifierError(f"{text!r} is no http URI.", code="gs1.not_a_uri", at=at)


def _located(error: IdentifierError, path: str) -> IdentifierError:
    """Return the error with the place in `path` of the value that is wrong, else of the last one that was looked at."""
    at = 0
    for at, code, raw in path_pairs(path):
        try:
            validated(code, decode(raw))
        except IdentifierError as found:
            return found.moved(at + len(_encoded(raw, found.at)) - found.at)
        except KeyError:  # a number that is no Application Identifier stands where a qualifier should
            break
    return error.moved(at - error.at)


def _encoded(raw: str, count: int) -> str:
    """Return the beginning of `raw` that decodes to `count` characters."""
    return "".join(re.findall("%[0-9A-Fa-f]{2}|.", raw, re.DOTALL)[:count])


def _check_scheme(text: str) -> None:
    scheme = text.partition(":")[0]
    if scheme not in (scheme.lower(), scheme.upper()):
        raise IdentifierError("The scheme of a link is in small letters or in capitals.", code="gs1.not_a_uri")


def _check_spelling(path: str, start: int) -> None:
    for at, code, raw in path_pairs(path):
        word = path[: at - 1].rpartition("/")[2]
        if word != code:
            raise IdentifierError(
                f"{word!r} is no Application Identifier: write {code}.",
                code="gs1.unknown_key",
                at=start + at - 1 - len(word),
            )
        if code == "01" and len(decode(raw)) != _GTIN_DIGITS:
            raise IdentifierError("A GTIN in a link has 14 digits.", code="gs1.length", at=start + at)
