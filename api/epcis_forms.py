"""Events in the form that their reader wishes for: how identifiers are spelled, and which prefixes names have.

What an answer says of itself (GS1-EPC-Format) holds for all of it: where one identifier could not be spelled as was
wished, it says No_Preference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from adapters.company_prefixes import company_prefixes
from api.epcis_headers import EpcFormat, Wish
from api.wiring import Engine
from traceability.gs1.company_prefixes import CompanyPrefixes
from traceability.gs1.epcis import read_letter
from traceability.gs1.epcis.convert import UrnSpelling, put_back_as_written, put_back_words, translate
from traceability.gs1.epcis.document_writer import QUERY_DOCUMENT, Around, Format, write_document
from traceability.gs1.epcis.prefixes import declared, shortened
from traceability.gs1.epcis.query.event_query import FoundEvent
from traceability.gs1.epcis.strict_json import JSON, dumps, loads, read_value
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.gs1.epcis.xml.event import value_of
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.gs1.epcis.xml.tree import parse
from traceability.gs1.epcis.xml.writer import Words, write_xml_event
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.ledger.store import Record

_Change = Callable[[dict[str, JSON]], None]


class Form:
    """The form of one answer; `told` is what it says of itself once its events are written.

    `reader` is who reads it; None will do where events come as JSON already, and not as they were received.
    """

    def __init__(self, engine: Engine, reader: Reader | None, wish: Wish) -> None:
        self._engine = engine
        self._reader = reader
        self._wish = wish
        self._urns = UrnSpelling(_prefixes(engine.settings.company_prefixes))
        self._translated = False
        self._in_json = wish.format is Format.JSON
        # XML has prefixes of its own for the namespaces of an event.
        self.prefixes: Mapping[str, str] = declared(wish.extensions) if self._in_json else {}

    @property
    def told(self) -> EpcFormat:
        """Return how the identifiers of the answer are written."""
        if self._wish.epc_format not in (EpcFormat.URN, EpcFormat.AS_RECEIVED):
            return EpcFormat.DIGITAL_LINK
        return EpcFormat.NO_PREFERENCE if self._translated or self._urns.unknown else self._wish.epc_format

    def document(self, found: Sequence[FoundEvent], *, created_at: int, query_name: str) -> bytes:
        """Return events as an EPCISQueryDocument; raises `NotInXmlError`."""
        return self.around(self.events(found), created_at=created_at, query_name=query_name)

    def around(
        self, events: Sequence[bytes], *, created_at: int, query_name: str, subscription_id: str | None = None
    ) -> bytes:
        """Return events, which are those of `events` or `spelled`, as an EPCISQueryDocument; raises `NotInXmlError`."""
        if self._in_json:
            return write_query_document(
                events,
                created_at=created_at,
                query_name=query_name,
                prefixes=self.prefixes,
                subscription_id=subscription_id,
            )
        around = Around(QUERY_DOCUMENT, utc_text(created_at), query_name=query_name, subscription_id=subscription_id)
        given = (event if _is_xml(event) else loads(event) for event in events)
        return write_document(self._wish.format, around, given, words=self._wish.words)

    def events(self, found: Sequence[FoundEvent]) -> list[bytes]:
        """Return events as JSON objects, or as XML elements those that are answered in XML as they were received."""
        if self._wish.as_received:
            records = self._engine.ledger.records(sorted({event.position for event in found}))
            sources = {record.position: record for record in records if self._may_see_source(record)}
            return [self._as_received(event, sources.get(event.position)) for event in found]
        return self.spelled(map(_written, found))

    def spelled(self, events: Iterable[bytes]) -> list[bytes]:
        """Return events that `write_event` has written; how they were received is not known of them."""
        changes = self._translations()
        return [self._changed(event, changes) for event in events]

    def _translations(self) -> list[_Change]:
        if self._wish.epc_format is not EpcFormat.URN:
            return []
        return [lambda event: translate(event, self._urns)]

    def identifiers(self, uris: Iterable[str]) -> list[str]:
        """Return canonical identifiers as they are wished for; what was received is not known of them."""
        if self._wish.epc_format is EpcFormat.URN:
            return [self._urns(uri) for uri in uris]
        self._translated = self._wish.epc_format is EpcFormat.AS_RECEIVED
        return list(uris)

    def _may_see_source(self, record: Record) -> bool:
        parts = record.event.parts
        assert self._reader is not None
        extent = self._reader.extent(self._engine.rules.indexer(parts).visibility)
        return extent is not None and "source" in extent and parts.source != b""

    def _as_received(self, event: FoundEvent, record: Record | None) -> bytes:
        """Return the bytes that were received, or, where they would mean something else here, what is wished for."""
        if record is None:
            self._translated |= self._wish.epc_format is EpcFormat.AS_RECEIVED
            return self._changed(_written(event), self._translations())
        source = record.event.parts.source
        if _is_xml(source):
            if self._may_stand_in_xml(source, event) and self._means_the_same(source, record):
                return source
        elif self._in_json and not self.prefixes and self._means_the_same(source, record):
            return source
        given = value_of(parse(source)) if _is_xml(source) else read_value(source)
        changes = self._translations()
        if self._wish.epc_format is EpcFormat.AS_RECEIVED:
            changes.append(lambda value: put_back_as_written(value, given))
        if self._wish.words is Words.AS_RECEIVED:
            changes.append(lambda value: put_back_words(value, given))
        return self._changed(_written(event), changes)

    def _may_stand_in_xml(self, source: bytes, event: FoundEvent) -> bool:
        """Tell whether an element has the fields of the version that is wished for: 1.2 nests some in extensions."""
        wish = self._wish
        if self._in_json or wish.epc_format is not EpcFormat.AS_RECEIVED or wish.words not in (None, Words.AS_RECEIVED):
            return False
        try:
            written = write_xml_event(loads(write_event(event.parts, event.recorded_at)), wish.format.xml_version)
        except NotInXmlError:
            return False
        return _fields(source) == _fields(written)

    def _means_the_same(self, source: bytes, record: Record) -> bool:
        """Tell whether the bytes alone say what was recorded: the @context of their document is not in the answer."""
        read = read_letter(source, b"", captured_by=record.event.captured_by).events
        digest = self._engine.rules.content_digest
        return len(read) == 1 and digest(read[0].event.parts) == digest(record.event.parts)

    def _changed(self, event: bytes, changes: Sequence[_Change]) -> bytes:
        if not changes and not self.prefixes:
            return event
        value: dict[str, JSON] = loads(event)
        for change in changes:
            change(value)
        return dumps(shortened(value, self.prefixes) if self.prefixes else value)


def _is_xml(source: bytes) -> bool:
    return source.lstrip().startswith(b"<")


def _fields(source: bytes) -> list[str]:
    """Return the names of the fields of an event in XML, but for when it was recorded, which its sender cannot say."""
    return sorted(child.tag for child in parse(source) if child.tag != "recordTime")


def _written(event: FoundEvent) -> bytes:
    return write_event(event.parts, event.recorded_at, called=event.called)


@lru_cache(maxsize=4)
def _prefixes(file: Path | None) -> CompanyPrefixes:
    return company_prefixes(file)
