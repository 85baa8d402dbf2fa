"""One log: integrate committed records, sign, write tiles, publish.

The steps of one round, and what a crash after each leaves behind:

1. Read the next leaves and compute root and tiles in memory. Nothing was changed.
2. Sign, and insert the checkpoint under (log, size). From now on this tree is promised. It was computed from committed
   records, which never change, so every later round computes the same; the next round finds a signed checkpoint beyond
   the published one and goes on at 3 with the note that is stored.
3. Write tiles and bundles. Files of unpublished sizes are harmless: the next round writes the same bytes again.
4. Have witnesses cosign, as the policy asks, and store what they signed. A witness that cosigned and was not heard
   cosigns the same checkpoint again. Without its quorum the round ends here, and the next one goes on here.
5. Replace `checkpoint`. It comes last, so whoever reads it finds every tile that it needs.
6. Remove the partial tiles whose full ones have been served for a while: whoever reads a checkpoint finds the tiles
   that it needs, even if the next is served meanwhile. Those that a crash leaves behind do no harm.

Two processes that both believe to lead read the same records, so they sign the same root for a size, and the database
keeps one note for each. The served checkpoint is replaced by compare-and-set, so it never goes back.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from traceability.ledger.commitment import leaf_hash
from traceability.merkle import root_from_path
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.cosigning import (
    ConsistencyPath,
    Witnesses,
    check_not_ahead_of_witnesses,
    cosigned_note,
    recosigned_note,
)
from traceability.notary.errors import DamagedLogError, NotPublishedError, RolledBackError, VerificationError
from traceability.notary.frontier import Frontier, ReadTile, load_frontier
from traceability.notary.note import VerifierKey
from traceability.notary.ports import LogDatabase, SignedCheckpoint, Signer, TileStore
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening
from traceability.notary.tiles import WIDTH, Tile
from traceability.notary.tree import TiledTree
from traceability.ports import Clock

ROUND: Final = 16_384
GRACE_US: Final = 60_000_000
"""Microseconds for which partial tiles stay beside the full ones: longer than anyone reads from one checkpoint.

