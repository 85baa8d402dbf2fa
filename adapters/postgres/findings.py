"""Findings and letters in PostgreSQL (schema `work`).

Letters hold what an erasure destroys. So that none comes in beside an erasure, whoever adds one locks the table of
letters in the mode of its writers and then looks which events are erased; an erasure locks it against them
(`adapters.postgres.erasure`). The order of locks is: the ledger's head, the table of letters, rows of findings.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool

from adapters.postgres.binary_copy import NULL, SIGNATURE, TRAILER, field
from adapters.postgres.outcome import reading
from traceability.errors import NotFoundError
from traceability.ledger.commitment import ERASED_SIZE
from traceability.ledger.findings import (
    ANY,
    DESTROYED,
    Finding,
    FindingFilter,
    Findings,
    FindingState,
    Letter,
    Origin,
)
from traceability.ports import Clock

_COLUMNS: Final = (
    "finding_id, organisation, job_id, document, event_index, path, code, severity, message, position, letter_id, "
    "found_at, state, settled_at"
)
_LETTER_COLUMNS: Final = "letter_id, position, context, body"
_FORGOTTEN_AT_ONCE: Final = 5_000
_LONGEST: Final = 2_000  # characters of a text; a member's name can be as long as its document
_OURS: Final = "ledger_id = %(ledger)s AND organisation = %(organisation)s"
_TOGETHER: Final = f"""
    {_OURS} AND (finding_id = %(finding)s OR letter_id = (
        SELECT letter_id FROM work.finding WHERE {_OURS} AND finding_id = %(finding)s))"""

_INT8: Final = struct.Struct(">iq")
_INT4: Final = struct.Struct(">ii")


def add(connection: psycopg.Connection, ledger_id: int, findings: Sequence[Finding], letters: Sequence[Letter]) -> None:
    """Add findings and the letters that they name, in the caller's transaction, after any lock of the ledger's head.

    A repeat of an event that was erased holds the same personal text again: its letter is not kept, and its findings
    are added without what they quote. Texts are cut at 2,000 characters and freed of what PostgreSQL cannot hold.
    """
    erased: set[int] = set()
    if letters:
        connection.execute("LOCK TABLE work.letter IN ROW EXCLUSIVE MODE")
        erased = _erased(connection, ledger_id, {at for letter in letters if (at := letter.position) is not None})
    gone = {letter.letter_id for letter in letters if letter.position in erased}
    kept = [letter for letter in letters if letter.letter_id not in gone]
    ledger = _INT4.pack(4, ledger_id)
    rows = [ledger + _finding_row(finding, gone=finding.letter_id in gone) for finding in findings]
    _copy(connection, f"work.finding (ledger_id, {_COLUMNS})", rows)
    _copy(connection, f"work.letter (ledger_id, {_LETTER_COLUMNS})", [ledger + _letter_row(letter) for letter in kept])


def forget_job(connection: psycopg.Connection, ledger_id: int, job_id: UUID) -> bool:
    """Remove what a check of a job's documents found that did not come to its end, in the caller's transaction.

    Some thousands at a time, so that no transaction is long; tells whether there was something to remove.
    """
    row = connection.execute(
        """WITH gone AS (
               DELETE FROM work.finding WHERE ledger_id = %(ledger)s AND finding_id IN (
                   SELECT finding_id FROM work.finding WHERE ledger_id = %(ledger)s AND job_id = %(job)s LIMIT %(most)s)
               RETURNING letter_id),
           letters AS (
               DELETE FROM work.letter WHERE ledger_id = %(ledger)s AND letter_id IN (SELECT letter_id FROM gone))
           SELECT count(*) FROM gone""",
        {"ledger": ledger_id, "job": job_id, "most": _FORGOTTEN_AT_ONCE},
    ).fetchone()
    assert row is not None
    return bool(row[0])


def destroy(connection: psycopg.Connection, ledger_id: int, position: int) -> None:
    """Destroy letters that repeat, contradict or became the event at a position, and what findings about it quote.

    The caller's transaction holds the table of letters locked against writers, or is the erasure's.
    """
    connection.execute(
        """WITH about AS (
               SELECT finding_id, letter_id FROM work.finding
                WHERE ledger_id = %(ledger)s AND position = %(position)s
           ), gone AS (
               DELETE FROM work.letter WHERE ledger_id = %(ledger)s AND letter_id IN (
                   SELECT letter_id FROM about
                    UNION SELECT letter_id FROM work.letter WHERE ledger_id = %(ledger)s AND position = %(position)s)
               RETURNING letter_id)
           UPDATE work.finding SET message = %(destroyed)s, path = '$', letter_id = NULL
            WHERE ledger_id = %(ledger)s AND finding_id IN (
                SELECT finding_id FROM about
                 UNION SELECT f.finding_id FROM gone JOIN work.finding f USING (letter_id)
                        WHERE f.ledger_id = %(ledger)s)""",
        {"ledger": ledger_id, "position": position, "destroyed": DESTROYED},
    )


class PostgresFindings(Findings):
    """The findings of one ledger; every call is one short transaction. Safe to share between threads."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection], ledger_id: int, *, clock: Clock) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._clock = clock

    def page(
        self,
        organisation: str,
        wanted: FindingFilter,
        *,
        after: UUID | None = None,
        limit: int,
        oldest_first: bool = False,
    ) -> list[Finding]:
        """Return findings in the order of their ids; see `Findings.page`."""
        conditions, parameters = _conditions(wanted)
        direction, beyond = ("ASC", ">") if oldest_first else ("DESC", "<")
        if after is not None:
            conditions.append(f"finding_id {beyond} %(after)s")
        where = " AND ".join([_OURS, *conditions])
        with reading(self._pool) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM work.finding WHERE {where} ORDER BY finding_id {direction} LIMIT %(limit)s",
                {**parameters, **self._names(organisation), "after": after, "limit": limit},
            ).fetchall()
        return [_finding(row) for row in rows]

    def get(self, organisation: str, finding_id: UUID) -> Finding:
        """Return a finding."""
        with reading(self._pool) as connection:
            return self._get(connection, self._names(organisation, finding_id))

    def letter(self, organisation: str, letter_id: UUID) -> Letter | None:
        """Return a letter; whose it is, its findings say."""
        with reading(self._pool) as connection:
            row = connection.execute(
                f"SELECT {_LETTER_COLUMNS} FROM work.letter WHERE ledger_id = %(ledger)s AND letter_id = %(letter)s"
                f" AND EXISTS (SELECT FROM work.finding WHERE {_OURS} AND letter_id = %(letter)s)",
                {**self._names(organisation), "letter": letter_id},
            ).fetchone()
        return None if row is None else Letter(letter_id=row[0], position=row[1], context=row[2], body=row[3])

    def replayed(self, organisation: str, finding_id: UUID, position: int, warnings: Sequence[Finding]) -> Finding:
        """Note where a letter's event is recorded; see `Findings.replayed`."""
        names = self._names(organisation, finding_id)
        values = {**names, "position": position, "now": self._clock.now_us()}
        with self._pool.connection() as connection, connection.transaction():
            connection.execute("LOCK TABLE work.letter IN ROW EXCLUSIVE MODE")
            connection.execute(
                "UPDATE work.finding SET state = 'replayed', settled_at = %(now)s,"
                f" position = coalesce(position, %(position)s) WHERE {_TOGETHER} AND state <> 'replayed'",
                values,
            )
            connection.execute(
                "UPDATE work.letter SET position = %(position)s WHERE ledger_id = %(ledger)s AND letter_id ="
                f" (SELECT letter_id FROM work.finding WHERE {_OURS} AND finding_id = %(finding)s)",
                values,
            )
            known = connection.execute(
                f"SELECT FROM work.finding WHERE {_OURS} AND position = %(position)s AND letter_id IS NULL", values
            )
            if _erased(connection, self._ledger_id, {position}):
                destroy(connection, self._ledger_id, position)
            elif not known.rowcount:
                add(connection, self._ledger_id, warnings, ())
            return self._get(connection, names)

    def dismiss(self, organisation: str, finding_id: UUID, *, forget: bool) -> Finding:
        """Close a finding and those of its letter; see `Findings.dismiss`."""
        names = self._names(organisation, finding_id)
        values = {**names, "now": self._clock.now_us(), "destroyed": DESTROYED}
        with self._pool.connection() as connection, connection.transaction():
            connection.execute("LOCK TABLE work.letter IN ROW EXCLUSIVE MODE")
            connection.execute(
                f"UPDATE work.finding SET state = 'dismissed', settled_at = %(now)s WHERE {_TOGETHER}"
                " AND state = 'open'",
                values,
            )
            if forget:
                connection.execute(
                    f"""WITH gone AS (
                            UPDATE work.finding f SET message = %(destroyed)s, path = '$', letter_id = NULL
                              FROM (SELECT finding_id, letter_id FROM work.finding WHERE {_TOGETHER}) old
                             WHERE f.ledger_id = %(ledger)s AND f.finding_id = old.finding_id
                            RETURNING old.letter_id)
                        DELETE FROM work.letter
                         WHERE ledger_id = %(ledger)s AND letter_id IN (SELECT letter_id FROM gone)""",
                    values,
                )
            return self._get(connection, names)

    def _names(self, organisation: str, finding_id: UUID | None = None) -> dict[str, Any]:
        return {"ledger": self._ledger_id, "organisation": organisation, "finding": finding_id}

    @staticmethod
    def _get(connection: psycopg.Connection, names: dict[str, Any]) -> Finding:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM work.finding WHERE {_OURS} AND finding_id = %(finding)s", names
        ).fetchone()
        if row is None:
            raise NotFoundError("There is no such finding", code="finding.unknown")
        return _finding(row)


