"""Records as PostgreSQL gives them back."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import orjson

from traceability.ledger.event import LedgerEvent, opaque_data
from traceability.ledger.index import Indexer
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record

RECORD_COLUMNS: Final = (
    "r.position, r.recorded_at, r.leaf_hash, r.event_id, r.visibility, r.type, r.commitment, r.salt, r.personal_salt, "
    'r.head, r.what, r."where", r.why, r.how, r.more, r.personal, r.source'
)
RecordRow = tuple[
    int, int, bytes, UUID, int, str, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes
]


class _StoredEvent(LedgerEvent):
    """An event whose tags are computed when somebody asks: most readers never do, and a pallet has a thousand."""

    def __init__(self, row: RecordRow, indexer: Indexer) -> None:
        _, recorded_at, _, event_id, _, event_type, commitment, salt, personal_salt, head, what, *rest = row
        self.type = event_type
        self.event_id = event_id
        self.recorded_at = recorded_at
        self.commitment = commitment
        self.salt = salt
        self.personal_salt = personal_salt
        self.parts = Parts(head, tuple(what.split(b"\n")) if what else (), *rest)
        self.captured_by = orjson.loads(head)["captured_by"]
        self._indexer = indexer

    def __getattr__(self, name: str) -> object:
        match name:
            case "tags":
                self.tags = list(self._indexer(self.parts).tags)
            case "data":
                self.data = opaque_data(self.parts)
            case _:
                raise AttributeError(name)
        return getattr(self, name)


def record_of_row(row: RecordRow, indexer: Indexer) -> Record:
    """Decode a row of `RECORD_COLUMNS`."""
    return Record(position=row[0], leaf_hash=row[2], visibility=row[4], event=_StoredEvent(row, indexer))
