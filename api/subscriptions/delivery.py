"""One webhook: its events are posted in order, each delivery until it is taken or given up, and then the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

import msgspec
import orjson

from adapters.outgoing.poster import Poster
from adapters.postgres.sealed import subscription_place
from adapters.postgres.subscriptions import DeadDelivery, Step, Subscription
from api.epcis_headers import Wish
from api.subscriptions.batches import MOST_EVENTS, PLAIN, Asked, Batch, Document, asked_of, document_of, read_batch
from api.subscriptions.tail import Feed, Tail
from api.wiring import Engine
from traceability.errors import TraceabilityError, UnavailableError
from traceability.gs1.epcis.subscriptions.halving import Halving
from traceability.gs1.epcis.subscriptions.schedule import Schedule, read_schedule
from traceability.gs1.epcis.subscriptions.signature import HEADER, sign
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.ledger.identifiers import event_id

_SECOND: Final = 1_000_000
_HOUR: Final = 3_600 * _SECOND
OK: Final = range(200, 300)
LEAST_ATTEMPTS: Final = 3
"""Of one process, before it gives up: the time may have passed while no server ran."""
SAYS_NOTHING: Final = frozenset({401, 407, 408, 429, 502, 503, 504})
"""Answers that say nothing of the events: the receiver knows us no more, is busy, or is not behind its gateway."""


class MovedError(Exception):
    """The subscription ended, or another server moved its cursor: whoever delivered it stops."""


class Cursors:
    """Moves cursors; those that are to be moved while a commit is under way share the next one."""

    def __init__(self, engine: Engine) -> None:
        self._store = engine.subscriptions
        self._waiting: list[tuple[Step, asyncio.Future[bool]]] = []
        self._wanted = asyncio.Event()

    async def move(self, step: Step) -> None:
        """Return when the cursor was moved; raises `MovedError`, and what the database raises."""
        moved: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((step, moved))
        self._wanted.set()
        if not await moved:
            raise MovedError

    async def run(self) -> None:
        """Move cursors for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            group, self._waiting = self._waiting, []
            try:
                moved = await asyncio.to_thread(self._store.advance, [step for step, _ in group])
            except Exception as error:  # noqa: BLE001 - each of those who wait learns of it
                _settle(group, error)
            else:
                _settle(group, moved)


def _settle(group: list[tuple[Step, asyncio.Future[bool]]], outcome: object) -> None:
    for step, future in group:
        if future.done():  # whoever waited was cancelled
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        elif isinstance(outcome, set):
            future.set_result(step.subscription_id in outcome)


@dataclass(frozen=True)
class Means:
    """What all deliveries of a server share; `turns` bounds how many read the ledger at a time."""

    engine: Engine
    tail: Tail
    poster: Poster
    cursors: Cursors
    turns: asyncio.Semaphore


