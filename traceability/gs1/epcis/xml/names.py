"""Names and texts as XML writes them: full IRIs split into namespace and local name, characters escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.problems import shown
from traceability.gs1.epcis.xml.markup import XmlTextError
from traceability.gs1.epcis.xml.tree import CBV_MASTER_DATA, JSON_LD, XSI, name_of

_START: Final = (
    "A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff"
    "\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NAME: Final = re.compile(f"[{_START}][-.0-9\xb7\u0300-\u036f\u203f-\u2040{_START}]*")
_LAST_NAME: Final = re.compile(f"(?<=[/#:?=&])(?:{_NAME.pattern})$")
_ANY_LAST_NAME: Final = re.compile(f"(?:{_NAME.pattern})$")
_SPECIAL: Final = re.compile('[&<>"\t\n\r\x00-\x1f\ud800-\udfff\ufffe\uffff]').search
_IMPOSSIBLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]").search

XSD: Final = "http://www.w3.org/2001/XMLSchema"
PREFIXES: Final[Mapping[str, str]] = {
    CBV_MASTER_DATA: "cbvmda",
    XSI: "xsi",
    XSD: "xsd",
    JSON_LD: "jsonld",
    "https://gs1.org/voc/": "gs1",
    "https://ref.gs1.org/cbv/": "cbv",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
    "http://www.w3.org/2000/01/rdf-schema#": "rdfs",
    "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader": "sbdh",
    "http://epcis.gs1us.org/hc/ns": "gs1ushc",
}
"""Namespaces and the prefixes they usually have. Those without a separator at the end are why a table is needed."""


class NotInXmlError(InvalidInputError):
    """An event says something for which this form of XML has no words (`epcis.not_in_xml`)."""

    code = "epcis.not_in_xml"

    def __init__(self, message: str) -> None:
        super().__init__(message, code=self.code, hint="Ask for EPCIS 2.0 in JSON-LD, which says everything.")


class Namespaces:
    """The prefixes of a piece of XML, given out as they are needed; `known` are namespaces and preferred prefixes."""

    def __init__(self, known: Mapping[str, str] = PREFIXES) -> None:
        self._known = known
        self._used: dict[str, str] = {}

    def name(self, name: str) -> str:
        """Return the name of an element or attribute for a JSON-LD name; raises `NotInXmlError`."""
        if name.startswith("@"):
            namespace, local = JSON_LD, name[1:]
        elif ":" not in name:
            namespace, local = "", name
        else:
            namespace, local = self._split(name)
        # Whatever the split, what is read must be what was meant.
        if not is_name(local) or not _is_read_as(name, f"{{{namespace}}}{local}" if namespace else local):
            raise NotInXmlError(f"XML has no name for {shown(name)}")
        return f"{self.prefix(namespace)}:{local}" if namespace else local

    def prefix(self, namespace: str) -> str:
        """Return the prefix of a namespace, a new one if need be."""
        found = self._used.get(namespace)
        if found is None:
            found = self._known.get(namespace, "")
            while not found or found in self._used.values():
                found = f"ns{len(self._used) + 1}" if found == "" else f"{found}_"
            self._used[namespace] = found
        return found

    def declared(self) -> str:
        """Return the declarations of all prefixes that were given out."""
        return "".join(f' xmlns:{prefix}="{attribute(uri)}"' for uri, prefix in self._used.items())

    def _split(self, iri: str) -> tuple[str, str]:
        if iri.startswith(f"{CBV_MASTER_DATA}:"):
            return CBV_MASTER_DATA, iri[len(CBV_MASTER_DATA) + 1 :]
        for namespace in self._known:
            if iri.startswith(namespace) and is_name(iri[len(namespace) :]):
                return namespace, iri[len(namespace) :]
        local = _LAST_NAME.search(iri) or _ANY_LAST_NAME.search(iri)
        if local is None or not local.start():
            raise NotInXmlError(f"XML has no name for {shown(iri)}")
        return iri[: local.start()], local[0]


def is_name(text: str) -> bool:
    """Tell whether a text is a name without a prefix (Namespaces in XML 1.0, NCName)."""
    return _NAME.fullmatch(text) is not None


def text(value: str) -> str:
    """Return a text as it stands between tags; raises `NotInXmlError` for characters that XML does not have."""
    if _SPECIAL(value) is None:
        return value
    if _IMPOSSIBLE(value) is not None:
        raise NotInXmlError(f"XML has not all the characters of {shown(value)}")
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def attribute(value: str) -> str:
    """Return a text as it stands in quotes; raises `NotInXmlError`."""
    if _SPECIAL(value) is None:
        return value
    escaped = text(value).replace('"', "&quot;")
    return escaped.replace("\t", "&#9;").replace("\n", "&#10;")


def _is_read_as(name: str, tag: str) -> bool:
    try:
        return name_of(tag) == name
    except XmlTextError:
        return False
