"""What is told of an aircraft part: its stages, the stretches of its life and their gaps, and what is irregular."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.ledger.findings import Severity
from traceability.supply_chain.aircraft_part.events import PartReleased

POSITION: Final = "urn:traceability:part#position"
"""The extension of an installing event that tells where on the assembly, in the words of whoever runs it."""
REASON: Final = "urn:traceability:part#reason"
"""The extension of a removing event that tells why."""
SUSPECTED: Final = "suspected_unapproved"
"""The kind of a hold on a part whose origin is doubted."""


class Stage(StrEnum):
    """Where a part is in its life."""

    UNKNOWN = "unknown"
    MANUFACTURED = "manufactured"
    RELEASED = "released"
    INSTALLED = "installed"
    REMOVED = "removed"
    IN_SHOP = "in_shop"
    SCRAPPED = "scrapped"
    EXPORTED = "exported"


OVER: Final = frozenset({Stage.SCRAPPED, Stage.EXPORTED})


class Gap(StrEnum):
    """What a stretch of a part's life lacks."""

    NO_BIRTH = "no_birth"
    """It is not seen who made it, and when."""
    NO_RELEASE = "no_release"
    """It was installed without a release after it was made, removed or worked on."""
    NO_INSTALLATION = "no_installation"
    """It was removed from where nobody is seen to have installed it."""
    NO_UTILISATION = "no_utilisation"
    """It has a life limit, and nobody tells how much it flew in all of this time."""


GAPS_OF_LIFE: Final = frozenset({Gap.NO_BIRTH, Gap.NO_INSTALLATION, Gap.NO_UTILISATION})
"""Gaps in which it may have flown more than is known."""


class Lack(StrEnum):
    """Why a part is not serviceable."""

    NOT_RELEASED = "not_released"
    GAP = "gap"
    SUSPECTED = "suspected"
    HELD = "held"
    LIFE_EXPIRED = "life_expired"
    OVER = "over"


class Code(StrEnum):
    """A rule that recorded events break."""

    NOT_RELEASED = "not_released"
    INSTALLED_TWICE = "installed_twice"
    NOT_INSTALLED = "not_installed"
    RELEASED_WHILE_INSTALLED = "released_while_installed"
    ANOTHER_DOCUMENT = "another_document"
    NO_LIFE_LEFT = "no_life_left"
    AFTER_THE_END = "after_the_end"
    USED_TWICE = "used_twice"
    STRADDLES = "straddles"


MEANINGS: Final[dict[Code, tuple[str, Severity]]] = {
    Code.NOT_RELEASED: ("A part is installed under a release after it was made, removed or worked on.", "error"),
    Code.INSTALLED_TWICE: ("A part is installed in one place at a time.", "error"),
    Code.NOT_INSTALLED: ("Only what is installed there is removed.", "warning"),
    Code.RELEASED_WHILE_INSTALLED: ("A part is released before it is installed.", "warning"),
    Code.ANOTHER_DOCUMENT: ("A certificate of one form, number and approval is one document.", "error"),
    Code.NO_LIFE_LEFT: ("A part is installed that has life left under each of its limits.", "error"),
    Code.AFTER_THE_END: ("Nothing is done with a part that was scrapped or exported.", "error"),
    Code.USED_TWICE: ("One time of an assembly is told of once; another statement of the same time corrects.",
                      "warning"),
    Code.STRADDLES: ("Utilisation is stated up to a removal and from an installation on, for nobody can share it out.",
                     "warning"),
}  # fmt: skip


class Irregularity(NamedTuple):
    """The event at `position` breaks a rule, because of what the event at `against` says, where there is one."""

    code: Code
    position: int
    against: int | None


class Where(StrEnum):
    """Where a part was in a stretch of its life."""

    UNKNOWN = "unknown"
    STORED = "stored"
    INSTALLED = "installed"
    SHOP = "shop"


class Stretch(NamedTuple):
    """A part of a life, from `since` until before `until` (µs UTC): None without a beginning that is known, or an end.

    `documents` are the positions of the events that account for it: what began it, and releases in it or before it.
    `on` and `place` tell where it was installed.
    """

    where: Where
    since: int | None
    until: int | None
    on: str | None
    place: str | None
    documents: tuple[int, ...]
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class Release:
    """The certificate under which a part may be installed, and who recorded it."""

    said: PartReleased
    by: str
    at: int
    position: int
