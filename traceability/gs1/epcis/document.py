"""EPCIS documents in JSON, JSON-LD and XML: in come bytes, out come events cut into parts, and problems.

A document is outlined first; then its blocks of events can be read in any order, by anybody who knows its @context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

from traceability.gs1.epcis.blocks import MAX_VALUE_BYTES, Block
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.master_data import VocabularyElement, read_header
from traceability.gs1.epcis.outline import spans_of
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.problems import Findings, Problem
from traceability.gs1.epcis.reader import read_event
from traceability.gs1.epcis.strict_json import JSON, Place
from traceability.gs1.epcis.xml.event import read_xml_event, with_namespaces
from traceability.gs1.epcis.xml.outline import spans_of_xml
from traceability.ledger.event import LedgerEvent


@dataclass(frozen=True, slots=True)
class CapturedEvent:
    """A well-formed event; `index` counts all events of the document from 0, `path` is its JSONPath."""

    index: int
    path: str
    event: LedgerEvent


@dataclass(frozen=True, slots=True)
class Document:
    """What was read: the well-formed events and every problem. Which of the events to record is the caller's choice.

    `elements` are those of the header's master data, stated at the document's creation.
    """

    events: list[CapturedEvent]
    problems: list[Problem]
    elements: list[VocabularyElement] = field(default_factory=list)
    created_at: int | None = None

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong that keeps an event, or the document, out; warnings do not count."""
        return all(problem.severity == "warning" for problem in self.problems)


@dataclass(frozen=True, slots=True)
class ReadEvent:
    """One event of a block: its place, its bytes as received, what was read (None when malformed), what is wrong.

    The bytes of one in XML have the namespaces that were in scope around it.
    """

    index: int
    path: str
    text: bytes
    event: LedgerEvent | None
    problems: list[Problem]


class EventReader:
    """Reads the events that `captured_by` puts in with a document of this `@context`, in JSON or in XML.

    `personal` is the ledger's list of personal members (`PersonalMembers`), and the only argument that may be wrong:
    raises `InvalidInputError`.
    """

    def __init__(self, context: JSON, *, captured_by: str, personal: Sequence[str] = (), in_xml: bool = False) -> None:
        self._captured_by = captured_by
        self._personal = PersonalMembers(personal)
        self._in_xml = in_xml
        self._namespaces: Mapping[str, str] = context if in_xml and context else {}
        # What is wrong with the context is told of the document, once (`open_envelope`).
        self._names = standard_names().within(None if in_xml else context, Findings(None, "$"), "")

    def read(self, block: Block, data: bytes) -> Iterator[ReadEvent]:
        """Read the events of a block, whose bytes are `data` (none are needed of one too long); no bytes raise."""
        if block.too_long:
            findings = Findings(block.index, block.path_of(0))
            findings.error("", "epcis.event_too_long", f"An event has at most {MAX_VALUE_BYTES} bytes.")
            yield ReadEvent(block.index, findings.base, b"", None, findings.problems)
            return
        place, at = block.place, 0
        for i, (start, end) in enumerate(spans_of_xml(data) if self._in_xml else spans_of(data)):
            place, at = place.after(data[at:start]), start
            findings = Findings(block.index + i, block.path_of(i))
            text, event = self._read(data[start:end], findings, block.offset + start, place)
            yield ReadEvent(findings.index or 0, findings.base, text, event, findings.problems)

    def _read(self, text: bytes, findings: Findings, offset: int, place: Place) -> tuple[bytes, LedgerEvent | None]:
        if self._in_xml:
            text = with_namespaces(text, self._namespaces)
            return text, read_xml_event(text, self._captured_by, self._personal, findings, place=place)
        return text, read_event(
            text, self._names, self._captured_by, self._personal, findings, offset=offset, place=place
        )


def read_document(data: bytes, *, captured_by: str, personal: Sequence[str] = ()) -> Document:
    """Read a whole document that `captured_by` puts in.

    No input raises: a document that is neither JSON nor XML, or none of EPCIS, is one problem without an index and no
    events. Only a wrong `personal` list raises `InvalidInputError`.
    """
    envelope = open_envelope(BytesIO(data))
    reader = EventReader(envelope.context, captured_by=captured_by, personal=personal, in_xml=envelope.in_xml)
    header = read_header(envelope.master_data, envelope.header_context)
    document = Document([], [*envelope.problems, *header.problems], header.elements, envelope.created_at)
    for block in envelope.blocks:
        for read in reader.read(block, data[block.offset : block.offset + block.size]):
            document.problems.extend(read.problems)
            if read.event is not None:
                document.events.append(CapturedEvent(read.index, read.path, read.event))
    return document
