"""What an error of the database says about an append: made, not made, or nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from adapters.postgres.connection import unreachable
from traceability.errors import UnavailableError

_NO_PARTITION: Final = "no partition of relation"
_LOST: Final = ("08", "57P")  # connection exceptions, a server that ends


@contextmanager
def reading(pool: ConnectionPool[psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """Give a connection to read with; raises `UnavailableError` `postgres.unreachable`."""
    try:
        with pool.connection() as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise unreachable(error) from error


@contextmanager
def settled(pool: ConnectionPool[psycopg.Connection]) -> Iterator[psycopg.Connection]:
    """Give a connection to append with.

    Raises `UnavailableError`: `ledger.outcome_unknown` when the connection broke, so that the commit may have happened
    or not; `ledger.not_appended` when no connection came free, or the server gave up and rolled back (a time limit, a
    full disk); `ledger.no_partition` when the partitions made ahead are used up. Other errors are about what was
    appended, and nothing of it was.
    """
    try:
        with pool.connection() as connection:
            yield connection
    except (PoolTimeout, PoolClosed, TooManyRequests) as error:
        raise _not_appended(error) from error
    except (psycopg.errors.CheckViolation, psycopg.errors.InternalError_) as error:
        # A row without a partition counts as one; the checks of our own tables are on what we compute ourselves. What
        # breaks a COPY on a node of a cluster arrives without its code.
        if isinstance(error, psycopg.errors.InternalError_) and _NO_PARTITION not in (error.diag.message_primary or ""):
            raise
        raise UnavailableError(
            "there is no partition for the next event, and nothing was recorded",
            code="ledger.no_partition",
            hint="Run: traceability db maintain",
        ) from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        # An ERROR ends the transaction and leaves the connection; FATAL, or no word at all, ends the connection, and
        # that may be after the commit. The coordinator of a cluster tells as an ERROR that it lost the node.
        if error.diag.severity_nonlocalized == "ERROR" and not (error.sqlstate or "").startswith(_LOST):
            raise _not_appended(error) from error
        pool.check()  # others of the pool are likely to be dead too, and each would cost somebody an append
        raise outcome_unknown() from error


def outcome_unknown() -> UnavailableError:
    """Return the error of an append that was interrupted."""
    return UnavailableError(
        "the connection to the database broke during a commit, so the append may have been made or not",
        code="ledger.outcome_unknown",
        hint="Read the ledger, then decide whether to append again.",
    )


def _not_appended(error: psycopg.Error) -> UnavailableError:
    return UnavailableError(
        f"the database could not append: {error.diag.message_primary or error}",
        code="ledger.not_appended",
        hint="Nothing was recorded; try again.",
    )
