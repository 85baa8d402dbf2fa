"""SimpleEventQuery by the words of the standard, over events as they were sent: slow, plain, and nothing of ours.

It knows the handful of identifiers, units and words that `tests.support.random_events` writes, by hand: what a pattern
means is a table here, and degrees become kelvins by a formula. An event is a dict of JSON; a parameter is a name and
its values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from tests.support.random_events import (
    CLASS,
    COMPANY,
    COW,
    EX,
    FOREIGN,
    FOREIGN_CLASS,
    LOT,
    LOT_PACK,
    OTHER,
    OTHER_LOT,
    PACK,
    PALLET,
    SPELLINGS,
    TOOL,
)

Event = dict[str, Any]

# What each value of a MATCH parameter means, and what it names, which is less: a class names itself and no member.
MEANS = {
    PACK: {PACK}, LOT_PACK: {LOT_PACK}, OTHER: {OTHER}, FOREIGN: {FOREIGN}, PALLET: {PALLET}, COW: {COW},
    TOOL: {TOOL}, "urn:epc:idpat:gid:95100000.*.*": {TOOL}, "urn:epc:idpat:bic:*": set(),
    CLASS: {CLASS, LOT, PACK, LOT_PACK},
    LOT: {LOT, LOT_PACK},
    OTHER_LOT: {OTHER_LOT},
    FOREIGN_CLASS: {FOREIGN_CLASS, FOREIGN},
    COMPANY: {CLASS, LOT, PACK, LOT_PACK, OTHER, OTHER_LOT},
    "urn:epc:idpat:sgtin:*.*.*": {CLASS, LOT, PACK, LOT_PACK, OTHER, OTHER_LOT, FOREIGN, FOREIGN_CLASS},
    "urn:epc:idpat:sscc:9521234.*": {PALLET},
    "urn:epc:idpat:giai:9521234.*": set(),
}  # fmt: skip
LISTS = {
    "epc": ["epcList", "childEPCs"],
    "parentID": ["parentID"],
    "inputEPC": ["inputEPCList"],
    "outputEPC": ["outputEPCList"],
    "anyEPC": ["parentID", "epcList", "childEPCs", "inputEPCList", "outputEPCList"],
    "epcClass": ["quantityList", "childQuantityList"],
    "inputEPCClass": ["inputQuantityList"],
    "outputEPCClass": ["outputQuantityList"],
    "anyEPCClass": ["quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"],
}
ALL_LISTS = sorted({name for names in LISTS.values() for name in names})
IN_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda a, b: a == b,
    "GT": lambda a, b: a > b,
    "GE": lambda a, b: a >= b,
    "LT": lambda a, b: a < b,
    "LE": lambda a, b: a <= b,
}
AREAS = ("ILMD", "ERROR_DECLARATION", "SENSORELEMENT", "SENSORMETADATA", "SENSORREPORT", "readPoint", "bizLocation")
FIELD = re.compile(rf"(EQ|GT|GE|LT|LE|EXISTS)_(INNER_)?(?:({'|'.join(AREAS)})_)?{re.escape(EX)}(\w+)")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
AMOUNT = re.compile(r"(EQ|GT|GE|LT|LE)_(quantity|value|minValue|maxValue|meanValue|sDev|percValue|percRank)(?:_(...))?")
# A unit of how much a unit is in that of its kind, and of where its zero is.
UNITS = {
    "KEL": ("temperature", Fraction(1), Fraction(0)),
    "CEL": ("temperature", Fraction(1), Fraction("273.15")),
    "FAH": ("temperature", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
    "KGM": ("mass", Fraction(1000), Fraction(0)),
    "GRM": ("mass", Fraction(1), Fraction(0)),
}


def means(value: str) -> str:
    """Return the one spelling of an identifier."""
    return SPELLINGS.get(value, value)


def meets(event: Event, recorded_at: datetime, parameters: Iterable[tuple[str, list[str]]]) -> bool:
    """Tell whether an event, as its reader sees it, is in the answer."""
    return all(_meets(event, recorded_at, name, values) for name, values in parameters)


def _meets(event: Event, recorded_at: datetime, name: str, values: list[str]) -> bool:
    how, _, what = name.partition("_")
    field, amount = FIELD.fullmatch(name), AMOUNT.fullmatch(name)
    if field is not None:
        return _field(event, field, values)
    if amount is not None:
        return _amount(event, amount, values)
    if how in ("GE", "LT"):
        limit = datetime.fromisoformat(values[0])
        return any(IN_ORDER[how](time, limit) for time in _times(event, recorded_at, what))
    if how == "EXISTS":
        return values[0] == "false" or bool(event.get(what))
    if what.startswith(("bizTransaction_", "source_", "destination_")):
        kind, _, one_type = what.partition("_")
        found = [pair[kind] for pair in event.get(f"{kind}List", []) if pair.get("type") == one_type]
    else:
        found = list(things(event, LISTS[what])) if how == "MATCH" else _said(event, name)
    wanted = set().union(*(MEANS[means(value)] for value in values)) if how == "MATCH" else set(map(_same, values))
    return not wanted.isdisjoint(map(_same, found))


def place_by(event: Event, name: str) -> tuple[int, Any] | None:
    """Return where a field of the event puts it, by the guide: numbers, then times, then texts; None without one."""
    for one in _scalars(event.get(name)):
        if one is not None:
            text = _text(one)
            ways: list[tuple[int, Any]] = [(0, _number(text)), (1, _moment(text)), (2, text)]
            return next((kind, value) for kind, value in ways if value is not None)
    return None


def _same(value: str) -> str:
    # Two hex digits are one byte, in upper case and in lower case.
    return {"AB": "ab", "0F": "0f"}.get(value, means(value))


def _said(event: Event, name: str) -> list[str]:
    declaration, persistent = event.get("errorDeclaration") or {}, event.get("persistentDisposition") or {}
    what = name.removeprefix("EQ_")
    if what in ("readPoint", "bizLocation"):
        return [event[what]["id"]] if what in event else []
    if what in ("action", "bizStep", "disposition", "eventID", "transformationID"):
        return [event[what]] if what in event else []
    read = [_text(holder[what]) for holder in _sensors(event) if what in holder]
    elsewhere: dict[str, list[str]] = {
        "eventType": [event["type"]],
        "persistentDisposition_set": persistent.get("set", []),
        "persistentDisposition_unset": persistent.get("unset", []),
        "errorReason": [declaration["reason"]] if "reason" in declaration else [],
        "correctiveEventID": declaration.get("correctiveEventIDs", []),
    }
    return elsewhere.get(what, read)


def _times(event: Event, recorded_at: datetime, what: str) -> Iterator[datetime]:
    if what == "recordTime":
        yield recorded_at
    elif what == "eventTime":
        yield datetime.fromisoformat(event["eventTime"])
    elif what == "errorDeclarationTime":
        if "errorDeclaration" in event:
            yield datetime.fromisoformat(event["errorDeclaration"]["declarationTime"])
    else:
        yield from (datetime.fromisoformat(holder[what]) for holder in _sensors(event) if what in holder)


def _sensors(event: Event) -> Iterator[Event]:
    for element in event.get("sensorElementList", []):
        yield element.get("sensorMetadata", {})
        yield from element["sensorReport"]


def things(event: Event, lists: Iterable[str]) -> Iterator[str]:
    for name in lists:
        value = event.get(name)
        if isinstance(value, str):
            yield value
        else:
            yield from [one["epcClass"] if isinstance(one, dict) else one for one in value or []]


def _amount(event: Event, match: re.Match[str], values: list[str]) -> bool:
    how, what, uom = match.groups()
    if what == "quantity":
        holders = [one for name in LISTS["anyEPCClass"] for one in event.get(name) or []]
    else:
        holders = list(_sensors(event))
    return any(
        IN_ORDER[how](_in_unit(Fraction(str(holder[what])), holder.get("uom"), what, uom), asked)
        for holder in holders
        if what in holder and (uom is None or _kind(holder.get("uom")) == _kind(uom))
        for asked in [_in_unit(Fraction(value), uom, what, uom) for value in values]
    )


def _kind(uom: str | None) -> str | None:
    return UNITS[uom][0] if uom in UNITS else uom


def _in_unit(amount: Fraction, uom: str | None, what: str, asked: str | None) -> Fraction:
    if asked is None or uom not in UNITS:
        return amount
    _, one, zero = UNITS[uom]
    return amount * one + (0 if what == "sDev" else zero)


def _field(event: Event, match: re.Match[str], values: list[str]) -> bool:
    how, inner, area, local = match.groups()
    found: list[Any] = []
    for holder in _areas(event, area):
        extensions = {name: value for name, value in holder.items() if name.startswith("ex:")}
        if inner:
            found += [value for one in extensions.values() for value in _inside(one, f"ex:{local}")]
        elif f"ex:{local}" in extensions:
            found.append(extensions[f"ex:{local}"])
    if how == "EXISTS":
        return values[0] == "false" or bool(found)
    scalars = [scalar for value in found for scalar in _scalars(value)]
    return any(_compare(how, scalar, value) for scalar in scalars for value in values)


def _areas(event: Event, area: str | None) -> list[Event]:
    elements: list[Event] = event.get("sensorElementList", [])
    areas: dict[str | None, list[Event]] = {
        None: [event],
        "ILMD": [event.get("ilmd", {})],
        "ERROR_DECLARATION": [event.get("errorDeclaration") or {}],
        "SENSORELEMENT": elements,
        "SENSORMETADATA": [element.get("sensorMetadata", {}) for element in elements],
        "SENSORREPORT": [report for element in elements for report in element["sensorReport"]],
        "readPoint": [event.get("readPoint", {})],
        "bizLocation": [event.get("bizLocation", {})],
    }
    return areas[area]


def _inside(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _inside(one, name)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == name:
                yield one
            yield from _inside(one, name)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _scalars(one)
    elif isinstance(value, dict):
        if "@value" in value:
            yield value["@value"]
    else:
        yield value


def _compare(how: str, scalar: Any, value: str) -> bool:
    text = _text(scalar)
    if how == "EQ" and text == value:
        return True
    for read in (_number, _moment):
        left, right = read(text), read(value)
        if right is not None:
            return left is not None and IN_ORDER[how](left, right)
    return False


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _number(text: str) -> Fraction | None:
    return Fraction(text) if NUMBER.fullmatch(text) else None


def _moment(text: str) -> datetime | None:
    try:
        if len(text) == len("2026-03-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
