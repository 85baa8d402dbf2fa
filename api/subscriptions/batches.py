"""What a subscriber is told of: the events of a query behind a position, in the order in which they were recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from api.wiring import Engine
from traceability.gs1.epcis.query.conditions import Span
from traceability.gs1.epcis.query.event_query import EventQuery, Order, Place
from traceability.gs1.epcis.query.parameters import read_json_query
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.writer import write_event, write_query_document

MOST_EVENTS: Final = 100
"""Events of one delivery; more follow in the next."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, by whom it is asked, and who is told; its answer is in the order of positions."""

    organisation: str
    query_name: str
    subscription_id: str
    query: EventQuery


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in JSON; with them everything up to position `up_to` is told."""

    events: Sequence[bytes]
    up_to: int


def asked_of(organisation: str, query_name: str, definition: str, subscription_id: str, since: int | None) -> Asked:
    """Return a named query as it is asked for a subscriber; `since` is initialRecordTime."""
    query = read_json_query(loads(definition.encode()))
    span = query.record_time
    if since is not None:
        span = Span(since if span.since is None else max(span.since, since), span.until)
    query = replace(query, order=Order.RECORD_TIME, descending=False, record_time=span)
    return Asked(organisation, query_name, subscription_id, query)


def read_batch(engine: Engine, asked: Asked, after: int, until: int, *, most: int = MOST_EVENTS) -> Batch:
    """Read the next events in (after, until] from the ledger, `most` at most, as its organisation may see them now.

    The batch may be empty and not reach `until`: looking through a long ledger is done in pieces.
    """
    page = engine.event_queries.page(
        asked.query,
        reader=engine.organisations.reader(asked.organisation),
        size=most,
        after=Place(head=until, occurred_at=0, position=after),
        known_at=until,
    )
    events = [write_event(event.parts, event.recorded_at, called=event.called) for event in page.events]
    return Batch(events, until if page.next is None else page.next.position)


def document_of(engine: Engine, asked: Asked, batch: Batch) -> bytes:
    """Return a batch as the EPCISQueryDocument that is sent."""
    return write_query_document(
        batch.events,
        created_at=engine.clock.now_us(),
        query_name=asked.query_name,
        subscription_id=asked.subscription_id,
    )
