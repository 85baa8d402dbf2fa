"""The CBV event hashes of a document's events, in its order, none left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import lru_cache
from io import BytesIO
from itertools import islice
from typing import Final, TypeAlias, TypeGuard

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from traceability.gs1.epcis.blocks import MAX_VALUE_BYTES, Block
from traceability.gs1.epcis.context import Names, standard_names
from traceability.gs1.epcis.envelope import MAX_CONTEXT_BYTES, Envelope, open_envelope
from traceability.gs1.epcis.hash.event_hash import event_hash, prehash_of
from traceability.gs1.epcis.hash.keys import EventHashError, Keys
from traceability.gs1.epcis.hash.reference_hash import reference_prehash
from traceability.gs1.epcis.hash.reference_tree import REPOSITORY, JsonTrees, ignored_in_xml, xml_tree
from traceability.gs1.epcis.outline import spans_of
from traceability.gs1.epcis.problems import Findings, Problem
from traceability.gs1.epcis.strict_json import (
    JSON,
    PLAIN_BYTES,
    JsonTextError,
    Place,
    dumps,
    plain_value,
    read_value,
    value_in,
)
from traceability.gs1.epcis.xml.event import names_of, value_of, with_namespaces
from traceability.gs1.epcis.xml.markup import XmlTextError
from traceability.gs1.epcis.xml.outline import spans_of_xml
from traceability.gs1.epcis.xml.tree import parse

_EVENT_LIST: Final = "$.epcisBody.eventList"
_WHOLE_BYTES: Final = 1024 * 1024
"""A document so short is not worth taking apart; of a longer one, not all events are in memory as objects at once."""
_BODY: Final = b'"epcisBody":{"eventList":['
_NO_BODY: Final = b'"epcisBody":""}'
_END: Final = b"]}}"
_WRAPPERS: Final = (b"<extension>", b"</extension>", b"<baseExtension>", b"</baseExtension>")

Read: TypeAlias = Callable[[Block], bytes]
"""Returns the bytes of a block of the document."""
_Prehash: TypeAlias = Callable[[bytes, Place, int], str]


class HashMode(StrEnum):
    """Whose rules: those of the standard, or those of its reference implementation."""

    SPEC = "spec"
    REF_COMPAT = "ref-compat"


class HashedEvent(Struct, frozen=True):
    """One event: its JSONPath, and its pre-hash string or the problem that it has none."""

    path: str
    prehash: str
    problem: Problem | None = None

    @property
    def hash(self) -> str | None:
        """The event's hash as a `ni` URI."""
        return None if self.problem is not None else event_hash(self.prehash)


_decode_list: Final = Decoder(list[Raw]).decode


def hashed_document(data: bytes, mode: HashMode = HashMode.SPEC) -> tuple[list[Problem], Iterator[HashedEvent]]:
    """Return why no event of a document can be read, and the hashes of its events; no bytes raise."""
    if mode is HashMode.SPEC and len(data) <= PLAIN_BYTES:
        plain = _plain_whole(data) or _plain_document(data)
        if plain is not None:
            return [], _of_plain(data, *plain)
    envelope = open_envelope(BytesIO(data))
    return [] if envelope.blocks else envelope.problems, hashed_events(envelope, _slice_of(data), mode)


def _plain_document(data: bytes) -> tuple[Keys, list[Raw]] | None:
    """Return the events of a document in JSON that is plainly written, each unread; None for another."""
    # No string holds this, for there a backslash would stand before its quotes; and what is within another object, or
    # comes twice, leaves a head or a list that is no JSON.
    head, body, events = data.strip().partition(_BODY)
    members = plain_value(head + _NO_BODY) if body and events.endswith(_END) else None
    if not _is_head(members):
        return None
    context = dumps(members.get("@context"))
    if len(context) > MAX_CONTEXT_BYTES:
        return None
    try:
        listed = _decode_list(b"[" + events[: -len(_END) + 1])
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return (_keys_in(context), listed) if listed else None


def _plain_whole(data: bytes) -> tuple[Keys, list[JSON]] | None:
    """Return the events of a short document in one step, with spaces between its members or not; None for another."""
    members = plain_value(data) if len(data) <= _WHOLE_BYTES else None
    if not _is_head(members):
        return None
    body = members.get("epcisBody")
    events = body.get("eventList") if isinstance(body, dict) and len(body) == 1 else None
    return (_keys_in(dumps(members.get("@context"))), events) if events and isinstance(events, list) else None


def _is_head(members: JSON) -> TypeGuard[dict[str, JSON]]:
    if not isinstance(members, dict):
        return False
    return members.get("type") == "EPCISDocument" and members.get("schemaVersion") == "2.0"


