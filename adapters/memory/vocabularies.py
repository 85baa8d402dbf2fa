"""Statements of master data among records in memory: the contract of `adapters.postgres.vocabularies`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from adapters.memory.register import MemoryRegister
from traceability.gs1.epcis.master_data import ELEMENT_STATED, Statement, statement_of
from traceability.ledger.access import Reader, redact
from traceability.ledger.index import Indexer
from traceability.ledger.organisations import LOCAL
from traceability.ledger.store import Record


class MemoryVocabularies:
    """Looks at every record for every question; `glns` are who holds which, `operator` keeps the register."""

    def __init__(
        self,
        records: Sequence[Record],
        *,
        indexer: Indexer,
        reader: Reader,
        glns: Mapping[str, str],
        known_at: int,
        personal: bool = True,
        operator: str = LOCAL,
    ) -> None:
        self.register = MemoryRegister(lambda: records, indexer, operator).for_all(known_at)
        self._glns = glns
        self.reader = reader.organisation
        self.known_at = known_at
        self._found: list[tuple[Statement, list[str]]] = []
        for record in records:
            if record.position > known_at or record.event.type != ELEMENT_STATED:
                continue
            extent = reader.extent(indexer(record.event.parts).visibility)
            if extent is None or record.event.event_id is None or record.event.recorded_at is None:
                continue
            parts = redact(record.event.parts, extent if personal else extent - {"personal"}, ())
            statement = statement_of(parts, record.position, record.event.event_id, record.event.recorded_at)
            if statement is not None:
                self._found.append((statement, record.event.tags))

    def of(self, subjects: Collection[str], vocabularies: Collection[str] | None = None) -> list[Statement]:
        """Return every statement about these subjects, in these vocabularies, in all of them where None."""
        return [
            one
            for one, _ in self._found
            if one.element.subject in subjects and (vocabularies is None or one.element.vocabulary in vocabularies)
        ]

    def tagged(self, tags: Collection[str], limit: int, after: int = 0, *, up_to: int | None = None) -> list[Statement]:
        """Return statements with one of these tags, in order of position from behind `after`, up to `limit`.

        Looks no further than the position `up_to`.
        """
        last = self.known_at if up_to is None else up_to
        found = [one for one, own in self._found if after < one.position <= last and not set(own).isdisjoint(tags)]
        return found[:limit]

    def holders(self, glns: Collection[str]) -> Mapping[str, str]:
        """Return the organisations that hold these GLNs (13 digits)."""
        return {gln: self._glns[gln] for gln in glns if gln in self._glns}
