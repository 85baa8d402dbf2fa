"""Tiles and entry bundles: their paths, widths and bytes (C2SP tlog-tiles, height 8).

Tile n of level l holds the hashes of the complete subtrees of 256^l leaves numbered n·256 … n·256+255. A bundle holds
the entries under one tile of level 0. Both are immutable; the rightmost of each level is partial, and a partial one
exists under a path of its own for every size that was published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from traceability.merkle import HASH_SIZE
from traceability.notary.encoding import MAX_NUMBER
from traceability.notary.errors import VerificationError

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
ENTRIES: Final = -1  # the "level" of entry bundles
MAX_LEVEL: Final = 63
# Seven groups hold 2⁶³−1; more digits than that are not even read as a number.
_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile (or, at level `ENTRIES`, a bundle) of `width` hashes (entries)."""

    level: int
    index: int
    width: int = WIDTH

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read a path under the log's prefix; raises `VerificationError`."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise VerificationError(f"{path!r} is not the path of a tile")
        level, groups, width = match.groups()
        tile = cls(
            ENTRIES if level == "entries" else int(level),
            int(groups.replace("x", "").replace("/", "")),
            WIDTH if width is None else int(width),
        )
        # The way back refuses superfluous leading groups and the width 256 written as a partial one.
        if tile.level > MAX_LEVEL or tile.index > MAX_NUMBER or tile.width > WIDTH or tile.path != path:
            raise VerificationError(f"{path!r} is not the path of a tile")
        return tile

    @property
    def path(self) -> str:
        """The path under the log's prefix."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{number}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @property
    def full(self) -> Tile:
        """The tile that this one grows into."""
        return Tile(self.level, self.index)

    @property
    def shift(self) -> int:
        """Log₂ of the leaves under one hash (entry)."""
        return HEIGHT * max(self.level, 0)

    def cut(self, wider: bytes, width: int = WIDTH) -> bytes:
        """Return this tile's bytes out of those of the same tile at another `width`; raises `VerificationError`."""
        if self.level == ENTRIES:
            return encode_bundle(decode_bundle(wider, width)[: self.width])
        return encode_hashes(decode_hashes(wider, width)[: self.width])

    def is_of(self, size: int) -> bool:
        """Tell whether a tree of `size` leaves has all hashes (entries) of this tile."""
        return self.index * WIDTH + self.width <= size >> self.shift


def tile_of(level: int, index: int, size: int) -> Tile:
    """Return tile `index` of a level as wide as a tree of `size` leaves has it."""
    count = size >> (HEIGHT * max(level, 0))
    return Tile(level, index, min(WIDTH, count - index * WIDTH))


def tiles_between(old: int, new: int) -> Iterator[Tile]:
    """Yield every tile and bundle that a tree has when it has grown from `old` to `new` leaves and not before."""
    yield from _level_between(ENTRIES, old, new)
    for level in range(MAX_LEVEL + 1):
        if new >> (HEIGHT * level) == 0:
            return
        yield from _level_between(level, old >> (HEIGHT * level), new >> (HEIGHT * level))


def _level_between(level: int, old: int, new: int) -> Iterator[Tile]:
    if old == new:
        return
    for index in range(old // WIDTH, new // WIDTH):
        yield Tile(level, index)
    if width := new % WIDTH:
        yield Tile(level, new // WIDTH, width)


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Write entries as `u16 length ‖ bytes` each; an entry has at most 65,535 bytes."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Read the `width` entries of a bundle; raises `VerificationError`."""
    entries, at = [], 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : end])
        at = end
    if at != len(data) or len(entries) != width:
        raise VerificationError(f"an entry bundle does not hold {width} entries")
    return entries


def encode_hashes(hashes: Sequence[bytes]) -> bytes:
    """Write the hashes of a tile."""
    return b"".join(hashes)


def decode_hashes(data: bytes, width: int) -> list[bytes]:
    """Read the `width` hashes of a tile; raises `VerificationError`."""
    if len(data) != width * HASH_SIZE:
        raise VerificationError(f"a tile does not hold {width} hashes")
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]
