"""Events in XML, EPCIS 2.0 or 1.2, from the value that JSON has of them: the reverse of `xml_event`.

What 1.2 has no fields for goes where GS1's own conversion puts it (gs1/EPCIS, XSL/convert-2.0-to-1.2.xsl): into the
extension points that 1.2 left for later versions. What no XML can say is refused, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

from traceability.gs1.epcis.digest import plain_number
from traceability.gs1.epcis.sensor import READING_FIELDS
from traceability.gs1.epcis.strict_json import JSON, Number
from traceability.gs1.epcis.vocabulary import (
    ALERT,
    BIZ_STEP,
    COMPONENT,
    DISPOSITION,
    ERROR_REASON,
    MEASUREMENT,
    SOURCE_TYPE,
    TRANSACTION_TYPE,
    Vocabulary,
)
from traceability.gs1.epcis.xml.extension import ExtensionWriter
from traceability.gs1.epcis.xml.names import attribute, text


class XmlVersion(StrEnum):
    """A version of EPCIS's XML binding that is written."""

    V2_0 = "2.0"
    V1_2 = "1.2"


class Words(StrEnum):
    """How words of the Core Business Vocabulary are spelled in XML: as GS1-CBV-XML-Format asks."""

    WEB = "Always_Web_URI"
    URN = "Always_URN"
    AS_RECEIVED = "Never_Translates"


def write_xml_event(
    event: Mapping[str, JSON], version: XmlVersion = XmlVersion.V2_0, *, words: Words | None = None
) -> bytes:
    """Return an event as an element that declares its own prefixes; `event` is that of `write_event`, parsed.

    `words`: web URIs in 2.0 and URNs in 1.2, unless told; what is no bare word stays as it is. An element of 1.2 may be
    wrapped in `extension`.
    Raises `NotInXmlError` (`epcis.not_in_xml`).
    """
    if words is None or words is Words.AS_RECEIVED:  # XML has no bare words, however they were received
        words = Words.WEB if version is XmlVersion.V2_0 else Words.URN
    writer = _Writer(words)
    name = event["type"]
    inside = _fields(writer, event, name, old=version is XmlVersion.V1_2)
    element = f"<{name}{writer.namespaces.declared()}>{inside}</{name}>"
    if version is XmlVersion.V1_2:
        wrapped = _WRAPPED.get(name, 0)
        element = "<extension>" * wrapped + element + "</extension>" * wrapped
    return element.encode()


_BASE: Final = ("eventTime", "recordTime", "eventTimeZoneOffset")
_BASE_OF_2: Final = ("eventID", "errorDeclaration", "certificationInfo")
_COMMON: Final = ("bizStep", "disposition", "readPoint", "bizLocation")
_PARTIES: Final = ("sourceList", "destinationList")
_NEW: Final = ("sensorElementList", "persistentDisposition")
# The fields of each type in the order of the schema: those of EPCIS 1.0, those that 1.2 wraps, those of 2.0.
_ORDER: Final[Mapping[str, tuple[Sequence[str], Sequence[str], Sequence[str]]]] = {
    "ObjectEvent": (
        ("epcList", "action", *_COMMON, "bizTransactionList"), ("quantityList", *_PARTIES), (*_NEW, "ilmd"),
    ),
    "AggregationEvent": (
        ("parentID", "childEPCs", "action", *_COMMON, "bizTransactionList"), ("childQuantityList", *_PARTIES), _NEW,
    ),
    "TransactionEvent": (
        ("bizTransactionList", "parentID", "epcList", "action", *_COMMON), ("quantityList", *_PARTIES), _NEW,
    ),
    "TransformationEvent": (
        ("inputEPCList", "inputQuantityList", "outputEPCList", "outputQuantityList", "transformationID", "action",
         *_COMMON, "bizTransactionList", *_PARTIES), (), (*_NEW, "ilmd"),
    ),
    "AssociationEvent": (
        ("parentID", "childEPCs", "childQuantityList", "action", *_COMMON, "bizTransactionList", *_PARTIES), (), _NEW,
    ),
}  # fmt: skip
# The schema of 1.2 demands these lists, empty if need be.
_DEMANDED: Final = {"ObjectEvent": "epcList", "TransactionEvent": "epcList", "AggregationEvent": "childEPCs"}
_WRAPPED: Final = {"TransformationEvent": 1, "AssociationEvent": 2}


