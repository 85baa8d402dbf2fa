"""Partners in PostgreSQL: what they are, how far each has been read, and who is reading it now.

Like a capture job, a partner is held by a lease with a number, and every statement of a holder names its own: of two
servers that believe to hold one, the second commits nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from adapters.postgres.ledger import Pool
from adapters.postgres.outcome import reading
from traceability.errors import BusyError, ConflictError, InvalidInputError, NotFoundError
from traceability.ledger.capture import Counts
from traceability.ledger.partners import Accept, Failure, Kind, Partner, Progress, Standing, partner_name
from traceability.ledger.sealed import Sealed, sealed
from traceability.ports import Clock

_DEFINITION: Final = "name, organisation, kind, address, created_at, accept, overlap_us, mapping, header"
_MINE: Final = "ledger_id = %(ledger)s AND name = %(name)s AND lease = %(lease)s"
_LONGEST_ERROR: Final = 1_000


class LostPartnerError(ConflictError):
    """Another process reads this partner now; nothing of this transaction may be committed."""

    code = "partner.lost_lease"


@dataclass(frozen=True, slots=True)
class Held:
    """A partner that the caller reads, with its secret, and how far it was read when it was taken."""

    partner: Partner
    secret: Sealed | None
    progress: Progress
    lease: int
    failures: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of a partner's events, as far as its captures are kept."""

    captures: int
    counts: Counts
    open_findings: int


