"""The pre-hash string of an event in JSON from its bytes, most of which have been read before.

Places, parties, words and systems come again and again. What a member of an event gives is remembered under the bytes
of its value, so that it is neither decoded nor written a second time. An event that is not plainly written, or that
has no hash, is left to who reads it whole: `strict_json` and `event_hash.prehash_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple, TypeAlias

from msgspec import MsgspecError, Raw
from msgspec.json import Decoder

from traceability.gs1.epcis.hash.event_hash import EVENT_FIELDS, NOT_HASHED, Write, event_type, prehash_of
from traceability.gs1.epcis.hash.extensions import extension_piece
from traceability.gs1.epcis.hash.keys import EventHashError, Keys
from traceability.gs1.epcis.strict_json import (
    JSON,
    MAX_DEPTH,
    PLAIN_BYTES,
    START,
    JsonTextError,
    Place,
    dumps,
    plain_loads,
    value_in,
)

_TEXTS: Final = frozenset({"eventTime", "parentID", "transformationID"})
_LISTS_OF_TEXTS: Final = frozenset({"epcList", "childEPCs", "inputEPCList", "outputEPCList"})
_NEW: Final = frozenset({
    "quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList", "bizTransactionList",
    "sensorElementList", "ilmd",
})  # fmt: skip
"""Fields that have another value in nearly every event, which is not worth remembering; so have those above."""
_KNOWN: Final = dict.fromkeys(("type", *EVENT_FIELDS, *NOT_HASHED))
_SHORT: Final = 512
_QUOTE: Final = ord('"')
_ID: Final = b'{"id":"'
_QUOTES_OF_ID: Final = 4
_MOST_HELD: Final = 1024 * 1024
_MOST_SHAPES: Final = 512
_LONGEST_NAMES: Final = 1024
_decode: Final = Decoder(dict[str, Raw]).decode

_Read: TypeAlias = Callable[[bytes], str]
"""Returns what a member with this value gives."""


class NotPlainError(Exception):
    """A value that has to be read with what is around it."""


def members_of(source: bytes) -> dict[str, bytes] | None:
    """Return the members of an object that is plainly written: their values as JSON that is not read yet."""
    try:
        members = _decode(source)
    except (MsgspecError, UnicodeDecodeError):
        return None
    values = {name: bytes(value) for name, value in members.items()}
    # There is no space between members, and no name is there twice, for then a value would be missing here.
    return values if _around(members) + sum(map(len, values.values())) == len(source) else None


def _around(names: Collection[str]) -> int:
    return sum(map(len, names)) + len(b'"":,') * len(names) + 1


class _Shape(NamedTuple):
    """What events with certain names are made of; `around` counts the bytes that are not of values."""

    around: int
    fields: list[tuple[int, _Read]]
    extensions: list[tuple[int, _Read]]


class Prehashes:
    """The pre-hash strings of events in JSON under one context."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._forget()

    def _forget(self) -> None:
        self._held = _Held()
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._reads: dict[str, _Read] = {}

    @property
    def remembered(self) -> int:
        """How many bytes and characters are remembered."""
        return self._held.size

    def of(self, source: bytes, place: Place = START, offset: int = 0) -> str:
        """Return the string of the event that `source` is exactly; `offset` and `place` are where it begins.

        Raises `EventHashError` and `JsonTextError`.
        """
        written = self._of_members(source)
        if written is None:
            written = prehash_of(value_in(source, offset, place), self.keys)
        return written

    def _of_members(self, source: bytes) -> str | None:
        """Return the string of an event member by member, None if it has to be read whole."""
        if b"\\" in source or len(source) > PLAIN_BYTES:
            return None
        if self._held.size > _MOST_HELD:
            self._forget()
        try:
            members = _decode(source)
            names = tuple(members)
            shape = self._shapes.get(names) or self._shape_of(names)
            values = [*map(bytes, members.values())]
            if shape.around + sum(map(len, values)) != len(source):  # as in `members_of`
                return None
            written = "".join([read(values[i]) for i, read in shape.fields])
            extensions = [read(values[i]) for i, read in shape.extensions]
        except (MsgspecError, UnicodeDecodeError, JsonTextError, EventHashError, TypeError, NotPlainError):
            return None  # TypeError: an integer of more than 64 bits
        extensions.sort()
        return written + "".join(extensions)

    def _shape_of(self, names: tuple[str, ...]) -> _Shape:
        places = {name: i for i, name in enumerate(names)}
        around = _around(names)
        if around > _LONGEST_NAMES or not places.keys() >= {"type", "eventTime"} or "@context" in places:
            return _Shape(0, [], [])  # which no event has
        if len(self._shapes) >= _MOST_SHAPES:
            self._forget()
        fields = [(places[name], self._read(name)) for name in _KNOWN if name in places]
        extensions = [(i, self._read(name)) for name, i in places.items() if name not in _KNOWN]
        shape = self._shapes[names] = _Shape(around, fields, extensions)
        return shape

    def _read(self, name: str) -> _Read:
        if name not in self._reads:
            self._reads[name] = _reader(name, self.keys, self._held)
        return self._reads[name]


