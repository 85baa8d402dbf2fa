"""From one format to another: the events of a document, checked, and written again without loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.document import EventReader, ReadEvent
from traceability.gs1.epcis.document_writer import DOCUMENT, Around, DocumentWriter
from traceability.gs1.epcis.envelope import Envelope
from traceability.gs1.epcis.problems import Findings, Problem
from traceability.gs1.epcis.strict_json import JSON, loads, read_value
from traceability.gs1.epcis.writer import write_event
from traceability.gs1.epcis.xml_event import value_of
from traceability.gs1.epcis.xml_names import NotInXmlError
from traceability.gs1.epcis.xml_tree import parse
from traceability.ledger.parts import ITEM_LISTS

_NOBODY: Final = "nobody.invalid"
_CARRIED: Final = frozenset({"type", "schemaVersion", "creationDate", "epcisHeader", "epcisBody"})


class EpcFormat(StrEnum):
    """How identifiers are written, in the words of the header GS1-EPC-Format (EPCIS 2.0 §12.4)."""

    NEVER_TRANSLATES = "Never_Translates"
    ALWAYS_GS1_DIGITAL_LINK = "Always_GS1_Digital_Link"


def around_of(envelope: Envelope, *, created: str) -> tuple[Around, list[str]]:
    """Return what stands around the events of a document, and the names of members that are not carried over.

    `created` is the creationDate of one that names none.
    """
    members = envelope.members
    results = members.get("epcisBody", {}).get("queryResults", {})
    names = standard_names().within(None if envelope.in_xml else envelope.context, Findings(None, "$"), "")
    header = members.get("epcisHeader") or {}
    around = Around(
        members.get("type", DOCUMENT),
        members.get("creationDate", created),
        names.expanded(header, "$", Findings(None, "$")) if isinstance(header, dict) else {},
        results.get("queryName", "SimpleEventQuery"),
        results.get("subscriptionID"),
    )
    is_document = "type" in members and "epcisBody" in members  # and not an event with members of its own
    return around, [name for name in members if is_document and name not in _CARRIED]


class EventConverter:
    """Reads the events of a document and writes them in another."""

    def __init__(self, envelope: Envelope, writer: DocumentWriter, *, epc_format: EpcFormat) -> None:
        self._in_xml = envelope.in_xml
        self._writer = writer
        self._as_written = epc_format is EpcFormat.NEVER_TRANSLATES
        self._reader = EventReader(envelope.context, captured_by=_NOBODY, in_xml=envelope.in_xml)
        self.blocks = envelope.blocks

    def converted(self, number: int, data: bytes) -> Iterator[tuple[bytes, list[Problem]]]:
        """Yield each event of block `number`, whose bytes are `data`: empty when it cannot be written, and why."""
        for one in self._reader.read(self.blocks[number], data):
            if one.event is None:
                yield b"", one.problems
                continue
            try:
                yield self._writer.event(self._value(one)), one.problems
            except NotInXmlError as error:
                yield b"", [*one.problems, Problem(one.index, one.path, error.code, "error", f"{error.message}.")]

    def _value(self, one: ReadEvent) -> dict[str, JSON]:
        assert one.event is not None
        event: dict[str, JSON] = loads(write_event(one.event.parts, None))
        if self._as_written:
            put_back_as_written(event, value_of(parse(one.text)) if self._in_xml else read_value(one.text))
        return event


def put_back_as_written(event: dict[str, JSON], given: Mapping[str, JSON]) -> None:
    """Put the identifiers and the eventTime of an event back as they were `given`."""
    event["eventTime"] = given["eventTime"]
    for name in ITEM_LISTS:
        if name in event:
            event[name] = _as_written(event[name], given[name])
    for name in ("readPoint", "bizLocation"):
        if name in event:
            event[name]["id"] = given[name]["id"]
    for name, member in (("sourceList", "source"), ("destinationList", "destination"), _TRANSACTIONS):
        for ours, theirs in zip(event.get(name, ()), given.get(name, ()), strict=True):
            ours[member] = theirs[member]
    for ours, theirs in zip(event.get("sensorElementList", ()), given.get("sensorElementList", ()), strict=True):
        sensors = [(ours.get("sensorMetadata", {}), theirs.get("sensorMetadata", {}))]
        for one, other in [*sensors, *zip(ours["sensorReport"], theirs["sensorReport"], strict=True)]:
            if "deviceID" in one:
                one["deviceID"] = other["deviceID"]


_TRANSACTIONS: Final = ("bizTransactionList", "bizTransaction")


def _as_written(ours: JSON, given: JSON) -> JSON:
    if isinstance(given, str):
        return given
    if len(ours) != len(given):  # one thing was named twice, in two spellings
        return ours
    return [
        {**one, "epcClass": other["epcClass"]} if isinstance(one, dict) else other
        for one, other in zip(ours, given, strict=True)
    ]
