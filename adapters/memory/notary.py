"""The coordinating side of a log in memory: the fake of `adapters.postgres.notary`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import orjson

from traceability.ledger.commitment import entry_of
from traceability.notary.errors import ClosedLogError
from traceability.notary.ports import Cosignature, LogIdentity, SequencedEntry, SignedCheckpoint, StoredEvent, StoredRow


class MemoryLogDatabase:
    """A log over `records`, a list that may grow; the index in the list is the leaf index."""

    def __init__(self, identity: LogIdentity, records: Sequence[StoredEvent]) -> None:
        self.identity = identity
        self.records = records
        self.signed: dict[int, SignedCheckpoint] = {}
        self.cosigned: dict[int, dict[str, Cosignature]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def leadership(self) -> Iterator[bool]:
        """Give True to one caller at a time."""
        leads = self._lock.acquire(blocking=False)
        try:
            yield leads
        finally:
            if leads:
                self._lock.release()

    def sequenced(self) -> int:
        """Return the number of leaves: of a closed log no more than it has."""
        final = self.identity.final_size
        return len(self.records) if final is None else min(final, len(self.records))

    def close(self) -> None:
        """Close the log after its last record."""
        self.identity = replace(self.identity, last_position=self.identity.first_position + len(self.records) - 1)

    def entries(self, start: int, end: int) -> Sequence[SequencedEntry]:
        """Return leaves start … end−1."""
        return [
            SequencedEntry(entry_of(record.event_id, record.recorded_at, record.commitment), record.leaf_hash)
            for record in self.records[start:end]
        ]

    def last_signed(self) -> SignedCheckpoint | None:
        """Return the signed checkpoint of the largest tree."""
        return self.signed[max(self.signed)] if self.signed else None

    def signed_at_size(self, size: int) -> SignedCheckpoint | None:
        """Return the checkpoint that was signed for this tree size."""
        return self.signed.get(size)

    def signed_after(self, size: int, most: int) -> SignedCheckpoint | None:
        """Return the largest checkpoint of at most `size + most` leaves, else the smallest, of those beyond `size`."""
        beyond = sorted(signed for signed in [*self.signed] if signed > size)  # others may sign meanwhile
        near = [signed for signed in beyond if signed <= size + most]
        return self.signed[near[-1] if near else beyond[0]] if beyond else None

    def insert(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        """Store a checkpoint and return what is stored for its size."""
        final = self.identity.final_size
        if final is not None and signed.checkpoint.size > final:
            raise ClosedLogError(f"the log {self.identity.name} was closed at size {final}")
        return self.signed.setdefault(signed.checkpoint.size, signed)

    def cosignatures(self, size: int) -> Sequence[Cosignature]:
        """Return the cosignatures of the checkpoint of this tree size."""
        return list(self.cosigned.get(size, {}).values())

    def keep_cosignatures(self, size: int, cosignatures: Sequence[Cosignature]) -> None:
        """Store cosignatures; of two by one key, the first stays."""
        for cosignature in cosignatures:
            self.cosigned.setdefault(size, {}).setdefault(cosignature.vkey, cosignature)

    def all_signed(self, start: int = 0) -> Iterator[SignedCheckpoint]:
        """Yield every signed checkpoint of at least `start` leaves, in order of size."""
        for size in sorted(self.signed):
            if size >= start:
                yield self.signed[size]

    def events(self) -> Iterator[StoredEvent]:
        """Yield the log's records in order of position."""
        yield from list(self.records)[: self.identity.final_size]

    def rows(self, start: int, end: int) -> Iterator[StoredRow]:
        """Yield the records of leaves start … end−1."""
        first = self.identity.first_position
        for record in list(self.records):
            if first + start <= record.position < first + end:
                yield _row(record)

    def redactions_after(self, position: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield what redactions after a position say."""
        for record in list(self.records):
            if record.position > position and _type(record) == "ledger.redacted.v1":
                yield record.parts.head, record.parts.more

    def stray_position(self) -> int | None:
        """Return None: a list has no head beside it."""
        return None


def _row(record: StoredEvent) -> StoredRow:
    head, *others = record.parts.flat()
    what = b"\n".join(record.parts.what)
    hashes = record.leaf_hash, record.commitment, record.salt, record.personal_salt
    where, why, how, more, personal, source = others
    parts = head, what, where, why, how, more, personal, source
    return record.position, record.event_id.bytes, record.recorded_at, _type(record), 0, *hashes, *parts


def _type(record: StoredEvent) -> str:
    return str(orjson.loads(record.parts.head)["type"])
