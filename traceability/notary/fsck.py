"""Check a log against itself: every leaf from its record, every tile from its entries, every checkpoint ever signed.

Nothing is repaired. The first entry that is bad is what matters, since everything after it may follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import orjson

from traceability.ledger.commitment import ERASED_SIZE, commit, entry_of, leaf_hash
from traceability.merkle import CompactRange
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.frontier import Frontier
from traceability.notary.log import tile_reader
from traceability.notary.note import VerifierKey
from traceability.notary.ports import LogDatabase, SignedCheckpoint, StoredEvent, TileStore
from traceability.notary.tiles import ENTRIES, WIDTH, Tile, decode_bundle, tile_of

REDACTED: Final = "ledger.redacted.v1"
MAX_FINDINGS: Final = 20
_CHUNK: Final = 64  # bundles that are checked at once: memory is bounded by it


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: a stable code, a sentence, and the leaf index if a leaf is bad."""

    code: str
    message: str
    leaf: int | None = None


@dataclass(slots=True)
class Report:
    """What was checked, and what was found, first things first; at most `MAX_FINDINGS` are kept."""

    leaves: int = 0
    checkpoints: int = 0
    files: int = 0
    erased: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def add(self, code: str, message: str, leaf: int | None = None) -> None:
        """Note a finding."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(code, message, leaf))


def check_database(database: LogDatabase) -> Report:
    """Rebuild every leaf from its parts and salts, and the root at every signed checkpoint, in one pass.

    An erased event keeps its leaf, because erasure leaves c₆ and c₇ behind; it is lawful when a `ledger.redacted.v1`
    event names its position, and a finding otherwise.
    """
    report, tree = Report(), CompactRange()
    key = VerifierKey.parse(database.identity.vkey)
    signed = database.all_signed()
    due = next(signed, None)
    erased: set[int] = set()
    redacted: set[int] = set()
    recorded_at = 0
    for event in chain(database.events(), [None]):
        while due is not None and due.checkpoint.size == tree.size:
            _check_signed(due, key, tree.root(), report)
            due = next(signed, None)
        if event is None:
            break
        _check_event(event, database.identity.first_position + tree.size, recorded_at, report, tree.size)
        recorded_at = event.recorded_at
        if len(event.personal_salt) == ERASED_SIZE:
            erased.add(event.position)
            if event.parts.personal or event.parts.source:
                report.add("log.erased_content", f"position {event.position} is erased but has content", tree.size)
        if (position := _redacted_position(event)) is not None:
            redacted.add(position)
        tree.append(event.leaf_hash)
    # What names an erasure may have come after the log was closed.
    redacted |= {position for event in database.later_events(REDACTED) if (position := _redacted_position(event))}
    report.leaves, report.erased = tree.size, len(erased)
    for position in sorted(erased - redacted):
        leaf = position - database.identity.first_position
        report.add("log.unlawful_erasure", f"position {position} is erased, and no event says why", leaf)
    if due is not None:
        report.add(
            "log.rolled_back", f"a checkpoint of size {due.checkpoint.size} is signed, {tree.size} records exist"
        )
    return report


def check_files(database: LogDatabase, tiles: TileStore) -> Report:
    """Rebuild every published tile from the entry bundles and compare it byte for byte; no other file may be there."""
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
    frontier = _check_tiles(tiles, checkpoint, report)
    if frontier is not None and frontier.root() != checkpoint.root:
        report.add("log.root", "the entry bundles do not give the root of the served checkpoint")
    _check_paths(database, tiles, checkpoint.size, report)
    return report


def _check_event(event: StoredEvent, position: int, recorded_at: int, report: Report, leaf: int) -> None:
    if event.position != position:
        report.add("log.gap", f"position {position} is missing, {event.position} comes next", leaf)
    if event.recorded_at < recorded_at:
        report.add("log.time", f"position {event.position} was recorded before the one ahead of it", leaf)
    if commit(event.parts, event.salt, event.personal_salt) != event.commitment:
        report.add("log.commitment", f"position {event.position} has parts that its commitment is not of", leaf)
    if leaf_hash(entry_of(event.event_id, event.recorded_at, event.commitment)) != event.leaf_hash:
        report.add("log.leaf", f"position {event.position} has a leaf hash that is not of its entry", leaf)


def _check_signed(signed: SignedCheckpoint, key: VerifierKey, root: bytes, report: Report) -> None:
    size = signed.checkpoint.size
    report.checkpoints += 1
    if signed.checkpoint.root != root:
        report.add("log.root", f"the records do not give the root that was signed for size {size}")
    try:
        checkpoint, _ = open_checkpoint(signed.note.encode(), key)
    except VerificationError as error:
        report.add("log.checkpoint", f"the note that is stored for size {size} does not verify: {error}")
        return
    if checkpoint != signed.checkpoint:
        report.add("log.checkpoint", f"the note that is stored for size {size} says something else")


def _redacted_position(event: StoredEvent) -> int | None:
    # Most heads do not have the name, so most are not decoded.
    if REDACTED.encode() not in event.parts.head:
        return None
    try:
        head, more = orjson.loads(event.parts.head), orjson.loads(event.parts.more)
        return int(more["payload"]["position"]) if head["type"] == REDACTED else None
    except (ValueError, KeyError, TypeError):
        return None


def _check_tiles(tiles: TileStore, checkpoint: Checkpoint, report: Report) -> Frontier | None:
    """Compare every tile that the checkpoint's tree has; return its frontier, None when an entry is unreadable."""
    frontier, read = Frontier(), tile_reader(tiles)
    bundles = -(-checkpoint.size // WIDTH)
    for first in range(0, bundles, _CHUNK):
        entries: list[bytes] = []
        for index in range(first, min(first + _CHUNK, bundles)):
            tile = tile_of(ENTRIES, index, checkpoint.size)
            data = read(tile)
            try:
                entries += decode_bundle(data or b"", tile.width)
            except VerificationError:
                report.add("log.bundle", f"{tile.path} is {'malformed' if data else 'missing'}", index * WIDTH)
                return None
        frontier, files = frontier.extended(entries, [leaf_hash(entry) for entry in entries])
        for path, expected in files.items():
            tile = Tile.parse(path)
            # The chunk's own end leaves partial tiles behind that were never published.
            if tile.width < WIDTH and frontier.size < checkpoint.size:
                continue
            report.files += 1
            if read(tile) != expected:
                report.add("log.tile", f"{path} is not what its entries give", tile.index * WIDTH << tile.shift)
    report.leaves = frontier.size
    return frontier


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
