"""The CBV event hash (CBV 2.0 §8.9): an identifier of an event, made of what the event says.

A pre-hash string is written from the fields in the standard's order, and its SHA-256 is put into a `ni` URI (RFC 6920).
The string depends on nothing but the event: neither on the order of members and of lists, nor on JSON or XML, nor on
what else the document holds. It has no separators, so two events can be made that share one: it names an event among
honest ones and commits to nothing. docs/guide/event-hash.md has the choices where the standard's sources disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final, TypeAlias

from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.event import EVENT_TYPES
from traceability.gs1.epcis.hash.extensions import extension_pieces, members_piece
from traceability.gs1.epcis.hash.keys import EventHashError, Keys
from traceability.gs1.epcis.hash.values import (
    ALERTS,
    BIZ_STEPS,
    COMPONENTS,
    DISPOSITIONS,
    MEASUREMENTS,
    PARTY_TYPES,
    TRANSACTION_TYPES,
    number,
    text,
)
from traceability.gs1.epcis.problems import shown
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.times import lacks_offset, milliseconds

_CACHED: Final = 4096
# Only texts this short are remembered, so that a hostile feed cannot turn a cache into a memory leak.
_CACHED_LENGTH: Final = 256
_CACHED_SHAPES: Final = 512
_PAIR: Final = 2
_CACHED_NAMES: Final = 1024


Write: TypeAlias = Callable[[str, JSON, Keys], str]
"""Writes a field: name and value, under the names in force → its piece of the string; raises `EventHashError`."""
_WriteObject: TypeAlias = Callable[[dict[str, JSON], Keys], str]
"""Writes what is inside an object."""

_Shape: TypeAlias = tuple[list[tuple[str, Write]], list[str]]
"""What an object of some names is made of: the fields in their order, and the names that EPCIS does not define."""


def event_hash(prehash: str) -> str:
    """Return the `ni` URI of a pre-hash string."""
    return f"ni:///sha-256;{sha256(prehash.encode()).hexdigest()}?ver=CBV2.0"


def prehash_of(event: JSON, keys: Keys) -> str:
    """Return the pre-hash string of an event in JSON, or of the JSON twin of one in XML; `keys` are those around it.

    Fields and values that EPCIS does not know are kept as they are; an event needs no more than a type, and times that
    are points in time. Raises `EventHashError`.
    """
    if not isinstance(event, dict):
        raise EventHashError("", "epcis.type", f"An event is an object, not {shown(event)}.")
    if "@context" in event:
        keys = keys.within(event["@context"])
    kind = event_type("type", event.get("type", event.get("@type")), keys)
    if "eventTime" not in event:
        raise EventHashError("", "epcis.missing_field", "An event needs an eventTime.")
    return kind + _EVENT(event, keys)


def event_type(_name: str, value: JSON, keys: Keys) -> str:
    """Write the type of an event, which its string begins with."""
    if type(value) is not str:
        raise EventHashError("", "epcis.missing_field", "An event needs a type.")
    return f"eventType={EVENT_TYPES.get(value) or keys.names.iri(value) or value}"


# What is written the same wherever it stands


def _text(name: str, value: JSON, keys: Keys) -> str:
    if type(value) is str:
        written = text(value)
        return f"{name}={written}" if written else ""
    return _any(name, value, keys)


def _few(name: str, value: JSON, keys: Keys) -> str:
    """Write a text that comes again and again: a place, a party, a unit."""
    if type(value) is str and len(value) <= _CACHED_LENGTH:
        return _remembered(name, value)
    return _text(name, value, keys)


@lru_cache(maxsize=_CACHED)
def _remembered(name: str, value: str) -> str:
    written = text(value)
    return f"{name}={written}" if written else ""


def _any(name: str, value: JSON, keys: Keys) -> str:
    """Write a value of unexpected shape as an extension's would be; nothing for an empty one."""
    return "" if value in ("", [], {}, None) else "".join(sorted(extension_pieces(name, value, keys)))


def _time(name: str, value: JSON, _keys: Keys) -> str:
    written = milliseconds(value.strip()) if type(value) is str else None
    if written is None:
        if type(value) is str and lacks_offset(value.strip()):
            message = f"The time {shown(value)} has no offset from UTC, so nobody knows when it was."
            raise EventHashError("", "epcis.naive_time", message)
        message = f"A time has a date, a time of day and an offset from UTC; {shown(value)} has not."
        raise EventHashError("", "epcis.time", message)
    return f"{name}={written}"