def _reader(name: str, keys: Keys, held: _Held) -> _Read:
    if name in NOT_HASHED and name != "type":
        return _not_hashed
    write = event_type if name == "type" else EVENT_FIELDS.get(name, extension_piece)
    if name in _TEXTS:
        return _text_reader(name, write, keys, _not_plain)
    if name not in _KNOWN:
        return _text_reader(name, write, keys, _Remembered(name, write, keys, held).__getitem__)
    if name in _LISTS_OF_TEXTS:
        return _list_reader(name, write, keys)
    if name in _NEW:
        return lambda source: write(name, member_value(source), keys)
    return _Remembered(name, write, keys, held).__getitem__


def _not_hashed(source: bytes) -> str:
    if source[0] != _QUOTE:
        raise NotPlainError
    if not source.isascii():
        source.decode()
    return ""


class _Held:
    """How many bytes and characters are remembered."""

    size = 0


class _Remembered(dict[bytes, str]):
    """What the values of one member give, by their bytes."""

    def __init__(self, name: str, write: Write, keys: Keys, held: _Held) -> None:
        super().__init__()
        self._name = name
        self._write = write
        self._keys = keys
        self._held = held

    def __missing__(self, source: bytes) -> str:
        """Read and write a value."""
        written = self._write(self._name, member_value(source), self._keys)
        if len(source) <= _SHORT:
            self[source] = written
            self._held.size += len(source) + len(written)
        return written


# Values. They are JSON already, and where there is no backslash, every quote begins or ends a string.


def _not_plain(_source: bytes) -> str:
    raise NotPlainError


def _text_reader(name: str, write: Write, keys: Keys, other: _Read) -> _Read:
    def read(source: bytes) -> str:
        return write(name, source[1:-1].decode(), keys) if source[0] == _QUOTE else other(source)

    return read


def _list_reader(name: str, write: Write, keys: Keys) -> _Read:
    def read(source: bytes) -> str:
        if source.startswith(b'["') and source.endswith(b'"]'):
            texts = source[2:-2].decode().split('","')
            if source.count(b'"') == 2 * len(texts):  # nothing but texts stands there
                return write(name, texts, keys)
        return write(name, member_value(source), keys)

    return read


def member_value(source: bytes) -> JSON:
    """Return the value of a member, read as strictly as any; raises `NotPlainError` where it is not plainly written."""
    if b"\\" in source:
        raise NotPlainError
    if source.startswith(b'"'):
        return source[1:-1].decode()
    if source.startswith(_ID) and source.endswith(b'"}') and source.count(b'"') == _QUOTES_OF_ID:
        return {"id": source[len(_ID) : -2].decode()}
    # The object around it is one level more.
    if len(source) > MAX_DEPTH and source.count(b"{") + source.count(b"[") >= MAX_DEPTH:
        raise NotPlainError
    value = plain_loads(source)
    if dumps(value) != source:
        raise NotPlainError
    return value
