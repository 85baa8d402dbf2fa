"""What of a document is new: the events that its sender's organisation cannot see in the ledger already.

Two ledgers that feed each other tell each other what they were told. An event that comes back has the eventID that it
left with and says what its receiver could see of it; that is compared, so an echo ends where it began, while the same
statement by somebody from whom it was hidden is recorded as a statement of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from io import BytesIO
from typing import Final, NamedTuple

from adapters.postgres.ledgers import personal_members
from api.wiring import Engine
from traceability.gs1.epcis import content_digest
from traceability.gs1.epcis.blocks import Block
from traceability.gs1.epcis.document import EventReader, ReadEvent
from traceability.gs1.epcis.envelope import Envelope, open_envelope
from traceability.gs1.epcis.outline import spans_of
from traceability.gs1.epcis.query.conditions import IsCalled
from traceability.gs1.epcis.query.event_query import EventQuery, Order
from traceability.gs1.epcis.strict_json import dumps, plain_loads
from traceability.gs1.epcis.times import utc
from traceability.gs1.epcis.view import read_event_id
from traceability.gs1.epcis.xml.outline import spans_of_xml
from traceability.ledger.event import microseconds
from traceability.ledger.parts import Parts

_AT_ONCE: Final = 200
_RECORD_TIME: Final = re.compile(rb'["<]recordTime(?:"\s*:\s*"|>\s*)([^"<\s]+)').search


@dataclass(frozen=True, slots=True)
class Fresh:
    """A document without the events that are known: `document` is None when nothing is left to be captured.

    `events` came, `known` of them were in the ledger or among those that the source remembers. `times` are the
    recordTimes of all, in microseconds UTC as they came; `digests` are those of the new ones.
    """

    document: bytes | None
    events: int = 0
    known: int = 0
    times: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)


class _Came(NamedTuple):
    block: Block
    start: int
    end: int
    read: ReadEvent
    event_id: str | None
    content: bytes
    digest: str


def fresh(engine: Engine, organisation: str, document: bytes, had: Collection[str] = ()) -> Fresh:
    """Leave out of a document what an organisation knows; `had` are digests of events that came before.

    What cannot be read stays, for the capture to say so.
    """
    envelope = open_envelope(BytesIO(document))
    if not envelope.blocks or any(problem.severity == "error" for problem in envelope.problems):
        empty = not envelope.blocks and not envelope.problems and not envelope.master_data
        return Fresh(None if empty else document)
    came = list(_events(engine, organisation, envelope, document))
    seen = _seen(engine, organisation, {one.event_id for one in came if one.event_id is not None})
    before = set(had)
    known = [one for one in came if one.digest in before or one.content in seen.get(one.event_id or "", ())]
    new = {one.digest: one for one in came}
    for one in known:
        new.pop(one.digest, None)
    times = [time for one in came if (time := _record_time(one.read.text)) is not None]
    left: bytes | None = document
    if len(known) == len(came) and not envelope.master_data:
        left = None
    elif known:
        left = _without(document, came, known, in_xml=envelope.in_xml)
    return Fresh(left, len(came), len(known), times, list(new))


def _events(engine: Engine, organisation: str, envelope: Envelope, document: bytes) -> Iterator[_Came]:
    with engine.pool.connection() as connection:
        personal = personal_members(connection, engine.ledger.ledger_id)
    reader = EventReader(envelope.context, captured_by=organisation, personal=personal, in_xml=envelope.in_xml)
    for block in envelope.blocks:
        data = document[block.offset : block.offset + block.size]
        spans = spans_of_xml(data) if envelope.in_xml else spans_of(data)
        if block.too_long:
            spans = [(0, block.size)]
        for (start, end), read in zip(spans, reader.read(block, data), strict=True):
            event_id, content = None, data[start:end]
            if read.event is not None:
                # Nothing that is derived from personal members is remembered.
                event_id, content = read_event_id(read.event.parts.more), _content(read.event.parts)
            digest = blake2b((event_id or "").encode() + b"\0" + content, digest_size=12).hexdigest()
            yield _Came(block, block.offset + start, block.offset + end, read, event_id, content, digest)


def _seen(engine: Engine, organisation: str, event_ids: Collection[str]) -> Mapping[str, set[bytes]]:
    """Return by eventID what the organisation sees of the events that the ledger has, as digests of their content."""
    found: defaultdict[str, set[bytes]] = defaultdict(set)
    reader = engine.organisations.reader(organisation)
    queries = engine.event_queries
    asked = sorted(event_ids)
    for first in range(0, len(asked), _AT_ONCE):
        names = frozenset(asked[first : first + _AT_ONCE])
        query = EventQuery((IsCalled(names),), order=Order.RECORD_TIME, descending=False)
        after = None
        while True:
            page = queries.page(query, reader=reader, size=_AT_ONCE, after=after)
            for event in page.events:
                found[read_event_id(event.parts.more) or event.called].add(_content(event.parts))
            if (after := page.next) is None:
                break
    return found


def _content(parts: Parts) -> bytes:
    """Return the digest of what an event says, whoever captured it."""
    head = plain_loads(parts.head)
    del head["captured_by"]
    return content_digest(replace(parts, head=dumps(head)))


def _record_time(text: bytes) -> int | None:
    found = _RECORD_TIME(text)
    time = None if found is None else utc(found[1].decode("ascii", "replace"))
    return None if time is None else microseconds(time)


def _without(document: bytes, came: Sequence[_Came], known: Sequence[_Came], *, in_xml: bool) -> bytes:
    """Return the document with the bytes of the known events cut out, and of every other event just as they came."""
    gone = {one.start for one in known}
    if in_xml:
        pieces, at = [], 0
        for one in came:
            if one.start in gone:
                pieces.append(document[at : one.start])
                at = one.end
        return b"".join([*pieces, document[at:]])
    lists: defaultdict[str, list[_Came]] = defaultdict(list)
    for one in came:
        lists[one.block.path].append(one)
    pieces, at = [], 0
    for events in lists.values():
        kept = b",".join(document[one.start : one.end] for one in events if one.start not in gone)
        pieces += [document[at : events[0].start], kept]
        at = events[-1].end
    return b"".join([*pieces, document[at:]])
