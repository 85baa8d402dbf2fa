"""Identifiers of things, lots, classes, places and parties, in one spelling each, and the tags they are found by.

`parse_identifier` reads an EPC URN, a GS1 Digital Link on any domain, or any other absolute URI. GS1's own
namespaces (`urn:epc:` and `https://id.gs1.org`) are held to GS1's rules: what breaks them is an error. On any other
domain the owner decides what a path means, so a path that is not a valid link is a private URI, kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from traceability.gs1.application_identifiers import APPLICATION_IDENTIFIERS
from traceability.gs1.check_digits import check_digit
from traceability.gs1.digital_link import RESOLVER, ElementString, check_query, digital_link, read_path, written
from traceability.gs1.epc_urn import read_urn, urn_of
from traceability.gs1.errors import IdentifierError
from traceability.gs1.percent import encode
from traceability.gs1.uris import WEB, is_absolute_uri

__all__ = [
    "Identifier",
    "IdentifierError",
    "Kind",
    "Role",
    "class_tag",
    "digital_link",
    "gln_of",
    "is_absolute_uri",
    "item_tag",
    "item_tags",
    "lot_tag",
    "parse_digital_link_path",
    "parse_identifier",
    "party_tag",
    "place_tag",
    "read_identifier",
    "tags_of",
    "urn_of",
]

MAX_LENGTH: Final = 2048
"""Characters of the longest identifier that is read."""

_CACHE_ENTRIES: Final = 32_768
# Only texts this short are remembered, so that a hostile feed cannot turn the cache into a memory leak.
_CACHE_LENGTH: Final = 256

_GS1_HOSTS: Final = frozenset({"id.gs1.org", "id.gs1.org:", "id.gs1.org:80", "id.gs1.org:443"})
_GLN_KEYS: Final = frozenset({"414", "415", "417"})
_LONGEST_TAIL: Final = 20  # of (10), (21) and (00); (235) may be longer
_ANY_TAIL: Final = "Z9"
_SSCC_LENGTH: Final = 18
_SSCC_LINK: Final = f"{RESOLVER}/00/"
_ANY_SSCC: Final = "0" * 18
_SSCC_STEM: Final = re.compile(r"urn:epc:id:sscc:([0-9]{6,12})\.").fullmatch

Role: TypeAlias = Literal["item", "place", "party"]


class Kind(StrEnum):
    """What an identifier points at."""

    ITEM = "item"
    """One thing: a serialised product, a logistic unit, an asset, a document."""
    LOT = "lot"
    """A batch of a product."""
    CLASS = "class"
    """A kind of thing: a GTIN, or another key without its serial."""
    PLACE = "place"
    PARTY = "party"
    PRIVATE = "private"
    """A URI outside GS1's system; the event says what it stands for."""


class Identifier(Struct, frozen=True, gc=False):
    """One identifier, canonical.

    `uri` is what events store: the Digital Link with all its key qualifiers, or the private URI unchanged.
    `subject` is who is meant: `uri` without a product variant, and without a lot beside a serial, so that every
    spelling of one thing has one subject. `key` is the primary key's Application Identifier. `gtin` (14 digits),
    `lot` and `serial` are not percent-encoded; `serial` is also the serial part of a GRAI, GDTI or GCN, and the
    third-party serial (235). `lot_uri` is `/01/{gtin}/10/{lot}`, of a lot and of an item that names its lot;
    `class_uri` is the key without lot and serial, where there is such a class.
    """

    uri: str
    kind: Kind
    key: str | None
    gtin: str | None
    lot: str | None
    serial: str | None
    subject: str
    lot_uri: str | None
    class_uri: str | None


_ITEM: Final = Kind.ITEM  # to look a member up takes as long as to make an Identifier
TailReader: TypeAlias = Callable[[str], Identifier | None]
"""Reads letters, digits and hyphens behind what it was made for; None where that has to be read the general way."""


def parse_identifier(text: str) -> Identifier:
    """Return the identifier that `text` writes; raise `IdentifierError` when it writes none."""
    # Serial numbers and logistic units are new in nearly every event, so no cache of whole texts helps with them.
    at = text.rfind("/") + 1 or text.rfind(".") + 1
    if 0 < at <= _CACHE_LENGTH:
        tail = text[at:]
        if len(tail) <= _LONGEST_TAIL and tail.isascii() and (tail.isalnum() or tail.replace("-", "").isalnum()):
            reader = reader_after(text[:at])
            if reader is not None and (identifier := reader(tail)) is not None:
                return identifier
    return _parse_cached(text) if len(text) <= _CACHE_LENGTH else parse_afresh(text)


