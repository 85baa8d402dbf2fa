"""A ledger rebuilt from an audit export under another origin (docs/guide/audit.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from adapters.postgres.notary import find_log
from adapters.postgres.restore import Restored, restore
from api.audit import require_first
from api.log_keys import environment_keys, key_path, new_key
from api.notary import DEFAULT_HOST
from api.wiring import INDEXER, Engine
from traceability.errors import ConflictError, InvalidInputError
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.ledger.event import LedgerEvent, Redacted, opaque_data, read_foreign
from traceability.notary.content import decode_json
from traceability.notary.encoding import text_of
from traceability.notary.export import AuditExport, Erasure, ExportHeader
from traceability.notary.note import VerifierKey
from traceability.notary.ports import StoredEvent

Progress = Callable[[int, int], None]
_EVERY = 1_000


def read_erasures(data: bytes) -> list[Erasure]:
    """Read a list of erasures: the array that `ledger erasures --json` prints, or the lines of `erasures/` in the data.

    Raises `VerificationError`, which is `InvalidInputError`.
    """
    text = text_of(data, "the list of erasures")
    if text.lstrip().startswith("["):
        listed = decode_json(text, "the list of erasures", number=int)
    else:
        listed = [decode_json(line, "a line of the list of erasures", number=int) for line in text.split("\n") if line]
    return [Erasure.of(members) for members in listed]


def restore_ledger(
    engine: Engine,
    export: AuditExport,
    keys: Sequence[VerifierKey],
    known: Iterable[Erasure],
    progress: Progress,
) -> Restored:
    """Rebuild the engine's ledger, which is empty, from an export of logs that `keys` sign; they become one log.

    The export is read twice: once to check every leaf, the roots and checkpoints and to learn what was erased, so that
    nothing is written that is not proven or must not be there any more. `known` are erasures from elsewhere; those of
    positions beyond the export say nothing about it.

    Raises `VerificationError`, `ConflictError` (`audit.same_origin`, `ledger.not_empty`, `ledger.restoring`) and
    `InvalidInputError`: `audit.not_first` for a log that does not begin its ledger, `audit.foreign_erasure` for an
    erasure of another event than the one at its position, and what `restore` raises.
    """
    require_first(export.header)
    _require_other_origin(engine, export.header)
    listed = {erasure.position: erasure for erasure in known}
    named: set[int] = set()
    for number, (_, event) in enumerate(export.verified(*keys), 1):
        if (position := _redacted_position(event)) is not None:
            named.add(position)
        if event.position in listed and listed[event.position].event_id != event.event_id:
            raise InvalidInputError(
                f"The list erases event {listed[event.position].event_id} at position {event.position},"
                f" where the export has {event.event_id}",
                code="audit.foreign_erasure",
                hint="The list is of another ledger.",
            )
        if number % _EVERY == 0:
            progress(number, 2 * export.size)
    size, personal = export.size, export.headers[-1].personal
    PersonalMembers(personal)  # refuses what could match nothing
    for header in export.headers:
        _require_other_origin(engine, header)
    told = {erasure.position: erasure for erasure in export.erasures} | listed
    erasures = {position: erasure for position, erasure in told.items() if position <= size}
    return restore(
        engine.urls.owner,
        engine.ledger,
        (event for _, event in export.verified(*keys)),
        erasures=erasures,
        named=frozenset(named),
        personal=personal,
        progress=lambda done: progress(size + done, 2 * size),
    )


def _redacted_position(event: StoredEvent) -> int | None:
    """Return the position whose erasure an event records, None for every other event."""
    # Most heads do not have the name, so most are not decoded.
    if Redacted.type_name.encode() not in event.parts.head:
        return None
    event_type, _ = read_foreign(event.position, event.parts, INDEXER)
    if event_type != Redacted.type_name:
        return None
    data = opaque_data(event.parts)
    return Redacted.of(LedgerEvent(type=event_type, data=data, captured_by="", parts=event.parts)).position


def _require_other_origin(engine: Engine, header: ExportHeader) -> None:
    """Refuse to go on under the exported log's name: whoever signed for it may have signed more than the export has."""
    log, settings = find_log(engine.pool, engine.ledger.ledger_id), engine.settings
    origin = settings.log_origin or f"{DEFAULT_HOST}/{engine.ledger.name}"
    if log is not None:
        origin = log.identity.origin
    elif (own := environment_keys(settings)) or key_path(settings, engine.ledger.name).exists():
        # What the first log would be called, whose key is here already.
        key = own[0] if own else new_key(settings, engine.entropy, log=engine.ledger.name, origin=None, fallback=origin)
        origin = key.name
    if origin == header.origin:
        raise ConflictError(
            f"The log of this ledger would be called {origin}, as the exported one",
            code="audit.same_origin",
            hint="Restore into a ledger of another name, or set TRACEABILITY_LOG_ORIGIN: two histories under one name"
            " are what a log must never show.",
        )
