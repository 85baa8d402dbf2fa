"""Blocks of events: where in a document's bytes its events lie, whatever the format, in constant memory."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import Final, Protocol

from traceability.gs1.epcis.strict_json import JSON, START, Place

BLOCK_BYTES: Final = 1 << 18
"""Events are read in blocks of about this size."""
BLOCK_EVENTS: Final = 1 << 13
"""More do not fit into a block, however short they are."""
MAX_VALUE_BYTES: Final = 1 << 24
"""The longest event that is read, and the most of what is around the events together."""

CHUNK: Final = 1 << 20
"""Bytes of a document that are read at once."""


class Readable(Protocol):
    """A document's bytes from its beginning."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring events of one list: `size` bytes from `offset`, beginning at `place`.

    The first is event `index` of the document and event `number` of the list at the JSONPath `path`; both count from
    0. `number` is None when the document itself is the event.
    """

    offset: int
    size: int
    events: int
    index: int
    path: str
    number: int | None
    place: Place

    @property
    def too_long(self) -> bool:
        """Whether this is one event that is too long to be read."""
        return self.events == 1 and self.size > MAX_VALUE_BYTES

    def path_of(self, i: int) -> str:
        """Return the JSONPath of event `i` of the block."""
        return self.path if self.number is None else f"{self.path}[{self.number + i}]"


@dataclass(slots=True)
class Outline:
    """A document of `size` bytes: the members around the events, the paths of their lists, the events in blocks."""

    members: dict[str, JSON] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    size: int = 0

    @property
    def events(self) -> int:
        """How many events there are."""
        return self.blocks[-1].index + self.blocks[-1].events if self.blocks else 0


class Passing:
    """The bytes of a document as they come by: `data` is what is at hand, `at` is how far it was read."""

    def __init__(self, document: Readable) -> None:
        self._document = document
        self.data = b""
        self.at = 0
        self._offset = 0  # of data[0]
        self._known = (0, START)  # the last position whose place was asked for
        self.more()
        if self.data.startswith(codecs.BOM_UTF8):
            self.at = 3
            self._known = (3, START)

    def more(self) -> bool:
        """Read on, forgetting what is before `at`; tell whether there was anything."""
        chunk = self._document.read(CHUNK)
        if chunk:
            self.place(self.at)
            self._known = (0, self._known[1])
            self._offset += self.at
            self.data = self.data[self.at :] + chunk
            self.at = 0
        return bool(chunk)

    def offset(self, at: int) -> int:
        """Return the offset of a position in the document."""
        return self._offset + at

    def place(self, at: int) -> Place:
        """Return line and column of a position, which is not before the last one that was asked for."""
        known, place = self._known
        place = place.after(self.data[known:at])
        self._known = (at, place)
        return place


class EventList:
    """The events of one list, gathered into blocks; every position is one in the data of `passing`."""

    def __init__(self, passing: Passing, outline: Outline, path: str) -> None:
        self._passing = passing
        self._outline = outline
        self._path = path
        self._number = self._events = 0
        self._first = self._start = self._end = 0  # offsets: of the block, of the last event
        self._place = self._first_place = START

    def begin(self, at: int) -> None:
        """Take note of an event's beginning."""
        self._start, self._place = self._passing.offset(at), self._passing.place(at)
        if self._events and (self._start - self._first > BLOCK_BYTES or self._events == BLOCK_EVENTS):
            self.flush()
        if not self._events:
            self._first, self._first_place = self._start, self._place

    def end(self, at: int) -> None:
        """Take note of an event's end; one that is too long to be read is a block of its own."""
        end = self._passing.offset(at)
        long = end - self._start > MAX_VALUE_BYTES
        if long and self._events:
            self.flush()
            self._first, self._first_place = self._start, self._place
        self._events += 1
        self._end = end
        if long:
            self.flush()

    def flush(self) -> None:
        """Close the block."""
        if self._events:
            index = self._outline.events
            size = self._end - self._first
            self._outline.blocks.append(
                Block(self._first, size, self._events, index, self._path, self._number, self._first_place)
            )
            self._number += self._events
            self._events = 0
