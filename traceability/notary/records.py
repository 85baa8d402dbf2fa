"""Records, checked a block at a time: every leaf from its parts and salts.

A block needs nothing of the blocks before it, so that several processes can check one ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

import orjson

from traceability.ledger.commitment import ERASED_SIZE, commit_stored
from traceability.merkle import HASH_SIZE
from traceability.notary.ports import StoredRow
from traceability.notary.report import Report

REDACTED: Final = "ledger.redacted.v1"
BLOCK: Final = 4_096
_MISSING: Final = bytes(HASH_SIZE)  # holds the place of a leaf that is not there


@dataclass(frozen=True, slots=True)
class Block:
    """Leaves start … end−1 of a log whose leaf 0 is at `first_position`."""

    first_position: int
    start: int
    end: int


@dataclass(slots=True)
class CheckedBlock:
    """What the records of a block come to.

    `leaves` are the leaf hashes of its entries, one for each place; `times` the first and the last `recorded_at`, None
    when no record is there; `erased` the positions without personal part and source; `redactions` what
    `ledger.redacted.v1` events say: the position that each names, and its own.
    """

    block: Block
    leaves: list[bytes]
    times: tuple[int, int] | None
    erased: list[int]
    redactions: list[tuple[int, int]]
    report: Report


def blocks_between(first_position: int, start: int, end: int) -> Iterator[Block]:
    """Cut leaves start … end−1 into blocks that end at multiples of `BLOCK`."""
    while start < end:
        stop = min(start - start % BLOCK + BLOCK, end)
        yield Block(first_position, start, stop)
        start = stop


def windows_of(blocks: Iterable[Block], size: int) -> Iterator[list[Block]]:
    """Put adjacent blocks together until they have `size` leaves."""
    window: list[Block] = []
    for block in blocks:
        window.append(block)
        if block.end - window[0].start >= size:
            yield window
            window = []
    if window:
        yield window


def check_block(block: Block, rows: Iterable[StoredRow]) -> CheckedBlock:
    """Check the records of a block against themselves; `rows` come in order of position."""
    checked = CheckedBlock(block, [], None, [], [], Report())
    leaves, report = checked.leaves, checked.report
    first, last = None, 0
    for row in rows:
        position, recorded_at = row[0], row[2]
        _fill(checked, position)
        leaf = block.start + len(leaves)
        if first is None:
            first = recorded_at
        elif recorded_at < last:
            report.add("log.time", f"position {position} was recorded before the one ahead of it", leaf)
        last = recorded_at
        leaves.append(_leaf_hash(row, leaf, report))
        if len(row[8]) == ERASED_SIZE or row[3] == REDACTED:
            _note_erasure(row, leaf, checked)
    _fill(checked, block.first_position + block.end)
    report.leaves = len(leaves)
    checked.times = None if first is None else (first, last)
    return checked


def _fill(checked: CheckedBlock, position: int) -> None:
    """Hold the places of records that are missing before a position."""
    first = checked.block.first_position
    expected = first + checked.block.start + len(checked.leaves)
    if position > expected:
        missing = (
            f"position {expected} is" if position == expected + 1 else f"positions {expected} to {position - 1} are"
        )
        checked.report.add("log.gap", f"{missing} missing", expected - first)
        checked.leaves += [_MISSING] * (position - expected)


def _leaf_hash(row: StoredRow, leaf: int, report: Report) -> bytes:
    """Return the hash of a record's entry, after a look at everything that the entry commits to."""
    position, event_id, recorded_at, kind, _, leaf_hash, commitment = row[:7]
    if commit_stored(*row[7:]) != commitment:
        report.add("log.commitment", f"position {position} has parts that its commitment is not of", leaf)
    # entry_of and leaf_hash written out; a time that was tampered with may be negative.
    entry = b"\x00\x01" + event_id + recorded_at.to_bytes(8, "big", signed=True) + commitment
    computed = sha256(entry).digest()
    if computed != leaf_hash:
        report.add("log.leaf", f"position {position} has a leaf hash that is not of its entry", leaf)
    # Writers put the type first, so hardly any head is decoded.
    if not row[9].startswith(_beginning(kind)) and _type_of(row[9]) != kind:
        report.add("log.column", f"position {position} is stored under a type that its head does not say", leaf)
    return computed


def _note_erasure(row: StoredRow, leaf: int, checked: CheckedBlock) -> None:
    """Note that a record is erased, or that it says of another one that it was."""
    position, *_, head, _, _, _, _, more, personal, source = row
    if len(row[8]) == ERASED_SIZE:
        checked.erased.append(position)
        if personal or source:
            checked.report.add("log.erased_content", f"position {position} is erased but has content", leaf)
    if (named := redacted_position(head, more)) is not None:
        checked.redactions.append((named, position))


def redacted_position(head: bytes, more: bytes) -> int | None:
    """Return the position that an event says was erased, None when it says no such thing."""
    try:
        if _type_of(head) != REDACTED:
            return None
        position = orjson.loads(more)["payload"]["position"]
    except (ValueError, KeyError, TypeError):
        return None
    return position if type(position) is int else None


@lru_cache(maxsize=256)
def _beginning(kind: str) -> bytes:
    return b'{"type":"%b"' % kind.encode()


def _type_of(head: bytes) -> object:
    try:
        members = orjson.loads(head)
    except ValueError:
        return None
    return members.get("type") if isinstance(members, dict) else None
