"""Watching a log from outside, ours or foreign: what was seen, what is shown now, and whether both are one history.

Two checkpoints that a log signed, of which neither tree begins with the other, can never be explained away. So both are
kept as they came, byte for byte: they are the evidence, and the log's own signature vouches for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from traceability.errors import TraceabilityError
from traceability.ledger.commitment import leaf_hash
from traceability.merkle import EMPTY_ROOT, consistency_holds
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.encoding import hash_of_hex, number_of, text_of
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.frontier import Frontier, ReadTile, load_frontier, read_tile
from traceability.notary.note import VerifierKey
from traceability.notary.tiles import ENTRIES, WIDTH, Tile, encode_bundle, encode_hashes, tile_of
from traceability.notary.tree import TiledTree

MAX_UNDECIDED: Final = 100
_VERSION: Final = "trace-monitor/1"
_CHUNK: Final = 64  # bundles that are read at once: memory is bounded by it


class InconsistentLogError(TraceabilityError):
    """A log has signed two checkpoints of different histories; both are here as they came."""

    code = "log.inconsistent"

    def __init__(self, message: str, *, seen: bytes, shown: bytes) -> None:
        super().__init__(message, hint="Keep both checkpoints, and show them to everyone who relies on this log.")
        self.seen = seen
        self.shown = shown


class News(StrEnum):
    """How what is shown stands to what was seen before."""

    FIRST = "first"
    SAME = "same"
    GREW = "grew"
    OLDER = "older"


def observe(seen: bytes | None, shown: bytes, key: VerifierKey, read: ReadTile) -> tuple[Checkpoint, News]:
    """Check a checkpoint that is shown against the one that was seen before, by the tiles of the larger tree.

    The tiles have to give the larger root first, so that wrong tiles are never taken for a fork, nor hide one. Raises
    `VerificationError` when `shown` is not signed by `key`, `DamagedLogError` when tiles are missing or wrong, and
    `InconsistentLogError`.
    """
    checkpoint, _ = open_checkpoint(shown, key)
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise VerificationError("a checkpoint of size 0 has a root that is not that of the empty tree", code="log.root")
    if seen is None:
        _prove(TiledTree(checkpoint.size, read), checkpoint, checkpoint.size)
        return checkpoint, News.FIRST
    before, _ = open_checkpoint(seen, key)
    older, newer = sorted((before, checkpoint), key=lambda one: one.size)
    prefix = newer.root if older.size == newer.size else _prove(TiledTree(newer.size, read), newer, older.size)
    if prefix != older.root:
        raise InconsistentLogError(
            f"{key.name} signed two histories: of size {before.size} and of size {checkpoint.size}",
            seen=seen,
            shown=shown,
        )
    if before.size == checkpoint.size:
        return checkpoint, News.SAME
    return checkpoint, News.OLDER if checkpoint.size < before.size else News.GREW


def _prove(tree: TiledTree, checkpoint: Checkpoint, size: int) -> bytes:
    """Return the root of the first `size` leaves, proven to be the beginning of the checkpoint's tree."""
    prefix = tree.prefix_root(size)
    # The empty tree begins every tree; then, and for the whole, only the root itself is left to be compared.
    whole = size in (0, checkpoint.size)
    if whole and tree.root() == checkpoint.root:
        return prefix
    path = [] if whole else tree.consistency_path(size)
    if whole or not consistency_holds(size, checkpoint.size, prefix, checkpoint.root, path):
        raise DamagedLogError(f"the tiles do not give the root that is signed for size {checkpoint.size}")
    return prefix


