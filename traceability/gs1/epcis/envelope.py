"""The document around the events: what it is, what is wrong with it, and which blocks of events are to be read."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from traceability.gs1.epcis.blocks import Block, Outline, Readable
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.outline import outline_of
from traceability.gs1.epcis.problems import Findings, Problem, shown
from traceability.gs1.epcis.strict_json import JSON, JsonTextError, dumps
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.xml.markup import SPACE, XmlTextError, encoding_error
from traceability.gs1.epcis.xml.outline import outline_of_xml
from traceability.ledger.event import microseconds

MAX_CONTEXT_BYTES: Final = 1 << 16
"""It is kept with the bytes of each event that is not recorded, since they mean nothing without it."""

_DOCUMENT: Final = "EPCISDocument"
_QUERY_DOCUMENT: Final = "EPCISQueryDocument"
_PLACE_OF_EVENTS: Final = {_DOCUMENT: "eventList", _QUERY_DOCUMENT: "queryResults"}
_VERSION: Final = re.compile(r"2(?:\.\d+){0,2}", re.ASCII).fullmatch
_XML_VERSION: Final = re.compile(r"[12](?:\.\d+){0,2}", re.ASCII).fullmatch
MAX_NAMESPACE_BYTES: Final = 1 << 13
"""Of an XML document: they are written again with each of its events that uses them."""
_HEAD: Final = 64
_UTF16: Final = (b"<\0", b"\0<", codecs.BOM_UTF16_LE + b"<", codecs.BOM_UTF16_BE + b"\0<")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A document's problems, its `@context`, and its blocks: none when it cannot be read, or is not one of EPCIS.

    In XML, `context` are the namespaces in scope where the events are. `members` are those around the events, in XML
    those of its JSON twin, without the context.
    """

    problems: list[Problem]
    context: JSON
    blocks: list[Block]
    in_xml: bool = False
    members: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def master_data(self) -> bytes:
        """Return the `epcisMasterData` of the header as JSON, empty for none, as `read_header` takes it."""
        header = self.members.get("epcisHeader")
        found = header.get("epcisMasterData") if isinstance(header, dict) else None
        return b"" if found is None else dumps(found)

    @property
    def header_context(self) -> JSON:
        """Return the @context in which names of master data are read; in XML they are whole."""
        return None if self.in_xml else self.context

    @property
    def created_at(self) -> int | None:
        """Return the creationDate in microseconds UTC, None without one."""
        created = self.members.get("creationDate")
        time = utc(created) if type(created) is str else None
        return None if time is None else microseconds(time)

    @property
    def events(self) -> int:
        """How many events are to be read."""
        return sum(block.events for block in self.blocks)


def open_envelope(document: Readable) -> Envelope:
    """Find the events of a document; no bytes raise."""
    around = Findings(None, "$")
    head = document.read(_HEAD)
    in_xml = head.removeprefix(codecs.BOM_UTF8).lstrip(SPACE).startswith(b"<")
    try:
        if head.startswith(_UTF16):
            raise encoding_error("UTF-16")
        outline = (outline_of_xml if in_xml else outline_of)(_Behind(head, document))
    except (JsonTextError, XmlTextError) as error:
        around.error("", error.code, error.message)
        return Envelope(around.problems, None, [], in_xml)
    blocks = outline.blocks if _holds_events(outline, around, in_xml=in_xml) else []
    context = outline.members.pop("@context", None)
    most = MAX_NAMESPACE_BYTES if in_xml else MAX_CONTEXT_BYTES
    if context is not None and len(dumps(context)) > most:
        what = "The namespaces in scope where the events are have" if in_xml else "The @context of a document has"
        around.error("" if in_xml else "['@context']", "epcis.context", f"{what} at most {most} bytes.")
        return Envelope(around.problems, None, [], in_xml)
    if not in_xml:
        standard_names().within(context, around, "")
    return Envelope(around.problems, context, blocks, in_xml, outline.members)


class _Behind:
    """A document whose first bytes were read."""

    def __init__(self, head: bytes, document: Readable) -> None:
        self._head = head
        self._document = document

    def read(self, size: int, /) -> bytes:
        head, self._head = self._head, b""
        return head or self._document.read(size)


def _holds_events(outline: Outline, around: Findings, *, in_xml: bool) -> bool:
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
    elif version is not None and (type(version) is not str or (_XML_VERSION if in_xml else _VERSION)(version) is None):
        message = f'This reads EPCIS 2 (schemaVersion "2.0"){" and 1" if in_xml else ""}, not {shown(version)}.'
        around.error(".schemaVersion", "epcis.schema_version", message)
        return False
    created = members.get("creationDate")
    if created is None and kind == _DOCUMENT:
        around.error("", "epcis.missing_field", "An EPCISDocument needs a creationDate.")
    elif created is not None and (type(created) is not str or utc(created) is None):
        message = f"A creationDate is a date, a time and an offset, not {shown(created)}."
        around.error(".creationDate", "epcis.time", message)
    if "@context" not in members and not in_xml:
        message = "The document names no @context; only the prefixes of GS1's own are understood."
        around.warn("", "epcis.no_context", message)
    return True
