"""What was kept long enough goes: finished capture jobs, and findings that are settled, with their letters.

Both are walked in the order of their ids, which is that of time, some hundred rows to a transaction: none is long,
whatever there is to remove, and a walk that breaks off has removed what it came by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

import psycopg

from traceability.ledger.identifiers import event_id

_AT_ONCE: Final = 500  # a letter may have 16 MiB
_NO_ID: Final = UUID(int=0)


def remove_finished_jobs(connection: psycopg.Connection, before: int) -> Iterator[tuple[str, list[UUID]]]:
    """Remove the jobs of every ledger that ended before a time, µs UTC; their findings stay. Owner role.

    Yields the name of a ledger and some of its jobs, which are gone. `connection` commits by itself.
    """
    for ledger_id, ledger in _ledgers(connection):
        after = _NO_ID
        while True:
            rows = connection.execute(
                """DELETE FROM work.capture_job WHERE ledger_id = %(ledger)s AND job_id IN (
                       SELECT job_id FROM work.capture_job
                        WHERE ledger_id = %(ledger)s AND job_id > %(after)s AND job_id < %(until)s
                          AND finished_at < %(before)s
                        ORDER BY job_id LIMIT %(most)s)
                   RETURNING job_id""",
                _names(ledger_id, after, before),
            ).fetchall()
            if not rows:
                break
            gone = sorted(job_id for (job_id,) in rows)
            after = gone[-1]
            yield ledger, gone


def remove_settled_findings(connection: psycopg.Connection, before: int) -> Iterator[int]:
    """Remove the findings of every ledger that were replayed or dismissed before a time, µs UTC; open ones stay.

    A letter goes with the last of its findings. Yields how many findings are gone, some at a time. Owner role;
    `connection` commits by itself.
    """
    for ledger_id, _ in _ledgers(connection):
        after: UUID | None = _NO_ID
        while after is not None:
            with connection.transaction():
                after, removed = _remove_findings(connection, _names(ledger_id, after, before))
            if removed:
                yield removed


def _remove_findings(connection: psycopg.Connection, names: dict[str, object]) -> tuple[UUID | None, int]:
    """Remove the settled ones among the next findings; return the last of these, None at the end, and how many."""
    connection.execute("LOCK TABLE work.letter IN ROW EXCLUSIVE MODE")  # before any row, as everybody does
    row = connection.execute(
        """WITH page AS (
               SELECT finding_id FROM work.finding
                WHERE ledger_id = %(ledger)s AND finding_id > %(after)s AND finding_id < %(until)s
                ORDER BY finding_id LIMIT %(most)s),
           gone AS (
               DELETE FROM work.finding WHERE ledger_id = %(ledger)s AND finding_id IN (SELECT finding_id FROM page)
                  AND state <> 'open' AND settled_at < %(before)s
               RETURNING letter_id)
           SELECT (SELECT finding_id FROM page ORDER BY finding_id DESC LIMIT 1), count(*),
                  array_agg(letter_id) FILTER (WHERE letter_id IS NOT NULL)
             FROM gone""",
        names,
    ).fetchone()
    assert row is not None
    last, removed, letters = row
    if letters:
        # A statement of its own, which sees that the findings are gone.
        connection.execute(
            """DELETE FROM work.letter WHERE ledger_id = %(ledger)s AND letter_id = ANY(%(letters)s) AND NOT EXISTS (
                   SELECT FROM work.finding f WHERE f.ledger_id = %(ledger)s AND f.letter_id = letter.letter_id)""",
            {**names, "letters": letters},
        )
    return last, removed


def _ledgers(connection: psycopg.Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT ledger_id, name FROM ledger.head ORDER BY ledger_id").fetchall()


def _names(ledger_id: int, after: UUID, before: int) -> dict[str, object]:
    # What has a later id, which says the millisecond, was not there at that time, still less finished or settled.
    until = event_id(before + 1_000, bytes(10))
    return {"ledger": ledger_id, "after": after, "until": until, "before": before, "most": _AT_ONCE}
