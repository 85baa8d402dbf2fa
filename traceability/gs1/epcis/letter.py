"""One event by itself: read again outside the document that it came in, and its places found in its characters."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Final

from traceability.gs1.epcis.document import Document, read_document
from traceability.gs1.epcis.envelope import open_envelope
from traceability.gs1.epcis.problems import Problem
from traceability.gs1.epcis.strict_json import JsonTextError, expect, skip_space, string_at, text_of, value_at
from traceability.gs1.epcis.xml.place import place_in_xml

_AROUND: Final = b'"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"1970-01-01T00:00:00Z"'
_INSIDE: Final = "$.epcisBody.eventList[0]"
# Where events lie in a document (traceability.gs1.epcis.envelope); what follows is inside the event.
_EVENT: Final = re.compile(r"\$(?:\.epcisBody(?:\.queryResults\.resultsBody)?\.eventList)?(?:\[\d+\])?")
_SEGMENT: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\['((?:[^'\\]|\\.)*)'\]|\[(\d+)\]", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def read_letter(body: bytes, context: bytes, *, captured_by: str, personal: Sequence[str] = ()) -> Document:
    """Read one event under the `@context` (JSON, empty for none) of the document that it came in.

    Returns at most one event, and the problems with paths from the event as the root. What is wrong with the context
    is told only when it is an error: the document's findings have the rest. No input raises but a wrong `personal`.
    An event in XML brings its namespaces itself.
    """
    if body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        return _read_xml(body, captured_by=captured_by, personal=personal)
    try:
        text = text_of(body.removeprefix(codecs.BOM_UTF8))
        start = skip_space(text, 0)
        _, end = value_at(text, start)
        if skip_space(text, end) != len(text):
            expect(text, skip_space(text, end), "end of the event")
    except JsonTextError as error:
        return Document([], [Problem(0, "$", error.code, "error", error.message)])
    named = b'"@context":' + context + b"," if context else b""
    event = text[start:end].encode()
    document = b"{" + named + _AROUND + b',"epcisBody":{"eventList":[' + event + b"]}}"
    read = read_document(document, captured_by=captured_by, personal=personal)
    problems = [
        replace(problem, path="$" + problem.path.removeprefix(_INSIDE)) if problem.index is not None else problem
        for problem in read.problems
        if problem.index is not None or problem.severity == "error"
    ]
    return Document(read.events, problems)


def _read_xml(body: bytes, *, captured_by: str, personal: Sequence[str]) -> Document:
    blocks = open_envelope(BytesIO(body)).blocks
    if blocks and blocks[0].number is not None:
        message = "One event belongs here, not a document around it."
        return Document([], [Problem(0, "$", "epcis.event_type", "error", message)])
    read = read_document(body, captured_by=captured_by, personal=personal)
    return Document(read.events, [replace(problem, index=0) for problem in read.problems])


def place_in(text: str, path: str) -> tuple[int, int]:
    """Return from where to where, in an event's characters, the value lies that a JSONPath of the document leads to.

    Where the path ends before its end, because a member is missing or the rest cannot be read, this is the last value
    on the way; at worst the whole event.
    """
    start = skip_space(text, 0)
    if text.startswith("<", start):
        return place_in_xml(text, _inside(path))
    found = start, len(text.rstrip())
    for name in _inside(path):
        try:
            found = _member(text, start, name) if isinstance(name, str) else _element(text, start, name)
        except (JsonTextError, LookupError):
            break
        start = found[0]
    return found


def _inside(path: str) -> Iterator[str | int]:
    """Yield the names and indices of a path that lead from the event inwards."""
    match = _EVENT.match(path)
    rest = "" if match is None else path[match.end() :]
    for plain, quoted, index in _SEGMENT.findall(rest):
        yield int(index) if index else plain or _ESCAPE.sub(r"\1", quoted)


def _member(text: str, at: int, wanted: str) -> tuple[int, int]:
    at = skip_space(text, expect(text, at, "{"))
    while True:
        name, at = string_at(text, at)
        at = skip_space(text, expect(text, skip_space(text, at), ":"))
        _, end = value_at(text, at)
        if name == wanted:
            return at, end
        at = skip_space(text, expect(text, skip_space(text, end), ","))


def _element(text: str, at: int, wanted: int) -> tuple[int, int]:
    at = skip_space(text, expect(text, at, "["))
    for _ in range(wanted):
        _, end = value_at(text, at)
        at = skip_space(text, expect(text, skip_space(text, end), ","))
    return at, value_at(text, at)[1]
