"""The document around the events: what it is, what is wrong with it, and which blocks of events are to be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.outline import Block, Outline, Readable, outline_of
from traceability.gs1.epcis.problems import Findings, Problem, shown
from traceability.gs1.epcis.strict_json import JSON, JsonTextError, dumps
from traceability.gs1.epcis.times import utc

MAX_CONTEXT_BYTES: Final = 1 << 16
"""It is kept with the bytes of each event that is not recorded, since they mean nothing without it."""

_DOCUMENT: Final = "EPCISDocument"
_QUERY_DOCUMENT: Final = "EPCISQueryDocument"
_PLACE_OF_EVENTS: Final = {_DOCUMENT: "eventList", _QUERY_DOCUMENT: "queryResults"}
_VERSION: Final = re.compile(r"2(?:\.\d+){0,2}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Envelope:
    """A document's problems, its `@context`, and its blocks: none when it is not JSON, or not one of EPCIS."""

    problems: list[Problem]
    context: JSON
    blocks: list[Block]

    @property
    def events(self) -> int:
        """How many events are to be read."""
        return sum(block.events for block in self.blocks)


def open_envelope(document: Readable) -> Envelope:
    """Find the events of a document; no bytes raise."""
    around = Findings(None, "$")
    try:
        outline = outline_of(document)
    except JsonTextError as error:
        around.error("", error.code, error.message)
        return Envelope(around.problems, None, [])
    blocks = outline.blocks if _holds_events(outline, around) else []
    context = outline.members.get("@context")
    if context is not None and len(dumps(context)) > MAX_CONTEXT_BYTES:
        message = f"The @context of a document has at most {MAX_CONTEXT_BYTES} bytes."
        around.error("['@context']", "epcis.context", message)
        return Envelope(around.problems, None, [])
    standard_names().within(context, around, "")
    return Envelope(around.problems, context, blocks)


def _holds_events(outline: Outline, around: Findings) -> bool:
    """Tell whether the document is one of EPCIS, else note what it is not."""
    members = outline.members
    if "" in members or not (outline.lists or outline.blocks):
        message = "An EPCIS document is an object with epcisBody.eventList, an array of events, or one event."
        around.error("", "epcis.no_event_list", message)
        return False
    if "epcisBody" not in members:  # an array, or one event
        return True
    kind = members.get("type")
    if kind not in (_DOCUMENT, _QUERY_DOCUMENT):
        message = f"The type of a document is {_DOCUMENT} or {_QUERY_DOCUMENT}, not {shown(kind)}."
        around.error(".type" if "type" in members else "", "epcis.document_type", message)
        return False
    place = _PLACE_OF_EVENTS[kind]
    if members["epcisBody"].keys() & set(_PLACE_OF_EVENTS.values()) != {place}:
        message = f"The events of an {kind} lie in epcisBody.{place} and nowhere else."
        around.error(".epcisBody", "epcis.no_event_list", message)
        return False
    version = members.get("schemaVersion")
    if version is None and kind == _DOCUMENT:
        around.error("", "epcis.missing_field", "An EPCISDocument needs a schemaVersion.")
    elif version is not None and (type(version) is not str or _VERSION(version) is None):
        message = f'This reads EPCIS 2 (schemaVersion "2.0"), not {shown(version)}.'
        around.error(".schemaVersion", "epcis.schema_version", message)
        return False
    created = members.get("creationDate")
    if created is None and kind == _DOCUMENT:
        around.error("", "epcis.missing_field", "An EPCISDocument needs a creationDate.")
    elif created is not None and (type(created) is not str or utc(created) is None):
        message = f"A creationDate is a date, a time and an offset, not {shown(created)}."
        around.error(".creationDate", "epcis.time", message)
    if "@context" not in members:
        message = "The document names no @context; only the prefixes of GS1's own are understood."
        around.warn("", "epcis.no_context", message)
    return True