def follow(frontier: Frontier, checkpoint: Checkpoint, read: ReadTile) -> Iterator[Frontier]:
    """Read every entry beyond `frontier` up to a checkpoint that was observed, against the tiles and the signed root.

    Yields the frontier after each piece, each proven to be the beginning of the checkpoint's tree, so a later run may
    go on from its size and root. Raises `DamagedLogError`, which names the first entry that is not its leaf.
    """
    while frontier.size < checkpoint.size:
        first = frontier.size // WIDTH
        entries: list[bytes] = []
        for index in range(first, min(first + _CHUNK, -(-checkpoint.size // WIDTH))):
            bundle = read_tile(tile_of(ENTRIES, index, checkpoint.size), read)
            hashes = read_tile(tile_of(0, index, checkpoint.size), read)
            for i, (entry, expected) in enumerate(zip(bundle, hashes, strict=True)):
                if leaf_hash(entry) != expected:
                    raise DamagedLogError(f"entry {index * WIDTH + i} is not the one of its leaf")
            entries += bundle
        added = entries[frontier.size - first * WIDTH :]
        frontier, _ = frontier.extended(added, [leaf_hash(entry) for entry in added])
        if _prove(TiledTree(checkpoint.size, read), checkpoint, frontier.size) != frontier.root():
            raise DamagedLogError(f"the entries before {frontier.size} do not give the root that is signed")
        yield frontier


@dataclass(frozen=True, slots=True)
class Followed:
    """How far entries were followed: `size` of them have the tree hash `root`."""

    size: int = 0
    root: bytes = EMPTY_ROOT

    def frontier(self, size: int, read: ReadTile) -> Frontier:
        """Read the frontier back from the tiles of a tree that has grown to `size`; raises `DamagedLogError`."""

        # A tree that ends here was perhaps never published, and then no partial tile of it was ever served.
        def cut(tile: Tile) -> bytes:
            whole = read_tile(tile_of(tile.level, tile.index, size), read)
            return (encode_bundle if tile.level == ENTRIES else encode_hashes)(whole[: tile.width])

        return load_frontier(self.size, self.root, cut)


@dataclass(frozen=True, slots=True)
class Watched:
    """What a monitor remembers of a log: the last checkpoint as it came, and when (µs UTC) it was new.

    `undecided` are checkpoints that the log signed and that could not be compared yet: a witness has seen them ahead of
    us, or the tiles beside them were wrong. Each is compared as soon as that is possible, so none is forgotten.
    """

    vkey: str
    note: bytes | None = None
    changed_at: int = 0
    followed: Followed = Followed()
    undecided: tuple[bytes, ...] = ()

    def postponed(self, notes: Iterable[bytes]) -> Self:
        """Keep checkpoints to be compared later; those that say the same are kept once, and not more than some."""
        return replace(self, undecided=tuple(dict.fromkeys((*self.undecided, *notes)))[-MAX_UNDECIDED:])

    def compared(self, key: VerifierKey, read: ReadTile) -> Self:
        """Compare what is undecided with the last checkpoint seen; raises what `observe` does.

        One of a larger tree proves nothing yet, since witnesses see a checkpoint before it is published. It is kept.
        """
        size = -1 if self.note is None else open_checkpoint(self.note, key)[0].size
        left = []
        for note in self.undecided:
            if open_checkpoint(note, key)[0].size > size:
                left.append(note)
            else:
                observe(self.note, note, key, read)
        return replace(self, undecided=tuple(left))

    def encode(self) -> bytes:
        """Return it as it is stored."""
        members = {
            "v": _VERSION,
            "vkey": self.vkey,
            "note": None if self.note is None else self.note.decode(),
            "changed_at": self.changed_at,
            "followed": {"size": self.followed.size, "root": self.followed.root.hex()},
            "undecided": [note.decode() for note in self.undecided],
        }
        return json.dumps(members, indent=1).encode()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `encode` gives; raises `VerificationError` (`monitor.state`)."""
        try:
            members: dict[str, Any] = json.loads(text_of(data, "the state"))
            note, followed = members["note"], members["followed"]
            size, root = number_of(str(followed["size"]), "the size"), hash_of_hex(followed["root"], "the root")
            watched = cls(
                str(members["vkey"]),
                None if note is None else note.encode(),
                number_of(str(members["changed_at"]), "the time"),
                Followed(size, root),
                tuple(one.encode() for one in members["undecided"]),
            )
            known = members["v"] == _VERSION
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, VerificationError) as error:
            raise VerificationError(f"this is no state of a monitor: {error}", code="monitor.state") from error
        if not known:
            raise VerificationError(f"this is not a {_VERSION}", code="monitor.state")
        return watched
