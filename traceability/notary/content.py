"""What the bytes of an opened part may be (commitment.md): one JSON object, in one spelling, with its own members.

The commitment binds bytes, not meaning. Two readers agree on the meaning only when a member cannot occur twice, hide
in another part or be split by white space, so bytes that allow it are refused although their hash is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NoReturn

from traceability.ledger.parts import HEAD, HOW, ITEM_LISTS, MORE, PART_NAMES, PERSONAL, SOURCE, WHERE, WHY
from traceability.notary.encoding import text_of
from traceability.notary.errors import VerificationError

_ITEM_MEMBERS: Final = frozenset({"list", "id", "quantity", "uom"})
_DECLARATION: Final = "errorDeclaration"  # its time and reason are in `head`, all else of it in `more`
_DECLARATION_IN_HEAD: Final = frozenset({"declarationTime", "reason"})
_OWN_MEMBERS: Final = {
    HEAD: frozenset(
        {
            "type",
            "captured_by",
            "occurred_at",
            "eventTimeZoneOffset",
            "action",
            "bizStep",
            "disposition",
            "persistentDisposition",
            _DECLARATION,
        }
    ),
    WHERE: frozenset({"readPoint", "bizLocation"}),
    WHY: frozenset({"bizTransactionList", "sourceList", "destinationList"}),
    HOW: frozenset({"sensorElementList", "ilmd", "certificationInfo"}),
    MORE: frozenset({"eventID", "recordTime", _DECLARATION}),
}
_TABLE: Final = frozenset(ITEM_LISTS).union(*_OWN_MEMBERS.values())
# Extensions are members of `more`, and what is personal is keyed by pointer: these two hold names of any kind, except
# those that the table gives to another part.
_FOREIGN: Final = {MORE: _TABLE - _OWN_MEMBERS[MORE], PERSONAL: _TABLE}
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_PLAIN_ITEM: Final = re.compile(rb'\{"list":"([A-Za-z]+)","id":"[ !#-\[\]-~]*"\}')
_SPACE: Final = re.compile(r"[ \t\r\n]")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_raw_decode: Final = json.JSONDecoder(parse_constant=_refuse).raw_decode
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def check_part(part: int, content: bytes) -> None:
    """Check the bytes of an opened part other than `what`; raises `VerificationError`."""
    if part == SOURCE or not content:
        return
    # Many events have the same place or the same parties.
    (_check_again if len(content) < _SHORT else _check_part)(part, content)


def _check_part(part: int, content: bytes) -> None:
    name = PART_NAMES[part]
    members = json_object(content, name)
    own = _OWN_MEMBERS.get(part, frozenset[str]())
    strangers = members.keys() & _FOREIGN[part] if part in _FOREIGN else members.keys() - own
    declaration = members.get(_DECLARATION) if part in (HEAD, MORE) else None
    if isinstance(declaration, dict):
        in_head = declaration.keys() & _DECLARATION_IN_HEAD
        strangers |= in_head if part == MORE else declaration.keys() - in_head
    if strangers:
        raise VerificationError(f"{min(strangers)!r} does not belong to the part {name}", code="log.foreign_member")


_SHORT: Final = 512
_check_again: Final = lru_cache(maxsize=1_024)(_check_part)


def check_item(content: bytes) -> None:
    """Check the bytes of an opened item of `what`; raises `VerificationError`."""
    # Nearly all items are an identifier in a list, and a bundle has a hundred thousand.
    if (plain := _PLAIN_ITEM.fullmatch(content)) is not None and plain[1].decode() in ITEM_LISTS:
        return
    item = json_object(content, "an item")
    if item.get("list") not in ITEM_LISTS or not isinstance(item.get("id"), str) or item.keys() - _ITEM_MEMBERS:
        raise VerificationError("an item names its list and its id, and at most a quantity and a unit beside")


def json_object(content: bytes, what: str) -> dict[str, Any]:
    """Read one JSON object without white space outside strings and without repeated members.

    Numbers come back as numbers or as the bytes of their spelling. Raises `VerificationError`.
    """
    text = text_of(content, what)
    # What comes back letter for letter has neither white space nor a member twice, and seldom does anything else come:
    # two passes of compiled code, where a bundle has ten thousand of these.
    if (plain := same_again(text, _encode)) is not None:
        if isinstance(plain, dict):
            return plain
        raise VerificationError(f"{what} is not a JSON object")
    value = decode_json(text, what, number=str.encode)
    if not isinstance(value, dict):
        raise VerificationError(f"{what} is not a JSON object")
    if _SPACE.search(_STRING.sub("", text)):
        raise VerificationError(f"{what} has white space outside its strings")
    return value


def same_again(text: str, encode: Callable[[Any], str]) -> Any:  # noqa: ANN401 - JSON is anything
    """Return the value of a JSON text that `encode` gives again, None for any other text (and for `null`)."""
    try:
        # Not `decode`, which looks for white space around: that would not come back.
        value, _ = _raw_decode(text)
        return value if encode(value) == text else None
    except (ValueError, RecursionError):
        return None


def decode_json(text: str, what: str, number: Callable[[str], object]) -> Any:  # noqa: ANN401 - JSON is anything
    """Decode JSON strictly (RFC 8259 without repeated members, NaN and Infinity); `number` reads each number.

    Raises `VerificationError`.
    """

    def refuse(_constant: str) -> NoReturn:
        raise VerificationError(f"{what} is not JSON")

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            raise VerificationError(f"{what} repeats a member", code="log.repeated_member")
        return value

    try:
        return json.loads(text, object_pairs_hook=members, parse_int=number, parse_float=number, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{what} is not JSON") from error
