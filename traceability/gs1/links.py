"""A Digital Link whole: what its path names and what its query adds, in either direction.

`traceability.gs1.digital_link` reads what a link names, which is all that events keep of it. Here the attributes are
read and written too, and held to their rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from traceability.gs1.application_identifiers import AI_OF_WORD, APPLICATION_IDENTIFIERS, QUALIFIERS, padded, validated
from traceability.gs1.digital_link import RESOLVER, ElementString, digital_link, no_key, path_pairs, read_path
from traceability.gs1.element_strings import add
from traceability.gs1.errors import IdentifierError
from traceability.gs1.percent import decode, decode_query, encode
from traceability.gs1.uris import WEB, is_absolute_uri

_NO_HOST: Final = re.compile("[!$&'()*+,;=]").search
_NUMBER: Final = re.compile("[0-9]+").fullmatch
_ATTRIBUTES: Final = re.compile("[^&;]+").finditer
_GTIN_DIGITS: Final = 14


def read_link(text: str, *, strict: bool = False) -> dict[str, str]:
    """Read a link on any domain; return values by Application Identifier: key, qualifiers, attributes.

    Parameters of the query that are no numbers belong to others and are passed over. `strict` refuses what only
    versions 1.0 and 1.1 of the standard had, words for numbers and GTINs without their leading zeros, and a scheme in
    mixed case. Raises `IdentifierError`.
    """
    web = WEB(text)
    if web is None or not is_absolute_uri(text):
        raise IdentifierError(f"{text!r} is no http URI.", code="gs1.not_a_uri")
    if odd := _NO_HOST(web[1]):
        raise IdentifierError(f"{web[1]!r} is no host.", code="gs1.not_a_uri", at=web.start(1) + odd.start())
    try:
        elements = read_path(web[2], stem=True)
    except IdentifierError as error:
        raise _located(error, web[2]).moved(web.start(2)) from None
    if elements is None:
        raise no_key(web[2]).moved(web.start(2))
    if strict:
        _check_scheme(text)
        _check_spelling(web[2], web.start(2))
    ais = dict(elements)
    if web[3]:
        _read_query(ais, elements[0][0], web[3], web.start(3), strict=strict)
    return ais


def link_of(ais: Mapping[str, str], stem: str = RESOLVER) -> str:
    """Return the link on `stem` that says all of `ais`: the first primary key, its qualifiers, the rest as attributes.

    Raises `IdentifierError`: `gs1.unknown_key` without a primary key, `gs1.qualifier` or `gs1.attribute` for what no
    link with that key can say.
    """
    refused = IdentifierError("A link needs a primary key, such as (01) or (00).", code="gs1.unknown_key")
    for position, key in enumerate([code for code in ais if code in QUALIFIERS]):
        qualifiers = _qualifiers(key)
        try:
            path = digital_link([(code, value) for code, value in ais.items() if code == key or code in qualifiers])
            attributes = [element for element in ais.items() if element[0] != key and element[0] not in qualifiers]
            return stem.rstrip("/") + path.removeprefix(RESOLVER) + _written_query(attributes)
        except IdentifierError as error:
            refused = error if position == 0 else refused
    raise refused


def key_link(ais: Mapping[str, str]) -> str | None:
    """Return the canonical link of what `ais` name, without attributes; None when no link names it."""
    try:
        return link_of(ais).partition("?")[0]
    except IdentifierError:
        return None


def _qualifiers(key: str) -> frozenset[str]:
    return frozenset([code for sequence in QUALIFIERS[key] for code in sequence])


def _written_query(attributes: Iterable[ElementString]) -> str:
    query = []
    for code, value in attributes:
        if not APPLICATION_IDENTIFIERS[code].attribute:
            raise _no_attribute(code, 0)
        query.append(f"{code}={encode(value)}")
    return "?" + "&".join(query) if query else ""


def _read_query(ais: dict[str, str], key: str, query: str, start: int, *, strict: bool) -> None:
    in_path = _qualifiers(key) | {key}
    for attribute in _ATTRIBUTES(query):
        name, _, raw = attribute[0].partition("=")
        at = start + attribute.start()
        word = decode_query(name)
        code = word if strict else AI_OF_WORD.get(word, word)
        if code in in_path:
            raise IdentifierError(f"({code}) belongs into the path, not the query.", code="gs1.qualifier", at=at)
        if _NUMBER(code) is None:
            continue
        if code not in APPLICATION_IDENTIFIERS:
            raise IdentifierError(f"There is no Application Identifier {code!r}.", code="gs1.unknown_ai", at=at)
        if not APPLICATION_IDENTIFIERS[code].attribute:
            raise _no_attribute(code, at)
        value = decode_query(raw)
        try:
            add(ais, code, value if strict else padded(code, value), at + len(name) + 1)
        except IdentifierError:
            # A word that happens to be one of version 1.0 may be anybody's parameter.
            if word == code:
                raise


def _no_attribute(code: str, at: int) -> IdentifierError:
    title = APPLICATION_IDENTIFIERS[code].title
    return IdentifierError(f"{title} ({code}) is no attribute of this link.", code="gs1.attribute", at=at)


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
