"""What a document says before its events: master data, the standard business document header, extensions.

In JSON, `epcisHeader` holds `epcisMasterData` (EPCIS 2.0 §10.1); everything else is under its IRI.
"""

from __future__ import annotations

from typing import Final

from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.xml_tree import Element
from traceability.gs1.epcis.xml_value import Reader, attributes_of, children, extension, gather, text_of


def header_of(element: Element) -> dict[str, JSON]:
    """Return an EPCISHeader as JSON has it; raises `XmlTextError`."""
    header: dict[str, JSON] = {}
    gather(element, header, _HEADER, wrapped=True)
    if "EPCISMasterData" in header:
        header = {"epcisMasterData": header.pop("EPCISMasterData"), **header}
    return header


def _master_data(element: Element) -> JSON:
    found: dict[str, JSON] = {}
    gather(element, found, {"VocabularyList": _vocabularies}, wrapped=True)
    if "VocabularyList" in found:
        found = {"vocabularyList": found.pop("VocabularyList"), **found}
    return found


def _vocabularies(element: Element) -> JSON:
    return [_vocabulary(child) for child in children(element, "Vocabulary")]


def _vocabulary(element: Element) -> JSON:
    found = _plain(element)
    gather(element, found, {"VocabularyElementList": _elements}, wrapped=True)
    if "VocabularyElementList" in found:
        found["vocabularyElementList"] = found.pop("VocabularyElementList")
    return found


def _elements(element: Element) -> JSON:
    return [_vocabulary_element(child) for child in children(element, "VocabularyElement")]


def _vocabulary_element(element: Element) -> JSON:
    found = _plain(element)
    gather(element, found, _ELEMENT, wrapped=True)
    if "attribute" in found:
        found["attributes"] = found.pop("attribute")
    return found


def _attribute(element: Element) -> JSON:
    value = extension(element) if len(element) else element.text or ""
    # Of an element inside, JSON keeps what is in it; the identifier is an attribute of the element around it.
    if isinstance(value, dict):
        value.pop("@id", None)
    return [{**_plain(element), "attribute": value}]


def _plain(element: Element) -> dict[str, JSON]:
    """Return the attributes of an element of EPCIS under their own names."""
    return {name.removeprefix("@"): text for name, text in attributes_of(element).items()}


_ELEMENT: Final[dict[str, Reader]] = {
    "attribute": _attribute,
    "children": lambda element: [text_of(child) for child in children(element, "id")],
}
_HEADER: Final[dict[str, Reader]] = {"EPCISMasterData": _master_data}
