"""The growing edge of a tiled tree: what is needed to append leaves and write the tiles that change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from traceability.ledger.commitment import leaf_hash
from traceability.merkle import EMPTY_ROOT, root_of
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.tiles import (
    ENTRIES,
    HEIGHT,
    WIDTH,
    Tile,
    decode_bundle,
    decode_hashes,
    encode_bundle,
    encode_hashes,
)

ReadTile = Callable[[Tile], bytes | None]


@dataclass(frozen=True, slots=True)
class Frontier:
    """The unfinished tiles of a tree of `size` leaves: `edges[l]` has the hashes of level l, `bundle` the entries."""

    size: int = 0
    edges: tuple[tuple[bytes, ...], ...] = ()
    bundle: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """Return the tree hash.

        A level's unfinished tile stands for one more node at its parent's right, and promoting lone nodes level by
        level splits where RFC 6962 splits, because every node to its left is complete.
        """
        right: list[bytes] = []
        for edge in self.edges:
            if nodes := [*edge, *right]:
                right = [root_of(nodes)]
        return right[0] if right else EMPTY_ROOT

    def extended(self, entries: Sequence[bytes], hashes: Sequence[bytes]) -> tuple[Frontier, dict[str, bytes]]:
        """Append entries, whose leaf hashes are given, and return the new frontier and every file that changes."""
        files: dict[str, bytes] = {}
        bundle = [*self.bundle, *entries]
        first = self.size // WIDTH
        full = len(bundle) // WIDTH
        for i in range(full):
            files[Tile(ENTRIES, first + i).path] = encode_bundle(bundle[i * WIDTH : (i + 1) * WIDTH])
        bundle = bundle[full * WIDTH :]
        if bundle and entries:
            files[Tile(ENTRIES, first + full, len(bundle)).path] = encode_bundle(bundle)

        edges: list[tuple[bytes, ...]] = []
        added = list(hashes)
        while added or len(edges) < len(self.edges):
            level = len(edges)
            old = self.edges[level] if level < len(self.edges) else ()
            nodes, first, parents = [*old, *added], self.size >> HEIGHT * (level + 1), []
            for i in range(0, len(nodes) - len(nodes) % WIDTH, WIDTH):
                chunk = nodes[i : i + WIDTH]
                files[Tile(level, first + i // WIDTH).path] = encode_hashes(chunk)
                parents.append(root_of(chunk))
            rest = nodes[len(parents) * WIDTH :]
            if rest and added:
                files[Tile(level, first + len(parents), len(rest)).path] = encode_hashes(rest)
            edges.append(tuple(rest))
            added = parents
        return Frontier(self.size + len(entries), tuple(edges), tuple(bundle)), files


def read_tile(tile: Tile, read: ReadTile) -> list[bytes]:
    """Return the hashes (entries) of a tile (bundle); raises `DamagedLogError` when it is missing or malformed."""
    if (data := read(tile)) is None:
        raise DamagedLogError(f"{tile.path} is missing")
    try:
        return (decode_bundle if tile.level == ENTRIES else decode_hashes)(data, tile.width)
    except VerificationError as error:
        raise DamagedLogError(f"{tile.path} is malformed: {error}") from error


def load_frontier(size: int, root: bytes, read: ReadTile) -> Frontier:
    """Read the frontier of a tree of `size` leaves back from its tiles.

    The hashes must give `root` and the entries must give their hashes, so damage to a file is found before anything
    is built on it. Raises `DamagedLogError`.
    """
    edges: list[tuple[bytes, ...]] = []
    while size >> HEIGHT * len(edges):
        edges.append(_edge(len(edges), size, read))
    frontier = Frontier(size, tuple(edges), _edge(ENTRIES, size, read))
    if frontier.root() != root:
        raise DamagedLogError(f"the tiles of size {size} do not give the root of its checkpoint")
    if edges and tuple(map(leaf_hash, frontier.bundle)) != edges[0]:
        raise DamagedLogError(f"the last entry bundle of size {size} does not fit the last tile")
    return frontier


def _edge(level: int, size: int, read: ReadTile) -> tuple[bytes, ...]:
    index, width = divmod(size >> HEIGHT * max(level, 0), WIDTH)
    return tuple(read_tile(Tile(level, index, width), read)) if width else ()
