"""SimpleEventQuery in PostgreSQL: candidates from the narrow tables in the order of the answer, then their records.

Two ways lead to candidates. The *walk* merges the newest (or oldest) sightings of the visibilities that may be found,
which costs what the reader may see and not what the ledger holds; postings are looked up for each of them. It is right
for what is broad: a step, a place of the reader's own, a company prefix of half of its goods. The *postings* of the
rarest condition, sorted, are right for what is rare. Nobody knows beforehand which it is, so a condition with few
postings takes them, and any other one walks a bounded way first.

Every candidate is checked against what its reader sees (`adapters.postgres.checked_records`). A request looks at a
bounded number of rows and records; where that does not fill a page, the page is short and says where to go on (EPCIS
2.0 §12, perPage).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import Any, Final

import psycopg

from adapters.postgres.arrays import Bigints, bigints
from adapters.postgres.checked_records import MAX_BYTES, CheckedRecords
from adapters.postgres.event_query_sql import LAST_BEFORE, Statements
from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.resolved import Meant, ResolvedConditions
from adapters.postgres.sorted_answers import Asked, SortedAnswers
from adapters.postgres.visibility import PostgresVisibility
from traceability.gs1.epcis.query.conditions import Condition, OneOf
from traceability.gs1.epcis.query.event_query import (
    EventQuery,
    FoundEvent,
    Order,
    Page,
    Place,
    QueryTooComplexError,
    QueryTooLargeError,
)
from traceability.gs1.epcis.query.field_order import MOST_SORTED, FieldOrder, goes_on, page_of
from traceability.ledger.access import Reader
from traceability.ledger.register.registers import Registers

FEW: Final = 2_048
"""Postings up to which a condition counts as rare: they are sorted at once."""

SOME: Final = 8_192
"""Postings that are sorted after one batch of the walk."""

MANY: Final = 16_384
"""Postings that are sorted after two; a condition with more is walked to the end."""

WALK: Final = (256, 1_024)
"""Sightings of the first batch of a walk in the order of event time, and of the others."""

MAX_WALK: Final = 3_328
"""Sightings that one request walks."""

READING_WALK: Final = (256, 768)
"""The batches of such a walk where the record of each has to be looked at."""

MANY_MERGED: Final = 128
"""Visibilities beyond which a batch costs more than what is in it, so that such a walk is one batch."""

LEAST_STRIDE: Final = 4
"""Sightings of each visibility that tell how far a walk reaches: of fewer it would reach too far."""

WINDOWS: Final = (4_096, 16_384, 65_536, 131_072)
"""Positions that one request walks, batch after batch, in the order of record time."""

MAX_CHECKED: Final = 192
"""Records that one request reads."""

ALL_CHECKED: Final = 3_072
"""Records that a search reads before it looks for candidates anew, where all of them are wanted."""

MAX_ROUNDS: Final = 64
"""Times that a search goes on to count for `maxEventCount`, or to find all that has to be sorted."""

WIDE: Final = 48
"""Tags beyond which a candidate is not looked up under each of them: to read its record costs less."""

_CHUNK: Final = 64
_ALL_CHUNK: Final = 1_024
_LEAST_CHUNK: Final = 16
_BATCH: Final = 1_024
_FAR: Final = 1 << 62

Key = tuple[int, int]
"""occurred_at and position of an event, which is where it stands in any order."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Candidates in order; `end` is as far as was looked, None when nothing follows."""

    hits: list[Key]
    end: Key | None


class PostgresEventQueries:
    """Answers queries over one ledger; safe to share between threads."""

    def __init__(self, ledger: PostgresLedger, visibility: PostgresVisibility, registers: Registers) -> None:
        self._ledger = ledger
        self._visibility = visibility
        self._resolved = ResolvedConditions(ledger, visibility, registers)
        self._sorted = SortedAnswers()

    def page(
        self, query: EventQuery, *, reader: Reader, size: int, after: Place | None = None, known_at: int | None = None
    ) -> Page:
        """Return up to `size` events that meet the query as far as `reader` may see them, from the start or a place."""
        head = self._ledger.head()
        if after is not None:
            head = min(head, after.head)
        if known_at is not None:
            head = min(head, known_at)
        # Taken after the head: whatever was committed up to it has its visibility there.
        opened = self._visibility.opened(reader)
        resolved = self._resolved.resolve(query, reader=reader, opened=opened, known_at=head)
        if resolved is None:
            return Page([], None)
        query = resolved
        extents = {one.id: one.extent for one in opened if query.may_find(one.visibility, one.extent)}
        given = 0 if after is None else after.given
        want = size if query.limit is None else min(size, query.limit - given)
        if not extents or want <= 0:
            return Page([], None)
        start = _before_all(query) if after is None else (after.occurred_at, after.position)
        with self._ledger.pool.connection() as connection:
            search = _Search(connection, self._ledger, query, extents, head)
            if query.sorted_by is not None:
                order = self._sorted.positions(Asked(reader, query, head), search.order)
                first, stop = page_of(order, query, size=size, after=after)
                found, read = search.at(order[first:stop])
                return Page(found, goes_on(order, query, head=head, end=first + read))
            found, end = search.gather(want, start)
            if after is None and query.most is not None:
                search.hold_to(query.most, len(found), end)
        given += len(found)
        if end is None or given == query.limit:
            return Page(found, None)
        return Page(found, Place(head, *end, given))


