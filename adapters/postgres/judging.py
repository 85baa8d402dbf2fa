"""How far what is recorded was judged for each organisation, and what is said between two positions (schema `work`).

A cursor is moved in the transaction that writes what was found, and only from where its mover believes it to be: who
was killed lost what it had not written, and of two that judge at once one changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson
import psycopg

from adapters.postgres.arrays import bigints
from adapters.postgres.connection import connect
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from adapters.postgres.visibility import PostgresVisibility
from traceability.ledger.access import ITEM, Reader
from traceability.ledger.register.statements import STATEMENTS
from traceability.supply_chain.decisions import DECISION_TYPES, see_decision
from traceability.supply_chain.evaluation import Irregularity
from traceability.supply_chain.seen import EPCIS_TYPES, Column, SeenEvent, see_row

_LEADER: Final = 0x4A554447  # "JUDG"
_COLUMNS: Final = 'position, event_id, recorded_at, head, what, "where", why, how, more, type, visibility'
_TYPE, _VISIBILITY = range(len(Column), len(Column) + 2)
_EVERY_PART: Final = frozenset({"what"})
# What an error declaration retracts joins on the eventID, and a declaration need not repeat what it said of things.
_SAID: Final = f"""
SELECT {_COLUMNS} FROM ledger.record
 WHERE ledger_id = %(ledger)s AND position > %(after)s AND position <= %(until)s
   AND visibility = ANY(%(visible)s::bigint[])
 UNION ALL
SELECT {_COLUMNS} FROM ledger.record
 WHERE ledger_id = %(ledger)s AND visibility = ANY(%(visible)s::bigint[])
   AND position = ANY(ARRAY(
       SELECT p.position FROM ledger.sighting d
         JOIN ledger.posting p ON p.ledger_id = d.ledger_id AND p.tag = d.event
        WHERE d.ledger_id = %(ledger)s AND d.position > %(after)s AND d.position <= %(until)s AND d.retracts
          AND d.event <> 0 AND (p.position <= %(after)s OR p.position > %(until)s) AND p.position <= %(known_at)s))
"""
_PRESENT: Final = """
SELECT DISTINCT visibility FROM ledger.record
 WHERE ledger_id = %(ledger)s AND position > %(after)s AND position <= %(until)s
"""
_OWN: Final = """
SELECT tag FROM unnest(%(tags)s::bigint[]) t(tag)
 WHERE EXISTS (SELECT FROM ledger.posting p
                WHERE p.ledger_id = %(ledger)s AND p.tag = t.tag AND p.visibility = ANY(%(own)s::bigint[])
                  AND p.position <= %(known_at)s)
"""
_END: Final = """
UPDATE work.irregularity i SET ended_at = %(known_at)s
  FROM unnest(%(tags)s::bigint[], %(things)s::text[]) judged(tag, thing)
 WHERE i.ledger_id = %(ledger)s AND i.organisation = %(organisation)s AND i.thing_tag = judged.tag
   AND i.thing = judged.thing AND i.ended_at IS NULL
   AND NOT EXISTS (SELECT FROM unnest(%(positions)s::bigint[], %(digests)s::bytea[]) found(position, digest)
                    WHERE found.position = i.position AND found.digest = i.digest)
"""
_FIND: Final = """
INSERT INTO work.irregularity AS i
       (ledger_id, organisation, position, digest, event_id, thing, thing_tag, code, severity, against, against_id,
        told, known_at)
