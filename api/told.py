"""What a reader sees of single records: what is said in them, and EPCIS events with what takes them back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar
from uuid import UUID

from adapters.postgres.decisions import records_under
from api.wiring import Engine
from traceability.ledger.access import Reader, redact
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record
from traceability.supply_chain.seen import SeenEvent, see

_Said = TypeVar("_Said")


def said_to(
    engine: Engine, reader: Reader, record: Record, read: Callable[[Parts, int, UUID, int], _Said | None]
) -> _Said | None:
    """Return what `read` makes of the parts of a record that a reader may see, its position, id and time; or None."""
    event = record.event
    extent = reader.extent(engine.rules.indexer(event.parts).visibility)
    if extent is None or event.event_id is None or event.recorded_at is None:
        return None
    return read(redact(event.parts, extent, ()), record.position, event.event_id, event.recorded_at)


def events_under(
    engine: Engine, reader: Reader, tags: Collection[str], known_at: int
) -> tuple[list[SeenEvent], list[Record]]:
    """Return the EPCIS events under tags that a reader sees up to a position, with what takes some of them back.

    The records are those under the tags, whatever they say.
    """
    visible = engine.visibility.allowed(reader)

    def under(some: Collection[str]) -> list[Record]:
        return records_under(engine.ledger, some, visible, known_at) if some else []

    records = under(tags)
    events = list(_events_in(engine, reader, records))
    # Whoever takes an event back need not say again what it told.
    names = sorted({f"event:{event.joined[1]}" for event in events if event.joined is not None})
    events += [event for event in _events_in(engine, reader, under(names)) if event.declares]
    return events, records


def _events_in(engine: Engine, reader: Reader, records: Iterable[Record]) -> Iterator[SeenEvent]:
    for record in records:
        extent = reader.extent(engine.rules.indexer(record.event.parts).visibility)
        event = None if extent is None else see(record, extent, ())
        if event is not None:
            yield event
