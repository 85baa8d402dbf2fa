"""What was found irregular for each organisation (schema `work`), read; `adapters.postgres.judging` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from traceability.ledger.findings import Severity

# Rights may have ended since it was found: what an answer cites the reader may see now.
_PAGE: Final = """
SELECT i.position, i.digest, i.event_id, i.thing, i.code, i.severity, i.against, i.against_id, i.told, i.known_at,
       i.ended_at
  FROM work.irregularity i
 WHERE i.ledger_id = %(ledger)s AND i.organisation = %(organisation)s AND i.ended_at IS {standing}
   {conditions}
   AND EXISTS (SELECT FROM ledger.record r WHERE r.ledger_id = %(ledger)s AND r.position = i.position
                AND r.visibility = ANY(%(visible)s::bigint[]))
   AND (i.against IS NULL
        OR EXISTS (SELECT FROM ledger.record r WHERE r.ledger_id = %(ledger)s AND r.position = i.against
                    AND r.visibility = ANY(%(visible)s::bigint[])))
 ORDER BY i.position DESC, i.digest DESC LIMIT %(limit)s
"""


class Place(NamedTuple):
    """Where an irregularity is in the list."""

    position: int
    digest: bytes

    @classmethod
    def read(cls, text: str) -> Place:
        """Read what `text` wrote."""
        position, _, digest = text.partition("-")
        return cls(int(position), bytes.fromhex(digest))

    @property
    def text(self) -> str:
        """Return it as addresses and options have it."""
        return f"{self.position}-{self.digest.hex()}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter; None is anything."""

    standing: bool = True
    code: str | None = None
    severity: Severity | None = None
    thing: str | None = None


@dataclass(frozen=True, slots=True)
class KeptIrregularity:
    """A row: it was found as known at `known_at`, and found no more as known at `ended_at`, None while it stands."""

    position: int
    digest: bytes
    event_id: UUID
    thing: str
    code: str
    severity: Severity
    against: int | None
    against_id: UUID | None
    told: str
    known_at: int
    ended_at: int | None

    @property
    def place(self) -> Place:
        """Return where it is in the list."""
        return Place(self.position, self.digest)


class PostgresIrregularities:
    """The irregularities of one ledger; safe to share between threads."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self._ledger = ledger

    def page(
        self, organisation: str, visible: Sequence[int], wanted: Wanted, *, after: Place | None, limit: int
    ) -> list[KeptIrregularity]:
        """Return what an organisation is told, from the last recorded event on to the first, from behind `after`."""
        asked: dict[str, Any] = {
            "code": wanted.code,
            "severity": wanted.severity,
            "thing": wanted.thing,
            "tag": None if wanted.thing is None else self._ledger.rules.tag_hash(f"item:{wanted.thing}"),
        }
        conditions = {
            "code": "AND i.code = %(code)s",
            "severity": "AND i.severity = %(severity)s",
            "thing": "AND i.thing = %(thing)s AND i.thing_tag = %(tag)s",
        }
        told = [condition for name, condition in conditions.items() if asked[name] is not None]
        if after is not None:
            asked |= {"position": after.position, "digest": after.digest}
            told.append("AND (i.position, i.digest) < (%(position)s, %(digest)s)")
        query = _PAGE.format(standing="NULL" if wanted.standing else "NOT NULL", conditions=" ".join(told))
        asked |= {
            "ledger": self._ledger.ledger_id,
            "organisation": organisation,
            "visible": list(visible),
            "limit": limit,
        }
        with reading(self._ledger.pool) as connection:
            # Never prepared: a plan for any list of visibilities compares with each of them.
            rows = connection.execute(query.encode(), asked, prepare=False).fetchall()
        return [KeptIrregularity(*row) for row in rows]
