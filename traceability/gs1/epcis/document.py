"""EPCIS 2.0 documents in JSON and JSON-LD: in come bytes, out come events cut into parts, and problems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from traceability.gs1.epcis.context import Names, standard_names
from traceability.gs1.epcis.envelope import Envelope, EventText, open_envelope
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.problems import Findings, Problem, shown
from traceability.gs1.epcis.reader import event_of
from traceability.gs1.epcis.strict_json import JsonTextError, text_of
from traceability.gs1.epcis.times import utc
from traceability.ledger.event import LedgerEvent

_DOCUMENT: Final = "EPCISDocument"
_QUERY_DOCUMENT: Final = "EPCISQueryDocument"
_PLACE_OF_EVENTS: Final = {_DOCUMENT: "eventList", _QUERY_DOCUMENT: "queryResults"}
_VERSION: Final = re.compile(r"2(?:\.\d+){0,2}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """A well-formed event; `index` counts all events of the document from 0, `path` is its JSONPath."""

    index: int
    path: str
    event: LedgerEvent


@dataclass(frozen=True, slots=True)
class Document:
    """What was read: the well-formed events and every problem. Which of the events to record is the caller's choice."""

    events: list[CapturedEvent]
    problems: list[Problem]

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong that keeps an event, or the document, out; warnings do not count."""
        return all(problem.severity == "warning" for problem in self.problems)


def read_document(data: bytes, *, captured_by: str, personal: Sequence[str] = ()) -> Document:
    """Read a document that `captured_by` puts in.

    `personal` is the ledger's list of personal members (`PersonalMembers`). No input raises: a document that is not
    JSON, or none of EPCIS, is one problem without an index and no events. Only a wrong `personal` list raises
    `InvalidInputError`.
    """
    private = PersonalMembers(personal)
    around = Findings(None, "$")
    try:
        envelope = open_envelope(text_of(data))
    except JsonTextError as error:
        around.error("", error.code, error.message)
        return Document([], around.problems)
    texts = _events_of(envelope, around)
    names = standard_names().within(envelope.members.get("@context"), around, "")
    events: list[CapturedEvent] = []
    problems = list(around.problems)
    for index, text in enumerate(texts):
        findings = Findings(index, text.path)
        event = _read_event(text, names, captured_by, private, findings)
        text.value = None  # its parts hold it now; a large document would be in memory twice
        problems += findings.problems
        if event is not None:
            events.append(CapturedEvent(index, text.path, event))
    return Document(events, problems)


def _read_event(
    text: EventText, names: Names, captured_by: str, personal: PersonalMembers, findings: Findings
) -> LedgerEvent | None:
    if text.error is not None:
        findings.error("", text.error.code, text.error.message)
        return None
    return event_of(
        text.value, text.text.encode(), names, captured_by=captured_by, personal=personal, findings=findings
    )


def _events_of(envelope: Envelope, around: Findings) -> list[EventText]:
    """Return the events when the document is one of EPCIS, else note what it is not."""
    members = envelope.members
    if "" in members or envelope.events is None:
        message = "An EPCIS document is an object with epcisBody.eventList, an array of events, or one event."
        around.error("", "epcis.no_event_list", message)
        return []
    if "epcisBody" not in members:  # an array, or one event
        return envelope.events
    kind = members.get("type")
    if kind not in (_DOCUMENT, _QUERY_DOCUMENT):
        message = f"The type of a document is {_DOCUMENT} or {_QUERY_DOCUMENT}, not {shown(kind)}."
        around.error(".type" if "type" in members else "", "epcis.document_type", message)
        return []
    place = _PLACE_OF_EVENTS[kind]
    if members["epcisBody"].keys() & set(_PLACE_OF_EVENTS.values()) != {place}:
        message = f"The events of an {kind} lie in epcisBody.{place} and nowhere else."
        around.error(".epcisBody", "epcis.no_event_list", message)
        return []
    version = members.get("schemaVersion")
    if version is None and kind == _DOCUMENT:
        around.error("", "epcis.missing_field", "An EPCISDocument needs a schemaVersion.")
    elif version is not None and (type(version) is not str or _VERSION(version) is None):
        message = f'This reads EPCIS 2 (schemaVersion "2.0"), not {shown(version)}.'
        around.error(".schemaVersion", "epcis.schema_version", message)
        return []
    created = members.get("creationDate")
    if created is None and kind == _DOCUMENT:
        around.error("", "epcis.missing_field", "An EPCISDocument needs a creationDate.")
    elif created is not None and (type(created) is not str or utc(created) is None):
        message = f"A creationDate is a date, a time and an offset, not {shown(created)}."
        around.error(".creationDate", "epcis.time", message)
    if "@context" not in members:
        message = "The document names no @context; only the prefixes of GS1's own are understood."
        around.warn("", "epcis.no_context", message)
    return envelope.events
