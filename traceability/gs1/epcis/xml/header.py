"""What a document says before its events: master data, the standard business document header, extensions.

In JSON, `epcisHeader` holds `epcisMasterData` (EPCIS 2.0 §10.1); everything else is under its IRI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from traceability.gs1.epcis.strict_json import JSON, dumps
from traceability.gs1.epcis.xml.extension import ExtensionWriter
from traceability.gs1.epcis.xml.names import NotInXmlError, attribute, text
from traceability.gs1.epcis.xml.tree import Element
from traceability.gs1.epcis.xml.value import Reader, attributes_of, children, extension, gather, text_of

_BUSINESS_HEADER: Final = (
    "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeaderStandardBusinessDocumentHeader"
)


def header_of(element: Element) -> dict[str, JSON]:
    """Return an EPCISHeader as JSON has it; raises `XmlTextError`."""
    header: dict[str, JSON] = {}
    gather(element, header, _HEADER, wrapped=True)
    if "EPCISMasterData" in header:
        header = {"epcisMasterData": header.pop("EPCISMasterData"), **header}
    return header


def master_data_of(element: Element) -> JSON:
    """Return what is in an element as `epcisMasterData` has it; raises `XmlTextError`."""
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
_HEADER: Final[dict[str, Reader]] = {"EPCISMasterData": master_data_of}


def write_header(header: Mapping[str, JSON]) -> str:
    """Return the EPCISHeader that says what `header_of` reads, nothing for an empty one; raises `NotInXmlError`."""
    if not header:
        return ""
    try:
        return _written(header)
    except (KeyError, TypeError, AttributeError) as error:
        raise NotInXmlError("The master data of the header have not the form that EPCIS gives them") from error


def _written(header: Mapping[str, JSON]) -> str:
    writer = ExtensionWriter()
    parts = [writer.extension(name, value) for name, value in header.items() if name == _BUSINESS_HEADER]
    if "epcisMasterData" in header:
        master_data = _written_master_data(writer, header["epcisMasterData"])
        parts.append(f"<extension><EPCISMasterData>{master_data}</EPCISMasterData></extension>")
    parts.append(writer.inside(header, {"epcisMasterData", _BUSINESS_HEADER}))
    return f"<EPCISHeader{writer.namespaces.declared()}>{''.join(parts)}</EPCISHeader>"


def _written_master_data(writer: ExtensionWriter, value: JSON) -> str:
    inside = "".join([_written_vocabulary(writer, one) for one in value.get("vocabularyList", ())])
    return f"<VocabularyList>{inside}</VocabularyList>{writer.inside(value, {'vocabularyList'})}"


def _written_vocabulary(writer: ExtensionWriter, value: JSON) -> str:
    elements = "".join([_written_element(writer, one) for one in value.get("vocabularyElementList", ())])
    inside = f"<VocabularyElementList>{elements}</VocabularyElementList>" if elements else ""
    inside += writer.inside(value, {"type", "vocabularyElementList"})
    return f'<Vocabulary type="{attribute(value["type"])}">{inside}</Vocabulary>'


def _written_element(writer: ExtensionWriter, value: JSON) -> str:
    inside = "".join([_written_attribute(writer, one) for one in value.get("attributes", ())])
    if children_ := value.get("children"):
        inside += f"<children>{''.join([f'<id>{text(one)}</id>' for one in children_])}</children>"
    inside += writer.inside(value, {"id", "attributes", "children"})
    return f'<VocabularyElement id="{attribute(value["id"])}">{inside}</VocabularyElement>'


def _written_attribute(writer: ExtensionWriter, value: JSON) -> str:
    written = ""
    contents = value["attribute"] if isinstance(value["attribute"], list) else [value["attribute"]]
    for content in contents:
        if isinstance(content, dict):
            inside = writer.inside(content, set())
        else:
            inside = text(content if type(content) is str else dumps(content).decode())
        written += f'<attribute id="{attribute(value["id"])}">{inside}</attribute>'
    return written
