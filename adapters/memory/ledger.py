"""The ledger in memory: the contract of `adapters.postgres.ledger` in its plainest form."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from eventsourcing.dcb.api import (
    DCBAppendCondition,
    DCBEvent,
    DCBQuery,
    DCBReadResponse,
    DCBSequencedEvent,
    DCBSubscription,
)

from traceability.errors import InvalidInputError
from traceability.ledger.commitment import entry_of, leaf_hash
from traceability.ledger.event import LedgerEvent, opaque_data
from traceability.ledger.index import visibility_id
from traceability.ledger.store import (
    ATOMIC_LIMIT,
    AppendConflictError,
    Appended,
    Ledger,
    LedgerRules,
    Outcome,
    Prepared,
    Record,
    matches,
    prepare,
)


class MemoryLedger(Ledger):
    """One ledger, kept in a list: record n is at index n - 1."""

    def __init__(self, rules: LedgerRules, *, organisation: str) -> None:
        self._rules = rules
        self._organisation = organisation
        self._records: list[Record] = []
        self._identities: dict[str, Record] = {}
        self._grown = threading.Condition()

    def head(self) -> int:
        """Return the last position, 0 for an empty ledger."""
        return len(self._records)

    def records(self, positions: Sequence[int]) -> list[Record]:
        """Return the records at these positions that exist, in order of position."""
        return [self._records[p - 1] for p in sorted(set(positions)) if 0 < p <= len(self._records)]

    def record_of(self, event_id: UUID) -> Record | None:
        """Return the record of an event, or None."""
        return next((record for record in self._records if record.event.event_id == event_id), None)

    def read(
        self, query: DCBQuery | None = None, *, after: int | None = None, limit: int | None = None
    ) -> DCBReadResponse:
        """Return the events that match, in order of position."""
        head = len(self._records)
        found = [
            DCBSequencedEvent(event=record.event, position=record.position)
            for record in self._records[after or 0 : head]
            if matches(query or DCBQuery(), record.event.type, record.event.tags)
        ]
        if limit is None:
            return _ReadResponse(found, head)
        found = found[:limit]
        return _ReadResponse(found, found[-1].position if found else None)

    def subscribe(self, query: DCBQuery | None = None, *, after: int | None = None) -> _Subscription:
        """Yield matching events as they come."""
        return _Subscription(self, query, after)

    def append(self, events: Sequence[DCBEvent], condition: DCBAppendCondition | None = None) -> int:
        """Append all events or none; see `PostgresLedger.append`."""
        if not 0 < len(events) <= ATOMIC_LIMIT:
            raise InvalidInputError(
                f"an append takes 1 to {ATOMIC_LIMIT} events, not {len(events)}", code="ledger.too_many_events"
            )
        prepared = [prepare(event, self._rules, captured_by=self._organisation) for event in events]
        with self._grown:
            if condition is not None:
                for found in self.read(condition.fail_if_events_match, after=condition.after):
                    raise AppendConflictError(f"the event at position {found.position} matches the append condition")
            for event in prepared:
                self._record(event)
            self._grown.notify_all()
            return len(self._records)

    def append_all(self, events: Iterable[LedgerEvent]) -> Iterator[list[Appended]]:
        """Append events one by one, none twice."""
        for index, event in enumerate(events):
            prepared = prepare(event, self._rules, captured_by=self._organisation)
            with self._grown:
                known = self._identities.get(prepared.index.identity or "")
                record = known or self._record(prepared)
                self._grown.notify_all()
            outcome = Outcome.RECORDED
            if known is not None:
                digest = self._rules.content_digest
                same = digest(known.event.parts) == digest(event.parts)
                outcome = Outcome.DUPLICATE if same else Outcome.CONFLICT
            assert record.event.event_id is not None
            yield [Appended(index, outcome, record.position, record.event.event_id)]

    def wait(self, after: int, seconds: float) -> None:
        """Wait until the head is beyond `after`, or for so many seconds."""
        with self._grown:
            self._grown.wait_for(lambda: len(self._records) > after, seconds)

    def _record(self, prepared: Prepared) -> Record:
        last = self._records[-1].event.recorded_at if self._records else None
        recorded_at = max(self._rules.clock.now_us(), last or 0)
        event = LedgerEvent(
            type=prepared.event.type,
            data=opaque_data(prepared.event.parts),
            tags=list(prepared.index.tags),
            captured_by=prepared.event.captured_by,
            parts=prepared.event.parts,
            event_id=prepared.event_id,
            recorded_at=recorded_at,
            salt=prepared.salt,
            personal_salt=prepared.personal_salt,
            commitment=prepared.commitment,
        )
        leaf = leaf_hash(entry_of(prepared.event_id, recorded_at, prepared.commitment))
        record = Record(len(self._records) + 1, leaf, visibility_id(prepared.index.visibility), event)
        self._records.append(record)
        if prepared.index.identity is not None:
            self._identities.setdefault(prepared.index.identity, record)
        return record


class _ReadResponse(DCBReadResponse):
    def __init__(self, events: Sequence[DCBSequencedEvent], head: int | None) -> None:
        self._events = iter(events)
        self._head = head

    @property
    def head(self) -> int | None:
        return self._head

    def __next__(self) -> DCBSequencedEvent:
        return next(self._events)


class _Subscription(DCBSubscription[MemoryLedger]):
    def __init__(self, ledger: MemoryLedger, query: DCBQuery | None, after: int | None) -> None:
        super().__init__(ledger, query, after)

    def __next__(self) -> DCBSequencedEvent:
        while not self._has_been_stopped:
            event = next(self._recorder.read(self._query, after=self._last_position, limit=1), None)
            if event is not None:
                self._last_position = event.position
                return event
            self._recorder.wait(self._recorder.head(), seconds=0.05)
        raise StopIteration
