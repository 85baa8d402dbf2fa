"""The ledger's event, and how decisions and plain DCB events are cut into parts.

An EPCIS event is cut by its dimensions (`traceability.gs1`). Everything else is data under a stable type name: its
tags and its payload are the part `more`, so that the index can be rebuilt by a reader who does not know the type.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Self
from uuid import UUID

import msgspec
import orjson
from eventsourcing.dcb.api import DCBEvent
from eventsourcing.dcb.domain import Decision
from pydantic import BaseModel, ConfigDict, ValidationError

from traceability.errors import InvalidInputError
from traceability.ledger.access import NAMED_ONLY
from traceability.ledger.index import Indexer, IndexRows, Sighting, Visibility
from traceability.ledger.parts import Parts

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
PARTY_PREFIX: Final = "party:"
FOR_THE_NAMED: Final = "sight:named_only"
"""The tag of a decision that nobody sees but its maker and the parties that it names, whatever is granted."""
PAYLOAD: Final = "/payload/"
"""How the pointers begin under which the part `personal` keeps what was taken out of a payload."""


@dataclass(kw_only=True)
class LedgerEvent(DCBEvent):
    """An event on its way into a ledger, or read from one.

    `event_id`, `recorded_at` (µs UTC), the salts of 32 bytes and the commitment are None until it is recorded;
    `personal_salt` is 64 bytes once the personal and source parts were erased. `index` is what the indexer says of the
    parts, where whoever cut them knew it already; like `tags` it belongs to these parts and no others.
    """

    captured_by: str
    parts: Parts
    event_id: UUID | None = None
    recorded_at: int | None = None
    salt: bytes | None = None
    personal_salt: bytes | None = None
    commitment: bytes | None = None
    index: IndexRows | None = field(default=None, repr=False, compare=False)


class DecisionPayload(BaseModel, Decision):
    """The base of decision events: facts that no EPCIS event expresses (holds, redactions, certificates).

    A subclass gives its stable `type_name` (`context.thing_done.v1`); the name is data on disk, so it is never
    derived from the module path and never changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    type_name: ClassVar[str]
    personal_members: ClassVar[frozenset[str]] = frozenset()
    """Members that are kept in the part `personal`, by JSON pointers, and go when it is erased: they are optional."""

    def to_event(self, *, captured_by: str, occurred_at: int, tags: Iterable[str]) -> LedgerEvent:
        """Return the event of this decision; `occurred_at` in microseconds UTC."""
        data = self.model_dump_json(exclude_none=True, exclude=set(self.personal_members)).encode()
        personal = self.model_dump(mode="json", exclude_none=True, include=set(self.personal_members))
        named = orjson.dumps({f"{PAYLOAD}{name}": value for name, value in personal.items()}) if personal else b""
        return decision_event(
            self.type_name, data, captured_by=captured_by, occurred_at=occurred_at, tags=tags, personal=named
        )

    @classmethod
    def of(cls, event: DCBEvent) -> Self:
        """Read the payload back; raises `InvalidInputError` when the event is of another type or shape."""
        if event.type != cls.type_name:
            raise InvalidInputError(f"an event of type {event.type} is not a {cls.type_name}", code="ledger.event_type")
        try:
            payload = cls.model_validate_json(event.data)
            if cls.personal_members and isinstance(event, LedgerEvent) and event.parts.personal:
                said = orjson.loads(event.parts.personal)
                found = {name: said.get(f"{PAYLOAD}{name}") for name in cls.personal_members}
                payload = payload.model_copy(update=found)
        except (ValidationError, ValueError) as error:
            raise InvalidInputError(f"a {cls.type_name} has an unreadable payload", code="ledger.payload") from error
        return payload


class Redacted(DecisionPayload):
    """The personal and source parts of the event at `position` were destroyed."""

    type_name = "ledger.redacted.v1"
    position: int
    reason: str
    authority: str


