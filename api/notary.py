"""The ledger's log as this process has it: the database, the folder of static files, and the key if it is here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from adapters.postgres.notary import PostgresLog, create_log, find_log
from adapters.signing import signing_key
from adapters.tiles import FileTileStore
from api.codes import read_code
from api.settings import Settings
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError, UnavailableError
from traceability.ledger.access import ITEM, Reader, open_item_indices
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.log import Log, prove
from traceability.notary.note import VerifierKey
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening, open_event

DEFAULT_HOST: Final = "traceability.local"
MEDIA_TYPE: Final = "text/plain; charset=utf-8"
_WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class PublishedLog:
    """A log that exists; reading and proving need no key."""

    database: PostgresLog
    tiles: FileTileStore

    @property
    def name(self) -> str:
        """Its name in URLs."""
        return self.database.identity.name

    @property
    def key(self) -> VerifierKey:
        """Its public key."""
        return VerifierKey.parse(self.database.identity.vkey)

    def served(self) -> tuple[Checkpoint, str] | None:
        """Return the served checkpoint and its note, None before the first; raises `DamagedLogError`."""
        if (data := self.tiles.checkpoint()) is None:
            return None
        try:
            checkpoint, _ = open_checkpoint(data, self.key)
        except VerificationError as error:
            raise DamagedLogError(f"the published checkpoint is not the log's: {error}") from error
        return checkpoint, data.decode()


def published_log(engine: Engine) -> PublishedLog:
    """Return the ledger's log; raises `NotFoundError` (`log.unknown`) before it was first integrated."""
    database = find_log(engine.pool, engine.ledger.ledger_id)
    if database is None:
        raise NotFoundError(
            f"The ledger {engine.ledger.name} has no log yet",
            code="log.unknown",
            hint="The server makes it, and so does: traceability log integrate",
        )
    return PublishedLog(database, tiles_of(engine.settings, database.identity.name))


def writable_log(engine: Engine) -> tuple[PostgresLog, Log]:
    """Return the ledger's log to integrate it; log and key are made at first use.

    The key decides the origin, so a key that was brought along keeps its own. Raises `UnavailableError`
    (`log.key_file`), also when the log exists and its key is not here, and `RolledBackError` (`log.wrong_key`).
    """
    settings, path = engine.settings, key_path(engine.settings)
    database = find_log(engine.pool, engine.ledger.ledger_id)
    if database is not None and not path.exists():
        raise UnavailableError(
            f"The signing key of the log {database.identity.name} is not at {path}",
            code="log.key_file",
            hint="Bring the key back, or set TRACEABILITY_LOG_KEY: without it the log cannot grow.",
        )
    origin = settings.log_origin or f"{DEFAULT_HOST}/{engine.ledger.name}"
    key = signing_key(path, origin, engine.entropy)
    if settings.log_origin not in (None, key.name):
        raise InvalidInputError(
            f"TRACEABILITY_LOG_ORIGIN says {settings.log_origin}, the log's key is of {key.name}",
            code="settings.log_origin",
            hint="An origin never changes: take the setting back, or use another ledger and key.",
        )
    if database is None:
        database = create_log(
            engine.pool,
            engine.ledger.ledger_id,
            name=engine.ledger.name,
            origin=key.name,
            vkey=key.verifier.text,
            clock=engine.clock,
        )
    return database, Log(database, tiles_of(settings, database.identity.name), key, engine.clock)


def key_path(settings: Settings) -> Path:
    """Return where the log's signing key is."""
    return settings.log_key or settings.data / "keys" / f"{settings.ledger}.key"


def tiles_of(settings: Settings, name: str) -> FileTileStore:
    """Return the folder of a log's static files."""
    return FileTileStore(settings.data / "logs" / name)


def integrate_all(engine: Engine) -> Checkpoint:
    """Publish everything that is sequenced now, or wait until the process that leads has.

    Raises `UnavailableError` (`log.not_published`) when that does not happen within 30 seconds.
    """
    database, log = writable_log(engine)
    goal = database.sequenced()
    published = published_log(engine)
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        with database.leadership() as leads:
            # Not until nothing is left: others may append as fast as this integrates.
            while leads and (signed := log.integrate()) is not None and signed.size < goal:
                pass
        served = published.served()
        if served is not None and served[0].size >= goal:
            return served[0]
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"The process that integrates this log has not published {goal} leaves",
                code="log.not_published",
                hint="Look at the server's log lines.",
            )
        time.sleep(_POLL_SECONDS)


def receipt(engine: Engine, event_id: UUID, reader: Reader, items: Iterable[str] = ()) -> LogProof:
    """Build the receipt that `reader` may have of an event: all that it may see, or of `what` only the named items.

    Raises what `opened_leaf` does, and `NotPublishedError`.
    """
    log, index, opening = opened_leaf(engine, event_id, reader, items)
    return prove(log.tiles, log.key, index, opening)


def opened_leaf(
    engine: Engine, event_id: UUID, reader: Reader, items: Iterable[str] = ()
) -> tuple[PublishedLog, int, Opening]:
    """Return the log that an event is in, its leaf index, and the opening that `reader` may have of it.

    Raises `NotFoundError` (`ledger.unknown_event`) when there is no such event or the reader may not know of it,
    `NotFoundError` (`log.no_such_item`) when it shows the reader none of the items, and `IdentifierError`.
    """
    asked = {read_code(item).uri for item in items}
    record = engine.ledger.record_of(event_id)
    extent = reader.extent(engine.rules.indexer(record.event.parts).visibility) if record else None
    if record is None or extent is None:
        raise NotFoundError("There is no such event", code="ledger.unknown_event")
    event, parts = record.event, record.event.parts
    if asked and "what" in extent:
        # Nor the bytes as received, which name them all.
        extent = extent - {"what", "source"} | {ITEM}
    shown = open_item_indices(parts.what, extent, asked)
    if asked and not shown:
        raise NotFoundError("This event shows you none of these items", code="log.no_such_item")
    assert event.recorded_at is not None
    assert event.salt is not None
    assert event.personal_salt is not None
    opening = open_event(
        event_id, event.recorded_at, parts, event.salt, event.personal_salt, extent=extent, items=shown
    )
    log = published_log(engine)
    return log, record.position - log.database.identity.first_position, opening
