"""Something said in a case, a clock, a shipment or a session, read from the event that records it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Generic, TypeVar
from uuid import UUID

import orjson

from traceability.errors import InvalidInputError
from traceability.ledger.event import UNREADABLE, DecisionPayload, opaque_data, opaque_index
from traceability.ledger.parts import Parts

_Payload = TypeVar("_Payload", bound=DecisionPayload)
_Said = TypeVar("_Said")


@dataclass(frozen=True, slots=True)
class SaidBy(Generic[_Payload]):
    """What is said, as it is recorded at a position. Times are in microseconds UTC.

    `digest` breaks ties and is never shown.
    """

    payload: _Payload
    said_by: str
    occurred_at: int
    position: int
    event_id: UUID
    recorded_at: int
    digest: bytes = field(default=b"", repr=False)


def read_said(
    make: Callable[[_Payload, str, int, int, UUID, int, bytes], _Said],
    payloads: Mapping[str, type[_Payload]],
    parts: Parts,
    *,
    position: int,
    event_id: UUID,
    recorded_at: int,
) -> _Said | None:
    """Read what an event says, of these payloads by type name, and `make` a `SaidBy` of it.

    None for other types, and for what only others can have written and nobody can read.
    """
    try:
        rows, kind = opaque_index(parts), payloads.get(orjson.loads(parts.head)["type"])
        if kind is None or rows.sighting is None:
            return None
        payload = kind.model_validate_json(opaque_data(parts))
    except (InvalidInputError, *UNREADABLE):
        return None
    digest = sha256(parts.head + parts.more).digest()
    said_by, occurred_at = rows.visibility.captured_by, rows.sighting.occurred_at
    return make(payload, said_by, occurred_at, position, event_id, recorded_at, digest)