def _before_all(query: EventQuery) -> Key:
    return (_FAR, _FAR) if query.descending else (-_FAR, 0)


class _Search:
    """The gathering of one page."""

    def __init__(
        self,
        connection: psycopg.Connection,
        ledger: PostgresLedger,
        query: EventQuery,
        extents: dict[int, frozenset[str]],
        head: int,
    ) -> None:
        self._connection = connection
        self._query = query
        self._extents = extents
        records = partial(CheckedRecords, connection, ledger.ledger_id, query, extents)
        self._whole, self._deciding = records(whole=True), records(whole=False)
        tagged = [(c, hashes) for c in query.conditions if len(hashes := _hashes(c, ledger)) > 0]
        groups = [hashes for _, hashes in tagged]
        wide = frozenset(i for i, hashes in enumerate(groups) if len(hashes) > WIDE)
        self._occurring = {i: c.occurring for i, (c, _) in enumerate(tagged) if i in wide and isinstance(c, Meant)}
        self._head = head
        self._groups = len(groups)
        self._sql = Statements(query, len(groups), wide)
        self._reads = self._sql.reads is not None or bool(wide)
        self._ledger_id = ledger.ledger_id
        span, times = query.record_time, query.event_time
        self._scope: dict[str, Any] = {
            "ledger": ledger.ledger_id,
            "low": 0 if span.since is None else self._last_before(span.since, head),
            "high": head if span.until is None else self._last_before(span.until, head),
            "since": -_FAR if times.since is None else times.since,
            "until": _FAR if times.until is None else times.until,
            "visible": list(extents),
            **{f"tags{i}": tags for i, tags in enumerate(groups)},
            **self._sql.parameters,
        }

    def gather(self, want: int, start: Key, *, all_: bool = False) -> tuple[list[FoundEvent], Key | None]:
        """Return up to `want` events behind `start`, and where to go on, None when nothing follows.

        For `all_` more is looked at, and of each event what decides.
        """
        most, largest, records = MAX_CHECKED, _CHUNK, self._whole
        if all_:
            most, largest, records = ALL_CHECKED, _ALL_CHUNK, self._deciding
        found: list[FoundEvent] = []
        end: Key | None = start
        last = start
        checked = size = 0
        for batch in self._batches(want, start):
            left = batch.hits
            while left:
                # At first as many as fill the page if all are found, then twice that.
                chunk = max(want + 1 - len(found), _LEAST_CHUNK) * (2 if checked else 1)
                events, length = records.read([position for _, position in left[: min(largest, chunk)]])
                for key, event in zip(left, events, strict=False):
                    if event is None:
                        continue
                    if len(found) == want:
                        return found, last
                    found.append(event)
                    last = key
                checked += len(events)
                size += length
                looked_at, left = left[len(events) - 1], left[len(events) :]
                # Where nothing follows, that something was looked at in vain is not told.
                if (checked >= most or size >= MAX_BYTES) and (left or batch.end is not None):
                    return found, looked_at
            end = batch.end
        return found, end

    def hold_to(self, most: int, found: int, end: Key | None) -> None:
        """Count what follows `found` events; raise an error when there are more than `most`."""
        if found + sum(map(len, self._further(end, most + 1 - found))) > most:
            raise QueryTooLargeError

    def order(self) -> array[int]:
        """Return the positions of the whole answer, sorted by the field; raises an error when it is too long."""
        order = FieldOrder(self._query)
        for events in self._further(_before_all(self._query), MOST_SORTED + 1):
            order.add(events)
        return order.positions()

    def at(self, positions: Sequence[int]) -> tuple[list[FoundEvent], int]:
        """Return the events at these positions, and of how many: those that are not too long together."""
        found: list[FoundEvent] = []
        read = size = 0
        while read < len(positions) and size < MAX_BYTES:
            events, length = self._whole.read(positions[read : read + _CHUNK])
            found += [event for event in events if event is not None]
            read += len(events)
            size += length
        return found, read

    def _further(self, end: Key | None, want: int) -> Iterator[list[FoundEvent]]:
        """Yield what follows, until there are `want`."""
        for _ in range(MAX_ROUNDS):
            if end is None or want <= 0:
                return
            events, end = self.gather(min(want, ALL_CHECKED), end, all_=True)
            want -= len(events)
            yield events
        if end is not None and want > 0:
            raise _too_complex()

    # Candidates

    def _batches(self, want: int, after: Key) -> Iterator[_Batch]:
        """Yield candidates in order until there are none, or enough was looked at."""
        driver, count = self._rarest(FEW)
        if driver is not None and count <= FEW:
            yield from self._posted(driver, want, after)
            return
        walks = self._merges if self._query.order is Order.EVENT_TIME else self._walks
        for number, batch in enumerate(walks(want, after)):
            yield batch
            if batch.end is None:
                return
            if driver is not None and number == 0:
                driver, count = self._rarest(MANY)
            if driver is not None and count <= (MANY if number or self._reads else SOME):
                yield from self._posted(driver, want, batch.end)
                return

    def _rarest(self, limit: int) -> tuple[int | None, int]:
        """Return the set of tags with the fewest postings, and how many, or more than `limit`."""
        if not self._groups:
            return None, 0
        counts: dict[int, int] = {}
        for i, occurring in self._occurring.items():
            if (known := occurring.known(limit, self._head)) is not None:
                counts[i], tags = known
                self._narrow(i, tags)
        asked = [i for i in range(self._groups) if i not in counts]
        if asked:
            row = self._connection.execute(self._sql.sizes(asked), {**self._scope, "limit": limit}).fetchone()
            assert row is not None
            for i, told in zip(asked, row, strict=True):
                counts[i] = len(told) if isinstance(told, list) else told
                if isinstance(told, list) and i in self._occurring:
                    self._occurring[i].note(told, limit, self._head)
                if isinstance(told, list) and len(told) <= limit:
                    self._narrow(i, bigints(set(told)))
        least = min(counts, key=lambda i: counts[i])
        return least, counts[least]

    def _narrow(self, group: int, tags: Bigints | None) -> None:
        """Leave out the tags of a set that lead nowhere."""
        if tags is not None:
            self._scope[f"tags{group}"] = tags

    def _merges(self, want: int, key: Key) -> Iterator[_Batch]:
        """Walk in the order of event time: over the visibilities, merged."""
        count = len(self._extents)
        for size in self._walk_sizes(want):
            stride = max(LEAST_STRIDE, 2 * size // count)
            rank = -(-size // stride)
            rows = self._ask(self._sql.merged, key, size=size, stride=stride, rank=rank)
            batch = _batch(rows, size)
            yield batch
            if batch.end is None:
                return
            key = batch.end

    def _walk_sizes(self, want: int) -> Iterator[int]:
        if self._reads and want > sum(READING_WALK):
            return iter((want,))
        if self._reads:
            return iter(READING_WALK if len(self._extents) <= MANY_MERGED else (sum(READING_WALK) // 2,))
        # Without a condition that more than a visibility decides, the first batch is the page.
        first = WALK[0] if any(not _is_step(condition) for condition in self._query.conditions) else want + 1
        rest = max(first, WALK[1])
        return chain((first,), repeat(rest, max(1, MAX_WALK // rest)))

    def _walks(self, want: int, key: Key) -> Iterator[_Batch]:
        """Walk in the order of record time: over windows of positions."""
        low, high = self._scope["low"], self._scope["high"]
        descending = self._query.descending
        for window in WINDOWS[:2] if self._reads else WINDOWS:
            at = max(low + 1, min(key[1], high + 1)) if descending else max(low, min(key[1], high))
            first, last = (at - window, at - 1) if descending else (at + 1, at + window)
            size = max(want + 1, READING_WALK[0] if self._reads else _BATCH)
            batch = _batch(self._ask(self._sql.walked, key, size=size, first=first, last=last), size)
            if batch.end is None and (first > low + 1 if descending else last < high):
                batch = _Batch(batch.hits, (0, first if descending else last))
            yield batch
            if batch.end is None:
                return
            key = batch.end

    def _posted(self, driver: int, want: int, key: Key) -> Iterator[_Batch]:
        """Sort the postings of one set of tags."""
        size = 2 * (want + 1)
        statement = self._sql.posted(driver)
        while True:
            batch = _batch(self._ask(statement, key, size=size), size)
            yield batch
            if batch.end is None:
                return
            key = batch.end
            size = max(size, _BATCH)

    def _ask(self, statement: str, key: Key, **parameters: int) -> list[tuple[int, int, bool]]:
        scope = {**self._scope, "at": key[0], "place": key[1], **parameters}
        # Never prepared: a plan for any list of visibilities compares with each of them, one for this list hashes it.
        return self._connection.execute(statement, scope, prepare=False, binary=True).fetchall()

    def _last_before(self, time: int, head: int) -> int:
        row = self._connection.execute(LAST_BEFORE, {"ledger": self._ledger_id, "head": head, "time": time}).fetchone()
        assert row is not None
        return int(row[0])


def _hashes(condition: Condition, ledger: PostgresLedger) -> Bigints:
    if isinstance(condition, Meant):
        return condition.hashes
    return bigints(map(ledger.rules.tag_hash, condition.tags))


def _too_complex() -> QueryTooComplexError:
    return QueryTooComplexError(
        "Too many events would have to be read to count or to sort the answer.",
        hint="Add a condition, such as GE_eventTime, or leave out maxEventCount or orderBy and page through it.",
    )


def _batch(rows: Sequence[tuple[int, int, bool]], size: int) -> _Batch:
    hits = [(at, position) for at, position, hit in rows if hit]
    return _Batch(hits, rows[-1][:2] if len(rows) == size else None)


def _is_step(condition: Condition) -> bool:
    return isinstance(condition, OneOf) and condition.member == "biz_step"
