"""The ledger in PostgreSQL: conditional appends, reads, subscriptions.

Positions are handed out from the head row under its lock, so they are gapless and in commit order, and whoever has
seen position n has everything below it. Bulk appends are in `adapters.postgres.bulk`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Final
from uuid import UUID

import psycopg
from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBReadResponse,
    DCBSequencedEvent,
    DCBSubscription,
)
from psycopg_pool import ConnectionPool

from adapters.postgres import bulk
from adapters.postgres.group_commit import GroupCommit, Settle, SmallAppend
from adapters.postgres.outcome import reading, settled
from adapters.postgres.rows import Rows, row_count, rows_of, visibilities_of
from adapters.postgres.small_append import APPEND, append_arguments
from adapters.postgres.stored import RECORD_COLUMNS, RecordRow, record_of_row
from traceability.errors import InvalidInputError, NotFoundError
from traceability.ledger.event import LedgerEvent
from traceability.ledger.index import TagHash, Visibility, event_id_tag
from traceability.ledger.store import (
    ATOMIC_LIMIT,
    AppendConflictError,
    Appended,
    Ledger,
    LedgerRules,
    Prepared,
    Record,
    matches,
    prepare,
)

SMALL_ROWS: Final = 2_500  # about 256 events; above this one COPY is faster than one call with arrays
READ_CHUNK: Final = 500
POLL_SECONDS: Final = 0.05
FAR_BEHIND: Final = 1_000  # positions that may be checked under the lock; more are checked before it
Pool = ConnectionPool[psycopg.Connection]


class PostgresLedger(Ledger):
    """One ledger of a database, as one organisation appends to it; safe to share between threads."""

    def __init__(self, pool: Pool, rules: LedgerRules, *, name: str = "main", organisation: str) -> None:
        self.pool = pool
        self.rules = rules
        self.name = name
        self.organisation = organisation
        with reading(pool) as connection:
            row = connection.execute("SELECT ledger_id, position FROM ledger.head WHERE name = %s", [name]).fetchone()
        if row is None:
            raise NotFoundError(
                f"There is no ledger {name}", code="ledger.unknown", hint="Those there are: traceability ledger list"
            )
        self.ledger_id: int = row[0]
        self.known_visibilities: dict[int, Visibility] = {}
        self.head_seen: int = row[1]  # conditions from far behind it are checked before the lock is taken
        self._group_commit = GroupCommit(self._commit_group)

    # Reading

    def head(self) -> int:
        """Return the last position, 0 for an empty ledger."""
        with reading(self.pool) as connection:
            return self.head_on(connection)

    def head_on(self, connection: psycopg.Connection) -> int:
        """Return the last position as this connection sees it."""
        row = connection.execute("SELECT position FROM ledger.head WHERE ledger_id = %s", [self.ledger_id]).fetchone()
        assert row is not None
        self.head_seen = max(self.head_seen, row[0])
        return int(row[0])

    def records(self, positions: Sequence[int]) -> list[Record]:
        """Return the records at these positions that exist, in order of position."""
        with reading(self.pool) as connection:
            return self.records_on(connection, positions)

    def records_on(self, connection: psycopg.Connection, positions: Sequence[int]) -> list[Record]:
        """Return records as `records` does, on a connection of the caller's."""
        sql = f"SELECT {RECORD_COLUMNS} FROM ledger.record r WHERE ledger_id = %s AND position = ANY(%s) ORDER BY 1"
        return self._decode(connection.execute(sql, [self.ledger_id, list(positions)], binary=True))

    def record_of(self, event_id: UUID) -> Record | None:
        """Return the record of an event, or None."""
        tag = self.rules.tag_hash(event_id_tag(event_id.hex))
        with reading(self.pool) as connection:
            hits = connection.execute(
                "SELECT position FROM ledger.posting WHERE ledger_id = %s AND tag = %s", [self.ledger_id, tag]
            ).fetchall()
            found = self.records_on(connection, [position for (position,) in hits])
        return next((record for record in found if record.event.event_id == event_id), None)

    def read(
        self, query: DCBQuery | None = None, *, after: int | None = None, limit: int | None = None
    ) -> DCBReadResponse:
        """Return the events that match, in order of position, up to the head at the time of the call."""
        return _ReadResponse(self, query or DCBQuery(), after or 0, limit)

    def matching(
        self, connection: psycopg.Connection, query: DCBQuery, after: int, until: int, *, chunk: int = READ_CHUNK
    ) -> Iterator[Record]:
        """Yield the records in (after, until] that match, checked against real tags.

        Everything up to `until` was committed before it could be read as the head, so chunks need no common snapshot.
        """
        if after >= until:
            return  # under the head's lock mostly: the hashes of a hundred thousand tags would keep all others waiting
        sql, parameters = _candidates(query, self.rules.tag_hash)
        while after < until:
            window = {**parameters, "ledger": self.ledger_id, "after": after, "until": until, "chunk": chunk}
            found = self._decode(connection.execute(sql, window, binary=True))
            yield from (r for r in found if not query.items or matches(query, r.event.type, r.event.tags))
            if len(found) < chunk:
                return
            after = found[-1].position

    def subscribe(self, query: DCBQuery | None = None, *, after: int | None = None) -> _Subscription:
        """Yield matching events as they come; a waiting subscriber looks again every 50 ms.

        NOTIFY is not used: it takes a lock on the whole cluster at every commit.
        """
        return _Subscription(self, query, after)

    # Appending

    def append(self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None) -> int:
        """Append all events or none and return the last one's position.

        Raises `AppendConflictError` when an event matches the condition, `InvalidInputError` for no events, more than
        10,000 (`ledger.too_many_events`) or one of more than 100,000 items, `UnavailableError` when the outcome is
        unknown because the connection broke (`ledger.outcome_unknown`).
        """
        if not 0 < len(events) <= ATOMIC_LIMIT:
            raise InvalidInputError(
                f"an append takes 1 to {ATOMIC_LIMIT} events, not {len(events)}", code="ledger.too_many_events"
            )
        return self.append_prepared([self.prepare(event) for event in events], condition)

    def append_prepared(
        self, prepared: Sequence[Prepared], condition: DCBAppendCondition | None = None, settle: Settle | None = None
    ) -> int:
        """Do the same with prepared events, and `settle` something else in the transaction that records them.

        What `settle` raises is raised, and nothing is recorded.
        """
        query = condition.fail_if_events_match if condition else None
        after = (condition.after or 0) if condition else -1
        if query is not None and after < self.head_seen - FAR_BEHIND:
            after = self._check(query, after, self.head())
        rows = sum(map(row_count, prepared))
        # A condition goes into the call as arrays too.
        if rows + (0 if query is None else len(query.items)) > SMALL_ROWS:
            return bulk.append_atomically(self, prepared, query, after, settle)
        while True:
            attempt = SmallAppend(prepared, query, after, rows, settle)
            self._group_commit.submit(attempt)
            if attempt.position is not None:
                self.head_seen = max(self.head_seen, attempt.position)
                return attempt.position
            assert query is not None
            after = self._check(query, after, attempt.checked_to)

    def append_all(self, events: Iterable[LedgerEvent]) -> Iterator[list[Appended]]:
        """Append any number of events in batches that hold the lock about 50 ms each."""
        first = 0
        for outcomes in bulk.append_all(self, bulk.pack_all(self, map(self.prepare, events))):
            yield outcomes.of_each(first)
            first += len(outcomes)

    def prepare(self, event: DCBEvent) -> Prepared:
        """Compute all of an event's rows that do not depend on its position."""
        return prepare(event, self.rules, captured_by=self.organisation)

    def raise_if_matched(self, connection: psycopg.Connection, query: DCBQuery, after: int, until: int) -> None:
        """Raise `AppendConflictError` if an event in (after, until] really matches."""
        for record in self.matching(connection, query, after, until):
            raise AppendConflictError(
                f"the event at position {record.position} matches the append condition",
                hint="Read again, decide again, append again.",
            )

    def _check(self, query: DCBQuery, after: int, until: int) -> int:
        with reading(self.pool) as connection:
            self.raise_if_matched(connection, query, after, until)
        return max(after, until)

    def append_on(self, connection: psycopg.Connection, events: Sequence[Prepared]) -> int:
        """Append a few events inside a transaction of the caller's; return the last one's position."""
        append = SmallAppend(events, None, -1, sum(map(row_count, events)))
        self._commit_group_on(connection, [append])
        assert append.position is not None
        return append.position

    def _commit_group(self, group: Sequence[SmallAppend]) -> None:
        # One statement is a transaction by itself, and needs no two round trips for it.
        alone = all(member.settle is None for member in group)
        with settled(self.pool) as connection, nullcontext() if alone else connection.transaction():
            rows = self._commit_group_on(connection, group)
        if all(member.position is not None for member in group):
            self.known_visibilities.update(visibilities_of(rows))

    def _commit_group_on(self, connection: psycopg.Connection, group: Sequence[SmallAppend]) -> Rows:
        rows = rows_of([prepared for member in group for prepared in member.events], self.rules.tag_hash)
        arguments = append_arguments(self.ledger_id, group, rows, self.known_visibilities, self.rules.tag_hash)
        for number, position, checked_to in connection.execute(APPEND, arguments, prepare=True, binary=True):
            member = group[number - 1]
            member.position, member.checked_to, member.decided = position, checked_to, True
        for member in group:
            if member.position is not None and member.settle is not None:
                member.settle(connection, member.position)
        return rows

    def _decode(self, cursor: psycopg.Cursor[RecordRow]) -> list[Record]:
        return [record_of_row(row, self.rules.indexer) for row in cursor]


