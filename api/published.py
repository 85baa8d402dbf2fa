"""Writes that are answered when what they recorded is published: `?wait=published`, wherever a request appends.

The answer carries the receipt, so that nobody has to come back for it. A request that waits holds no thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Annotated, Final, Literal

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool

from api.integrator import Integrator
from api.notary import log_holding, receipt_of
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.notary.proof import LogProof

WAIT_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 0.01

Wait = Annotated[
    Literal["published"] | None,
    Query(description="Answer when what was recorded is published, with the receipt; after ten seconds without it."),
]


def integrator_wake(request: Request) -> threading.Event:
    """Return what to set when something was recorded; a server that does not integrate has one that does nothing."""
    integrator: Integrator | None = getattr(request.app.state, "integrator", None)
    return threading.Event() if integrator is None else integrator.wake


async def until_position(engine: Engine, position: int, wake: threading.Event, deadline: float) -> bool:
    """Return True once the event at a position is published, False at the `deadline` (monotonic seconds)."""
    wake.set()
    while not await run_in_threadpool(_is_published, engine, position):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


async def proof_of(
    engine: Engine, request: Request, wait: str | None, position: int, prove: Callable[[], LogProof]
) -> str | None:
    """Return what `prove` gives once the event at `position` is published, None when nobody waits or it takes long."""
    if wait is None:
        return None
    deadline = time.monotonic() + WAIT_SECONDS
    if not await until_position(engine, position, integrator_wake(request), deadline):
        return None
    return (await run_in_threadpool(prove)).text()


def own_receipt(engine: Engine, position: int, organisation: str) -> LogProof:
    """Return the receipt that an organisation may have of the event at a position, which it has just recorded."""
    (record,) = engine.ledger.records([position])
    return receipt_of(engine, record, engine.organisations.reader(organisation))


def _is_published(engine: Engine, position: int) -> bool:
    try:
        log = log_holding(engine, position)
    except NotFoundError:
        return False
    served = log.served()
    return served is not None and position < log.database.identity.first_position + served[0].size
