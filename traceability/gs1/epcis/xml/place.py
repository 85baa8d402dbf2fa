"""Where in an event's characters the element lies that a place of its JSON twin leads to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from traceability.gs1.epcis.xml.markup import Markup, Tag, XmlTextError

_WRAPPERS: Final = frozenset({"extension", "baseExtension"})
_MOST_OPEN: Final = 256


@dataclass(slots=True)
class _Element:
    """An element by the bytes from its beginning to its end; `inside` is behind its start tag."""

    name: str
    start: int
    inside: int
    end: int = 0
    elements: list[_Element] = field(default_factory=list)

    def named(self, name: str) -> list[_Element]:
        """Return the elements inside that say a member; of an IRI they have the last part."""
        found: list[_Element] = []
        for element in self.elements:
            if element.name == name or (":" in name and name.endswith(element.name)):
                found.append(element)
            elif element.name in _WRAPPERS:
                found += element.named(name)
        return found


def place_in_xml(text: str, way: Iterable[str | int]) -> tuple[int, int]:
    """Return from where to where the last element or attribute lies that can be found on a way into an event."""
    data = text.encode(errors="replace")
    try:
        root = _read(data)
    except XmlTextError:
        root = None
    start, end = (0, len(data.rstrip())) if root is None else _follow(data, root, way)
    return len(data[:start].decode(errors="replace")), len(data[:end].decode(errors="replace"))


def _read(data: bytes) -> _Element | None:
    markup = Markup(BytesIO(data))
    root: _Element | None = None
    open_elements: list[_Element] = []
    while (found := markup.next_tag()) is not None:
        tag: Tag = found[1]
        if tag.kind == "end":
            if not open_elements:
                return None
            open_elements.pop().end = markup.offset(markup.at)
            continue
        element = _Element(
            tag.local.decode(errors="replace"), markup.offset(markup.tag_start), markup.offset(markup.at)
        )
        element.end = element.inside
        if open_elements:
            open_elements[-1].elements.append(element)
        root = root or element
        if tag.kind == "start":
            open_elements.append(element)
        if len(open_elements) > _MOST_OPEN:
            return None
    return None if open_elements else root


def _follow(data: bytes, root: _Element, way: Iterable[str | int]) -> tuple[int, int]:
    found = [root]
    for step in way:
        if isinstance(step, int):
            among = found if len(found) > 1 or not found[0].elements else found[0].elements
            if step >= len(among):
                break
            found = [among[step]]
            continue
        inside = found[0].named(step)
        if not inside:
            attribute = re.compile(rb"\s((?:[^\s=:]+:)?" + _last_name(step) + rb"""\s*=\s*(?:"[^"]*"|'[^']*'))""")
            match = attribute.search(data, found[0].start, found[0].inside)
            if match is not None:
                return match.span(1)
            break
        found = inside
    return found[0].start, found[-1].end if len(found) > 1 else found[0].end


def _last_name(name: str) -> bytes:
    return re.escape(re.split("[@/#:]", name)[-1].encode(errors="replace"))
