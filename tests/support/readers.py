"""Someone who keeps what a log published, and later wants to see it again."""

from __future__ import annotations

from tests.support.logs import KEY
from traceability.merkle import consistency_holds
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.log import tile_reader
from traceability.notary.ports import LogDatabase, TileStore
from traceability.notary.tiles import Tile, tiles_between
from traceability.notary.tree import TiledTree


class Reader:
    """Reads a log as it grows: every checkpoint with all tiles and bundles of its tree."""

    def __init__(self, tiles: TileStore) -> None:
        self._tiles = tiles
        self.seen: dict[int, Checkpoint] = {}
        self._files: dict[Tile, bytes] = {}

    def look(self) -> None:
        """Read the served checkpoint; what it promises must be there, and nothing may be other than it was."""
        if (note := self._tiles.checkpoint()) is None:
            return
        checkpoint, _ = open_checkpoint(note, KEY.verifier)
        if checkpoint.size in self.seen:
            assert self.seen[checkpoint.size] == checkpoint
            return
        read = tile_reader(self._tiles)
        for tile in tiles_between(
            max((size for size in self.seen if size < checkpoint.size), default=0), checkpoint.size
        ):
            data = read(tile)
            assert data is not None, f"{tile.path} is not there, and the checkpoint of {checkpoint.size} promises it"
            self._files[tile] = data
        assert TiledTree(checkpoint.size, read).root() == checkpoint.root
        self.seen[checkpoint.size] = checkpoint

    def size(self) -> int:
        """Return the largest size that was seen up to now, -1 before the first."""
        self.look()
        return max(self.seen, default=-1)

    def check(self, database: LogDatabase) -> None:
        """Compare the log as it is now with everything that was seen of it."""
        self.look()
        if not self.seen:
            return
        served, read = self.seen[max(self.seen)], tile_reader(self._tiles)
        current, _ = open_checkpoint(self._tiles.checkpoint() or b"", KEY.verifier)
        assert current == served, "the log ends before a checkpoint that was published"
        tree = TiledTree(served.size, read)
        for size, checkpoint in self.seen.items():
            signed = database.signed_at_size(size)
            assert signed is not None
            assert signed.checkpoint == checkpoint
            path = tree.consistency_path(size)
            assert size == 0 or consistency_holds(size, served.size, checkpoint.root, served.root, path)
        for tile, data in self._files.items():
            assert read(tile) == data, f"{tile.path} is not what it was"