def _candidates(query: DCBQuery, hash_of: TagHash) -> tuple[str, dict[str, object]]:
    """Return the statement for a chunk of records that may match, and its parameters."""
    window = "ledger_id = %(ledger)s AND position > %(after)s AND position <= %(until)s"
    parameters: dict[str, object] = {}
    positions: list[str] = []
    # A command depends on a thousand things, each with a tag: these are looked for at once.
    if single := {hash_of(item.tags[0]) for item in query.items if len(item.tags) == 1}:
        parameters["single"] = list(single)
        positions.append(
            f"(SELECT DISTINCT position FROM ledger.posting WHERE {window} AND tag = ANY(%(single)s) "
            "ORDER BY 1 LIMIT %(chunk)s)"
        )
    for i, item in enumerate(query.items):
        if len(item.tags) == 1:
            continue
        if not item.tags:
            types = f" AND type = ANY(%(types{i})s)" if item.types else ""
            parameters[f"types{i}"] = item.types
            positions.append(f"(SELECT position FROM ledger.record WHERE {window}{types} ORDER BY 1 LIMIT %(chunk)s)")
            continue
        parameters[f"tags{i}"] = tags = list({hash_of(tag) for tag in item.tags})
        parameters[f"width{i}"] = len(tags)
        positions.append(
            f"(SELECT position FROM ledger.posting WHERE {window} AND tag = ANY(%(tags{i})s) "
            f"GROUP BY position HAVING count(*) = %(width{i})s ORDER BY 1 LIMIT %(chunk)s)"
        )
    if not positions:
        source = f"SELECT position FROM ledger.record WHERE {window} ORDER BY 1 LIMIT %(chunk)s"
    else:
        source = f"SELECT position FROM ({' UNION '.join(positions)}) u ORDER BY 1 LIMIT %(chunk)s"
    # Rank on the narrow side, then fetch: joined the other way round the planner walks the records (limits.md, trap).
    sql = (
        f"WITH hit AS MATERIALIZED ({source}) SELECT {RECORD_COLUMNS} FROM hit "
        "JOIN ledger.record r ON r.ledger_id = %(ledger)s AND r.position = hit.position ORDER BY 1"
    )
    return sql, parameters


