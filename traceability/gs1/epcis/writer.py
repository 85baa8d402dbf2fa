"""From the parts of an event back to EPCIS 2.0 in JSON-LD: those that are open, with every number as it was written.

The parts hold what EPCIS would say in the same form, so most of them go out as the bytes that they are. Names of
extensions stay full IRIs, which JSON-LD and the schema of EPCIS allow and no context has to explain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import orjson

from traceability.gs1.epcis.event import TYPE_NAMES
from traceability.gs1.epcis.strict_json import JSON, dumps, loads
from traceability.ledger.event import utc_text
from traceability.ledger.parts import Parts

CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"

_EPCIS_NAMES: Final = {ours: theirs for theirs, ours in TYPE_NAMES.items()}
_SINGLE: Final = frozenset({b"parentID", b"transformationID"})
_DISTINCT: Final = frozenset({b"epcList", b"inputEPCList", b"outputEPCList"})
_QUANTITIES: Final = b"uantityList"
_BEFORE_NAME: Final = len(b'{"list":"')


def write_query_document(
    events: Iterable[bytes],
    *,
    created_at: int,
    query_name: str = "SimpleEventQuery",
    prefixes: Mapping[str, str] | None = None,
    subscription_id: str | None = None,
) -> bytes:
    """Return an EPCISQueryDocument (EPCIS 2.0 §10.2) around events in JSON; `created_at` in microseconds UTC.

    `prefixes` are namespaces that names in the events are written with; `subscription_id` is whom the answer is for.
    """
    subscribed = b"" if subscription_id is None else b'"subscriptionID":' + orjson.dumps(subscription_id) + b","
    context = orjson.dumps([CONTEXT, dict(prefixes)] if prefixes else [CONTEXT])
    return (
        b'{"@context":' + context + b',"type":"EPCISQueryDocument","schemaVersion":"2.0","creationDate":"'
        + utc_text(created_at).encode() + b'","epcisBody":{"queryResults":{' + subscribed + b'"queryName":'
        + orjson.dumps(query_name) + b',"resultsBody":{"eventList":[' + b",".join(events) + b"]}}}}"
    )  # fmt: skip


def write_event(parts: Parts, recorded_at: int | None, *, called: str | None = None) -> bytes:
    """Return an event of EPCIS as one JSON object; `recorded_at` (microseconds UTC) is its recordTime, None: as sent.

    It is `called` so if the parts say no eventID, which a repository populates (EPCIS 2.0 §7.4.1). Where `parts` are
    all those of an event that has one, reading the answer gives them back, but for the recordTime that was sent and the
    bytes as received.
    """
    head: dict[str, JSON] = orjson.loads(parts.head)
    more: dict[str, JSON] = loads(parts.more) if parts.more else {}
    rest = [part for part in (parts.where, parts.why, parts.how) if part]
    if parts.personal:
        opened: dict[str, JSON] = {name: value for part in rest for name, value in loads(part).items()}
        opened.update(more)
        _put_back(loads(parts.personal), opened)
        rest, more = [], opened
    sent = more.pop("recordTime", None)
    members: dict[str, JSON] = {"type": _EPCIS_NAMES[head["type"]]}
    event_id = more.pop("eventID", called)
    if event_id is not None:
        members["eventID"] = event_id
    members["eventTime"] = head["occurred_at"]
    members["eventTimeZoneOffset"] = head["eventTimeZoneOffset"]
    if recorded_at is not None or sent is not None:
        members["recordTime"] = sent if recorded_at is None else utc_text(recorded_at)
    declaration = {**head.get("errorDeclaration", {}), **more.pop("errorDeclaration", {})}
    if declaration or "errorDeclaration" in head:
        members["errorDeclaration"] = declaration
    members.update((name, head[name]) for name in _OF_HEAD if name in head)
    pieces = [dumps(members)[1:-1], *_lists(parts.what, head["type"]), *(part[1:-1] for part in rest)]
    if more:
        pieces.append(dumps(more)[1:-1])
    return b"{" + b",".join(pieces) + b"}"


_OF_HEAD: Final = ("action", "bizStep", "disposition", "persistentDisposition")


def _lists(items: Sequence[bytes], event_type: str) -> list[bytes]:
    """Return the members of the what dimension.

    The items of one list lie side by side (commitment.md), so each list is made of its bytes at once: a URI holds
    neither quote nor line break, and no number is read.
    """
    text = b"\n".join(items)
    members = []
    at = 0
    while at < len(text):
        start = at + _BEFORE_NAME
        name = text[start : text.index(b'"', start)]
        before = b'{"list":"' + name + b'","id":'
        end = text.find(b"\n", text.rindex(before))
        written = text[at:] if end < 0 else text[at:end]
        at = len(text) if end < 0 else end + 1
        if name.endswith(_QUANTITIES):
            values = written.replace(b"\n", b",").replace(before, b'{"epcClass":')
        else:
            values = written.replace(b"}\n" + before, b",")[len(before) : -1]
            if name in _DISTINCT and event_type != TYPE_NAMES["TransactionEvent"]:
                # A thing that was named as URN and as link stands there twice, which the schema of EPCIS refuses.
                values = b'"' + b'","'.join(dict.fromkeys(values[1:-1].split(b'","'))) + b'"'
        members.append(b'"' + name + b'":' + (values if name in _SINGLE else b"[" + values + b"]"))
    return members


def _put_back(personal: dict[str, JSON], members: dict[str, JSON]) -> None:
    """Put members that were taken out as personal where they were, in the order in which they were taken."""
    for key, value in personal.items():
        if not key.startswith("/"):
            members[key] = value
            continue
        *way, last = [step.replace("~1", "/").replace("~0", "~") for step in key[1:].split("/")]
        place: JSON = members
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if isinstance(place, list):
            place.insert(int(last), value)
        else:
            place[last] = value
