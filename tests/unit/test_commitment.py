"""The commitment against a second computation of it, which is written down here from its definition."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256, shake_256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.ledger.commitment import commit, open_items, part_commitments, what_salt
from traceability.ledger.parts import Parts
from traceability.merkle import CompactRange, inclusion_path, levels_of, root_from_path, root_of

SIZES = range(301)
LEAVES = [sha256(n.to_bytes(2, "big")).digest() for n in SIZES]

salts = st.binary(min_size=32, max_size=32)
contents = st.binary(max_size=40)
all_parts = st.builds(
    Parts, contents, st.lists(contents, max_size=20).map(tuple), contents, contents, contents, contents, contents,
    contents,
)  # fmt: skip


def tree_hash(leaves: list[bytes]) -> bytes:
    """Split at the largest power of two below n, as RFC 6962 §2.1 does."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_hash(leaves[:split]) + tree_hash(leaves[split:])).digest()


def blocks(seed: bytes, count: int) -> list[bytes]:
    return [shake_256(seed).digest(32 * (i + 1))[32 * i :] for i in range(count)]


def commitments_by_definition(parts: Parts, salt: bytes, personal_salt: bytes) -> list[bytes]:
    item_salts = blocks(b"\x06" + salt, len(parts.what))
    leaves = [sha256(b"\x05" + t + item).digest() for t, item in zip(item_salts, parts.what, strict=True)]
    what = len(parts.what).to_bytes(4, "big") + tree_hash(leaves)
    contents = [parts.head, what, parts.where, parts.why, parts.how, parts.more, parts.personal, parts.source]
    under = blocks(b"\x04" + salt, 6) + blocks(b"\x07" + personal_salt, 2)
    return [sha256(b"\x03" + bytes([i]) + s + c).digest() for i, (s, c) in enumerate(zip(under, contents, strict=True))]


@given(all_parts, salts, salts)
def test_every_part_is_committed_to_by_definition(parts: Parts, salt: bytes, personal_salt: bytes) -> None:
    expected = commitments_by_definition(parts, salt, personal_salt)
    assert part_commitments(parts, salt, personal_salt) == expected
    assert commit(parts, salt, personal_salt) == sha256(b"\x02" + b"".join(expected)).digest()


@given(all_parts, salts, salts)
def test_erasure_changes_no_commitment(parts: Parts, salt: bytes, personal_salt: bytes) -> None:
    before = part_commitments(parts, salt, personal_salt)
    erased = replace(parts, personal=b"", source=b"")
    assert part_commitments(erased, salt, b"".join(before[6:])) == before


@given(all_parts, salts, st.data())
def test_an_opening_leads_to_the_root_that_is_committed_to(parts: Parts, salt: bytes, data: st.DataObject) -> None:
    count = len(parts.what)
    shown = data.draw(st.lists(st.integers(0, count - 1))) if count else []
    root, openings = open_items(parts, salt, shown)
    assert [opening.index for opening in openings] == sorted(set(shown))
    what = count.to_bytes(4, "big") + root
    assert sha256(b"\x03\x01" + what_salt(salt) + what).digest() == part_commitments(parts, salt, bytes(32))[1]
    leaves = [sha256(b"\x05" + opening.salt + opening.content).digest() for opening in openings]
    assert [opening.content for opening in openings] == [parts.what[opening.index] for opening in openings]
    if len(openings) == count:
        assert tree_hash(leaves) == root
        assert all(opening.path == () for opening in openings)
    else:
        for leaf, opening in zip(leaves, openings, strict=True):
            assert root_from_path(leaf, opening.index, count, opening.path) == root


@given(all_parts, salts)
def test_an_item_that_is_not_there_cannot_be_opened(parts: Parts, salt: bytes) -> None:
    for index in (-1, len(parts.what)):
        with pytest.raises(IndexError):
            open_items(parts, salt, [index])


def test_the_root_of_every_size_is_the_standard_s() -> None:
    growing = CompactRange()
    for size in SIZES:
        assert root_of(LEAVES[:size]) == tree_hash(LEAVES[:size]) == growing.root()
        growing.append(LEAVES[size])


def test_every_path_of_every_size_leads_to_the_root() -> None:
    for size in SIZES[1:]:
        levels = levels_of(LEAVES[:size])
        root = levels[-1][0]
        assert all(
            root_from_path(LEAVES[index], index, size, inclusion_path(levels, index)) == root for index in range(size)
        )


@given(st.integers(1, 300), st.data())
def test_another_leaf_index_or_path_does_not_lead_there(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    levels = levels_of(LEAVES[:size])
    root, path = levels[-1][0], inclusion_path(levels, index)
    assert root_from_path(LEAVES[size], index, size, path) != root
    assert all(
        root_from_path(LEAVES[index], other, size, path) != root for other in range(-1, size + 1) if other != index
    )
    assert root_from_path(LEAVES[index], index, size, [*path, LEAVES[0]]) is None
    assert root_from_path(LEAVES[index][:31], index, size, path) is None
    if path:
        assert root_from_path(LEAVES[index], index, size, path[:-1]) is None
        assert root_from_path(LEAVES[index], index, size, [b"", *path[1:]]) is None
        place = data.draw(st.integers(0, len(path) - 1))
        flipped = bytes([path[place][0] ^ 1]) + path[place][1:]
        assert root_from_path(LEAVES[index], index, size, [*path[:place], flipped, *path[place + 1 :]]) != root
    if len(set(path)) > 1 and any(a != b for a, b in pairwise(path)):
        assert root_from_path(LEAVES[index], index, size, path[::-1]) != root
    for outside in (-1, size):
        with pytest.raises(IndexError):
            inclusion_path(levels, outside)
