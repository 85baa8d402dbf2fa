"""Subscriptions over a websocket (EPCIS 2.0 §12.8): the events of a named query for as long as the connection lasts.

Nothing is kept of them: who comes again says with initialRecordTime since when. A request that is refused is answered
with problem details, as any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, cast
from uuid import UUID

import structlog
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.epcis_headers import MIN_RECORD_TIME
from api.epcis_negotiation import wish_of_socket
from api.named_queries import named
from api.problems import problem_of
from api.security import subscriber_of
from api.subscriptions.batches import Asked, Batch, asked_of, document_of, read_batch
from api.subscriptions.manage import least_record_time
from api.subscriptions.tail import Feed, Tail
from api.wiring import Engine
from traceability.errors import BusyError, TraceabilityError, UnavailableError
from traceability.gs1.epcis.subscriptions.schedule import Schedule
from traceability.gs1.epcis.subscriptions.subscription import Controls, check_subscribable, read_socket
from traceability.ledger.event import utc_text
from traceability.ledger.identifiers import event_id

router = APIRouter(prefix="/epcis")

MOST: Final = 500
"""Websockets of one server."""

_TICK_SECONDS: Final = 0.2
_READERS: Final = 2
_GOING_AWAY: Final = 1012  # "service restart": the client may come again
_log: Final = structlog.stdlib.get_logger("api.subscriptions")


@dataclass(frozen=True)
class _Subscriber:
    asked: Asked
    controls: Controls
    cursor: int
    least_record_time: int


class Sockets:
    """The websockets of one server."""

    def __init__(self) -> None:
        self.open = 0
        self.turns = asyncio.Semaphore(_READERS)
        """How many read the ledger at a time."""


@router.websocket("/queries/{queryName}/events")
async def subscribe_here(socket: WebSocket, queryName: str) -> None:  # noqa: N803 - the standard's
    """Send the events of a query, each as it is recorded (`stream=true`) or when a schedule says, as documents."""
    engine = cast("Engine", socket.app.state.engine)
    tail: Tail | None = getattr(socket.app.state, "tail", None)
    sockets: Sockets = socket.app.state.sockets
    try:
        if tail is None:
            raise UnavailableError("This server delivers no subscriptions", code="subscription.not_served")
        if sockets.open >= MOST:
            raise BusyError(f"There are {MOST} websockets already", code="subscription.too_many_sockets")
        subscriber = await asyncio.to_thread(
            _subscriber, engine, socket.headers, queryName, socket.query_params.multi_items()
        )
    except TraceabilityError as error:
        await socket.send_denial_response(problem_of(error, socket.url.path))
        return
    sockets.open += 1
    try:
        least = utc_text(subscriber.least_record_time)
        await socket.accept(headers=[(MIN_RECORD_TIME.lower().encode(), least.encode())])
        await _serve(engine, tail, sockets, socket, subscriber)
    finally:
        sockets.open -= 1


async def _serve(engine: Engine, tail: Tail, sockets: Sockets, socket: WebSocket, subscriber: _Subscriber) -> None:
    """Tell events until the other side goes away; what it says is not listened to."""
    telling = asyncio.create_task(_tell(engine, tail, sockets, socket, subscriber))
    leaving = asyncio.create_task(_until_it_leaves(socket))
    try:
        await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if telling.done() and (error := telling.exception()) is not None and not isinstance(error, WebSocketDisconnect):
            _log.warning("websocket interrupted", reason=str(error))
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(_GOING_AWAY)
    finally:
        for task in (telling, leaving):
            task.cancel()
        await asyncio.gather(telling, leaving, return_exceptions=True)


async def _until_it_leaves(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def _tell(engine: Engine, tail: Tail, sockets: Sockets, socket: WebSocket, subscriber: _Subscriber) -> None:
    asked, schedule = subscriber.asked, subscriber.controls.schedule
    if schedule is not None:
        await _report(engine, sockets, socket, subscriber, schedule)
        return
    awake = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(awake.set)

    feed = Feed(engine, tail, asked, subscriber.cursor, wake)
    await asyncio.to_thread(tail.add, [feed])
    try:
        while True:
            awake.clear()
            async with sockets.turns:
                batch = await asyncio.to_thread(feed.take)
            if batch is None:
                await awake.wait()
                continue
            if batch.events:
                await _send(engine, socket, asked, batch)
            feed.move(batch.up_to)
    finally:
        tail.remove(feed)


async def _report(
    engine: Engine, sockets: Sockets, socket: WebSocket, subscriber: _Subscriber, schedule: Schedule
) -> None:
    position = subscriber.cursor
    while True:
        due = schedule.next_after(engine.clock.now_us())
        while engine.clock.now_us() < due:  # noqa: ASYNC110 - the clock is a port, and not the loop's
            await asyncio.sleep(_TICK_SECONDS)
        until = await asyncio.to_thread(engine.ledger.head)
        told = False
        while position < until:
            async with sockets.turns:
                batch = await asyncio.to_thread(read_batch, engine, subscriber.asked, position, until)
            if batch.events:
                await _send(engine, socket, subscriber.asked, batch)
                told = True
            position = batch.up_to
        if subscriber.controls.report_if_empty and not told:
            await _send(engine, socket, subscriber.asked, Batch([], until))


async def _send(engine: Engine, socket: WebSocket, asked: Asked, batch: Batch) -> None:
    document = await asyncio.to_thread(document_of, engine, asked, batch)
    await socket.send_text(document.body.decode())


def _subscriber(
    engine: Engine, headers: Mapping[str, str], query_name: str, parameters: list[tuple[str, str]]
) -> _Subscriber:
    """Return who asks for what; raises what the same request over HTTP would, and what `read_socket` does."""
    organisation = subscriber_of(engine, headers)
    query = named(engine, organisation, query_name)
    now = engine.clock.now_us()
    controls = read_socket(parameters, now_us=now)
    subscription_id: UUID = event_id(now, engine.entropy.token(10))
    asked = asked_of(organisation, query.name, query.definition, str(subscription_id), controls.since)
    asked = replace(asked, wish=wish_of_socket(headers))
    check_subscribable(asked.query)
    cursor = engine.subscriptions.start_of(controls.since)
    passed = engine.subscriptions.recorded_at([cursor])
    return _Subscriber(asked, controls, cursor, least_record_time(controls.since, passed.get(cursor), now))
