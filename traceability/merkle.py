"""Merkle tree hashing over SHA-256: RFC 6962 §2.1 and the proofs of RFC 9162 §2.1.3 and §2.1.4.

Leaves come in already hashed, because the ledger's items and the log's entries prefix theirs differently
(`commitment.md`, RFC 6962); interior nodes are H(0x01 ‖ left ‖ right) in both. Indices count from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an interior node."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the tree hash of a list of leaf hashes (RFC 6962 §2.1)."""
    return levels_of(leaf_hashes)[-1][0] if leaf_hashes else EMPTY_ROOT


def levels_of(leaf_hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return every level of the tree, leaves first, the root alone last.

    Pairing level by level and promoting a lone right node gives the same tree as the standard's split at the
    largest power of two, without recursion.
    """
    levels = [list(leaf_hashes)]
    while len(level := levels[-1]) > 1:
        parents = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        levels.append([*parents, level[-1]] if len(level) & 1 else parents)
    return levels


def inclusion_path(levels: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Return the audit path of leaf `index`, from the leaf's sibling to the root's child (RFC 9162 §2.1.3.1)."""
    if not 0 <= index < len(levels[0]):
        raise IndexError(index)
    path = []
    for level in levels[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
    return path


def root_from_path(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Rebuild the root from an audit path (RFC 9162 §2.1.3.2), or None when the path cannot belong to the tree.

    None covers an index outside the tree, a path of the wrong length and a hash that is not 32 bytes long.
    """
    if not 0 <= index < size or any(len(node) != HASH_SIZE for node in (leaf_hash, *path)):
        return None
    fn, sn, root = index, size - 1, leaf_hash
    for node in path:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            root = node_hash(node, root)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, node)
        fn, sn = fn >> 1, sn >> 1
    return root if sn == 0 else None
