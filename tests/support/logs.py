"""Logs made up for tests: events without parts, a fixed key, memory on both sides."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.notary import MemoryLogDatabase
from adapters.tiles import MemoryTileStore
from traceability.ledger.commitment import commit, entry_of, leaf_hash
from traceability.ledger.parts import Parts
from traceability.notary.cosigning import Witnesses
from traceability.notary.log import Log
from traceability.notary.note import SigningKey
from traceability.notary.ports import LogIdentity, StoredEvent

ORIGIN = "dairy.example/log"
KEY = SigningKey(ORIGIN, bytes(range(32)))
FIRST_POSITION = 11
PALLET = 1_000


def fixture_bytes(name: str) -> bytes:
    """Read a shared fixture of the notary, or skip."""
    folder = Path(os.environ.get("TRACEABILITY_FIXTURES") or Path(__file__).parents[2] / "../shared/fixtures")
    if not folder.is_dir():
        pytest.skip("shared fixtures absent")
    return (folder / "notary" / name).read_bytes()


def fixture(name: str) -> Any:
    """Read a shared fixture of the notary as JSON, or skip."""
    return json.loads(fixture_bytes(name))


def fixtures(folder: str) -> Iterator[tuple[str, Any]]:
    """Read every JSON file of a folder of the notary's shared fixtures; none when they are absent."""
    root = Path(os.environ.get("TRACEABILITY_FIXTURES") or Path(__file__).parents[2] / "../shared/fixtures")
    for path in sorted((root / "notary" / folder).rglob("*.json")):
        yield str(path.relative_to(root)), json.loads(path.read_text(encoding="utf-8"))


class StoppedClock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_772_352_900_123_456

    def now_us(self) -> int:
        return self.now


def stored_event(index: int, parts: Parts | None = None) -> StoredEvent:
    """Make record `index` of a log; everything about it follows from the index."""
    seed = sha256(index.to_bytes(8, "big")).digest()
    event_id, salt, personal_salt = UUID(bytes=seed[:16]), sha256(seed).digest(), sha256(seed + b"p").digest()
    parts = parts or Parts(head=b'{"type":"test.counted.v1","captured_by":"dairy.example","disposition":"%d"}' % index)
    commitment = commit(parts, salt, personal_salt)
    recorded_at = 1_772_352_900_000_000 + index
    leaf = leaf_hash(entry_of(event_id, recorded_at, commitment))
    return StoredEvent(FIRST_POSITION + index, event_id, recorded_at, leaf, commitment, salt, personal_salt, parts)


@dataclass
class MadeUpLog:
    """A log over `records`, which may grow, with the means to integrate it."""

    records: list[StoredEvent] = field(default_factory=list)
    tiles: MemoryTileStore = field(default_factory=MemoryTileStore)
    witnesses: Witnesses | None = None

    def __post_init__(self) -> None:
        identity = LogIdentity("main", ORIGIN, KEY.verifier.text, FIRST_POSITION)
        self.database = MemoryLogDatabase(identity, self.records)

    def grow(self, size: int) -> None:
        self.records.extend(stored_event(i) for i in range(len(self.records), size))

    def log(self) -> Log:
        return Log(self.database, self.tiles, KEY, StoppedClock(), self.witnesses)

    def integrate(self, most: int = 16_384) -> None:
        log = self.log()
        while log.integrate(most):
            pass


def pallet_parts(packs: int = PALLET) -> Parts:
    """Return an aggregation of a pallet and its packs, with every part there."""
    items = [b'{"list":"parentID","id":"https://id.gs1.org/00/095212340000000013"}']
    items += [
        b'{"list":"childEPCs","id":"https://id.gs1.org/01/09521234000013/21/%d"}' % serial
        for serial in range(1000, 1000 + packs)
    ]
    return Parts(
        head=b'{"type":"epcis.aggregation_event.v2","captured_by":"dairy.example",'
        b'"occurred_at":"2026-03-01T08:15:00.000000Z","eventTimeZoneOffset":"+01:00","action":"ADD","bizStep":"packing"}',
        what=tuple(items),
        where=b'{"readPoint":{"id":"https://id.gs1.org/414/9521234000006"}}',
        why=b'{"sourceList":[{"type":"possessing_party","source":"https://id.gs1.org/417/9521234000020"}]}',
        how=b'{"sensorElementList":[{"sensorReport":[{"type":"Temperature","value":4.10,"uom":"CEL"}]}]}',
        more=b'{"eventID":"urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"}',
        personal=b'{"https://dairy.example/ns#packer":"A. Muster"}',
        source=b'<AggregationEvent xmlns="">\n</AggregationEvent>',
    )