class PostgresPartners:
    """The partners of one ledger; safe to share between threads. `lease_us` is how long a hold lasts."""

    def __init__(self, pool: Pool, ledger_id: int, *, clock: Clock, lease_us: int) -> None:
        self._pool = pool
        self._ledger_id = ledger_id
        self._clock = clock
        self.lease_us = lease_us

    def add(self, partner: Partner, secret: Sealed | None) -> None:
        """Add a partner, which is due at once; raises `ConflictError` (`partner.exists`)."""
        with reading(self._pool) as connection:
            added = connection.execute(
                f"INSERT INTO work.partner (ledger_id, {_DEFINITION}, secret, sealed_with, progress, next_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [
                    *(self._ledger_id, partner.name, partner.organisation, partner.kind, partner.address),
                    *(partner.created_at, partner.accept, partner.overlap_us, partner.mapping, partner.header),
                    *((None, None) if secret is None else (secret.text, secret.key_id)),
                    *(Jsonb(asdict(Progress())), partner.created_at),
                ],
            )
        if not added.rowcount:
            raise ConflictError(f"There is a partner {partner.name} already", code="partner.exists")

    def remove(self, name: str) -> None:
        """Forget a partner; what it sent stays. Raises `NotFoundError` (`partner.unknown`)."""
        with reading(self._pool) as connection, connection.transaction():
            names = [self._ledger_id, partner_name(name)]
            removed = connection.execute("DELETE FROM work.partner WHERE ledger_id = %s AND name = %s", names)
            connection.execute("DELETE FROM work.partner_file WHERE ledger_id = %s AND partner = %s", names)
        if not removed.rowcount:
            raise no_such_partner(name)

    def get(self, name: str) -> tuple[Partner, Standing]:
        """Return a partner and how it stands; raises `NotFoundError` (`partner.unknown`)."""
        found = self._list("name = %(which)s", partner_name(name))
        if not found:
            raise no_such_partner(name)
        return found[0]

    def all(self, organisation: str | None = None) -> list[tuple[Partner, Standing]]:
        """Return every partner, or an organisation's, by name."""
        return self._list("(%(which)s::text IS NULL OR organisation = %(which)s)", organisation)

    def secret(self, name: str) -> Sealed | None:
        """Return a partner's secret; raises `NotFoundError` (`partner.unknown`)."""
        with reading(self._pool) as connection:
            row = connection.execute(
                "SELECT secret, sealed_with FROM work.partner WHERE ledger_id = %s AND name = %s",
                [self._ledger_id, partner_name(name)],
            ).fetchone()
        if row is None:
            raise no_such_partner(name)
        return sealed(*row)

    def hurry(self, name: str) -> None:
        """Make a partner due now; raises `NotFoundError`, and `InvalidInputError` (`partner.webhook`)."""
        self._check_read(name)
        with reading(self._pool) as connection:
            connection.execute(
                "UPDATE work.partner SET next_at = %(now)s WHERE ledger_id = %(ledger)s AND name = %(name)s",
                self._whose(name),
            )

    def totals(self, name: str) -> Totals:
        """Return what became of a partner's events."""
        with reading(self._pool) as connection:
            row = connection.execute(
                """SELECT count(*), coalesce(sum(recorded), 0)::bigint, coalesce(sum(duplicates), 0)::bigint,
                          coalesce(sum(conflicts), 0)::bigint, coalesce(sum(malformed), 0)::bigint,
                          (SELECT count(*) FROM work.finding f JOIN work.capture_job j USING (ledger_id, job_id)
                            WHERE j.ledger_id = %(ledger)s AND j.partner = %(name)s AND f.state = 'open')
                     FROM work.capture_job WHERE ledger_id = %(ledger)s AND partner = %(name)s""",
                {"ledger": self._ledger_id, "name": name},
            ).fetchone()
        assert row is not None
        captures, recorded, duplicates, conflicts, malformed, open_findings = row
        return Totals(captures, Counts(recorded, duplicates, conflicts, malformed), open_findings)

    def open_findings(self) -> dict[str, int]:
        """Return how many findings of what each partner sent are open, of those that have any."""
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT j.partner, count(*) FROM work.finding f JOIN work.capture_job j USING (ledger_id, job_id)"
                " WHERE j.ledger_id = %s AND j.partner IS NOT NULL AND f.state = 'open' GROUP BY j.partner",
                [self._ledger_id],
            ).fetchall()
        return {name: int(count) for name, count in rows}

    # Who reads it

    def claim_due(self) -> Held | None:
        """Take a partner that is to be asked or looked at by now, None when there is none."""
        return self._claim("next_at <= %(now)s AND kind <> 'webhook'", "")

    def claim(self, name: str) -> Held:
        """Take a partner, due or not.

        Raises `NotFoundError`, `InvalidInputError` (`partner.webhook`) for one that is not read, and `BusyError`
        (`partner.busy`) while another process reads it.
        """
        self._check_read(name)
        held = self._claim("name = %(which)s", partner_name(name))
        if held is None:
            raise BusyError(
                f"{name} is being read by another process",
                code="partner.busy",
                hint=f"Look again with: traceability partner status {name}",
            )
        return held

    def renew(self, held: Held) -> None:
        """Hold a partner for another while; raises `LostPartnerError`."""
        with reading(self._pool) as connection:
            self._change(connection, held, "leased_until = %(until)s")

    def advance(
        self, connection: psycopg.Connection, held: Held, progress: Progress, *, received: int, known: int
    ) -> None:
        """Move on, with the transaction of `connection`; raises `LostPartnerError`."""
        self._change(
            connection,
            held,
            "progress = %(progress)s, received = received + %(received)s, known = known + %(known)s,"
            " leased_until = %(until)s",
            progress=Jsonb(asdict(progress)),
            received=received,
            known=known,
        )

    def deliver(self, connection: psycopg.Connection, name: str, *, received: int, known: int) -> None:
        """Count what a webhook brought, with the transaction of `connection`."""
        connection.execute(
            "UPDATE work.partner SET received = received + %(received)s, known = known + %(known)s, failures = 0,"
            " succeeded_at = %(now)s, last_events = %(received)s, last_us = NULL"
            " WHERE ledger_id = %(ledger)s AND name = %(name)s",
            {**self._whose(name), "received": received, "known": known},
        )

    def refuse(self, name: str, code: str, message: str) -> None:
        """Note why a delivery was refused."""
        with reading(self._pool) as connection:
            connection.execute(
                "UPDATE work.partner SET failures = failures + 1, failed_at = %(now)s, error_code = %(code)s,"
                " error = %(error)s WHERE ledger_id = %(ledger)s AND name = %(name)s",
                {**self._whose(name), "code": code, "error": _shown(message)},
            )

    def succeed(self, held: Held, *, next_at: int, events: int, took_us: int) -> None:
        """Let go of a partner that was read to its end; raises `LostPartnerError`."""
        with reading(self._pool) as connection:
            self._change(
                connection,
                held,
                "leased_until = 0, failures = 0, succeeded_at = %(now)s, next_at = %(next)s"
                + (", last_events = %(events)s, last_us = %(took)s" if events else ""),
                next=next_at,
                events=events,
                took=took_us,
            )

    def fail(self, held: Held, *, next_at: int, code: str, message: str) -> None:
        """Let go of a partner that could not be read, and say why; raises `LostPartnerError`."""
        with reading(self._pool) as connection:
            self._change(
                connection,
                held,
                "leased_until = 0, failures = failures + 1, failed_at = %(now)s, next_at = %(next)s,"
                " error_code = %(code)s, error = %(error)s",
                next=next_at,
                code=code,
                error=_shown(message),
            )

    def release(self, held: Held) -> None:
        """Let go of a partner in the middle, to be gone on with at once."""
        with reading(self._pool) as connection:
            connection.execute(
                f"UPDATE work.partner SET leased_until = 0, next_at = %(now)s WHERE {_MINE}",
                {**self._whose(held.partner.name), "lease": held.lease},
            )

    def _check_read(self, name: str) -> None:
        partner, _ = self.get(name)
        if partner.kind is Kind.WEBHOOK:
            raise InvalidInputError(f"{name} is a webhook: it sends by itself", code="partner.webhook")

    def _claim(self, condition: str, which: str) -> Held | None:
        now = self._clock.now_us()
        with reading(self._pool) as connection:
            row = connection.execute(
                "UPDATE work.partner SET lease = lease + 1, leased_until = %(until)s"
                " WHERE ledger_id = %(ledger)s AND name = (SELECT name FROM work.partner"
                f" WHERE ledger_id = %(ledger)s AND leased_until < %(now)s AND {condition}"
                f" ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING secret, sealed_with, progress, lease,"
                f" failures, {_DEFINITION}",
                {"ledger": self._ledger_id, "now": now, "until": now + self.lease_us, "which": which},
            ).fetchone()
        if row is None:
            return None
        secret, key_id, progress, lease, failures, *definition = row
        return Held(_partner(definition), sealed(secret, key_id), _progress(progress), lease, failures)

    def _change(self, connection: psycopg.Connection, held: Held, changes: str, **values: object) -> None:
        whose = self._whose(held.partner.name)
        changed = connection.execute(
            f"UPDATE work.partner SET {changes} WHERE {_MINE}".encode(),
            {**whose, "lease": held.lease, "until": self._clock.now_us() + self.lease_us, **values},
        )
        if not changed.rowcount:
            raise LostPartnerError(f"Another process reads the partner {held.partner.name}, or it was removed")

    def _whose(self, name: str) -> dict[str, Any]:
        return {"ledger": self._ledger_id, "name": name, "now": self._clock.now_us()}

    def _list(self, condition: str, which: str | None) -> list[tuple[Partner, Standing]]:
        now = self._clock.now_us()
        with reading(self._pool) as connection:
            rows = connection.execute(
                "SELECT progress, received, known, leased_until > %(now)s, next_at, failures, succeeded_at, failed_at,"
                f" error_code, error, last_events, last_us, {_DEFINITION} FROM work.partner"
                f' WHERE ledger_id = %(ledger)s AND {condition} ORDER BY name COLLATE "C"',
                {"ledger": self._ledger_id, "which": which, "now": now},
            ).fetchall()
        return [(_partner(row[12:]), _standing(row[:12])) for row in rows]


def _partner(row: TupleRow | list[Any]) -> Partner:
    name, organisation, kind, address, created_at, accept, overlap_us, mapping, header = row
    return Partner(name, organisation, Kind(kind), address, created_at, Accept(accept), overlap_us, mapping, header)


def _standing(row: TupleRow) -> Standing:
    progress, received, known, working, next_at, failures, succeeded_at, failed_at, code, error, *last = row
    failure = None if failed_at is None else Failure(failed_at, code, error)
    return Standing(
        _progress(progress), received, known, working, next_at, failures, succeeded_at, failure, last[0], last[1]
    )


def _progress(value: object) -> Progress:
    return msgspec.convert(value, Progress)


def _shown(message: str) -> str:
    return message.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST_ERROR]


def no_such_partner(name: str) -> NotFoundError:
    """Return the error for a name that is no partner's, or whose partner the caller may not know of."""
    return NotFoundError(
        f"There is no partner {name}", code="partner.unknown", hint="List them with: traceability partner list"
    )
