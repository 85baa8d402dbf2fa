"""Timestamps of checkpoints: asking an authority for one, keeping it, and doing so on an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from cryptography.x509 import Certificate

from adapters.timestamps import TimestampClient
from api.background import Background
from api.integrator import Integrator
from api.notary import PublishedLog, opened_leaf, published_logs
from api.settings import Settings
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError, TraceabilityError, UnavailableError
from traceability.ledger.access import Reader
from traceability.notary.cosigning import kept_note
from traceability.notary.errors import NotPublishedError
from traceability.notary.log import prove
from traceability.notary.ports import StoredTimestamp
from traceability.notary.proof import LogProof
from traceability.notary.timestamp import Timestamp, read_roots, stamped_bytes

POLL_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 60.0
_log: Final = structlog.stdlib.get_logger("api.timestamps")


def roots_of(path: Path) -> list[Certificate]:
    """Read a PEM file of trusted certificates; raises `UnavailableError`, `VerificationError` (`timestamp.roots`)."""
    try:
        return read_roots(path.read_bytes())
    except OSError as error:
        raise UnavailableError(
            f"The trusted certificates {path} cannot be read: {error.strerror}", code="timestamp.roots"
        ) from error


def timestamp_client(settings: Settings) -> TimestampClient:
    """Return the client of the authority that the settings name; raises `InvalidInputError` when they name none."""
    if settings.timestamp_url is None or settings.timestamp_roots is None:
        raise InvalidInputError(
            "No time-stamping authority is set",
            code="settings.timestamp_url",
            hint="Set TRACEABILITY_TIMESTAMP_URL, and TRACEABILITY_TIMESTAMP_ROOTS to its root certificate's file.",
        )
    return TimestampClient(settings.timestamp_url, roots_of(settings.timestamp_roots))


def stamp_published(engine: Engine, client: TimestampClient, log: PublishedLog) -> tuple[StoredTimestamp, Timestamp]:
    """Have a log's served checkpoint stamped, and keep the answer.

    Raises `NotPublishedError` and what the client does.
    """
    if (served := log.served()) is None:
        raise NotPublishedError("nothing of this log is published yet", hint="Run: traceability log integrate")
    checkpoint, note = served
    response, timestamp = client.stamp(stamped_bytes(note.encode(), log.key))
    stored = StoredTimestamp(checkpoint.size, client.url, engine.clock.now_us(), response)
    log.database.timestamps.add(stored)
    return stored, timestamp


def stamped_receipt(
    engine: Engine, event_id: UUID, reader: Reader, items: Iterable[str] = ()
) -> tuple[LogProof, StoredTimestamp]:
    """Build the receipt of an event under the first stamped checkpoint that covers it, cosigned, with the timestamp.

    Raises what `opened_leaf` does, and `NotFoundError` (`timestamp.none`) when no such checkpoint is stamped yet.
    """
    log, index, opening = opened_leaf(engine, event_id, reader, items)
    stored = log.database.timestamps.covering(index + 1)
    signed = log.database.signed_at_size(stored.size) if stored else None
    if stored is None or signed is None:
        raise NotFoundError(
            "No checkpoint that covers this event has a timestamp yet",
            code="timestamp.none",
            hint="Run: traceability log timestamp",
        )
    return prove(log.tiles, log.key, index, opening, kept_note(log.database, signed).encode()), stored


class Timestamper:
    """The thread that has the served checkpoints stamped every so often.

    It is apart from the one that integrates, so that an authority that is slow or gone delays nothing. A checkpoint
    that has a timestamp gets no second one: it could only say that the checkpoint existed later as well.
    """

    def __init__(self, engine: Engine, client: TimestampClient, seconds: float, leads: Callable[[], bool]) -> None:
        self._engine = engine
        self._client = client
        self._seconds = seconds
        self._leads = leads
        self.background = Background("timestamper", self._run)
        """At its end a question that is under way is waited for, some seconds at most."""

    def _run(self) -> None:
        pause = 0.0
        while not self.background.stopping.wait(pause):
            try:
                if self._leads():
                    self._stamp_what_is_due()
                pause = min(POLL_SECONDS, self._seconds)
            except TraceabilityError as error:
                _log.warning("checkpoint not stamped", code=error.code, reason=error.message)
                pause = min(RETRY_SECONDS, self._seconds)
            except Exception:  # noqa: BLE001
                # Whatever it is, a log without timestamps for a while is better than a thread that is gone.
                _log.exception("checkpoint not stamped")
                pause = min(RETRY_SECONDS, self._seconds)

    def _stamp_what_is_due(self) -> None:
        # Closed logs too: the last checkpoint of each is served for ever, and is stamped once.
        for log in published_logs(self._engine):
            if not self.background.stops and self._is_due(log):
                stored, timestamp = stamp_published(self._engine, self._client, log)
                _log.info("checkpoint stamped", log=log.name, size=stored.size, at=timestamp.at)

    def _is_due(self, log: PublishedLog) -> bool:
        served, newest = log.served(), log.database.timestamps.newest()
        if served is None or (newest is not None and served[0].size <= newest.size):
            return False
        # By what is stored, so that a restart does not ask anew, and of two servers the next one knows.
        age = None if newest is None else self._engine.clock.now_us() - newest.received_at
        return age is None or age >= self._seconds * 1_000_000


@contextmanager
def timestamping(engine: Engine, integrator: Integrator) -> Iterator[None]:
    """Have checkpoints stamped in the background, if the settings say how often, for as long as the context lasts."""
    settings = engine.settings
    if settings.timestamp_seconds is None:
        yield
        return
    timestamper = Timestamper(engine, timestamp_client(settings), settings.timestamp_seconds, lambda: integrator.leads)
    with timestamper.background:
        yield