def _of_plain(data: bytes, keys: Keys, events: list[JSON] | list[Raw]) -> Iterator[HashedEvent]:
    for i, event in enumerate(events):
        path = f"{_EVENT_LIST}[{i}]"
        try:
            value = value_in(bytes(event)) if isinstance(event, Raw) else event
            yield HashedEvent(path, prehash_of(value, keys))
        except EventHashError as error:
            yield HashedEvent(path, "", Problem(i, path + error.path, error.code, "error", error.message))
        except JsonTextError:  # to say where, the document is outlined after all
            yield from islice(hashed_events(open_envelope(BytesIO(data)), _slice_of(data)), i, None)
            return


def _slice_of(data: bytes) -> Read:
    return lambda block: data[block.offset : block.offset + block.size]


@lru_cache(maxsize=32)
def _keys_in(context: bytes) -> Keys:
    # What is wrong with the context is told of the document, by whoever checks it.
    return Keys(standard_names().within(read_value(context), Findings(None, "$"), ""))


def hashed_events(envelope: Envelope, read: Read, mode: HashMode = HashMode.SPEC) -> Iterator[HashedEvent]:
    """Yield every event of a document; `read` may be asked for a block twice. No bytes raise."""
    if envelope.in_xml:
        prehash = _spec_of_xml(envelope) if mode is HashMode.SPEC else _reference_of_xml(envelope)
    elif mode is HashMode.SPEC:
        prehash = _spec_of_json(envelope)
    else:
        prehash = _reference_of_json(envelope, read)
    for block in envelope.blocks:
        yield from _of_block(block, read, prehash, in_xml=envelope.in_xml)


def _of_block(block: Block, read: Read, prehash: _Prehash, *, in_xml: bool) -> Iterator[HashedEvent]:
    if block.too_long:
        yield _without(block, 0, "", "epcis.event_too_long", f"An event has at most {MAX_VALUE_BYTES} bytes.")
        return
    data = read(block)
    place, at = block.place, 0
    for i, (start, end) in enumerate(spans_of_xml(data) if in_xml else spans_of(data)):
        place, at = place.after(data[at:start]), start
        try:
            yield HashedEvent(block.path_of(i), prehash(data[start:end], place, block.offset + start))
        except EventHashError as error:
            yield _without(block, i, error.path, error.code, error.message)
        except (JsonTextError, XmlTextError) as error:
            yield _without(block, i, "", error.code, error.message)


def _without(block: Block, i: int, path: str, code: str, message: str) -> HashedEvent:
    at = block.path_of(i)
    return HashedEvent(at, "", Problem(block.index + i, at + path, code, "error", message))


def _spec_of_json(envelope: Envelope) -> _Prehash:
    keys = _keys_in(dumps(envelope.context))
    return lambda source, place, offset: prehash_of(value_in(source, offset, place), keys)


def _spec_of_xml(envelope: Envelope) -> _Prehash:
    namespaces = envelope.context or {}

    def prehash(source: bytes, place: Place, _offset: int) -> str:
        root = parse(with_namespaces(source, namespaces), place)
        return prehash_of(value_of(root), _keys_of(names_of(root)))

    return prehash


@lru_cache(maxsize=32)
def _keys_of(names: Names) -> Keys:
    return Keys(names)


def _reference_of_json(envelope: Envelope, read: Read) -> _Prehash:
    trees = JsonTrees(envelope.context, envelope.members)
    for block in envelope.blocks:
        data = b"" if block.too_long else read(block)
        for start, end in spans_of(data):
            try:
                trees.show(value_in(data[start:end], block.offset + start, block.place))
            except JsonTextError:  # told when its turn comes
                continue

    def prehash(source: bytes, place: Place, offset: int) -> str:
        value = value_in(source, offset, place)
        if not isinstance(value, dict):
            raise EventHashError("", "epcis.type", "An event is an object.")
        return reference_prehash(trees.tree(value))

    return prehash


def _reference_of_xml(envelope: Envelope) -> _Prehash:
    namespaces: dict[str, str] = envelope.context or {}
    ignored = ignored_in_xml(envelope.members)
    # It takes these out of the text of the document, wherever they stand.
    prefixes = [prefix for prefix, uri in namespaces.items() if prefix and uri == REPOSITORY]
    dropped = [*_WRAPPERS, *(f"{prefix}:".encode() for prefix in prefixes)]

    def prehash(source: bytes, place: Place, _offset: int) -> str:
        for text in dropped:
            source = source.replace(text, b"")
        return reference_prehash(xml_tree(parse(with_namespaces(source, namespaces), place), ignored))

    return prehash