def read_identifier(text: str) -> tuple[Identifier, IdentifierError | None]:
    """Return an identifier even when it breaks GS1's rules, with the broken rule.

    For imported facts, which are recorded as claimed: the text stays as it is, as a private URI, so that nothing
    is corrected by guesswork. The error is also given for a link on another domain that nearly is one. Raises
    `IdentifierError` (`gs1.not_a_uri`, `gs1.length`) when the text is no URI at all.
    """
    try:
        identifier = parse_identifier(text)
    except IdentifierError as error:
        if len(text) > MAX_LENGTH:
            raise
        return _private(_checked_uri(text)), error
    if identifier.kind is Kind.PRIVATE and (web := WEB(text)) is not None:
        try:
            _read_web(web, stem=True)
        except IdentifierError as error:
            return identifier, error
    return identifier, None


def parse_digital_link_path(path: str) -> Identifier:
    """Return what a request path names: `/01/{gtin}/10/{lot}/21/{serial}`, `/00/{sscc}`, `/414/{gln}` ….

    `path` is still percent-encoded, as in the request line, because a serial may contain a slash. Raises
    `IdentifierError`.
    """
    return parse_identifier(RESOLVER + path)


def gln_of(uri: str) -> str | None:
    """Return the 13-digit GLN of a place or party, whichever of the keys 414, 415 and 417 carries it."""
    try:
        identifier = parse_identifier(uri)
    except IdentifierError:
        return None
    if identifier.key not in _GLN_KEYS:
        return None
    return identifier.uri.removeprefix(f"{RESOLVER}/{identifier.key}/")[:13]


def tags_of(identifier: Identifier, role: Role) -> tuple[str, ...]:
    """Return the ledger tags of an identifier that an event mentions in `role`.

    Whatever is moved, made or counted gets `item:`, a class or lot too; its lot and class come with it.
    """
    if role == "place":
        return (place_tag(identifier),)
    if role == "party":
        return (party_tag(identifier),)
    return tuple(item_tags((identifier,)))


def item_tags(things: Iterable[Identifier]) -> list[str]:
    """Return the tags of what is moved, made or counted; a lot or class that follows itself is named once."""
    tags: list[str] = []
    lot_uri = class_uri = None
    for thing in things:
        tags.append(f"item:{thing.subject}")
        if thing.lot_uri is not None and thing.lot_uri != lot_uri:
            lot_uri = thing.lot_uri
            tags.append(f"lot:{lot_uri}")
        if thing.class_uri is not None and thing.class_uri != class_uri:
            class_uri = thing.class_uri
            tags.append(f"class:{class_uri}")
    return tags


def item_tag(identifier: Identifier) -> str:
    """Return the tag that all events touching this thing, lot or class carry."""
    return f"item:{identifier.subject}"


def lot_tag(identifier: Identifier) -> str | None:
    """Return the tag of the lot, if one is named."""
    return None if identifier.lot_uri is None else f"lot:{identifier.lot_uri}"


def class_tag(identifier: Identifier) -> str | None:
    """Return the tag of the class, if there is one."""
    return None if identifier.class_uri is None else f"class:{identifier.class_uri}"


def place_tag(identifier: Identifier) -> str:
    """Return the tag of a read point or business location."""
    return f"place:{identifier.subject}"


def party_tag(identifier: Identifier) -> str:
    """Return the tag of a source or destination."""
    return f"party:{identifier.subject}"


@lru_cache(maxsize=_CACHE_ENTRIES)
def reader_after(stem: str) -> TailReader | None:
    """Return how to read `stem` and a plain tail, None when only the general way will do.

    No rule looks at the letters, digits and hyphens of a serial or lot number but for their count, so one tail is read
    the general way and stands for all.
    """
    if stem.endswith("/00/") and _is_sscc_link(stem):
        return _sscc
    if (units := _SSCC_STEM(stem)) is not None:
        return _sscc_under(units[1])
    return None if "?" in stem or "#" in stem else _trade_item_after(stem)


def _is_sscc_link(stem: str) -> bool:
    try:
        return parse_afresh(stem + _ANY_SSCC).uri == _SSCC_LINK + _ANY_SSCC
    except IdentifierError:
        return False


def _sscc(digits: str) -> Identifier | None:
    if len(digits) != _SSCC_LENGTH or not digits.isdigit() or check_digit(digits[:-1]) != digits[-1]:
        return None
    uri = _SSCC_LINK + digits
    return Identifier(uri, _ITEM, "00", None, None, None, uri, None, None)


def _sscc_under(prefix: str) -> TailReader:
    """Return the reader of serial references under a company prefix; their first digit is the extension digit."""
    width = _SSCC_LENGTH - 1 - len(prefix)

    def read(reference: str) -> Identifier | None:
        if len(reference) != width or not reference.isdigit():
            return None
        digits = reference[0] + prefix + reference[1:]
        uri = f"{_SSCC_LINK}{digits}{check_digit(digits)}"
        return Identifier(uri, _ITEM, "00", None, None, None, uri, None, None)

    return read


