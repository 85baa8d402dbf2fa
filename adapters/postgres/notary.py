"""A ledger's log in PostgreSQL: reading its leaves in order, and keeping every checkpoint that was signed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from adapters.postgres.timestamps import PostgresTimestamps
from traceability.ledger.parts import Parts
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import DamagedLogError
from traceability.notary.ports import LogIdentity, SequencedEntry, SignedCheckpoint, StoredEvent
from traceability.ports import Clock

Pool = ConnectionPool[psycopg.Connection]

_LEADER: Final = 0x6E6F7461  # "nota", the first half of an advisory lock; the second is the ledger
_EVENTS: Final = 200  # records with all their parts, an item list of which may be megabytes
_CHECKPOINTS: Final = 1_000
_SIGNED: Final = "SELECT size, root, note, signed_at FROM notary.checkpoint WHERE ledger_id = %s AND log_id = %s"

SignedRow = tuple[int, bytes, str, int]
EventRow = tuple[int, UUID, int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]


def find_log(pool: Pool, ledger_id: int) -> PostgresLog | None:
    """Return the ledger's log, None when it has none yet."""
    with pool.connection() as connection:
        row = connection.execute(
            "SELECT log_id, name, origin, vkey, first_position FROM notary.log WHERE ledger_id = %s"
            " ORDER BY log_id DESC LIMIT 1",
            [ledger_id],
        ).fetchone()
    return PostgresLog(pool, ledger_id, row[0], LogIdentity(*row[1:])) if row else None


def create_log(pool: Pool, ledger_id: int, *, name: str, origin: str, vkey: str, clock: Clock) -> PostgresLog:
    """Create the ledger's first log, or return the log that it has: of two processes that try, one decides."""
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO notary.log (ledger_id, log_id, name, origin, vkey, first_position, created_at)"
            " VALUES (%s, 1, %s, %s, %s, 1, %s) ON CONFLICT DO NOTHING",
            [ledger_id, name, origin, vkey, clock.now_us()],
        )
    log = find_log(pool, ledger_id)
    assert log is not None
    return log


