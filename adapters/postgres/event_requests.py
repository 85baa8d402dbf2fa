"""Requests that recorded one event, by their Idempotency-Key (schema `work`), so that they may be sent again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.errors import ConflictError


class RepeatedRequestError(ConflictError):
    """Another request of this key came first; `position_of` tells what it recorded."""

    code = "capture.request_key"


@dataclass(frozen=True, slots=True)
class EventRequest:
    """The key of a request of an organisation, and the digest of what it carried."""

    organisation: str
    key: str
    digest: bytes


class PostgresEventRequests:
    """The requests to one ledger; safe to share between threads."""

    def __init__(self, pool: Pool, ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id

    def position_of(self, request: EventRequest) -> int | None:
        """Return where the event is that a request recorded before, None when it did not.

        Raises `ConflictError` (`capture.request_key`) when the key came with something else.
        """
        with reading(self._pool) as connection:
            row = connection.execute(
                "SELECT request_digest, position FROM work.event_request"
                " WHERE ledger_id = %s AND organisation = %s AND request_key = %s",
                [self._ledger_id, request.organisation, request.key],
            ).fetchone()
        if row is None:
            return None
        if row[0] != request.digest:
            raise ConflictError(
                "This Idempotency-Key came with another request before",
                code="capture.request_key",
                hint="Send a new key with every new event.",
            )
        return int(row[1])

    def add(self, connection: psycopg.Connection, request: EventRequest, position: int, *, now: int) -> None:
        """Note, in the transaction that records it, where the event of a request is.

        Raises `RepeatedRequestError` when a request of this key, sent at the same time, recorded one first.
        """
        noted = connection.execute(
            "INSERT INTO work.event_request"
            " (ledger_id, organisation, request_key, request_digest, position, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [self._ledger_id, request.organisation, request.key, request.digest, position, now],
        )
        if not noted.rowcount:
            raise RepeatedRequestError("A request of this Idempotency-Key was answered meanwhile")


def remove_event_requests(connection: psycopg.Connection, before: int) -> Iterator[int]:
    """Forget the requests of every ledger from before a time, µs UTC; yields how many, some at a time. Owner role."""
    while True:
        removed = connection.execute(
            """DELETE FROM work.event_request r
                USING (SELECT ledger_id, organisation, request_key FROM work.event_request
                        WHERE created_at < %s LIMIT 5000) old
                WHERE r.ledger_id = old.ledger_id AND r.organisation = old.organisation
                  AND r.request_key = old.request_key""",
            [before],
        ).rowcount
        if not removed:
            return
        yield removed
