"""Check a log against itself: every leaf from its record, every tile from its entries, every checkpoint ever signed.

Nothing is repaired. The first entry that is bad is what matters, since everything after it may follow from it. What
others kept of the log is checked in `outside`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from traceability.ledger.commitment import leaf_hash
from traceability.merkle import CompactRange
from traceability.notary.additional import CODE, AdditionalLines
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.confirmed import NOTHING, Confirmed, Trusted
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.frontier import Frontier, ReadTile, load_frontier
from traceability.notary.log import tile_reader
from traceability.notary.note import VerifierKey
from traceability.notary.ports import LogDatabase, SignedCheckpoint, TileStore
from traceability.notary.records import Block, CheckedBlock, blocks_between, check_block, redacted_position
from traceability.notary.report import Report
from traceability.notary.tiles import ENTRIES, WIDTH, Tile, decode_bundle, tile_of
from traceability.notary.tree import TiledTree

_CHUNK: Final = 64  # bundles that are checked at once: memory is bounded by it


def check_database(database: LogDatabase, tiles: TileStore | None = None) -> Report:
    """Rebuild every leaf from its parts and salts, and the root at every signed checkpoint, in one pass.

    `tiles` help to name a leaf where records fit each other and not what was signed, as when two were swapped.
    """
    check = DatabaseCheck(database, tiles)
    for block in check.blocks():
        check.add(check_block(block, database.rows(block.start, block.end)))
    return check.finished()


class DatabaseCheck:
    """The pass over a log's records: whoever makes it checks the blocks, in any process, and adds them in order.

    An erased event keeps its leaf, because erasure leaves c₆ and c₇ behind; it is lawful when a `ledger.redacted.v1`
    event names its position, and a finding otherwise.
    """

    def __init__(self, database: LogDatabase, tiles: TileStore | None = None, trusted: Trusted = NOTHING) -> None:
        self._database = database
        self._tiles = tiles
        self._key = VerifierKey.parse(database.identity.vkey)
        self._lines = AdditionalLines(database.identity)
        self._first = database.identity.first_position
        self._start = trusted.size
        self._tree = CompactRange(trusted.size, trusted.peaks)
        # The signed checkpoints first: one that is signed later may be of records beyond the end. What is appended from
        # now on is for the next check.
        self._signed = database.all_signed(trusted.size)
        self._due = next(self._signed, None)
        self.end = database.sequenced()
        self._good = trusted.size  # leaves whose root is that of a signed checkpoint
        self._lost = False  # a signed root was not met, and records are to blame
        self._recorded_at: int | None = None
        self._erased: set[int] = set(trusted.erased)
        self._redactions: dict[int, int] = {}
        self.report = Report()

    def blocks(self) -> Iterator[Block]:
        """Yield what is to be checked."""
        yield from blocks_between(self._first, self._start, self.end)

    def add(self, checked: CheckedBlock) -> None:
        """Take in the next block."""
        block, report = checked.block, self.report
        if checked.times is not None:
            if self._recorded_at is not None and checked.times[0] < self._recorded_at:
                position = self._first + block.start
                report.add("log.time", f"position {position} was recorded before the one ahead of it", block.start)
            self._recorded_at = checked.times[1]
        report.take(checked.report.findings, checked.report.found)
        self._erased.update(checked.erased)
        self._redactions.update(checked.redactions)
        self._grow(checked.leaves, block)
        report.leaves += len(checked.leaves)

    def finished(self) -> Report:
        """Say what is left to say when every block was added."""
        report = self.report
        self._grow([], Block(self._first, self.end, self.end))
        # Beyond the ledger's head is what the open log would hold; a closed one has its end.
        is_open = self._database.identity.last_position is None
        if is_open and (stray := self._database.stray_position()) is not None:
            report.add("log.stray", f"position {stray} is stored, and the ledger has no such position")
        if self._due is not None:
            self._note_lost(f"a checkpoint of size {self._due.checkpoint.size} is signed")
        elif self.end < self._start:
            self._note_lost(f"{self._start} were confirmed")
        self._check_erasures()
        return report

    def _note_lost(self, known: str) -> None:
        self.report.add("log.rolled_back", f"{known}, {self.end} records exist")

    def _grow(self, leaves: list[bytes], block: Block) -> None:
        """Append leaves, and stop at every size for which a checkpoint is signed."""
        at = 0
        while self._due is not None and self._due.checkpoint.size <= block.end:
            upto = self._due.checkpoint.size - block.start
            self._tree.extend(leaves[at:upto])
            at = upto
            self._check_signed(self._due)
            self._due = next(self._signed, None)
        self._tree.extend(leaves[at:])

    def _check_signed(self, signed: SignedCheckpoint) -> None:
        size, report = signed.checkpoint.size, self.report
        report.checkpoints += 1
        try:
            checkpoint, _ = open_checkpoint(signed.note.encode(), self._key)
        except VerificationError as error:
            report.add("log.checkpoint", f"the note that is stored for size {size} does not verify: {error}")
            return
        self._lines.check(signed.note.encode(), signed.signed_at, f"the note that is stored for size {size}", report)
        if checkpoint != signed.checkpoint:
            report.add("log.checkpoint", f"the note that is stored for size {size} says something else")
        elif checkpoint.root != (root := self._tree.root()):
            self._note_root(checkpoint, root)
        else:
            self._good, self._lost = size, False
            if report.clean:
                erased = tuple(sorted(self._erased - self._redactions.keys()))
                report.confirmed = Confirmed(signed.note, Trusted(size, self._tree.peaks, erased))

    def _note_root(self, signed: Checkpoint, root: bytes) -> None:
        """Name the first leaf that is not the published one, if files tell; else the leaves among which it is."""
        if self._lost:
            return  # every larger tree has the same bad leaf
        size, said = signed.size, f"the records do not give the root that was signed for size {signed.size}"
        published = None if self._tiles is None else _root_at(self._tiles, size)
        if published == root:
            self.report.add("log.root", f"{said}, but that of the published tiles: the checkpoint is wrong")
            return
        self._lost = True
        leaf = self._first_difference(self._good, size) if published == signed.root else None
        if leaf is None:
            self.report.add("log.root", f"{said}; what is wrong is among leaves {self._good} to {size - 1}")
        else:
            self.report.add("log.root", f"{said}: position {self._first + leaf} is not what was published", leaf)

    def _first_difference(self, start: int, size: int) -> int | None:
        """Return the first leaf from `start` on whose stored entry is not under the published tile."""
        assert self._tiles is not None
        read = tile_reader(self._tiles)
        for first in range(start - start % WIDTH, size, WIDTH):
            published = read(tile_of(0, first // WIDTH, size)) or b""
            entries = self._database.entries(first, min(first + WIDTH, size))
            for i, entry in enumerate(entries):
                if leaf_hash(entry.entry) != published[32 * i : 32 * i + 32]:
                    return first + i
        return None

    def _check_erasures(self) -> None:
        report = self.report
        if unexplained := self._erased - self._redactions.keys():
            # The event that names it may be newer than this pass, or belong to the ledger's next log.
            for head, more in self._database.redactions_after(self._first + self.end - 1):
                unexplained.discard(redacted_position(head, more) or 0)
        report.erased = len(self._erased)
        for position in sorted(unexplained):
            leaf = position - self._first
            report.add("log.unlawful_erasure", f"position {position} is erased, and no event says why", leaf)
        here = range(self._first + self._start, self._first + self.end)
        for position, event in sorted(self._redactions.items()):
            if position in here and position not in self._erased:
                report.add(
                    "log.not_erased",
                    f"position {position} has content that was erased, as the event at position {event} says",
                    position - self._first,
                )


def _root_at(tiles: TileStore, size: int) -> bytes | None:
    """Return the root that the published tiles give for a size, None when they do not."""
    try:
        return TiledTree(size, tile_reader(tiles)).root()
    except DamagedLogError:
        return None


def check_files(
    database: LogDatabase,
    tiles: TileStore,
    trusted: Trusted = NOTHING,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> Report:
    """Rebuild every published tile from the entry bundles and compare it byte for byte; no other file may be there.

    From `trusted` on only what later leaves are in is looked at, and nobody looks for files that do not belong there.
    `progress` is told the leaves done and the whole.
    """
    report = Report()
    key = VerifierKey.parse(database.identity.vkey)
    published = tiles.checkpoint()
    if published is None:
        # One that is signed and not served yet is what a crash in the first round leaves; several were served.
        first, last = next(database.all_signed(), None), database.last_signed()
        if first != last:
            report.add("log.checkpoint", "no checkpoint is served")
        return report
    try:
        checkpoint, _ = open_checkpoint(published, key)
    except VerificationError as error:
        report.add("log.checkpoint", f"the served checkpoint does not verify: {error}")
        return report
    known = database.signed_at_size(checkpoint.size)
    # An abandoned log is known to have been published beyond the database, to this very checkpoint.
    abandoned = published == (database.identity.abandoned_note or "").encode()
    if not abandoned and (known is None or known.checkpoint.root != checkpoint.root):
        report.add("log.rolled_back", f"the database does not know the served checkpoint of size {checkpoint.size}")
    report.checkpoints = 1
    _check_lines(database, published, known if known is None or known.checkpoint == checkpoint else None, report)
    if checkpoint.size < trusted.size:
        report.add("log.rolled_back", f"{trusted.size} leaves were served before, {checkpoint.size} are now")
        return report
    frontier = _check_tiles(tiles, checkpoint, trusted, report, progress)
    if frontier is not None and frontier.root() != checkpoint.root:
        report.add("log.root", "the entry bundles do not give the root of the served checkpoint")
    if not trusted.size:
        _check_paths(database, tiles, checkpoint.size, report)
    if report.clean:
        peaks = tuple(TiledTree(checkpoint.size, tile_reader(tiles)).peaks(checkpoint.size))
        report.confirmed = Confirmed(published.decode(), Trusted(checkpoint.size, peaks))
    return report


def _check_lines(database: LogDatabase, published: bytes, known: SignedCheckpoint | None, report: Report) -> None:
    """Check the additional signatures of the served checkpoint, which is served as it is stored, with cosignatures."""
    found = report.found
    lines = AdditionalLines(database.identity)
    lines.check(published, known.signed_at if known is not None else -1, "the served checkpoint", report)
    if known is not None and report.found == found and not published.startswith(known.note.encode()):
        report.add(CODE, "the served checkpoint has other signatures than are stored for its size")


def _check_tiles(
    tiles: TileStore,
    checkpoint: Checkpoint,
    trusted: Trusted,
    report: Report,
    progress: Callable[[int, int], None],
) -> Frontier | None:
    """Compare every tile that the checkpoint's tree has; return its frontier, None when an entry is unreadable."""
    read = tile_reader(tiles)
    try:
        frontier = load_frontier(trusted.size, trusted.root, _cutter(tiles, checkpoint.size))
    except (DamagedLogError, VerificationError) as error:
        report.add("log.tile", error.message)
        return None
    bundles = -(-checkpoint.size // WIDTH)
    for first in range(trusted.size // WIDTH, bundles, _CHUNK):
        entries: list[bytes] = []
        for index in range(first, min(first + _CHUNK, bundles)):
            tile = tile_of(ENTRIES, index, checkpoint.size)
            data = read(tile)
            try:
                entries += decode_bundle(data or b"", tile.width)
            except VerificationError:
                report.add("log.bundle", f"{tile.path} is {'malformed' if data else 'missing'}", index * WIDTH)
                return None
        # The first bundle may begin with entries that the frontier has.
        entries = entries[frontier.size - first * WIDTH :]
        frontier, files = frontier.extended(entries, [leaf_hash(entry) for entry in entries])
        for path, expected in files.items():
            tile = Tile.parse(path)
            # The chunk's own end leaves partial tiles behind that were never published.
            if tile.width < WIDTH and frontier.size < checkpoint.size:
                continue
            report.files += 1
            if read(tile) != expected:
                report.add("log.tile", f"{path} is not what its entries give", tile.index * WIDTH << tile.shift)
        report.leaves = frontier.size - trusted.size
        progress(frontier.size, checkpoint.size)
    return frontier


def _cutter(tiles: TileStore, size: int) -> ReadTile:
    """Read tiles of a tree that was never published, from those of a published one of `size` leaves that extends it."""
    read = tile_reader(tiles)

    def cut(tile: Tile) -> bytes | None:
        wider = tile_of(tile.level, tile.index, size)
        data = read(wider)
        return None if data is None else tile.cut(data, wider.width)

    return cut


def _check_paths(database: LogDatabase, tiles: TileStore, size: int, report: Report) -> None:
    """Look at the files that the served tree does not need: partial tiles of other sizes, and strangers.

    Files beyond the served tree are those of a checkpoint that is signed and about to be served.
    """
    read, signed_size = tile_reader(tiles), size
    for path in tiles.paths():
        try:
            tile = Tile.parse(path)
        except VerificationError:
            report.add("log.stranger", f"{path} is not a file of a log")
            continue
        if not tile.is_of(size):
            if not tile.is_of(signed_size) and (last := database.last_signed()) is not None:
                signed_size = last.checkpoint.size
            if not tile.is_of(signed_size):
                report.add("log.stranger", f"{path} is beyond every signed tree")
        elif tile.width < WIDTH:
            whole, stored = read(tile_of(tile.level, tile.index, size)), tiles.read(path)
            if whole is not None and stored is not None and not whole.startswith(stored):
                report.add("log.tile", f"{path} is not the beginning of its tile", tile.index * WIDTH << tile.shift)