class PostgresLog:
    """One log of one ledger (`traceability.notary.ports.LogDatabase`).

    While it leads, every statement goes over the connection that holds the lock: when that connection is lost, so is
    the lead, and nothing more can be signed by mistake. One thread uses it then.
    """

    def __init__(self, pool: Pool, ledger_id: int, log_id: int, identity: LogIdentity) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._log_id = log_id
        self._identity = identity
        self._leading: psycopg.Connection | None = None

    @property
    def identity(self) -> LogIdentity:
        """The log as it was created."""
        return self._identity

    @property
    def timestamps(self) -> PostgresTimestamps:
        """What authorities outside said of its checkpoints."""
        return PostgresTimestamps(self._pool, self._ledger_id, self._log_id)

    @contextlib.contextmanager
    def leadership(self) -> Iterator[bool]:
        """Give True to one caller of all processes, for as long as it stays in the context and connected."""
        key = [_LEADER, self._ledger_id]
        with self._pool.connection() as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", key).fetchone()
            if row is None or not row[0]:
                yield False
                return
            self._leading = connection
            try:
                yield True
            finally:
                self._leading = None
                if not connection.closed:
                    connection.execute("SELECT pg_advisory_unlock(%s, %s)", key)

    def sequenced(self) -> int:
        """Return the number of leaves that are committed in the ledger."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT position FROM ledger.head WHERE ledger_id = %s", [self._ledger_id]
            ).fetchone()
        assert row is not None
        return max(0, int(row[0]) + 1 - self._identity.first_position)

    def entries(self, start: int, end: int) -> Sequence[SequencedEntry]:
        """Return leaves start … end−1; positions up to a head that was read are all committed."""
        first = self._identity.first_position
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT '\\x01'::bytea || uuid_send(event_id) || int8send(recorded_at) || commitment, leaf_hash"
                " FROM ledger.record WHERE ledger_id = %s AND position >= %s AND position < %s ORDER BY position",
                [self._ledger_id, first + start, first + end],
                binary=True,
            ).fetchall()
        return [SequencedEntry(entry, leaf_hash) for entry, leaf_hash in rows]

    def last_signed(self) -> SignedCheckpoint | None:
        """Return the signed checkpoint of the largest tree."""
        return self._one_signed(f"{_SIGNED} ORDER BY size DESC LIMIT 1")

    def signed_at_size(self, size: int) -> SignedCheckpoint | None:
        """Return the checkpoint that was signed for this tree size."""
        return self._one_signed(f"{_SIGNED} AND size = %s", size)

    def signed_after(self, size: int, most: int) -> SignedCheckpoint | None:
        """Return the largest checkpoint of at most `size + most` leaves, else the smallest, of those beyond `size`."""
        near = self._one_signed(f"{_SIGNED} AND size > %s AND size <= %s ORDER BY size DESC LIMIT 1", size, size + most)
        return near or self._one_signed(f"{_SIGNED} AND size > %s ORDER BY size LIMIT 1", size)

    def insert(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        """Store a checkpoint durably and return what is stored for its size: of two, the first stays."""
        checkpoint = signed.checkpoint
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO notary.checkpoint (ledger_id, log_id, size, root, note, signed_at)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [self._ledger_id, self._log_id, checkpoint.size, checkpoint.root, signed.note, signed.signed_at],
            )
        stored = self.signed_at_size(checkpoint.size)
        if stored is None:
            raise DamagedLogError(f"the checkpoint of size {checkpoint.size} was stored and is not there")
        return stored

    def all_signed(self) -> Iterator[SignedCheckpoint]:
        """Yield every checkpoint that was signed up to now, in order of size."""
        last = self.last_signed()
        size = -1
        while last is not None and size < last.checkpoint.size:
            with self._connection() as connection:
                rows = connection.execute(
                    f"{_SIGNED} AND size > %s AND size <= %s ORDER BY size LIMIT {_CHECKPOINTS}".encode(),
                    [self._ledger_id, self._log_id, size, last.checkpoint.size],
                    binary=True,
                ).fetchall()
            for row in rows:
                yield self._signed(row)
            size = rows[-1][0] if rows else last.checkpoint.size

    def events(self) -> Iterator[StoredEvent]:
        """Yield the log's records in order, to the very end: what names an erasure comes after what was erased."""
        position = self._identity.first_position - 1
        while True:
            with self._connection() as connection:
                rows = connection.execute(
                    "SELECT position, event_id, recorded_at, leaf_hash, commitment, salt, personal_salt, head, what,"
                    ' "where", why, how, more, personal, source FROM ledger.record'
                    f" WHERE ledger_id = %s AND position > %s ORDER BY position LIMIT {_EVENTS}",
                    [self._ledger_id, position],
                    binary=True,
                ).fetchall()
            for row in rows:
                yield _stored_event(row)
            if len(rows) < _EVENTS:
                return
            position = rows[-1][0]

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        if self._leading is not None:
            yield self._leading
            return
        with self._pool.connection() as connection:
            yield connection

    def _one_signed(self, query: str, *parameters: int) -> SignedCheckpoint | None:
        with self._connection() as connection:
            cursor = connection.execute(query.encode(), [self._ledger_id, self._log_id, *parameters], binary=True)
            row: SignedRow | None = cursor.fetchone()
        return self._signed(row) if row else None

    def _signed(self, row: SignedRow) -> SignedCheckpoint:
        size, root, note, signed_at = row
        return SignedCheckpoint(Checkpoint(self._identity.origin, size, root), note, signed_at)


def _stored_event(row: EventRow) -> StoredEvent:
    position, event_id, recorded_at, leaf_hash, commitment, salt, personal_salt, head, what, *others = row
    parts = Parts(head, tuple(what.split(b"\n")) if what else (), *others)
    return StoredEvent(position, event_id, recorded_at, leaf_hash, commitment, salt, personal_salt, parts)
