"""The list of what was erased, beside the database: whoever restores an older backup has to erase it again.

One file a ledger, one JSON object a line. It names no person: positions, event ids, and what the record of the erasure
says of reason and authority. It is made from the ledger's own `ledger.redacted.v1` events and only ever grows, so that
a database that was set back does not shorten it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from adapters.durable import DISK, Disk, locked, replace_file
from adapters.postgres.erasure import erase, redactions
from api.settings import Settings
from api.wiring import Engine
from traceability.errors import ConflictError, InvalidInputError
from traceability.notary.export import Erasure


def erasures_of(folder: Path, ledger: str) -> list[Erasure]:
    """Return the list of a ledger, empty when there is none; raises `InvalidInputError` (`backup.erasures`)."""
    path = _file(folder, ledger)
    try:
        return msgspec.json.Decoder(Erasure).decode_lines(path.read_bytes())
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise InvalidInputError(
            f"{path} is not a list of erasures: {error}",
            code="backup.erasures",
            hint="A line that a crash cut off may be removed; what it named has to be erased again after a restore.",
        ) from error


def keep_erasures(engine: Engine) -> None:
    """Add to the list what was erased in this ledger and is not on it; durable on return."""
    folder, ledger, head = folder_of(engine.settings), engine.ledger.name, engine.ledger.head()
    # A ledger that was set back has lower positions than its list.
    listed = (erasure.redacted_by for erasure in erasures_of(folder, ledger))
    after = max((position for position in listed if position <= head), default=0)
    found = []
    for position, redacted, erased in redactions(engine.ledger, after):
        event_id = erased.event.event_id
        if event_id is not None:
            found.append(Erasure(redacted.position, event_id, redacted.reason, redacted.authority, position))
    write_erasures(folder, ledger, found)


def write_erasures(folder: Path, ledger: str, erasures: Iterable[Erasure], disk: Disk = DISK) -> None:
    """Add to a list those of the erasures that are not on it; durable on return.

    The list is put in its place whole: a power cut leaves the old one or the new one, and no line that is cut off. Two
    that add at once wait for each other, or the lines of one would be lost.
    """
    with locked(folder, disk):
        listed = erasures_of(folder, ledger)
        known = {erasure.event_id for erasure in listed}
        added = [erasure for erasure in erasures if erasure.event_id not in known]
        if added:
            lines = msgspec.json.Encoder().encode_lines([*listed, *added])
            replace_file(_file(folder, ledger), lines, disk, mode=0o600)


def erase_again(engine: Engine, erasures: Iterable[Erasure]) -> list[int]:
    """Erase, as the owner role, what is listed and whole in this ledger; return the positions."""
    again = []
    for erasure in erasures:
        record = engine.ledger.record_of(erasure.event_id)
        if record is None:
            continue  # it came in after this state of the ledger
        try:
            erase(
                engine.urls.owner,
                engine.ledger,
                record.position,
                reason=erasure.reason,
                authority=erasure.authority,
            )
        except ConflictError:
            continue  # it is erased here
        again.append(record.position)
    return again


def folder_of(settings: Settings) -> Path:
    """Return where the lists are."""
    return settings.data / "erasures"


def _file(folder: Path, ledger: str) -> Path:
    return folder / f"{ledger}.ndjson"