class _ReadResponse(DCBReadResponse):
    """Matching events in order; `head` is the ledger's, or with a limit the last event's position."""

    def __init__(self, ledger: PostgresLedger, query: DCBQuery, after: int, limit: int | None) -> None:
        with reading(ledger.pool) as connection:
            head = ledger.head_on(connection)
        self._head: int | None = head if limit is None else None
        self._limit = limit
        self._events = self._read(ledger, query, after, head)

    @property
    def head(self) -> int | None:
        return self._head

    def __next__(self) -> DCBSequencedEvent:
        return next(self._events)

    def _read(self, ledger: PostgresLedger, query: DCBQuery, after: int, until: int) -> Iterator[DCBSequencedEvent]:
        left = until if self._limit is None else self._limit
        while left > 0:
            # A connection a chunk, so that a reader who stops half way holds none.
            with reading(ledger.pool) as connection:
                chunk = min(left, READ_CHUNK)
                matched = ledger.matching(connection, query, after, until, chunk=chunk)
                found = list(islice(matched, chunk))
            for record in found:
                if self._limit is not None:
                    self._head = record.position
                yield DCBSequencedEvent(event=record.event, position=record.position)
            if len(found) < chunk:
                return
            after, left = found[-1].position, left - len(found)


class _Subscription(DCBSubscription[PostgresLedger]):
    def __init__(self, ledger: PostgresLedger, query: DCBQuery | None, after: int | None) -> None:
        super().__init__(ledger, query, after)
        self._stopping = threading.Event()
        self._events: Iterator[DCBSequencedEvent] = iter(())

    def stop(self) -> None:
        super().stop()
        self._stopping.set()

    def __next__(self) -> DCBSequencedEvent:
        while not self._stopping.is_set():
            for event in self._events:
                self._last_position = event.position
                return event
            response = self._recorder.read(self._query, after=self._last_position)
            first = next(response, None)
            if first is not None:
                self._events = response
                self._last_position = first.position
                return first
            # Nothing up to the head matches, so the next look begins there.
            self._last_position = max(self._last_position, response.head or 0)
            self._stopping.wait(POLL_SECONDS)
        raise StopIteration
