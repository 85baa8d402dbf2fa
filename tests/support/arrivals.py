"""A ledger to which happenings come in any order: late, twice, and taken back."""

from __future__ import annotations

from adapters.memory.ledger import MemoryLedger
from adapters.memory.provenance import MemoryProvenance
from tests.support.desks import Counter, TickingClock
from tests.support.happenings import MAKER, Decided, Happening, hours, records
from tests.support.holders import SEES_ALL
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.access import Reader
from traceability.ledger.store import LedgerRules, Outcome


class Arrivals:
    """What was recorded, in the order of arrival: `told[n]` is at position n + 1."""

    def __init__(self) -> None:
        rules = LedgerRules(index_rows, content_digest, TickingClock(), Counter())
        self.ledger = MemoryLedger(rules, organisation=MAKER)
        self.told: list[Happening | Decided] = []

    def deliver(self, happening: Happening | Decided) -> Outcome:
        """Record what arrives; what the same organisation sent before is not recorded again."""
        (record,) = records([happening])
        record.event.event_id = record.event.recorded_at = None
        ((appended,),) = self.ledger.append_all([record.event])
        if appended.outcome is Outcome.RECORDED:
            self.told.append(happening)
        return appended.outcome

    def index(self, *, as_of: float | None = None, reader: Reader = SEES_ALL) -> MemoryProvenance:
        """Return what a reader sees of it, of what happened up to an hour."""
        last = None if as_of is None else hours(as_of)
        positions = [n for n, one in enumerate(self.told, 1) if last is None or hours(one.at) <= last]
        return MemoryProvenance(self.ledger.records(positions), reader=reader, indexer=index_rows)
