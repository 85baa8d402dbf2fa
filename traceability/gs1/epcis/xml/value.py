"""What elements say that EPCIS does not define, as JSON-LD would say it: extensions, and the reverse of `xml_writer`.

An element without attributes and elements inside is its text. Any other is an object: elements inside are members,
several of one name an array; an attribute is the member `@name`, or its IRI where it has a namespace; the text of an
element with attributes is `rdf:value`. Texts are texts, but `xsi:type` may say that one is a number or a boolean,
`xsi:nil` that there is none, and `jsonld:container="@set"` that a single element is an array.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from traceability.gs1.epcis.strict_json import JSON, MAX_DEPTH, Number, number_of
from traceability.gs1.epcis.xml.markup import XmlTextError
from traceability.gs1.epcis.xml.tree import JSON_LD, VALUE, XSI, Element, attributes, keyword, name_of

Reader: TypeAlias = Callable[[Element], JSON]
"""Reads an element that EPCIS defines; raises `XmlTextError`."""

SPACE: Final = " \t\r\n"
CONTAINER: Final = f"{{{JSON_LD}}}container"
TYPE: Final = f"{{{XSI}}}type"
NIL: Final = f"{{{XSI}}}nil"
_NOT_CONTENT: Final = (f"{{{XSI}}}", CONTAINER)
_SET: Final = "@set"
_NUMBERS: Final = frozenset({
    "decimal", "double", "float", "integer", "int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger",
    "nonPositiveInteger", "negativeInteger", "unsignedLong", "unsignedInt", "unsignedShort", "unsignedByte",
})  # fmt: skip
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}
_NUMBER: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII).fullmatch
_REPEATED: Final = frozenset({"sensorReport", "certificationInfo", "attribute"})
# Where EPCIS 1.x lets a later version add elements.
_WRAPPERS: Final = frozenset({"extension", "baseExtension"})


def extension(element: Element, depth: int = 0) -> JSON:
    """Return the value of an element that EPCIS does not define; raises `XmlTextError`."""
    if not len(element):
        text = element.text or ""
        if not element.keys():
            return text
        if element.get(NIL) in ("true", "1"):
            return None
        typed = _typed(element, text)
        members = attributes_of(element)
        if not members:
            return typed
        if typed != "":
            members[VALUE] = typed
        return members
    if depth > MAX_DEPTH:
        raise XmlTextError(f"Elements are nested more than {MAX_DEPTH} deep.", code="xml.depth")
    members = attributes_of(element)
    gather(element, members, {}, depth + 1)
    return members


def gather(
    element: Element, into: dict[str, JSON], known: Mapping[str, Reader], depth: int = 0, *, wrapped: bool = False
) -> None:
    """Put what is inside an element `into` an object: `known` members, and extensions.

    `wrapped` tells that extension points of EPCIS 1.x are passed over, what is in them being the element's own.
    """
    if is_text(element.text):
        raise _mixed(element)
    arrays: set[str] = set()
    for child in element:
        if is_text(child.tail):
            raise _mixed(element)
        name = child.tag
        reader = known.get(name)
        if reader is None:
            name = name_of(name)
            reader = known.get(name)
        if reader is not None:
            _put(name, reader(child), into)
        elif wrapped and name in _WRAPPERS:
            gather(child, into, known, depth, wrapped=True)
        else:
            _add(name, child, into, arrays, depth)


def _add(name: str, child: Element, into: dict[str, JSON], arrays: set[str], depth: int) -> None:
    """Add an extension; several of one name are an array."""
    value = extension(child, depth)
    if name not in into:
        if child.get(CONTAINER) == _SET:
            arrays.add(name)
            value = [] if value is None else [value]
        into[name] = value
    elif name in arrays:
        into[name].append(value)
    else:
        arrays.add(name)
        into[name] = [into[name], value]


def is_text(text: str | None) -> bool:
    """Tell whether there is text between elements; the parser leaves out most of what is only white space."""
    return text is not None and text.strip(SPACE) != ""


def _put(name: str, value: JSON, into: dict[str, JSON]) -> None:
    """Put a member that EPCIS defines `into` an object; few may be there several times."""
    if name not in into:
        into[name] = value
    elif name not in _REPEATED:
        raise XmlTextError(f"{name} stands twice in one element.", code="xml.repeated_element")
    else:
        before = into[name] if isinstance(into[name], list) else [into[name]]
        into[name] = before
        before += value if isinstance(value, list) else [value]


def children(element: Element, *names: str) -> Iterator[Element]:
    """Yield the elements inside one that holds nothing but elements of EPCIS of these names; raises `XmlTextError`."""
    nothing_else = not is_text(element.text) and not (element.keys() and attributes_of(element))
    for child in element:
        nothing_else = nothing_else and not is_text(child.tail)
        if not nothing_else or (child.tag not in names and name_of(child.tag) not in names):
            break
        yield child
    else:
        if nothing_else:
            return
    message = f"{name_of(element.tag)[:80]} has elements {' and '.join(names)} and nothing else."
    raise XmlTextError(message, code="epcis.unknown_field")


def attributes_of(element: Element) -> dict[str, JSON]:
    """Return the members that an element's attributes are; those of XML Schema say nothing about the content."""
    return {
        name_of(name) if name[0] == "{" else keyword(name): text
        for name, text in attributes(element)
        if not name.startswith(_NOT_CONTENT)
    }


def text_of(element: Element) -> JSON:
    """Return the text of an element, without the white space around it; an object if it has more than text."""
    if len(element) or element.keys():
        value = extension(element)
        return value.strip(SPACE) if type(value) is str else value
    return (element.text or "").strip(SPACE)


def number(text: str) -> JSON:
    """Return the number that a text of xsd:decimal, xsd:double or an integer type is, else the text."""
    match = _NUMBER(text)
    if match is None or not (match[2] or match[3]):
        return text
    sign, whole, fraction, exponent = match.groups()
    written = "-" if sign == "-" else ""
    written += whole.lstrip("0") or "0"
    if fraction:
        written += f".{fraction}"
    if exponent:
        written += f"e{exponent}"
    return number_of(written)


def boolean(text: str) -> JSON:
    """Return the boolean that a text is, else the text."""
    return _BOOLEANS.get(text, text)


def _typed(element: Element, text: str) -> JSON:
    word = (element.get(TYPE) or "").rpartition(":")[2]
    if word in _NUMBERS:
        found = number(text.strip(SPACE))
        return found if isinstance(found, Number) else text
    if word == "boolean":
        found = boolean(text.strip(SPACE))
        return found if isinstance(found, bool) else text
    return text


def _mixed(element: Element) -> XmlTextError:
    name = element.tag.rpartition("}")[2]
    return XmlTextError(f"{name[:80]} has text between its elements, which no JSON says.", code="xml.mixed_content")