def _number(name: str, value: JSON, keys: Keys) -> str:
    """Write a number; in such a field a text that is one means it, as every number does in XML."""
    if isinstance(value, (str, int)) and type(value) is not bool:
        written = number(value)
        return f"{name}={written}" if written else ""
    return _any(name, value, keys)


def _word(words: Mapping[str, str]) -> Write:
    def write(name: str, value: JSON, keys: Keys) -> str:
        if type(value) is not str:
            return _any(name, value, keys)
        written = words.get(value) or _unusual_word(value, words, keys.names)
        return f"{name}={written}" if written else ""

    return write


def _unusual_word(value: str, words: Mapping[str, str], names: Names) -> str:
    value = value.strip()
    iri = names.iri(value) or value
    return words.get(value) or words.get(iri) or text(iri)


def _listed(inner: str) -> Write:
    """Write a list of texts, `inner` being the name of one."""
    before = f"{inner}="

    def write(name: str, value: JSON, keys: Keys) -> str:
        if not isinstance(value, list):
            if not isinstance(value, str):
                return _any(name, value, keys)
            value = [value]
        try:
            written = text(value[0]) if len(value) == 1 else before.join(sorted(filter(None, map(text, value))))
        except (AttributeError, TypeError):  # what is no text has none of its methods
            pieces = "".join(sorted([_text(inner, item, keys) for item in value]))
            return name + pieces if pieces else ""
        return f"{name}{before}{written}" if written else ""

    return write


def _each(write: Write) -> Write:
    """Write a field that may be there several times, each time by its name."""

    def write_all(name: str, value: JSON, keys: Keys) -> str:
        if not isinstance(value, list):
            return write(name, value, keys)
        return "".join(sorted([write(name, item, keys) for item in value]))

    return write_all


def _fields(pairs: Iterable[tuple[str, Write]], *not_hashed: str) -> _WriteObject:
    """Return the writer of an object: its known fields in order, then what else it has, sorted."""
    writers = dict(pairs)
    known = frozenset((*writers, *not_hashed, "@context"))

    shapes: dict[tuple[str, ...], _Shape] = {}

    def shape_of(value: dict[str, JSON]) -> _Shape:
        fields = [(name, write) for name, write in writers.items() if name in value]
        shape = fields, [name for name in value if name not in known]
        if sum(map(len, value)) <= _CACHED_NAMES:
            if len(shapes) >= _CACHED_SHAPES:
                shapes.clear()
            shapes[tuple(value)] = shape
        return shape

    def write_fields(value: dict[str, JSON], keys: Keys) -> str:
        if "@context" in value:
            keys = keys.within(value["@context"])
        fields, rest = shapes.get(tuple(value)) or shape_of(value)
        try:
            written = "".join([write(name, value[name], keys) for name, write in fields])
        except EventHashError:
            for name, inner in value.items():  # the first in the document is told
                if name in writers:
                    try:
                        writers[name](name, inner, keys)
                    except EventHashError as error:
                        raise error.inside(f".{name}") from None
            raise
        return written + members_piece(value, rest, keys) if rest else written

    return write_fields


def _object(write_fields: _WriteObject) -> Write:
    def write(name: str, value: JSON, keys: Keys) -> str:
        if not isinstance(value, dict):
            return _any(name, value, keys)
        written = write_fields(value, keys)
        return name + written if written else ""

    return write


def _objects(inner: str, write_fields: _WriteObject, outer: str | None = None) -> Write:
    """Write a list of objects, each behind the name `inner`, and all behind that of the field, or `outer`."""

    def write(name: str, value: JSON, keys: Keys) -> str:
        if not isinstance(value, list):
            if not isinstance(value, dict):
                return _any(name, value, keys)
            value = [value]
        pieces = []
        for i, item in enumerate(value):
            if isinstance(item, dict):
                try:
                    written = write_fields(item, keys)
                except EventHashError as error:
                    raise error.inside(f"[{i}]") from None
                pieces.append(inner + written if written else "")
            else:
                pieces.append(_any(inner or name, item, keys))
        if len(pieces) > 1:
            pieces.sort()
        written = "".join(pieces)
        return (name if outer is None else outer) + written if written else ""

    return write


