"""The thread of a server that delivers what webhooks are to be told of, while no other server does.

Of all servers of a ledger one leads and delivers everything, over an event loop of its own; the others stand by and
take over within seconds. What both believe to be theirs for a moment is delivered twice, never skipped: a cursor is
moved only from where its mover saw it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from adapters.outgoing import Allowed
from adapters.outgoing.poster import Poster
from api.background import Background
from api.subscriptions.delivery import Cursors, Delivery, Means
from api.subscriptions.tail import Tail
from api.wiring import Engine
from traceability.errors import TraceabilityError, UnavailableError

TICK_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.5
"""How often it is looked which subscriptions there are."""
NOTE_SECONDS: Final = 5.0
"""How often at most a cursor is moved over what its query does not find."""
FOLLOW_SECONDS: Final = 2.0
READERS: Final = 2
"""Subscribers that read the ledger at a time: after a restart all have something to catch up with."""
RETRY_SECONDS: Final = 2.0
_log: Final = structlog.stdlib.get_logger("api.subscriptions")


class Deliverer:
    """Leads when no other process does, else stands by; after an error it begins anew from what is recorded."""

    def __init__(self, engine: Engine, tail: Tail) -> None:
        self._engine = engine
        self._tail = tail
        self.background = Background("deliverer", lambda: asyncio.run(self._run()))
        """What is under way at its end and not acknowledged is delivered again by the next leader."""
        self._tasks: dict[UUID, tuple[Delivery, asyncio.Task[None]]] = {}

    async def _run(self) -> None:
        while not self.background.stops:
            try:
                led = await self._lead()
            except (psycopg.Error, PoolTimeout, UnavailableError, OSError) as error:
                _log.warning("subscriptions not delivered", reason=str(error))
                await self._pause(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - a thread that ended without a word would look like one that is idle
                _log.exception("subscriptions not delivered")
                await self._pause(RETRY_SECONDS)
            else:
                if not led:
                    await self._pause(FOLLOW_SECONDS)

    async def _lead(self) -> bool:
        with self._engine.subscriptions.leadership(self._engine.urls.runtime) as connection:
            if connection is None:
                return False
            settings = self._engine.settings
            allowed = Allowed.parse(settings.outgoing_allow or "")
            poster = Poster(allowed, seconds=settings.subscription_timeout_seconds)
            cursors = Cursors(self._engine)
            means = Means(self._engine, self._tail, poster, cursors, asyncio.Semaphore(READERS))
            mover = asyncio.create_task(cursors.run())
            try:
                await self._deliver_all(connection, means)
            finally:
                ends = [task for _, task in self._tasks.values()]
                self._tasks.clear()
                await _end([*ends, mover])
                await poster.close()
        return True

    async def _deliver_all(self, connection: psycopg.Connection, means: Means) -> None:
        looked, noted = float("-inf"), time.monotonic()
        while not self.background.stops:
            now = time.monotonic()
            if now - looked >= LOOK_SECONDS:
                looked = now
                # Over the connection that holds the lead: when it is lost, so is the lead.
                ids = await asyncio.to_thread(self._engine.subscriptions.ids_on, connection)
                await self._look(ids, means)
            notes = now - noted >= NOTE_SECONDS
            noted = now if notes else noted
            due = self._engine.clock.now_us()
            for delivery, _ in self._tasks.values():
                if notes:
                    delivery.notes_where_it_stands = True
                # What waits for its time and not for an event.
                if notes or 0 < delivery.due_at <= due:
                    delivery.awake.set()
            await asyncio.sleep(TICK_SECONDS)

    async def _look(self, ids: set[UUID], means: Means) -> None:
        """Begin with what is new, and end what is gone or went wrong: that begins anew from its row."""
        done = [key for key, (_, task) in self._tasks.items() if task.done()]
        for key in done:
            error = self._tasks.pop(key)[1].exception()
            if error is not None:
                _log.warning("subscription interrupted", subscription=str(key), reason=str(error))
        gone = [self._tasks.pop(key)[1] for key in self._tasks.keys() - ids]
        await _end(gone)
        fresh = ids - self._tasks.keys() - set(done)
        if not fresh:
            return
        begun: dict[UUID, Delivery] = {}
        for row, definition in await asyncio.to_thread(self._engine.subscriptions.load, list(fresh)):
            try:
                begun[row.subscription_id] = Delivery(means, row, definition)
            except TraceabilityError as error:
                # A query that an earlier version accepted: it stays as it is, for a person to see.
                _log.warning("subscription not understood", subscription=str(row.subscription_id), code=error.code)
        self._tail.add([delivery.feed for delivery in begun.values() if delivery.streams])
        self._tasks |= {key: (delivery, asyncio.create_task(delivery.run())) for key, delivery in begun.items()}

    async def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.background.stops:  # noqa: ASYNC110 - another thread stops this one
            await asyncio.sleep(TICK_SECONDS)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task


@contextmanager
def tailing(engine: Engine) -> Iterator[Tail]:
    """Read what is recorded, for whoever waits for it, for as long as the context lasts."""
    tail = Tail(engine)
    with tail.background:
        yield tail


@contextmanager
def delivering(engine: Engine) -> Iterator[Tail]:
    """Deliver subscriptions in the background for as long as the context lasts; give what brings new events."""
    with tailing(engine) as tail, Deliverer(engine, tail).background:
        yield tail
