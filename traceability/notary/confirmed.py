"""What an earlier check confirmed, so that the next one need not begin at leaf 0.

It is worth what its signed checkpoint is worth: the peaks must give the root that the log's own key signed, so whoever
can write to the database, or to the file that keeps this, cannot make a check start from a tree that was never signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from traceability.merkle import consistency_holds, join_peaks
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.log import tile_reader
from traceability.notary.note import VerifierKey
from traceability.notary.ports import TileStore
from traceability.notary.tree import TiledTree


@dataclass(frozen=True, slots=True)
class Trusted:
    """The first `size` leaves, by the roots of their complete subtrees (`peaks`, largest first).

    `erased` are positions among them that are erased and that no event so far has named.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    erased: tuple[int, ...] = ()

    @property
    def root(self) -> bytes:
        """Return the tree hash."""
        return join_peaks(self.peaks)


NOTHING: Final = Trusted()


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A signed checkpoint whose tree the records were seen to give, and that tree."""

    note: str
    trusted: Trusted

    def checkpoint(self, key: VerifierKey) -> Checkpoint:
        """Return the checkpoint; raises `VerificationError` unless the log's key signed just this tree."""
        checkpoint, _ = open_checkpoint(self.note.encode(), key)
        trusted = self.trusted
        if trusted.size != checkpoint.size or len(trusted.peaks) != trusted.size.bit_count():
            raise VerificationError("what was confirmed has another size than its checkpoint")
        if trusted.root != checkpoint.root:
            raise VerificationError("what was confirmed does not give the root of its checkpoint")
        return checkpoint

    def cut(self, size: int, tiles: TileStore) -> Trusted:
        """Return the first `size` leaves of it, proven from the tiles.

        Raises `VerificationError` when the tree is smaller or the tiles do not prove it, `DamagedLogError` when they
        cannot be read.
        """
        whole = self.trusted
        if not 0 <= size <= whole.size:
            raise VerificationError(f"{whole.size} leaves were confirmed, not {size}")
        if size in (0, whole.size):
            return whole if size else NOTHING
        tree = TiledTree(whole.size, tile_reader(tiles))
        part = Trusted(size, tuple(tree.peaks(size)))
        if not consistency_holds(size, whole.size, part.root, whole.root, tree.consistency_path(size)):
            raise VerificationError(f"the tiles do not show that {size} leaves are the beginning of those confirmed")
        return part
