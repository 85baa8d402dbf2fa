"""Named queries (EPCIS 2.0 §12.8): an organisation's questions under names of its own (schema `work`)."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.errors import ConflictError, NotFoundError


class NoSuchQueryError(NotFoundError):
    """The organisation has no query of this name."""

    code = "query.no_such_name"


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A name, and the JSON object that its query was defined by."""

    name: str
    definition: str


class PostgresNamedQueries:
    """The named queries of one ledger; safe to share between threads."""

    def __init__(self, pool: Pool, ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id

    def add(self, organisation: str, query: NamedQuery, *, now: int) -> None:
        """Keep a query; raises `ConflictError` (`query.name_exists`) when the organisation has one of this name."""
        with reading(self._pool) as connection:
            added = connection.execute(
                "INSERT INTO work.named_query (ledger_id, organisation, name, definition, created_at)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [self._ledger_id, organisation, query.name, query.definition, now],
            )
        if not added.rowcount:
            raise ConflictError(
                "There is a query of this name already",
                code="query.name_exists",
                hint="Drop it first, or take another name.",
            )

    def get(self, organisation: str, name: str) -> NamedQuery:
        """Return a query of an organisation; raises `NoSuchQueryError`."""
        with reading(self._pool) as connection:
            row = connection.execute(
                "SELECT name, definition FROM work.named_query"
                " WHERE ledger_id = %s AND organisation = %s AND name = %s",
                [self._ledger_id, organisation, name],
            ).fetchone()
        if row is None:
            raise _unknown()
        return NamedQuery(*row)

    def list(self, organisation: str, *, after: str = "", limit: int) -> list[NamedQuery]:
        """Return queries of an organisation by name, from behind `after`; none of our own, whose names have a colon."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT name, definition FROM work.named_query WHERE ledger_id = %s AND organisation = %s"
                " AND position(':' IN name) = 0"
                ' AND name COLLATE "C" > %s ORDER BY name COLLATE "C" LIMIT %s',
                [self._ledger_id, organisation, after, limit],
            ).fetchall()
        return [NamedQuery(*row) for row in rows]

    def drop(self, organisation: str, name: str) -> None:
        """Forget a query, and the subscriptions that hang on it; raises `NoSuchQueryError`."""
        with reading(self._pool) as connection:
            dropped = connection.execute(
                "DELETE FROM work.named_query WHERE ledger_id = %s AND organisation = %s AND name = %s",
                [self._ledger_id, organisation, name],
            )
        if not dropped.rowcount:
            raise _unknown()


def _unknown() -> NoSuchQueryError:
    return NoSuchQueryError("There is no such query", hint="GET /epcis/queries lists yours.")
