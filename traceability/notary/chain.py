"""The chain of a ledger's logs: which log holds a position, and where a log ends that cannot go on.

A log goes on until it is closed; the next one begins with the position after its last. A log whose database was
restored from an older state must not sign again, for others have seen more of it than the database knows. It is
abandoned: it ends where what was published and what the database knows still agree. `check_chain` looks whether all of
this is so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from traceability.errors import ConflictError
from traceability.merkle import consistency_holds
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import RolledBackError, VerificationError
from traceability.notary.log import check_not_ahead, tile_reader
from traceability.notary.note import VerifierKey, text_of_note
from traceability.notary.ports import LogDatabase, LogIdentity, SignedCheckpoint, TileStore
from traceability.notary.report import Report
from traceability.notary.tree import TiledTree

CHAIN: Final = "log.chain"


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


def check_chain(logs: Sequence[LogDatabase]) -> Report:
    """Check that a ledger's logs, in their order, hold each position once, and that each ended as is recorded.

    All but the last are closed. A closed log has signed exactly its last leaf before the next one signs anything, and
    nothing beyond it. An abandoned log keeps a note that its own key signed, of a tree that the database does not know.
    What the signed trees hold is checked log by log.
    """
    report = Report()
    due = 1
    for place, database in enumerate(logs):
        identity, following = database.identity, logs[place + 1 :]
        name, last = f"the log {identity.name}", identity.last_position
        if identity.first_position != due:
            report.add(CHAIN, f"{name} begins with position {identity.first_position}, where {due} is due")
        if last is None:
            if following:
                report.add(CHAIN, f"{name} is not closed, and the log {following[0].identity.name} follows it")
                due = following[0].identity.first_position
            continue
        due = last + 1
        if not following:
            report.add(CHAIN, f"{name} is closed, and no log follows it")
        if identity.abandoned_note is None:
            _check_closed(database, following, report)
        else:
            _check_abandoned(database, identity.abandoned_note, report)
    return report


def _check_closed(database: LogDatabase, following: Sequence[LogDatabase], report: Report) -> None:
    identity, signed = database.identity, database.last_signed()
    size = -1 if signed is None else signed.checkpoint.size
    ended = f"the log {identity.name} was closed with {identity.final_size} leaves"
    if size > (identity.final_size or 0):
        report.add(CHAIN, f"{ended}, and a checkpoint of size {size} is signed")
    elif size != identity.final_size and any(log.last_signed() is not None for log in following):
        report.add(CHAIN, f"{ended}, and no checkpoint of that size is signed, although a later log has signed")


def _check_abandoned(database: LogDatabase, note: str, report: Report) -> None:
    identity = database.identity
    name = f"the log {identity.name}"
    try:
        checkpoint, _ = open_checkpoint(note.encode(), VerifierKey.parse(identity.vkey))
    except VerificationError as error:
        report.add("log.checkpoint", f"the note for which {name} was given up does not verify: {error}")
        return
    known = database.signed_at_size(checkpoint.size)
    if known is not None and known.checkpoint == checkpoint:
        report.add(CHAIN, f"{name} was given up for a checkpoint that the database knows")
    if identity.final_size and database.signed_at_size(identity.final_size) is None:
        leaf = identity.final_size - 1
        report.add(CHAIN, f"{name} was given up after leaf {leaf}, which no checkpoint ends with")


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
