"""Erasures that were asked for: a request is an event, which the owner's command executes (docs/guide/erasure.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem, DCBSequencedEvent

from traceability.errors import ConflictError
from traceability.ledger.commitment import ERASED_SIZE
from traceability.ledger.event import DecisionPayload, LedgerEvent
from traceability.ledger.store import AppendConflictError, Ledger, Record
from traceability.ports import Clock

REQUESTED: Final = "erasure:requested"
"""The tag of every request; one by event is `erasure:{event id}`."""
_TRIES: Final = 3


class ErasureRequested(DecisionPayload):
    """The personal and source parts of the event at `position` are to be destroyed."""

    type_name = "ledger.erasure_requested.v1"
    position: int
    reason: str
    authority: str


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """A request as it is recorded at `requested_by`, at the time `requested_at` (µs UTC), by `organisation`.

    `erased` tells whether the event at `position` is erased by now, for whatever reason.
    """

    position: int
    event_id: UUID
    reason: str
    authority: str
    organisation: str
    requested_by: int
    requested_at: int
    erased: bool


def request_erasure(
    ledger: Ledger, record: Record, payload: ErasureRequested, *, organisation: str, clock: Clock
) -> tuple[ErasureRequest, bool]:
    """Record a request, unless there is one for this event; return it, and whether it is new.

    Two at once make one: the append depends on there being none. Raises `ConflictError`: `ledger.already_erased` for an
    event that was erased without a request, `ledger.append_conflict` when others are in the way again and again.
    """
    event_id = record.event.event_id
    one = f"erasure:{event_id}"
    query = DCBQuery(items=[DCBQueryItem(types=[ErasureRequested.type_name], tags=[one])])
    event = payload.to_event(
        captured_by=organisation, occurred_at=clock.now_us(), tags=[f"org:{organisation}", REQUESTED, one]
    )
    made, tries = False, 0
    while True:
        response = ledger.read(query)
        for known in _requests(ledger, response):
            return known, made
        if _is_erased(record):
            raise ConflictError("This event is erased already", code="ledger.already_erased")
        tries += 1
        try:
            ledger.append([event], DCBAppendCondition(fail_if_events_match=query, after=response.head))
            made = True
        except AppendConflictError:
            if tries == _TRIES:
                raise


def erasure_requests(ledger: Ledger) -> Iterator[ErasureRequest]:
    """Yield every request, in the order in which they were made."""
    query = DCBQuery(items=[DCBQueryItem(types=[ErasureRequested.type_name], tags=[REQUESTED])])
    yield from _requests(ledger, ledger.read(query))


def _requests(ledger: Ledger, found: Iterable[DCBSequencedEvent]) -> Iterator[ErasureRequest]:
    for one in found:
        event, position = one.event, one.position
        assert isinstance(event, LedgerEvent)
        assert event.recorded_at is not None
        asked = ErasureRequested.of(event)
        for record in ledger.records([asked.position]):
            assert record.event.event_id is not None
            yield ErasureRequest(
                asked.position,
                record.event.event_id,
                asked.reason,
                asked.authority,
                event.captured_by,
                position,
                event.recorded_at,
                _is_erased(record),
            )


def _is_erased(record: Record) -> bool:
    return len(record.event.personal_salt or b"") == ERASED_SIZE
