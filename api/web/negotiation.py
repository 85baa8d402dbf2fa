"""Which of the media types on offer a request prefers (RFC 9110 §12.5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

HTML: Final = "text/html"
JSON: Final = "application/json"


def preferred(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the type of `offered` that `accept` gives the highest quality, the earlier of equals.

    Without a header the first one; None when the header rules all of them out. What cannot be read is passed over.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = list(_ranges(accept))
    rated = [(_quality(ranges, media_type), -i, media_type) for i, media_type in enumerate(offered)]
    quality, _, best = max(rated)
    return best if quality > 0 else None


def wants_page(accept: str | None) -> bool:
    """Tell whether a page is preferred to JSON, at an address where JSON is the rule."""
    return preferred(accept, (JSON, HTML)) == HTML


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        try:
            number = float(quality)
        except ValueError:
            continue
        if media_range and 0 <= number <= 1:
            yield media_range, number


def _quality(ranges: Sequence[tuple[str, float]], media_type: str) -> float:
    """Return what the most specific range that covers the type says; 0 when none does."""
    family = media_type.partition("/")[0]
    for wanted in (media_type, f"{family}/*", "*/*"):
        found = [quality for media_range, quality in ranges if media_range == wanted]
        if found:
            return max(found)
    return 0.0
