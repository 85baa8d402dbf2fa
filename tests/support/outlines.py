"""Documents that come in pieces, and the events that an outline finds in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

from traceability.gs1.epcis.blocks import Outline

SpansOf = Callable[[bytes], Sequence[tuple[int, int]]]


class Drops:
    """A document of which a few bytes come at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._stream = BytesIO(data)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, self._size))


def events_of(data: bytes, outline: Outline, spans_of: SpansOf) -> list[bytes]:
    """Return the bytes of each event; a block holds as many as it says."""
    found = []
    for block in outline.blocks:
        text = data[block.offset : block.offset + block.size]
        spans = spans_of(text)
        assert len(spans) == block.events
        found += [text[start:end] for start, end in spans]
    return found