SELECT %(ledger)s, %(organisation)s, found.*, %(known_at)s
  FROM unnest(%(positions)s::bigint[], %(digests)s::bytea[], %(event_ids)s::uuid[], %(found)s::text[],
              %(found_tags)s::bigint[], %(codes)s::text[], %(severities)s::text[], %(against)s::bigint[],
              %(against_ids)s::uuid[], %(told)s::text[]) found
    ON CONFLICT (ledger_id, organisation, position, digest)
    DO UPDATE SET known_at = EXCLUDED.known_at, ended_at = NULL WHERE i.ended_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far was judged for an organisation: `position`, by its `rights`.

    It began when the head was `register_at`: every judgement since knows what is recorded up to there, of events and of
    the register.
    """

    organisation: str
    position: int
    rights: bytes
    register_at: int


@dataclass(frozen=True, slots=True)
class Said:
    """What a reader sees of the events in a window, with what is retracted there, and the last statement of a register.

    `registered` is the position of that, 0 when there is none.
    """

    events: list[SeenEvent]
    registered: int


@dataclass(frozen=True, slots=True)
class Found:
    """An irregularity and the ids of its events."""

    one: Irregularity
    event_id: UUID
    against_id: UUID | None

    @property
    def digest(self) -> bytes:
        """Return what tells it from others at its position."""
        said = [self.one.thing, self.one.rule.value, self.one.against, self.one.told]
        return blake2b(orjson.dumps(said), digest_size=16).digest()


class PostgresJudging:
    """What is judged of one ledger; safe to share between threads."""

    def __init__(self, ledger: PostgresLedger, visibility: PostgresVisibility) -> None:
        self._ledger = ledger
        self._visibility = visibility

    @contextmanager
    def leadership(self, url: str) -> Iterator[psycopg.Connection | None]:
        """Give a connection of its own to one caller of all processes, None to the others.

        It leads for as long as the connection lives, which it learns by using it.
        """
        with connect(url) as connection:
            row = connection.execute(
                "SELECT pg_try_advisory_lock(%s, %s)", [_LEADER, self._ledger.ledger_id]
            ).fetchone()
            yield connection if row is not None and row[0] else None

    def cursors(self) -> dict[str, Cursor]:
        """Return the cursor of each organisation that has one."""
        with reading(self._ledger.pool) as connection:
            rows = connection.execute(
                "SELECT organisation, position, rights, register_at FROM work.judged WHERE ledger_id = %s",
                [self._ledger.ledger_id],
            ).fetchall()
        return {row[0]: Cursor(*row) for row in rows}

    def begin(self, cursor: Cursor) -> None:
        """Set a cursor, wherever it is; what was found before stands until its things are judged again."""
        with reading(self._ledger.pool) as connection:
            connection.execute(
                "INSERT INTO work.judged (ledger_id, organisation, position, rights, register_at)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (ledger_id, organisation)"
                " DO UPDATE SET position = EXCLUDED.position, rights = EXCLUDED.rights,"
                " register_at = EXCLUDED.register_at",
                [self._ledger.ledger_id, cursor.organisation, cursor.position, cursor.rights, cursor.register_at],
            )

    def again(self, position: int) -> None:
        """Have everything behind a position judged once more."""
        with reading(self._ledger.pool) as connection:
            connection.execute(
                "UPDATE work.judged SET position = %s WHERE ledger_id = %s AND position > %s",
                [position, self._ledger.ledger_id, position],
            )

    def known_glns(self) -> int:
        """Return how many GLNs are registered: one is never taken away, so that another number means other ones."""
        with reading(self._ledger.pool) as connection:
            row = connection.execute(
                "SELECT count(*) FROM access.identifier WHERE ledger_id = %s AND scheme = 'gln'",
                [self._ledger.ledger_id],
            ).fetchone()
        assert row is not None
        return int(row[0])

    def skip(self, organisations: Mapping[str, Reader], after: int, until: int) -> set[str]:
        """Move the cursors at `after` of those that see nothing up to `until`, and return the others."""
        with reading(self._ledger.pool) as connection:
            window = {"ledger": self._ledger.ledger_id, "after": after, "until": until}
            present = {visibility for (visibility,) in connection.execute(_PRESENT, window)}
        blind = [name for name, reader in organisations.items() if present.isdisjoint(self._visibility.extents(reader))]
        if blind:
            with reading(self._ledger.pool) as connection:
                connection.execute(
                    "UPDATE work.judged SET position = %s WHERE ledger_id = %s AND position = %s"
                    " AND organisation = ANY(%s)",
                    [until, self._ledger.ledger_id, after, blind],
                )
        return organisations.keys() - blind

    def said(self, reader: Reader, after: int, until: int, known_at: int) -> Said:
        """Return what a reader sees in (after, until]; of items that it may name, those of its own things."""
        extents = self._visibility.extents(reader)
        asked = {
            "ledger": self._ledger.ledger_id,
            "after": after,
            "until": until,
            "known_at": known_at,
            "visible": bigints(extents),
        }
        with reading(self._ledger.pool) as connection:
            # Never prepared: a plan for any list of visibilities compares with each of them.
            rows = connection.execute(_SAID, asked, prepare=False, binary=True).fetchall()
        named = self.own(reader, _nameable(rows, extents), known_at)
        events: list[SeenEvent] = []
        registered = 0
        for row in rows:
            extent = extents[row[_VISIBILITY]]
            if row[_TYPE] in EPCIS_TYPES:
                events.append(see_row(row, extent, named))
            elif row[_TYPE] in DECISION_TYPES:
                decision = see_decision(row, extent)
                if decision is not None:
                    events.append(decision)
            elif row[_TYPE] in STATEMENTS:
                registered = max(registered, row[Column.POSITION])
        return Said(events, registered)

    def own(self, reader: Reader, things: Collection[str], known_at: int) -> set[str]:
        """Return those of these things of which a reader's organisation recorded something itself.

        By the hashes of their tags: one that has the hash of another is judged too, by what the reader sees of it.
        """
        own = [o.id for o in self._visibility.opened(reader) if o.visibility.captured_by == reader.organisation]
        if not things or not own:
            return set()
        tags = {self._tag(thing): thing for thing in things}
        asked = {
            "ledger": self._ledger.ledger_id,
            "tags": bigints(tags),
            "own": bigints(own),
            "known_at": known_at,
        }
        with reading(self._ledger.pool) as connection:
            return {tags[tag] for (tag,) in connection.execute(_OWN, asked, prepare=False)}

    def settle(self, cursor: Cursor, until: int, known_at: int, things: Sequence[str], found: Sequence[Found]) -> bool:
        """Move a cursor to `until` and write what was found about things, and that the rest about them has ended.

        False, and nothing is changed, when the cursor is elsewhere by now.
        """
        by_digest = {(each.one.position, each.digest): each for each in found}
        ones = [each.one for each in by_digest.values()]
        values: dict[str, Any] = {
            "ledger": self._ledger.ledger_id,
            "organisation": cursor.organisation,
            "known_at": known_at,
            "tags": bigints(map(self._tag, things)),
            "things": list(things),
            "positions": [position for position, _ in by_digest],
            "digests": [digest for _, digest in by_digest],
            "event_ids": [each.event_id for each in by_digest.values()],
            "found": [one.thing for one in ones],
            "found_tags": bigints(self._tag(one.thing) for one in ones),
            "codes": [one.rule.value for one in ones],
            "severities": [one.severity for one in ones],
            "against": [one.against for one in ones],
            "against_ids": [each.against_id for each in by_digest.values()],
            "told": [one.told for one in ones],
        }
        moved = [until, self._ledger.ledger_id, cursor.organisation, cursor.position, cursor.rights, cursor.register_at]
        with reading(self._ledger.pool) as connection, connection.transaction():
            # First, so that a second one that judges waits here, and then finds the cursor moved.
            updated = connection.execute(
                "UPDATE work.judged SET position = %s WHERE ledger_id = %s AND organisation = %s AND position = %s"
                " AND rights = %s AND register_at = %s",
                moved,
            )
            if not updated.rowcount:
                return False
            if things:
                connection.execute(_END, values, prepare=False)
            if found:
                connection.execute(_FIND, values, prepare=False)
        return True

    def _tag(self, thing: str) -> int:
        return self._ledger.rules.tag_hash(f"item:{thing}")


def forget_judged(connection: psycopg.Connection, ledger_id: int) -> None:
    """Have a ledger judged from its first event on: what it was judged by was another index."""
    connection.execute("DELETE FROM work.judged WHERE ledger_id = %s", [ledger_id])


def _nameable(rows: Sequence[tuple[Any, ...]], extents: Mapping[int, frozenset[str]]) -> set[str]:
    """Return the things of events of which a reader sees only the items that it names."""
    return {
        thing
        for row in rows
        if ITEM in (extent := extents[row[_VISIBILITY]]) and "what" not in extent and row[_TYPE] in EPCIS_TYPES
        for thing in see_row(row, extent | _EVERY_PART, ()).things
    }
