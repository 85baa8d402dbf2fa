"""The provenance index in PostgreSQL: positions from the narrow tables, then the records at them.

Every query is limited to the visibilities that the reader may see and to the positions that are asked about, and
every hit is checked against the tags of what the reader sees: neither a collision of hashes nor a tag of a hidden part
finds an event.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, LiteralString

import psycopg

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.stored import record_of_row
from adapters.postgres.visibility import PostgresVisibility
from traceability.errors import InvalidInputError
from traceability.ledger.access import ITEM, Reader
from traceability.ledger.index import Visibility
from traceability.ledger.store import Record
from traceability.supply_chain.seen import SeenEvent, see, things_named, with_declarations

# The personal part and the bytes as received tell nothing about things, and may be long: they are left where they are.
_COLUMNS: Final = (
    "r.position, r.recorded_at, r.leaf_hash, r.event_id, r.visibility, r.type, r.commitment, r.salt, r.personal_salt, "
    "r.head, r.what, r.\"where\", r.why, r.how, r.more, ''::bytea, ''::bytea"
)
_MAY_SEE: Final[LiteralString] = (
    "ledger_id = %(ledger)s AND position <= %(known_at)s AND visibility = ANY(%(visible)s::bigint[])"
)
_TAGGED: Final[LiteralString] = (
    f"SELECT position FROM ledger.posting WHERE {_MAY_SEE} AND tag = ANY(%(tags)s::bigint[])"
)
_EMPTIED: Final[LiteralString] = (
    f"SELECT position FROM ledger.mark WHERE {_MAY_SEE} AND parent = ANY(%(tags)s::bigint[]) AND child = 0"
)
# Declarations are few and have an index of their own, so to look for those of every hit costs next to nothing.
_DECLARATIONS: Final = """
SELECT position FROM hit
 UNION
SELECT d.position FROM hit
  JOIN ledger.sighting s ON s.ledger_id = %(ledger)s AND s.position = hit.position AND s.event <> 0
  JOIN ledger.sighting d ON d.ledger_id = %(ledger)s AND d.event = s.event AND d.retracts
   AND d.position <= %(known_at)s AND d.visibility = ANY(%(visible)s::bigint[])
"""


class PostgresProvenance:
    """One reader's view of a ledger for one question; raises `InvalidInputError` for a `known_at` yet to come."""

    def __init__(
        self, ledger: PostgresLedger, visibility: PostgresVisibility, *, reader: Reader, known_at: int | None = None
    ) -> None:
        head = ledger.head()
        if known_at is not None and not 0 <= known_at <= head:
            raise InvalidInputError(
                f"The ledger has {head} events: nothing is known at position {known_at}.",
                code="provenance.known_at",
                hint=f"Give a position from 0 to {head}, or none for all that is known.",
            )
        self._ledger = ledger
        self._reader = reader
        self._known_at = head if known_at is None else known_at
        # Taken after the head: whatever was committed up to it has its visibility there. Written out once, because
        # every query of the question names them all.
        self._visible = f"{{{','.join(map(str, visibility.allowed(reader)))}}}"
        self._extents: dict[int, frozenset[str]] = {}
        self._asked: set[str] = set()
        self._loaded: set[str] = set()
        self._seen: dict[int, SeenEvent | None] = {}
        self._partly_open: dict[int, Record] = {}

    @property
    def known_at(self) -> int:
        """Return the last position that is taken into account."""
        return self._known_at

    def events(self, tags: Collection[str]) -> list[SeenEvent]:
        """Return the events that carry any of these tags, and what retracts them."""
        self._asked |= things_named(tags)
        wanted = frozenset(tags)
        found = self._find(_TAGGED, wanted - self._loaded) | self._again(wanted & self._loaded)
        self._loaded |= wanted
        carrying = [event for event in found.values() if not wanted.isdisjoint(event.tags)]
        return with_declarations(carrying, found.values())

    def emptyings(self, parents: Collection[str]) -> list[SeenEvent]:
        """Return the events that close everything at once of these parents, and what retracts them."""
        wanted = frozenset(parents)
        found = self._find(_EMPTIED, wanted - self._loaded) | self._again(wanted & self._loaded)
        emptyings = [event for event in found.values() if event.empties and not wanted.isdisjoint(event.tags)]
        return with_declarations(emptyings, found.values())

    def _again(self, tags: Collection[str]) -> dict[int, SeenEvent]:
        """Return what was found before under these tags, all of which was loaded then: `known_at` stands still."""
        if not tags:
            return {}
        self._look_at(list(self._partly_open.values()))
        return {position: event for position, event in self._seen.items() if event is not None}

    def _find(self, hits: LiteralString, tags: Collection[str]) -> dict[int, SeenEvent]:
        """Return what the reader sees of the events that may be meant, and of their declarations."""
        if not tags:
            return {}
        parameters = {
            "ledger": self._ledger.ledger_id,
            "known_at": self._known_at,
            "visible": self._visible,
            "tags": [self._ledger.rules.tag_hash(tag) for tag in tags],
        }
        with self._ledger.pool.connection() as connection:
            rows = connection.execute(f"WITH hit AS MATERIALIZED ({hits}) {_DECLARATIONS}", parameters, binary=True)
            positions = [position for (position,) in rows]
            self._look_at(self._fetch(connection, [position for position in positions if position not in self._seen]))
        # An event of which only named items are shown looks different after the next name.
        self._look_at([self._partly_open[position] for position in positions if position in self._partly_open])
        return {position: event for position in positions if (event := self._seen[position]) is not None}

    def _look_at(self, records: Iterable[Record]) -> None:
        for record in records:
            extent = self._extents[record.visibility]
            self._seen[record.position] = see(record, extent, self._asked)
            if ITEM in extent and "what" not in extent:
                self._partly_open[record.position] = record

    def _fetch(self, connection: psycopg.Connection, positions: list[int]) -> list[Record]:
        if not positions:
            return []
        # The positions are known, so the planner cannot choose to walk the records instead.
        sql = f"SELECT {_COLUMNS} FROM ledger.record r WHERE ledger_id = %s AND position = ANY(%s::bigint[])"
        rows = connection.execute(sql, [self._ledger.ledger_id, positions], binary=True)
        records = [record_of_row(row, self._ledger.rules.indexer) for row in rows]
        self._judge(connection, {record.visibility for record in records} - self._extents.keys())
        return records

    def _judge(self, connection: psycopg.Connection, visibilities: set[int]) -> None:
        if not visibilities:
            return
        rows = connection.execute(
            "SELECT visibility, captured_by, parties, biz_step FROM ledger.visibility"
            " WHERE ledger_id = %s AND visibility = ANY(%s::bigint[])",
            [self._ledger.ledger_id, list(visibilities)],
            binary=True,
        )
        for visibility, captured_by, parties, biz_step in rows:
            extent = self._reader.extent(Visibility(captured_by, tuple(parties), biz_step))
            assert extent is not None, "the query was limited to what the reader may see"
            self._extents[visibility] = extent
