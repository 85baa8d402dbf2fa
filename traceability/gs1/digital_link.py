"""GS1 Digital Link URIs: paths of Application Identifiers and values, read and written.

The canonical form is the uncompressed link on `https://id.gs1.org`, without attributes: primary key, then key
qualifiers in the standard's order. Links of versions 1.0 and 1.1, which could say `/gtin/` for `/01/` and leave
out a GTIN's leading zeros, are read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, TypeAlias

from traceability.gs1.application_identifiers import (
    AI_OF_WORD,
    APPLICATION_IDENTIFIERS,
    QUALIFIERS,
    validated,
)
from traceability.gs1.check_digits import check_digit
from traceability.gs1.errors import IdentifierError
from traceability.gs1.percent import decode, encode

RESOLVER: Final = "https://id.gs1.org"
"""The stem of every canonical link."""

ElementString: TypeAlias = tuple[str, str]
"""An Application Identifier and its value, not percent-encoded."""

# A payment slip is an invoicing party and a reference; the GLN alone would be a party, which is (417).
_INCOMPLETE_ALONE: Final = frozenset({"415"})
# For each key the qualifiers that may be given together, and in which order they then follow.
_ORDERS: Final[Mapping[str, Mapping[frozenset[str], tuple[str, ...]]]] = {
    key: {
        frozenset(order): order
        for sequence in sequences
        for count in range(key in _INCOMPLETE_ALONE, len(sequence) + 1)
        for order in combinations(sequence, count)
    }
    for key, sequences in QUALIFIERS.items()
}
# Nearly all links are a GTIN with what is letters and digits behind it; one look at such a path finds no fault but in
# the check digit. Everything else is read segment by segment.
_PLAIN_VALUE: Final = "([A-Za-z0-9._-]{1,20})"
_PLAIN_TAIL: Final = f"/01/([0-9]{{14}})(?:/22/{_PLAIN_VALUE})?(?:/10/{_PLAIN_VALUE})?(?:/21/{_PLAIN_VALUE})?"
_PLAIN: Final = re.compile(_PLAIN_TAIL).fullmatch
_PLAIN_BEHIND_STEM: Final = re.compile(f"(?:/[^/]*)*?{_PLAIN_TAIL}").fullmatch
_PLAIN_CODES: Final = ("01", "22", "10", "21")
_COMPRESSED: Final = re.compile("/[A-Za-z0-9_-]{10,}").fullmatch


def digital_link(elements: Sequence[ElementString]) -> str:
    """Return the canonical link of a primary key and its qualifiers, given in any order.

    Raises `IdentifierError` when there is not exactly one primary key (`gs1.unknown_key`), when qualifiers are
    repeated or do not belong to it (`gs1.qualifier`), or when a value breaks its rule.
    """
    keys = [element for element in elements if element[0] in QUALIFIERS]
    if len(keys) != 1:
        raise IdentifierError(f"A link has one primary key, not {len(keys)}.", code="gs1.unknown_key")
    key = keys[0]
    given = [element for element in elements if element is not key]
    order = path_order(key[0], [code for code, _ in given])
    return written(checked((key, *sorted(given, key=lambda element: order.index(element[0])))))


def path_order(key: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return the qualifiers that are given in the order in which they follow the key.

    Raises `IdentifierError` (`gs1.qualifier`) when they do not belong to it, or together, or one that it needs is not
    there.
    """
    order = _ORDERS[key].get(frozenset(given))
    if order is None or len(order) != len(given):
        raise _misplaced(key, given)
    return order


def written(elements: Sequence[ElementString]) -> str:
    """Return the canonical link of elements that are already checked and in order."""
    return RESOLVER + "".join([f"/{code}/{encode(value)}" for code, value in elements])


def checked(elements: Sequence[ElementString]) -> tuple[ElementString, ...]:
    """Return `elements`, a primary key and its qualifiers in order, with every value validated and normal.

    A GLN extension of a single zero means that there is none (TDS §6.3.3) and is left out.
    """
    key = elements[0][0]
    if len(elements) > 1 or key in _INCOMPLETE_ALONE:
        given = tuple([code for code, _ in elements[1:]])
        if path_order(key, given) != given:
            raise _misplaced(key, given)
    return tuple([(code, validated(code, value)) for code, value in elements if code != "254" or value != "0"])


