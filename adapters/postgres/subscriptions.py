"""Subscriptions to named queries in PostgreSQL (schema `work`): who is told what, and how far that came.

A cursor is moved only from where its mover believes it to be. So one that was believed dead and is not, a second leader
or a subscription that ended cannot make another skip an event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from adapters.postgres.connection import connect
from adapters.postgres.event_query_sql import LAST_BEFORE
from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.errors import NotFoundError
from traceability.ledger.sealed import Sealed, sealed

_LEADER: Final = 0x53554253  # "SUBS"
_COLUMNS: Final = (
    "s.subscription_id, s.organisation, s.query_name, s.dest, s.signature_token, s.sealed_with, s.schedule,"
    " s.report_if_empty, s.initial_record_time, s.created_at, s.position, s.due_at, s.last_notified_at, s.failures,"
    " s.failing_since, s.last_error, s.wish"
)
_DEAD_COLUMNS: Final = (
    "d.delivery_id, d.subscription_id, d.after_position, d.up_to, d.events, d.attempts, d.failing_since, d.died_at,"
    " d.reason"
)


class NoSuchSubscriptionError(NotFoundError):
    """The organisation's query has no such subscription."""

    code = "subscription.unknown"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row: times in microseconds UTC, `schedule` and `wish` as JSON, `position` the last one that is dealt with."""

    subscription_id: UUID
    organisation: str
    query_name: str
    dest: str
    token: Sealed | None
    schedule: str | None
    report_if_empty: bool
    since: int | None
    created_at: int
    position: int
    due_at: int = 0
    last_notified_at: int | None = None
    failures: int = 0
    failing_since: int | None = None
    last_error: str | None = None
    wish: str | None = None


@dataclass(frozen=True, slots=True)
class DeadDelivery:
    """What was given up: `events` events that met the query behind `after`, up to a position."""

    delivery_id: UUID
    subscription_id: UUID
    after: int
    up_to: int
    events: int
    attempts: int
    failing_since: int
    died_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Step:
    """A cursor's move from where it stood; `notified_at` when something was delivered.

    After it the delivery behind the cursor is as it was when it is `failing` still, as part of one that was refused.
    """

    subscription_id: UUID
    after: int
    up_to: int
    due_at: int
    notified_at: int | None = None
    failing: bool = False


class PostgresSubscriptions:
    """The subscriptions of one ledger; safe to share between threads."""

    def __init__(self, pool: Pool, ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id

    @contextmanager
    def leadership(self, url: str) -> Iterator[psycopg.Connection | None]:
        """Give a connection of its own to one caller of all processes, None to the others.

        It leads for as long as the connection lives, which it learns by using it: `ids_on`.
        """
        key = [_LEADER, self._ledger_id]
        with connect(url) as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", key).fetchone()
            yield connection if row is not None and row[0] else None

    def ids_on(self, connection: psycopg.Connection) -> set[UUID]:
        """Return the ids of all subscriptions."""
        rows = connection.execute(
            "SELECT subscription_id FROM work.subscription WHERE ledger_id = %s", [self._ledger_id], binary=True
        )
        return {subscription_id for (subscription_id,) in rows}

    def load(self, ids: Sequence[UUID]) -> list[tuple[Subscription, str]]:
        """Return those that there are of these, each with the definition of its query."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                f"SELECT q.definition, {_COLUMNS} FROM work.subscription s JOIN work.named_query q"
                " ON q.ledger_id = s.ledger_id AND q.organisation = s.organisation AND q.name = s.query_name"
                " WHERE s.ledger_id = %s AND s.subscription_id = ANY(%s)",
                [self._ledger_id, list(ids)],
            ).fetchall()
        return [(_subscription(row), definition) for definition, *row in rows]

    def recorded_at(self, positions: Collection[int]) -> dict[int, int]:
        """Return when what is at these positions was recorded, in microseconds UTC."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT position, recorded_at FROM ledger.record WHERE ledger_id = %s AND position = ANY(%s)",
                [self._ledger_id, list(positions)],
            )
            return dict(rows.fetchall())

    def count(self, organisation: str) -> int:
        """Return how many an organisation has."""
        with reading(self._pool) as connection:
            row = connection.execute(
                "SELECT count(*) FROM work.subscription WHERE ledger_id = %s AND organisation = %s",
                [self._ledger_id, organisation],
            ).fetchone()
        assert row is not None
        return int(row[0])

    def start_of(self, since: int | None) -> int:
        """Return the last position before a time of recording, the ledger's last one for None."""
        with reading(self._pool) as connection:
            head = connection.execute(
                "SELECT position FROM ledger.head WHERE ledger_id = %s", [self._ledger_id]
            ).fetchone()
            assert head is not None
            if since is None:
                return int(head[0])
            asked = {"ledger": self._ledger_id, "head": head[0], "time": since}
            row = connection.execute(LAST_BEFORE, asked).fetchone()
            assert row is not None
            return int(row[0])

    def add(self, one: Subscription) -> None:
        """Keep a subscription; raises `NoSuchSubscriptionError` when its query was dropped meanwhile."""
        try:
            with reading(self._pool) as connection:
                connection.execute(
                    "INSERT INTO work.subscription (ledger_id, subscription_id, organisation, query_name, dest,"
                    " signature_token, sealed_with, schedule, report_if_empty, initial_record_time, created_at,"
                    " position, due_at, wish) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        *(self._ledger_id, one.subscription_id, one.organisation, one.query_name, one.dest),
                        *((None, None) if one.token is None else (one.token.text, one.token.key_id)),
                        *(one.schedule, one.report_if_empty, one.since, one.created_at, one.position, one.due_at),
                        one.wish,
                    ],
                )
        except psycopg.errors.ForeignKeyViolation as error:
            raise NoSuchSubscriptionError("The query was dropped meanwhile") from error

    def get(self, organisation: str, query_name: str, subscription_id: UUID) -> Subscription:
        """Return one; raises `NoSuchSubscriptionError`."""
        found = self._rows(
            "AND s.query_name = %s AND s.subscription_id = %s", organisation, query_name, subscription_id
        )
        if not found:
            raise _unknown()
        return found[0]

    def find(self, organisation: str, subscription_id: UUID) -> Subscription:
        """Return one, whatever its query; raises `NoSuchSubscriptionError`."""
        found = self._rows("AND s.subscription_id = %s", organisation, subscription_id)
        if not found:
            raise _unknown()
        return found[0]

    def page(
        self, organisation: str, query_name: str | None = None, *, after: UUID | None = None, limit: int
    ) -> list[Subscription]:
        """Return an organisation's subscriptions, of one query or of all, the oldest first, from behind `after`."""
        return self._rows(
            "AND (%s::text IS NULL OR s.query_name = %s) AND (%s::uuid IS NULL OR s.subscription_id > %s)"
            " ORDER BY s.subscription_id LIMIT %s",
            *(organisation, query_name, query_name, after, after, limit),
        )

    def drop(self, organisation: str, query_name: str, subscription_id: UUID) -> None:
        """End one, and forget what it could not deliver; raises `NoSuchSubscriptionError`."""
        with reading(self._pool) as connection:
            dropped = connection.execute(
                "DELETE FROM work.subscription WHERE ledger_id = %s AND organisation = %s AND query_name = %s"
                " AND subscription_id = %s",
                [self._ledger_id, organisation, query_name, subscription_id],
            )
        if not dropped.rowcount:
            raise _unknown()

    def advance(self, steps: Sequence[Step]) -> set[UUID]:
        """Move cursors, all in one commit, and return whose: the others ended, or stand elsewhere."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                "UPDATE work.subscription s SET position = m.up_to, due_at = m.due_at,"
                " failures = CASE WHEN m.failing THEN s.failures ELSE 0 END,"
                " failing_since = CASE WHEN m.failing THEN s.failing_since END,"
                " last_error = CASE WHEN m.failing THEN s.last_error END,"
                " last_notified_at = coalesce(m.notified_at, s.last_notified_at)"
                " FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[])"
                " m(id, after, up_to, due_at, notified_at, failing)"
                " WHERE s.ledger_id = %s AND s.subscription_id = m.id AND s.position = m.after"
                " RETURNING s.subscription_id",
                [
                    [step.subscription_id for step in steps],
                    [step.after for step in steps],
                    [step.up_to for step in steps],
                    [step.due_at for step in steps],
                    [step.notified_at for step in steps],
                    [step.failing for step in steps],
                    self._ledger_id,
                ],
            ).fetchall()
        return {subscription_id for (subscription_id,) in rows}

    def fail(self, one: Subscription, *, due_at: int, failures: int, failing_since: int, reason: str) -> bool:
        """Note that a delivery failed and when it is tried again; False when the cursor stands elsewhere by now."""
        with reading(self._pool) as connection:
            changed = connection.execute(
                "UPDATE work.subscription SET due_at = %s, failures = %s, failing_since = %s, last_error = %s"
                " WHERE ledger_id = %s AND subscription_id = %s AND position = %s",
                [due_at, failures, failing_since, reason, self._ledger_id, one.subscription_id, one.position],
            )
        return changed.rowcount == 1

    def give_up(self, dead: DeadDelivery, *, due_at: int, failing: bool = False) -> bool:
        """Keep a delivery that failed for good and move the cursor behind it; False when it stands elsewhere by now.

        What is behind it is `failing` still when it was refused as part of the same delivery.
        """
        with reading(self._pool) as connection, connection.transaction():
            moved = connection.execute(
                "UPDATE work.subscription SET position = %s, due_at = %s,"
                " failures = CASE WHEN %s THEN failures ELSE 0 END,"
                " failing_since = CASE WHEN %s THEN failing_since END, last_error = %s"
                " WHERE ledger_id = %s AND subscription_id = %s AND position = %s",
                [
                    *(dead.up_to, due_at, failing, failing),
                    *(dead.reason, self._ledger_id, dead.subscription_id, dead.after),
                ],
            )
            if moved.rowcount:
                self._keep(connection, dead)
        return moved.rowcount == 1

    def dead(
        self,
        organisation: str,
        *,
        subscription_id: UUID | None = None,
        delivery_id: UUID | None = None,
        after: UUID | None = None,
        limit: int,
    ) -> list[DeadDelivery]:
        """Return what an organisation's subscriptions gave up, the oldest first: of one of them, one, or behind one."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                f"SELECT {_DEAD_COLUMNS} FROM work.dead_delivery d JOIN work.subscription s USING (ledger_id,"
                " subscription_id) WHERE ledger_id = %(ledger)s AND s.organisation = %(organisation)s"
                " AND (%(subscription)s::uuid IS NULL OR subscription_id = %(subscription)s)"
                " AND (%(delivery)s::uuid IS NULL OR d.delivery_id = %(delivery)s)"
                " AND (%(after)s::uuid IS NULL OR d.delivery_id > %(after)s) ORDER BY d.delivery_id LIMIT %(limit)s",
                {
                    "ledger": self._ledger_id,
                    "organisation": organisation,
                    "subscription": subscription_id,
                    "delivery": delivery_id,
                    "after": after,
                    "limit": limit,
                },
            ).fetchall()
        return [DeadDelivery(*row) for row in rows]

    def dead_counts(self, organisation: str) -> dict[UUID, int]:
        """Return how many dead letters each of an organisation's subscriptions has, of those that have any."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT subscription_id, count(*) FROM work.dead_delivery JOIN work.subscription s USING (ledger_id,"
                " subscription_id) WHERE ledger_id = %s AND s.organisation = %s GROUP BY subscription_id",
                [self._ledger_id, organisation],
            ).fetchall()
        return {subscription_id: int(count) for subscription_id, count in rows}

    def shorten(self, known: DeadDelivery, shorter: DeadDelivery, rest: DeadDelivery | None = None) -> bool:
        """Keep of a dead delivery only a part, and with it another part as one of its own; False when it changed."""
        with reading(self._pool) as connection, connection.transaction():
            changed = connection.execute(
                "UPDATE work.dead_delivery SET after_position = %s, up_to = %s, events = %s, attempts = %s, reason = %s"
                " WHERE ledger_id = %s AND delivery_id = %s AND after_position = %s AND up_to = %s",
                [
                    *(shorter.after, shorter.up_to, shorter.events, shorter.attempts, shorter.reason),
                    *(self._ledger_id, known.delivery_id, known.after, known.up_to),
                ],
            )
            if changed.rowcount and rest is not None:
                self._keep(connection, rest)
        return changed.rowcount == 1

    def bury(self, delivery_id: UUID) -> None:
        """Forget a dead delivery, which was delivered or is not wanted any more."""
        with reading(self._pool) as connection:
            connection.execute(
                "DELETE FROM work.dead_delivery WHERE ledger_id = %s AND delivery_id = %s",
                [self._ledger_id, delivery_id],
            )

    def _keep(self, connection: psycopg.Connection, dead: DeadDelivery) -> None:
        connection.execute(
            "INSERT INTO work.dead_delivery (ledger_id, delivery_id, subscription_id, after_position, up_to,"
            " events, attempts, failing_since, died_at, reason) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *(self._ledger_id, dead.delivery_id, dead.subscription_id, dead.after, dead.up_to, dead.events),
                *(dead.attempts, dead.failing_since, dead.died_at, dead.reason),
            ],
        )

    def _rows(self, condition: str, organisation: str, *values: object) -> list[Subscription]:
        with reading(self._pool) as connection:
            rows: list[TupleRow] = connection.execute(
                f"SELECT {_COLUMNS} FROM work.subscription s WHERE s.ledger_id = %s AND s.organisation = %s"
                f" {condition}".encode(),
                [self._ledger_id, organisation, *values],
            ).fetchall()
        return [_subscription(row) for row in rows]


def _subscription(row: Sequence[Any]) -> Subscription:
    subscription_id, organisation, query_name, dest, token, key_id, *rest = row
    return Subscription(subscription_id, organisation, query_name, dest, sealed(token, key_id), *rest)


def _unknown() -> NoSuchSubscriptionError:
    return NoSuchSubscriptionError("There is no such subscription", hint="A query's are at …/subscriptions of it.")
