"""The ledger's logs as this process has them: database, folders of static files, and the keys that are here."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from adapters.postgres.log_chain import NewLog, create_log
from adapters.postgres.log_chain import close_log as close
from adapters.postgres.notary import PostgresLog, find_logs
from adapters.tiles import FileTileStore
from api.codes import read_code
from api.log_keys import Announced, NoKey, new_key, signer_of, with_ml_dsa
from api.settings import LOG_NAME, ORIGIN, Settings
from api.wiring import Engine
from traceability.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from traceability.ledger.access import ITEM, Reader, open_item_indices
from traceability.ledger.store import Record
from traceability.notary.chain import abandonment
from traceability.notary.checkpoint import Checkpoint, open_checkpoint
from traceability.notary.cosigning import check_not_ahead_of_witnesses
from traceability.notary.errors import DamagedLogError, VerificationError
from traceability.notary.log import Log, check_not_ahead, prove
from traceability.notary.note import VerifierKey
from traceability.notary.ports import Signer
from traceability.notary.proof import LogProof
from traceability.notary.receipt import Opening, open_event

DEFAULT_HOST: Final = "traceability.local"
MEDIA_TYPE: Final = "text/plain; charset=utf-8"
_WAIT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


class LogState(StrEnum):
    """How a log stands: grows; ends, and is being published to its end; ended; was given up after a restore."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    ABANDONED = "abandoned"


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

    def finished(self) -> bool:
        """Tell whether the log is closed and all that it will ever have is published, or never can be."""
        identity = self.database.identity
        if identity.final_size is None or identity.abandoned_note is not None:
            return identity.abandoned_note is not None
        served = self.served()
        return served is not None and served[0].size == identity.final_size

    def state(self) -> LogState:
        """Return how the log stands."""
        identity = self.database.identity
        if identity.last_position is None:
            return LogState.OPEN
        if identity.abandoned_note is not None:
            return LogState.ABANDONED
        return LogState.CLOSED if self.finished() else LogState.CLOSING


def published_logs(engine: Engine) -> list[PublishedLog]:
    """Return the logs of the ledger in the order of their positions; all but the last are closed."""
    return [
        PublishedLog(database, tiles_of(engine.settings, database.identity.name))
        for database in find_logs(engine.pool, engine.ledger.ledger_id)
    ]


def published_log(engine: Engine, name: str | None = None) -> PublishedLog:
    """Return the log of that name, else the one that is added to.

    Raises `NotFoundError` (`log.unknown`) when there is none, as before the first integration.
    """
    for log in reversed(published_logs(engine)):
        if name in (None, log.name):
            return log
    if name is not None:
        raise NotFoundError(
            f"The ledger {engine.ledger.name} has no log {name}",
            code="log.unknown",
            hint="Those there are: traceability log list",
        )
    raise NotFoundError(
        f"The ledger {engine.ledger.name} has no log yet",
        code="log.unknown",
        hint="The server makes it, and so does: traceability log integrate",
    )


def log_holding(engine: Engine, position: int) -> PublishedLog:
    """Return the log of which a position is a leaf, or will be; raises `NotFoundError` (`log.unknown`)."""
    held = (log for log in published_logs(engine) if log.database.identity.holds(position))
    return next(held, None) or published_log(engine)


def writable_log(engine: Engine) -> tuple[PostgresLog, Log]:
    """Return the log that is to be integrated next: a closed one until all of it is published, then the open one.

    The first log and its key are made at first use; the key decides the origin, so a key that was brought along keeps
    its own. Raises `UnavailableError` (`log.key_file`), also when the log exists and its key is not here, and
    `RolledBackError` (`log.wrong_key`).
    """
    settings, logs = engine.settings, published_logs(engine)
    origins = [log.database.identity.origin for log in logs]
    if logs and settings.log_origin not in (None, *origins):
        raise _other_origin(settings, origins[0])
    for log in logs:
        if not log.finished():
            return log.database, _log(engine, log.database, _signer(settings, log.database))
    first = new_key(
        settings,
        engine.entropy,
        log=engine.ledger.name,
        origin=None,
        fallback=settings.log_origin or f"{DEFAULT_HOST}/{engine.ledger.name}",
    )
    if settings.log_origin not in (None, first.name):
        raise _other_origin(settings, first.name)
    database = create_log(
        engine.pool,
        engine.ledger.ledger_id,
        name=engine.ledger.name,
        origin=first.name,
        vkey=first.verifier.text,
        clock=engine.clock,
    )
    return database, _log(engine, database, first)


def _log(engine: Engine, database: PostgresLog, signer: Signer) -> Log:
    settings, name = engine.settings, database.identity.name
    # A log that has the second key keeps it, or nobody could tell a line that was taken away from one never made.
    if (settings.log_ml_dsa or database.identity.additional_keys) and not isinstance(signer, NoKey):
        signer = Announced(with_ml_dsa(settings, engine.entropy, name, signer), database, engine.clock)
    return Log(database, tiles_of(settings, name), signer, engine.clock, engine.witnesses)


