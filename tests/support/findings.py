"""Findings and letters as a capture leaves them behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from adapters.postgres.findings import add
from traceability.gs1.epcis import read_document
from traceability.ledger.findings import Finding, Letter, Origin, outcome_finding
from traceability.ledger.identifiers import ordered_ids
from traceability.ledger.store import Ledger

Pool = ConnectionPool[psycopg.Connection]
NOW = 1_772_352_900_123_456  # 2026-03-01T08:15:00Z
_calls = count()


def ids() -> Iterator[UUID]:
    """Ids that sort after those of earlier calls."""
    return ordered_ids(NOW + 1_000 * next(_calls), bytes(10))


def finding(
    finding_id: UUID, *, letter_id: UUID | None = None, position: int | None = None, **members: object
) -> Finding:
    given = {
        "origin": Origin("dairy.example", "shipment.json"),
        "event_index": 0,
        "path": "$.epcisBody.eventList[0].eventTime",
        "code": "epcis.time",
        "severity": "error",
        "message": "An eventTime is a date, a time and an offset, not 'yesterday'.",
        "found_at": NOW,
        **members,
    }
    return Finding(finding_id=finding_id, letter_id=letter_id, position=position, **given)  # type: ignore[arg-type]


def store(pool: Pool, findings: Sequence[Finding], letters: Sequence[Letter] = (), *, ledger_id: int = 1) -> None:
    with pool.connection() as connection, connection.transaction():
        add(connection, ledger_id, findings, letters)


def capture(pool: Pool, ledger: Ledger, data: bytes, origin: Origin) -> list[Finding]:
    """Record the good events of a document one by one, and note a finding for everything else about it."""
    read = read_document(data, captured_by=origin.organisation)
    context = json.dumps(json.loads(data)["@context"]).encode()
    texts = [json.dumps(one).encode() for one in json.loads(data)["epcisBody"]["eventList"]]
    new = ids()
    letters: dict[int, Letter] = {}
    found: list[Finding] = []
    positions: dict[int | None, int] = {}
    for captured in read.events:
        ((appended,),) = ledger.append_all([captured.event])
        letter = Letter(letter_id=next(new), body=texts[captured.index], context=context, position=appended.position)
        noted = outcome_finding(
            origin,
            appended,
            event_index=captured.index,
            path=captured.path,
            finding_id=next(new),
            letter_id=letter.letter_id,
            found_at=NOW,
        )
        if noted is None:
            positions[captured.index] = appended.position
        else:
            letters[captured.index] = letter
            found.append(noted)
    for problem in read.problems:
        index = problem.index
        if index is not None and index not in positions and index not in letters:
            letters[index] = Letter(letter_id=next(new), body=texts[index], context=context)
        found.append(
            finding(
                next(new),
                letter_id=letters[index].letter_id if index is not None and index in letters else None,
                position=positions.get(index),
                origin=origin,
                event_index=index,
                path=problem.path,
                code=problem.code,
                severity=problem.severity,
                message=problem.message,
            )
        )
    store(pool, found, list(letters.values()))
    return found
