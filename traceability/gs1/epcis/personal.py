"""Members that say something about a person, taken out of the other parts so that they can be destroyed alone.

A ledger lists them as IRIs, the full names of extensions, or as JSON pointers (RFC 6901) into the event as the parts
hold it, extension names resolved: `/ilmd/https:~1~1dairy.example~1ns#vet`. An IRI takes the member wherever it
stands. The part `personal` holds what was taken under its pointer, and an extension of the event itself, listed by
IRI, under that IRI.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.event import HEAD_OF_DECLARATION, Cut
from traceability.gs1.epcis.fields import is_uri
from traceability.gs1.epcis.strict_json import JSON
from traceability.ledger.parts import ITEM_LISTS

_POINTER: Final = re.compile(r"(?:/(?:[^~/]|~[01])+)+").fullmatch
# The head is always open and an item is always an identifier; neither can hold what must be destroyed.
_NOT_PERSONAL: Final = frozenset({
    *ITEM_LISTS, "type", "eventTime", "eventTimeZoneOffset", "action", "bizStep", "disposition",
    "persistentDisposition",
})  # fmt: skip


class PersonalMembers:
    """A ledger's list of personal members, checked once and then applied to any number of events.

    Raises `InvalidInputError` (`epcis.personal`) for an entry that is neither an IRI nor a pointer to such a member.
    """

    __slots__ = ("_iris", "_pointers")

    def __init__(self, entries: Iterable[str]) -> None:
        listed = list(entries)
        self._pointers = frozenset(entry for entry in listed if entry.startswith("/"))
        self._iris = frozenset(entry for entry in listed if not entry.startswith("/"))
        for entry in listed:
            if entry in self._pointers:
                valid = _POINTER(entry) is not None and not _in_head_or_item(entry)
            else:
                valid = is_uri(entry)
            if not valid:
                raise InvalidInputError(
                    f"{entry!r} cannot be a personal member.",
                    code="epcis.personal",
                    hint="Name an extension's IRI, or a JSON pointer that does not lead into the head or an item.",
                )

    def __bool__(self) -> bool:
        return bool(self._pointers or self._iris)

    def take_from(self, cut: Cut) -> dict[str, JSON]:
        """Remove the listed members from `cut` and return them by key."""
        taken: dict[str, JSON] = {}
        cut.where = self._rest(cut.where, "", taken)
        cut.why = self._rest(cut.why, "", taken)
        cut.how = self._rest(cut.how, "", taken)
        cut.more = self._rest(cut.more, "", taken)
        return taken

    def _rest(self, value: JSON, pointer: str, taken: dict[str, JSON]) -> JSON:
        if isinstance(value, dict):
            rest: dict[str, JSON] = {}
            for name, inner in value.items():
                at = f"{pointer}/{_escaped(name)}"
                if name in self._iris:
                    taken[at if pointer else name] = inner
                elif at in self._pointers:
                    taken[at] = inner
                else:
                    rest[name] = self._rest(inner, at, taken)
            return rest
        if isinstance(value, list):
            kept: list[JSON] = []
            for i, inner in enumerate(value):
                at = f"{pointer}/{i}"
                if at in self._pointers:
                    taken[at] = inner
                else:
                    kept.append(self._rest(inner, at, taken))
            return kept
        return value


def _in_head_or_item(pointer: str) -> bool:
    field, _, inner = pointer[1:].partition("/")
    return field in _NOT_PERSONAL or (field == "errorDeclaration" and inner in HEAD_OF_DECLARATION)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
