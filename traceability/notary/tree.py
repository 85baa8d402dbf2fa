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
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}

    def root(self) -> bytes:
        """Return the tree hash."""
        return self._range(0, self.size)

    def prefix_root(self, size: int) -> bytes:
        """Return the tree hash of the first `size` leaves."""
        if not 0 <= size <= self.size:
            raise IndexError(size)
        return self._range(0, size)

    def inclusion_path(self, index: int) -> list[bytes]:
        """Return the audit path of a leaf, from its sibling to the root's child."""
        if not 0 <= index < self.size:
            raise IndexError(index)
        path, height = [], 0
        while 1 << height < self.size:
            start = (index >> height ^ 1) << height
            if start < self.size:
                path.append(self.node(height, start >> height))
            height += 1
        return path

    def consistency_path(self, old_size: int) -> list[bytes]:
        """Return the proof that this tree extends its first `old_size` leaves; empty for 0 and for the whole."""
        if not 0 <= old_size <= self.size:
            raise IndexError(old_size)
        path = []
        start, end = 0, self.size
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

    def peaks(self, size: int) -> list[bytes]:
        """Return the roots of the complete subtrees of the first `size` leaves, largest first."""
        if not 0 <= size <= self.size:
            raise IndexError(size)
        return self._peaks(0, size)

    def entry(self, index: int) -> bytes:
        """Return an entry from its bundle."""
        return read_tile(tile_of(ENTRIES, index // WIDTH, self.size), self._read)[index % WIDTH]

    def node(self, height: int, number: int) -> bytes:
        """Return node `number` of the level at `height`, when levels are paired and a lone right node goes up as it is.

        It covers the leaves from number·2^height up to 2^height of them, as far as the tree has them.
        """
        start = number << height
        return self._range(start, min(start + (1 << height), self.size))

    def forget(self, level: int, index: int) -> None:
        """Let go of a tile that will not be asked for again; the last one of a level, which peaks are of, stays."""
        if (index + 1) << HEIGHT * (level + 1) <= self.size:
            self._tiles.pop((level, index), None)

    def _range(self, start: int, end: int) -> bytes:
        """Return the tree hash of leaves start … end−1; `start` is a multiple of the power of two that covers them."""
        return join_peaks(self._peaks(start, end))

    def _peaks(self, start: int, end: int) -> list[bytes]:
        peaks = []
        while start < end:
            height = (end - start).bit_length() - 1
            peaks.append(self._subtree(height, start >> height))
            start += 1 << height
        return peaks

    def _subtree(self, height: int, number: int) -> bytes:
        """Return the hash of the complete subtree `number` of 2^height leaves."""
        level, depth = divmod(height, HEIGHT)
        index, at = divmod(number, WIDTH >> depth)
        if (level, index) not in self._tiles:
            self._tiles[level, index] = levels_of(read_tile(tile_of(level, index, self.size), self._read))
        return self._tiles[level, index][depth][at]
