"""The outline of a document: the members around its events, and where in its bytes the events lie.

Events lie in `epcisBody.eventList` of an EPCISDocument, in `epcisBody.queryResults.resultsBody.eventList` of an
EPCISQueryDocument (EPCIS 2.0 §9.2, §10.2), in a plain array, or the document is one event.

A document of any length is outlined in constant memory (but for some bytes a block): its events are not read, only
measured by their brackets, a chunk at a time in numpy. What is inside the brackets is checked by whoever reads a
block; no text that is wrong there can become an event, because each must be JSON by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from traceability.gs1.epcis.blocks import CHUNK, MAX_VALUE_BYTES, Block, EventList, Outline, Passing, Readable
from traceability.gs1.epcis.problems import member
from traceability.gs1.epcis.strict_json import JSON, JsonTextError, read_value, syntax_error

_RESULTS: Final = {"resultsBody": {"eventList": None}}
_WAY: Final[Mapping[str, JSON]] = {"epcisBody": {"eventList": None, "queryResults": _RESULTS}}
_BODY: Final = "epcisBody"
_NOT_SPACE: Final = re.compile(rb"[^ \t\n\r]").search
_SCALAR_END: Final = re.compile(rb'[ \t\n\r,:"\[\]{}]').search
# What may stand between two events: a comma, and values that are no events.
_TOKENS: Final = re.compile(rb',|"(?:[^"\\]++|\\.)*+"?|[^ \t\n\r,"]+', re.DOTALL)
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL).match
_COMMA: Final = b","
_Positions: TypeAlias = npt.NDArray[np.int64]


def outline_of(document: Readable) -> Outline:
    """Outline a document; raises `JsonTextError` where it is not JSON, as far as that shows around its events."""
    text = _Text(document)
    outline = Outline()
    match text.peek():
        case b"[":
            _outline_events(text, "$", outline)
        case b"{":
            start, place = text.offset(text.at), text.place(text.at)
            _outline_members(text, "$", _WAY, outline, into=outline.members)
            if not outline.lists and _BODY not in outline.members:
                outline.blocks.append(Block(start, text.offset(text.at) - start, 1, 0, "$", None, place))
        case _:
            outline.members = {"": text.value()}
    if text.peek():
        raise text.error("end of the document")
    outline.size = text.offset(text.at)
    return outline


def spans_of(block: bytes) -> list[tuple[int, int]]:
    """Return where each event of a block begins and ends, by the rules by which the block was outlined."""
    starts, ends, _ = _Measure().take(np.frombuffer(block, np.uint8))
    spans: list[tuple[int, int]] = []
    at = 0
    for span in zip(starts.tolist(), ends.tolist(), strict=True):
        spans += [token.span() for token in _TOKENS.finditer(block, at, span[0]) if token[0] != _COMMA]
        spans.append(span)
        at = span[1]
    return spans + [token.span() for token in _TOKENS.finditer(block, at) if token[0] != _COMMA]


def _outline_members(
    text: _Text, path: str, way: Mapping[str, JSON], outline: Outline, *, into: dict[str, JSON]
) -> None:
    """Read an object `into` members, looking for the events along `way`."""
    text.expect(b"{")
    if text.peek() == b"}":
        text.expect(b"}")
        return
    while True:
        if text.peek() != b'"':
            raise text.error("a member name in quotes")
        name = text.value()
        if name in into:
            raise JsonTextError(f"The member {name[:80]!r} appears twice in one object.", code="json.repeated_member")
        text.expect(b":")
        inside = path + member(name)
        ahead = text.peek()
        if name in way and way[name] is None and ahead == b"[":
            into[name] = True
            _outline_events(text, inside, outline)
        elif way.get(name) and ahead == b"{":
            into[name] = {}
            _outline_members(text, inside, way[name], outline, into=into[name])
        else:
            into[name] = text.value()
        if text.peek() != b",":
            text.expect(b"}")
            return
        text.expect(b",")


def _outline_events(text: _Text, path: str, outline: Outline) -> None:
    """Find the events of an array, a chunk of bytes at a time."""
    outline.lists.append(path)
    text.expect(b"[")
    found = _List(text, outline, path)
    measure = _Measure()
    inside = False  # an event that began in an earlier chunk
    while True:
        begin = gap = text.at
        starts, ends, closed = measure.take(np.frombuffer(text.data, np.uint8, offset=begin))
        begun = iter(starts.tolist())
        for end in ends.tolist():
            if not inside:
                start = begin + next(begun)
                found.between(gap, start)
                found.begin(start)
            gap, inside = begin + end, False
            found.end(gap)
        for start in begun:
            found.between(gap, begin + start)
            found.begin(begin + start)
            inside = True
        if closed is not None:
            found.between(gap, begin + closed, last=True)
            found.flush()
            text.at = begin + closed + 1
            return
        if inside:
            text.at = len(text.data)
        else:
            # What stands between two events is looked at when all of it is there.
            text.at, measure = gap, _Measure()
            if len(text.data) - gap > 2 * CHUNK:
                raise text.error("',' or an event")
        if not text.more():
            raise text.error("end of an object or array")


class _List(EventList):
    """The events of one array."""

    def __init__(self, text: _Text, outline: Outline, path: str) -> None:
        super().__init__(text, outline, path)
        self._text = text
        self._comma = False

    def end(self, at: int) -> None:
        super().end(at)
        self._comma = False

    def between(self, gap: int, at: int, *, last: bool = False) -> None:
        """Check what stands from `gap` to `at`, where the next event begins or the array ends (`last`).

        It should be a comma; numbers, strings and words are events as well, wrong ones.
        """
        none = not self._number and not self._events
        piece = self._text.data[gap:at]
        if piece == _COMMA and not none and not last:
            return
        for token in _TOKENS.finditer(piece):
            place = gap + token.start()
            if (token[0] == _COMMA) == (none or self._comma):
                raise self._text.error("an event" if token[0] == _COMMA else "','", place)
            if token[0] == _COMMA:
                self._comma = True
            else:
                self.begin(place)
                self.end(gap + token.end())
                none = False
        if last == self._comma and not (none and not last):
            raise self._text.error("an event" if last else "','", at)


class _Text(Passing):
    """The JSON of a document as it is read."""

    def __init__(self, document: Readable) -> None:
        super().__init__(document)
        self._around = 0  # bytes of the values that were read

    def peek(self) -> bytes:
        """Return the next byte that is not white space, nothing at the end of the document."""
        while (found := _NOT_SPACE(self.data, self.at)) is None:
            self.at = len(self.data)
            if not self.more():
                return b""
        self.at = found.start()
        return found[0]

    def expect(self, byte: bytes) -> None:
        """Step over the next byte; raise `JsonTextError` when it is another one."""
        if self.peek() != byte:
            raise self.error(f"'{byte.decode()}'")
        self.at += 1

    def error(self, wanted: str, at: int | None = None) -> JsonTextError:
        """Return the error of something else standing at a position, or next."""
        at = self.at if at is None else at
        rest = self.data[at : at + 4].decode(errors="replace")
        return syntax_error(rest, 0, wanted, self.place(at))

    def value(self) -> JSON:
        """Read the next value."""
        self.peek()
        end = self._end_of_value()
        self._around += end - self.at
        if self._around > MAX_VALUE_BYTES:
            raise _too_long()
        value = read_value(self.data[self.at : end], self.offset(self.at), self.place(self.at))
        self.at = end
        return value

    def _end_of_value(self) -> int:
        """Return where the value at `at` ends, as its brackets or quotes say; all of it is then at hand."""
        measure = _Measure()
        measured = 0
        while True:
            match self.data[self.at : self.at + 1]:
                case b"{" | b"[":
                    _, ends, _ = measure.take(np.frombuffer(self.data, np.uint8, offset=self.at + measured))
                    if ends.size:
                        return self.at + measured + int(ends[0])
                case b'"':
                    if (string := _STRING(self.data, self.at)) is not None:
                        return string.end()
                case _:
                    if (end := _SCALAR_END(self.data, self.at + 1)) is not None:
                        return end.start()
            measured = len(self.data) - self.at
            if measured > MAX_VALUE_BYTES:
                raise _too_long()
            if not self.more():
                return len(self.data)


def _too_long() -> JsonTextError:
    message = f"The members around the events have at most {MAX_VALUE_BYTES} bytes together."
    return JsonTextError(message, code="epcis.member_too_long")


class _Measure:
    """Finds the objects and arrays of a text by their brackets, whatever pieces the text comes in."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def take(self, piece: npt.NDArray[np.uint8]) -> tuple[_Positions, _Positions, int | None]:
        """Measure the next piece of the text.

        Returns where objects and arrays of the outermost level begin, where they end, and where a bracket closes that
        was opened before the text, after which nothing is looked at.
        """
        quotes = np.flatnonzero(piece == ord('"'))
        escaped = self._escapes(piece)
        if escaped.size:
            quotes = quotes[~np.isin(quotes, escaped)]
        # Bit 5 is all that tells [ from { and ] from }.
        kinds = piece | 0x20
        brackets = np.flatnonzero((kinds == ord("{")) | (kinds == ord("}")))
        brackets = brackets[(np.searchsorted(quotes, brackets) + self._in_string) % 2 == 0]
        opens = kinds[brackets] == ord("{")
        depths = self._depth + np.cumsum(np.where(opens, 1, -1))
        self._in_string ^= bool(quotes.size % 2)
        closed = None
        if depths.size:
            self._depth = int(depths[-1])
            below = np.flatnonzero(depths < 0)
            if below.size:
                closed = int(brackets[below[0]])
                brackets, opens, depths = brackets[: below[0]], opens[: below[0]], depths[: below[0]]
        return brackets[opens & (depths == 1)], brackets[~opens & (depths == 0)] + 1, closed

    def _escapes(self, piece: npt.NDArray[np.uint8]) -> _Positions:
        """Return the positions behind an odd number of backslashes."""
        backslashes = np.flatnonzero(piece == ord("\\"))
        carried = self._escaped
        self._escaped = False
        if not backslashes.size:
            return np.zeros(int(carried), np.int64)
        breaks = np.flatnonzero(np.diff(backslashes) != 1)
        first = backslashes[np.concatenate(([0], breaks + 1))]
        last = backslashes[np.concatenate((breaks, [-1]))]
        odd = (last - first) % 2 == 0
        if carried and first[0] == 0:
            odd[0] = not odd[0]
        behind: _Positions = last[odd] + 1
        if behind.size and behind[-1] == len(piece):
            self._escaped = True
        if carried and first[0] != 0:
            behind = np.concatenate(([0], behind))
        return behind
