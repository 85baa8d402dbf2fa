"""The CBV event hash of an event of the ledger: of what its parts 0 to 5 hold, by the rules of the standard.

It is a pure function of what every erasure leaves, and says nothing of personal members: neither what they are, nor
that there are any. Of an event from which none were taken it is the hash that its sender computes.
"""

from __future__ import annotations

from typing import Final

from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.event import TYPE_NAMES, Cut
from traceability.gs1.epcis.hash.event_hash import event_hash, prehash_of
from traceability.gs1.epcis.hash.keys import EventHashError, Keys
from traceability.gs1.epcis.strict_json import JSON, plain_loads
from traceability.ledger.parts import Parts

HASHED_PARTS: Final = frozenset({"what", "where", "why", "how", "more"})
"""What a reader sees, beside the head, who may find an event by its hash: to others it would tell what is hidden."""

_TYPES: Final = {ours: theirs for theirs, ours in TYPE_NAMES.items()}
_SINGLE: Final = frozenset({"parentID", "transformationID"})
_QUANTITIES: Final = "uantityList"
_KEYS: Final = Keys(standard_names())
"""Names in parts are full IRIs: no other context explains them."""


def is_event_hash(name: str) -> bool:
    """Tell whether a URI has the form of an event hash."""
    return name.startswith("ni:///sha-256;")


def hash_of_parts(parts: Parts) -> str | None:
    """Return the hash of an event of EPCIS, without an eventID or with one, as `hash_of_cut` does."""
    head, where, why, how, more = map(_opened, parts.flat()[:5])
    return hash_of_cut(Cut(head, parts.what, [], where, why, how, more))


def hash_of_cut(cut: Cut) -> str | None:
    """Return the hash as a `ni` URI, None for an event that has none: it has a time that rounds beyond the year 9999.

    Numbers in the members of `cut` have the digits that they were written with.
    """
    event: dict[str, JSON] = {**cut.head, **cut.where, **cut.why, **cut.how, **cut.more}
    del event["captured_by"]
    event["type"] = _TYPES[event["type"]]
    event["eventTime"] = event.pop("occurred_at")
    for item in plain_loads(b"[%b]" % b",".join(cut.what)):
        name = item.pop("list")
        if name in _SINGLE:
            event[name] = item["id"]
        elif name.endswith(_QUANTITIES):
            item["epcClass"] = item.pop("id")
            event.setdefault(name, []).append(item)
        else:
            event.setdefault(name, []).append(item["id"])
    try:
        return event_hash(prehash_of(event, _KEYS))
    except EventHashError:
        return None


def _opened(part: bytes) -> dict[str, JSON]:
    members: dict[str, JSON] = plain_loads(part) if part else {}
    return members
