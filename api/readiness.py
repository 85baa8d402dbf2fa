"""What keeps the server from being used."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from adapters.postgres.migrate import check
from adapters.postgres.partitions import LOW_WATER, positions_left
from adapters.postgres.privileges import excess_privileges
from api.wiring import Engine
from traceability.errors import UnavailableError

log = structlog.stdlib.get_logger("api.readiness")


def unreadiness(engine: Engine) -> Iterator[tuple[str, str]]:
    """Yield a code and a sentence for each reason; nothing when the server is ready.

    Codes: `ready.database`, `ready.migrations`, `ready.privileges`, `ready.partitions`.
    """
    try:
        pending = check(engine.urls.runtime).pending
        if pending:
            yield "ready.migrations", f"Migrations are pending: {', '.join(pending)}. Run: traceability db migrate"
            return
        with engine.pool.connection() as connection:
            excess = excess_privileges(connection)
            left = positions_left(connection)
    except (psycopg.OperationalError, PoolTimeout, UnavailableError):
        log.exception("not ready")
        # What the driver says names hosts and roles: it is for the log, not for whoever asks.
        yield "ready.database", "The database does not answer, or is not as it should be."
        return
    if excess:
        yield "ready.privileges", f"The database role could change records: it {'; it '.join(excess)}."
    if left < LOW_WATER:
        yield "ready.partitions", f"There is room for only {left} more events. Run: traceability db maintain"