def read_path(path: str, *, stem: bool = False) -> tuple[ElementString, ...] | None:
    """Return the elements of a link's path as sent, still percent-encoded: `/01/09521234000013/21/1001`.

    With `stem` the key may stand behind other segments, as it may on a company's own domain, and the result is
    None when the path names no primary key at all. Raises `IdentifierError` when the path is not a link.
    """
    plain = _PLAIN(path) or (_PLAIN_BEHIND_STEM(path) if stem else None)
    if plain is not None and check_digit(plain[1][:-1]) == plain[1][-1]:
        return tuple([element for element in zip(_PLAIN_CODES, plain.groups(), strict=True) if element[1]])
    return _read_segments(path, stem=stem)


def _read_segments(path: str, *, stem: bool) -> tuple[ElementString, ...] | None:
    segments = path.split("/")
    start = _key_position(segments, stem=stem)
    if start is None:
        if stem:
            return None
        raise no_key(path)
    if (len(segments) - start) % 2:
        raise IdentifierError(f"The path {path!r} ends in an identifier without a value.", code="gs1.qualifier")
    codes = [AI_OF_WORD.get(segment, segment) for segment in segments[start::2]]
    return checked(list(zip(codes, map(decode, segments[start + 1 :: 2]), strict=True)))


def path_pairs(path: str) -> Iterator[tuple[int, str, str]]:
    """Yield the Application Identifiers of a link's path with their values, still encoded, and where each begins."""
    segments = path.split("/")
    start = _key_position(segments, stem=True) or len(segments)
    at = sum(len(segment) + 1 for segment in segments[:start])
    for segment, raw in zip(segments[start::2], segments[start + 1 :: 2], strict=False):
        at += len(segment) + 1
        yield at, AI_OF_WORD.get(segment, segment), raw
        at += len(raw) + 1


def check_query(key: str, query: str) -> None:
    """Refuse a query that says again, or says only there, what the path must say.

    Attributes are read by nobody here, but a serial hidden among them would turn an item into its class.
    """
    names = [decode(attribute.partition("=")[0]) for attribute in re.split("[&;]", query)]
    named = {AI_OF_WORD.get(name, name) for name in names}
    misplaced = sorted(named & {key, *(code for sequence in QUALIFIERS[key] for code in sequence)})
    if misplaced:
        raise IdentifierError(f"({misplaced[0]}) belongs into the path, not the query.", code="gs1.qualifier")


def no_key(path: str) -> IdentifierError:
    """Return the error of a path that names no primary key."""
    if _COMPRESSED(path) is not None and path[1:] not in AI_OF_WORD:
        return IdentifierError(
            f"The path {path!r} seems to be a compressed link.",
            code="gs1.compressed",
            hint="Compressed links are not read; GS1 no longer recommends them. Send the uncompressed link.",
        )
    return IdentifierError(
        f"The path {path!r} does not begin with a GS1 primary key and its value.",
        code="gs1.unknown_key",
        hint="It should look like /01/09521234000013/21/1001.",
    )


def _key_position(segments: Sequence[str], *, stem: bool) -> int | None:
    """Return where the primary key stands: first, or with `stem` as the last of the pairs counted from the end.

    Counting pairs keeps a lot that happens to read `414` from being taken for a key.
    """
    positions = range(len(segments) - 2, 0, -2) if stem else range(1, min(2, len(segments) - 1))
    for position in positions:
        if AI_OF_WORD.get(segments[position], segments[position]) in QUALIFIERS:
            return position
    return None


def _misplaced(key: str, given: Sequence[str]) -> IdentifierError:
    wanted = " or ".join(", ".join(sequence) or "none" for sequence in QUALIFIERS[key])
    title = APPLICATION_IDENTIFIERS[key].title
    return IdentifierError(
        f"{title} ({key}) does not take the qualifiers ({', '.join(given)}): it takes {wanted}, in this order.",
        code="gs1.qualifier",
    )
