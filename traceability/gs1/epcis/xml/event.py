"""One event in XML, EPCIS 2.0 or 1.x (2.0 §9.5, 1.2 §9.5), as the value that its JSON twin holds.

From there on the ways are one: the same rules are checked, with the same findings, and the same parts are made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final

from traceability.gs1.epcis.context import SCHEMES, Names, standard_names
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.reader import event_of
from traceability.gs1.epcis.strict_json import JSON, START, JsonTextError, Place
from traceability.gs1.epcis.xml.markup import ATTRIBUTES, XmlTextError
from traceability.gs1.epcis.xml.tree import Element, name_of, parse
from traceability.gs1.epcis.xml.value import (
    SPACE,
    Reader,
    attributes_of,
    boolean,
    children,
    extension,
    gather,
    number,
    text_of,
)
from traceability.ledger.event import LedgerEvent

_START_TAG: Final = re.compile(rb"<([^\s/>]++)(" + ATTRIBUTES + rb")>").match
_DECLARATION: Final = re.compile(rb"""\sxmlns(?::([^\s=]+))?\s*=\s*(?:"[^"]*"|'[^']*')""")
_OF_DOCUMENT: Final = ("@schemaVersion", "@creationDate")


def with_namespaces(event: bytes, namespaces: Mapping[str, str]) -> bytes:
    """Return an event's element as it stands by itself: the prefixes that it uses are declared in its own tag.

    This is what is kept as its source: the bytes as received, and the namespaces that were in scope around them.
    """
    tag = _START_TAG(event)
    if tag is None or not namespaces:
        return event
    own = {found[1] or b"" for found in _DECLARATION.finditer(tag[2])} if b"xmlns" in tag[2] else ()
    declared = b""
    for prefix, uri in namespaces.items():
        written = prefix.encode()
        if written not in own and (written + b":" in event if prefix else uri):
            declared += b' xmlns%b="%b"' % (b":" + written if prefix else b"", _escaped(uri))
    return event[: tag.end(1)] + declared + event[tag.end(1) :]


def read_xml_event(
    source: bytes, captured_by: str, personal: PersonalMembers, findings: Findings, *, place: Place = START
) -> LedgerEvent | None:
    """Read the event whose element is `source`, as `read_event` does with JSON; nothing raises."""
    try:
        root = parse(source, place)
        value = value_of(root)
    except (XmlTextError, JsonTextError) as error:
        findings.error("", error.code, error.message)
        return None
    names = names_of(root)
    return event_of(value, source, names, captured_by=captured_by, personal=personal, findings=findings, distinct=False)


def value_of(root: Element) -> dict[str, JSON]:
    """Return the value of an event; raises `XmlTextError`, and `JsonTextError` for a number beyond the limits."""
    value: dict[str, JSON] = {"type": name_of(root.tag), **attributes_of(root)}
    for name in _OF_DOCUMENT:  # on a document that is one event
        value.pop(name, None)
    gather(root, value, _FIELDS, wrapped=True)
    # The rest of the schema's order is as often broken as it is needless: an element says by its name what it is.
    order = list(value)
    if "action" in value and "eventTime" in order[order.index("action") :]:
        message = "The action stands before the eventTime, behind which the schema has it."
        raise XmlTextError(message, code="epcis.element_order")
    return value


def names_of(root: Element) -> Names:
    """Return the names in force in an event: those of GS1's context, and the prefixes in scope for CURIEs."""
    return _names(tuple(root.nsmap.items()))


@lru_cache(maxsize=32)
def _names(namespaces: tuple[tuple[str | None, str], ...]) -> Names:
    known = {prefix: uri for prefix, uri in namespaces if prefix is not None and prefix.lower() not in SCHEMES}
    return standard_names().within(known, Findings(None, "$"), "")


def _epcs(element: Element) -> JSON:
    return [text_of(epc) for epc in children(element, "epc")]


def _texts(name: str, element: Element) -> JSON:
    return [text_of(child) for child in children(element, name)]


def _quantities(element: Element) -> JSON:
    return [_object(_QUANTITY, child) for child in children(element, "quantityElement")]


def _business(name: str, element: Element) -> JSON:
    return [_typed(name, child) for child in children(element, name)]


def _typed(name: str, element: Element) -> JSON:
    found = {attribute.removeprefix("@"): text for attribute, text in attributes_of(element).items()}
    found[name] = extension(element) if len(element) else (element.text or "").strip(SPACE)
    return found


def _dispositions(element: Element) -> JSON:
    found: dict[str, JSON] = {}
    for child in children(element, "set", "unset"):
        found.setdefault(name_of(child.tag), []).append(text_of(child))
    return found


def _object(known: Mapping[str, Reader], element: Element) -> JSON:
    found = attributes_of(element) if element.keys() else {}
    gather(element, found, known, wrapped=True)
    return found


def _sensor_elements(element: Element) -> JSON:
    return [_object(_SENSOR_ELEMENT, child) for child in children(element, "sensorElement")]


def _reading(element: Element) -> JSON:
    """Return a sensor's metadata or report, whose fields are attributes (EPCIS 2.0 §9.6.1)."""
    found: dict[str, JSON] = {}
    for name, text in attributes_of(element).items():
        plain = name.removeprefix("@")
        found[plain] = _READ_AS.get(plain, str)(text)
    gather(element, found, {})
    return found


def _certification(element: Element) -> JSON:
    return extension(element) if len(element) else text_of(element)


def _escaped(text: str) -> bytes:
    for character, written in (("&", "&amp;"), ("<", "&lt;"), ('"', "&quot;"), ("\t", "&#9;"), ("\n", "&#10;")):
        text = text.replace(character, written)
    return text.encode()


_READ_AS: Final[Mapping[str, Callable[[str], JSON]]] = {
    **dict.fromkeys(("value", "minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue"), number),
    "booleanValue": boolean,
}
_QUANTITY: Final[Mapping[str, Reader]] = {
    "epcClass": text_of,
    "quantity": lambda element: number(text) if type(text := text_of(element)) is str else text,
    "uom": text_of,
}
_PLACE: Final[Mapping[str, Reader]] = {"id": text_of}
_DECLARATION_OF_ERROR: Final[Mapping[str, Reader]] = {
    "declarationTime": text_of,
    "reason": text_of,
    "correctiveEventIDs": partial(_texts, "correctiveEventID"),
}
_SENSOR_ELEMENT: Final[Mapping[str, Reader]] = {
    "sensorMetadata": _reading,
    "sensorReport": lambda element: [_reading(element)],
}
_FIELDS: Final[Mapping[str, Reader]] = {
    **dict.fromkeys(
        (
            "eventTime", "recordTime", "eventTimeZoneOffset", "eventID", "parentID", "transformationID", "action",
            "bizStep", "disposition",
        ),
        text_of,
    ),
    **dict.fromkeys(("epcList", "childEPCs", "inputEPCList", "outputEPCList"), _epcs),
    **dict.fromkeys(
        ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"), _quantities
    ),
    "bizTransactionList": partial(_business, "bizTransaction"),
    "sourceList": partial(_business, "source"),
    "destinationList": partial(_business, "destination"),
    "readPoint": partial(_object, _PLACE),
    "bizLocation": partial(_object, _PLACE),
    "errorDeclaration": partial(_object, _DECLARATION_OF_ERROR),
    "persistentDisposition": _dispositions,
    "sensorElementList": _sensor_elements,
    "certificationInfo": _certification,
    "ilmd": partial(_object, {}),
}  # fmt: skip
