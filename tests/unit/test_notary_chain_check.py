"""What ties a ledger's logs together is checked: no position twice or in none, and each end as it was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from adapters.memory.notary import MemoryLogDatabase
from adapters.tiles import MemoryTileStore
from tests.support.logs import StoppedClock, stored_event
from traceability.notary.chain import CHAIN, check_chain
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.log import Log
from traceability.notary.note import SigningKey
from traceability.notary.ports import LogIdentity

ENDS = (7, 7, 12, None)
"""Where the logs end: the second has no leaves."""


def key_of(number: int) -> SigningKey:
    return SigningKey(f"dairy.example/{number}", bytes([number] * 32))


@pytest.fixture
def logs() -> list[MemoryLogDatabase]:
    found, first = [], 1
    for number, end in enumerate(ENDS):
        key, leaves = key_of(number), 3 if end is None else end + 1 - first
        identity = LogIdentity(f"log-{number}", key.name, key.verifier.text, first, end)
        database = MemoryLogDatabase(identity, [stored_event(first + i) for i in range(leaves)])
        Log(database, MemoryTileStore(), key, StoppedClock()).integrate()
        found.append(database)
        first += leaves
    return found


def told(logs: Sequence[MemoryLogDatabase]) -> list[str]:
    report = check_chain(logs)
    assert {finding.code for finding in report.findings} <= {CHAIN, "log.checkpoint"}
    return [finding.message for finding in report.findings]


def change(log: MemoryLogDatabase, **members: object) -> None:
    log.identity = replace(log.identity, **members)  # type: ignore[arg-type]


def abandon(log: MemoryLogDatabase, size: int, key: SigningKey) -> None:
    note = key.sign(Checkpoint(key.name, size, bytes(32)).text())
    change(log, abandoned_note=note)


def test_a_chain_is_good(logs: list[MemoryLogDatabase]) -> None:
    assert [max(log.signed) for log in logs] == [7, 0, 5, 3]
    assert told(logs) == told(logs[:0]) == []
    # One is closed and not signed to its end yet: the next has signed nothing.
    logs[2].signed.clear()
    logs[3].signed.clear()
    assert told(logs) == []
    abandon(logs[0], 9, key_of(0))
    assert told(logs) == []


def given_up_early(logs: list[MemoryLogDatabase]) -> None:
    abandon(logs[0], 9, key_of(0))
    logs[0].signed.clear()


BEYOND = "the log {} was closed with {} leaves, and a checkpoint of size {} is signed"
UNSIGNED = (
    "the log {} was closed with {} leaves, and no checkpoint of that size is signed, although a later log has signed"
)
DAMAGES: dict[str, tuple[Callable[[list[MemoryLogDatabase]], object], list[str]]] = {
    "the first log begins later": (
        lambda logs: change(logs[0], first_position=2),
        ["the log log-0 begins with position 2, where 1 is due", BEYOND.format("log-0", 6, 7)],
    ),
    "a gap between two": (
        lambda logs: change(logs[2], first_position=9),
        ["the log log-2 begins with position 9, where 8 is due", BEYOND.format("log-2", 4, 5)],
    ),
    "a log is gone": (lambda logs: logs.pop(2), ["the log log-3 begins with position 13, where 8 is due"]),
    "the last log is gone": (lambda logs: logs.pop(), ["the log log-2 is closed, and no log follows it"]),
    "a closing is gone": (
        lambda logs: change(logs[2], last_position=None),
        ["the log log-2 is not closed, and the log log-3 follows it"],
    ),
    "closed earlier": (
        lambda logs: change(logs[2], last_position=11),
        [
            BEYOND.format("log-2", 4, 5),
            "the log log-3 begins with position 13, where 12 is due",
        ],
    ),
    "closed later": (
        lambda logs: change(logs[2], last_position=13),
        [
            UNSIGNED.format("log-2", 6),
            "the log log-3 begins with position 13, where 14 is due",
        ],
    ),
    "the final checkpoint is gone": (
        lambda logs: logs[0].signed.clear(),
        [
            UNSIGNED.format("log-0", 7),
        ],
    ),
    "a note of another key": (
        lambda logs: abandon(logs[0], 9, key_of(9)),
        ["the note for which the log log-0 was given up does not verify: no known key signed the note"],
    ),
    "given up for nothing": (
        lambda logs: change(logs[0], abandoned_note=logs[0].signed[7].note),
        ["the log log-0 was given up for a checkpoint that the database knows"],
    ),
    "given up where nothing is signed": (
        given_up_early,
        ["the log log-0 was given up after leaf 6, which no checkpoint ends with"],
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_breaks_a_chain_is_named(logs: list[MemoryLogDatabase], name: str) -> None:
    damage, expected = DAMAGES[name]
    damage(logs)
    assert told(logs) == expected
