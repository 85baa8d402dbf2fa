"""To which organisations the parties and places of events belong (schema `access`)."""

from __future__ import annotations

from typing import Final

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from traceability.gs1.identifiers import gln_of

_HOLDER: Final = """
SELECT organisation FROM access.identifier WHERE ledger_id = %s AND scheme = 'gln' AND value = %s
"""


class PostgresParties:
    """The organisations of one ledger by their GLNs. Safe to share between threads."""

    def __init__(self, pool: ConnectionPool[Connection[TupleRow]], ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._known: dict[str, str] = {}

    def organisation_of(self, uri: str) -> str | None:
        """Return the organisation that a party or place belongs to."""
        gln = gln_of(uri)
        if gln is None:
            return None
        known = self._known.get(gln)
        if known is None:
            with self._pool.connection() as connection:
                row = connection.execute(_HOLDER, [self._ledger_id, gln], prepare=True).fetchone()
            if row is None:
                return None
            # A GLN belongs to one organisation for good.
            known = self._known[gln] = row[0]
        return known