def _conditions(wanted: FindingFilter) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions of a filter, and the values in them."""
    code = wanted.code or ""
    prefix = code.endswith(ANY)
    asked: tuple[tuple[str, str, Any], ...] = (
        ("job", "job_id = %(job)s", wanted.job_id),
        ("document", "document = %(document)s", wanted.document and _plain(wanted.document)),
        ("code", "starts_with(code, %(code)s)" if prefix else "code = %(code)s", _plain(code.removesuffix(ANY))),
        ("severity", "severity = %(severity)s", wanted.severity),
        ("state", "state = %(state)s", wanted.state and wanted.state.value),
        ("position", "position = %(position)s", wanted.position),
        ("since", "found_at >= %(since)s", wanted.since),
        ("until", "found_at < %(until)s", wanted.until),
    )
    given = [(name, condition, value) for name, condition, value in asked if value not in (None, "")]
    return [condition for _, condition, _ in given], {name: value for name, _, value in given}


def _erased(connection: psycopg.Connection, ledger_id: int, positions: set[int]) -> set[int]:
    if not positions:
        return set()
    rows = connection.execute(
        "SELECT position FROM ledger.record WHERE ledger_id = %s AND position = ANY(%s)"
        f" AND octet_length(personal_salt) = {ERASED_SIZE}",
        [ledger_id, list(positions)],
    ).fetchall()
    return {position for (position,) in rows}


def _finding(row: tuple[Any, ...]) -> Finding:
    finding_id, organisation, job_id, document, event_index, path, code, severity, message, *rest = row
    position, letter_id, found_at, state, settled_at = rest
    return Finding(
        finding_id=finding_id,
        origin=Origin(organisation, document, job_id),
        event_index=event_index,
        path=path,
        code=code,
        severity=severity,
        message=message,
        found_at=found_at,
        position=position,
        letter_id=letter_id,
        state=FindingState(state),
        settled_at=settled_at,
    )


def _copy(connection: psycopg.Connection, target: str, rows: Sequence[bytes]) -> None:
    if not rows:
        return
    count = (target.count(",") + 1).to_bytes(2, "big")
    data = SIGNATURE + b"".join([count + row for row in rows]) + TRAILER
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as copy:
        copy.write(data)


def _finding_row(finding: Finding, *, gone: bool) -> bytes:
    origin = finding.origin
    return b"".join(
        (
            _uuid(finding.finding_id),
            _text(origin.organisation),
            _uuid(origin.job_id),
            _text(origin.document),
            _int8(finding.event_index),
            _text("$" if gone else finding.path),
            _text(finding.code),
            _text(finding.severity),
            _text(DESTROYED if gone else finding.message),
            _int8(finding.position),
            _uuid(None if gone else finding.letter_id),
            _int8(finding.found_at),
            _text(finding.state.value),
            _int8(finding.settled_at),
        )
    )


def _letter_row(letter: Letter) -> bytes:
    return _uuid(letter.letter_id) + _int8(letter.position) + field(letter.context) + field(letter.body)


def _plain(text: str) -> str:
    """Return a text as it is stored: no NUL, no half of a surrogate pair, not too long."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST]


def _text(value: str) -> bytes:
    return field(_plain(value).encode())


def _int8(value: int | None) -> bytes:
    return NULL if value is None else _INT8.pack(8, value)


def _uuid(value: UUID | None) -> bytes:
    return NULL if value is None else b"\x00\x00\x00\x10" + value.bytes
