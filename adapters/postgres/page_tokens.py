"""Page tokens that were ended before their time (schema `work`)."""

from __future__ import annotations

from typing import Final

from psycopg import Connection

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.errors import BusyError

MOST: Final = 10_000
"""Ended tokens that are kept of one organisation, so that nobody fills the table."""


class PostgresEndedTokens:
    """The ended tokens of one ledger; safe to share between threads. Times are microseconds UTC."""

    def __init__(self, pool: Pool, ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id

    def end(self, digest: bytes, *, organisation: str, expires_at: int, now: int) -> None:
        """End a token, and forget those that have expired; raises `BusyError` (`epcis.tokens`)."""
        names = {"ledger": self._ledger_id, "digest": digest, "organisation": organisation, "now": now}
        with reading(self._pool) as connection, connection.transaction():
            connection.execute(
                "DELETE FROM work.ended_page_token"
                " WHERE ledger_id = %(ledger)s AND organisation = %(organisation)s AND expires_at < %(now)s",
                names,
            )
            added = connection.execute(
                "INSERT INTO work.ended_page_token (ledger_id, digest, organisation, expires_at)"
                " SELECT %(ledger)s, %(digest)s, %(organisation)s, %(until)s"
                "  WHERE (SELECT count(*) FROM (SELECT FROM work.ended_page_token WHERE ledger_id = %(ledger)s"
                "          AND organisation = %(organisation)s LIMIT %(most)s) kept) < %(most)s"
                " ON CONFLICT DO NOTHING",
                {**names, "until": expires_at, "most": MOST},
            )
            if not added.rowcount and not self._is_ended(connection, digest):
                raise BusyError("Too many page tokens were ended lately", code="epcis.tokens", hint="They expire.")

    def is_ended(self, digest: bytes) -> bool:
        """Tell whether a token was ended."""
        with reading(self._pool) as connection:
            return self._is_ended(connection, digest)

    def _is_ended(self, connection: Connection, digest: bytes) -> bool:
        row = connection.execute(
            "SELECT FROM work.ended_page_token WHERE ledger_id = %s AND digest = %s", [self._ledger_id, digest]
        ).fetchone()
        return row is not None
