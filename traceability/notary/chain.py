"""The chain of a ledger's logs: which log holds a position, and where a log ends that cannot go on.

A log goes on until it is closed; the next one begins with the position after its last. A log whose database was
restored from an older state must not sign again, for others have seen more of it than the database knows. It is
abandoned: it ends where what was published and what the database knows still agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from traceability.errors import ConflictError
from traceability.merkle import consistency_holds
from traceability.notary.checkpoint import open_checkpoint
from traceability.notary.errors import RolledBackError
from traceability.notary.log import check_not_ahead, tile_reader
from traceability.notary.note import VerifierKey
from traceability.notary.ports import LogDatabase, SignedCheckpoint, TileStore
from traceability.notary.tree import TiledTree


@dataclass(frozen=True, slots=True)
class Abandonment:
    """Where an abandoned log ends, and the published checkpoint beyond it, byte for byte."""

    last_position: int
    note: str
    confirmed: SignedCheckpoint | None


def abandonment(database: LogDatabase, tiles: TileStore) -> Abandonment:
    """Find where the log of a database that was restored from an older state has to end.

    That is the last leaf of the largest checkpoint that the database has signed and the published tree extends:
    `confirmed`, None when there is none, and then the log ends before its first leaf. Raises `ConflictError`
    (`log.not_rolled_back`) when the published checkpoint is not ahead of the database, `DamagedLogError` when tiles
    are missing, and `VerificationError` when the published checkpoint is not this log's.
    """
    published = tiles.checkpoint()
    if published is not None:
        checkpoint, _ = open_checkpoint(published, VerifierKey.parse(database.identity.vkey))
        try:
            check_not_ahead(database, checkpoint)
        except RolledBackError:
            tree = TiledTree(checkpoint.size, tile_reader(tiles))
            confirmed = _confirmed(database, tree, checkpoint.size, checkpoint.root)
            leaves = confirmed.checkpoint.size if confirmed else 0
            return Abandonment(database.identity.first_position + leaves - 1, published.decode(), confirmed)
    raise ConflictError(
        f"What is published of the log {database.identity.name} is not ahead of the database",
        code="log.not_rolled_back",
        hint="Close it in good order, without --abandon.",
    )


def _confirmed(database: LogDatabase, tree: TiledTree, size: int, root: bytes) -> SignedCheckpoint | None:
    # The path is checked against the published root, so tiles that were damaged meanwhile confirm nothing.
    known = _signed_up_to(database, size)
    while known is not None and known.checkpoint.size:
        old = known.checkpoint
        if consistency_holds(old.size, size, old.root, root, tree.consistency_path(old.size)):
            return known
        known = _signed_up_to(database, old.size - 1)
    return None


def _signed_up_to(database: LogDatabase, size: int) -> SignedCheckpoint | None:
    known = database.signed_after(-1, size + 1)
    return known if known is not None and known.checkpoint.size <= size else None
