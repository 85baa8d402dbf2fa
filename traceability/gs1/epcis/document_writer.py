"""Documents of events in any format, a piece at a time: the beginning, each event, the end.

`Around` is what stands around the events, in the words of the JSON binding (EPCIS 2.0 §10.1, §10.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import orjson

from traceability.gs1.epcis.strict_json import JSON, dumps
from traceability.gs1.epcis.writer import CONTEXT
from traceability.gs1.epcis.xml.header import write_header
from traceability.gs1.epcis.xml.names import attribute, text
from traceability.gs1.epcis.xml.writer import Words, XmlVersion, write_xml_event

DOCUMENT: Final = "EPCISDocument"
QUERY_DOCUMENT: Final = "EPCISQueryDocument"


class Format(StrEnum):
    """A format that documents are written in."""

    JSON = "json"
    XML = "xml"
    XML_1_2 = "xml-1.2"

    @property
    def xml_version(self) -> XmlVersion:
        """Return the version of XML."""
        return XmlVersion.V1_2 if self is Format.XML_1_2 else XmlVersion.V2_0


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the events: `created` is a creationDate, `header` an epcisHeader, extensions under IRIs."""

    kind: str
    created: str
    header: Mapping[str, JSON] = field(default_factory=dict)
    query_name: str = "SimpleEventQuery"
    subscription_id: str | None = None


class DocumentWriter:
    """Writes one document; `words` is how XML spells the Core Business Vocabulary (`write_xml_event`)."""

    def __init__(self, form: Format, around: Around, *, words: Words | None = None) -> None:
        self._around = around
        self._form = form
        self._words = words
        self._version = form.xml_version
        self._separator = b""

    def beginning(self) -> bytes:
        """Return what stands before the events; raises `NotInXmlError` for a header that XML cannot say."""
        return self._json_beginning() if self._form is Format.JSON else self._xml_beginning()

    def event(self, event: Mapping[str, JSON]) -> bytes:
        """Return an event, which is that of `write_event`, parsed; raises `NotInXmlError`."""
        if self._form is not Format.JSON:
            return write_xml_event(event, self._version, words=self._words)
        written = self._separator + dumps(event)
        self._separator = b","
        return written

    def end(self) -> bytes:
        """Return what stands behind the events."""
        is_query = self._around.kind == QUERY_DOCUMENT
        if self._form is Format.JSON:
            return b"]}}}}" if is_query else b"]}}"
        if is_query:
            return b"</EventList></resultsBody></epcisq:QueryResults></EPCISBody></epcisq:EPCISQueryDocument>\n"
        return b"</EventList></EPCISBody></epcis:EPCISDocument>\n"

    def _json_beginning(self) -> bytes:
        around = self._around
        members: dict[str, JSON] = {
            "@context": [CONTEXT],
            "type": around.kind,
            "schemaVersion": "2.0",
            "creationDate": around.created,
        }
        if around.header:
            members["epcisHeader"] = around.header
        body = b'{"eventList":['
        if around.kind == QUERY_DOCUMENT:
            named = {"subscriptionID": around.subscription_id, "queryName": around.query_name}
            given = orjson.dumps({name: value for name, value in named.items() if value is not None})
            body = b'{"queryResults":' + given[:-1] + b',"resultsBody":{"eventList":['
        return dumps(members)[:-1] + b',"epcisBody":' + body

    def _xml_beginning(self) -> bytes:
        around, major = self._around, self._version[0]
        header = write_header(around.header)
        prefix, name, space = ("epcis", DOCUMENT, "epcis")
        body = "<EventList>"
        if around.kind == QUERY_DOCUMENT:
            prefix, name, space = ("epcisq", QUERY_DOCUMENT, "epcis-query")
            body = f"<epcisq:QueryResults><queryName>{text(around.query_name)}</queryName>"
            if around.subscription_id is not None:
                body += f"<subscriptionID>{text(around.subscription_id)}</subscriptionID>"
            body += "<resultsBody><EventList>"
        # Words of GS1's vocabularies are written with these prefixes.
        declared = f'xmlns:{prefix}="urn:epcglobal:{space}:xsd:{major}" xmlns:gs1="https://gs1.org/voc/"'
        declared += ' xmlns:cbv="https://ref.gs1.org/cbv/"'
        attributes = f'schemaVersion="{self._version}" creationDate="{attribute(around.created)}"'
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<{prefix}:{name} {declared} {attributes}>{header}<EPCISBody>{body}"
        ).encode()


def write_document(
    form: Format, around: Around, events: Iterable[Mapping[str, JSON] | bytes], *, words: Words | None = None
) -> bytes:
    """Return a whole document; events in bytes are elements of XML already. Raises `NotInXmlError`."""
    writer = DocumentWriter(form, around, words=words)
    written = (event if isinstance(event, bytes) else writer.event(event) for event in events)
    return b"".join([writer.beginning(), *written, writer.end()])
