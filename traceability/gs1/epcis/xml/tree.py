"""Parsed XML, and its names as JSON-LD has them: full IRIs, EPCIS's own without a namespace.

The parser reads no DTD, expands no entity and opens no address; a document with a DOCTYPE does not get this far
(`markup`). Its own bounds on depth and on the length of texts and names stay in force.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias, cast

from lxml import etree

from traceability.gs1.epcis.context import MAX_IRI_LENGTH
from traceability.gs1.epcis.strict_json import START, Place
from traceability.gs1.epcis.xml.markup import XmlTextError

Element: TypeAlias = etree._Element  # noqa: SLF001 - the library names its type so

DEFAULT: Final = ""
"""The prefix under which a default namespace is kept."""

EPCIS_NAMESPACES: Final = frozenset(
    f"urn:epcglobal:{name}:xsd:{version}" for name in ("epcis", "epcis-query", "epcis-masterdata") for version in (1, 2)
)
CBV_MASTER_DATA: Final = "urn:epcglobal:cbv:mda"
"""The namespace of CBV's master data in XML; GS1's JSON-LD context ends it with a colon."""
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
JSON_LD: Final = "http://www.w3.org/ns/json-ld#"
"""The namespace of JSON-LD's keywords: `{http://www.w3.org/ns/json-ld#}type` is `@type`."""
VALUE: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#value"
"""The member that holds the text of an element which has attributes too."""

_WHERE: Final = re.compile(r",? ?line \d+, column \d+$")
# What the parser says of more than it takes, which may be well-formed.
_BOUNDS: Final = {
    "Name too long": ("xml.name", "A name is too long"),
    "Excessive depth": ("xml.depth", "Elements are nested too deeply"),
    "XML_PARSE_HUGE": ("xml.text_too_long", "A text or an attribute has more than 10,000,000 bytes"),
}
_PARSER: Final = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    remove_blank_text=True,  # between elements: what is the text of an element stays
    remove_comments=True,
    remove_pis=True,
    collect_ids=False,
)


def parse(data: bytes, place: Place = START) -> Element:
    """Return the root of a document, or of an event that begins at `place` of one; raises `XmlTextError`."""
    try:
        return etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        where = f"at line {place.line + line - 1}" if line > 1 or place != START else f"at line {line}, column {column}"
        for bound, (code, sentence) in _BOUNDS.items():
            if bound in (error.msg or ""):
                raise XmlTextError(f"{sentence}, {where}.", code=code) from error
        reason = " ".join(_WHERE.sub("", (error.msg or "it cannot be read")[:200]).split())
        raise XmlTextError(f"Not well-formed XML: {where}: {reason}.") from error


def local_name(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def attributes(element: Element) -> Iterable[tuple[str, str]]:
    """Return an element's attributes; in what was parsed names and values are never bytes."""
    return cast("Iterable[tuple[str, str]]", element.items())


def keyword(name: str) -> str:
    """Return the name with the `@` that attributes and keywords have; raises `XmlTextError` for a context."""
    if name == "context":
        raise XmlTextError("An attribute named context would be taken for one of JSON-LD.", code="xml.name")
    return f"@{name}"


def name_of(tag: str) -> str:
    """Return the name that JSON-LD has for `{namespace}local`; raises `XmlTextError` (`xml.name`) for one too long."""
    if tag[0] != "{":
        return tag
    if len(tag) > MAX_IRI_LENGTH:
        raise XmlTextError(f"A name has at most {MAX_IRI_LENGTH} characters with its namespace.", code="xml.name")
    return _iri(tag)


@lru_cache(maxsize=4096)
def _iri(tag: str) -> str:
    namespace, _, local = tag[1:].rpartition("}")
    if namespace in EPCIS_NAMESPACES:
        return local
    if namespace == JSON_LD:
        return keyword(local)
    if namespace == CBV_MASTER_DATA:
        namespace += ":"
    return namespace + local
