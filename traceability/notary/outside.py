"""Check a log against what others kept of it: a second copy of its files, a checkpoint that somebody wrote down.

An operator who rewrites database and files alike agrees with themself; only what is elsewhere tells. Whoever else keeps
checkpoints (a witness, a timestamp authority) is asked by handing its note to `check_kept`.
"""

from __future__ import annotations

from collections.abc import Callable

from traceability.merkle import consistency_holds, join_peaks
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.log import tile_reader
from traceability.notary.note import VerifierKey
from traceability.notary.ports import LogDatabase, TileStore
from traceability.notary.report import Report
from traceability.notary.tiles import WIDTH, Tile, tiles_between
from traceability.notary.tree import TiledTree


def check_kept(database: LogDatabase, tiles: TileStore, note: bytes, name: str) -> Report:
    """Check that a signed checkpoint, which `name` has kept, is on this log's history."""
    report = Report()
    if _kept(database, tiles, note, name, report) is not None:
        report.checkpoints = 1
    return report


def check_copy(
    database: LogDatabase,
    tiles: TileStore,
    copy: TileStore,
    name: str,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Report:
    """Check that a second copy of the static files is the beginning of ours: it may be behind, and never differs.

    Its files are compared byte for byte with ours, which `check_files` checks. `progress` is told the leaves done and
    the whole.
    """
    report = Report()
    served = copy.checkpoint()
    if served is None:
        report.add("log.copy", f"{name} has no checkpoint")
        return report
    checkpoint = _kept(database, tiles, served, name, report)
    if checkpoint is None:
        return report
    report.checkpoints, report.leaves = 1, checkpoint.size
    ours, theirs = tile_reader(tiles), tile_reader(copy)
    for tile in tiles_between(0, checkpoint.size):
        try:
            expected, found = ours(tile), theirs(tile)
        except DamagedLogError as error:
            report.add("log.copy", f"{name}: {error.message}", _leaf(tile))
            continue
        report.files += 1
        if found is None:
            report.add("log.copy_incomplete", f"{name} lacks {tile.path}", _leaf(tile))
        elif found != expected:
            report.add("log.copy", f"{tile.path} of {name} is not ours", _leaf(tile))
        if not tile.shift:
            progress(min(_leaf(tile) + tile.width, checkpoint.size), checkpoint.size)
    _check_others(database, tiles, copy, name, report)
    return report


def _kept(database: LogDatabase, tiles: TileStore, note: bytes, name: str, report: Report) -> Checkpoint | None:
    """Return the checkpoint if it is on our history, else note why it is not."""
    key = VerifierKey.parse(database.identity.vkey)
    try:
        checkpoint, _ = open_checkpoint(note, key)
    except VerificationError as error:
        report.add("log.checkpoint", f"the checkpoint of {name} does not verify: {error}")
        return None
    size = checkpoint.size
    known = database.signed_at_size(size)
    root = _published_root(tiles, key, size) if known is None else known.checkpoint.root
    if root is None:
        last = database.last_signed()
        ahead = last is None or last.checkpoint.size < size
        why = "the database ends before it" if ahead else "neither the database nor the files can tell its root"
        report.add("log.rolled_back", f"{name} has a checkpoint of size {size}, and {why}")
    elif root != checkpoint.root:
        report.add("log.fork", f"{name} has a checkpoint of size {size} with another root than ours")
    else:
        return checkpoint
    return None


def _published_root(tiles: TileStore, key: VerifierKey, size: int) -> bytes | None:
    """Return the root of the first `size` leaves of the served tree, None unless the tiles prove it.

    A checkpoint may be lost from the database (with everything that was signed after a backup), and still be served.
    """
    served = tiles.checkpoint()
    if served is None:
        return None
    try:
        whole, _ = open_checkpoint(served, key)
        if not 0 < size <= whole.size:
            return None
        tree = TiledTree(whole.size, tile_reader(tiles))
        root, path = join_peaks(tree.peaks(size)), tree.consistency_path(size)
    except (VerificationError, DamagedLogError):
        return None
    return root if consistency_holds(size, whole.size, root, whole.root, path) else None


def _check_others(database: LogDatabase, tiles: TileStore, copy: TileStore, name: str, report: Report) -> None:
    """Look at whatever else the copy has: partial tiles of older trees, or of a newer one that is on its way."""
    ours = tile_reader(tiles)
    last = database.last_signed()
    size = last.checkpoint.size if last is not None else 0
    for path in copy.paths():
        try:
            tile = Tile.parse(path)
        except VerificationError:
            report.add("log.stranger", f"{path} of {name} is not a file of a log")
            continue
        expected, found = ours(tile), copy.read(path)
        if expected is None and not tile.is_of(size):
            report.add("log.stranger", f"{path} of {name} is beyond every signed tree")
        elif expected is not None and found is not None and found != expected:
            report.add("log.copy", f"{path} of {name} is not ours", _leaf(tile))


def _leaf(tile: Tile) -> int:
    return tile.index * WIDTH << tile.shift
