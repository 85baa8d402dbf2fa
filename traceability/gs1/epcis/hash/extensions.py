"""How the CBV event hash writes what EPCIS does not define: members of extensions, sorted at every level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from traceability.gs1.epcis.hash.keys import REFERENCES, EventHashError, Keys
from traceability.gs1.epcis.hash.values import scalar, text
from traceability.gs1.epcis.strict_json import JSON

_TEXT_MEMBERS: Final = frozenset({"@value", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value"})
_PLAIN: Final = _TEXT_MEMBERS | {"@context"}


def members_piece(members: Mapping[str, JSON], names: Iterable[str], keys: Keys) -> str:
    """Write the members of these names, which EPCIS does not define, sorted."""
    pieces: list[str] = []
    for name in names:
        key = keys[name]
        if not key:
            continue
        value = members[name]
        if type(value) is str:
            written = text(keys.names.reference(value) if name in REFERENCES else value)
        elif isinstance(value, (dict, list)):
            if type(value) is dict and _PLAIN.isdisjoint(value):  # as nearly always
                pieces.append(key + members_piece(value, value, keys))
            else:
                pieces += extension_pieces(key, value, keys)
            continue
        else:
            written = scalar(value)
        pieces.append(f"{key}={written}" if written else key)
    if len(pieces) > 1:
        pieces.sort()
    return "".join(pieces)


def extension_piece(name: str, value: JSON, keys: Keys) -> str:
    """Return what an extension of the event gives; the pieces of all its extensions are sorted.

    Raises `EventHashError` for an array, each element of which is a piece.
    """
    key = keys[name]
    if not key:
        return ""
    if type(value) is str:
        written = text(keys.names.reference(value) if name in REFERENCES else value)
        return f"{key}={written}" if written else key
    if isinstance(value, list):
        raise EventHashError("", "epcis.type", "An array is a piece for each of its elements.")
    return extension_pieces(key, value, keys)[0]


def extension_pieces(key: str, value: JSON, keys: Keys) -> list[str]:
    """Write a member that EPCIS does not define: an array is its elements, as in XML."""
    if isinstance(value, list):
        return [piece for item in value for piece in extension_pieces(key, item, keys)]
    if not isinstance(value, dict):
        written = scalar(value)
        return [f"{key}={written}" if written else key]
    if "@context" in value:
        keys = keys.within(value["@context"])
    if _TEXT_MEMBERS.isdisjoint(value):
        return [key + members_piece(value, value, keys)]
    own = next(scalar(value[name]) for name in sorted(_TEXT_MEMBERS & value.keys()))
    inside = members_piece(value, [name for name in value if name not in _TEXT_MEMBERS], keys)
    return [f"{key}={own}{inside}" if own else key + inside]
