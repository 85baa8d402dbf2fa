"""From one format to another: the events of a document, checked, and written again without loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from traceability.gs1.company_prefixes import CompanyPrefixes
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.document import EventReader, ReadEvent
from traceability.gs1.epcis.document_writer import DOCUMENT, Around, DocumentWriter
from traceability.gs1.epcis.envelope import Envelope
from traceability.gs1.epcis.problems import Findings, Problem
from traceability.gs1.epcis.strict_json import JSON, loads
from traceability.gs1.epcis.strict_json import read_value as read_json
from traceability.gs1.epcis.vocabulary import CBV_NAMES
from traceability.gs1.epcis.writer import write_event
from traceability.gs1.epcis.xml.event import value_of
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.gs1.epcis.xml.tree import parse
from traceability.gs1.identifiers import IdentifierError, parse_identifier
from traceability.gs1.reading import read_value, urn
from traceability.ledger.parts import ITEM_LISTS

_NOBODY: Final = "nobody.invalid"
_CARRIED: Final = frozenset({"type", "schemaVersion", "creationDate", "epcisHeader", "epcisBody"})


class EpcFormat(StrEnum):
    """How identifiers are written, in the words of the header GS1-EPC-Format (EPCIS 2.0 §12.4)."""

    NEVER_TRANSLATES = "Never_Translates"
    ALWAYS_GS1_DIGITAL_LINK = "Always_GS1_Digital_Link"
    ALWAYS_EPC_URN = "Always_EPC_URN"


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

    def __init__(
        self, envelope: Envelope, writer: DocumentWriter, *, epc_format: EpcFormat, urns: UrnSpelling | None = None
    ) -> None:
        self._in_xml = envelope.in_xml
        self._writer = writer
        self._as_written = epc_format is EpcFormat.NEVER_TRANSLATES
        self._urns = urns if epc_format is EpcFormat.ALWAYS_EPC_URN else None
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
            put_back_as_written(event, value_of(parse(one.text)) if self._in_xml else read_json(one.text))
        if self._urns is not None:
            translate(event, self._urns)
        return event


def put_back_as_written(event: dict[str, JSON], given: Mapping[str, JSON]) -> None:
    """Put the identifiers and the eventTime of an event back as they were `given`."""
    event["eventTime"] = given["eventTime"]
    for name in ITEM_LISTS:
        # Of one thing that was named twice, in two spellings, there is one left.
        if name in event and (type(event[name]) is str or len(event[name]) == len(given[name])):
            event[name] = _renamed(event[name], _names(given[name]))
    for (ours, member), (theirs, _) in zip(_named_in(event), _named_in(given), strict=True):
        ours[member] = theirs[member]


def put_back_words(event: dict[str, JSON], given: Mapping[str, JSON]) -> None:
    """Put the words of the Core Business Vocabulary back that were `given` by their full names, URIs or URNs."""
    for (ours, member), (theirs, _) in zip(_words_in(event), _words_in(given), strict=True):
        if theirs[member].startswith(CBV_NAMES):
            ours[member] = theirs[member]


def translate(event: dict[str, JSON], spelled: Callable[[str], str]) -> None:
    """Spell the identifiers of an event in another way."""
    for name in ITEM_LISTS:
        if name in event:
            event[name] = _renamed(event[name], map(spelled, _names(event[name])))
    for members, member in _named_in(event):
        members[member] = spelled(members[member])


class UrnSpelling:
    """Spells canonical Digital Links as EPC URNs, by the lengths of company prefixes.

    What has no URN that says the same stays as it is and is counted as `unknown`, unless it is no Digital Link.
    """

    def __init__(self, prefixes: CompanyPrefixes) -> None:
        self._prefixes = prefixes
        self.unknown = 0

    def __call__(self, identifier: str) -> str:
        """Return the URN of an identifier."""
        if not identifier.startswith(f"{RESOLVER}/"):
            return identifier
        try:
            found = urn(read_value(identifier), self._prefixes)
            # A lot beside a serial has no place in a URN.
            if parse_identifier(found).uri == identifier:
                return found
        except IdentifierError:
            pass
        self.unknown += 1
        return identifier


def _named_in(event: Mapping[str, JSON]) -> Iterator[tuple[dict[str, JSON], str]]:
    """Yield the objects in which an event names places, parties, transactions and devices, and the member that does."""
    for name in ("readPoint", "bizLocation"):
        if name in event:
            yield event[name], "id"
    for name, member in _BUSINESS:
        for element in event.get(name, ()):
            yield element, member
    for element in event.get("sensorElementList", ()):
        for members in (element.get("sensorMetadata", {}), *element["sensorReport"]):
            if "deviceID" in members:
                yield members, "deviceID"


def _words_in(event: Mapping[str, JSON]) -> Iterator[tuple[JSON, str | int]]:
    """Yield the objects and arrays in which an event has words of the CBV, and the member that is one."""
    for name in ("bizStep", "disposition"):
        if name in event:
            yield event, name
    for name, _ in _BUSINESS:
        for element in event.get(name, ()):
            if "type" in element:
                yield element, "type"
    for name in ("set", "unset"):
        words = event.get("persistentDisposition", {}).get(name, ())
        for i in range(len(words)):
            yield words, i
    declaration = event.get("errorDeclaration", {})
    if "reason" in declaration:
        yield declaration, "reason"


_BUSINESS: Final = (
    ("bizTransactionList", "bizTransaction"),
    ("sourceList", "source"),
    ("destinationList", "destination"),
)


def _names(items: JSON) -> Iterator[str]:
    """Yield the identifiers of the items of a list, or the one that stands in its place."""
    for item in [items] if type(items) is str else items:
        yield item["epcClass"] if isinstance(item, dict) else item


def _renamed(items: JSON, names: Iterator[str]) -> JSON:
    if type(items) is str:
        return next(names)
    return [
        {**item, "epcClass": name} if isinstance(item, dict) else name for item, name in zip(items, names, strict=True)
    ]
