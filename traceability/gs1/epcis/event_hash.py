"""The CBV event hash (CBV 2.0 §8.9): an identifier of an event, made of what the event says.

A pre-hash string is written from the fields in the standard's order, and its SHA-256 is put into a `ni` URI (RFC 6920).
The string depends on nothing but the event: neither on the order of members and of lists, nor on JSON or XML, nor on
what else the document holds. It has no separators, so two events can be made that share one: it names an event among
honest ones and commits to nothing. docs/guide/event-hash.md has the choices where the standard's sources disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final, TypeAlias

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.event import EVENT_TYPES
from traceability.gs1.epcis.event_hash_values import (
    ALERTS,
    BIZ_STEPS,
    COMPONENTS,
    DISPOSITIONS,
    MEASUREMENTS,
    PARTY_TYPES,
    TRANSACTION_TYPES,
    braced,
    number,
    scalar,
    text,
)
from traceability.gs1.epcis.problems import Findings, shown
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.times import lacks_offset, milliseconds

_RDFS_COMMENT: Final = "http://www.w3.org/2000/01/rdf-schema#comment"
_TEXT_MEMBERS: Final = frozenset({"@value", "http://www.w3.org/1999/02/22-rdf-syntax-ns#value"})
_REFERENCES: Final = {"@id": "id", "id": "id", "@type": "type", "type": "type"}

_Write: TypeAlias = Callable[[str, JSON, Names, str], str]
"""Writes a field: its name, its value, the names in force and the path of its value → its piece of the string."""
_WriteObject: TypeAlias = Callable[[dict[str, JSON], Names, str], str]
"""Writes what is inside an object."""


class EventHashError(InvalidInputError):
    """An event that has no hash. `path` leads from the event to what is wrong, and continues a JSONPath."""

    def __init__(self, path: str, code: str, message: str) -> None:
        super().__init__(message, code=code, hint="Correct the event; the others have their hashes.")
        self.path = path


def event_hash(prehash: str) -> str:
    """Return the `ni` URI of a pre-hash string."""
    return f"ni:///sha-256;{sha256(prehash.encode()).hexdigest()}?ver=CBV2.0"


def prehash_of(event: JSON, names: Names) -> str:
    """Return the pre-hash string of an event in JSON, or of the JSON twin of one in XML; `names` are those around it.

    Fields and values that EPCIS does not know are kept as they are; an event needs no more than a type, and times that
    are points in time. Raises `EventHashError`.
    """
    if not isinstance(event, dict):
        raise EventHashError("", "epcis.type", f"An event is an object, not {shown(event)}.")
    if "@context" in event:
        names = _within(names, event["@context"])
    kind = event.get("type", event.get("@type"))
    if type(kind) is not str:
        raise EventHashError("", "epcis.missing_field", "An event needs a type.")
    if "eventTime" not in event:
        raise EventHashError("", "epcis.missing_field", "An event needs an eventTime.")
    pieces = ["eventType=", EVENT_TYPES.get(kind) or names.iri(kind) or kind]
    known = 0
    for name, write in _FIELDS:
        if name in event:
            pieces.append(write(name, event[name], names, f".{name}"))
            known += 1
    # Nearly always every member was a known one by now.
    if known + len(_NOT_HASHED & event.keys()) < len(event):
        rest = [(name, value) for name, value in event.items() if name not in _KNOWN and name not in _NOT_HASHED]
        pieces.append(_members(rest, names))
    return "".join(pieces)


def _within(names: Names, context: JSON) -> Names:
    findings = Findings(None, "")
    inner = names.within(context, findings, "")
    if findings.failed:
        raise EventHashError("['@context']", "epcis.context", findings.problems[0].message)
    return inner


# What is written the same wherever it stands


def _text(name: str, value: JSON, names: Names, path: str) -> str:
    if type(value) is str:
        written = text(value)
        return f"{name}={written}" if written else ""
    return _any(name, value, names, path)


def _any(name: str, value: JSON, names: Names, _path: str) -> str:
    """Write a value of unexpected shape as an extension's would be; nothing for an empty one."""
    return "" if value in ("", [], {}, None) else "".join(sorted(_extension(name, value, names)))


