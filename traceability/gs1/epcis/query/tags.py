"""Tags that serve questions alone: an event's sensors, units, dispositions that stay, declarations and extensions.

They tell which events have something to look at: of a field its name and not its value, of a reading what it measures
and not how much. So they stay few, and no value that might be about a person becomes a tag. Master data of a lot is
about goods, and is asked for by its values, such as a lot's number: there the tag has the value too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from traceability.gs1.epcis.query.field_values import one_form, scalars, text_of
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.units import unit

EVENT_FIELDS: Final = frozenset({"eventID", "errorDeclaration", "recordTime"})
"""The members of the part `more` that are no extensions."""

DECLARATION_FIELDS: Final = frozenset({"declarationTime", "reason", "correctiveEventIDs"})
PLACE_FIELDS: Final = frozenset({"id", "type"})
ELEMENT_FIELDS: Final = frozenset({"sensorMetadata", "sensorReport", "type"})
METADATA_FIELDS: Final = frozenset({
    "time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules",
})  # fmt: skip
REPORT_FIELDS: Final = frozenset({
    "type", "exception", "component", "time", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod",
    "bizRules", "microorganism", "chemicalSubstance", "value", "stringValue", "booleanValue", "hexBinaryValue",
    "uriValue", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue", "uom",
    "coordinateReferenceSystem",
})  # fmt: skip

SENSED: Final = "sensor:element"
DECLARED: Final = "error:declaration"
SENSOR_TERMS: Final = ("type", "dataProcessingMethod", "bizRules", "microorganism", "chemicalSubstance")
"""The attributes of metadata and reports whose values are words or references, which a tag names."""

_CACHED: Final = 4096
_VALUE_LENGTH: Final = 256


@lru_cache(maxsize=_CACHED)
def field_tag(name: str) -> str:
    """Return the tag of events that have an extension of this name: of the event, its ilmd, a place or a sensor."""
    return f"field:{name}"


def ilmd_tag(name: str, value: str) -> str:
    """Return the tag of events whose master data has this value, up to the form of a number or a time."""
    return f"ilmd:{name}={one_form(value)[:_VALUE_LENGTH]}"


@lru_cache(maxsize=_CACHED)
def sensor_tag(attribute: str, value: str) -> str:
    """Return the tag of events in which an attribute of `SENSOR_TERMS` has a value."""
    return f"sensor:{attribute}/{value}"


@lru_cache(maxsize=_CACHED)
def reading_tag(uom: str) -> str:
    """Return the tag of events that have a reading in this unit, or in one of its kind."""
    return f"reading:{unit(uom).kind}"


@lru_cache(maxsize=_CACHED)
def quantity_tag(uom: str) -> str:
    """Return the tag of events that count goods in this unit, or in one of its kind."""
    return f"quantity:{unit(uom).kind}"


def persistent_tag(member: str, word: str) -> str:
    """Return the tag of events that set or unset a persistent disposition."""
    return f"persistent:{member}/{word}"


def reason_tag(reason: str) -> str:
    """Return the tag of error declarations with this reason."""
    return f"error:{reason}"


def corrective_tag(event_id: str) -> str:
    """Return the tag of error declarations that name this event as one that corrects."""
    return f"corrective:{event_id}"


def query_tags(
    head: Mapping[str, JSON],
    what: Iterable[bytes],
    where: Mapping[str, JSON],
    how: Mapping[str, JSON],
    more: Mapping[str, JSON],
) -> list[str]:
    """Return the tags of an event from its decoded parts and the bytes of its items; some may come more than once."""
    tags = []
    if "persistentDisposition" in head:
        for member, words in head["persistentDisposition"].items():
            tags += [persistent_tag(member, word) for word in words]
    if "errorDeclaration" in head:
        tags.append(DECLARED)
        reason = head["errorDeclaration"].get("reason")
        if reason is not None:
            tags.append(reason_tag(reason))
    tags += [quantity_tag(uom) for uom in _units(what)]
    for place in where.values():
        if len(place) > 1:
            tags += _field_tags(place, PLACE_FIELDS)
    if how:
        _add_sensors(how.get("sensorElementList", ()), tags)
        if how.get("ilmd"):
            _add_master_data(how["ilmd"], tags)
    tags += _field_tags(more, EVENT_FIELDS)
    declaration = more.get("errorDeclaration")
    if declaration:
        tags += map(corrective_tag, declaration.get("correctiveEventIDs", ()))
        tags += _field_tags(declaration, DECLARATION_FIELDS)
    return tags


def _add_master_data(ilmd: Mapping[str, JSON], tags: list[str]) -> None:
    for name, value in ilmd.items():
        tags.append(field_tag(name))
        if type(value) is str:  # and no Number, which is one too
            tags.append(ilmd_tag(name, value))
        else:
            tags += [ilmd_tag(name, text) for one in scalars(value) if (text := text_of(one)) is not None]


_UOM: Final = b'"uom":"'


def _units(what: Iterable[bytes]) -> set[str]:
    # What stands in an item's identifier has no quotes, so the name of the member is found in its bytes.
    return {str(item.rpartition(_UOM)[2][:-2], "ascii") for item in what if _UOM in item}


def _add_sensors(elements: Iterable[Mapping[str, JSON]], tags: list[str]) -> None:
    for element in elements:
        tags.append(SENSED)
        metadata, reports = element.get("sensorMetadata") or {}, element.get("sensorReport", ())
        for holder in (metadata, *reports):
            tags += [sensor_tag(name, holder[name]) for name in SENSOR_TERMS if name in holder]
        tags += [reading_tag(report["uom"]) for report in reports if "uom" in report]
        tags += _field_tags(element, ELEMENT_FIELDS)
        tags += _field_tags(metadata, METADATA_FIELDS)
        for report in reports:
            tags += _field_tags(report, REPORT_FIELDS)


def _field_tags(holder: Mapping[str, JSON], standard: frozenset[str]) -> list[str]:
    # What stands inside an extension has no tag: whoever writes objects there would pay for each name in them.
    return [] if holder.keys() <= standard else [field_tag(name) for name in holder if name not in standard]
