"""One inclusion proof for many leaves of a tree: every hash that several need is there once (docs/guide/bundles.md).

The levels of the tree are paired from the leaves up, a lone right node going up unchanged, which is the tree of
RFC 6962. Builder and verifier walk the same known nodes, left to right and level by level, so the order of the hashes
is given by size and indices alone, and there is one proof for a set of leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, pairwise
from struct import pack, unpack_from
from typing import Final, Self

from traceability.merkle import HASH_SIZE
from traceability.notary.encoding import MAX_NUMBER
from traceability.notary.errors import VerificationError
from traceability.notary.tiles import HEIGHT
from traceability.notary.tree import TiledTree

_HEADER: Final = b"trace-multiproof/1\n"
_FIXED: Final = len(_HEADER) + 12
MAX_LEAVES: Final = 100_000


@dataclass(frozen=True, slots=True)
class MultiProof:
    """A proof of the leaves `indices` of a tree of `size` leaves.

    `indices` rise and are below `size`; `hashes` are what cannot be computed from the leaves, by level and then from
    left to right. Neither is checked before `root` is asked for.
    """

    size: int
    indices: tuple[int, ...]
    hashes: tuple[bytes, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a proof; raises `VerificationError`."""
        if not data.startswith(_HEADER) or len(data) < _FIXED:
            raise VerificationError("this is not a trace-multiproof/1")
        size, count = unpack_from(">QI", data, len(_HEADER))
        if not 0 < count <= MAX_LEAVES:
            raise VerificationError(f"a multi-proof is of 1 to {MAX_LEAVES} leaves")
        start = _FIXED + 8 * count
        if len(data) < start or (len(data) - start) % HASH_SIZE:
            raise VerificationError("the multi-proof is cut off")
        indices = unpack_from(f">{count}Q", data, _FIXED)
        return cls(size, indices, tuple(data[i : i + HASH_SIZE] for i in range(start, len(data), HASH_SIZE)))

    def encode(self) -> bytes:
        """Return the bytes of the proof."""
        numbers = pack(f">QI{len(self.indices)}Q", self.size, len(self.indices), *self.indices)
        return b"".join((_HEADER, numbers, *self.hashes))

    def root(self, leaf_hashes: Sequence[bytes]) -> bytes:
        """Rebuild the root from the hashes of the leaves at `indices`; raises `VerificationError`.

        Nothing is proven until the caller has compared the root with a signed one.
        """
        _check_indices(self.indices, self.size)
        if len(leaf_hashes) != len(self.indices):
            raise VerificationError(f"the multi-proof is of {len(self.indices)} leaves, not {len(leaf_hashes)}")
        numbers, nodes, width = list(self.indices), list(leaf_hashes), self.size
        given, used = self.hashes, 0
        while width > 1:
            parents: list[int] = []
            above: list[bytes] = []
            i, known = 0, len(numbers)
            while i < known:
                number, node = numbers[i], nodes[i]
                i += 1
                parents.append(number >> 1)
                if number & 1 == 0 and number + 1 == width:
                    above.append(node)
                    continue
                if number & 1 == 0 and i < known and numbers[i] == number + 1:
                    data = b"\x01" + node + nodes[i]
                    i += 1
                elif used == len(given):
                    raise VerificationError("the multi-proof lacks hashes", code="log.inclusion")
                else:
                    # node_hash written out: a bundle has a hundred thousand of them.
                    data = b"\x01" + given[used] + node if number & 1 else b"\x01" + node + given[used]
                    used += 1
                above.append(sha256(data).digest())
            numbers, nodes, width = parents, above, (width + 1) >> 1
        if used != len(given):
            raise VerificationError("the multi-proof has surplus hashes", code="log.inclusion")
        return nodes[0]


def prove_leaves(tree: TiledTree, indices: Sequence[int]) -> MultiProof:
    """Build the proof of leaves of a tree, reading each tile once; raises `VerificationError` for wrong indices.

    Hashes are taken as they are stored: check the proof against a signed root before you show it to anyone.
    """
    size = tree.size
    _check_indices(indices, size)
    levels: list[list[bytes]] = []
    known: Sequence[int] = indices
    base = 0  # height of the nodes that `known` numbers
    while size - 1 >> base:
        # A tile at a time, not a level of the tree at a time: leaves that lie far apart touch more tiles than should be
        # in memory together. Tiles come from left to right, so each level's hashes do as well.
        heights = range(base, min(base + HEIGHT, (size - 1).bit_length()))
        levels += ([] for _ in heights)
        tops = []
        for tile, group in groupby(known, key=lambda number: number >> HEIGHT):
            nodes = list(group)
            for height in heights:
                nodes = _siblings(tree, height, nodes, levels[height])
            tops.append(nodes[0])
            tree.forget(base // HEIGHT, tile)
        known, base = tops, base + HEIGHT
    return MultiProof(size, tuple(indices), tuple(node for level in levels for node in level))


def _siblings(tree: TiledTree, height: int, numbers: list[int], hashes: list[bytes]) -> list[int]:
    """Add the hashes that the nodes lack at a height, and return the numbers of their parents."""
    known = set(numbers)
    last = tree.size - 1 >> height
    hashes += [tree.node(height, number ^ 1) for number in numbers if number ^ 1 <= last and number ^ 1 not in known]
    return list(dict.fromkeys(number >> 1 for number in numbers))


def _check_indices(indices: Sequence[int], size: int) -> None:
    if not 0 < size <= MAX_NUMBER or not indices or indices[0] < 0 or indices[-1] >= size:
        raise VerificationError("the multi-proof has an index outside its tree", code="log.inclusion")
    if any(after <= before for before, after in pairwise(indices)):
        raise VerificationError("the indices of the multi-proof do not rise", code="log.inclusion")
