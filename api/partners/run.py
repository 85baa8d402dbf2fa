"""Reading a partner once, to its end, and writing down how it went."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from adapters.outgoing import Allowed, Outgoing
from adapters.postgres.partners import Held, LostPartnerError
from api.capture.blocks import BlockWorkers
from api.partners.folder import look_into
from api.partners.pull import pull
from api.partners.reading import Reading, StoppedError, partners_of
from api.wiring import Engine
from traceability.errors import TraceabilityError, UnavailableError
from traceability.ledger.capture import Counts
from traceability.ledger.partners import Kind, pause_us

_log: Final = structlog.stdlib.get_logger("api.partners")


@dataclass(frozen=True, slots=True)
class WasRead:
    """What a reading brought: `events` came, and what became of those that were new."""

    events: int
    captures: int
    counts: Counts
    took_us: int


def read(
    engine: Engine,
    held: Held,
    *,
    stopping: threading.Event | None = None,
    told: Callable[[int], None] = lambda _events: None,
) -> WasRead:
    """Read a partner that the caller holds, let go of it, and write down how it went.

    Raises what went wrong, after that is written down. `StoppedError` and `LostPartnerError` are nothing that did.
    """
    began = engine.clock.now_us()
    partners, interval_us = partners_of(engine), engine.settings.partner_interval * 1_000_000
    try:
        with BlockWorkers(engine.settings.capture_workers) as workers:
            reading = Reading(engine, held, workers, stopping=stopping or threading.Event(), told=told)
            if held.partner.kind is Kind.FOLDER:
                look_into(reading)
            else:
                allowed = Allowed.parse(engine.settings.outgoing_allow or "")
                seconds = engine.settings.partner_timeout_seconds
                with Outgoing(held.partner.address, allowed, seconds=seconds) as outgoing:
                    pull(reading, outgoing)
    except (StoppedError, KeyboardInterrupt):
        partners.release(held)
        raise
    except LostPartnerError:
        raise
    except Exception as error:
        failure = _failure(error)
        pause = pause_us(interval_us, held.failures + 1)
        partners.fail(held, next_at=engine.clock.now_us() + pause, code=failure.code, message=failure.message)
        raise failure from error
    now = engine.clock.now_us()
    was_read = WasRead(reading.events, reading.captures, reading.counts, now - began)
    partners.succeed(held, next_at=now + interval_us, events=was_read.events, took_us=was_read.took_us)
    return was_read


def _failure(error: Exception) -> TraceabilityError:
    if isinstance(error, TraceabilityError):
        return error
    if isinstance(error, psycopg.Error | PoolTimeout | OSError):
        return UnavailableError(f"The partner could not be read: {error}", code="partner.interrupted")
    _log.exception("partner not read", exc_info=error)
    return TraceabilityError("Something went wrong here; tell the operator", code="partner.failed")
