"""The register of a ledger in PostgreSQL: what concerns everybody is kept, what is said of organisations is read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from threading import Lock
from typing import Final

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.outcome import reading
from adapters.postgres.visibility import Opened, PostgresVisibility
from traceability.ledger.access import PUBLIC, REGISTER, Reader, redact
from traceability.ledger.parts import Parts
from traceability.ledger.register.register import Register
from traceability.ledger.register.registers import Registers
from traceability.ledger.register.stated import Stated, stated_in
from traceability.ledger.register.statements import FOR_ALL, PrefixHeld, organisation_tag

_HIT: Final = """
WITH hit AS MATERIALIZED (
    SELECT DISTINCT position FROM ledger.posting
     WHERE ledger_id = %(ledger)s AND tag = ANY(%(tags)s::bigint[]) AND visibility = ANY(%(visible)s::bigint[])
       AND position > %(after)s AND position <= %(head)s)
SELECT r.position, r.recorded_at, r.event_id, r.visibility, r.head, r.more, r.personal
  FROM hit CROSS JOIN LATERAL (SELECT * FROM ledger.record
                                WHERE ledger_id = %(ledger)s AND position = hit.position OFFSET 0) r
 ORDER BY r.position
"""
_EVERYBODY: Final = Reader(PUBLIC)


class PostgresRegister(Registers):
    """Reads what concerns everybody once, and after that what was added: a ledger has few thousands of prefixes."""

    def __init__(self, ledger: PostgresLedger, visibility: PostgresVisibility, operator: str) -> None:
        self._ledger = ledger
        self._visibility = visibility
        self._operator = operator
        self._lock = Lock()
        self._known: list[Stated] = []
        self._read_to = 0
        self._folded: tuple[int, Register] = (0, Register((), operator))

    def for_all(self, known_at: int | None = None) -> Register:
        """Return prefixes, rules and registrars."""
        known = self._for_all(known_at)
        with self._lock:
            count, register = self._folded
        if count != len(known):
            register = Register(known, self._operator)
            with self._lock:
                self._folded = (len(known), register)
        return register

    def about(self, organisations: Collection[str], reader: Reader, known_at: int | None = None) -> Register:
        """Return what a reader may see about organisations, with what it rests on."""
        head = self._until(known_at)
        opened = [one for one in self._visibility.opened(reader) if _may_hold_statements(one)]
        extents = {one.id: one.extent for one in opened}
        tags = list(map(organisation_tag, organisations))
        found = self._tagged(tags, extents, head=head)
        own = [one for one in found if not set(one.said.about).isdisjoint(organisations)]
        prefixes = {one.said.subject for one in own if isinstance(one.said, PrefixHeld)}
        general = [
            one for one in self._for_all(head) if not isinstance(one.said, PrefixHeld) or one.said.subject in prefixes
        ]
        return Register({one.position: one for one in (*general, *own)}.values(), self._operator)

    def _for_all(self, known_at: int | None) -> list[Stated]:
        """Return what concerns everybody, by position."""
        with self._lock:
            read_to = self._read_to
        head = known_at if known_at is not None and known_at <= read_to else self._until(known_at)
        if read_to < head:
            extents = {one.id: one.extent for one in self._visibility.opened(_EVERYBODY) if _is_public(one)}
            read = self._tagged(FOR_ALL, extents, head=head, after=read_to)
            found = [one for one in read if not set(one.said.tags).isdisjoint(FOR_ALL)]
            with self._lock:
                # Another thread may have come as far meanwhile.
                self._known += [one for one in found if one.position > self._read_to]
                self._read_to = max(self._read_to, head)
        with self._lock:
            return self._known[: bisect_right(self._known, head, key=attrgetter("position"))]

    def _tagged(
        self, tags: Sequence[str], extents: Mapping[int, frozenset[str]], *, head: int, after: int = 0
    ) -> list[Stated]:
        """Return the statements with one of these tags, and with others of the same hash, by position."""
        if not tags or not extents:
            return []
        asked = {
            "ledger": self._ledger.ledger_id,
            "tags": [self._ledger.rules.tag_hash(tag) for tag in tags],
            "visible": list(extents),
            "after": after,
            "head": head,
        }
        found = []
        with reading(self._ledger.pool) as connection:
            # Never prepared: a plan for any list of visibilities compares with each of them.
            rows = connection.execute(_HIT, asked, prepare=False, binary=True).fetchall()
        for position, recorded_at, event_id, visibility, head_part, more, personal in rows:
            seen = redact(Parts(head_part, more=more, personal=personal), extents[visibility], ())
            stated = stated_in(seen, position, event_id, recorded_at)
            if stated is not None:
                found.append(stated)
        return found

    def _until(self, known_at: int | None) -> int:
        head = self._ledger.head()
        return head if known_at is None else min(known_at, head)


def _may_hold_statements(opened: Opened) -> bool:
    """Tell whether events of a visibility may be statements that are open: hidden ones have no step."""
    return opened.visibility.biz_step in (REGISTER, None) and "more" in opened.extent


def _is_public(opened: Opened) -> bool:
    return opened.visibility.biz_step == REGISTER
