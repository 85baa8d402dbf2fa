"""The tags of an XML document, found in its bytes as they come by, without reading what is between them.

XML allows no `<` but as the beginning of markup (XML 1.0 §2.4), so outside comments, CDATA sections and processing
instructions every `<` is one, and tags can be counted without a parser. What is found here is a claim: whoever reads
a piece gives it to a parser, which says whether it is well-formed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from traceability.errors import InvalidInputError
from traceability.gs1.epcis.blocks import MAX_VALUE_BYTES, Passing, Readable

SPACE: Final = b" \t\r\n"
_MAX_NAME: Final = 256
# Not possessive: Python before 3.11.4 matches the wrong thing where such a group fails in its middle.
ATTRIBUTES: Final = rb"""[^<>"']*(?:(?:"[^"<]*"|'[^'<]*')[^<>"']*)*"""
_TAG: Final = re.compile(rb"<(/?)([^\s<>/='\"!?&]{1,256}+)(" + ATTRIBUTES + rb")>").match
_LONGEST_OPENING: Final = len(b"<![CDATA[")
_DECLARED: Final = re.compile(rb"""<\?xml\s[^>]*?\sencoding\s*=\s*["']([^"']*)""").match
_ENCODINGS: Final = frozenset({b"utf-8", b"utf8", b"us-ascii", b"ascii"})


class XmlTextError(InvalidInputError):
    """A document that is not the XML that is read here.

    `code` is `xml.syntax`, `xml.encoding`, `xml.doctype`, `xml.depth`, `xml.text_too_long` or `epcis.member_too_long`.
    """

    code = "xml.syntax"


class Tag(NamedTuple):
    """A tag: whether it begins an element, ends one, or is one; its name with prefix; its attributes as written."""

    kind: Literal["start", "end", "empty"]
    name: bytes
    attributes: bytes

    @property
    def local(self) -> bytes:
        """The name without its prefix."""
        return self.name.rpartition(b":")[2]


Between: TypeAlias = bytes
"""What stands before a tag: text, and CDATA sections as they are written."""


class Markup(Passing):
    """A document on its way."""

    def __init__(self, document: Readable) -> None:
        super().__init__(document)
        self.tag_start = 0
        """Where the last tag begins in `data`."""
        declared = _DECLARED(self.data, self.at)
        if declared is not None and declared[1].lower() not in _ENCODINGS:
            raise encoding_error(declared[1].decode(errors="replace"))

    def next_tag(self) -> tuple[Between, Tag] | None:
        """Step behind the next tag and return it; None at the end of the document. `tag_start` is where it began.

        Comments and processing instructions are passed over.
        """
        between = bytearray()
        while self._step_to_markup(between):
            match self._opening():
                case b"<!--":
                    self._step_past(b"<!--", b"-->")
                case b"<?":
                    self._step_past(b"<?", b"?>")
                case b"<![CDATA[":
                    self._step_past(b"<![CDATA[", b"]]>", between)
                case b"<!":
                    raise self._refused()
                case _:
                    return bytes(between), self._tag()
        if between.strip(SPACE):
            raise self.error("the end of the document", self.at)
        return None

    def step_past_element(self, name: bytes) -> None:
        """Step behind the end of the element `name`, whose start tag ends here."""
        inside = _inside(name)
        depth = 1
        while depth:
            found = inside(self.data, self.at)
            if found is None:
                # The last markup at hand may be the beginning of what is looked for.
                last = self.data.rfind(b"<", max(self.at, len(self.data) - _MAX_NAME - 8))
                self.at = len(self.data) if last < 0 else last
                self._need_more(f"</{name.decode(errors='replace')}>")
                continue
            self.at = found.start()
            match self._opening():
                case b"<!--":
                    self._step_past(b"<!--", b"-->")
                case b"<?":
                    self._step_past(b"<?", b"?>")
                case b"<![CDATA[":
                    self._step_past(b"<![CDATA[", b"]]>")
                case b"<!":
                    raise self._refused()
                case _:
                    depth += _DEPTH[self._tag().kind]

    def error(self, wanted: str, at: int | None = None) -> XmlTextError:
        """Return the error of something else standing at a position, or next."""
        at = self.at if at is None else at
        line, column = self.place(at)
        rest = self.data[at : at + 40].decode(errors="replace")
        found = f"{rest[:12]!r} stands" if rest else "the document ends"
        return XmlTextError(f"Not well-formed XML: at line {line}, column {column} {found} where {wanted} should be.")

    def _step_to_markup(self, between: bytearray) -> bool:
        while True:
            found = self.data.find(b"<", self.at)
            self._pass(len(self.data) if found < 0 else found, between)
            if found >= 0:
                return True
            if not self.more():
                return False

    def _opening(self) -> bytes:
        """Return what kind of markup begins here."""
        while len(self.data) - self.at < _LONGEST_OPENING and self.more():
            pass
        if self.data[self.at + 1 : self.at + 2] in _DECLARING:
            for opening in (b"<!--", b"<![CDATA[", b"<!", b"<?"):
                if self.data.startswith(opening, self.at):
                    return opening
        return b"<"

    def _tag(self) -> Tag:
        while (found := _TAG(self.data, self.at)) is None:
            if len(self.data) - self.at > MAX_VALUE_BYTES:
                raise too_long()
            # A tag that is at hand whole and is none will not become one.
            if self.data.find(b"<", self.at + 1) >= 0:
                raise self.error("a tag")
            self._need_more("a tag")
        self.tag_start, self.at = found.start(), found.end()
        closing, name, attributes = found.groups()
        if closing:
            if attributes.strip(SPACE):
                raise self.error("a tag", found.start())
            return Tag("end", name, b"")
        if attributes.endswith(b"/"):
            return Tag("empty", name, attributes[:-1])
        return Tag("start", name, attributes)

    def _step_past(self, opening: bytes, end: bytes, between: bytearray | None = None) -> None:
        """Step behind the next `end` that follows the `opening` which stands here."""
        self._pass(self.at + len(opening), between)
        while (found := self.data.find(end, self.at)) < 0:
            self._pass(max(self.at, len(self.data) - len(end) + 1), between)
            self._need_more(f"'{end.decode()}'")
        self._pass(found + len(end), between)

    def _pass(self, end: int, between: bytearray | None) -> None:
        """Step to a position, and keep what is passed; white space by itself may be of any length and is not kept."""
        if between is not None and (between or self.data[self.at : end].strip(SPACE)):
            between += self.data[self.at : end]
            if len(between) > MAX_VALUE_BYTES:
                raise too_long()
        self.at = end

    def _need_more(self, wanted: str) -> None:
        if not self.more():
            self.at = len(self.data)
            raise self.error(wanted)

    def _refused(self) -> XmlTextError:
        if self.data.startswith(b"<!DOCTYPE", self.at):
            return XmlTextError(
                "The document has a DOCTYPE, which could make it grow or fetch: EPCIS needs none.",
                code="xml.doctype",
                hint="Send it without the declaration.",
            )
        return self.error("a tag")


_DECLARING: Final = (b"!", b"?")
_DEPTH: Final = {"start": 1, "end": -1, "empty": 0}


def encoding_error(found: str) -> XmlTextError:
    """Return the error of a document in an encoding that is not read."""
    return XmlTextError(
        f"The document is in {found[:40]}, not in UTF-8.", code="xml.encoding", hint="Save it as UTF-8."
    )


def too_long() -> XmlTextError:
    """Return the error of too much around the events."""
    message = f"What is around the events has at most {MAX_VALUE_BYTES} bytes together."
    return XmlTextError(message, code="epcis.member_too_long")


@lru_cache(maxsize=64)
def _inside(name: bytes) -> Callable[[bytes, int], re.Match[bytes] | None]:
    return re.compile(rb"<(?:[!?]|/?" + re.escape(name) + rb"(?=[\s/>]))").search
