"""Multi-proofs: any leaves of any tree, against single proofs and against a second implementation."""

from __future__ import annotations

from collections import Counter
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path
from re import MULTILINE, search

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.merkle import inclusion_path, levels_of, root_of
from traceability.notary.errors import VerificationError
from traceability.notary.multiproof import MultiProof, prove_leaves
from traceability.notary.tiles import Tile, encode_hashes
from traceability.notary.tree import TiledTree

EDGES = (255, 256, 257, 65_535, 65_536, 65_537)
PAGE = Path(__file__).parents[2] / "docs" / "guide" / "bundles.md"


@cache
def leaves_of(size: int) -> list[bytes]:
    return [sha256(b"\x00leaf %d" % i).digest() for i in range(size)]


@cache
def levels(size: int) -> list[list[bytes]]:
    return levels_of(leaves_of(size))


class CountedTiles:
    """The tiles of a tree, made when they are asked for; `reads` counts how often each was."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reads: Counter[Tile] = Counter()

    def __call__(self, tile: Tile) -> bytes:
        self.reads[tile] += 1
        hashes = levels(self.size)[8 * tile.level]
        return encode_hashes(list(islice(hashes, tile.index * 256, tile.index * 256 + tile.width)))


def naive_proof(leaves: list[bytes], wanted: set[int]) -> list[bytes]:
    """Split as RFC 6962 does, from the root down, and sort what has no wanted leaf by height and place."""
    found: list[tuple[int, int, bytes]] = []

    def descend(start: int, end: int) -> None:
        if end - start == 1:
            return
        height = (end - start - 1).bit_length() - 1
        middle = start + (1 << height)
        for left, right in ((start, middle), (middle, end)):
            if any(left <= i < right for i in wanted):
                descend(left, right)
            else:
                found.append((height, left, root_of(leaves[left:right])))

    descend(0, len(leaves))
    return [node for _, _, node in sorted(found)]


def prove(size: int, indices: list[int]) -> MultiProof:
    tiles = CountedTiles(size)
    proof = prove_leaves(TiledTree(size, tiles), indices)
    assert set(tiles.reads.values()) <= {1}
    return proof


def shown(size: int, indices: list[int]) -> list[bytes]:
    return [leaves_of(size)[i] for i in indices]


sizes = st.integers(1, 300) | st.sampled_from(EDGES)
picked = sizes.flatmap(
    lambda size: st.tuples(
        st.just(size), st.sets(st.integers(0, size - 1) | st.just(size - 1), min_size=1, max_size=60).map(sorted)
    )
)


@given(picked)
def test_any_leaves_of_any_tree_are_proven(pick: tuple[int, list[int]]) -> None:
    size, indices = pick
    proof = prove(size, indices)
    assert proof.root(shown(size, indices)) == levels(size)[-1][0]
    assert MultiProof.parse(proof.encode()) == proof


@given(picked)
def test_a_second_implementation_gives_the_same_hashes(pick: tuple[int, list[int]]) -> None:
    size, indices = pick
    assert list(prove(size, indices).hashes) == naive_proof(leaves_of(size), set(indices))


@given(sizes.flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_the_proof_of_one_leaf_is_its_inclusion_proof(pick: tuple[int, int]) -> None:
    size, index = pick
    assert list(prove(size, [index]).hashes) == inclusion_path(levels(size), index)


@given(picked)
def test_it_holds_only_hashes_that_single_proofs_hold(pick: tuple[int, list[int]]) -> None:
    size, indices = pick
    single = [node for index in indices for node in inclusion_path(levels(size), index)]
    assert not Counter(prove(size, indices).hashes) - Counter(single)


@pytest.mark.parametrize("size", range(1, 18))
def test_every_subset_of_a_small_tree(size: int) -> None:
    for bits in range(1, 1 << size, 1 if size < 11 else 97):
        indices = [i for i in range(size) if bits >> i & 1]
        assert prove(size, indices).root(shown(size, indices)) == levels(size)[-1][0]


@given(picked, st.data())
def test_a_flipped_bit_is_found(pick: tuple[int, list[int]], data: st.DataObject) -> None:
    size, indices = pick
    encoded = bytearray(prove(size, indices).encode())
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    try:
        other = MultiProof.parse(bytes(encoded))
        root = other.root(shown(size, indices))
    except VerificationError:
        return
    # What the caller compares: the size with the checkpoint's, then the root.
    assert (other.size, root) != (size, levels(size)[-1][0])


@given(picked, st.data())
def test_a_flipped_bit_of_a_leaf_is_found(pick: tuple[int, list[int]], data: st.DataObject) -> None:
    size, indices = pick
    leaves = shown(size, indices)
    at, bit = data.draw(st.integers(0, len(leaves) - 1)), data.draw(st.integers(0, 255))
    leaves[at] = (int.from_bytes(leaves[at], "big") ^ 1 << bit).to_bytes(32, "big")
    assert prove(size, indices).root(leaves) != levels(size)[-1][0]


@given(st.binary(max_size=200) | st.binary(max_size=120).map(lambda rest: b"trace-multiproof/1\n" + rest))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        proof = MultiProof.parse(data)
        proof.root([bytes(32)] * len(proof.indices))
    except VerificationError:
        return
    assert proof.encode() == data


@pytest.mark.parametrize(
    ("indices", "reason"),
    [
        ((1, 1), "do not rise"),
        ((2, 1), "do not rise"),
        ((0, 7), "outside its tree"),
        ((), "outside its tree"),
        ((0, 2**64 - 1), "outside its tree"),
    ],
)
def test_indices_that_do_not_rise_inside_the_tree_are_refused(indices: tuple[int, ...], reason: str) -> None:
    with pytest.raises(VerificationError, match=reason):
        MultiProof(7, indices, ()).root([bytes(32)] * len(indices))
    with pytest.raises(VerificationError, match=reason):
        prove_leaves(TiledTree(7, CountedTiles(7)), indices)


def test_a_surplus_or_missing_hash_is_refused() -> None:
    proof, leaves = prove(7, [1, 2]), shown(7, [1, 2])
    with pytest.raises(VerificationError, match="surplus"):
        MultiProof(7, proof.indices, (*proof.hashes, bytes(32))).root(leaves)
    with pytest.raises(VerificationError, match="lacks"):
        MultiProof(7, proof.indices, proof.hashes[:-1]).root(leaves)
    with pytest.raises(VerificationError, match="not 1"):
        proof.root(leaves[:1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"trace-multiproof/2\n" + bytes(60),
        b"trace-multiproof/1\n" + bytes(11),
        b"trace-multiproof/1\n" + bytes(12),  # of no leaves
        b"trace-multiproof/1\n" + (7).to_bytes(8, "big") + (2).to_bytes(4, "big") + bytes(8),
        b"trace-multiproof/1\n" + (7).to_bytes(8, "big") + (1).to_bytes(4, "big") + bytes(8 + 31),
    ],
)
def test_malformed_proofs_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        MultiProof.parse(data)


def test_the_vector_of_the_documentation() -> None:
    leaves = [sha256(bytes((0, i))).digest() for i in range(7)]
    found = search(r"in hexadecimal:\n\n```\n(.+?)```", PAGE.read_text(), MULTILINE | 16)
    assert found is not None
    proof = MultiProof.parse(bytes.fromhex("".join(found[1].split("root")[0].split())))
    assert (proof.size, proof.indices) == (7, (1, 2, 6))
    assert list(proof.hashes) == naive_proof(leaves, {1, 2, 6})
    assert proof.root([leaves[i] for i in (1, 2, 6)]).hex() == found[1].split()[-1] == root_of(leaves).hex()
