"""Proofs built from stored tiles alone (RFC 9162 §2.1.3.1 and §2.1.4.1)."""

from __future__ import annotations

from traceability.merkle import join_peaks, levels_of
from traceability.notary.frontier import ReadTile, read_tile
from traceability.notary.tiles import ENTRIES, HEIGHT, WIDTH, tile_of


class TiledTree:
    """A tree of `size` leaves seen through its tiles; each tile is read and hashed once.

    Hashes are taken as they are stored: check what you build against a signed root before you show it to anyone.
    """

    def __init__(self, size: int, read: ReadTile) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def root(self) -> bytes:
        """Return the tree hash."""
        return self._range(0, self._size)

    def prefix_root(self, size: int) -> bytes:
        """Return the tree hash of the first `size` leaves."""
        if not 0 <= size <= self._size:
            raise IndexError(size)
        return self._range(0, size)

    def inclusion_path(self, index: int) -> list[bytes]:
        """Return the audit path of a leaf, from its sibling to the root's child."""
        if not 0 <= index < self._size:
            raise IndexError(index)
        path, height = [], 0
        while 1 << height < self._size:
            start = (index >> height ^ 1) << height
            if start < self._size:
                path.append(self._range(start, min(start + (1 << height), self._size)))
            height += 1
        return path

    def consistency_path(self, old_size: int) -> list[bytes]:
        """Return the proof that this tree extends its first `old_size` leaves; empty for 0 and for the whole."""
        if not 0 <= old_size <= self._size:
            raise IndexError(old_size)
        path = []
        start, end = 0, self._size
        # SUBPROOF of the standard, walked from the root down; its path lists the deepest node first.
        while 0 < old_size < end:
            middle = start + (1 << (end - start - 1).bit_length() - 1)
            if old_size <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        if start:
            path.append(self._range(start, end))
        return path[::-1]

    def entry(self, index: int) -> bytes:
        """Return an entry from its bundle."""
        return read_tile(tile_of(ENTRIES, index // WIDTH, self._size), self._read)[index % WIDTH]

    def _range(self, start: int, end: int) -> bytes:
        """Return the tree hash of leaves start … end−1; `start` is a multiple of the power of two that covers them."""
        peaks = []
        while start < end:
            height = (end - start).bit_length() - 1
            peaks.append(self._subtree(height, start >> height))
            start += 1 << height
        return join_peaks(peaks)

    def _subtree(self, height: int, number: int) -> bytes:
        """Return the hash of the complete subtree `number` of 2^height leaves."""
        level, depth = divmod(height, HEIGHT)
        index, at = divmod(number, WIDTH >> depth)
        if (level, index) not in self._tiles:
            self._tiles[level, index] = levels_of(read_tile(tile_of(level, index, self._size), self._read))
        return self._tiles[level, index][depth][at]