def _trade_item_after(stem: str) -> TailReader | None:
    try:
        one = parse_afresh(stem + _ANY_TAIL)
    except IdentifierError:
        return None
    uri, subject = one.uri.removesuffix(_ANY_TAIL), one.subject.removesuffix(_ANY_TAIL)
    key, gtin, batch, lot_uri, class_uri = one.key, one.gtin, one.lot, one.lot_uri, one.class_uri
    if gtin is not None and one.kind is Kind.ITEM and one.serial == _ANY_TAIL:

        def read(serial: str) -> Identifier:
            link = uri + serial
            meant = link if subject == uri else subject + serial
            return Identifier(link, _ITEM, key, gtin, batch, serial, meant, lot_uri, class_uri)

        return read
    if one.kind is Kind.LOT and batch == _ANY_TAIL:
        lots = f"{RESOLVER}/01/{gtin}/10/"
        return lambda lot: Identifier(uri + lot, Kind.LOT, key, gtin, lot, None, subject + lot, lots + lot, class_uri)
    return None


def parse_afresh(text: str) -> Identifier:
    """Do what `parse_identifier` does, for a text that does not come twice."""
    if len(text) > MAX_LENGTH:
        raise IdentifierError(f"An identifier has at most {MAX_LENGTH} characters.", code="gs1.length")
    if text.startswith("urn:epc:") or text[:8].lower() == "urn:epc:":
        elements = read_urn(text)
        return _private(_checked_uri(text)) if elements is None else _identified(elements)
    _checked_uri(text)
    web = WEB(text)
    if web is None:
        return _private(text)
    if web[1].lower() in _GS1_HOSTS:
        elements = _read_web(web, stem=False)
    else:
        try:
            elements = _read_web(web, stem=True)
        except IdentifierError:
            elements = None
    return _private(text) if elements is None else _identified(elements)


_parse_cached: Final = lru_cache(maxsize=_CACHE_ENTRIES)(parse_afresh)


def _read_web(web: re.Match[str], *, stem: bool) -> tuple[ElementString, ...] | None:
    elements = read_path(web[2], stem=stem)
    if elements is not None and web[3]:
        check_query(elements[0][0], web[3])
    return elements


def _checked_uri(text: str) -> str:
    if not is_absolute_uri(text):
        raise IdentifierError(
            f"{text!r} is not an absolute URI.",
            code="gs1.not_a_uri",
            hint="Identifiers are EPC URNs, GS1 Digital Links or other absolute URIs.",
        )
    return text


def _private(uri: str) -> Identifier:
    return Identifier(uri, Kind.PRIVATE, None, None, None, None, uri, None, None)


def _identified(elements: Sequence[ElementString]) -> Identifier:
    uri = written(elements)
    key, value = elements[0]
    if key in ("01", "8006"):
        return _trade_item(uri, key, value, dict(elements[1:]))
    kind = Kind.ITEM
    serial = class_uri = None
    serial_at = APPLICATION_IDENTIFIERS[key].serial_at
    if serial_at is not None:
        serial = value[serial_at:] or None
        class_uri = f"{RESOLVER}/{key}/{value[:serial_at]}"
    elif key == "8010":
        serial = elements[1][1] if len(elements) > 1 else None
        class_uri = f"{RESOLVER}/{key}/{encode(value)}"
    elif key == "8013":
        class_uri = uri
    elif key == "414":
        kind = Kind.PLACE
    elif key == "417":
        kind = Kind.PARTY
    if class_uri is not None and serial is None:
        kind = Kind.CLASS
    return Identifier(uri, kind, key, None, None, serial, uri, None, class_uri)


def _trade_item(uri: str, key: str, value: str, qualifiers: dict[str, str]) -> Identifier:
    gtin = value[:14]
    lot = qualifiers.get("10")
    serial = qualifiers.get("21")
    class_uri = f"{RESOLVER}/{key}/{value}"
    lot_uri = None if lot is None else f"{RESOLVER}/01/{gtin}/10/{encode(lot)}"
    if serial is not None:
        subject = uri if len(qualifiers) == 1 else f"{class_uri}/21/{encode(serial)}"
        return Identifier(uri, Kind.ITEM, key, gtin, lot, serial, subject, lot_uri, class_uri)
    if "235" in qualifiers:
        return Identifier(uri, Kind.ITEM, key, gtin, None, qualifiers["235"], uri, None, class_uri)
    if lot is not None:
        subject = f"{class_uri}/10/{encode(lot)}"
        return Identifier(uri, Kind.LOT, key, gtin, lot, None, subject, lot_uri, class_uri)
    return Identifier(uri, Kind.CLASS, key, gtin, None, None, class_uri, None, class_uri)
