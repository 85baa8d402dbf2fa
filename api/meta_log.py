"""Recording what a ledger's logs publish in the ledger of the meta-log."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

import psycopg
import structlog
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from adapters.postgres.ledger import PostgresLedger
from api.notary import PublishedLog
from api.wiring import Engine
from traceability.errors import InvalidInputError, UnavailableError
from traceability.ledger.event import DecisionPayload
from traceability.ledger.store import AppendConflictError
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.meta import CHECKPOINT_PUBLISHED

EVERY_SECONDS: Final = 1.0
_log: Final = structlog.stdlib.get_logger("api.meta_log")


class CheckpointPublished(DecisionPayload):
    """A log has published the checkpoint in `note`, which stands here as it was signed."""

    type_name = CHECKPOINT_PUBLISHED
    origin: str
    size: int
    note: str


class MetaLog:
    """Appends the checkpoints of one ledger's logs to the meta-log's ledger, each once, at most one a second.

    An append has the condition that this checkpoint is not recorded, so it may be tried again after a crash, and two
    servers record it once. A meta-log that cannot be reached does not keep the logs from growing.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        if name == engine.ledger.name:
            raise InvalidInputError(
                "TRACEABILITY_LOG_META_LEDGER names the ledger itself",
                code="settings.log_meta_ledger",
                hint="The meta-log's checkpoints are not recorded in it: unset it for the server of that ledger.",
            )
        self._ledger = PostgresLedger(engine.pool, engine.rules, name=name, organisation=engine.settings.operator)
        self._clock = engine.clock
        self._told: dict[str, bytes] = {}
        self._due = 0.0

    def record(self, log: PublishedLog, *, now: bool = False) -> None:
        """Record the served checkpoint of a log if it is new and a second has passed since the last, or `now`."""
        if not now and time.monotonic() < self._due:
            return
        served = log.tiles.checkpoint()
        if served is None or self._told.get(log.name) == served:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        found = log.served()
        if found is None:
            return
        try:
            self._append(*found)
        except (UnavailableError, psycopg.Error) as error:
            _log.warning("checkpoint not recorded in the meta-log", log=log.name, reason=str(error))
            return
        self._told[log.name] = found[1].encode()

    def _append(self, checkpoint: Checkpoint, note: str) -> None:
        once = f"checkpoint:{checkpoint.origin}@{checkpoint.size}"
        event = CheckpointPublished(origin=checkpoint.origin, size=checkpoint.size, note=note).to_event(
            captured_by=self._ledger.organisation,
            occurred_at=self._clock.now_us(),
            tags=[once, f"log:{checkpoint.origin}", f"org:{self._ledger.organisation}"],
        )
        with suppress(AppendConflictError):
            self._ledger.append([event], DCBAppendCondition(DCBQuery([DCBQueryItem(tags=[once])])))