def close_log(
    engine: Engine, *, name: str, origin: str, reason: str = "", abandon: bool = False
) -> tuple[PublishedLog, PublishedLog]:
    """Close the ledger's open log and open the next under a name, an origin and a key of its own; return both.

    With `abandon` the log is one that a restored database must not sign: it ends where `abandonment` finds. Else it
    ends with the last event that is committed, and the integrator publishes it up to that. Raises `RolledBackError`
    or `ConflictError` (`log.not_rolled_back`) when `abandon` is not what this log needs, `ConflictError`
    (`log.exists`, `log.closed`), `InvalidInputError` (`log.name`, `log.origin`), and `UnavailableError`
    (`log.key_file`).
    """
    log, witnesses = published_log(engine), engine.witnesses
    found = None
    if abandon:
        shown = [] if witnesses is None else witnesses.latest(log.key.name)
        found = abandonment(log.database, log.tiles, [note for _, note in shown])
    else:
        if (served := log.served()) is not None:
            check_not_ahead(log.database, served[0])
        if witnesses is not None:
            check_not_ahead_of_witnesses(witnesses, log.database, log.key)
    _check_names(engine, name, origin)
    key = new_key(engine.settings, engine.entropy, log=name, origin=origin, fallback=origin)
    if key.name != origin:
        raise InvalidInputError(
            f"The key of the log {name} is there already, and is of {key.name}",
            code="log.origin",
            hint="Choose that origin or another name, or move the key file away.",
        )
    close(
        engine.pool,
        engine.ledger.ledger_id,
        log.database.log_id,
        NewLog(name, origin, key.verifier.text),
        clock=engine.clock,
        reason=reason,
        abandonment=found,
    )
    return published_logs(engine)[-2], published_log(engine, name)


def _check_names(engine: Engine, name: str, origin: str) -> None:
    if not re.fullmatch(LOG_NAME, name):
        raise InvalidInputError(
            f"{name} cannot be the name of a log",
            code="log.name",
            hint="Use 1 to 63 lower-case letters, digits, dots and hyphens.",
        )
    if not re.fullmatch(ORIGIN, origin):
        raise InvalidInputError(
            f"{origin} cannot be an origin",
            code="log.origin",
            hint="An origin is a host and a path of yours without a scheme, such as dairy.example/2026h2.",
        )
    # A database that was restored to a time before this log was opened does not know it; its readers do.
    if name == engine.ledger.name or tiles_of(engine.settings, name).checkpoint() is not None:
        raise ConflictError(
            f"There is a log {name} already", code="log.exists", hint="Choose a name that was never used."
        )


def _signer(settings: Settings, database: PostgresLog) -> Signer:
    identity = database.identity
    final = identity.final_size
    try:
        return signer_of(settings, identity)
    except UnavailableError:
        if final is None or database.signed_at_size(final) is None:
            raise
        # Its files were lost and its key was destroyed, as it may be when nothing is left to sign.
        return NoKey(VerifierKey.parse(identity.vkey))


def _other_origin(settings: Settings, origin: str) -> InvalidInputError:
    return InvalidInputError(
        f"TRACEABILITY_LOG_ORIGIN says {settings.log_origin}, the log's key is of {origin}",
        code="settings.log_origin",
        hint="An origin never changes: take the setting back, close the log and open the next, or use another ledger.",
    )


def tiles_of(settings: Settings, name: str) -> FileTileStore:
    """Return the folder of a log's static files."""
    return FileTileStore(settings.data / "logs" / name)


def integrate_all(engine: Engine) -> Checkpoint:
    """Publish everything that is sequenced now, or wait until the process that leads has.

    Raises `UnavailableError` (`log.not_published`) when that does not happen within 30 seconds.
    """
    goal = engine.ledger.head()
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        database, log = writable_log(engine)
        first = database.identity.first_position
        with database.leadership() as leads:
            # Not until nothing is left: others may append as fast as this integrates.
            while leads and (signed := log.integrate()) is not None and first + signed.size <= goal:
                pass
        newest = published_log(engine)
        served = newest.served()
        if served is not None and newest.database.identity.first_position + served[0].size > goal:
            return served[0]
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"The process that integrates this log has not published position {goal}",
                code="log.not_published",
                hint="Look at the server's log lines.",
            )
        if not leads:
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
    if record is None:
        raise _no_event()
    return _opened(engine, record, reader, asked)


def receipt_of(engine: Engine, record: Record, reader: Reader, asked: Collection[str] = ()) -> LogProof:
    """Build the receipt of a record as `receipt` does; `asked` are canonical identifiers."""
    log, index, opening = _opened(engine, record, reader, asked)
    return prove(log.tiles, log.key, index, opening)


def _opened(
    engine: Engine, record: Record, reader: Reader, asked: Collection[str]
) -> tuple[PublishedLog, int, Opening]:
    parts = record.event.parts
    extent = reader.extent(engine.rules.indexer(parts).visibility)
    if extent is None:
        raise _no_event()
    if asked and "what" in extent:
        # Nor the bytes as received, which name them all.
        extent = extent - {"what", "source"} | {ITEM}
    shown = open_item_indices(parts.what, extent, asked)
    if asked and not shown:
        raise NotFoundError("This event shows you none of these items", code="log.no_such_item")
    return leaf_of(engine, record, extent, shown)


def leaf_of(
    engine: Engine, record: Record, extent: Collection[str], items: Iterable[int] = ()
) -> tuple[PublishedLog, int, Opening]:
    """Return the log that a record is in, its leaf index, and the opening of its parts in `extent` and these items."""
    log = log_holding(engine, record.position)
    return log, record.position - log.database.identity.first_position, open_record(record, extent, items)


def open_record(record: Record, extent: Collection[str], items: Iterable[int] = ()) -> Opening:
    """Open a record's parts in `extent`, and of `what` these items."""
    event = record.event
    assert event.event_id is not None
    assert event.recorded_at is not None
    assert event.salt is not None
    assert event.personal_salt is not None
    return open_event(
        event.event_id, event.recorded_at, event.parts, event.salt, event.personal_salt, extent=extent, items=items
    )


def _no_event() -> NotFoundError:
    return NotFoundError("There is no such event", code="ledger.unknown_event")
