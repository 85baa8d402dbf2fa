"""The register among records in memory: the contract of `adapters.postgres.register`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from traceability.ledger.access import PUBLIC, Reader, redact
from traceability.ledger.index import Indexer
from traceability.ledger.register.register import Register
from traceability.ledger.register.registers import Registers
from traceability.ledger.register.stated import Stated, stated_in
from traceability.ledger.register.statements import FOR_ALL, PrefixHeld
from traceability.ledger.store import Record


class MemoryRegister(Registers):
    """Looks at every record for every question."""

    def __init__(self, records: Callable[[], Sequence[Record]], indexer: Indexer, operator: str) -> None:
        self._records = records
        self._indexer = indexer
        self._operator = operator

    def for_all(self, known_at: int | None = None) -> Register:
        """Return prefixes, rules and registrars."""
        return Register(self._for_all(known_at), self._operator)

    def about(self, organisations: Collection[str], reader: Reader, known_at: int | None = None) -> Register:
        """Return what a reader may see about organisations, with what it rests on."""
        own = [one for one in self._seen(reader, known_at) if not set(one.said.about).isdisjoint(organisations)]
        theirs = {one.said.subject for one in own if isinstance(one.said, PrefixHeld)}
        general = self._for_all(known_at)
        rest = [one for one in general if not isinstance(one.said, PrefixHeld) or one.said.subject in theirs]
        return Register([*own, *(one for one in rest if one not in own)], self._operator)

    def _for_all(self, known_at: int | None) -> list[Stated]:
        seen = self._seen(Reader(PUBLIC), known_at)
        return [one for one in seen if not set(one.said.tags).isdisjoint(FOR_ALL)]

    def _seen(self, reader: Reader, known_at: int | None) -> list[Stated]:
        found = []
        for record in self._records():
            if known_at is not None and record.position > known_at:
                continue
            event = record.event
            extent = reader.extent(self._indexer(event.parts).visibility)
            if extent is None or event.event_id is None or event.recorded_at is None:
                continue
            stated = stated_in(redact(event.parts, extent, ()), record.position, event.event_id, event.recorded_at)
            if stated is not None:
                found.append(stated)
        return found
