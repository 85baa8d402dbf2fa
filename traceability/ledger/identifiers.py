"""Identifiers of our own: UUIDv7 (RFC 9562 §5.7)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID


def event_id(now_us: int, random: bytes) -> UUID:
    """Build a UUIDv7 of the millisecond of `now_us` and ten random bytes; it says when, never who or what."""
    number = ((now_us // 1000) & (1 << 48) - 1) << 80 | int.from_bytes(random[:10], "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)


def ordered_ids(now_us: int, random: bytes) -> Iterator[UUID]:
    """Yield UUIDv7s of one millisecond that sort in the order in which they are taken (RFC 9562 §6.2, method 2)."""
    number = event_id(now_us, random).int & ~(1 << 61)  # so that counting does not reach the bits of the variant
    while True:
        yield UUID(int=number)
        number += 1