def _fields(writer: _Writer, event: Mapping[str, JSON], name: str, *, old: bool) -> str:
    first, wrapped, new = _ORDER[name]
    extensions = writer.inside(event, {"type", *_BASE, *_BASE_OF_2, *first, *wrapped, *new})

    def written(names: Sequence[str]) -> str:
        return "".join([_FIELDS[n](writer, n, event[n]) for n in names if n in event])

    if not old:
        return written(_BASE) + written(_BASE_OF_2) + written(first) + written(wrapped) + written(new) + extensions
    base = written(("eventID", "errorDeclaration"))
    base += _in("extension", written(("certificationInfo",)))
    demanded = _DEMANDED.get(name)
    if demanded is not None and demanded not in event:
        event = {**event, demanded: []}
    ilmd = written([n for n in new if n == "ilmd"])
    newest = written([n for n in new if n != "ilmd"])
    if name == "AssociationEvent":
        return written(_BASE) + _in("baseExtension", base) + written(first) + newest + extensions
    if name == "TransformationEvent":
        rest = ilmd + _in("extension", newest)
    else:
        rest = _in("extension", written(wrapped) + ilmd + _in("extension", newest))
    return written(_BASE) + _in("baseExtension", base) + written(first) + rest + extensions


def _in(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>" if inside else ""


class _Term(NamedTuple):
    """A vocabulary, and what stands before its words in web URIs and in URNs."""

    vocabulary: Vocabulary
    web: str
    urn: str


_DISPOSITION: Final = _Term(DISPOSITION, "Disp", "disp")
_PARTY: Final = _Term(SOURCE_TYPE, "SDT", "sdt")
_REASON: Final = _Term(ERROR_REASON, "ER", "er")


class _Writer(ExtensionWriter):
    """Writes the values of one event."""

    def __init__(self, words: Words | None) -> None:
        super().__init__()
        self._words = words

    def word(self, term: _Term, value: str) -> str:
        """Spell a standard word; what is none stays as it is."""
        if term.vocabulary.spellings.get(value) != value:
            return value
        if self._words is Words.URN:
            return f"urn:epcglobal:cbv:{term.urn}:{value}"
        return f"https://ref.gs1.org/cbv/{term.web}-{value}"

    def reading(self, name: str, members: Mapping[str, JSON]) -> str:
        """Write a sensor's metadata or report: its fields are attributes, and so are extensions, as far as they can."""
        attributes, others = "", {}
        for member, value in members.items():
            written = _in_attribute(value, exactly=":" in member)
            if written is None or (":" not in member and member not in READING_FIELDS):
                others[member] = value
                continue
            vocabulary, prefix = _SENSOR_WORDS.get(member, (None, ""))
            if vocabulary is not None and vocabulary.spellings.get(written) == written:
                written = prefix + written
            attributes += f' {self.namespaces.name(member)}="{attribute(written)}"'
        inside = self.inside(others, set())
        return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"


def _in_attribute(value: JSON, *, exactly: bool) -> str | None:
    """Return a value as an attribute's text; None if it is none, or would be another text when it is read."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number) or type(value) is int:
        return None if exactly and plain_number(str(value)) != str(value) else str(value)
    return value if type(value) is str else None


_SENSOR_WORDS: Final[Mapping[str, tuple[Vocabulary, str]]] = {
    "type": (MEASUREMENT, "gs1:"),
    "exception": (ALERT, "gs1:"),
    "component": (COMPONENT, "cbv:Comp-"),
}


def _text(_writer: _Writer, name: str, value: JSON) -> str:
    return f"<{name}>{text(value)}</{name}>"


def _word(term: _Term, writer: _Writer, name: str, value: JSON) -> str:
    return f"<{name}>{text(writer.word(term, value))}</{name}>"


def _epcs(_writer: _Writer, name: str, value: JSON) -> str:
    # A canonical identifier needs no escapes, but one as it was written may.
    return f"<{name}>{''.join([f'<epc>{text(epc)}</epc>' for epc in value])}</{name}>"


def _quantities(_writer: _Writer, name: str, value: JSON) -> str:
    inside = ""
    for element in value:
        given = [member for member in ("epcClass", "quantity", "uom") if member in element]
        fields = "".join([f"<{member}>{text(str(element[member]))}</{member}>" for member in given])
        inside += f"<quantityElement>{fields}</quantityElement>"
    return f"<{name}>{inside}</{name}>"


def _business(term: _Term, member: str, writer: _Writer, name: str, value: JSON) -> str:
    inside = ""
    for element in value:
        kind = element.get("type")
        typed = "" if kind is None else f' type="{attribute(writer.word(term, kind))}"'
        inside += f"<{member}{typed}>{text(element[member])}</{member}>"
    return f"<{name}>{inside}</{name}>"


def _place(writer: _Writer, name: str, value: JSON) -> str:
    return f"<{name}><id>{text(value['id'])}</id>{writer.inside(value, {'id'})}</{name}>"


def _dispositions(writer: _Writer, name: str, value: JSON) -> str:
    inside = ""
    for member in ("unset", "set"):
        for word in value.get(member, ()):
            inside += f"<{member}>{text(writer.word(_DISPOSITION, word))}</{member}>"
    return f"<{name}>{inside}</{name}>"


def _declaration(writer: _Writer, name: str, value: JSON) -> str:
    inside = "".join([_text(writer, n, value[n]) for n in ("declarationTime",) if n in value])
    if "reason" in value:
        inside += _word(_REASON, writer, "reason", value["reason"])
    if "correctiveEventIDs" in value:
        ids = "".join([_text(writer, "correctiveEventID", one) for one in value["correctiveEventIDs"]])
        inside += f"<correctiveEventIDs>{ids}</correctiveEventIDs>"
    inside += writer.inside(value, {"declarationTime", "reason", "correctiveEventIDs"})
    return f"<{name}>{inside}</{name}>"


def _sensor_elements(writer: _Writer, name: str, value: JSON) -> str:
    inside = ""
    for element in value:
        fields = "".join([writer.reading(n, element[n]) for n in ("sensorMetadata",) if n in element])
        fields += "".join([writer.reading("sensorReport", report) for report in element["sensorReport"]])
        fields += writer.inside(element, {"sensorMetadata", "sensorReport"})
        inside += f"<sensorElement>{fields}</sensorElement>"
    return f"<{name}>{inside}</{name}>"


def _certification(writer: _Writer, name: str, value: JSON) -> str:
    inside = ""
    for one in value if isinstance(value, list) else [value]:
        inside += _text(writer, name, one) if type(one) is str else writer.extension(name, one)
    return inside


def _ilmd(writer: _Writer, name: str, value: JSON) -> str:
    return f"<{name}>{writer.inside(value, set())}</{name}>"


_FIELDS: Final[Mapping[str, Callable[[_Writer, str, JSON], str]]] = {
    **dict.fromkeys((*_BASE, "eventID", "parentID", "transformationID", "action"), _text),
    **dict.fromkeys(("epcList", "childEPCs", "inputEPCList", "outputEPCList"), _epcs),
    **dict.fromkeys(("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"), _quantities),
    "bizStep": partial(_word, _Term(BIZ_STEP, "BizStep", "bizstep")),
    "disposition": partial(_word, _DISPOSITION),
    "readPoint": _place,
    "bizLocation": _place,
    "bizTransactionList": partial(_business, _Term(TRANSACTION_TYPE, "BTT", "btt"), "bizTransaction"),
    "sourceList": partial(_business, _PARTY, "source"),
    "destinationList": partial(_business, _PARTY, "destination"),
    "persistentDisposition": _dispositions,
    "errorDeclaration": _declaration,
    "sensorElementList": _sensor_elements,
    "certificationInfo": _certification,
    "ilmd": _ilmd,
}
