"""A process that writes to a ledger and notes, after each append has returned, what it was told.

    python -m tests.support.ledger_writer URL SEED APPENDS NOTES

Conditional appends and bulk appends are mixed on ten tags that all writers share. NOTES gets one JSON object a line:
`{"texts": […], "query": [[types, tags], …] | null, "after": n | null, "position": n}` for an append that was made,
`{"query": …, "after": n, "refused": true}` for one that was refused, `{"outcomes": [[text, outcome, position], …]}`
for a batch of a bulk append, and `{"failed": code}` where the database did not answer.
"""

from __future__ import annotations

import random
import sys
from itertools import count
from pathlib import Path
from typing import BinaryIO

import orjson
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from adapters.postgres.ledger import PostgresLedger
from tests.ledgers import event, postgres_ledger
from traceability.errors import UnavailableError
from traceability.ledger.store import AppendConflictError

TAGS = [f"item:shared-{n}" for n in range(10)]
TYPES = ["test.first.v1", "test.second.v1"]
PARTIES = ["party:a", "party:b", "party:c"]
IDENTITIES = 400
"""Identities that bulk appends of all writers draw from: most are drawn more than once."""


def write(ledger: PostgresLedger, seed: int, appends: int, notes: BinaryIO) -> None:
    """Append so many times (0: until killed), every eighth time in bulk."""
    choose = random.Random(seed)
    for n in count() if appends == 0 else range(appends):
        try:
            if n % 8 == 7:
                _bulk(ledger, choose, f"{seed}:{n}", notes)
            else:
                _conditional(ledger, choose, f"{seed}:{n}", notes)
        except UnavailableError as error:
            _note(notes, {"failed": error.code})


def query_of(items: list[tuple[list[str], list[str]]]) -> DCBQuery:
    return DCBQuery(items=[DCBQueryItem(types=types, tags=tags) for types, tags in items])


def _conditional(ledger: PostgresLedger, choose: random.Random, label: str, notes: BinaryIO) -> None:
    items = [
        (choose.sample(TYPES, choose.randint(0, 1)), choose.sample(TAGS, choose.randint(1, 2)))
        for _ in range(choose.randint(1, 2))
    ]
    conditional = choose.random() < 0.8
    after = ledger.head()
    texts = [f"{label}:{i}" for i in range(choose.choice([1, 1, 2, 3]))]
    events = [
        event(*choose.sample(TAGS, choose.randint(1, 3)), choose.choice(PARTIES), text=text, kind=choose.choice(TYPES))
        for text in texts
    ]
    asked = {"query": items, "after": after} if conditional else {"query": None, "after": None}
    condition = DCBAppendCondition(query_of(items), after=after) if conditional else None
    try:
        position = ledger.append(events, condition)
    except AppendConflictError:
        _note(notes, {**asked, "refused": True})
    else:
        _note(notes, {"texts": texts, **asked, "position": position})


def _bulk(ledger: PostgresLedger, choose: random.Random, label: str, notes: BinaryIO) -> None:
    drawn = [choose.randrange(IDENTITIES) for _ in range(choose.randint(5, 60))]
    events = [
        event(
            choose.choice(TAGS),
            choose.choice(PARTIES),
            identity=f"identity:{identity}",
            text=f"{label}:{i}",
            marks=[(f"item:{identity}", TAGS[0], True)],
            edges=[(f"item:{identity}", False, None)],
        )
        for i, identity in enumerate(drawn)
    ]
    for batch in ledger.append_all(events):
        _note(notes, {"outcomes": [(f"{label}:{o.index}", o.outcome.value, o.position) for o in batch]})


def _note(notes: BinaryIO, what: object) -> None:
    # One write, so that a kill leaves whole lines but perhaps the last.
    notes.write(orjson.dumps(what) + b"\n")


def main() -> None:
    url, seed, appends, notes = sys.argv[1:]
    with postgres_ledger(url) as ledger, Path(notes).open("ab", buffering=0) as file:
        write(ledger, int(seed), int(appends), file)


if __name__ == "__main__":
    main()
