"""The files of partners' folders that were dealt with, by their content (schema `work`)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import psycopg

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file as it was seen first: its name in the folder, the SHA-256 of its bytes; `seen_at` in microseconds UTC.

    `job_id` is its capture; `code` and `error` say why there is none, or what was left out of it.
    """

    name: str
    digest: bytes
    size: int
    modified_ns: int
    seen_at: int
    job_id: UUID | None = None
    code: str | None = None
    error: str | None = None


class PostgresPartnerFiles:
    """The files of one ledger's partners; safe to share between threads."""

    def __init__(self, pool: Pool, ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id

    def all(self, partner: str) -> list[SeenFile]:
        """Return every file of a partner, the newest first."""
        return self._list(partner, "", None)

    def noted(self, partner: str, *, limit: int) -> list[SeenFile]:
        """Return the files of which something is to be told, the newest first."""
        return self._list(partner, "AND error IS NOT NULL", limit)

    def knows(self, partner: str, file: SeenFile) -> bool:
        """Tell whether a file of this content was dealt with, and note under which name it is there now."""
        with reading(self._pool) as connection:
            known = connection.execute(
                "UPDATE work.partner_file SET name = %s, size = %s, modified_ns = %s"
                " WHERE ledger_id = %s AND partner = %s AND digest = %s",
                [file.name, file.size, file.modified_ns, self._ledger_id, partner, file.digest],
            )
        return known.rowcount > 0

    def remember(
        self,
        connection: psycopg.Connection,
        partner: str,
        file: SeenFile,
        *,
        job_id: UUID | None,
        code: str | None,
        error: str | None,
    ) -> None:
        """Note that a file was dealt with, with the transaction of `connection`."""
        connection.execute(
            "INSERT INTO work.partner_file (ledger_id, partner, digest, name, size, modified_ns, seen_at, job_id,"
            " error_code, error) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                *(self._ledger_id, partner, file.digest, file.name, file.size, file.modified_ns, file.seen_at),
                *(job_id, code, error),
            ],
        )

    def _list(self, partner: str, condition: str, limit: int | None) -> list[SeenFile]:
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT name, digest, size, modified_ns, seen_at, job_id, error_code, error FROM work.partner_file"
                f" WHERE ledger_id = %s AND partner = %s {condition} ORDER BY seen_at DESC, name LIMIT %s",
                [self._ledger_id, partner, limit],
            ).fetchall()
        return [SeenFile(*row) for row in rows]
