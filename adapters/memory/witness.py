"""What a witness remembers, in memory: the fake of `adapters.witness.FileWitnessStore`."""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence

from traceability.notary.evidence import Contradiction, Evidence
from traceability.notary.witness import LogMemory, origin_hash

MAX_UNPROVEN = 16


class MemoryWitnessStore:
    """The notes and evidence of every log, by the hash of its origin."""

    def __init__(self) -> None:
        self.notes: dict[str, bytes] = {}
        self.kept: dict[str, Evidence] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    @contextlib.contextmanager
    def hold(self, origin: str) -> Iterator[LogMemory]:
        """Give a log's memory to one caller at a time."""
        with self._locks[origin]:
            yield _Entry(self, origin_hash(origin))

    def served(self, origin_hash: str) -> bytes | None:
        """Return the note of a log, None when there is none."""
        return self.notes.get(origin_hash)

    def evidence(self) -> Sequence[Evidence]:
        """Return all evidence, the oldest first."""
        return sorted(self.kept.values(), key=lambda evidence: (evidence.seen_at, evidence.name))


class _Entry:
    """One log's memory."""

    def __init__(self, store: MemoryWitnessStore, key: str) -> None:
        self._store = store
        self._key = key

    def checkpoint(self) -> bytes | None:
        return self._store.notes.get(self._key)

    def replace(self, note: bytes) -> None:
        self._store.notes[self._key] = note

    def keep(self, evidence: Evidence) -> None:
        kept = self._store.kept
        unproven = sum(
            one.contradiction is Contradiction.UNPROVEN and origin_hash(one.checkpoints[0].origin) == self._key
            for one in kept.values()
        )
        if evidence.contradiction is not Contradiction.UNPROVEN or unproven < MAX_UNPROVEN:
            kept.setdefault(evidence.name, evidence)
