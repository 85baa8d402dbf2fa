"""The chain of a ledger's logs: which log holds a position, and where a log ends that cannot go on.

A log goes on until it is closed; the next one begins with the position after its last. A log whose database was
restored from an older state must not sign again, for others have seen more of it than the database knows. It is
abandoned: it ends where what was published and what the database knows still agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from traceability.errors import ConflictError
from traceability.merkle import consistency_holds
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import RolledBackError, VerificationError
from traceability.notary.log import check_not_ahead, tile_reader
from traceability.notary.note import VerifierKey, text_of_note
from traceability.notary.ports import LogDatabase, LogIdentity, SignedCheckpoint, TileStore
from traceability.notary.tree import TiledTree


@dataclass(frozen=True, slots=True)
class Abandonment:
    """Where an abandoned log ends, and the published checkpoint beyond it, byte for byte."""

    last_position: int
    note: str
    confirmed: SignedCheckpoint | None


def abandonment(database: LogDatabase, tiles: TileStore, shown: Iterable[bytes] = ()) -> Abandonment:
    """Find where the log of a database that was restored from an older state has to end.

    That is the last leaf of the largest checkpoint that the database has signed and the published tree extends:
    `confirmed`, None when there is none, and then the log ends before its first leaf. `shown` are notes of the log that
    its witnesses show; they tell when the tiles were restored together with the database.

    Raises `ConflictError` (`log.not_rolled_back`) when nothing published or shown is ahead of the database,
    `DamagedLogError` when tiles are missing, and `VerificationError` when the published checkpoint is not this log's.
    """
    key, first = VerifierKey.parse(database.identity.vkey), database.identity.first_position
    published = tiles.checkpoint()
    served = None if published is None else open_checkpoint(published, key)[0]
    if published is not None and served is not None and _is_ahead(database, served):
        confirmed = _confirmed(database, TiledTree(served.size, tile_reader(tiles)), served.size, served.root)
        note = published
    elif (beyond := _largest_ahead(database, key, shown)) is not None:
        # A witness cosigns what extends all that it saw before, and it saw each tree before the tree was served.
        confirmed = None if served is None else database.signed_at_size(served.size)
        note = beyond
    else:
        raise ConflictError(
            f"What is published of the log {database.identity.name} is not ahead of the database",
            code="log.not_rolled_back",
            hint="Close it in good order, without --abandon.",
        )
    leaves = confirmed.checkpoint.size if confirmed else 0
    return Abandonment(first + leaves - 1, note.decode(), confirmed)


def abandoned_size(identity: LogIdentity) -> int | None:
    """Return how many leaves of an abandoned log others have seen, None for a log that is not abandoned."""
    if identity.abandoned_note is None:
        return None
    return Checkpoint.parse(text_of_note(identity.abandoned_note.encode())).size


def _is_ahead(database: LogDatabase, checkpoint: Checkpoint) -> bool:
    try:
        check_not_ahead(database, checkpoint)
    except RolledBackError:
        return True
    return False


def _largest_ahead(database: LogDatabase, key: VerifierKey, shown: Iterable[bytes]) -> bytes | None:
    ahead = []
    for note in shown:
        with suppress(VerificationError):  # what our key did not sign says nothing about us
            checkpoint, _ = open_checkpoint(note, key)
            if _is_ahead(database, checkpoint):
                ahead.append((checkpoint.size, note))
    return max(ahead)[1] if ahead else None


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