def _time(name: str, value: JSON, _names: Names, path: str) -> str:
    written = milliseconds(value.strip()) if type(value) is str else None
    if written is None:
        if type(value) is str and lacks_offset(value.strip()):
            message = f"The time {shown(value)} has no offset from UTC, so nobody knows when it was."
            raise EventHashError(path, "epcis.naive_time", message)
        message = f"A time has a date, a time of day and an offset from UTC; {shown(value)} has not."
        raise EventHashError(path, "epcis.time", message)
    return f"{name}={written}"


def _number(name: str, value: JSON, names: Names, path: str) -> str:
    """Write a number; in such a field a text that is one means it, as every number does in XML."""
    if isinstance(value, (str, int)) and type(value) is not bool:
        written = number(value)
        return f"{name}={written}" if written else ""
    return _any(name, value, names, path)


def _word(words: Mapping[str, str]) -> _Write:
    def write(name: str, value: JSON, names: Names, path: str) -> str:
        if type(value) is not str:
            return _any(name, value, names, path)
        written = words.get(value) or _unusual_word(value, words, names)
        return f"{name}={written}" if written else ""

    return write


def _unusual_word(value: str, words: Mapping[str, str], names: Names) -> str:
    value = value.strip()
    iri = names.iri(value) or value
    return words.get(value) or words.get(iri) or text(iri)


def _listed(inner: str) -> _Write:
    """Write a list of texts, `inner` being the name of one."""
    before = f"{inner}="

    def write(name: str, value: JSON, names: Names, path: str) -> str:
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            return _any(name, value, names, path)
        if len(value) == 1 and type(value[0]) is str:
            one = text(value[0])
            return f"{name}{before}{one}" if one else ""
        pieces = sorted([_text(inner, item, names, path) for item in value])
        written = "".join(pieces)
        return name + written if written else ""

    return write


def _each(write: _Write) -> _Write:
    """Write a field that may be there several times, each time by its name."""

    def write_all(name: str, value: JSON, names: Names, path: str) -> str:
        if not isinstance(value, list):
            return write(name, value, names, path)
        return "".join(sorted([write(name, item, names, f"{path}[{i}]") for i, item in enumerate(value)]))

    return write_all


def _fields(pairs: Iterable[tuple[str, _Write]]) -> _WriteObject:
    """Return the writer of an object: its known fields in order, then what else it has, sorted."""
    order = tuple(pairs)
    known = frozenset(name for name, _ in order)

    def write_fields(value: dict[str, JSON], names: Names, path: str) -> str:
        if "@context" in value:
            names = _within(names, value["@context"])
        pieces = [write(name, value[name], names, f"{path}.{name}") for name, write in order if name in value]
        if not value.keys() <= known:
            pieces.append(_members([(name, inner) for name, inner in value.items() if name not in known], names))
        return "".join(pieces)

    return write_fields


def _object(write_fields: _WriteObject) -> _Write:
    def write(name: str, value: JSON, names: Names, path: str) -> str:
        if not isinstance(value, dict):
            return _any(name, value, names, path)
        written = write_fields(value, names, path)
        return name + written if written else ""

    return write


def _objects(inner: str, write_fields: _WriteObject, outer: str | None = None) -> _Write:
    """Write a list of objects, each behind the name `inner`, and all behind that of the field, or `outer`."""

    def write(name: str, value: JSON, names: Names, path: str) -> str:
        if isinstance(value, dict):
            value = [value]
        if not isinstance(value, list):
            return _any(name, value, names, path)
        pieces = []
        for i, item in enumerate(value):
            if isinstance(item, dict):
                written = write_fields(item, names, f"{path}[{i}]")
                pieces.append(inner + written if written else "")
            else:
                pieces.append(_any(inner or name, item, names, path))
        written = "".join(sorted(pieces))
        return (name if outer is None else outer) + written if written else ""

    return write


# Extensions


def _members(members: Iterable[tuple[str, JSON]], names: Names) -> str:
    """Write members that EPCIS does not define, sorted."""
    pieces: list[str] = []
    for name, value in members:
        if name in ("@context", "comment"):
            continue
        iri = names.iri(name) or name
        if iri == _RDFS_COMMENT:
            continue
        if name in _REFERENCES:
            meant = names.reference(value) if type(value) is str else value
            pieces += _extension(_REFERENCES[name], meant, names)
        else:
            pieces += _extension(braced(iri), value, names)
    return "".join(sorted(pieces))


