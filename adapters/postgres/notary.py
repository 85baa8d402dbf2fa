"""A ledger's log in PostgreSQL: reading its leaves in order, and keeping every checkpoint that was signed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import Final, cast
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from adapters.postgres.timestamps import PostgresTimestamps
from traceability.ledger.parts import Parts
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.encoding import MAX_NUMBER
from traceability.notary.errors import ClosedLogError, DamagedLogError
from traceability.notary.ports import (
    AdditionalKey,
    Cosignature,
    LogIdentity,
    SequencedEntry,
    SignedCheckpoint,
    StoredEvent,
    StoredRow,
)

Pool = ConnectionPool[psycopg.Connection]

_LEADER: Final = 0x6E6F7461  # "nota", the first half of an advisory lock; the second is the ledger
CLOSING: Final = 0x6E6F7463  # "notc", likewise: no checkpoint is stored while the end of its log is being decided
_EVENTS: Final = 200  # records with all their parts, an item list of which may be megabytes
_CHECKPOINTS: Final = 1_000
_PATIENCE: Final = 10.0  # seconds that one statement gives records for
_WINDOW: Final = 1_000_000  # positions that one statement looks through for events of a type
_LOGS: Final = (
    "SELECT l.log_id, name, origin, vkey, first_position, last_position, abandoned_note,"
    " ARRAY(SELECT k.vkey FROM notary.additional_key k WHERE k.ledger_id = %(ledger)s AND k.log_id = l.log_id"
    " ORDER BY added_at, vkey),"
    " ARRAY(SELECT k.added_at FROM notary.additional_key k WHERE k.ledger_id = %(ledger)s AND k.log_id = l.log_id"
    " ORDER BY added_at, vkey)"
    " FROM notary.log l LEFT JOIN notary.closing c ON c.ledger_id = %(ledger)s AND c.log_id = l.log_id"
    " WHERE l.ledger_id = %(ledger)s ORDER BY l.log_id"
)
_CLOSED_AT: Final = "(SELECT last_position FROM notary.closing WHERE ledger_id = %s AND log_id = %s)"
_SIGNED: Final = "SELECT size, root, note, signed_at FROM notary.checkpoint WHERE ledger_id = %s AND log_id = %s"

_EVENT: Final = (
    "SELECT position, event_id, recorded_at, leaf_hash, commitment, salt, personal_salt, head, what,"
    ' "where", why, how, more, personal, source FROM ledger.record'
)

_ROWS: Final = (
    "SELECT position, uuid_send(event_id), recorded_at, type, visibility, leaf_hash, commitment, salt, personal_salt,"
    ' head, what, "where", why, how, more, personal, source FROM ledger.record'
    " WHERE ledger_id = %s AND position >= %s AND position < %s ORDER BY position"
)

SignedRow = tuple[int, bytes, str, int]
EventRow = tuple[int, UUID, int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]


def find_logs(pool: Pool, ledger_id: int) -> list[PostgresLog]:
    """Return the ledger's logs in the order of their positions; all but the last are closed."""
    with pool.connection() as connection:
        rows = connection.execute(_LOGS, {"ledger": ledger_id}).fetchall()
    return [
        PostgresLog(
            pool, ledger_id, log_id, replace(LogIdentity(*row), additional_keys=tuple(map(AdditionalKey, vkeys, times)))
        )
        for log_id, *row, vkeys, times in rows
    ]


def find_log(pool: Pool, ledger_id: int) -> PostgresLog | None:
    """Return the log that the ledger is adding to, None when it has none yet."""
    logs = find_logs(pool, ledger_id)
    return logs[-1] if logs else None


