"""What events speak of: things, by the names that folds know them by, and the parts that they play.

A *thing* is anything that moves or is counted: one item, a lot, a logistic unit, a class. Its name is the canonical
URI of its identity, so that a serial with and without its lot beside it is one thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from traceability.gs1.epcis import Item
from traceability.gs1.identifiers import Identifier, IdentifierError, Kind, digital_link, parse_identifier


class Role(StrEnum):
    """The part that a thing plays in an event."""

    OBJECT = "object"
    PARENT = "parent"
    CHILD = "child"
    INPUT = "input"
    OUTPUT = "output"


ROLES: Final[Mapping[str, tuple[Role, bool]]] = {
    "epcList": (Role.OBJECT, False),
    "quantityList": (Role.OBJECT, True),
    "parentID": (Role.PARENT, False),
    "childEPCs": (Role.CHILD, False),
    "childQuantityList": (Role.CHILD, True),
    "inputEPCList": (Role.INPUT, False),
    "inputQuantityList": (Role.INPUT, True),
    "outputEPCList": (Role.OUTPUT, False),
    "outputQuantityList": (Role.OUTPUT, True),
}
"""The role of what stands in each list of the what dimension, and whether the list counts it."""

_LOT_LENGTH: Final = 20  # characters that AI (10) may have
# A serial, lot or logistic unit with nothing to decode: even when it breaks GS1's rules, it is the name of the thing.
_PLAIN: Final = re.compile(
    r"https://id\.gs1\.org/(?:01/[0-9]{14}/(?:21|10)/[A-Za-z0-9][A-Za-z0-9._-]{0,19}|00/[0-9]{18})"
).fullmatch
_CARRIERS: Final = tuple(f"https://id.gs1.org/{key}/" for key in ("00", "8003", "8004"))
_TRADE_ITEM: Final = "https://id.gs1.org/01/"
_GTIN: Final = slice(len(_TRADE_ITEM), len(_TRADE_ITEM) + 14)
_QUALIFIED: Final = slice(_GTIN.stop + len("/21/"))


class Mention(msgspec.Struct, frozen=True, gc=False):
    """One item of an event: `thing` in its role; `class_level` when the event counts it instead of naming each.

    `lot` is the lot's URI when the item names it beside its serial.
    """

    thing: str
    role: Role
    class_level: bool
    lot: str | None
    quantity: Decimal | None
    uom: str | None


class Subjects(NamedTuple):
    """What a question is about: things and lots by name, transformations by their transformationID.

    An event concerns a thing that it mentions, a lot of which it names a member, a transformation that it is part of.
    """

    things: AbstractSet[str] = frozenset()
    lots: AbstractSet[str] = frozenset()
    transformations: AbstractSet[str] = frozenset()

    @property
    def tags(self) -> list[str]:
        """Return the tags under which the index holds the events that are meant."""
        named = (("item", self.things), ("lot", self.lots), ("transformation", self.transformations))
        return [f"{kind}:{name}" for kind, names in named for name in names]


def mentions_in(items: Iterable[Item]) -> list[Mention]:
    """Return what items say of things, in order; those of no list in `ROLES` say nothing."""
    found = []
    for item in items:
        part, uri = ROLES.get(item.list), item.id
        if part is None:
            continue
        # Most items are one serial or lot of a product or one logistic unit, which are written in only one way.
        if _PLAIN(uri) is not None:
            found.append(Mention(uri, part[0], part[1], None, item.quantity, item.uom))
        else:
            found.append(_mention(item, part))
    return found


def _mention(item: Item, part: tuple[Role, bool]) -> Mention:
    uri, (role, class_level) = item.id, part
    identifier = identify(uri)
    if identifier is None:
        return Mention(uri, role, class_level, None, item.quantity, item.uom)
    # A lot of one variant of a product belongs to the lot; the lot itself to none.
    lot = None if identifier.lot_uri == identifier.subject else identifier.lot_uri
    return Mention(identifier.subject, role, class_level, lot, item.quantity, item.uom)


def identify(uri: str) -> Identifier | None:
    """Read an identifier that an event holds; None for one that was recorded although it breaks GS1's rules."""
    try:
        return parse_identifier(uri)
    except IdentifierError:
        return None


def thing_of(uri: str) -> str:
    """Return the name of the thing that an identifier means: its subject."""
    if _PLAIN(uri) is not None:
        return uri
    identifier = identify(uri)
    return uri if identifier is None else identifier.subject


def things_of(uris: Iterable[str]) -> list[str]:
    """Return the names of the things that identifiers mean."""
    plain = _PLAIN
    return [uri if plain(uri) is not None else thing_of(uri) for uri in uris]


def lot_of(thing: str, number: str) -> str | None:
    """Return the URI of the lot `number` of a trade item; None when the thing has no GTIN."""
    if len(number) > _LOT_LENGTH:
        return None
    if _PLAIN(thing) is not None:
        return _lot_link(thing[_GTIN], number) if thing.startswith(_TRADE_ITEM) else None
    identifier = identify(thing)
    if identifier is None or identifier.gtin is None:
        return None
    return _lot_link(identifier.gtin, number)


@lru_cache(maxsize=1024)
def _lot_link(gtin: str, number: str) -> str | None:
    # A thousand packs are commissioned with one lot: it is written and checked once.
    try:
        return digital_link((("01", gtin), ("10", number)))
    except IdentifierError:
        return None


def kind_of(thing: str) -> Kind:
    """Return what kind of thing a name means; what breaks GS1's rules is somebody's private name."""
    if thing.startswith(_TRADE_ITEM) and _PLAIN(thing) is not None:
        return _kind_under(thing[_QUALIFIED])
    identifier = identify(thing)
    return Kind.PRIVATE if identifier is None else identifier.kind


@lru_cache(maxsize=1024)
def _kind_under(qualified: str) -> Kind:
    # A plain serial or lot breaks no rule, whatever its characters: what stands before it decides, and there is little.
    identifier = identify(f"{qualified}1")
    return Kind.PRIVATE if identifier is None else identifier.kind


def is_class(thing: str) -> bool:
    """Tell whether the thing is a mere class (a GTIN without lot or serial), which ties nothing together."""
    return _PLAIN(thing) is None and kind_of(thing) is Kind.CLASS


def is_carrier(thing: str) -> bool:
    """Tell whether the thing carries others: a logistic unit or an asset, which is filled again and again."""
    return thing.startswith(_CARRIERS)


def is_lot(thing: str) -> bool:
    """Tell whether the thing is a batch of a trade item."""
    return "/10/" in thing and kind_of(thing) is Kind.LOT
