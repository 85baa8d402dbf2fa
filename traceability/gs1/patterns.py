"""What a question asks of the identifiers in an event: one thing, whatever belongs to a lot or class, or a company's.

EPCIS 2.0 §8.2.7.1.1 lets the MATCH parameters hold identifiers and EPC patterns. A class or lot stands for its members
too, whether it is written as a pattern (`urn:epc:idpat:sgtin:9521234.000001.*`) or as a Digital Link, which are one
identifier here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from traceability.gs1.company_prefixes import FROM_SECOND
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.epc_patterns import ManyThings, read_pattern
from traceability.gs1.identifiers import Identifier, Kind, parse_identifier

PREFIX_DIGITS: Final = 7
"""Digits of a key that the index keeps: company prefixes have 6 to 12, and no key shows where its own ends."""

_LEAST_DIGITS: Final = 6
_LEADING: Final = re.compile(f"[0-9]{{{_LEAST_DIGITS},{PREFIX_DIGITS}}}").match
_THIRD_PARTY: Final = "/235/"


@dataclass(frozen=True, slots=True)
class OneThing:
    """A thing, place, document or private URI, by its subject."""

    subject: str

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags of which an event that matches has one."""
        return (f"item:{self.subject}",)

    def may_match(self, uri: str) -> bool:
        """Tell at a glance whether a canonical identifier may be meant: a subject leaves out lots, never the end."""
        return uri.endswith(self.subject.rpartition("/")[2])

    def matches(self, identifier: Identifier) -> bool:
        """Tell whether an identifier is meant."""
        return identifier.subject == self.subject


@dataclass(frozen=True, slots=True)
class OfLot:
    """A lot, and whatever names it beside its serial."""

    subject: str
    lot_uri: str

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags of which an event that matches has one."""
        return (f"lot:{self.lot_uri}",)

    def may_match(self, uri: str) -> bool:
        """Tell at a glance whether a canonical identifier may be meant."""
        return self.lot_uri.rpartition("/")[2] in uri

    def matches(self, identifier: Identifier) -> bool:
        """Tell whether an identifier is meant."""
        return identifier.lot_uri == self.lot_uri


@dataclass(frozen=True, slots=True)
class OfClass:
    """A class, its lots and its items."""

    subject: str
    class_uri: str

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags of which an event that matches has one."""
        return (f"class:{self.class_uri}",)

    def may_match(self, uri: str) -> bool:
        """Tell at a glance whether a canonical identifier may be meant."""
        return uri.startswith(self.class_uri)

    def matches(self, identifier: Identifier) -> bool:
        """Tell whether an identifier is meant."""
        return identifier.class_uri == self.class_uri


@dataclass(frozen=True, slots=True)
class OfCompany:
    """Everything of one kind of key under a company prefix, or what of it begins alike; it names no thing, so it opens
    none.
    """  # noqa: D205 - one sentence

    pattern: ManyThings
    subject: None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the tags of which an event that matches has one; none for the pattern of every company."""
        key, prefix = self.pattern.key, self.pattern.company
        if not prefix:
            return ()
        if len(prefix) >= PREFIX_DIGITS:
            return (f"prefix:{key}/{prefix[:PREFIX_DIGITS]}",)
        return tuple([f"prefix:{key}/{prefix}{digit}" for digit in ("", *"0123456789")])

    def may_match(self, uri: str) -> bool:
        """Tell at a glance whether a canonical identifier may be meant."""
        return uri.startswith(f"{RESOLVER}/{self.pattern.key}/{self.pattern.begins}")

    def matches(self, identifier: Identifier) -> bool:
        """Tell whether an identifier is meant."""
        key, tail = self.pattern.key, self.pattern.tail
        if identifier.key != key or not _from_prefix(identifier).startswith(self.pattern.company):
            return False
        if not self.may_match(identifier.uri):
            return False
        # Two schemes of EPC write a GTIN: with GS1's serial, and with a third party's.
        return key != "01" or identifier.serial is None or (_THIRD_PARTY in identifier.uri) == (tail == "235")


@dataclass(frozen=True, slots=True)
class OfScheme:
    """Everything of another body's scheme, or what of it begins alike; it names no thing, and no tag leads to it."""

    pattern: ManyThings
    subject: None = None
    tags: tuple[str, ...] = ()

    def may_match(self, uri: str) -> bool:
        """Tell at a glance whether a canonical identifier may be meant."""
        return uri.startswith(self.pattern.begins)

    def matches(self, identifier: Identifier) -> bool:
        """Tell whether an identifier is meant."""
        return self.may_match(identifier.uri)


Pattern: TypeAlias = OneThing | OfLot | OfClass | OfCompany | OfScheme


def parse_pattern(text: str) -> Pattern:
    """Read a value of a MATCH parameter; raises `IdentifierError`."""
    many = read_pattern(text)
    if many is not None:
        return OfScheme(many) if many.key is None else OfCompany(many)
    identifier = parse_identifier(text)
    if identifier.kind is Kind.LOT and identifier.lot_uri is not None:
        return OfLot(identifier.subject, identifier.lot_uri)
    if identifier.kind is Kind.CLASS and identifier.class_uri is not None:
        return OfClass(identifier.subject, identifier.class_uri)
    return OneThing(identifier.subject)


def prefix_tag(identifier: Identifier) -> str | None:
    """Return the tag under which all of a company's things are found: `prefix:01/9521234`, key and leading digits.

    It holds more than one company where prefixes are longer; the rest is checked.
    """
    if identifier.key is None:
        return None
    digits = _LEADING(_from_prefix(identifier))
    return None if digits is None else f"prefix:{identifier.key}/{digits[0]}"


def _from_prefix(identifier: Identifier) -> str:
    """Return the rest of the URI from where the company prefix begins."""
    key = identifier.key or ""
    return identifier.uri[len(RESOLVER) + 2 + len(key) + (key in FROM_SECOND) :]
