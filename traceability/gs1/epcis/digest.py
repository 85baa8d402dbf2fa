"""Whether two events say the same: a digest over content, whatever the order and spelling it came in.

Two captures of one event, as JSON and as XML, or with members in another order, have one digest. It is taken over
the parts that no erasure touches, leaves out the eventID, which names the statement and not its content, and is never
shown: without a salt it would tell hidden fields to whoever can guess them (commitment.md).
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import Final

import orjson

from traceability.gs1.epcis.strict_json import JSON, Number, plain_loads
from traceability.gs1.epcis.times import utc
from traceability.ledger.parts import Parts

_DOMAIN: Final = b"traceability epcis content v1\x00"
_NOT_CONTENT: Final = ("eventID", "recordTime")
_TIMES: Final = frozenset({"time", "startTime", "endTime", "declarationTime"})
# The lists of EPCIS whose order says nothing; that of an extension's array may.
_SETS: Final = frozenset({
    "bizTransactionList", "sourceList", "destinationList", "sensorElementList", "sensorReport", "set", "unset",
})  # fmt: skip
_WITHOUT_QUANTITY: Final = re.compile(rb'\{("list":"[A-Za-z]+"),("id":"[^"\\]*")\}').fullmatch
_CACHED: Final = 4_096
_SHORT: Final = 512  # bytes of what is remembered
_TIME: Final = re.compile(rb'"occurred_at":"([0-9T:.Z-]+)"').search
_SOME_TIME: Final = b"some time"
_NUMBER: Final = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?").fullmatch


def content_digest(parts: Parts) -> bytes:
    """Return the SHA-256 of an event's content."""
    more = plain_loads(parts.more) if parts.more else {}
    for name in _NOT_CONTENT:
        more.pop(name, None)
    declaration = more.get("errorDeclaration")
    if isinstance(declaration, dict):
        declaration.pop("correctiveEventIDs", None)
        if not declaration:
            del more["errorDeclaration"]
    where = _remembered(parts.where) if len(parts.where) <= _SHORT else _part(parts.where)
    others = _part(parts.why), _part(parts.how), _encoded(_normal(more, ""))
    content = b"[%b,%b,%b,%b,%b]" % (_head(parts.head), where, *others)
    pieces = [_DOMAIN]
    for piece in (content, *sorted(map(_item, parts.what))):
        pieces += (len(piece).to_bytes(8, "big"), piece)
    return sha256(b"".join(pieces)).digest()


def _part(part: bytes) -> bytes:
    return _encoded(_normal(plain_loads(part), "")) if part else b"{}"


_remembered: Final = lru_cache(maxsize=_CACHED)(_part)  # of places and of heads but for the time there are few


def _head(head: bytes) -> bytes:
    found = _TIME(head) if len(head) <= _SHORT else None
    if found is None:
        return _part(head)
    start, end = found.span(1)
    form = _remembered(head[:start] + _SOME_TIME + head[end:])
    return form.replace(_SOME_TIME, found[1]) if form.count(_SOME_TIME) == 1 else _part(head)


def _item(item: bytes) -> bytes:
    # Most items have no quantity; of those it is enough to turn the two members round.
    named = _WITHOUT_QUANTITY(item)
    return b"{%b,%b}" % (named[2], named[1]) if named is not None else _encoded(_normal(plain_loads(item), ""))


def plain_number(text: str) -> str:
    """Return a JSON number's value as digits and a power of ten, so that 4.10, 4.1 and 41e-1 are one text."""
    match = _NUMBER(text)
    if match is None:
        return text
    sign, whole, fraction, exponent = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return "0"
    power = int(exponent or 0) - len(fraction) + len(digits) - len(significant)
    return f"{sign}{significant}e{power}" if power else f"{sign}{significant}"


def _normal(value: JSON, name: str) -> JSON:
    """Return `value` without what is accident: XML has no numbers and booleans, so scalars are told by their text."""
    if type(value) is str:
        return utc(value) or value if name in _TIMES else value
    if name == "certificationInfo" and isinstance(value, list) and len(value) == 1:
        value = value[0]  # one certification says the same alone and in a list
    if isinstance(value, dict):
        return {
            # Most members are texts that no rule changes: to ask for each costs more than all the rest.
            inner: part if type(part) is str and inner not in _TIMES else _normal(part, inner)
            for inner, part in value.items()
            if part != [] or inner not in _SETS
        }
    if isinstance(value, list):
        parts = [_normal(part, "") for part in value]
        return sorted(parts, key=_encoded) if name in _SETS else parts
    if isinstance(value, Number):
        return plain_number(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain_number(str(value)) if isinstance(value, int) else value


def _encoded(value: JSON) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
