"""What a subscriber is told of: the events of a query behind a position, in the order in which they were recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from api.epcis_forms import Form
from api.epcis_headers import EpcFormat, Wish
from api.recall_webhooks import TOLD_IN_RECALLS, read_told, told_document
from api.web.negotiation import JSON
from api.wiring import Engine
from traceability.gs1.epcis.query.conditions import Span
from traceability.gs1.epcis.query.event_query import EventQuery, Order, Place
from traceability.gs1.epcis.query.parameters import read_json_query
from traceability.gs1.epcis.strict_json import loads
from traceability.gs1.epcis.writer import write_event

MOST_EVENTS: Final = 100
"""Events of one delivery; more follow in the next."""
PLAIN: Final = Wish()
"""JSON with Digital Links."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, by whom it is asked, who is told and in which form; its answer is in the order of positions."""

    organisation: str
    query_name: str
    subscription_id: str
    query: EventQuery
    wish: Wish = PLAIN

    @property
    def of_recalls(self) -> bool:
        """Tell whether it is no query, but what the organisation is told in recall cases."""
        return self.query_name == TOLD_IN_RECALLS

    @property
    def as_received(self) -> bool:
        """Tell whether events are wanted as they came in, which is looked up for a page of them."""
        return self.wish.as_received


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in JSON, as `write_event` has them or as received; with them all up to position `up_to` is told.

    Of events as received `told` says whether all of them could be given so.
    """

    events: Sequence[bytes]
    up_to: int
    told: EpcFormat | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What is sent: a body, and the headers that tell of its form."""

    body: bytes
    headers: Mapping[str, str]


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
    reader = engine.organisations.reader(asked.organisation)
    if asked.of_recalls:
        events, last = read_told(engine, reader, after, until, most)
        return Batch(events, until if last is None else last)
    page = engine.event_queries.page(
        asked.query,
        reader=reader,
        size=most,
        after=Place(head=until, occurred_at=0, position=after),
        known_at=until,
    )
    up_to = until if page.next is None else page.next.position
    if asked.as_received:
        form = Form(engine, reader, asked.wish)
        return Batch(form.events(page.events), up_to, form.told)
    return Batch([write_event(event.parts, event.recorded_at, called=event.called) for event in page.events], up_to)


def document_of(engine: Engine, asked: Asked, batch: Batch) -> Document:
    """Return a batch as the EPCISQueryDocument that is sent; raises `NotInXmlError`."""
    if asked.of_recalls:
        return Document(told_document(batch.events, asked.subscription_id), {"Content-Type": JSON})
    form = Form(engine, None, asked.wish)
    body = form.around(
        batch.events if asked.as_received else form.spelled(batch.events),
        created_at=engine.clock.now_us(),
        query_name=asked.query_name,
        subscription_id=asked.subscription_id,
    )
    headers = {"Content-Type": asked.wish.media_type, **asked.wish.versions, "GS1-EPC-Format": batch.told or form.told}
    if form.prefixes:
        headers["GS1-Extensions"] = ", ".join(f"{prefix}={iri}" for prefix, iri in form.prefixes.items())
    return Document(body, headers)