class PostgresLog:
    """One log of one ledger (`traceability.notary.ports.LogDatabase`).

    While it leads, every statement goes over the connection that holds the lock: when that connection is lost, so is
    the lead, and nothing more can be signed by mistake. One thread uses it then.
    """

    def __init__(self, pool: Pool, ledger_id: int, log_id: int, identity: LogIdentity) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self.log_id = log_id
        self._identity = identity
        self._leading: psycopg.Connection | None = None

    @property
    def identity(self) -> LogIdentity:
        """The log; that it was closed is known once `sequenced` has seen it."""
        return self._identity

    def add_key(self, vkey: str, added_at: int) -> None:
        """Record a key that signs this log's checkpoints beside its own; one that is recorded stays as it is."""
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO notary.additional_key (ledger_id, log_id, vkey, added_at) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                [self._ledger_id, self.log_id, vkey, added_at],
            )
        self._identity = replace(
            self._identity, additional_keys=(*self._identity.additional_keys, AdditionalKey(vkey, added_at))
        )

    @property
    def ids(self) -> tuple[int, int]:
        """The numbers of its ledger and of itself, with which another process finds it."""
        return self._ledger_id, self.log_id

    @property
    def timestamps(self) -> PostgresTimestamps:
        """What authorities outside said of its checkpoints."""
        return PostgresTimestamps(self._pool, self._ledger_id, self.log_id)

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
        """Return the number of leaves that are committed in the ledger: never more than a closed log has."""
        with self._connection() as connection:
            row = connection.execute(
                f"SELECT position, {_CLOSED_AT} FROM ledger.head WHERE ledger_id = %s".encode(),
                [self._ledger_id, self.log_id, self._ledger_id],
            ).fetchone()
        assert row is not None
        position, closed_at = row
        if closed_at is not None:
            self._identity = replace(self._identity, last_position=closed_at)
            position = min(position, closed_at)
        return max(0, int(position) + 1 - self._identity.first_position)

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
        """Store a checkpoint durably and return what is stored for its size: of two, the first stays.

        Raises `ClosedLogError` for a tree that is larger than the log, which was closed meanwhile.
        """
        checkpoint, log = signed.checkpoint, [self._ledger_id, self.log_id]
        with self._connection() as connection, connection.transaction():
            # Whoever closes the log holds this lock alone. So it sees every checkpoint that was stored when it chooses
            # the last position, and none is stored beyond it afterwards: the next statement sees what it committed.
            connection.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [CLOSING, self._ledger_id])
            connection.execute(
                "INSERT INTO notary.checkpoint (ledger_id, log_id, size, root, note, signed_at)"
                f" SELECT %s, %s, %s, %s, %s, %s WHERE %s <= coalesce({_CLOSED_AT}, %s)"
                " ON CONFLICT DO NOTHING".encode(),
                [
                    *(*log, checkpoint.size, checkpoint.root, signed.note, signed.signed_at),
                    *(self._identity.first_position - 1 + checkpoint.size, *log, MAX_NUMBER),
                ],
            )
        stored = self.signed_at_size(checkpoint.size)
        if stored is None:
            if self.sequenced() < checkpoint.size:
                raise ClosedLogError(f"the log {self._identity.name} was closed before {checkpoint.size} leaves")
            raise DamagedLogError(f"the checkpoint of size {checkpoint.size} was stored and is not there")
        return stored

    def cosignatures(self, size: int) -> Sequence[Cosignature]:
        """Return the cosignatures of the checkpoint of this tree size."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT vkey, line FROM notary.cosignature WHERE ledger_id = %s AND log_id = %s AND size = %s",
                [self._ledger_id, self.log_id, size],
            ).fetchall()
        return [Cosignature(*row) for row in rows]

    def keep_cosignatures(self, size: int, cosignatures: Sequence[Cosignature]) -> None:
        """Store cosignatures durably; of two by one key, the first stays."""
        with self._connection() as connection:
            for one in cosignatures:
                connection.execute(
                    "INSERT INTO notary.cosignature (ledger_id, log_id, size, vkey, line) VALUES (%s, %s, %s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    [self._ledger_id, self.log_id, size, one.vkey, one.line],
                )

    def all_signed(self, start: int = 0) -> Iterator[SignedCheckpoint]:
        """Yield every checkpoint of at least `start` leaves that was signed up to now, in order of size."""
        last = self.last_signed()
        size = start - 1
        while last is not None and size < last.checkpoint.size:
            with self._connection() as connection:
                rows = connection.execute(
                    f"{_SIGNED} AND size > %s AND size <= %s ORDER BY size LIMIT {_CHECKPOINTS}".encode(),
                    [self._ledger_id, self.log_id, size, last.checkpoint.size],
                    binary=True,
                ).fetchall()
            for row in rows:
                yield self._signed(row)
            size = rows[-1][0] if rows else last.checkpoint.size

    def events(self) -> Iterator[StoredEvent]:
        """Yield the log's records in order, to the very end: what names an erasure comes after what was erased."""
        last = f"AND position <= coalesce({_CLOSED_AT}, %s)"
        return self._events(self._identity.first_position - 1, last, self._ledger_id, self.log_id, MAX_NUMBER)

    def _events(self, position: int, condition: str, *parameters: object) -> Iterator[StoredEvent]:
        while True:
            with self._connection() as connection:
                rows = connection.execute(
                    f"{_EVENT} WHERE ledger_id = %s AND position > %s {condition}"
                    f" ORDER BY position LIMIT {_EVENTS}".encode(),
                    [self._ledger_id, position, *parameters],
                    binary=True,
                ).fetchall()
            for row in rows:
                yield _stored_event(row)
            if len(rows) < _EVENTS:
                return
            position = rows[-1][0]

    def rows(self, start: int, end: int) -> Iterator[StoredRow]:
        """Yield those of leaves start … end−1 that are there, in order; a few at a time are in memory."""
        position, beyond = self._identity.first_position + start, self._identity.first_position + end
        while True:
            begun = time.monotonic()
            with self._connection() as connection, connection.cursor(binary=True) as cursor:
                found = cursor.stream(_ROWS, [self._ledger_id, position, beyond], size=_EVENTS)
                with contextlib.closing(cast("Generator[StoredRow]", found)) as rows:
                    for row in rows:
                        yield row
                        # Whoever takes events of megabytes may be slow, and no statement may run for long.
                        if time.monotonic() - begun > _PATIENCE:
                            position = row[0] + 1
                            break
                    else:
                        return

    def redactions_after(self, position: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield what redactions after a position say; asked window by window, since no index leads to them."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT position FROM ledger.head WHERE ledger_id = %s", [self._ledger_id]
            ).fetchone()
            assert row is not None
            while position < row[0]:
                yield from connection.execute(
                    "SELECT head, more FROM ledger.record WHERE ledger_id = %s AND position > %s AND position <= %s"
                    " AND type = 'ledger.redacted.v1'",
                    [self._ledger_id, position, position + _WINDOW],
                    binary=True,
                ).fetchall()
                position += _WINDOW

    def stray_position(self) -> int | None:
        """Return the position of a record before the ledger's first or beyond its head, None when there is none."""
        with self._connection() as connection:
            # In one statement: an append between two would look like a record beyond the head.
            row = connection.execute(
                "SELECT min(position) FROM ("
                "(SELECT position FROM ledger.record WHERE ledger_id = %(ledger)s AND position < 1"
                " ORDER BY position LIMIT 1) UNION ALL"
                " (SELECT position FROM ledger.record WHERE ledger_id = %(ledger)s AND position >"
                " (SELECT h.position FROM ledger.head h WHERE h.ledger_id = %(ledger)s)"
                " ORDER BY position LIMIT 1)) stray",
                {"ledger": self._ledger_id},
            ).fetchone()
        assert row is not None
        stray: int | None = row[0]
        return stray

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        if self._leading is not None:
            yield self._leading
            return
        with self._pool.connection() as connection:
            yield connection

    def _one_signed(self, query: str, *parameters: int) -> SignedCheckpoint | None:
        with self._connection() as connection:
            cursor = connection.execute(query.encode(), [self._ledger_id, self.log_id, *parameters], binary=True)
            row: SignedRow | None = cursor.fetchone()
        return self._signed(row) if row else None

    def _signed(self, row: SignedRow) -> SignedCheckpoint:
        size, root, note, signed_at = row
        return SignedCheckpoint(Checkpoint(self._identity.origin, size, root), note, signed_at)


def _stored_event(row: EventRow) -> StoredEvent:
    position, event_id, recorded_at, leaf_hash, commitment, salt, personal_salt, head, what, *others = row
    parts = Parts(head, tuple(what.split(b"\n")) if what else (), *others)
    return StoredEvent(position, event_id, recorded_at, leaf_hash, commitment, salt, personal_salt, parts)
