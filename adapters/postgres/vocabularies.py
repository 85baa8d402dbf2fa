"""Statements of master data in PostgreSQL, found by their tags among what a reader may see."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from adapters.postgres.visibility import PostgresVisibility
from traceability.gs1.epcis.master_data import Statement, statement_of
from traceability.ledger.access import MASTER_DATA, Reader, redact
from traceability.ledger.parts import Parts

_HIT: Final = """
WITH hit AS MATERIALIZED (
    SELECT DISTINCT position FROM ledger.posting
     WHERE ledger_id = %(ledger)s AND tag = ANY(%(tags)s::bigint[]) AND visibility = ANY(%(visible)s::bigint[])
       AND position > %(after)s AND position <= %(head)s
     ORDER BY position LIMIT %(limit)s)
SELECT r.position, r.recorded_at, r.event_id, r.visibility, r.head, r.more, r.personal
  FROM hit CROSS JOIN LATERAL (SELECT * FROM ledger.record
                                WHERE ledger_id = %(ledger)s AND position = hit.position OFFSET 0) r
 ORDER BY r.position
"""

_PERSONAL: Final = frozenset({"personal"})  # no tag is made of it
_Row = tuple[int, int, UUID, int, bytes, bytes, bytes]


class PostgresVocabularies:
    """The statements that one reader may see up to `known_at`, the head where None.

    Without `personal` they lack those attributes, by which no question finds anything.
    """

    def __init__(
        self,
        ledger: PostgresLedger,
        visibility: PostgresVisibility,
        *,
        reader: Reader,
        known_at: int | None = None,
        personal: bool = True,
    ) -> None:
        self._ledger = ledger
        head = ledger.head()
        self.known_at = head if known_at is None else min(known_at, head)
        self.reader = reader.organisation
        # Taken after the head: whatever was committed up to it has its visibility there.
        hidden = frozenset() if personal else _PERSONAL
        opened = [one for one in visibility.opened(reader) if one.visibility.biz_step == MASTER_DATA]
        self._extents = {one.id: one.extent - hidden for one in opened}
        self.organisations = frozenset(one.visibility.captured_by for one in opened)

    def of(self, subjects: Collection[str]) -> list[Statement]:
        """Return every statement about these subjects."""
        rows = self._rows({f"element:{subject}" for subject in subjects}, None, 0)
        found = [statement for row in rows if (statement := self._statement(row)) is not None]
        return [statement for statement in found if statement.element.subject in subjects]

    def tagged(self, tags: Collection[str], limit: int, after: int = 0) -> list[Statement]:
        """Return statements with one of these tags, in order of position from behind `after`, up to `limit`."""
        found: list[Statement] = []
        while len(found) < limit:
            rows = self._rows(tags, limit, after)
            for row in rows:
                indexed = self._statement(row, hidden=_PERSONAL)
                if indexed is not None and not set(indexed.element.tags(indexed.stated_by)).isdisjoint(tags):
                    found.append(self._statement(row) or indexed)
            if len(rows) < limit:
                break
            after = rows[-1][0]
        return found[:limit]

    def holders(self, glns: Collection[str]) -> Mapping[str, str]:
        """Return the organisations that hold these GLNs (13 digits)."""
        with reading(self._ledger.pool) as connection:
            rows = connection.execute(
                "SELECT value, organisation FROM access.identifier"
                " WHERE ledger_id = %s AND scheme = 'gln' AND value = ANY(%s)",
                [self._ledger.ledger_id, list(glns)],
            )
            return dict(rows.fetchall())

    def _rows(self, tags: Collection[str], limit: int | None, after: int) -> list[_Row]:
        if not self._extents or not tags:
            return []
        asked = {
            "ledger": self._ledger.ledger_id,
            "tags": [self._ledger.rules.tag_hash(tag) for tag in tags],
            "visible": list(self._extents),
            "after": after,
            "head": self.known_at,
            "limit": limit,
        }
        with reading(self._ledger.pool) as connection:
            # Never prepared: a plan for any lists of tags and visibilities suits none.
            return connection.execute(_HIT, asked, prepare=False, binary=True).fetchall()

    def _statement(self, row: _Row, hidden: frozenset[str] = frozenset()) -> Statement | None:
        position, recorded_at, event_id, visibility, head, more, personal = row
        seen = redact(Parts(head, more=more, personal=personal), self._extents[visibility] - hidden, ())
        return statement_of(seen, position, event_id, recorded_at)