def _pairs(words: Mapping[str, str], inner: str, write: Write) -> Write:
    """Write a list of pairs, each a type and what is of this type."""
    write_any = _objects("", _fields((("type", _word(words)), (inner, write))))

    def write_pairs(name: str, value: JSON, keys: Keys) -> str:
        try:
            pieces = [
                f"type={words[pair['type']]}{write(inner, pair[inner], keys)}" for pair in value if len(pair) == _PAIR
            ]
        except (KeyError, TypeError, EventHashError):
            return write_any(name, value, keys)
        if not pieces or len(pieces) != len(value):
            return write_any(name, value, keys)
        pieces.sort()
        return name + "".join(pieces)

    return write_pairs


def _place(name: str, value: JSON, keys: Keys) -> str:
    if not isinstance(value, dict):
        return _any(name, value, keys)
    if len(value) == 1:  # as nearly always
        place = value.get("id")
        if type(place) is str and len(place) <= _CACHED_LENGTH:
            return _remembered_place(name, place)
    written = _PLACE(value, keys)
    return name + written if written else ""


@lru_cache(maxsize=_CACHED)
def _remembered_place(name: str, value: str) -> str:
    written = text(value)
    return f"{name}id={written}" if written else ""


def _ilmd(name: str, value: JSON, keys: Keys) -> str:
    if not isinstance(value, dict):
        return _any(name, value, keys)
    if "@context" in value:
        keys = keys.within(value["@context"])
    written = members_piece(value, value, keys)
    return name + written if written else ""


# The fields in the standard's order (CBV 2.0 §8.9, canonical property order)

_EPCS: Final = _listed("epc")
_QUANTITY: Final = _fields((("epcClass", _text), ("quantity", _number), ("uom", _few)))
_QUANTITIES: Final = _objects("quantityElement", _QUANTITY)
_DISPOSITION: Final = _word(DISPOSITIONS)
_PLACE: Final = _fields((("id", _few),))
_METADATA: Final = _fields((
    ("time", _time), ("startTime", _time), ("endTime", _time), ("deviceID", _few), ("deviceMetadata", _few),
    ("rawData", _few), ("dataProcessingMethod", _few), ("bizRules", _few),
))  # fmt: skip
_REPORT: Final = _fields((
    ("type", _word(MEASUREMENTS)), ("exception", _word(ALERTS)), ("deviceID", _few), ("deviceMetadata", _few),
    ("rawData", _few), ("dataProcessingMethod", _few), ("time", _time), ("microorganism", _few),
    ("chemicalSubstance", _few), ("value", _number), ("component", _word(COMPONENTS)), ("stringValue", _text),
    ("booleanValue", _any), ("hexBinaryValue", _text), ("uriValue", _text), ("minValue", _number),
    ("maxValue", _number), ("meanValue", _number), ("sDev", _number), ("percRank", _number), ("percValue", _number),
    ("uom", _few), ("coordinateReferenceSystem", _few),
))  # fmt: skip
_SENSOR_ELEMENT: Final = _fields((
    ("sensorMetadata", _object(_METADATA)), ("sensorReport", _objects("sensorReport", _REPORT, outer="")),
))  # fmt: skip

EVENT_FIELDS: Final[Mapping[str, Write]] = {
    "eventTime": _time,
    "eventTimeZoneOffset": _few,
    "certificationInfo": _each(_text),
    "epcList": _EPCS,
    "parentID": _text,
    "inputEPCList": _EPCS,
    "childEPCs": _EPCS,
    "quantityList": _QUANTITIES,
    "childQuantityList": _QUANTITIES,
    "inputQuantityList": _QUANTITIES,
    "outputEPCList": _EPCS,
    "outputQuantityList": _QUANTITIES,
    "action": _few,
    "transformationID": _text,
    "bizStep": _word(BIZ_STEPS),
    "disposition": _DISPOSITION,
    "persistentDisposition": _object(_fields((("set", _each(_DISPOSITION)), ("unset", _each(_DISPOSITION))))),
    "readPoint": _place,
    "bizLocation": _place,
    "bizTransactionList": _pairs(TRANSACTION_TYPES, "bizTransaction", _text),
    "sourceList": _pairs(PARTY_TYPES, "source", _few),
    "destinationList": _pairs(PARTY_TYPES, "destination", _few),
    "sensorElementList": _objects("sensorElement", _SENSOR_ELEMENT),
    "ilmd": _ilmd,
}
"""How each field of an event is written, in the standard's order."""
NOT_HASHED: Final = ("type", "@type", "@context", "eventID", "recordTime", "errorDeclaration")
_EVENT: Final = _fields(EVENT_FIELDS.items(), *NOT_HASHED)
