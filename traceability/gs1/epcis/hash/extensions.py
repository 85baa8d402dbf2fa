"""How the CBV event hash writes what EPCIS does not define: members of extensions, sorted at every level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from traceability.gs1.epcis.hash.keys import REFERENCES, Keys
from traceability.gs1.epcis.hash.values import scalar, text
from traceability.gs1.epcis.strict_json import JSON, dumps

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
                pieces.append(key + _object_piece(value, keys))
            else:
                pieces += extension_pieces(key, value, keys)
            continue
        else:
            written = scalar(value)
        pieces.append(f"{key}={written}" if written else key)
    if len(pieces) > 1:
        pieces.sort()
    return "".join(pieces)


def _object_piece(value: Mapping[str, JSON], keys: Keys) -> str:
    # Systems, sites and messages come again and again.
    try:
        source = dumps(value)
    except TypeError:  # an integer of more than 64 bits, a text that is none in UTF-8, or what is nested too deep
        return members_piece(value, value, keys)
    piece = keys.pieces.get(source)
    if piece is None:
        piece = members_piece(value, value, keys)
        keys.remember(source, piece)
    return piece


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