class Delivery:
    """The delivery of one subscription, by the one server that leads.

    `due_at` is when there is something to do again, in microseconds UTC; `awake` is set when that may be now.
    """

    def __init__(self, means: Means, row: Subscription, definition: str) -> None:
        engine, tail = means.engine, means.tail
        self._means = means
        self._engine = engine
        self._tail = tail
        self._row = row
        self.awake = asyncio.Event()
        self.notes_where_it_stands = False
        self._search: Halving | None = None
        self._attempts = 0  # of this process, at the delivery behind the cursor
        self._refused_since: int | None = None  # in its attempts that end with the last one
        self._writable = MOST_EVENTS  # events of the next delivery, of which its form can say all
        self._fitting = MOST_EVENTS  # events of a delivery that was not too long for the receiver
        self._empty = True  # nothing was found for the report that is due, also of what was then given up
        asked = asked_for(row, definition)
        self.feed = Feed(engine, tail, asked, row.position, _setting(self.awake))
        self._schedule = None if row.schedule is None else schedule_of(row.schedule, row.created_at)

    @property
    def streams(self) -> bool:
        """Tell whether events are told of one by one, and not by a schedule."""
        return self._schedule is None

    @property
    def due_at(self) -> int:
        """When there is something to do again."""
        return self._row.due_at

    async def run(self) -> None:
        """Deliver until the subscription ends, a stream whose feed the tail knows; raises what the database raises."""
        with suppress(MovedError):
            try:
                while True:
                    self.awake.clear()
                    if self.due_at > self._engine.clock.now_us() or not await self._try():
                        await self.awake.wait()
            finally:
                self._tail.remove(self.feed)

    async def _try(self) -> bool:
        """Go on; what a query cannot find is a failure like one of the receiver's, seen by who asks and tried again."""
        try:
            return await self._go_on()
        except UnavailableError:
            raise
        except TraceabilityError as error:
            await self._failed(Batch((), self.feed.cursor), error.message)
            return True

    async def _go_on(self) -> bool:
        """Do what is to be done next; False when it has to be waited for."""
        if self._schedule is not None:
            await self._report(self._schedule)
            return True
        feed = self.feed
        if feed.at_hand:
            batch = feed.take(self._most)
        else:
            async with self._means.turns:
                batch = await asyncio.to_thread(feed.take, self._most)
        if batch is None:
            if self.notes_where_it_stands:
                await self._note()
            return False
        if not batch.events:
            feed.move(batch.up_to)
        elif await self._deliver(batch):
            await self._move(batch.up_to, due_at=0, notified=True)
        return True

    @property
    def _most(self) -> int:
        """How many events the next delivery has at most."""
        return min(self._writable, self._fitting, MOST_EVENTS if self._search is None else self._search.size)

    async def _note(self) -> None:
        """Move the cursor over what the query does not find, so that a restart need not look through it again."""
        self.notes_where_it_stands = False
        up_to = self.feed.told()
        if up_to > self._row.position:
            await self._move(up_to, due_at=0, notified=False)

    async def _report(self, schedule: Schedule) -> None:
        """Deliver what was recorded since the last time."""
        until = await asyncio.to_thread(self._engine.ledger.head)
        while self.feed.cursor < until:
            async with self._means.turns:
                batch = await asyncio.to_thread(
                    read_batch, self._engine, self.feed.asked, self.feed.cursor, until, most=self._most
                )
            if not batch.events:
                self.feed.move(batch.up_to)
                continue
            self._empty = False
            if not await self._deliver(batch):
                return
            await self._move(batch.up_to, due_at=self.due_at, notified=True)
        empty = self._row.report_if_empty and self._empty
        if empty and not await self._deliver(Batch([], until)):
            return
        await self._move(until, due_at=schedule.next_after(self._engine.clock.now_us()), notified=empty)
        self._empty = True

    async def _deliver(self, batch: Batch) -> bool:
        """Post a batch, and tell whether it was taken; if not, it is due again later, or given up."""
        row = self._row
        try:
            document = await self._document(batch)
        except NotInXmlError as error:
            await self._unwritable(batch, error.message)
            return False
        try:
            headers = headers_of(self._engine, document, row)
            status = await self._means.poster.post(row.dest, document.body, headers)
        except TraceabilityError as error:
            reason = error.message
        else:
            if status in OK:
                if self._search is not None:
                    self._search.taken(len(batch.events))
                return True
            if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and len(batch.events) > 1:
                self._fitting = len(batch.events) // 2
                return False
            reason = f"It answered {status}"
            if status not in SAYS_NOTHING:
                await self._refused(batch, reason)
                return False
        await self._failed(batch, reason)
        return False

    async def _document(self, batch: Batch) -> Document:
        if self.feed.asked.wish == PLAIN:
            return document_of(self._engine, self.feed.asked, batch)
        return await asyncio.to_thread(document_of, self._engine, self.feed.asked, batch)

    async def _unwritable(self, batch: Batch, reason: str) -> None:
        """Send the events before the first one that cannot be written next, or give it up: it never can be."""
        writable = 0
        with suppress(NotInXmlError):
            for event in batch.events:
                await self._document(replace(batch, events=[event]))
                writable += 1
        if writable or len(batch.events) > 1:
            self._writable = max(1, min(writable, len(batch.events) - 1))
            return
        if self._search is not None:
            self._search.refused(1)
        await self._give_up(
            batch, reason, self._row.failures + 1, self._row.failing_since or self._engine.clock.now_us()
        )

    async def _refused(self, batch: Batch, reason: str) -> None:
        """Try again what the receiver refused; after all attempts look for the events that it refuses."""
        search, now, many = self._search, self._engine.clock.now_us(), len(batch.events)
        if self._refused_since is None:
            self._refused_since = now
        goes_on = self._attempts + 1 < LEAST_ATTEMPTS or not self._is_over(now, refused=True)
        if search is None and (many <= 1 or goes_on):
            await self._failed(batch, reason, refused=True)
            return
        if search is None:
            self._search = Halving(batch.up_to, many, now)
        elif search.refused(many):
            await self._give_up(batch, reason, self._row.failures + 1, self._row.failing_since or now)
            return
        self.feed.leave()
        await self._note_failure(reason, now, due_at=now)

    def _is_over(self, now: int, *, refused: bool) -> bool:
        """Tell whether there are no more attempts at the delivery that is failing; what is refused is sooner over.

        The time for which nobody answered is none of refusals: who begins to answer may not know yet what it takes.
        """
        since = self._row.failing_since or now
        if self._search is not None:
            since = max(since, self._search.began)
        settings = self._engine.settings
        if refused and now - (self._refused_since or now) >= settings.subscription_refused_hours * _HOUR:
            return True
        return now - since >= settings.subscription_give_up_hours * _HOUR

    async def _failed(self, batch: Batch, reason: str, *, refused: bool = False) -> None:
        row, now = self._row, self._engine.clock.now_us()
        self.feed.leave()
        self._attempts += 1
        if not refused:
            self._refused_since = None
        if self._is_over(now, refused=refused) and self._attempts >= LEAST_ATTEMPTS:
            self._search = None
            await self._give_up(batch, reason, row.failures + 1, row.failing_since or now)
            return
        pause = min(2 ** min(row.failures, 30), self._engine.settings.subscription_retry_seconds)
        await self._note_failure(reason, now, due_at=now + pause * _SECOND)

    async def _note_failure(self, reason: str, now: int, *, due_at: int) -> None:
        row = self._row
        failures, since = row.failures + 1, row.failing_since or now
        noted = await asyncio.to_thread(
            self._engine.subscriptions.fail,
            row, due_at=due_at, failures=failures, failing_since=since, reason=reason,
        )  # fmt: skip
        if not noted:
            raise MovedError
        self._row = replace(row, due_at=due_at, failures=failures, failing_since=since, last_error=reason)

    async def _give_up(self, batch: Batch, reason: str, failures: int, since: int) -> None:
        """Keep the delivery as dead and go on with the next one; what reports nothing is not kept."""
        row = self._row
        if not batch.events:
            due_at = 0 if self._schedule is None else self._schedule.next_after(self._engine.clock.now_us())
            await self._move(batch.up_to, due_at=due_at, notified=False)
            return
        dead = DeadDelivery(
            event_id(self._engine.clock.now_us(), self._engine.entropy.token(10)),
            row.subscription_id, row.position, batch.up_to, len(batch.events), failures, since,
            self._engine.clock.now_us(), reason,
        )  # fmt: skip
        failing = self._goes_on_searching(batch.up_to)
        if not await asyncio.to_thread(self._engine.subscriptions.give_up, dead, due_at=0, failing=failing):
            raise MovedError
        self._moved(batch.up_to, due_at=0, failing=failing)

    async def _move(self, up_to: int, *, due_at: int, notified: bool) -> None:
        row = self._row
        notified_at = self._engine.clock.now_us() if notified else None
        failing = self._goes_on_searching(up_to)
        step = Step(row.subscription_id, row.position, up_to, due_at, notified_at, failing)
        await self._means.cursors.move(step)
        self._moved(up_to, due_at=due_at, failing=failing)

    def _goes_on_searching(self, up_to: int) -> bool:
        """Tell whether a refused delivery has more events behind a position.

        Then it is failing still, in the database too: whoever begins anew in the middle searches on after its own
        attempts.
        """
        return self._search is not None and up_to < self._search.end

    def _moved(self, up_to: int, *, due_at: int, failing: bool) -> None:
        self.feed.move(up_to)
        self._attempts = 0
        self._writable = MOST_EVENTS
        self._row = replace(self._row, position=up_to, due_at=due_at)
        if not failing:
            self._search = self._refused_since = None
            self._row = replace(self._row, failures=0, failing_since=None)


def asked_for(row: Subscription, definition: str) -> Asked:
    """Return what a subscription asks for, and in which form it wishes for it."""
    asked = asked_of(row.organisation, row.query_name, definition, str(row.subscription_id), row.since)
    return asked if row.wish is None else replace(asked, wish=msgspec.json.decode(row.wish, type=Wish))


def headers_of(engine: Engine, document: Document, subscription: Subscription) -> Mapping[str, str]:
    """Return what is sent with a document: its form, and its signature if the subscriber gave a token.

    Raises `UnavailableError` (`secrets.key`): what is to be signed is never sent without.
    """
    headers = {"User-Agent": "traceability", **document.headers}
    if subscription.token is None:
        return headers
    token = engine.secrets.open(subscription.token, subscription_place(subscription.subscription_id))
    return {**headers, HEADER: sign(document.body, token, now_us=engine.clock.now_us())}


def schedule_of(fields: str, now_us: int) -> Schedule:
    """Return the schedule that a row holds."""
    return read_schedule(orjson.loads(fields), now_us=now_us)


def _setting(event: asyncio.Event) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(event.set)

    return wake
