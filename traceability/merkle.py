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
    if not leaf_hashes:
        return EMPTY_ROOT
    level = leaf_hashes
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def levels_of(leaf_hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Return every level of the tree, leaves first, the root alone last.

    Pairing level by level and promoting a lone right node gives the same tree as the standard's split at the
    largest power of two, without recursion.
    """
    levels = [list(leaf_hashes)]
    while len(level := levels[-1]) > 1:
        levels.append(_parents(level))
    return levels


def _parents(level: Sequence[bytes]) -> list[bytes]:
    # node_hash written out: the items of large events and the leaves of imports come through here.
    parents = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    if len(level) & 1:
        parents.append(level[-1])
    return parents


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


def consistency_holds(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether the tree of `new_size` leaves extends that of `old_size` (RFC 9162 §2.1.4.2).

    The empty tree is extended by every tree, which needs no proof and is therefore the caller's rule: size 0 is False.
    """
    return roots_from_path(old_size, new_size, old_root, path) == (old_root, new_root)


def roots_from_path(old_size: int, new_size: int, old_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Rebuild both roots from a consistency path, or None when the path cannot belong to trees of these sizes.

    A path that gives the new root and another old root proves that the new tree extends another tree of `old_size`
    leaves. Where that size is a power of two the path has no node for it, and `old_root` itself comes back.
    """
    if not 0 < old_size <= new_size or any(len(node) != HASH_SIZE for node in (old_root, *path)):
        return None
    if old_size == new_size:
        return None if path else (old_root, old_root)
    # The root of a complete old tree is itself the first node of the path.
    nodes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not path:
        return None
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            old, new = node_hash(node, old), node_hash(node, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node)
        fn, sn = fn >> 1, sn >> 1
    return (old, new) if sn == 0 else None


class CompactRange:
    """The roots of the complete subtrees of a growing tree, largest first: enough to append and to give the root."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    def append(self, leaf_hash: bytes) -> None:
        """Append a leaf."""
        node, size = leaf_hash, self.size
        while size & 1:
            node, size = node_hash(self._peaks.pop(), node), size >> 1
        self._peaks.append(node)
        self.size += 1

    def extend(self, leaf_hashes: Sequence[bytes]) -> None:
        """Append many leaves, level by level: half the time of one by one."""
        level, size, peaks = list(leaf_hashes), self.size, []
        self.size += len(level)
        while level:
            if size & 1:
                level.insert(0, self._peaks.pop())
            if len(level) & 1:
                peaks.append(level.pop())
            level, size = _parents(level), size >> 1
        self._peaks += reversed(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, largest first, of as many leaves as the size has bits."""
        return tuple(self._peaks)

    def root(self) -> bytes:
        """Return the tree hash of the leaves so far."""
        return join_peaks(self._peaks)


def join_peaks(peaks: Sequence[bytes]) -> bytes:
    """Return the tree hash of adjacent complete subtrees, largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root