def decision_event(
    type_name: str, payload: bytes, *, captured_by: str, occurred_at: int, tags: Iterable[str], personal: bytes = b""
) -> LedgerEvent:
    """Return the event of a decision whose payload is this JSON object; `occurred_at` in microseconds UTC.

    `personal` is an object of what was taken out of the payload, by pointers that begin with `PAYLOAD`.
    """
    head = {"type": type_name, "captured_by": captured_by, "occurred_at": utc_text(occurred_at)}
    event = _opaque_event(head, payload, b'"payload":' + payload, tags)
    if personal:
        event.parts = replace(event.parts, personal=personal)
    return event


class _More(msgspec.Struct):
    tags: list[str] = []
    payload: msgspec.Raw = msgspec.Raw(b"")
    data: str = ""


_decode_more: Final = msgspec.json.Decoder(_More).decode


def _more_of(parts: Parts) -> _More:
    """Read what `_opaque_event` wrote; a part that another context wrote holds none of it, whatever its names."""
    if not parts.more:
        return _More()
    try:
        return _decode_more(parts.more)
    except msgspec.ValidationError:
        return _More()


def plain_event(event: DCBEvent, captured_by: str) -> LedgerEvent:
    """Cut an event of the DCB interface, whose data may be any bytes, into parts."""
    if isinstance(event, LedgerEvent):
        return event
    data = b64encode(event.data)
    return _opaque_event(
        {"type": event.type, "captured_by": captured_by}, event.data, b'"data":"' + data + b'"', event.tags
    )


class _Typed(msgspec.Struct):
    type: str


_decode_type: Final = msgspec.json.Decoder(_Typed).decode
UNREADABLE: Final = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, msgspec.MsgspecError
)  # fmt: skip
"""What reading parts may raise that were not written by us: their commitment is right, and they hold anything."""


def read_foreign(position: int, parts: Parts, indexer: Indexer) -> tuple[str, IndexRows]:
    """Return the type and the index rows of an event that others have written and signed.

    Raises `InvalidInputError` (`ledger.unreadable_parts`), which names the position.
    """
    try:
        return _decode_type(parts.head).type, indexer(parts)
    except UNREADABLE as error:
        raise InvalidInputError(
            f"the parts of the event at position {position} cannot be read", code="ledger.unreadable_parts"
        ) from error


def opaque_index(parts: Parts) -> IndexRows:
    """Index an event that is not EPCIS: the tags that it carries."""
    head: dict[str, Any] = orjson.loads(parts.head)
    tags = tuple(_more_of(parts).tags)
    occurred_at = head.get("occurred_at")
    parties = tuple(sorted(tag for tag in tags if tag.startswith(PARTY_PREFIX)))
    return IndexRows(
        tags=tags,
        visibility=Visibility(head["captured_by"], parties, NAMED_ONLY if FOR_THE_NAMED in tags else None),
        sighting=Sighting(microseconds(occurred_at), None, None) if occurred_at else None,
    )


def opaque_data(parts: Parts) -> bytes:
    """Return the data of an event: its payload as JSON, or the bytes that were appended; an EPCIS event has none."""
    more = _more_of(parts)
    try:
        return bytes(more.payload) or b64decode(more.data)
    except ValueError:  # an extension called `data`
        return b""


def utc_text(microseconds_utc: int) -> str:
    """Write a time as the parts hold it: UTC, six decimals, `Z`."""
    time = EPOCH + timedelta(microseconds=microseconds_utc)
    return time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"  # strftime does not pad early years


def microseconds(text: str) -> int:
    """Read a time as the parts hold it; any offset is accepted, microseconds since 1970 come back."""
    return (datetime.fromisoformat(text) - EPOCH) // _MICROSECOND


def _opaque_event(head: dict[str, str], data: bytes, member: bytes, tags: Iterable[str]) -> LedgerEvent:
    unique = list(dict.fromkeys(tags))
    return LedgerEvent(
        type=head["type"],
        data=data,
        tags=unique,
        captured_by=head["captured_by"],
        parts=Parts(head=orjson.dumps(head), more=b'{"tags":' + orjson.dumps(unique) + b"," + member + b"}"),
    )
