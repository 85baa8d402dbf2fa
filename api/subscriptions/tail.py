"""The end of the ledger, read once for all who wait for new events, and matched with their queries in memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import psycopg
import structlog
from eventsourcing.dcb.api import DCBQuery
from psycopg_pool import PoolTimeout

from adapters.postgres.outcome import reading
from api.background import Background
from api.subscriptions.batches import MOST_EVENTS, Asked, Batch, read_batch
from api.wiring import Engine
from traceability.errors import UnavailableError
from traceability.gs1.epcis.query.event_query import called, matches, seen, visible_parts
from traceability.gs1.epcis.subscriptions.standing import StandingQueries, is_standing
from traceability.gs1.epcis.view import EPCIS_TYPES
from traceability.gs1.epcis.writer import write_event
from traceability.ledger.access import Reader
from traceability.ledger.index import event_id_tag
from traceability.ledger.store import Record

POLL_SECONDS: Final = 0.02
ASK_SECONDS: Final = 1.0
"""How often at most a query is asked anew that master data decides, and how long the rights of a reader are kept."""
RETRY_SECONDS: Final = 1.0
_CHUNK: Final = 500
RECENT: Final = 10_000
"""Events before the head from which the tail may begin."""
MOST_WAITING: Final = 1_000
MOST_BYTES: Final = 1_048_576
"""Events, and bytes of them, that wait for one subscriber in memory; who is slower reads them from the ledger again."""
_EVERYTHING: Final = DCBQuery()
_log: Final = structlog.stdlib.get_logger("api.subscriptions")


class Feed:
    """What one subscriber is still to be told of, behind its `cursor`.

    Behind `_since` the tail brings every event that it is to be told of into the queue; what is before that, it reads
    from the ledger. Without `_since` the tail brings nothing: nobody keeps events for a receiver that is down.
    `take` may be called from any thread, but from one at a time.
    """

    def __init__(self, engine: Engine, tail: Tail, asked: Asked, cursor: int, wake: Callable[[], None]) -> None:
        self.asked = asked
        self.cursor = cursor
        self.wake = wake
        self.standing = is_standing(asked.query) and not asked.as_received and not asked.of_recalls
        self._engine = engine
        self._tail = tail
        self._lock = threading.Lock()
        self._since: int | None = None
        self._queue: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._last = 0

    @property
    def at_hand(self) -> bool:
        """Tell whether `take` needs no database."""
        return self._since is not None and self.cursor >= self._since

    def take(self, most: int = MOST_EVENTS) -> Batch | None:
        """Return the next events, `most` at most, None when there are none.

        They stay the next until the cursor is moved.
        """
        with self._lock:
            since = self._since
            if since is None:
                # Under the lock, where what the tail brings after this has to wait until it is noted.
                since = self._tail.join()
                if self.standing:
                    self._since = self._last = since
            if self.cursor >= since:
                return self._queued(most)
        return read_batch(self._engine, self.asked, self.cursor, since, most=most)

    def join(self, since: int) -> None:
        """Note that the tail brings everything behind a position."""
        with self._lock:
            self._since = self._last = since

    def move(self, position: int) -> None:
        """Move the cursor: everything up to a position was told."""
        with self._lock:
            self.cursor = position
            while self._queue and self._queue[0][0] <= position:
                self._bytes -= len(self._queue.popleft()[1])

    def offer(self, position: int, event: bytes) -> None:
        """Bring an event, from the tail."""
        with self._lock:
            # A round that failed is begun anew, and brings what it has brought before.
            if self._since is None or position <= max(self._last, self.cursor):
                return
            self._last = position
            self._queue.append((position, event))
            self._bytes += len(event)
            if len(self._queue) > MOST_WAITING or self._bytes > MOST_BYTES:
                self._forget()
        self.wake()

    def leave(self) -> None:
        """Have nothing brought until the next `take`."""
        with self._lock:
            self._forget()

    def told(self) -> int:
        """Return how far everything was told, if nothing waits: where a cursor may stand that finds nothing."""
        covered = self._tail.position
        with self._lock:
            nothing_waits = self._since is not None and self.cursor >= self._since and not self._queue
            return max(self.cursor, covered) if nothing_waits else self.cursor

    def _queued(self, most: int) -> Batch | None:
        if not self._queue:
            return None
        events = [self._queue[i] for i in range(min(most, len(self._queue)))]
        return Batch([event for _, event in events], events[-1][0])

    def _forget(self) -> None:
        self._since = None
        self._queue.clear()
        self._bytes = 0


class Tail:
    """The thread that reads what is recorded, while anybody waits for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._queries: StandingQueries[Feed] = StandingQueries()
        self._asking: dict[Feed, None] = {}
        self._target: int | None = None
        self._readers: dict[str, tuple[float, Reader]] = {}
        self.background = Background("tail", self._run)
        self._asked_at = 0.0
        self.position = 0
        """What was recorded up to here was brought to every feed that had joined."""

    def add(self, feeds: Sequence[Feed]) -> None:
        """Bring events to feeds.

        The first ones say where to begin: after a restart, not far behind, all of them are served by one reading.
        """
        with self._lock:
            if self._target is None and feeds:
                head = self._engine.ledger.head()
                first = min(feed.cursor for feed in feeds)
                self._target = self.position = max(min(first, head), head - RECENT)
            for feed in feeds:
                if feed.standing:
                    self._queries.add(feed, feed.asked.query)
                    feed.join(self._target or 0)
                else:
                    self._asking[feed] = None
        self.background.woken.set()

    def remove(self, feed: Feed) -> None:
        """Bring no more events to a feed."""
        with self._lock:
            self._queries.remove(feed)
            self._asking.pop(feed, None)

    def join(self) -> int:
        """Return a position behind which everything is brought to a feed that notes it now, and nothing before it."""
        with self._lock:
            if self._target is None:
                self._target = self.position = self._engine.ledger.head()
            return self._target

    def _run(self) -> None:
        while not self.background.stops:
            try:
                if self._is_idle():
                    self.background.rest(None)
                elif not self._round():
                    self.background.pause(POLL_SECONDS)
            except (psycopg.Error, PoolTimeout, UnavailableError) as error:
                _log.warning("new events not read", reason=str(error))
                self.background.pause(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - a thread that ended without a word would look like one that is idle
                _log.exception("new events not read")
                self.background.pause(RETRY_SECONDS)

    def _is_idle(self) -> bool:
        with self._lock:
            if self._queries or self._asking:
                return False
            self._target = None  # nobody waits: whoever comes next begins at the head
            return True

    def _round(self) -> bool:
        """Bring what is new, at most a chunk of it; False when there is nothing."""
        start = self.join() if self._target is None else self.position
        head = self._engine.ledger.head()
        self._ask(head)
        if head <= start:
            return False
        until = min(head, start + _CHUNK)
        with self._lock:
            # Before the first event is looked at: who joins from now on reads all of this round by itself.
            self._target = until
        with reading(self._engine.pool) as connection:
            records = list(self._engine.ledger.matching(connection, _EVERYTHING, start, until, chunk=_CHUNK))
        for record in records:
            self._bring(record)
        self.position = until
        return True

    def _ask(self, head: int) -> None:
        if time.monotonic() - self._asked_at < ASK_SECONDS:
            return
        self._asked_at = time.monotonic()
        with self._lock:
            feeds = list(self._asking)
        for feed in feeds:
            if feed.cursor < head:
                feed.wake()

    def _bring(self, record: Record) -> None:
        event = record.event
        if event.type not in EPCIS_TYPES or event.event_id is None or event.recorded_at is None:
            return
        index = self._engine.rules.indexer(event.parts)
        tags = (*index.tags, event_id_tag(event.event_id.hex))
        with self._lock:
            feeds = self._queries.candidates(tags, type_name=event.type, biz_step=index.visibility.biz_step)
        written: dict[tuple[frozenset[str], frozenset[str]], bytes] = {}
        extents: dict[str, frozenset[str] | None] = {}
        for feed in feeds:
            organisation, query = feed.asked.organisation, feed.asked.query
            if organisation not in extents:
                extents[organisation] = self._reader(organisation).extent(index.visibility)
            extent = extents[organisation]
            if extent is None or not query.may_find(index.visibility, extent):
                continue
            visible = visible_parts(event.parts, extent, query)
            if not matches(seen(visible, extent, event.event_id, query), event.recorded_at, query):
                continue
            same = (extent, query.asked)
            if same not in written:
                written[same] = write_event(visible, event.recorded_at, called=called(event.event_id))
            feed.offer(record.position, written[same])

    def _reader(self, organisation: str) -> Reader:
        known = self._readers.get(organisation)
        now = time.monotonic()
        if known is None or now - known[0] > ASK_SECONDS:
            known = self._readers[organisation] = (now, self._engine.organisations.reader(organisation))
        return known[1]