def _extension(name: str, value: JSON, names: Names) -> list[str]:
    """Write a member that EPCIS does not define: an array is its elements, as in XML."""
    if isinstance(value, list):
        return [piece for item in value for piece in _extension(name, item, names)]
    if isinstance(value, dict):
        if "@context" in value:
            names = _within(names, value["@context"])
        own = next((scalar(value[key]) for key in value if key in _TEXT_MEMBERS), "")
        inside = _members([(key, inner) for key, inner in value.items() if key not in _TEXT_MEMBERS], names)
        return [f"{name}={own}{inside}" if own else name + inside]
    written = scalar(value)
    return [f"{name}={written}" if written else name]


def _ilmd(name: str, value: JSON, names: Names, path: str) -> str:
    if not isinstance(value, dict):
        return _any(name, value, names, path)
    if "@context" in value:
        names = _within(names, value["@context"])
    written = _members(value.items(), names)
    return name + written if written else ""


# The fields in the standard's order (CBV 2.0 §8.9, canonical property order)

_EPCS: Final = _listed("epc")
_QUANTITY: Final = _fields((("epcClass", _text), ("quantity", _number), ("uom", _text)))
_QUANTITIES: Final = _objects("quantityElement", _QUANTITY)
_DISPOSITION: Final = _word(DISPOSITIONS)
_PLACE: Final = _object(_fields((("id", _text),)))
_PARTY: Final = _word(PARTY_TYPES)
_METADATA: Final = _fields((
    ("time", _time), ("startTime", _time), ("endTime", _time), ("deviceID", _text), ("deviceMetadata", _text),
    ("rawData", _text), ("dataProcessingMethod", _text), ("bizRules", _text),
))  # fmt: skip
_REPORT: Final = _fields((
    ("type", _word(MEASUREMENTS)), ("exception", _word(ALERTS)), ("deviceID", _text), ("deviceMetadata", _text),
    ("rawData", _text), ("dataProcessingMethod", _text), ("time", _time), ("microorganism", _text),
    ("chemicalSubstance", _text), ("value", _number), ("component", _word(COMPONENTS)), ("stringValue", _text),
    ("booleanValue", _any), ("hexBinaryValue", _text), ("uriValue", _text), ("minValue", _number),
    ("maxValue", _number), ("meanValue", _number), ("sDev", _number), ("percRank", _number), ("percValue", _number),
    ("uom", _text), ("coordinateReferenceSystem", _text),
))  # fmt: skip
_SENSOR_ELEMENT: Final = _fields((
    ("sensorMetadata", _object(_METADATA)), ("sensorReport", _objects("sensorReport", _REPORT, outer="")),
))  # fmt: skip

_FIELDS: Final[tuple[tuple[str, _Write], ...]] = (
    ("eventTime", _time),
    ("eventTimeZoneOffset", _text),
    ("certificationInfo", _each(_text)),
    ("epcList", _EPCS),
    ("parentID", _text),
    ("inputEPCList", _EPCS),
    ("childEPCs", _EPCS),
    ("quantityList", _QUANTITIES),
    ("childQuantityList", _QUANTITIES),
    ("inputQuantityList", _QUANTITIES),
    ("outputEPCList", _EPCS),
    ("outputQuantityList", _QUANTITIES),
    ("action", _text),
    ("transformationID", _text),
    ("bizStep", _word(BIZ_STEPS)),
    ("disposition", _DISPOSITION),
    ("persistentDisposition", _object(_fields((("set", _each(_DISPOSITION)), ("unset", _each(_DISPOSITION)))))),
    ("readPoint", _PLACE),
    ("bizLocation", _PLACE),
    ("bizTransactionList", _objects("", _fields((("type", _word(TRANSACTION_TYPES)), ("bizTransaction", _text))))),
    ("sourceList", _objects("", _fields((("type", _PARTY), ("source", _text))))),
    ("destinationList", _objects("", _fields((("type", _PARTY), ("destination", _text))))),
    ("sensorElementList", _objects("sensorElement", _SENSOR_ELEMENT)),
    ("ilmd", _ilmd),
)
_KNOWN: Final = frozenset(name for name, _ in _FIELDS)
_NOT_HASHED: Final = frozenset({"type", "@type", "@context", "eventID", "recordTime", "errorDeclaration"})
