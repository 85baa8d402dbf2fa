"""Binary COPY (PostgreSQL manual, COPY, "Binary Format"): a row is the count of its fields, then the fields."""

from __future__ import annotations

from typing import Final

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"


def field(value: bytes) -> bytes:
    """Return a field: its length and its bytes."""
    return len(value).to_bytes(4, "big") + value