C2SP lets a log remove them as soon as the full ones exist, and clients take those instead. Not all clients do, and a
plain web server does not cut the one out of the other as ours does.
"""


class Log:
    """The writing side of a log. Raises `RolledBackError` rather than sign against what was published."""

    def __init__(
        self,
        database: LogDatabase,
        tiles: TileStore,
        key: Signer,
        clock: Clock,
        witnesses: Witnesses | None = None,
    ) -> None:
        if key.verifier.text != database.identity.vkey:
            raise RolledBackError(
                f"the signing key is not that of the log {database.identity.name}",
                code="log.wrong_key",
                hint=f"The log was created with {database.identity.vkey}.",
            )
        self._database = database
        self._tiles = tiles
        self._key = key
        self._clock = clock
        self._witnesses = witnesses
        self._witnesses_checked = False
        self._frontier: Frontier | None = None
        self._served: bytes | None = None
        # Full tiles, and when the checkpoint that first has them was signed.
        self._filled: deque[tuple[int, list[str]]] = deque()

    def integrate(self, most: int = ROUND) -> Checkpoint | None:
        """Publish one more checkpoint over at most `most` more leaves; None when there is nothing to publish.

        Raises `UnmetQuorumError` when too few witnesses cosigned it: call again later.
        """
        # The frontier is kept between rounds, but not over an error: then the next round starts from what is stored.
        frontier, self._frontier = self._frontier, None
        if frontier is None or self._tiles.checkpoint() != self._served:
            frontier = self._load()
        published = -1 if self._served is None else frontier.size
        signed = self._database.signed_after(published, most)
        end = signed.checkpoint.size if signed else min(self._sequenced(published), frontier.size + most)
        if end == published:
            self._frontier = frontier
            return None
        frontier, files = self._extend(frontier, end)
        checkpoint = Checkpoint(self._database.identity.origin, end, frontier.root())
        if signed is None:
            note = self._key.sign(checkpoint.text())
            signed = self._database.insert(SignedCheckpoint(checkpoint, note, self._clock.now_us()))
        if signed.checkpoint != checkpoint:
            raise DamagedLogError(
                f"the records give another root than the checkpoint that was signed for size {end}",
                hint="Run `traceability log fsck` to find the first bad entry.",
            )
        self._tiles.write(files)
        note_bytes = self._cosigned(signed).encode()
        self._tiles.replace_checkpoint(self._served, note_bytes)
        self._served, self._frontier = note_bytes, frontier
        self._filled.append((signed.signed_at, [path for path in files if Tile.parse(path).width == WIDTH]))
        while self._filled and self._filled[0][0] <= signed.signed_at - GRACE_US:
            self._tiles.discard_partials(self._filled.popleft()[1])
        return checkpoint

    def refresh(self, age: int) -> bool:
        """Serve the published tree with new cosignatures once those of a quorum are older than `age` microseconds.

        Returns whether they are new now. To be called when `integrate` had nothing to publish. Raises `RolledBackError`
        when a witness is ahead, and `StaleCheckpointError` when another process publishes meanwhile.
        """
        served, frontier = self._served, self._frontier
        if self._witnesses is None or served is None or frontier is None:
            return True
        if (signed := self._database.signed_at_size(frontier.size)) is None:
            raise RolledBackError(f"the database does not know the published checkpoint of size {frontier.size}")
        note, new = recosigned_note(
            self._witnesses,
            self._database,
            signed,
            self._consistency(frontier.size),
            served=served.decode(),
            since=(self._clock.now_us() - age) // 1_000_000,
        )
        if note.encode() != served:
            # Nothing is kept elsewhere: whoever dies before this has asked in vain, and the next one asks again.
            self._tiles.replace_checkpoint(served, note.encode())
            self._served = note.encode()
        return new

    def _sequenced(self, published: int) -> int:
        sequenced = self._database.sequenced()
        if sequenced < published:
            raise RolledBackError(f"the ledger has {sequenced} records, but {published} leaves were published")
        return sequenced

    def check(self) -> None:
        """Raise `RolledBackError` when what is published or cosigned is ahead of the database, or contradicts it."""
        if (published := self._tiles.checkpoint()) is not None:
            check_not_ahead(self._database, self._open(published))
        self._check_witnesses()

    def _check_witnesses(self) -> None:
        if self._witnesses is not None and not self._witnesses_checked:
            check_not_ahead_of_witnesses(self._witnesses, self._database, self._key.verifier)
            self._witnesses_checked = True

    def _cosigned(self, signed: SignedCheckpoint) -> str:
        if self._witnesses is None:
            return signed.note
        return cosigned_note(self._witnesses, self._database, signed, self._consistency(signed.checkpoint.size))

    def _consistency(self, size: int) -> ConsistencyPath:
        read = tile_reader(self._tiles)
        # A tree of its own for each witness, since they are asked at the same time.
        return lambda old: TiledTree(size, read).consistency_path(old)

    def _open(self, published: bytes) -> Checkpoint:
        try:
            return open_checkpoint(published, self._key.verifier)[0]
        except VerificationError as error:
            raise RolledBackError(f"the published checkpoint is not this log's: {error}") from error

    def _load(self) -> Frontier:
        """Read what is published and check it against the database."""
        self._check_witnesses()
        published = self._served = self._tiles.checkpoint()
        if published is None:
            return Frontier()
        checkpoint = self._open(published)
        check_not_ahead(self._database, checkpoint)
        return load_frontier(checkpoint.size, checkpoint.root, tile_reader(self._tiles))

    def _extend(self, frontier: Frontier, end: int) -> tuple[Frontier, dict[str, bytes]]:
        rows = self._database.entries(frontier.size, end)
        if len(rows) != end - frontier.size:
            raise DamagedLogError(f"the ledger has no leaves {frontier.size + len(rows)} to {end - 1}")
        hashes = [leaf_hash(row.entry) for row in rows]
        # A flipped bit in the database is found before it is signed, when it can still be repaired.
        for i, row in enumerate(rows):
            if hashes[i] != row.leaf_hash:
                raise DamagedLogError(f"the leaf hash of leaf {frontier.size + i} is not that of its entry")
        return frontier.extended([row.entry for row in rows], hashes)


def check_not_ahead(database: LogDatabase, published: Checkpoint) -> None:
    """Raise `RolledBackError` unless the database knows the published checkpoint, root and all."""
    known = database.signed_at_size(published.size)
    if known is None or known.checkpoint.root != published.root:
        last = database.last_signed()
        raise RolledBackError(
            f"the published checkpoint of {published.origin} has size {published.size}, "
            + ("and another root than the database" if known else f"the database ends at {_size(last)}"),
            hint="The database was restored from an older state. This log cannot go on: close it with `traceability log"
            " close --abandon`, which opens a new one under a new origin.",
        )


def tile_reader(tiles: TileStore) -> ReadTile:
    """Read tiles from a store; a partial tile that was removed is cut from the full one, as C2SP lets clients do.

    Raises `DamagedLogError` for a full one that cannot be cut.
    """

    def read(tile: Tile) -> bytes | None:
        data = tiles.read(tile.path)
        if data is None and tile.width < WIDTH and (full := tiles.read(tile.full.path)) is not None:
            try:
                return tile.cut(full)
            except VerificationError as error:
                raise DamagedLogError(f"{tile.full.path} is malformed: {error}") from error
        return data

    return read


def prove(tiles: TileStore, key: VerifierKey, index: int, opening: Opening, published: bytes | None = None) -> LogProof:
    """Build the receipt of leaf `index` from the published files alone.

    `published` is the checkpoint to prove against, one that was served before; unset, the one that is served now.
    Raises `NotPublishedError` when no published checkpoint covers the leaf yet, `DamagedLogError` when the files do
    not prove what they should: a receipt that does not verify is never handed out.
    """
    published = published or tiles.checkpoint()
    if published is None:
        raise NotPublishedError("nothing of this log is published yet")
    try:
        checkpoint, _ = open_checkpoint(published, key)
    except VerificationError as error:
        raise DamagedLogError(f"the published checkpoint is not the log's: {error}") from error
    if index >= checkpoint.size:
        raise NotPublishedError(f"leaf {index} is not published yet: the checkpoint covers {checkpoint.size}")
    path = TiledTree(checkpoint.size, tile_reader(tiles)).inclusion_path(index)
    try:
        proven = root_from_path(opening.leaf_hash(), index, checkpoint.size, path) == checkpoint.root
    except VerificationError as error:
        raise DamagedLogError(f"the record of leaf {index} is not as it must be: {error}") from error
    if not proven:
        raise DamagedLogError(f"leaf {index} cannot be proven from the published tiles")
    return LogProof(index, tuple(path), published.decode(), opening.encode())


def _size(signed: SignedCheckpoint | None) -> int:
    return signed.checkpoint.size if signed else 0
