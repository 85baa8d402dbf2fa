"""The places and dispositions that events name, each value once for every visibility (schema `work`).

The values of a million events are few. They are gathered from the records when somebody asks for a list, from where the
one before stopped; capture pays nothing for them. Positions are in the order of commit, so that whoever has seen all up
to a head has missed none below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

from psycopg import Connection

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.errors import UnavailableError
from traceability.gs1.epcis.view import read_places

BATCH: Final = 20_000
"""Positions that are gathered in one transaction."""

MOST: Final = 10
"""Batches that one request gathers; who comes after goes on from there."""

_VALUES: Final = """
SELECT DISTINCT value COLLATE "C" FROM work.listed
 WHERE ledger_id = %(ledger)s AND kind = %(kind)s AND visibility = ANY(%(visible)s::bigint[])
   AND value COLLATE "C" > %(after)s ORDER BY 1 LIMIT %(limit)s
"""
_EXISTS: Final = """
SELECT EXISTS (SELECT FROM work.listed
                WHERE ledger_id = %(ledger)s AND kind = %(kind)s AND visibility = ANY(%(visible)s::bigint[])
                  AND digest = %(digest)s)
"""
_WINDOW: Final = "ledger_id = %(ledger)s AND position > %(low)s AND position <= %(high)s"


class PostgresListed:
    """The listed values of one ledger; safe to share between threads."""

    def __init__(self, pool: Pool, ledger_id: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id

    def values(self, kind: str, visible: Sequence[int], *, after: str, limit: int) -> list[str]:
        """Return values of the events of these visibilities, sorted, from behind `after`.

        Raises `UnavailableError` (`epcis.lists_behind`) while more than a request gathers was recorded since.
        """
        asked = {"kind": kind, "visible": list(visible), "after": after, "limit": limit, "ledger": self._ledger_id}
        with reading(self._pool) as connection:
            self._catch_up(connection)
            return [value for (value,) in connection.execute(_VALUES, asked, prepare=False)]

    def has(self, kind: str, visible: Sequence[int], value: str) -> bool:
        """Tell whether an event of these visibilities has the value; raises as `values` does."""
        asked = {"kind": kind, "visible": list(visible), "digest": _digest(value), "ledger": self._ledger_id}
        with reading(self._pool) as connection:
            self._catch_up(connection)
            row = connection.execute(_EXISTS, asked, prepare=False).fetchone()
        assert row is not None
        return bool(row[0])

    def _catch_up(self, connection: Connection) -> None:
        ledger = {"ledger": self._ledger_id}
        head = connection.execute("SELECT position FROM ledger.head WHERE ledger_id = %(ledger)s", ledger).fetchone()
        known = connection.execute("SELECT position FROM work.listed_up_to WHERE ledger_id = %(ledger)s", ledger)
        seen = known.fetchone() or (0,)
        assert head is not None
        for _ in range(MOST):
            if seen[0] >= head[0]:
                return
            with connection.transaction():
                seen = (self._gather(connection, head[0]),)
        if seen[0] < head[0]:
            raise UnavailableError(
                "The lists are being brought up to date after many events", code="epcis.lists_behind", hint="Ask again."
            )

    def _gather(self, connection: Connection, head: int) -> int:
        """Gather the values of the next positions and return the last of these."""
        window = {"ledger": self._ledger_id}
        connection.execute(
            "INSERT INTO work.listed_up_to (ledger_id, position) VALUES (%(ledger)s, 0) ON CONFLICT DO NOTHING", window
        )
        row = connection.execute(
            "SELECT position FROM work.listed_up_to WHERE ledger_id = %(ledger)s FOR UPDATE", window
        ).fetchone()
        assert row is not None
        window |= {"low": row[0], "high": max(row[0], min(row[0] + BATCH, head))}
        found = sorted(set(_found(connection, window)))
        if found:
            kinds, visibilities, values = map(list, zip(*found, strict=True))
            connection.execute(
                "INSERT INTO work.listed (ledger_id, kind, visibility, digest, value)"
                " SELECT %s, kind, visibility, digest, value"
                " FROM unnest(%s::text[], %s::bigint[], %s::bytea[], %s::text[]) v(kind, visibility, digest, value)"
                " ON CONFLICT DO NOTHING",
                [self._ledger_id, kinds, visibilities, list(map(_digest, values)), values],
            )
        connection.execute("UPDATE work.listed_up_to SET position = %(high)s WHERE ledger_id = %(ledger)s", window)
        return window["high"]


def forget_listed(connection: Connection, ledger_id: int) -> None:
    """Have the values of a ledger gathered anew: what they were gathered from was another."""
    connection.execute("DELETE FROM work.listed WHERE ledger_id = %s", [ledger_id])
    connection.execute("DELETE FROM work.listed_up_to WHERE ledger_id = %s", [ledger_id])


def _found(connection: Connection, window: dict[str, int]) -> Iterator[tuple[str, int, str]]:
    """Yield kind, visibility and value, from what is distinct in the records: most events repeat others."""
    rows = connection.execute(
        f"SELECT DISTINCT visibility, disposition FROM ledger.sighting WHERE {_WINDOW} AND disposition IS NOT NULL",
        window,
    )
    yield from (("dispositions", visibility, disposition) for visibility, disposition in rows)
    places = connection.execute(
        f'SELECT DISTINCT visibility, "where" FROM ledger.record WHERE {_WINDOW} AND length("where") > 0',
        window,
        binary=True,
    )
    for visibility, where in places:
        read_point, biz_location = read_places(where)
        if read_point is not None:
            yield "readPoints", visibility, read_point
        if biz_location is not None:
            yield "bizLocations", visibility, biz_location


def _digest(value: str) -> bytes:
    return blake2b(value.encode(), digest_size=16).digest()
