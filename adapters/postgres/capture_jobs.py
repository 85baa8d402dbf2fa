"""Capture jobs in PostgreSQL: a queue that any number of processes work on, one at a job.

A runner holds a job by a lease that it renews; after a crash the lease runs out and the next runner goes on from the
cursor. Each hold has a number, and every statement of a runner names its own: one that was believed dead and is not
cannot commit anything any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.errors import ConflictError, NotFoundError
from traceability.ledger.capture import (
    LEASE_US,
    LOST_US,
    Captured,
    CaptureJob,
    Counts,
    ElementCounts,
    ErrorBehaviour,
    Phase,
)
from traceability.ledger.store import Outcome
from traceability.ports import Clock

_COLUMNS: Final = (
    "job_id, organisation, behaviour, documents, bytes, created_at, phase, failed, finished_at, appended, recorded,"
    " duplicates, conflicts, malformed, elements_recorded, elements_unchanged, elements_malformed, partner,"
    " lease, captured IS NOT NULL"
)
_MINE: Final = "ledger_id = %(ledger)s AND job_id = %(job)s AND lease = %(lease)s AND finished_at IS NULL"


class LostLeaseError(ConflictError):
    """Another runner has taken the job over; nothing of this transaction may be committed."""

    code = "capture.lost_lease"


class PostgresCaptureJobs:
    """The jobs of one ledger; safe to share between threads. `lease_us` is how long a hold lasts."""

    def __init__(self, pool: Pool, ledger_id: int, *, clock: Clock, lease_us: int = LEASE_US) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._clock = clock
        self.lease_us = lease_us

    def create(
        self,
        job_id: UUID,
        *,
        organisation: str,
        behaviour: ErrorBehaviour,
        documents: Sequence[str],
        size: int,
        request: tuple[str, bytes] | None = None,
        held: bool = False,
        listing: bool = False,
        partner: str | None = None,
        beside: Callable[[psycopg.Connection, UUID], None] | None = None,
    ) -> CaptureJob:
        """Add a job whose documents are on disk; `held`: the caller runs it itself; `listing`: keep its first events.

        `partner` is the source that they came from. What `beside` does is committed together with the job, or neither.
        `request` is an Idempotency-Key and the digest of what came with it: the job of an earlier request with the same
        is returned instead. Raises `ConflictError` (`capture.request_key`) when that carried something else.
        """
        now = self._clock.now_us()
        key, digest = request or (None, None)
        with reading(self._pool) as connection, connection.transaction():
            row = connection.execute(
                "INSERT INTO work.capture_job (ledger_id, job_id, organisation, behaviour, documents, bytes,"
                " created_at, lease, leased_until, request_key, request_digest, captured, partner)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s)"
                f" ON CONFLICT (ledger_id, organisation, request_key) DO NOTHING RETURNING {_COLUMNS}",
                [
                    *(self._ledger_id, job_id, organisation, behaviour, list(documents), size, now),
                    *(int(held), now + self.lease_us if held else 0, key, digest),
                    *("[]" if listing else None, partner),
                ],
            ).fetchone()
            if row is not None:
                if beside is not None:
                    beside(connection, job_id)
                return _job(row)
            earlier = connection.execute(
                f"SELECT request_digest, {_COLUMNS} FROM work.capture_job"
                " WHERE ledger_id = %s AND organisation = %s AND request_key = %s",
                [self._ledger_id, organisation, key],
            ).fetchone()
        assert earlier is not None
        if earlier[0] != digest:
            raise ConflictError(
                "This Idempotency-Key came with another request before",
                code="capture.request_key",
                hint="Send a new key with every new document.",
            )
        return _job(earlier[1:])

    def get(self, organisation: str, job_id: UUID) -> CaptureJob:
        """Return a job of an organisation; raises `NotFoundError` (`capture.unknown_job`)."""
        with reading(self._pool) as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM work.capture_job WHERE ledger_id = %s AND organisation = %s AND job_id = %s",
                [self._ledger_id, organisation, job_id],
            ).fetchone()
        if row is None:
            raise NotFoundError(f"There is no capture job {job_id}", code="capture.unknown_job")
        return _job(row)

    def requested(self, organisation: str, key: str) -> CaptureJob | None:
        """Return the job that a request with this key made, None when there was none."""
        with reading(self._pool) as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM work.capture_job"
                " WHERE ledger_id = %s AND organisation = %s AND request_key = %s",
                [self._ledger_id, organisation, key],
            ).fetchone()
        return None if row is None else _job(row)

    def captured(self, job: CaptureJob) -> list[Captured] | None:
        """Return the first recorded events of a job in order, at most `LISTED`; None when they are not kept."""
        with reading(self._pool) as connection:
            row = connection.execute(
                "SELECT captured FROM work.capture_job WHERE ledger_id = %s AND job_id = %s",
                [self._ledger_id, job.job_id],
            ).fetchone()
        if row is None or row[0] is None:
            return None
        return [
            Captured(document, path, Outcome(outcome), position, UUID(event_id))
            for document, path, outcome, position, event_id in row[0]
        ]

    def of_partner(self, name: str, *, limit: int) -> list[CaptureJob]:
        """Return the jobs of what a partner sent, the newest first."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM work.capture_job WHERE ledger_id = %s AND partner = %s"
                " ORDER BY job_id DESC LIMIT %s",
                [self._ledger_id, name, limit],
            ).fetchall()
        return [_job(row) for row in rows]

    def list(self, organisation: str, *, before: UUID | None = None, limit: int) -> list[CaptureJob]:
        """Return jobs of an organisation, the newest first, from `before` on."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM work.capture_job WHERE ledger_id = %s AND organisation = %s"
                " AND (%s::uuid IS NULL OR job_id < %s) ORDER BY job_id DESC LIMIT %s",
                [self._ledger_id, organisation, before, before, limit],
            ).fetchall()
        return [_job(row) for row in rows]

    def open_jobs(self, organisation: str | None = None) -> tuple[int, int]:
        """Return how many jobs are not finished, of one organisation or of all, and the bytes of their documents."""
        with reading(self._pool) as connection:
            row = connection.execute(
                "SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM work.capture_job"
                " WHERE ledger_id = %s AND finished_at IS NULL AND (%s::text IS NULL OR organisation = %s)",
                [self._ledger_id, organisation, organisation],
            ).fetchone()
        assert row is not None
        return row[0], row[1]

    def finished(self, job_ids: Collection[UUID]) -> dict[UUID, bool]:
        """Return of those ids that are jobs whether they are finished."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT job_id, finished_at IS NOT NULL FROM work.capture_job"
                " WHERE ledger_id = %s AND job_id = ANY(%s)",
                [self._ledger_id, list(job_ids)],
            )
            return dict(rows.fetchall())

    def sizes(self, job_ids: Collection[UUID]) -> dict[UUID, int]:
        """Return of those ids that are jobs the bytes of their documents."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT job_id, bytes FROM work.capture_job WHERE ledger_id = %s AND job_id = ANY(%s)",
                [self._ledger_id, list(job_ids)],
            )
            return dict(rows.fetchall())

    def claim(self, here: Collection[UUID]) -> CaptureJob | None:
        """Take the oldest job that nobody holds, None when there is none.

        `here` are those whose documents the caller has: others wait for a runner that sees their spool, for a day.
        """
        now = self._clock.now_us()
        with reading(self._pool) as connection:
            row = connection.execute(
                f"UPDATE work.capture_job SET lease = lease + 1, leased_until = %(until)s"
                " WHERE ledger_id = %(ledger)s AND job_id = (SELECT job_id FROM work.capture_job"
                " WHERE ledger_id = %(ledger)s AND finished_at IS NULL AND leased_until < %(now)s"
                " AND (job_id = ANY(%(here)s) OR greatest(leased_until, created_at) < %(lost)s)"
                f" ORDER BY job_id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}",
                {
                    "ledger": self._ledger_id,
                    "now": now,
                    "until": now + self.lease_us,
                    "here": list(here),
                    "lost": now - LOST_US,
                },
            ).fetchone()
        return None if row is None else _job(row)

    def renew(self, job: CaptureJob) -> None:
        """Hold a job for another while; raises `LostLeaseError`."""
        with reading(self._pool) as connection:
            self.renew_on(connection, job)

    def renew_on(self, connection: psycopg.Connection, job: CaptureJob) -> None:
        """Hold a job for another while; a transaction that does so commits nothing once the job was taken over."""
        self._change(connection, job, "leased_until = %(until)s")

    def release(self, job: CaptureJob) -> None:
        """Let go of a job that another runner, or this one later, is to go on with."""
        with reading(self._pool) as connection:
            connection.execute(
                f"UPDATE work.capture_job SET leased_until = 0 WHERE {_MINE}",
                {"ledger": self._ledger_id, "job": job.job_id, "lease": job.lease},
            )

    def begin_appending(self, connection: psycopg.Connection, job: CaptureJob) -> None:
        """Note that the documents were checked; raises `LostLeaseError`."""
        self._change(connection, job, "phase = 'appending', leased_until = %(until)s")

    def advance(
        self,
        connection: psycopg.Connection,
        job: CaptureJob,
        appended: int,
        done: Counts,
        captured: Sequence[Captured] = (),
    ) -> None:
        """Move the cursor to `appended` and add what became of the events before it; raises `LostLeaseError`."""
        self._change(
            connection,
            job,
            "appended = %(appended)s, recorded = recorded + %(recorded)s, duplicates = duplicates + %(duplicates)s,"
            " conflicts = conflicts + %(conflicts)s, malformed = malformed + %(malformed)s,"
            " failed = failed OR %(conflicts)s + %(malformed)s > 0, leased_until = %(until)s"
            + (", captured = captured || %(captured)s" if captured else ""),
            captured=Jsonb([[c.document, c.path, c.outcome, c.position, str(c.event_id)] for c in captured]),
            appended=appended,
            recorded=done.recorded,
            duplicates=done.duplicates,
            conflicts=done.conflicts,
            malformed=done.malformed,
        )

    def count_elements(self, connection: psycopg.Connection, job: CaptureJob, done: ElementCounts) -> None:
        """Add what became of elements of master data; raises `LostLeaseError`."""
        self._change(
            connection,
            job,
            "elements_recorded = elements_recorded + %(recorded)s, elements_unchanged = elements_unchanged"
            " + %(unchanged)s, elements_malformed = elements_malformed + %(malformed)s, leased_until = %(until)s",
            recorded=done.recorded,
            unchanged=done.unchanged,
            malformed=done.malformed,
        )

    def finish(self, connection: psycopg.Connection, job: CaptureJob, phase: Phase, *, failed: bool) -> int:
        """End a job and return how many of its events were malformed; raises `LostLeaseError`."""
        return self._change(
            connection,
            job,
            "phase = %(phase)s, failed = failed OR %(failed)s, finished_at = %(now)s",
            phase=phase,
            failed=failed,
        )

    def _change(self, connection: psycopg.Connection, job: CaptureJob, changes: str, **values: object) -> int:
        now = self._clock.now_us()
        whose = {"ledger": self._ledger_id, "job": job.job_id, "lease": job.lease}
        changed = connection.execute(
            f"UPDATE work.capture_job SET {changes} WHERE {_MINE} RETURNING malformed".encode(),
            {**whose, "now": now, "until": now + self.lease_us, **values},
        ).fetchone()
        if changed is None:
            raise LostLeaseError(f"Another runner has taken over the capture job {job.job_id}")
        return int(changed[0])


def _job(row: TupleRow) -> CaptureJob:
    job_id, organisation, behaviour, documents, size, created_at, phase, failed, finished_at, appended, *rest = row
    *counts, partner, lease, listing = rest
    return CaptureJob(
        job_id=job_id,
        organisation=organisation,
        behaviour=ErrorBehaviour(behaviour),
        documents=tuple(documents),
        size=size,
        created_at=created_at,
        phase=Phase(phase),
        failed=failed,
        finished_at=finished_at,
        appended=appended,
        counts=Counts(*counts[:4]),
        elements=ElementCounts(*counts[4:]),
        lease=lease,
        listing=listing,
        partner=partner,
    )
