"""Sensor elements, the measured part of the how dimension (EPCIS 2.0 §7.3.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from traceability.gs1.epcis.context import Names
from traceability.gs1.epcis.fields import (
    Check,
    canonical_object,
    identifier_field,
    objects,
    text_field,
    time_field,
    type_field,
    uri_field,
)
from traceability.gs1.epcis.problems import Findings, shown
from traceability.gs1.epcis.strict_json import JSON, is_number
from traceability.gs1.epcis.vocabulary import ALERT, COMPONENT, MEASUREMENT

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+").fullmatch
_DECIMAL_TEXT: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII).fullmatch


def cut_sensor_elements(value: JSON, names: Names, findings: Findings) -> list[JSON] | None:
    """Return the sensor elements, their reports checked and their device identifiers canonical."""
    path = ".sensorElementList"
    if not isinstance(value, list):
        findings.error(path, "epcis.type", f"sensorElementList is an array, not {shown(value)}.")
        return None
    found: list[JSON] = []
    for at, element in objects(value, path, "A sensor element", findings):
        if "sensorReport" not in element:
            findings.error(at, "epcis.missing_field", "A sensor element needs a sensorReport.")
        found.append(canonical_object(element, _ELEMENT, names, at, findings))
        _warn_repeated(element, at, findings)
    return found


def _decimal(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    if not is_number(value):
        if type(value) is str and _DECIMAL_TEXT(value):
            findings.warn(path, "epcis.number_as_text", f"The number {shown(value)} is written as text; it is kept.")
        else:
            findings.error(path, "epcis.sensor_value", f"A reading is a number, not {shown(value)}.")
    return value


def _boolean(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    if not isinstance(value, bool):
        findings.error(path, "epcis.sensor_value", f"A booleanValue is true or false, not {shown(value)}.")
    return value


def _hexadecimal(value: JSON, _names: Names, path: str, findings: Findings) -> JSON:
    if type(value) is not str or _HEX(value) is None:
        findings.error(path, "epcis.sensor_value", f"A hexBinaryValue is pairs of hex digits, not {shown(value)}.")
    return value


def _metadata(value: JSON, names: Names, path: str, findings: Findings) -> JSON:
    if not isinstance(value, dict):
        findings.error(path, "epcis.type", f"sensorMetadata is an object, not {shown(value)}.")
        return None
    return canonical_object(value, _METADATA, names, path, findings)


def _reports(value: JSON, names: Names, path: str, findings: Findings) -> JSON:
    if not isinstance(value, list) or not value:
        findings.error(path, "epcis.type", f"sensorReport is an array of reports, not {shown(value)}.")
        return None
    found: list[JSON] = []
    for at, report in objects(value, path, "A sensor report", findings):
        if "type" not in report:
            findings.error(at, "epcis.missing_field", "A sensor report needs a type.")
        found.append(canonical_object(report, _REPORT, names, at, findings))
    return found


def _warn_repeated(element: dict[str, JSON], path: str, findings: Findings) -> None:
    """EPCIS says an attribute stands in the metadata or in a report; events in the field repeat it, so it is kept."""
    metadata, reports = element.get("sensorMetadata"), element.get("sensorReport")
    if not isinstance(metadata, dict) or not isinstance(reports, list):
        return
    for i, report in enumerate(reports):
        for name in sorted(_INLINE & metadata.keys() & report.keys()) if isinstance(report, dict) else ():
            message = f"{name} stands in the sensorMetadata and again in this report; both are kept."
            findings.warn(f"{path}.sensorReport[{i}].{name}", "epcis.repeated_sensor_attribute", message)


_INLINE: Final = frozenset({"dataProcessingMethod", "deviceID", "deviceMetadata", "rawData", "time", "bizRules"})
_METADATA: Final[Mapping[str, Check]] = {
    "time": time_field,
    "startTime": time_field,
    "endTime": time_field,
    "deviceID": identifier_field,
    **dict.fromkeys(("deviceMetadata", "rawData", "dataProcessingMethod", "bizRules"), uri_field),
}
_REPORT: Final[Mapping[str, Check]] = {
    "type": MEASUREMENT.word,
    "exception": ALERT.word,
    "component": COMPONENT.word,
    "time": time_field,
    "deviceID": identifier_field,
    "stringValue": text_field,
    "uom": text_field,
    "booleanValue": _boolean,
    "hexBinaryValue": _hexadecimal,
    **dict.fromkeys(
        ("value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue"), _decimal
    ),
    **dict.fromkeys(
        (
            "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules", "microorganism", "chemicalSubstance",
            "coordinateReferenceSystem", "uriValue",
        ),
        uri_field,
    ),
}  # fmt: skip
READING_FIELDS: Final = frozenset({*_METADATA, *_REPORT})
"""Fields of a sensor's metadata and of its reports."""

_ELEMENT: Final[Mapping[str, Check]] = {"sensorMetadata": _metadata, "sensorReport": _reports, "type": type_field}
