"""Who may see how much of an event.

Every answer is given to a `Reader`, and every event has a `Visibility`; together they give the *extent*: the names of
the parts that the reader may see, or None when the reader may not know that the event exists. What is not in the
extent is absent from the view, so that states, histories and traces are folds over what may be seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

import msgspec

from traceability.errors import InvalidInputError
from traceability.ledger.index import Visibility
from traceability.ledger.parts import PART_NAMES, Parts

PUBLIC: Final = "public"
"""The organisation of every request without a key; no real organisation has this name."""

ITEM: Final = "item"
"""The extent that opens, of `what`, only the items that the reader names."""

MASTER_DATA: Final = "master_data"
"""What opens the master data that an organisation stated, and the step of every event that states some.

No business step is called so, and no grant of parts of events opens master data or the other way round.
"""

REGISTER: Final = "register"
"""The step of every statement of the register that is for everybody; no event of EPCIS has it."""

NAMED_ONLY: Final = "named_only"
"""The step of an event that its maker and the parties that it names see, and nobody else, whatever is granted."""

OWN_STEPS: Final = frozenset({MASTER_DATA, REGISTER, NAMED_ONLY})
"""Steps that no event of EPCIS has."""

ALL_PARTS: Final = frozenset(PART_NAMES) - {"head"}
SHAREABLE_PARTS: Final = ALL_PARTS - {"personal", "source"}
GRANTABLE_PARTS: Final = SHAREABLE_PARTS | {ITEM, MASTER_DATA}

_ORGANISATION_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_PARTY_TAG: Final = "party:"
_PLACE: Final = "https://id.gs1.org/414/"
_EXTENSION: Final = "/254/"
_PARENT_LIST: Final = "parentID"


@dataclass(frozen=True, slots=True)
class Grant:
    """`grantor` opens `parts` of the events that it captured to `grantee`, an organisation or `PUBLIC`.

    `steps` are CBV business steps as bare words, None for every event; a grant of no parts opens the head alone, one of
    `MASTER_DATA` alone opens no event. Master data has no step: it is open under `MASTER_DATA`, whatever the steps.
    Raises `InvalidInputError` (`access.parts`, `access.steps`).
    """

    grantor: str
    grantee: str
    steps: frozenset[str] | None
    parts: frozenset[str]

    def __post_init__(self) -> None:
        if unknown := self.parts - GRANTABLE_PARTS:
            raise InvalidInputError(
                f"{', '.join(sorted(unknown))} cannot be granted",
                code="access.parts",
                hint=f"Choose from: {', '.join(sorted(GRANTABLE_PARTS))}.",
            )
        if not all(step and step.isprintable() for step in self.steps or ()):
            raise InvalidInputError(
                "A business step is a CBV word or a URI", code="access.steps", hint="Such as: shipping, receiving."
            )

    def covers(self, visibility: Visibility) -> bool:
        """Tell whether the grant opens an event of this visibility."""
        if self.grantor != visibility.captured_by or visibility.biz_step == NAMED_ONLY:
            return False
        if visibility.biz_step == MASTER_DATA:
            return MASTER_DATA in self.parts
        return self.parts != {MASTER_DATA} and (self.steps is None or visibility.biz_step in self.steps)

    def opened(self, visibility: Visibility) -> frozenset[str]:
        """Return the parts that are open of an event that it covers."""
        return SHAREABLE_PARTS if visibility.biz_step == MASTER_DATA else self.parts - {MASTER_DATA}


@dataclass(frozen=True, slots=True)
class Reader:
    """The organisation that an answer is for.

    `parties` are the names under which events may name it: its own, its GLNs (13 digits) and its party URIs. `grants`
    are those made to it and to `PUBLIC`.
    """

    organisation: str
    parties: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()

    def extent(self, visibility: Visibility) -> frozenset[str] | None:
        """Return what the reader may see beyond the head, or None when it may not see that the event exists."""
        if visibility.captured_by == self.organisation != PUBLIC:
            return ALL_PARTS
        if not self.parties.isdisjoint(map(_party_name, visibility.parties)):
            return SHAREABLE_PARTS
        if visibility.biz_step == REGISTER:
            return SHAREABLE_PARTS
        granted = [grant.opened(visibility) for grant in self.grants if grant.covers(visibility)]
        return frozenset().union(*granted) if granted else None


def redact(parts: Parts, extent: frozenset[str], asked: Collection[str]) -> Parts:
    """Return what `extent` opens of an event's parts, the rest empty.

    `asked` are the canonical identifiers that the reader named; they matter when the extent holds `ITEM`.
    """
    return Parts(
        head=parts.head,
        what=parts.what
        if "what" in extent
        else tuple(parts.what[j] for j in open_item_indices(parts.what, extent, asked)),
        where=parts.where if "where" in extent else b"",
        why=parts.why if "why" in extent else b"",
        how=parts.how if "how" in extent else b"",
        more=parts.more if "more" in extent else b"",
        personal=parts.personal if "personal" in extent else b"",
        source=parts.source if "source" in extent else b"",
    )


def open_item_indices(what: Sequence[bytes], extent: frozenset[str], asked: Collection[str]) -> Sequence[int]:
    """Return, in order, the indices of the items of `what` that the extent opens.

    Under `ITEM` these are the items named in `asked` and, if one of them is not the parent itself, the parent: whoever
    holds a pack may know the pallet that it was on, and nothing of its siblings.
    """
    if "what" in extent:
        return range(len(what))
    if ITEM not in extent or not asked:
        return ()
    items = [_decode_item(item) for item in what]
    named = {j for j, item in enumerate(items) if item["id"] in asked}
    if any(items[j]["list"] != _PARENT_LIST for j in named):
        named.update(j for j, item in enumerate(items) if item["list"] == _PARENT_LIST)
    return sorted(named)


def is_organisation_name(text: str) -> bool:
    """Tell whether a text can be the permanent name of an organisation."""
    return text != PUBLIC and _ORGANISATION_NAME.fullmatch(text) is not None


def organisation_name(text: str) -> str:
    """Check the permanent name of an organisation: 1 to 63 of `a-z 0-9 . -`, ends with a letter or digit, not `public`.

    Raises `InvalidInputError` (`access.name`).
    """
    if not is_organisation_name(text):
        raise InvalidInputError(
            f"{text!r} cannot be the name of an organisation",
            code="access.name",
            hint="Use 1 to 63 lower-case letters, digits, dots and hyphens, such as dairy.example; 'public' is taken.",
        )
    return text


def _party_name(party: str) -> str:
    """Return the name that `Reader.parties` would hold: an extension of a GLN belongs to the holder of the GLN."""
    name = party.removeprefix(_PARTY_TAG)
    return name.partition(_EXTENSION)[0] if name.startswith(_PLACE) else name


class _Item(TypedDict):
    list: str
    id: str


_decode_item: Final = msgspec.json.Decoder(_Item).decode
