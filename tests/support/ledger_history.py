"""What must hold of a ledger whatever was done to it: checks against everything that it holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from adapters.postgres.ledger import PostgresLedger
from adapters.postgres.reindex import reindex
from tests.ledgers import index_test_event
from tests.support.ledger_writer import query_of
from traceability.ledger.commitment import commit, entry_of, leaf_hash
from traceability.ledger.index import TagHash, tag_hash
from traceability.ledger.store import Record, matches

ROOT = Path(__file__).parents[2]
CHUNK = 1_000


@contextmanager
def writers(url: str, seed: int, appends: int, notes: Sequence[Path]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Give a process for each file of notes that writes (see `tests.support.ledger_writer`), as long as the context."""
    arguments = [sys.executable, "-m", "tests.support.ledger_writer", url]
    processes = [
        subprocess.Popen([*arguments, str(seed + n), str(appends), str(path)], cwd=ROOT) for n, path in enumerate(notes)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def read_notes(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what a writer noted; a last line without its end was cut by a kill and says nothing."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield orjson.loads(line)


def text_of(record: Record) -> str:
    return str(orjson.loads(record.event.data)["text"])


def check_ledger(ledger: PostgresLedger, owner_url: str, hash_of: TagHash = tag_hash) -> list[Record]:
    """Check that positions have no gap, times do not fall, leaves recompute and the index is that of the records.

    Returns every record.
    """
    head = ledger.head()
    history = [r for first in range(1, head + 1, CHUNK) for r in ledger.records(range(first, first + CHUNK))]
    assert [record.position for record in history] == list(range(1, head + 1))
    last = 0
    for record in history:
        stored = record.event
        assert stored.recorded_at is not None
        assert stored.recorded_at >= last
        last = stored.recorded_at
        assert stored.event_id is not None
        assert stored.salt is not None
        assert stored.personal_salt is not None
        commitment = commit(stored.parts, stored.salt, stored.personal_salt)
        assert stored.commitment == commitment
        assert record.leaf_hash == leaf_hash(entry_of(stored.event_id, stored.recorded_at, commitment))
    differences = reindex(owner_url, ledger.name, ledger.rules.indexer, hash_of=hash_of, repair=False)
    assert [d for d in differences if d] == []
    return history


def check_notes(history: list[Record], notes: list[dict[str, Any]]) -> None:
    """Check what writers were told against what the ledger holds."""
    texts = [text_of(record) for record in history]
    assert len(set(texts)) == len(texts)
    for note in notes:
        query = query_of(note["query"]) if note.get("query") else None
        if "position" in note:
            first = note["position"] - len(note["texts"])  # as an index: positions count from 1
            assert texts[first : note["position"]] == note["texts"]
            if query is not None:
                # The condition, replayed against the prefix of the ledger that it was decided on.
                earlier = history[note["after"] : first]
                assert not any(matches(query, r.event.type, r.event.tags) for r in earlier), note
        elif "refused" in note:
            assert query is not None
            assert any(matches(query, r.event.type, r.event.tags) for r in history[note["after"] :]), note
        for text, outcome, position in note.get("outcomes", []):
            assert (texts[position - 1] == text) == (outcome == "recorded")
    identities = [i for r in history if (i := index_test_event(r.event.parts).identity) is not None]
    assert len(set(identities)) == len(identities)
