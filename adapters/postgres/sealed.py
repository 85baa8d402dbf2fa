"""Every secret that lies in a ledger's tables (schema `work`), whatever it is for."""

from __future__ import annotations

from typing import Final, NamedTuple
from uuid import UUID

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.ledger.sealed import Sealed


class _Table(NamedTuple):
    kind: str
    name: str
    key: str
    secret: str


_TABLES: Final = (
    _Table("partner", "work.partner", "name", "secret"),
    _Table("subscription", "work.subscription", "subscription_id", "signature_token"),
)


def partner_place(name: str) -> str:
    """Return the place of a partner's secret."""
    return f"partner/{name}"


def subscription_place(subscription_id: UUID) -> str:
    """Return the place of a subscription's signatureToken."""
    return f"subscription/{subscription_id}"


class PostgresSealed:
    """The secrets of one ledger by their places; safe to share between threads."""

    def __init__(self, pool: Pool, ledger_id: int) -> None:
        self._pool = pool
        self.ledger_id = ledger_id

    def all(self) -> list[tuple[str, Sealed]]:
        """Return every secret and its place."""
        found: list[tuple[str, Sealed]] = []
        with reading(self._pool) as connection:
            for table in _TABLES:
                rows = connection.execute(
                    f"SELECT {table.key}::text, {table.secret}, sealed_with FROM {table.name}"
                    f" WHERE ledger_id = %s AND {table.secret} IS NOT NULL".encode(),
                    [self.ledger_id],
                )
                found += [(f"{table.kind}/{key}", Sealed(text, key_id)) for key, text, key_id in rows]
        return found

    def replace(self, place: str, before: Sealed, after: Sealed) -> int:
        """Put a secret in the place of another; return 0 when that is not there any more."""
        kind, _, key = place.partition("/")
        (table,) = (one for one in _TABLES if one.kind == kind)
        with reading(self._pool) as connection:
            changed = connection.execute(
                f"UPDATE {table.name} SET {table.secret} = %s, sealed_with = %s WHERE ledger_id = %s"
                f" AND {table.key}::text = %s AND {table.secret} = %s".encode(),
                [after.text, after.key_id, self.ledger_id, key, before.text],
            )
        return changed.rowcount
