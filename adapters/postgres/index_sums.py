"""Rows of the index mixed into numbers: two sets of rows with one sum are the same, but for a chance of one in 2^64."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import numpy as np

from adapters.postgres.packed import Array

TABLES: Final = ("posting", "mark", "edge", "sighting")
COLUMNS: Final = {
    "posting": ("tag", "visibility"),
    "mark": ("child", "parent", "kind", "opens", "occurred_at", "visibility"),
    "edge": ("node", "via", "is_input", "occurred_at", "visibility"),
    "sighting": ("occurred_at", "visibility", "event", "retracts", "words"),
}
"""What is mixed of each row, its position apart; `words` stand for step and disposition."""

SUM: Final = np.dtype("<u8")


def mixed(key: bytes, table: str, columns: Iterable[Array]) -> Array:
    """Mix the columns of each row into 64 bits (the finaliser of SplitMix64 after every column)."""
    seed = int.from_bytes(blake2b(table.encode(), key=key, digest_size=8).digest(), "big")
    mixed: Array | None = None
    for column in columns:
        numbers = column.view("u1") if column.dtype.kind == "S" else column
        numbers = numbers.astype(np.int64).view(np.uint64)
        mixed = numbers ^ np.uint64(seed) if mixed is None else mixed ^ numbers
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        # Another constant for each further column: equal columns must not cancel each other out.
        mixed += np.uint64(seed | 1)
    assert mixed is not None
    return mixed


@lru_cache(maxsize=4096)
def word(step: str | None, disposition: str | None) -> int:
    """Return the number that stands for a step and a disposition."""
    digest = blake2b(repr((step, disposition)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
